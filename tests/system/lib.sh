# Helpers of the system tests: `. "$(dirname "$0")/lib.sh"` as a script's first command, `t_done` as its last.
# For bash. Prints one line per case (see tests/run); whatever was started here is ended when the script
# ends, however it ends. Waits for events where there are any; t_within is for what nobody announces.
# shellcheck shell=bash

set -u
T_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
case ${BUILD:=build} in /*) ;; *) BUILD=$T_ROOT/$BUILD ;; esac
export BUILD
PATH=$BUILD/bin:$PATH
T_FAILED=0
T_DIR=$(mktemp -d "${TMPDIR:-/tmp}/gwt.XXXXXX") || exit 1 # short: socket names are limited to 107 bytes
T_PIDS=()
GWD_DIR=
GWD_PID=

t_ok() {
    echo "ok - $1"
}

# t_not_ok SENTENCE [DETAIL ...]
t_not_ok() {
    local detail
    echo "not ok - $1"
    shift
    for detail; do printf '%s\n' "$detail" | sed 's/^/    /'; done
    T_FAILED=1
}

t_skip() {
    echo "skip - $1 # $2"
}

# t_check SENTENCE COMMAND ...: ok when COMMAND exits with 0; its output is shown when not. COMMAND may be a function
# of this shell, and change it.
t_check() {
    local sentence=$1 code
    shift
    "$@" >"$T_DIR.out" 2>&1
    code=$?
    if [ $code -eq 0 ]; then t_ok "$sentence"; else t_not_ok "$sentence" "$* exited with $code" "$(cat "$T_DIR.out")"; fi
    return $code
}

# t_equal SENTENCE EXPECTED ACTUAL
t_equal() {
    if [ "$2" = "$3" ]; then t_ok "$1"; else t_not_ok "$1" "expected: $2" "got:      $3"; fi
}

# t_match SENTENCE ERE TEXT: TEXT has a line that matches.
t_match() {
    if grep -qE -- "$2" <<<"$3"; then t_ok "$1"; else t_not_ok "$1" "no line matches: $2" "in: $3"; fi
}

# t_within SECONDS COMMAND ...: COMMAND succeeds before SECONDS are over. For a file that appears, a process
# that goes: things that announce themselves to nobody.
t_within() {
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.05
    done
}

# End a child of ours: TERM, KILL after 10 s. Awaited, so that nothing of it is left.
t_end() {
    local alarm
    kill -TERM "$1" 2>/dev/null || return 0 # awaited already
    sleep 10 &
    alarm=$!
    wait -n "$1" "$alarm" 2>/dev/null
    kill -KILL "$1" 2>/dev/null
    kill -KILL "$alarm" 2>/dev/null
    wait "$1" "$alarm" 2>/dev/null
}

# gwd_start [ARGUMENT ...]: a private daemon with its state in $GWD_DIR (made the first time), ready when this
# returns; exports GW_SOCKET. 1 when it does not become ready; its log is $GWD_DIR.log.
# shellcheck disable=SC2120 # scripts give some
gwd_start() {
    local line=
    GWD_DIR=${GWD_DIR:-$T_DIR/gwd}
    rm -f "$T_DIR/ready"
    mkfifo "$T_DIR/ready" || return 1
    gwd --dev "$GWD_DIR" "$@" >"$T_DIR/ready" 2>>"$GWD_DIR.log" </dev/null &
    GWD_PID=$!
    export GW_SOCKET=$GWD_DIR/gwd.sock
    # Kept open, or the daemon's next word would end it.
    [ -z "${T_READY-}" ] || exec {T_READY}<&-
    exec {T_READY}<"$T_DIR/ready"
    read -r -t 60 line <&"$T_READY"
    [ "$line" = ready ] && return 0
    echo "gwd is not ready: it said '$line'" >&2
    tail -n 20 "$GWD_DIR.log" >&2
    return 1
}

# The daemon ends as a crash would end it. What it started goes on.
gwd_kill9() {
    kill -KILL "$GWD_PID" && { wait "$GWD_PID" 2>/dev/null || true; }
    GWD_PID=
}

# The daemon is told to end and awaited; its exit code.
gwd_stop() {
    local code
    [ -n "$GWD_PID" ] || return 0
    kill -TERM "$GWD_PID" 2>/dev/null
    wait "$GWD_PID" 2>/dev/null
    code=$?
    GWD_PID=
    return $code
}

# crash_at POINT N STARTS COMMAND ...: a daemon in $T_DIR/POINT.N that dies the N-th time it comes to POINT (GW_CRASH, see
# gwd/daemon/turn.c), a client COMMAND that waits for its job, and the daemon's successor. The job appends a line to STARTS
# when it starts. The client's exit code; says and returns 1 when the successor did not start or the job did, twice.
crash_at() {
    local point=$1 n=$2 starts=$3 code client
    shift 3
    : >"$starts"
    GWD_DIR=$T_DIR/$point.$n
    # The daemon may die before it is ready or before it knows of the job: both are crashes too.
    GW_CRASH=$point:$n gwd_start 2>/dev/null
    timeout 60 "$@" >"$GWD_DIR.out" 2>&1 &
    client=$!
    # It is gone by itself, or was not brought down and goes on.
    t_within 5 sh -c "! kill -0 $GWD_PID" && { wait "$GWD_PID" 2>/dev/null; GWD_PID=; }
    [ -n "$GWD_PID" ] || gwd_start || return 1
    wait $client
    code=$?
    if [ $code -eq 69 ] && [ ! -s "$starts" ]; then
        # It was gone before it could take the job, and the client said so: nothing was submitted.
        timeout 60 "$@" >"$GWD_DIR.out" 2>&1
        code=$?
    fi
    gwd_stop
    [ "$(wc -l <"$starts")" = 1 ] || { echo "starts: $(cat "$starts")"; return 1; }
    return $code
}

# job_start ARGUMENT ...: gwsubmit -v --wait ARGUMENT ... in the background. Sets JOB to its id; what it says as
# the job goes on is read by job_until. One at a time.
job_start() {
    local line
    rm -f "$T_DIR/job"
    mkfifo "$T_DIR/job" || return 1
    JOB=
    gwsubmit -v --wait "$@" >"$T_DIR/job" 2>&1 </dev/null &
    JOB_PID=$!
    T_PIDS+=("$JOB_PID")
    [ -z "${T_JOB-}" ] || exec {T_JOB}<&-
    exec {T_JOB}<"$T_DIR/job"
    while read -r -t 30 line <&"$T_JOB"; do
        case $line in
        "JOB ID: "*)
            # shellcheck disable=SC2034 # for the script
            JOB=${line#JOB ID: }
            return 0
            ;;
        *) echo "gwsubmit: $line" >&2 ;;
        esac
    done
    return 1
}

# job_until ERE [SECONDS]: read on until a line matches; leaves it in JOB_LINE. 1 when none comes in time.
job_until() {
    local end=$((SECONDS + ${2:-60}))
    while [ $SECONDS -lt $end ] && read -r -t $((end - SECONDS)) JOB_LINE <&"$T_JOB"; do
        [[ $JOB_LINE =~ $1 ]] && return 0
    done
    return 1
}

# Await the end of job_start's gwsubmit; its exit code.
job_end() {
    cat <&"$T_JOB" >/dev/null
    wait "$JOB_PID"
}

t_cleanup() {
    local pid
    trap - EXIT
    cd / || exit 1
    for pid in "${T_PIDS[@]}"; do t_end "$pid"; done
    [ -z "$GWD_PID" ] || t_end "$GWD_PID"
    # Jobs outlive their daemon: those of a script that failed half-way are ended here. They are known by
    # the directory in which they run, which no one else has.
    "$T_ROOT/tools/processes-of" "$T_DIR" | while read -r pid _; do kill -KILL "$pid" 2>/dev/null; done
    rm -rf "$T_DIR" "$T_DIR.out"
}

# The script's end: 0 when no case failed.
t_done() {
    exit $T_FAILED
}

trap t_cleanup EXIT
trap 'exit 130' INT TERM HUP
