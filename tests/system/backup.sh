#!/bin/bash
# Backup under load, restore, check; what a copy that is put back by hand does, and what it does not.
# limit: 200
. "$(dirname "$0")/lib.sh"
cd "$T_DIR" || exit 1
starts=$T_DIR/starts
: >"$starts"

# --- a backup while jobs are submitted as fast as they can be ---
gwd_start || t_not_ok "the daemon starts"
for i in $(seq 3000); do printf 'EXECUTABLE = /bin/true\nSTAGING = no\n---\n'; done >many.jt
gwsubmit -v -o - <many.jt >acknowledged 2>&1 &
client=$!
T_PIDS+=("$client")
t_within 20 test -s acknowledged
for n in 1 2 3; do
    before=$(grep -c 'JOB ID' acknowledged)
    t_check "a backup is made while the daemon works" gwd --dev "$GWD_DIR" --backup "$T_DIR/b$n"
    jobs=$(gwd --check-state="$T_DIR/b$n" | sed 's/.* events, \([0-9]*\) jobs.*/\1/')
    if [ "$jobs" -ge "$before" ]; then
        t_ok "it has every job that was acknowledged before it began"
    else
        t_not_ok "it has every job that was acknowledged before it began" "$jobs of $before"
    fi
done
wait $client
t_equal "all submissions are taken meanwhile" 3000 "$(grep -c 'JOB ID' acknowledged)"
t_equal "a backup is its owner's alone" "700 600 600" "$(stat -c %a b1 b1/state.db b1/archive.db | xargs)"
gwd --dev "$GWD_DIR" --backup "$T_DIR/b1" 2>err
t_equal "a backup does not take the place of another" 75 $?
t_match "and says so" "b1 exists" "$(cat err)"
gwd --dev "$GWD_DIR" --backup "$T_DIR/b4//" >/dev/null
t_equal "a backup's name may end in slashes" 0 $?
t_check "and is then without them" gwd --check-state="$T_DIR/b4"
for what in --check-state --backup=$T_DIR/b5; do
    gwd --dev "$T_DIR/none" "$what" 2>err
    t_equal "a private daemon's directory that is not there is no state ($what)" 70 $?
    t_check "and is not made" test ! -e "$T_DIR/none"
    mkdir empty && gwd --dev "$T_DIR/empty" "$what" 2>err
    t_equal "nor is one without a state ($what)" 70 $?
    t_match "which is named" "empty/state.db is missing or empty" "$(cat err)"
    rm -r empty
done
t_equal "nothing half made is left" "" "$(find . -name '*.part.*')"
gwd --dev "$GWD_DIR" --restore "$T_DIR/b1" 2>err
t_equal "nothing is restored under a running daemon" 75 $?
t_match "the state of a running daemon is checked" "3000 jobs.*; a gwd uses it" "$(gwd --dev "$GWD_DIR" --check-state)"
gwkill -a 1-3000 >/dev/null 2>&1
gwd_stop

# --- restore ---
GWD_DIR=$T_DIR/second
gwd_start || t_not_ok "the daemon starts"
gwsubmit --wait -- /bin/true
# job SECONDS CODE
job() { gwsubmit -v --no-staging -- /bin/sh -c "echo \$GW_TOKEN \$GW_JOB_ID >>$starts; sleep $1; exit $2" | sed 's/.*: //'; }
done_before=$(job 0 5)
gwwait "$done_before"
running=$(job 1000 6)
t_within 10 sh -c "grep -q ' $running\$' $starts"
t_check "a backup is made" gwd --dev "$GWD_DIR" --backup "$T_DIR/early"
later=$(for i in 1 2 3 4 5; do job 0 $i; done)
# shellcheck disable=SC2086 # ids
gwwait $later
pkill -P "$(pgrep -f "^/bin/sh -c echo .*$starts; sleep 1000; exit 6" | head -n 1)" sleep
gwwait "$running"
gwd_stop
t_check "it is put back" sh -c "gwd --dev $GWD_DIR --restore $T_DIR/early >said"
t_equal "nobody is said to use it" "" "$(grep 'gwd uses' said)"
t_equal "what was there is kept" 1 "$(find "$GWD_DIR" -path '*/replaced-*/state.db' | wc -l)"
t_match "and is a state that can be read" "8 jobs" "$(gwd --check-state="$(echo "$GWD_DIR"/replaced-*)")"
t_check "the daemon starts" gwd_start
t_equal "what had ended before the backup is as it was" 5 "$(gwwait -v "$done_before")"
gwwait "$running"
t_equal "what ran then, and ended since, has its own exit code" 6 "$(gwwait -v "$running")"
for i in 1 2 3 4 5; do job 0 7; done >again
# shellcheck disable=SC2046 # ids
gwwait $(cat again)
t_equal "later jobs are not known: their ids are given again" "$later" "$(cat again)"
# shellcheck disable=SC2046 # ids
t_equal "a job gets no result of one that had its id" 7 "$(gwwait -v $(cat again) | sed 's/.*: //' | sort -u)"
t_equal "no token is there twice" "" "$(cut -d ' ' -f 1 "$starts" | sort | uniq -d)"
gwsubmit --wait -- /bin/true
gwd_stop && gwd_start && gwsubmit --wait -- /bin/true
t_equal "after a restore or a restart nothing is wrong with what the site knows" "" "$(gwhost --drivers | grep 'later run')"
gwd_stop

# --- the same by hand, with cp, in all ways ---
for how in copied over snapshot; do
    GWD_DIR=$T_DIR/by-hand-$how
    : >"$starts"
    gwd_start || t_not_ok "the daemon starts"
    gwwait "$(job 0 1)"
    gwd_stop
    cp -a "$GWD_DIR" kept
    gwd_start || t_not_ok "the daemon starts"
    # shellcheck disable=SC2046 # ids
    gwwait $(for i in $(seq 20); do job 0 2; done)
    gwsubmit --wait -- /bin/true
    gwd_stop
    case $how in
    copied) rm -rf "$GWD_DIR"/state.* "$GWD_DIR"/archive.* && cp -a kept/state.* kept/archive.* "$GWD_DIR" ;;
    over) rm -f "$GWD_DIR"/*-wal "$GWD_DIR"/*-shm && for f in kept/state.* kept/archive.*; do cat "$f" >"$GWD_DIR/${f##*/}"; done ;;
    snapshot) rm -rf "$GWD_DIR" && cp -a kept "$GWD_DIR" ;;
    esac
    rm -rf kept
    t_check "an older state that was put back by hand ($how) is started with" gwd_start
    [ $how = over ] || t_match "and the log says that it is a copy" "is a copy" "$(cat "$GWD_DIR.log")"
    # shellcheck disable=SC2046 # ids
    t_equal "new jobs get results of their own ($how)" 3 "$(gwwait -v $(for i in $(seq 20); do job 0 3; done) | sed 's/.*: //' | sort -u)"
    gwsubmit --wait -- /bin/true
    # That of a snapshot has gone back as well.
    [ $how = snapshot ] || t_check "the site shows that there was a later run, and the operator is told ($how)" \
        t_within 10 sh -c "gwhost --drivers | grep 'knows of a later run'"
    t_equal "no token is there twice ($how)" "" "$(cut -d ' ' -f 1 "$starts" | sort | uniq -d)"
    t_equal "each program ran once ($how)" 41 "$(wc -l <"$starts")"
    gwd_stop
done
t_done
