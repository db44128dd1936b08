#!/bin/bash
# The GRAM5 driver alone, as the daemon speaks with it: what becomes of a job when the driver, a job manager, a
# gatekeeper or the link is gone in the middle, and that each job ran once.
# limit: 180
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/grid_lib.sh"
cd "$T_DIR" || exit 1
grid_up
CONTACT=site-a.grid.test/jobmanager-fork
SEEN=()

# start: a driver, with INIT done.
start() {
    rm -f in out
    mkfifo in out
    "$T_GRID" exec client "$BUILD/libexec/gw_em_gram5" <in >out 2>>driver.log &
    DRIVER=$!
    exec {IN}>in {OUT}<out
    SEEN=()
    say "INIT 500 gw1:pct,handles,recover-token,commit,blame,credential -"
    hear "INIT - SUCCESS gw1:.*commit"
}

kill9() {
    kill -KILL $DRIVER
    exec {IN}>&- {OUT}<&-
    wait $DRIVER 2>/dev/null
}

# job NAME SECONDS: a job directory at site-a whose program says when it begins and ends, and its description.
job() {
    local program="#!/bin/sh
echo $1 >>$PAYLOAD_LOG; sleep $2; echo end"
    grid exec griduser@site-a sh -c "mkdir ~/.gw_$1 && echo \"\$2\" >~/.gw_$1/.wrapper && chmod +x ~/.gw_$1/.wrapper" sh "$1" "$program"
    printf '&(executable=".wrapper")(directory=".gw_%s")(stdout="stdout.wrapper")(stderr="stderr.wrapper")(environment=("GW_TOKEN" "%s"))(count="1")(jobtype="single")' \
        "$1" "$1" >"$1.rsl"
}

# submit NUMBER NAME [SITE]: the contact is left in JOB.
submit() {
    say "SUBMIT $1 ${3-$CONTACT} $T_DIR/$2.rsl"
    hear "SUBMIT $1 SUCCESS https://" 60 && JOB=${LINE#SUBMIT "$1" SUCCESS }
}

commit() {
    say "COMMIT $1 - -"
    hear "COMMIT $1 SUCCESS -" 60
}

run() { # NUMBER NAME SECONDS: active when this returns
    job "$2" "$3"
    submit "$1" "$2" && commit "$1" && hear "CALLBACK $1 SUCCESS ACTIVE"
}

ran() { # NAME: how often it began
    grid payloads site-a | grep -cx "$1"
}

records() { # what the site keeps of jobs
    grid exec site-a sh -c 'find /var/lib/globus/gram_job_state -name "job.*" | wc -l'
}

has_no_records() {
    [ "$(records)" -eq 0 ]
}

# --- the life of a job ---
start
job one 1
t_check "a job is submitted" submit 1 one
t_match "its contact names the gatekeeper, too" "^https://site-a.grid.test:[0-9]+/[0-9]+/[0-9]+/#$CONTACT\$" "$JOB"
say "POLL 1 - -"
told "it waits" "POLL 1 SUCCESS PENDING"
t_equal "and does not run" 0 "$(ran one)"
t_check "until it is committed" commit 1
told "then it runs" "CALLBACK 1 SUCCESS ACTIVE"
told "to its end" "CALLBACK 1 SUCCESS DONE"
say "COMMIT 1 - -" "POLL 1 - -" "RECOVER 1 $JOB -"
told "a commit that comes again is a success" "COMMIT 1 SUCCESS -"
told "the end is remembered" "POLL 1 SUCCESS DONE"
told "and found again" "RECOVER 1 SUCCESS DONE"
t_check "the site is told to forget the job" t_within 5 has_no_records
say "RECOVER 2 - $T_DIR/one.rsl" "RECOVER 3 rubbish -" "POLL 99 - -"
told "what has no contact was never committed" "RECOVER 2 FAILURE not-found:us "
told "rubbish is no contact" "RECOVER 3 FAILURE internal:us "
told "nor is there a job for each number" "POLL 99 FAILURE internal:us "

# --- cancel ---
run 10 long 1000
say "CANCEL 10 - -"
told "a cancel is taken" "CANCEL 10 SUCCESS -"
told "and confirmed" "CALLBACK 10 SUCCESS FAILED"
job held 0
submit 11 held
say "CANCEL 11 - -"
told "a job that is not committed can be cancelled" "CALLBACK 11 SUCCESS FAILED"
t_equal "and never ran" 0 "$(ran held)"

# --- the driver is killed ---
job between 0
submit 20 between
kill9
start
say "RECOVER 20 $JOB -"
told "killed between submission and commit: the job is still held" "RECOVER 20 SUCCESS PENDING"
t_check "and can be committed" commit 20
told "and runs to its end" "CALLBACK 20 SUCCESS DONE"
run 21 during 3
kill9
start
say "RECOVER 21 $JOB -"
told "killed while it runs: it still does" "RECOVER 21 SUCCESS ACTIVE"
told "and its end is told to the new driver" "CALLBACK 21 SUCCESS DONE"
run 22 meanwhile 1
kill9
sleep 2
start
say "RECOVER 22 $JOB -"
told "an end that nobody was told is found" "RECOVER 22 SUCCESS DONE"

# --- the job manager is killed ---
run 30 orphan 3
grid kill jobmanager site-a
say "POLL 30 - -"
told "its job manager killed: a new one is found for it" "POLL 30 SUCCESS ACTIVE"
told "which tells its end" "CALLBACK 30 SUCCESS DONE"
run 31 both 4
first=$JOB
grid kill jobmanager site-a
kill9
start
say "RECOVER 31 $first -"
told "both killed: it is found by its first contact" "RECOVER 31 SUCCESS ACTIVE"
kill9
start
say "RECOVER 31 $first -"
told "and by that again, though it has another now" "RECOVER 31 SUCCESS ACTIVE"
told "and its end is told" "CALLBACK 31 SUCCESS DONE"

# --- the gatekeeper is killed ---
run 40 alone 4
grid kill gatekeeper site-a
grid kill jobmanager site-a
job late 0
say "POLL 40 - -" "SUBMIT 41 $CONTACT $T_DIR/late.rsl"
told "no gatekeeper: nothing is known of the job" "POLL 40 FAILURE unreachable:site .*site-a"
told "and none is submitted" "SUBMIT 41 FAILURE unreachable:site .*site-a"
grid start gatekeeper site-a
told "when it is back the end is told" "CALLBACK 40 SUCCESS DONE" 60
submit 41 late && commit 41
told "and a job runs" "CALLBACK 41 SUCCESS DONE"

# --- the link is cut; the other site goes on ---
run 50 cut 5
job waits 0
submit 51 waits
grid link cut site-a
job far 0
printf '&(executable="/bin/true")(count="1")(jobtype="single")' >far.rsl
say "COMMIT 51 - -" "SUBMIT 52 $CONTACT $T_DIR/late.rsl"
submit 53 far site-b.grid.test/jobmanager-fork && commit 53
told "a link is cut: another site goes on" "CALLBACK 53 SUCCESS DONE" 10
grid link restore site-a
told "it is back: the commit gets there" "COMMIT 51 SUCCESS" 60
told "and the submission" "SUBMIT 52 SUCCESS" 60
told "the end of the running job is told" "CALLBACK 50 SUCCESS DONE" 90
told "that of the other, too" "CALLBACK 51 SUCCESS DONE" 90
say "CANCEL 52 - -"
told "and the submitted one can be cancelled" "CALLBACK 52 SUCCESS FAILED"

# --- many ---
job many 1
for n in {100..139}; do say "SUBMIT $n $CONTACT $T_DIR/many.rsl"; done
for n in {100..139}; do hear "SUBMIT $n SUCCESS" 60 && say "COMMIT $n - -"; done
done=0
for n in {100..139}; do hear "CALLBACK $n SUCCESS DONE" 60 && done=$((done + 1)); done
t_equal "forty jobs at once run to their ends" "40 40" "$done $(ran many)"

for name in one between during meanwhile orphan both alone cut waits; do
    [ "$(ran $name)" -eq 1 ] || t_not_ok "$name ran once" "$(ran $name)"
done
t_check "the site has no record of a job left" t_within 10 has_no_records
say "FINALIZE - - -"
told "the driver ends" "FINALIZE - SUCCESS" 5
wait $DRIVER
t_done
