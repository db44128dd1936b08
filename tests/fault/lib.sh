# Helpers of the rows of the fault matrix: `. "$(dirname "$0")/lib.sh"` as a script's first command, `result TRIALS PLANNED` as its
# last. With those of the system tests; a check of theirs that fails is a violation.
#
# In a row's head: "# row: SENTENCE" for the table, "# limit: SECONDS" that it may take in full, "# alone" when nothing may run
# beside it. From outside: FAULT_SHARE, not empty when only the share of `make check` is wanted; FAULT_SEED, of all that is
# random; FAULT_ONLY, what the row takes it for, to repeat a trial.
# shellcheck shell=bash
# shellcheck source=tests/system/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../system/lib.sh"

FAULT_ROW=$(basename "$0" .sh)
: "${FAULT_SEED:=1}" "${FAULT_SHARE:=}" "${FAULT_ONLY:=}"
F_VIOLATIONS=$T_DIR/violations # a line each: subshells count too
: >"$F_VIOLATIONS"
F_SAID=$SECONDS

# violation TEXT [DETAIL ...]: a promise was broken; TEXT says which, and how to see it again.
violation() {
    echo x >>"$F_VIOLATIONS"
    echo "violation: $1 (FAULT_SEED=$FAULT_SEED${FAULT_ONLY:+ FAULT_ONLY='$FAULT_ONLY'} tests/fault/$FAULT_ROW.sh)"
    echo "$FAULT_ROW: violation: $1" >&2
    shift
    local detail
    for detail; do printf '%s\n' "$detail" | sed 's/^/    /'; done
}

# A check of the system tests' helpers that failed.
t_not_ok() {
    violation "$@"
}

violations() {
    wc -l <"$F_VIOLATIONS"
}

# evidence DIR: keep what is in DIR (a state, logs) beside the log; of the first three violations only.
evidence() {
    local to n
    n=$(violations)
    to=$T_ROOT/build/fault-logs/$FAULT_ROW.$n
    [ "$n" -le 3 ] || return 0
    mkdir -p "$to" && cp -a "$1" "$to/" && echo "    kept: $to/"
}

# progress TEXT: for the person who waits; at most once in ten seconds.
progress() {
    [ $((SECONDS - F_SAID)) -ge 10 ] || return 0
    F_SAID=$SECONDS
    echo "$FAULT_ROW: $*, $(violations) violations, $SECONDS s" >&2
}

# skip_row REASON: what the row needs is not here.
skip_row() {
    t_skip "$FAULT_ROW" "$1"
    exit 0
}

# share FULL SHARE: how many.
share() {
    if [ -n "$FAULT_SHARE" ]; then echo "$2"; else echo "$1"; fi
}

# result TRIALS PLANNED [NOTE]: the row's last command. With fewer trials than planned a row has not shown what it says; of one that
# is repeated there is one.
result() {
    local n planned=$2
    [ -z "$FAULT_ONLY" ] || planned=1
    [ "$1" -ge "$planned" ] || violation "of $planned trials there were $1"
    n=$(violations)
    echo "RESULT trials=$1 violations=$n${3:+ note=$3}"
    [ "$n" -eq 0 ] && [ "$1" -gt 0 ]
    exit
}

# random_seed N [M ...]: begin the sequence that belongs to these numbers.
random_seed() {
    local n
    F_RANDOM=0
    for n; do F_RANDOM=$(((F_RANDOM ^ n) * 0x5851F42D4C957F2D + 0x14057B7EF767814F)); done
}

# random N: sets RANDOM_N to one of 0 ... N-1 (splitmix64, the same in every bash).
# shellcheck disable=SC2034 # for the script
random() {
    local z=$((F_RANDOM += 0x9E3779B97F4A7C15))
    z=$(((z ^ ((z >> 30) & 0x3FFFFFFFF)) * 0xBF58476D1CE4E5B9))
    z=$(((z ^ ((z >> 27) & 0x1FFFFFFFFF)) * 0x94D049BB133111EB))
    z=$((z ^ ((z >> 31) & 0x1FFFFFFFF)))
    RANDOM_N=$((((z >> 1) & 0x7FFFFFFFFFFFFFFF) % $1))
}

# descriptors PID: how many it has. 0: that cannot be read; gwd is not dumpable, so only root can.
descriptors() {
    find "/proc/$1/fd" -mindepth 1 2>/dev/null | wc -l
}

# descriptors_note N: what a row says that could read none; for root it is a violation.
descriptors_note() {
    [ "$1" -eq 0 ] || return 0
    [ "$(id -u)" -ne 0 ] || violation "the descriptors of gwd cannot be read" >&2
    echo "; descriptors are not counted, only root can"
}

# run_workers N: the row's function worker with 0 ... N-1, all at a time, each in a shell of its own.
run_workers() {
    local w pids=()
    for ((w = 0; w < $1; w++)); do
        worker $w & pids+=($!)
    done
    parts_end "${pids[@]}"
}

# parts_end PID ...: what the row does at a time; each comes to its end.
parts_end() {
    local pid
    for pid; do wait "$pid" || violation "a part of the row breaks off with exit code $?"; done
}

random_seed "$FAULT_SEED"
