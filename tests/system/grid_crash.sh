#!/bin/bash
# The daemon, and apart from it a driver, is killed while jobs are on their way through a GRAM5 site, in each phase and
# in the window between submission and commit: all jobs end right, each started once.
# limit: 400
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/grid_lib.sh"
cd "$T_DIR" || exit 1
grid_up
mkdir home && cd home || exit 1
conf=('RETRY_INTERVAL = 1' 'POLL_INTERVAL = 10')

# job NAME SECONDS [LINE ...]: a template whose payload is counted, takes a while and exits with 7.
job() {
    local name=$1 seconds=$2
    shift 2
    cat >"$name.jt" <<X
EXECUTABLE = /bin/sh
ARGUMENTS = -c 'echo $name >>$PAYLOAD_LOG; sleep $seconds; echo out >out.txt; exit 7'
OUTPUT_FILES = out.txt out.$name
REQUIREMENTS = HOSTNAME = "site-a.*"
X
    [ $# -eq 0 ] || printf '%s\n' "$@" >>"$name.jt"
}

ran_once() { # NAME
    [ "$(grid_payloads | grep -c " $1\$")" = 1 ] || { grid_payloads; grid_gram_starts; return 1; }
    [ "$(cat "out.$1")" = out ] || { echo "no output came home"; return 1; }
}

# --- the daemon, at points of its turns; each daemon has a state of its own, all have the same site ---
crash_round() { # POINT N
    local code name=$1.$2 client
    job "$name" 0
    GWD_DIR=$T_DIR/gwd.$name
    grid conf "$GWD_DIR" "${conf[@]}"
    GW_CRASH=$1:$2 gwd_start 2>/dev/null
    timeout 90 gwsubmit --wait --exit-with-job -t "$name.jt" >submit.out 2>&1 &
    client=$!
    t_within 30 sh -c "! kill -0 $GWD_PID" || { echo "it did not come to that point"; gwd_stop; return 1; }
    wait "$GWD_PID" 2>/dev/null
    GWD_PID=
    gwd_start || return 1
    wait $client
    code=$?
    if [ $code -eq 69 ] && ! grid_payloads | grep -q " $name\$"; then
        # It was gone before it could take the job, and the client said so: nothing was submitted.
        timeout 90 gwsubmit --wait --exit-with-job -t "$name.jt" >submit.out 2>&1
        code=$?
    fi
    gwd_stop
    [ $code -eq 7 ] || { echo "exit code $code"; cat submit.out; tail -n 30 "$GWD_DIR.log"; return 1; }
    ran_once "$name"
}
for at in append:3 append:4 append:5 append:6 append:7 append:8 effect:7 effect:10 effect:13 effect:15 effect:17; do
    t_check "gwd killed at $at: the job ends right and started once" crash_round "${at%:*}" "${at#*:}"
done

# --- the daemon and the transfer driver, while files are on a slow link ---
head -c 6000000 /dev/urandom >big.in
GWD_DIR=$T_DIR/gwd
grid conf "$GWD_DIR" "${conf[@]}"
t_check "a daemon that is left alone is ready" gwd_start
kill_driver() { # NAME
    pkill -KILL -P "$GWD_PID" -f "$1" || t_not_ok "$1 is there to be killed"
}
kill_worker() { # NAME: the process that it started for the credential
    pkill -KILL -P "$(pgrep -d , -P "$GWD_PID" -f "$1")" || t_not_ok "$1 has a worker to be killed"
}
again() {
    gwd_kill9
    gwd_start
}
strike() { # VICTIM DRIVER
    case $1 in
    gwd) again ;;
    driver) kill_driver "$2" ;;
    worker) kill_worker "$2" ;;
    esac
}
for victim in gwd driver worker; do
    job "files-$victim" 1 'INPUT_FILES = big.in' 'OUTPUT_FILES += big.in big.'"$victim"
    grid link rate site-a 16
    bg_submit job -t "files-$victim.jt"
    t_check "a copy to the site is under way" bg_until job 'prolog: '
    sleep 0.7 # somewhere in the 3 s that it takes
    strike $victim gw_tm_gass
    t_check "the job gets to the end of its run" bg_until job 'epilog: '
    sleep 0.7
    strike $victim gw_tm_gass
    bg_end "transfers, $victim killed in prolog and in epilog: the job ends right" job 7
    t_check "its large output is whole" cmp big.in "big.$victim"
    t_check "and it started once" ran_once "files-$victim"
    grid link rate site-a off
done

# --- the daemon and the execution driver, while the payload runs; two jobs, one ends while nobody looks ---
job long-gwd 6
job short-gwd 2
bg_submit long -t long-gwd.jt
bg_submit short -t short-gwd.jt
bg_until long ' running' && bg_until short ' running'
gwd_kill9
sleep 2 # the short one's end
t_check "after kill -9 the daemon starts again at once" gwd_start
bg_end "a job that ended while the daemon was dead keeps its exit code" short 7
bg_end "one that went on keeps it too" long 7
for victim in driver worker; do
    job long-$victim 6
    job short-$victim 2
    bg_submit long -t long-$victim.jt
    bg_submit short -t short-$victim.jt
    bg_until long ' running' && bg_until short ' running'
    strike $victim gw_em_gram5
    bg_end "a short job survives kill -9 of the execution driver ($victim)" short 7
    bg_end "a long one too" long 7
done
for name in {long,short}-{gwd,driver,worker}; do t_check "$name started once" ran_once $name; done
t_equal "the daemon leaves no zombie of a driver that was killed" "" "$(ps -o stat=,pid= --ppid "$GWD_PID" | grep ^Z)"
gwd_stop

# --- the execution driver, at each line between it and the daemon from SUBMIT to COMMIT's answer ---
# It runs behind a filter that kills it once, and goes with it.
cat >"$T_DIR/act" <<'X'
#!/bin/bash
kill -KILL "$DRIVER" "$FILTER"
X
grid_filter gw_em_gram5
GWD_DIR=$T_DIR/gwd.filter
grid conf "$GWD_DIR" "${conf[@]}" "EM_MAD = gram5:$T_DIR/gw_em_gram5::rsl"
for at in 'passed SUBMIT' 'soon SUBMIT' 'answer SUBMIT' 'request COMMIT' 'passed COMMIT' 'soon COMMIT' 'answer COMMIT'; do
    name=em-${at// /-}
    echo "$at" >"$T_DIR/at"
    job "$name" 0
    gwd_start || t_not_ok "a daemon with a filtered driver is ready"
    bg_submit job -t "$name.jt"
    bg_end "the driver killed at $at: the job ends right" job 7
    t_check "the driver was killed, and the job started once" \
        eval "[ ! -e '$T_DIR/at' ] && ran_once '$name'"
    gwd_stop
done
# --- and its worker alone, so that the driver itself goes on ---
cat >"$T_DIR/act" <<'X'
#!/bin/bash
read -ra workers < <(cat "/proc/$DRIVER/task/"*/children)
kill -KILL "${workers[@]}"
sleep 0.1
X
for at in 'answer SUBMIT' 'request COMMIT' 'passed COMMIT'; do
    name=worker-${at// /-}
    echo "$at" >"$T_DIR/at"
    job "$name" 0
    gwd_start || t_not_ok "a daemon with a filtered driver is ready"
    bg_submit job -t "$name.jt"
    bg_end "the worker killed at $at: the job ends right" job 7
    t_check "the worker was killed, and the job started once" \
        eval "[ ! -e '$T_DIR/at' ] && ran_once '$name'"
    gwd_stop
done
grid_once "no attempt was started twice by any site"
grid_clean
t_done
