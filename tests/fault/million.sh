#!/bin/bash
# row: 1,000,000 jobs through one daemon, 20,000 of them real processes: nothing grows
# limit: 900
#
# Finished jobs go to the archive after two seconds and leave that after five more, so that from then on all is in equilibrium.
. "$(dirname "$0")/lib.sh"
cd "$T_DIR" || exit 1
jobs=$(share 1000000 30000) real=$(share 20000 500)
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
JOB_RETENTION = 2
ARCHIVE_RETENTION = 5
KEEP_EVENTS = 20000
CONF
for host in null here; do
    printf 'EXECUTABLE = /bin/true\nSTAGING = no\nSTDOUT_FILE = /dev/null\nSTDERR_FILE = /dev/null\nREQUIREMENTS = HOSTNAME = "%s"\n' $host >$host.jt
done

# flow HOST JOBS: through it, watched by one client; nothing may fail, and nothing grow.
flow() {
    local looker code
    mkfifo "end.$1"
    "$BUILD/fault/growth" "$GWD_PID" "$GWD_DIR" <"end.$1" >"growth.$1" 2>&1 &
    looker=$!
    exec {END}>"end.$1"
    "$BUILD/bench/e2e" flow "$GW_SOCKET" "$2" 400 "$1.jt" flow "$GWD_PID" >"e2e.$1" 2>&1 {END}>&- &
    E2E=$!
    while kill -0 $E2E 2>/dev/null; do
        sleep 1
        progress "$2 jobs at $1"
    done
    wait $E2E || violation "not all of $2 jobs at $1 ended well" "$(cat "e2e.$1")"
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

gwd_start || { violation "gwd does not start" && result 1; }
t_within 10 sh -c 'gwhost -n | grep -q null && gwhost -n | grep -q here' || violation "its hosts are not known"
before=$(descriptors "$GWD_PID")
unread=$(descriptors_note "$before")
flow null "$jobs"
flow here "$real"
t_within 60 all_are_gone || violation "finished jobs stay in the listing" "$(gwps -n | tail -n 3)"
[ "$(descriptors "$GWD_PID")" -le "$before" ] || violation "gwd had $before descriptors and has $(descriptors "$GWD_PID")" "$(ls -l "/proc/$GWD_PID/fd")"
rss=$(awk '/^VmHWM/ { print int($2 / 1024) }' "/proc/$GWD_PID/status")
gwd_stop || violation "gwd does not end well"
result $((jobs + real)) "at most $rss MiB; $(sed -n 's/.*flow.rate", "value": \([0-9]*\).*/\1/p' e2e.null e2e.here | paste -sd ' ') jobs/s$unread"
