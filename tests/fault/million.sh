#!/bin/bash
# row: 1,000,000 jobs through one daemon, 20,000 of them real processes: nothing grows
# limit: 900
#
# Finished jobs go to the archive after some seconds, and leave that after some more. Of how many there are at a time memory and files keep
# the most, and that depends on how busy the disk is. So most jobs come in rounds, each when all before are gone, after a
# longer one: the rounds never have as many at a time as that, and what grows then is lost.
. "$(dirname "$0")/lib.sh"
cd "$T_DIR" || exit 1
jobs=$(share 1000000 30000) real=$(share 20000 500) ended=0
[ -x "$BUILD/bench/e2e" ] || skip_row "the benches are not built (make benches)"
GWD_DIR=$T_DIR/gwd
mkdir -p "$GWD_DIR/site"
printf 'HOSTNAME="null" LRMS_NAME="null" NODECOUNT=1000 QUEUE_NAME[0]="q" QUEUE_NODECOUNT[0]=1000 QUEUE_FREENODECOUNT[0]=1000\n' >null
echo "null $T_DIR/null" >hosts
cat >"$GWD_DIR/gwd.conf" <<CONF
STATE_DIR = "$GWD_DIR"
SOCKET = "$GWD_DIR/gwd.sock"
IM_MAD = null:gw_im_static:-l $T_DIR/hosts:local:null
IM_MAD = here:gw_im_static:--self here\\:16\\:file\\://$GWD_DIR/site:local:fork
TM_MAD = local:gw_tm_local:
EM_MAD = null:$BUILD/bench/em_null::rsl
EM_MAD = fork:gw_em_fork:-d $GWD_DIR/em:rsl
JOB_RETENTION = $(share 8 1)
ARCHIVE_RETENTION = 5
KEEP_EVENTS = 20000
CONF
for host in null here; do
    printf 'EXECUTABLE = /bin/true\nSTAGING = no\nSTDOUT_FILE = /dev/null\nSTDERR_FILE = /dev/null\nREQUIREMENTS = HOSTNAME = "%s"\n' $host >$host.jt
done

# round HOST JOBS: through it, and gone again.
round() {
    "$BUILD/bench/e2e" flow "$GW_SOCKET" "$2" 400 "$1.jt" flow "$GWD_PID" >"e2e.$1" 2>&1 {END}>&- &
    E2E=$!
    if wait $E2E; then ended=$((ended + $2)); else violation "not all of $2 jobs at $1 ended well" "$(cat "e2e.$1")"; fi
    done=$((done + $2))
    progress "$done jobs at $1"
    t_within 120 all_are_gone || violation "finished jobs stay in the listing" "$(gwps -n | tail -n 3)"
}

# flow HOST JOBS ROUND: a fifth of them at once, the others in rounds; nothing may fail, and nothing grow.
flow() {
    local looker code done=0
    mkfifo "end.$1"
    "$BUILD/fault/growth" "$GWD_PID" "$GWD_DIR" <"end.$1" >"growth.$1" 2>&1 &
    looker=$!
    exec {END}>"end.$1"
    round "$1" $(($2 / 5))
    cp "e2e.$1" "rate.$1"
    while [ $done -lt "$2" ]; do round "$1" $(($2 - done < $3 ? $2 - done : $3)); done
    exec {END}>&-
    wait $looker
    code=$?
    # A share is over before anything is in equilibrium.
    [ $code -eq 0 ] || [ -n "$FAULT_SHARE" ] || violation "$2 jobs at $1: something grows" "$(cat "growth.$1")"
    sed "s/^/$1: /" "growth.$1" >&2
}

all_are_gone() {
    [ "$(gwps -n | wc -l)" = 0 ]
}

gwd_start || { violation "gwd does not start" && result 0 1; }
t_within 10 sh -c 'gwhost -n | grep -q null && gwhost -n | grep -q here' || violation "its hosts are not known"
before=$(descriptors "$GWD_PID")
unread=$(descriptors_note "$before")
flow null "$jobs" $((jobs / $(share 20 1)))
flow here "$real" $((real / $(share 5 1)))
[ "$(descriptors "$GWD_PID")" -le "$before" ] || violation "gwd had $before descriptors and has $(descriptors "$GWD_PID")" "$(ls -l "/proc/$GWD_PID/fd")"
rss=$(awk '/^VmHWM/ { print int($2 / 1024) }' "/proc/$GWD_PID/status")
gwd_stop || violation "gwd does not end well"
result $ended $((jobs + real)) "at most $rss MiB; $(sed -n 's/.*flow.rate", "value": \([0-9]*\).*/\1/p' rate.null rate.here | paste -sd ' ') jobs/s$unread"
