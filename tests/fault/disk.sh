#!/bin/bash
# row: no space, EIO and short writes, at the n-th write or sync
# limit: 1500
#
# Between gwd and its state directory stands a library that lets the n-th write, sync, or other change of a file fail
# (io_preload.c), while users submit and wait. gwd goes on, or ends and says so; a daemon without the fault then has every job that
# was acknowledged. FAULT_ONLY="WHAT:N:HOW[:on]" repeats one of these trials. Then gwd on a file
# system that is full, and with a log that nobody reads (FAULT_ONLY=full, FAULT_ONLY=log).
if [ "$(id -u)" -eq 0 ] && [ -z "${FAULT_MOUNTS-}" ] && unshare -m true 2>/dev/null; then
    FAULT_MOUNTS=own exec unshare -m "$0"
fi
. "$(dirname "$0")/crash_lib.sh"
[ -e "$TOOLS/io_preload.so" ] || { echo "$TOOLS/io_preload.so: not there; make tests" >&2 && exit 1; }
workers=$(share 6 3)
TRIALS=$T_DIR/trials
mkdir "$TRIALS"

# supervise DIR PLAN: gwd with the fault, then without, as crash_supervise. A fault that stays is taken away with the daemon,
# half a second after it came.
supervise() {
    local dir=$1 plan=$2 code said=''
    LD_PRELOAD=$TOOLS/io_preload.so GW_IO_DIR=$dir GW_IO_PROGRAM=/gwd GW_IO_FAIL=$plan GW_IO_COUNT=$dir.count \
        gwd -c "$dir/gwd.conf" >/dev/null 2>>"$dir.log" </dev/null &
    echo $! >"$dir/pid"
    while kill -0 $! 2>/dev/null && [ ! -e "$dir/stop" ]; do
        sleep 0.05
        case $plan in *:on) [ ! -e "$dir.count" ] || { sleep 0.5 && kill -KILL $! 2>/dev/null && said=' by us'; } ;; esac
    done
    wait $!
    code=$?
    echo "$code$said $plan" >>"$dir/ends"
    case $code$said in
    0 | 71 | 74 | '137 by us') ;;
    *) violation "$plan: gwd ended with $code" "$(tail -n 5 "$dir.log")" ;;
    esac
    crash_supervise "$dir"
}

# trial PLAN JOBS: 1 when gwd did not come to the fault.
trial() {
    local plan=$1 dir=$T_DIR/${1//:/.} supervisor
    GWD_DIR=$dir
    crash_site "$dir" "JOB_RETENTION = 1" "ARCHIVE_RETENTION = 1h"
    supervise "$dir" "$plan" &
    supervisor=$!
    crash_users "$dir" "$FAULT_SEED" "$2" 2 40 || crash_violation "$plan: a user waits in vain" "$(cat "$dir/users.out")"
    crash_end "$dir" $supervisor
    crash_compare "$dir" "$plan"
    echo x >>"$TRIALS/$BASHPID"
    local reached=1
    ! grep -qx 'failed 1' "$dir.count" || reached=0
    rm -rf "$dir" "$dir.log" "$dir.count"
    return $reached
}

# plan_of N: sets PLAN; over all n and seeds each way to fail comes with each n.
hows=(enospc eio short edquot)
plan_of() { # WHAT N
    local k=$(($2 + $2 / 8 + FAULT_SEED)) on=
    [ $((k / 4 % 2)) -eq 0 ] || on=:on
    PLAN=$1:$2:${hows[k % 4]}$on
    [ "$1" != sync ] || PLAN=sync:$2:eio$on
}

# The load has to come that far: a job makes some writes, and less than one sync.
jobs_for() { # WHAT N
    case $1 in
    write) echo $((10 + $2 / 4)) ;;
    *) echo $((10 + $2)) ;;
    esac
}

worker() { # NUMBER
    local i=0 n what
    T_DIR=$T_DIR/w$1 && mkdir "$T_DIR" || exit 1
    for ((n = 1; n <= 500; n++)); do
        for what in write sync other; do
            # Opening, renaming, and making longer: there are some at the start, and few later.
            [ $what != other ] || [ $n -le 60 ] || continue
            [ $((i++ % workers)) -eq "$1" ] || continue
            [ -z "$FAULT_SHARE" ] || { [ $n -le 120 ] && [ $(((i * 7 + FAULT_SEED) % 31)) -eq 0 ]; } || continue
            plan_of $what $n
            trial "$PLAN" "$(jobs_for $what $n)" || echo "$PLAN" >>"$TRIALS/missed"
            progress "$(cat "$TRIALS"/[0-9]* 2>/dev/null | wc -l) trials, at $PLAN"
        done
    done
}

# --- a file system that is full ---

# A small one of our own, gone with our namespace. Everything of gwd's is on it: state, spool, log. $FULL is where.
FULL=$T_DIR/full
has_small_disk() {
    mkdir -p "$FULL" && [ "$(id -u)" -eq 0 ] && mount -t tmpfs -o size=24m tmpfs "$FULL" 2>/dev/null
}

full_start() {
    gwd -c "$FULL/gwd.conf" >/dev/null 2>>"$FULL/log" </dev/null &
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

full_trial() {
    local said client
    crash_site "$FULL" "MIN_FREE_SPACE = 6M" "MONITORING_INTERVAL = 1"
    export GW_SOCKET=$FULL/gwd.sock
    : >"$T_DIR/starts"
    full_start || { violation "full: gwd does not start" "$(cat "$FULL/log")" && return; }
    # The low-water mark: no more jobs, and no harm to those that are there.
    long 3 || violation "full: jobs do not run"
    fill 5000000
    sleep 1.1
    said=$(gwsubmit --no-staging -- /bin/true 2>&1) && violation "full: a job is taken below the low-water mark"
    grep -q 'nearly full' <<<"$said" || violation "full: the refusal does not say why" "$said"
    touch "$T_DIR/go"
    t_within 20 all_3 || violation "full: below the low-water mark running jobs do not end" "$(gwps)"
    fill 12000000
    t_within 5 gwsubmit --no-staging -- /bin/true || violation "full: with space again no job is taken"
    # Nothing left at all.
    long 8 || violation "full: jobs do not run"
    fill 0
    touch "$T_DIR/go"
    kill -0 "$GWD_PID" || violation "full: gwd ended on a full disk" "$(tail -n 5 "$FULL/log")"
    sleep 1
    rm "$FULL/fill"
    t_within 20 all_3 || violation "full: gwd does not go on when there is space again" "$(gwps 2>&1)" "$(tail -n 5 "$FULL/log")"
    grep -q 'there is space again' "$FULL/log" || violation "full: gwd did not wait for space"
    # Killed on a full disk: it starts there, or says that it cannot, and starts when there is space.
    long 4
    fill 0
    touch "$T_DIR/go"
    sleep 1
    gwd_kill9
    full_start || { wait "$GWD_PID"; [ -s "$FULL/log" ] || violation "full: gwd says nothing on a full disk"; }
    rm "$FULL/fill"
    kill -0 "$GWD_PID" 2>/dev/null || full_start || violation "full: gwd does not start when there is space again" "$(tail -n 5 "$FULL/log")"
    t_within 20 all_3 || violation "full: jobs that ended while the disk was full are not done" "$(gwps 2>&1)"
    [ "$(wc -l <"$T_DIR/starts")" -eq 15 ] || violation "full: $(wc -l <"$T_DIR/starts") starts of 15 jobs"
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
    if has_small_disk; then full_trial; else echo "$FAULT_ROW: no file system of its own to fill: only root may mount one" >&2; fi
fi
[ -n "$FAULT_ONLY" ] && [ "$FAULT_ONLY" != log ] || log_trial
if [ "$FAULT_ONLY" = full ] || [ "$FAULT_ONLY" = log ]; then
    :
elif [ -n "$FAULT_ONLY" ]; then
    trial "$FAULT_ONLY" 600 || echo "gwd did not come to that" >&2
else
    run_workers "$workers"
fi
result "$(cat "$TRIALS"/[0-9]* | wc -l)" "$(cat "$TRIALS/missed" 2>/dev/null | wc -l) of them without the fault"
