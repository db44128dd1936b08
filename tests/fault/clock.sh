#!/bin/bash
# row: the wall clock a year forth and back, gwd and the site's processes stopped for minutes
# limit: 840
#
# gwd and its drivers run with clocks that are set from here (clock_preload.c). What is stopped is stopped with SIGSTOP; for
# the share a short stop stands for ten minutes, in which gwd's clocks go on by these.
. "$(dirname "$0")/lib.sh"
PAYLOAD=$BUILD/fault/payload PRELOAD=$BUILD/fault/clock_preload.so
if [ ! -x "$PAYLOAD" ] || [ ! -e "$PRELOAD" ]; then echo "$PRELOAD: not there; make tests" >&2 && exit 1; fi
YEAR=31536000
trials=0

gwd() { # where gwd_start of lib.sh starts it
    CLOCK_SHIFT=$GWD_DIR/clocks LD_PRELOAD=$PRELOAD exec "$BUILD/bin/gwd" "$@"
}

# clocks WALL [BOOT [MONO]]: so far ahead, in seconds.
clocks() {
    perl -e 'open(F, "+>", $ARGV[0]) or die; print F pack("q3", @ARGV[1 .. 3])' "$GWD_DIR/clocks.new" "$1" "${2-0}" "${3-0}"
    if [ -e "$GWD_DIR/clocks" ]; then cat "$GWD_DIR/clocks.new" 1<>"$GWD_DIR/clocks"; else mv "$GWD_DIR/clocks.new" "$GWD_DIR/clocks"; fi
}

# begin DIR [LINE ...]: a daemon with a site of its own, ready, in that directory.
begin() {
    GWD_DIR=$1
    shift
    mkdir -p "$GWD_DIR/site" "$GWD_DIR/jobs"
    printf '%s\n' "STATE_DIR = \"$GWD_DIR\"" "SOCKET = \"$GWD_DIR/gwd.sock\"" \
        "IM_MAD = static:gw_im_static:--self localhost\\:60\\:file\\://$GWD_DIR/site:local:fork" \
        "TM_MAD = local:gw_tm_local:" "EM_MAD = fork:gw_em_fork:-d $GWD_DIR/em:rsl" \
        "RETRY_INTERVAL = 3" "BACKOFF_MAX = 8" "LEASE_MARGIN = 2" "CANCEL_RETRY = 2" "SITE_FAILURES = 0" "$@" >"$GWD_DIR/gwd.conf"
    clocks 0
    gwd_start || violation "gwd does not start"
}

# job NAME CODE ARGUMENT ...: gwsubmit in the background; when it has ended its exit code is in NAME.code.
job() {
    local name=$GWD_DIR/jobs/$1
    echo "$2" >"$name.wanted"
    shift 2
    (
        cd "$GWD_DIR/jobs" || exit
        gwsubmit -v --wait --exit-with-job "$@" >"$name.said" 2>&1 </dev/null
        echo $? >"$name.new" && mv "$name.new" "$name.code"
    ) &
    T_PIDS+=($!)
}

# A template of a job that keeps the site's account of itself: CODE MS [LINE ...]
template() {
    local file=$GWD_DIR/jobs/$1.jt
    printf 'EXECUTABLE = %s\nARGUMENTS = %s %s %s\n' "$PAYLOAD" "$GWD_DIR/ledger" "$2" "$3" >"$file"
    shift 3
    [ $# -eq 0 ] || printf '%s\n' "$@" >>"$file"
}

# One of each kind: ROUND [MS that those run which take long [LEASE]]
all_kinds() {
    local long=${2:-6000}
    template "plain.$1" 3 3000
    template "lease.$1" 4 "$long" "LEASE = ${3:-4}"
    template "limit.$1" 5 "$long" "WALLTIME = $((long / 1000 + 15))"
    # Its wrapper dies of it the first time, for the site's sake, so that it is tried again after a pause.
    printf '#!/bin/sh\n[ -e "%s" ] || { touch "%s"; kill -KILL $PPID; exit; }\nexec "%s" "%s" 6 100\n' \
        "$GWD_DIR/jobs/again.$1.was" "$GWD_DIR/jobs/again.$1.was" "$PAYLOAD" "$GWD_DIR/ledger" >"$GWD_DIR/jobs/again.$1.sh"
    chmod +x "$GWD_DIR/jobs/again.$1.sh"
    printf 'EXECUTABLE = %s\n' "$GWD_DIR/jobs/again.$1.sh" >"$GWD_DIR/jobs/again.$1.jt"
    printf 'EXECUTABLE = /bin/sleep\nARGUMENTS = 300\nWALLTIME = 3\n' >"$GWD_DIR/jobs/over.$1.jt"
    for kind in plain.3 lease.4 limit.5 again.6; do job "${kind%.*}.$1" "${kind#*.}" -t "${kind%.*}.$1.jt"; done
    job "over.$1" 1 -t "over.$1.jt"
    job "bare.$1" 7 --no-staging -- /bin/sh -c 'sleep 2; exit 7'
}

has_ended() { # ROUND
    local file
    for file in "$GWD_DIR"/jobs/*."$1".wanted; do [ -e "${file%.wanted}.code" ] || return 1; done
}

# all_end ROUND WHAT [SECONDS]: every job of the round ends as it should, and in time.
all_end() {
    local file name
    t_within "${3:-40}" has_ended "$1"
    for file in "$GWD_DIR"/jobs/*."$1".wanted; do
        [ -s "$file" ] || violation "$2: there is no job"
        name=${file%.wanted}
        case $name in
        */again.* | */beats.*) ;;
        *) ! grep -q 'tried again' "$name.said" || violation "$2: job $(basename "$name") is tried again" "$(cat "$name.said")" ;;
        esac
        trials=$((trials + 1))
        case $name in
        */over.*) grep -q 'wall time' "$name.said" || violation "$2: job $(basename "$name") does not end for its wall time" "$(cat "$name.said")" ;;
        esac
        [ "$(cat "$name.code" 2>/dev/null)" = "$(cat "$file")" ] || violation "$2: job $(basename "$name") ends with $(cat "$name.code" 2>/dev/null || echo nothing), not $(cat "$file")" \
            "$(cat "$name.said")" "$(gwps --why "$(sed -n 's/^JOB ID: //p' "$name.said")" 2>&1)" "$(tail -n 8 "$GWD_DIR.log")"
    done
}

# What is shown has no time that is negative, nobody is forgotten before his time, and nothing was started twice.
books() {
    local n shown twice
    n=$(grep -l '^JOB ID' "$GWD_DIR"/jobs/*.said | wc -l)
    shown=$(gwps -n | wc -l)
    [ "$n" -eq "$shown" ] || violation "$1: of $n jobs $shown are in the listing"
    [ "$(gwps --json | jq '[.. | numbers | select(. < 0)] == []')" = true ] || violation "$1: a time is negative" "$(gwps)"
    twice=$(grep '^start ' "$GWD_DIR/ledger" | sort | uniq -d)
    [ -z "$twice" ] || violation "$1: started twice" "$twice"
    ! grep -q 'leaves a request\|no answer to INIT' "$GWD_DIR.log" || violation "$1: a driver was taken for hung" "$(grep -B2 -A2 'leaves a request\|no answer to INIT' "$GWD_DIR.log")"
}

driver_pid() { # PROGRAM
    pgrep -P "$GWD_PID" -f "$1" | head -n 1
}

# stopped SECONDS [AHEAD]: gwd is stopped while a driver owes it an answer, and goes on AHEAD seconds later than it was so.
stopped() {
    local tm
    tm=$(driver_pid gw_tm_local)
    kill -STOP "$tm"
    template asked.stop 8 500
    job asked.stop 8 -t asked.stop.jt
    t_within 20 sh -c "gwps -n | grep -q ' prol .*asked.stop'"
    kill -STOP "$GWD_PID"
    kill -CONT "$tm"
    sleep "$1"
    [ "${2-0}" -eq 0 ] || clocks 0 "$2" "$2"
    kill -CONT "$GWD_PID"
    all_end stop "gwd stopped for ${2:-$1} s"
    [ "$(driver_pid gw_tm_local)" = "$tm" ] || violation "gwd stopped for ${2:-$1} s: its driver was started anew" "$(tail -n 8 "$GWD_DIR.log")"
}

# Ten minutes in earnest, beside the other trials. A job with a shorter lease ends itself and is tried again, and the two
# never run at a time.
ten_minutes() {
    local beats last T_DIR=$T_DIR/long
    mkdir "$T_DIR"
    begin "$T_DIR/gwd"
    all_kinds long 4000
    rm -f "$GWD_DIR/jobs/lease.long.wanted" # its lease is over meanwhile: it is another trial
    cat >"$GWD_DIR/jobs/beats.stop.sh" <<X
#!/bin/sh
token=\$(echo claim.*)
[ ! -e '$GWD_DIR/tried' ] || { echo "start \$token" >>'$GWD_DIR/beats'; exit 9; }
touch '$GWD_DIR/tried'
while sleep 0.2; do echo "beat \$token" >>'$GWD_DIR/beats'; done
X
    chmod +x "$GWD_DIR/jobs/beats.stop.sh"
    printf 'EXECUTABLE = %s\nLEASE = 60\nON_LOST = retry-after-lease\n' "$GWD_DIR/jobs/beats.stop.sh" >"$GWD_DIR/jobs/beats.stop.jt"
    job beats.stop 9 -t beats.stop.jt
    t_within 20 test -s "$GWD_DIR/beats"
    stopped 600
    all_end long "gwd stopped for 600 s"
    last=$(grep -n '^beat' "$GWD_DIR/beats" | tail -n 1 | cut -d : -f 1)
    beats=$(grep -n '^start' "$GWD_DIR/beats" | cut -d : -f 1)
    [ "${beats:-0}" -gt "$last" ] || violation "gwd stopped for 600 s: an attempt runs beside the next one"
    books "gwd stopped for 600 s"
    gwd_stop || violation "gwd does not end well"
    echo $trials >"$T_DIR/trials"
}

is_backing_off() {
    gwps -n | grep -q " pend .*again.$1" && [ -e "$GWD_DIR/jobs/again.$1.was" ]
}

# In each round the wall clock is set back when a job waits for its next try, and forth at a random instant.
clock_is_set() {
    local round to
    begin "$T_DIR/gwd.set"
    for round in $(seq "$(share 12 1)"); do
        random 2
        to=$((RANDOM_N * YEAR))
        clocks $to
        all_kinds "$round" "$(share 6000 3000)"
        t_within 20 is_backing_off "$round" || violation "round $round: no job waits for its next try"
        clocks $((to - YEAR))
        t_within 12 test -e "$GWD_DIR/jobs/again.$round.code" || violation "round $round: with the clock $((to - YEAR)) s ahead a pause does not end"
        random 1500
        sleep "$((RANDOM_N / 1000)).$(printf %03d $((RANDOM_N % 1000)))"
        clocks $to
        all_end "$round" "round $round, the clock $to s ahead, $((to - YEAR)) s, and $to s"
        books "round $round"
        progress "the clock was set in $round rounds"
    done
}

# A daemon that starts with a clock a year behind what its disk says; the first one is killed before it does anything.
started_a_year_ago() {
    template lease.ago 4 "$(share 9000 7000)" "LEASE = 3"
    clocks $YEAR
    job lease.ago 4 -t lease.ago.jt
    t_within 20 grep -q running "$GWD_DIR/jobs/lease.ago.said"
    gwd_kill9
    clocks -$YEAR
    (GW_CRASH=start:3 gwd -c "$GWD_DIR/gwd.conf") >>"$GWD_DIR.log" 2>&1 </dev/null
    [ $? -eq 137 ] || violation "gwd is not killed when it starts"
    gwd_start || violation "gwd does not start a year ago"
    all_end ago "started a year ago"
    books "started a year ago"
    clocks 0
}

start_with() { # WALL [BOOT [MONO]]
    gwd_kill9
    clocks "$@"
    gwd_start || violation "gwd does not start with its clock $1 s ahead"
}

# ended N: so many jobs, one after the other.
ended() {
    local i
    for ((i = 0; i < $1; i++)); do gwsubmit --wait --no-staging -- /bin/true || violation "a job does not end"; done
}

# listed N WHAT: so many are in the listing, and still are when some seconds have gone by.
listed() {
    trials=$((trials + 1))
    gwsubmit --wait --no-staging -- /bin/sleep 3
    [ "$(gwps -n | wc -l)" -eq "$1" ] || violation "$2: $(gwps -n | wc -l) jobs are in the listing, not $1" "$(gwps)" "$(cat "$GWD_DIR/clock")"
}
is_listed() { [ "$(gwps -n | wc -l)" -eq "$1" ]; }
is_archived() { [ "$(gwps --json "$1" 2>/dev/null | jq -r '.jobs[0].phase')" = "DONE" ]; }

# archived WHAT ID ...: all that is finished goes to the archive, and these are there.
archived() {
    local what=$1 id
    trials=$((trials + 1))
    shift
    t_within 20 is_listed 0 || violation "$what: finished jobs stay in the listing" "$(gwps)" "$(cat "$GWD_DIR/clock")"
    for id; do is_archived "$id" || violation "$what: job $id is not in the archive" "$(gwps "$id" 2>&1)"; done
}

# What is finished stays for its time, in the listing and in the archive, and goes when that is over: by the clock that nobody
# sets (ten minutes there, an hour here), however the other one is set, also before a start.
kept_for_their_time() {
    begin "$T_DIR/gwd.kept" "JOB_RETENTION = 10m" "ARCHIVE_RETENTION = 1h"
    ended 2
    start_with $YEAR
    listed 3 "started in a year"
    start_with -$YEAR
    listed 4 "started a year ago"
    clocks -$YEAR 700 700
    archived "a year ago, ten minutes later" 1 4
    clocks $YEAR 700 700
    ended 1
    clocks $YEAR 1400 1400
    archived "a year later" 1 4 5
    start_with $((2 * YEAR)) 1400 1400
    listed 1 "started in two years"
    clocks 0 2100 2100
    archived "started in two years" 1 4 5 6
    clocks -$YEAR 5800 5800
    ended 1
    clocks -$YEAR 6500 6500
    archived "an hour later" 7
    ! is_archived 1 || violation "an hour later: job 1 is still in the archive" "$(cat "$GWD_DIR/clock")"
    gwd_stop || violation "gwd does not end well"
}

# The others are stopped: a driver, a wrapper; and the machine sleeps.
others_are_stopped() {
    local who pid
    for who in gw_tm_local gw_em_fork gw_im_static; do
        all_kinds "$who" 6000 30
        t_within 20 grep -q running "$GWD_DIR/jobs/limit.$who.said"
        pid=$(driver_pid $who)
        kill -STOP "$pid"
        sleep 12
        kill -CONT "$pid"
        all_end "$who" "$who stopped for 12 s"
        progress "$who was stopped"
    done
    template plain.wrapper 3 3000
    template limit.wrapper 5 3000 "WALLTIME = 60"
    for who in plain.3 limit.5; do job "${who%.*}.wrapper" "${who#*.}" -t "${who%.*}.wrapper.jt"; done
    t_within 20 grep -q running "$GWD_DIR/jobs/limit.wrapper.said"
    "$T_ROOT/tools/processes-of" "$GWD_DIR/site" | while read -r pid _; do kill -STOP "$pid"; done
    sleep 12
    "$T_ROOT/tools/processes-of" "$GWD_DIR/site" | while read -r pid _; do kill -CONT "$pid"; done
    all_end wrapper "all that runs at the site stopped for 12 s"
    all_kinds sleep
    t_within 20 grep -q running "$GWD_DIR/jobs/limit.sleep.said"
    clocks 1800 1800
    all_end sleep "the machine slept for half an hour"
    books "others stopped"
}

[ -n "$FAULT_ONLY$FAULT_SHARE" ] || {
    ten_minutes &
    long=$!
}
case ${FAULT_ONLY:-all} in
all)
    clock_is_set
    started_a_year_ago
    stopped 1 700
    books "gwd stopped"
    [ -n "$FAULT_SHARE" ] || others_are_stopped
    gwd_stop || violation "gwd does not end well"
    kept_for_their_time
    ;;
kept) kept_for_their_time ;;
stop) begin "$T_DIR/gwd" && stopped 1 700 && books "gwd stopped" ;;
others) begin "$T_DIR/gwd" && others_are_stopped ;;
long) ten_minutes ;;
esac
gwd_stop || violation "gwd does not end well"
if [ -n "${long-}" ]; then
    while kill -0 "$long" 2>/dev/null; do
        sleep 5
        progress "waiting for the end of ten minutes"
    done
    trials=$((trials + $(cat "$T_DIR/long/trials" 2>/dev/null || echo 0)))
    [ -s "$T_DIR/long/trials" ] || violation "the ten minutes did not come to their end"
fi
# Of each round 6 jobs; 9 that are not in rounds; 26 while others are stopped, and 7 in the ten minutes.
result $trials "$(share $((12 * 6 + 9 + 26 + 7)) $((6 + 9)))"
