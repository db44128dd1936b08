#!/bin/bash
# row: no space, EIO and short writes, at the n-th write or sync
# limit: 1500
#
# Between gwd and its state directory stands a library that lets the n-th write, sync, or other change of a file fail
# (io_preload.c), while users submit and wait: that one alone, or all from it on. Each n has one of the two, and the other one with
# the next seed. gwd goes on, or ends and says so; a daemon without the fault then has every job that was acknowledged. A chain of such
# trials shares a state and its users. FAULT_ONLY="WHAT:N:HOW[:on] ..." repeats a chain. Then gwd on a file system that is full, and with
# a log that nobody reads (FAULT_ONLY=full, FAULT_ONLY=log).
if [ "$(id -u)" -eq 0 ] && [ -z "${FAULT_MOUNTS-}" ] && unshare -m true 2>/dev/null; then
    FAULT_MOUNTS=own exec unshare -m "$0"
fi
. "$(dirname "$0")/crash_lib.sh"
[ -e "$TOOLS/io_preload.so" ] || { echo "$TOOLS/io_preload.so: not there; make tests" >&2 && exit 1; }
workers=$(share 4 2)
TRIALS=$T_DIR/trials planned=1 note=''
mkdir "$TRIALS"

# has_to_end PLAN FILE: what is written to state.db has to be true when it is said to be, so that after an error other than a lack of
# space gwd ends.
has_to_end() {
    [[ $1/$2 == *:eio*/state.db || $1/$2 == *:eio*/state.db-wal ]]
}

# check_end DIR PLAN FILE CODE
check_end() {
    if has_to_end "$2" "$3"; then
        [ "$4" = 74 ] || violation "$2: gwd went on, or ended with $4, after an error of $3 (chain $CHAIN)" "$(tail -n 5 "$1.log")"
        return
    fi
    case $4 in
    0 | 71 | 74 | 'by us') ;;
    *) violation "$2: gwd ended with $4 (chain $CHAIN)" "$(tail -n 5 "$1.log")" ;;
    esac
}

# fail_once DIR PLAN: gwd with this fault, until it ends of it, or has gone on for a moment; 1 when the fault did not come. The
# library tells of the fault, and a shell of gwd's end, through DIR.events.
fail_once() {
    local dir=$1 plan=$2 code='' file='' line events patience=30
    rm -f "$dir.events" && mkfifo "$dir.events" && exec {events}<>"$dir.events"
    (
        LD_PRELOAD=$TOOLS/io_preload.so GW_IO_DIR=$dir GW_IO_PROGRAM=/gwd GW_IO_FAIL=$plan GW_IO_COUNT=$dir.events \
            gwd -c "$dir/gwd.conf" >/dev/null 2>>"$dir.log" </dev/null {events}>&- &
        echo $! >"$dir/pid.new" && mv "$dir/pid.new" "$dir/pid"
        wait $!
        echo "ended $?" >&"$events"
    ) 2>/dev/null &
    while [ -z "$code" ] && read -r -t $patience -u "$events" line; do
        case $line in
        'failed 1 '*)
            file=${line##*/}
            if has_to_end "$plan" "$file"; then patience=20; else patience=0.3; fi
            ;;
        'ended '*) code=${line#ended } ;;
        esac
    done
    [ -n "$code" ] || { kill -KILL "$(cat "$dir/pid")" 2>/dev/null && code='by us'; }
    wait $!
    exec {events}>&-
    echo "$code $plan" >>"$dir/ends"
    if [ -z "$file" ]; then
        [ "$code" = 'by us' ] || violation "$plan: gwd ended with $code before the fault (chain $CHAIN)" "$(tail -n 5 "$dir.log")"
        return 1
    fi
    check_end "$dir" "$plan" "$file" "$code"
}

# supervise DIR PLAN ...: gwd with one fault after another, at last without.
supervise() {
    local dir=$1 plan
    shift
    for plan; do
        if fail_once "$dir" "$plan"; then echo x >>"$TRIALS/$BASHPID"; else echo "$plan" >>"$TRIALS/missed"; fi
    done
    touch "$dir/enough"
    crash_supervise "$dir"
}

# chain PLAN ...
chain() {
    local dir=$T_DIR/${1//:/.} supervisor
    CHAIN="$*" GWD_DIR=$dir
    crash_site "$dir" "JOB_RETENTION = 1" "ARCHIVE_RETENTION = 1h"
    supervise "$dir" "$@" &
    supervisor=$!
    crash_users "$dir" "$FAULT_SEED" 10 2 120 "$dir/enough" || crash_violation "$CHAIN: a user waits in vain" "$(cat "$dir/users.out")"
    crash_end "$dir" $supervisor
    crash_compare "$dir" "$CHAIN"
    rm -rf "$dir" "$dir.log" "$dir.events"
}

# Every way to fail at every n, half of them once and half from then on.
all_plans() {
    local n what how on
    for ((n = 1; n <= 500; n++)); do
        for what in write:eio write:enospc write:short sync:eio other:eio other:enospc; do
            # Opening, renaming, and making longer: there are some at the start, and few later.
            [[ $what != other* ]] || [ $n -le 20 ] || continue
            how=${what#*:} on=
            [ "$how" != enospc ] || [ $((n % 4)) -ne 1 ] || how=edquot
            [ $(((n + FAULT_SEED + ${#what}) % 2)) -eq 0 ] || on=:on
            echo "${what%:*}:$n:$how$on"
        done
    done
}

CHAINS=$(share 102 250)
mapfile -t plans < <(all_plans)

# chains_of WORKER: of the share one, with other seeds others.
chains_of() {
    if [ -n "$FAULT_SHARE" ]; then echo $(((FAULT_SEED * workers + $1) % CHAINS)); else seq "$1" "$workers" $((CHAINS - 1)); fi
}

# plans_of CHAIN: as far apart as may be, so that all chains take equally long.
plans_of() {
    local k
    for ((k = $1; k < ${#plans[@]}; k += CHAINS)); do echo "${plans[k]}"; done
}

all_planned() {
    local w i
    for ((w = 0; w < workers; w++)); do
        for i in $(chains_of "$w"); do plans_of "$i"; done
    done
}

worker() { # NUMBER
    local i own
    T_DIR=$T_DIR/w$1 && mkdir "$T_DIR" || exit 1
    for i in $(chains_of "$1"); do
        mapfile -t own < <(plans_of "$i")
        chain "${own[@]}"
        progress "$(cat "$TRIALS"/[0-9]* 2>/dev/null | wc -l) trials of ${#plans[@]}"
    done
}

# --- a file system that is full ---

# A small one of our own, gone with our namespace. Everything of gwd's is on it: state, spool, log. $FULL is where.
FULL=$T_DIR/full
has_small_disk() {
    mkdir -p "$FULL" && [ "$(id -u)" -eq 0 ] && mount -t tmpfs -o size=24m tmpfs "$FULL" 2>/dev/null
}

full_start() { # [LOG]
    gwd -c "$FULL/gwd.conf" >/dev/null 2>>"${1:-$FULL/log}" </dev/null &
    GWD_PID=$!
    t_within 20 sh -c "gwps -n >/dev/null || ! kill -0 $GWD_PID" && kill -0 "$GWD_PID" 2>/dev/null
}

# fill BYTES: what other programs leave of it.
fill() {
    local free
    rm -f "$FULL/fill"
    free=$(($(stat -f -c '%a * %S' "$FULL")))
    head -c $((free - $1)) /dev/zero >"$FULL/fill" 2>/dev/null
    return 0
}

# long N: so many jobs that run until $T_DIR/go is there; their ids in LONG.
long() {
    local i
    LONG=
    rm -f "$T_DIR/go"
    for ((i = 0; i < $1; i++)); do
        LONG="$LONG $(gwsubmit -v --no-staging -- /bin/sh -c "echo x >>$T_DIR/starts; while [ ! -e $T_DIR/go ]; do sleep 0.05; done; exit 3" | sed 's/.*: //')"
    done
    # shellcheck disable=SC2086 # ids
    t_within 20 sh -c "[ \$(gwps -n -s w $LONG | wc -l) -eq $1 ]"
}
all_3() { # shellcheck disable=SC2086 # ids
    [ "$(gwps --json $LONG | jq '[.jobs[] | select(.exit_code == 3)] | length')" = "$(wc -w <<<"$LONG")" ]
}

is_waiting() { # for space: it answers nobody
    ! timeout 1 gwps -n >/dev/null 2>&1
}

is_refused() {
    ! said=$(gwsubmit --no-staging -- /bin/true 2>&1)
}

full_trial() {
    local said
    crash_site "$FULL" "MIN_FREE_SPACE = 6M" "MONITORING_INTERVAL = 1"
    export GW_SOCKET=$FULL/gwd.sock
    : >"$T_DIR/starts"
    full_start || { violation "full: gwd does not start" "$(cat "$FULL/log")" && return; }
    # The low-water mark: no more jobs, and no harm to those that are there.
    long 3 || violation "full: jobs do not run"
    fill 5000000
    t_within 10 is_refused || violation "full: a job is taken below the low-water mark"
    grep -q 'nearly full' <<<"$said" || violation "full: the refusal does not say why" "$said"
    touch "$T_DIR/go"
    t_within 20 all_3 || violation "full: below the low-water mark running jobs do not end" "$(gwps)"
    fill 12000000
    t_within 5 gwsubmit --no-staging -- /bin/true || violation "full: with space again no job is taken"
    # Nothing left at all.
    long 8 || violation "full: jobs do not run"
    fill 0
    touch "$T_DIR/go"
    t_within 20 is_waiting || violation "full: gwd answers with nothing on disk"
    kill -0 "$GWD_PID" || violation "full: gwd ended on a full disk" "$(tail -n 5 "$FULL/log")"
    rm "$FULL/fill"
    t_within 20 all_3 || violation "full: gwd does not go on when there is space again" "$(gwps 2>&1)" "$(tail -n 5 "$FULL/log")"
    grep -q 'there is space again' "$FULL/log" || violation "full: gwd did not wait for space"
    # Told to stop on a full disk: what was acknowledged is on it.
    long 2
    fill 0
    touch "$T_DIR/go"
    t_within 20 is_waiting || violation "full: gwd answers with nothing on disk"
    gwd_stop || violation "full: told to stop, gwd ends with $?" "$(tail -n 5 "$FULL/log")"
    rm "$FULL/fill"
    full_start || violation "full: gwd does not start after it was stopped on a full disk" "$(tail -n 5 "$FULL/log")"
    t_within 20 all_3 || violation "full: jobs that ended while gwd was stopped are not done" "$(gwps 2>&1)"
    # Killed on a full disk: it starts there, or says that it cannot, and starts when there is space.
    long 4
    fill 0
    touch "$T_DIR/go"
    t_within 20 is_waiting || violation "full: gwd answers with nothing on disk"
    gwd_kill9
    full_start "$T_DIR/said" || { wait "$GWD_PID"; [ -s "$T_DIR/said" ] || violation "full: gwd ends on a full disk and does not say why"; }
    rm "$FULL/fill"
    kill -0 "$GWD_PID" 2>/dev/null || full_start || violation "full: gwd does not start when there is space again" "$(tail -n 5 "$FULL/log")"
    t_within 20 all_3 || violation "full: jobs that ended while the disk was full are not done" "$(gwps 2>&1)"
    [ "$(wc -l <"$T_DIR/starts")" -eq 17 ] || violation "full: $(wc -l <"$T_DIR/starts") starts of 17 jobs"
    gwd_stop
    umount -l "$FULL"
    echo x >>"$TRIALS/1"
}

# Who reads the log stops reading, and goes away: gwd works on.
log_trial() {
    local reader i
    GWD_DIR=$T_DIR/log
    crash_site "$GWD_DIR" "LOG_LEVEL = debug"
    mkfifo "$T_DIR/pipe"
    tail -f /dev/null 3<>"$T_DIR/pipe" &
    reader=$!
    head -c 65536 /dev/zero >"$T_DIR/pipe" # as much as there is room for
    gwd -c "$GWD_DIR/gwd.conf" >/dev/null 2>"$T_DIR/pipe" </dev/null &
    GWD_PID=$!
    export GW_SOCKET=$GWD_DIR/gwd.sock
    t_within 20 sh -c "gwps -n >/dev/null" || violation "log: gwd does not start"
    for i in 1 2; do
        timeout 20 gwsubmit -n 30 --exit-with-job --no-staging -- /bin/sh -c 'exit 4' >/dev/null 2>&1
        [ $? -eq 4 ] || violation "log: nobody reads the log any more ($i), and jobs do not run"
        kill $reader 2>/dev/null
    done
    wait $reader 2>/dev/null
    gwd_stop || violation "log: gwd does not stop well"
    echo x >>"$TRIALS/1"
}

if [ -z "$FAULT_ONLY" ] || [ "$FAULT_ONLY" = full ]; then
    if has_small_disk; then planned=2 && full_trial; else note="without a full file system (only root may mount one)"; fi
fi
[ -n "$FAULT_ONLY" ] && [ "$FAULT_ONLY" != log ] || log_trial
if [ "$FAULT_ONLY" = full ] || [ "$FAULT_ONLY" = log ]; then
    :
elif [ -n "$FAULT_ONLY" ]; then
    # shellcheck disable=SC2086 # plans
    chain $FAULT_ONLY
else
    run_workers "$workers"
fi
[ ! -e "$TRIALS/missed" ] || violation "in $(wc -l <"$TRIALS/missed") trials the fault did not come" "$(head -n 20 "$TRIALS/missed")"
result "$(cat "$TRIALS"/[0-9]* | wc -l)" $((planned + $(all_planned | wc -l))) "$note"
