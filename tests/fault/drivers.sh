#!/bin/bash
# row: drivers killed, hung, babbling, half lines, 1 GB without a newline, unknown ids
# limit: 600
#
# Each trial is a daemon with two sites: one with the real drivers, one of which a driver does what a line of the table below says, once
# or whenever it is started. gwd lives and stays small, jobs end at the other site meanwhile, the reason is shown, the driver comes
# back after growing pauses, and when it is itself again its job ends well. FAULT_ONLY="KIND NAME MODE" repeats one.
# (A TM that is started again is gw_tm_local, and its site is real. One that only a fake TM serves, because that goes on, has none of
# the job's files, so that nothing can end well there.)
. "$(dirname "$0")/lib.sh"
at_once=$(share 6 3)

# KIND NAME | the reason shown, an extended regexp; nothing where nobody need hear of it | the script (drivers/fake.c), ;; between its lines;
# or what becomes of a real TM: "lose K": the answer to the K-th copy of each handle is not heard; "copy hangs", "copy slowly"
# (copy_preload.c)
cases() {
    cat <<'CASES'
em killed                | ended by signal 9 | SUBMIT -> SUBMIT %1 SUCCESS x ;; CALLBACK %1 SUCCESS ACTIVE
em stopped               | leaves a request unanswered | /^(SUBMIT|RECOVER) / -> !none
em hung                  | leaves a request unanswered | /^(SUBMIT|RECOVER) / -> !hang
em exits                 | ended with status 3 | /^(SUBMIT|RECOVER) / -> !exit 3
em no-start              | ended with status 1 | INIT -> !exit 1
em no-init               | no answer to INIT | INIT -> !none
em refuses               | refused to start: no license | INIT -> INIT - FAILURE no license
em init-twice            |  | INIT -> !default ;; !default ;; INIT - FAILURE not now
em half                  | ended with status 0 | /^(SUBMIT|RECOVER) / -> !part SUBMIT %1 SUCC ;; !exit 0
em half-hung             | leaves a request unanswered | /^(SUBMIT|RECOVER) / -> !part SUBMIT %1 SUCC ;; !hang
em closes                | closed its output | /^(SUBMIT|RECOVER) / -> !close
em babbles               | babbles | /^(SUBMIT|RECOVER) / -> !flood once upon a time \x1b[31m\xff there was a driver\n
em empty                 | babbles | /^(SUBMIT|RECOVER) / -> !flood \n
em zeroes                | babbles | /^(SUBMIT|RECOVER) / -> !flood \0\n
em zero                  |  | SUBMIT -> !raw SUBMIT %1 SUC\0CESS x\nSUBMIT %1 SUCCESS x\0y\n ;; !default
em zeroes-without-end    | line that is too long | /^(SUBMIT|RECOVER) / -> !flood \0
em gigabyte              | line that is too long | /^(SUBMIT|RECOVER) / -> !bytes 1073741824
em long                  | line that is too long | /^(SUBMIT|RECOVER) / -> !bytes 65536 ;; !raw \n
em nearly-long           |  | SUBMIT -> !bytes 65000 ;; !raw \n ;; !default
em unknown               |  | SUBMIT -> CALLBACK 99 SUCCESS DONE:0 ;; CALLBACK -1 SUCCESS DONE:0 ;; CALLBACK 18446744073709551617 SUCCESS DONE:3 ;; CALLBACK x FAILURE y ;; !default
em unknown-flood         | babbles | /^(SUBMIT|RECOVER) / -> !flood CALLBACK 98 SUCCESS DONE:0\n
em verbs                 |  | SUBMIT -> CP %1 0 SUCCESS - ;; RUN %1 SUCCESS - ;; DISCOVER - SUCCESS bad1 ;; !default
em nothing-asked         |  | SUBMIT -> POLL %1 SUCCESS PENDING ;; CANCEL %1 SUCCESS - ;; COMMIT %1 SUCCESS - ;; POLL - SUCCESS - ;; CREDENTIAL %1 FAILURE no ;; SUBMIT %1 SUCCESS a ;; SUBMIT %1 SUCCESS b ;; !default
em end-twice             |  | SUBMIT -> !default ;; CALLBACK %1 SUCCESS DONE:7 ;; CALLBACK %1 FAILURE lost:site no ;; SUBMIT %1 SUCCESS late
em nonsense              |  | SUBMIT x1 -> CALLBACK %1 SUCCESS ;; CALLBACK %1 ;; CALLBACK ;; CALLBACK %1 MAYBE DONE:0 ;; CALLBACK %1 SUCCESS DONE:999 ;; !default
em fails-oddly           | ended with status 4 | /^(SUBMIT|RECOVER) / -> !raw SUBMIT %1 FAILURE \x1b]0;owned\x07 %%n%%s\n ;; !exit 4
em says-active           | babbles | /^(SUBMIT|RECOVER) / -> SUBMIT %1 SUCCESS x ;; !flood CALLBACK %1 SUCCESS ACTIVE\n
im exits                 | ended with status 3 | MONITOR -> !exit 3
im no-init               | no answer to INIT | INIT -> !none
im hung                  | leaves a request unanswered | DISCOVER -> !hang
im babbles               | babbles | DISCOVER -> !flood MONITOR\n
im gigabyte              | line that is too long | DISCOVER -> !bytes 1073741824
im hosts                 |  | DISCOVER -> !raw DISCOVER - SUCCESS bad0 ../../x bad/y -z \xff\xfe bad0 bad0\n ;; MONITOR 4711 SUCCESS ARCH="x86_64" ;; MONITOR -1 FAILURE no ;; MONITOR 1 SUCCESS ARCH="
im nonsense              |  | MONITOR -> MONITOR %1 SUCCESS QUEUE_NODECOUNT[99999999999]=1 A=" = ;; MONITOR %1 SUCCESS CPU_MHZ=1e999 NODECOUNT=-5 QUEUE_NAME[0]="" ;; !default
im cannot-tell           | cannot tell its hosts | DISCOVER -> DISCOVER - FAILURE the list is away ;; DISCOVER - SUCCESS bad0 ;; DISCOVER - FAILURE the list is away
im says-the-same         | babbles | MONITOR -> !flood MONITOR %1 SUCCESS ARCH="x86_64"\n
tm exits                 | ended with status 3 | START -> !exit 3
tm no-init               | no answer to INIT | INIT -> !none
tm hung                  | leaves a request unanswered | START -> !hang
tm half                  | leaves a request unanswered | START -> !part START %1 - SUCC
tm babbles               | babbles | START -> !flood START\n
tm gigabyte              | line that is too long | START -> !bytes 1073741824
tm nothing-asked         |  | START -> CP %1 0 SUCCESS - ;; CP %1 4294967295 FAILURE no ;; CP %1 99999999999999999999 SUCCESS - ;; GET %1 3 SUCCESS %%zz%%00 ;; END %1 - SUCCESS ;; PROGRESS %1 7 SUCCESS 99999999999999999999 1 ;; TAIL %1 0 SUCCESS -1 ;; !default
tm hung-copy             | leaves a request unanswered | copy hangs
tm lost-copy             |  | lose 1
tm lost-result           |  | lose 2
tm slow-copy             |  | copy slowly
tm get                   |  | GET -> GET %1 %2 SUCCESS %%4 ;; GET %1 %2 SUCCESS GWSTATUS%%201%%0a
CASES
}

# driver KIND: program and arguments in gwd.conf of the driver that misbehaves, or of one beside it.
driver() {
    local as_told="-s $DIR/script -l $DIR/asked -k 1 -n 4 -p bad $ONCE"
    case $1.$KIND in
    tm.tm) echo "$DIR/tm:$as_told" ;;
    em.tm) echo "gw_em_fork:-d $DIR/em" ;;
    im.tm) echo "gw_im_static:--self bad0\\:1\\:file\\://$DIR/bad_site" ;;
    "$KIND.$KIND") echo "gw_fake:$1 $as_told" ;;
    *) echo "gw_fake:$1 -k 1 -n 4 -p bad" ;;
    esac
}

# The TM that misbehaves: a fake one, in whose place comes the real one where it does so once; or the real one, whose answers are lost.
tm_program() {
    local real=$BUILD/libexec/gw_tm_local
    echo '#!/bin/bash'
    [ "$MODE" = always ] || echo "[ -e $DIR/once ] && exec $real"
    case $SCRIPT in
    lose*)
        cat <<PROGRAM
declare -A copies
touch $DIR/asked
$real | while IFS= read -r line; do
    read -r verb handle rest <<<"\$line"
    [ "\$verb" = CP ] && [ \$((++copies[\$handle])) -eq ${SCRIPT#lose } ] && continue
    printf '%s\n' "\$line"
done
PROGRAM
        ;;
    copy*)
        echo "echo INIT >>$DIR/asked && touch $DIR/once"
        [ "$SCRIPT" = "copy slowly" ] || echo "export COPY_HANGS=1"
        echo "COPY_OF=$DIR/home/data LD_PRELOAD=$BUILD/fault/copy_preload.so exec $real"
        ;;
    *) echo "exec $BUILD/libexec/gw_fake tm \"\$@\"" ;;
    esac
}

site() {
    mkdir -p "$DIR/site" "$DIR/bad_site" "$DIR/home"
    head -c "$([ "$SCRIPT" = 'copy slowly' ] && echo 40M || echo 2M)" /dev/zero >"$DIR/home/data"
    [ "$KIND" != tm ] || { tm_program >"$DIR/tm" && chmod +x "$DIR/tm"; }
    cat >"$DIR/gwd.conf" <<CONF
STATE_DIR = "$DIR"
SOCKET = "$DIR/gwd.sock"
IM_MAD = good:gw_im_static:--self good\\:4\\:file\\://$DIR/site:local:fork
IM_MAD = bad:$(driver im):bad:bad
TM_MAD = local:gw_tm_local:
TM_MAD = bad:$(driver tm)
EM_MAD = fork:gw_em_fork:-d $DIR/em:rsl
EM_MAD = bad:$(driver em):rsl
RETRY_INTERVAL = 1
BACKOFF_MAX = 2
CANCEL_RETRY = 1
DISCOVERY_INTERVAL = 3
MONITORING_INTERVAL = 3
DRIVER_TIMEOUT = 1
CONF
    printf 'EXECUTABLE = /bin/sh\nARGUMENTS = -c "exit 5"\nSTAGING = no\nREQUIREMENTS = HOSTNAME = "good"\n' >"$DIR/good.jt"
    printf 'EXECUTABLE = /bin/true\nREQUIREMENTS = HOSTNAME = "bad0"\n%s\n' \
        "$([ "$KIND" = tm ] && echo "INPUT_FILES = data" || echo "STAGING = no")" >"$DIR/bad.jt"
}

problem() {
    violation "$KIND driver, $NAME, $MODE: $1" "${@:2}" "$(tail -n 8 "$DIR.log")"
}

memory_mib() {
    awk '/^VmHWM/ { print int($2 / 1024) }' "/proc/$GWD_PID/status"
}

reason_is_shown() {
    gwhost --drivers 2>/dev/null | grep -qE "^$KIND +bad .*$REASON"
}

has_host() {
    gwhost -n 2>/dev/null | grep -q "$1"
}

# The others work on, as long as it lasts.
others_work() {
    local i code
    for i in 1 2 3; do
        timeout 8 gwsubmit --exit-with-job -t "$DIR/good.jt" >"$DIR/good.out" 2>&1
        code=$?
        [ $code -eq 5 ] || problem "a job at the other site does not end (exit code $code)" "$(cat "$DIR/good.out")"
    done
}

# Pauses of 1, 2, 4, 8 s between its starts, whatever it did in between.
starts_are_few() {
    local n s=$((SECONDS - BEGAN)) most=1 pause=1 at=0
    n=$(grep -c '^INIT' "$DIR/asked")
    while [ $((at += pause)) -le "$s" ]; do most=$((most + 1)) pause=$((pause * 2)); done
    [ "$n" -le $((most + 1)) ] || problem "it was started $n times in $s s"
}

is_itself_again() {
    case $SCRIPT in lose* | 'copy slowly') return 0 ;; esac
    [ "$MODE" = once ] && { [ "$KIND" != tm ] || [ -n "$REASON" ]; }
}

trial() { # KIND NAME MODE REASON SCRIPT
    KIND=$1 NAME=$2 MODE=$3 REASON=$4 SCRIPT=$5 DIR=$T_DIR/$1.$2.$3 BEGAN=$SECONDS
    local ONCE='' id before
    # Of copies the daemon waits for 20 s more.
    local shown=25 ended=40
    case $NAME in *-copy | *-result) shown=65 ended=120 ;; esac
    GWD_DIR=$DIR
    [ "$MODE" = always ] || ONCE="-1 $DIR/once"
    mkdir -p "$DIR"
    sed 's/ ;; /\n /g' <<<"$SCRIPT" >"$DIR/script"
    site
    gwd_start >"$DIR/said" 2>&1 || { problem "gwd does not start" "$(cat "$DIR/said")"; return; }
    before=$(memory_mib)
    t_within 10 has_host good || problem "the other site's host is not known"
    case $KIND.$MODE in em.* | tm.*) t_within 10 has_host bad0 || problem "its host is not known" ;; esac
    id=$(cd "$DIR/home" && gwsubmit -v -t "$DIR/bad.jt" 2>&1 | sed -n 's/^JOB ID: //p')
    [ -n "$id" ] || problem "its job is not taken"
    if [ "$NAME" = killed ]; then
        t_within 10 sh -c "gwps $id | grep -q actv" || problem "its job is not active"
        kill -KILL "$(gwhost --drivers --json | jq '.status.drivers[] | select(.kind == "em" and .name == "bad").pid')"
    fi
    others_work
    [ -z "$REASON" ] || t_within $shown reason_is_shown || problem "its reason is not shown" "$(gwhost --drivers)"
    others_work
    # Long enough for some starts.
    [ "$MODE" = once ] || [ -z "$REASON" ] || sleep $((BEGAN + 9 > SECONDS ? BEGAN + 9 - SECONDS : 0))
    kill -0 "$GWD_PID" 2>/dev/null || problem "gwd is gone"
    [ "$(memory_mib)" -le $((before + 24)) ] || problem "gwd grew from $before to $(memory_mib) MiB"
    starts_are_few
    if is_itself_again; then
        timeout $ended gwwait "$id" >"$DIR/wait.out" 2>&1
        [ "$(gwps --json "$id" | jq -r '.jobs[0] | "\(.phase) \(.exit_code)"')" = "DONE 0" ] || problem "its job does not end well afterwards" "$(gwps --why "$id")"
    fi
    ! { gwps; gwhost; gwhost --drivers; gwps --why "$id"; gwhistory "$id"; } 2>&1 | LC_ALL=C grep -q "$(printf '[\033\007]')" || problem "what it says reaches the terminal as it is"
    [ "$SCRIPT" != 'copy slowly' ] || ! grep 'broken off' "$DIR.log" || problem "a copy that goes on is broken off"
    gwkill -9 -a "$id" >/dev/null 2>&1
    gwd_stop || problem "gwd does not end well"
    rm -rf "$DIR" "$DIR.log"
}

run_case() { # MODE LINE
    local head reason script kind name
    IFS='|' read -r head reason script <<<"$2" # the script keeps its own bars
    read -r kind name <<<"$head"
    read -r reason <<<"$reason"
    trial "$kind" "$name" "$1" "$reason" "${script# }"
}

worker() { # NUMBER: each at_once-th
    local i=0 mode line
    T_DIR=$T_DIR/w$1 && mkdir "$T_DIR" || exit 1
    for mode in once always; do
        while read -r line; do
            [ $((i++ % at_once)) -eq "$1" ] || continue
            # Of the share one in eight, with other seeds others.
            [ -z "$FAULT_SHARE" ] || [ $(((i + FAULT_SEED) % 8)) -eq 0 ] || continue
            run_case $mode "$line"
            echo x >>"$TRIALS"
            progress "$(wc -l <"$TRIALS") trials"
        done < <(cases)
    done
}

TRIALS=$T_DIR/trials
: >"$TRIALS"
if [ -n "$FAULT_ONLY" ]; then
    read -r kind name mode <<<"$FAULT_ONLY"
    run_case "${mode:-once}" "$(cases | grep "^$kind $name ")"
    echo x >>"$TRIALS"
else
    run_workers "$at_once"
fi
planned=$((2 * $(cases | wc -l)))
result "$(wc -l <"$TRIALS")" "$(share $planned $(((planned + FAULT_SEED) / 8 - FAULT_SEED / 8)))"
