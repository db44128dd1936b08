#!/bin/bash
# Plain jobs through the real daemon, drivers and wrapper on this machine.
# limit: 240
. "$(dirname "$0")/lib.sh"
cd "$T_DIR" || exit 1
mkdir home && cd home || exit 1

# Two local hosts of four slots each.
GWD_DIR=$T_DIR/gwd
mkdir -p "$GWD_DIR/site-a" "$GWD_DIR/site-b"
cat >"$GWD_DIR/gwd.conf" <<EOF
STATE_DIR = "$GWD_DIR"
SOCKET = "$GWD_DIR/gwd.sock"
RETRY_INTERVAL = 1
IM_MAD = static:gw_im_static:--self local-a\:4\:file\://$GWD_DIR/site-a --self local-b\:4\:file\://$GWD_DIR/site-b:local:fork
TM_MAD = local:gw_tm_local:
EM_MAD = fork:gw_em_fork::rsl
EOF
t_check "a private daemon becomes ready" gwd_start || t_done

# --- exit codes ---
gwsubmit --wait --exit-with-job -- /bin/sh -c 'exit 0' >out.0 2>&1
t_equal "a job that succeeds gives exit code 0" 0 $?
gwsubmit --wait --exit-with-job -- /bin/sh -c 'exit 7' >out.7 2>&1
t_equal "a job that exits with 7 gives exit code 7" 7 $?
# shellcheck disable=SC2016
gwsubmit --wait --exit-with-job -- /bin/sh -c 'kill -KILL $$' >out.9 2>&1
t_equal "a job killed by signal 9 gives exit code 137" 137 $?

gwsubmit --wait --exit-with-job -- sh -c 'exit 4' >out.4 2>&1
t_equal "a command without a slash is found in PATH" 4 $?
gwsubmit --no-staging --exit-with-job -- /bin/sh -c 'exit 7' >bare.out 2>&1
t_equal "a job without staging gives its program's exit code" 7 $?
t_match "and gwlogs says that its output is at the host" "without staging" "$(gwlogs "$(gwsubmit --no-staging --wait -v -- /bin/true | grep -o '[0-9]*' | head -n 1)" 2>&1)"
gwsubmit --no-staging --wait -- "$PWD/not-here" >bare.out 2>&1
t_match "one whose program is not on the host fails, and says so" "executing $PWD/not-here in " "$(cat bare.out)"
gwsubmit -- no-such-program 2>out.66
t_equal "one that is not there is exit code 66" 66 $?
printf '#!/bin/sh\nexit 5\n' >staged.sh && chmod +x staged.sh
gwsubmit --wait --exit-with-job -- ./staged.sh >out.5 2>&1
t_equal "a command of this directory is sent along" 5 $?

# --- files, arguments, environment ---
echo "from the input" >in.txt
cat >files.jt <<'EOF'
NAME = files
EXECUTABLE = /bin/sh
ARGUMENTS = -c 'cat in.txt >out.txt; for a; do printf "<%s>" "$a"; done; echo "$COLOUR" >&2' sh "two words" 'it''s' "a\"b" "$GW_TASK_ID"
ENVIRONMENT = COLOUR="dark blue; rm -rf $HOME"
INPUT_FILES = in.txt
OUTPUT_FILES = out.txt result-${JOB_ID}.txt
STDOUT_FILE = o.${JOB_ID}
STDERR_FILE = e.${JOB_ID}
EOF
id=$(gwsubmit -v -t files.jt | sed -n 's/^JOB ID: //p')
t_check "gwwait waits for a job" gwwait "$id"
t_equal "an output file comes home under its name" "from the input" "$(cat "result-$id.txt" 2>&1)"
t_equal "arguments arrive as they were quoted" '<two words><its><a"b><0>' "$(cat "o.$id" 2>&1)"
t_equal "the environment is data, not shell" "dark blue; rm -rf \$HOME" "$(cat "e.$id" 2>&1)"

# --- many, over two hosts ---
log=$T_DIR/starts
: >"$log"
cat >many.jt <<EOF
EXECUTABLE = /bin/sh
ARGUMENTS = -c 'echo "\$GW_HOSTNAME \$GW_TASK_ID" >>$log'
STDOUT_FILE = /dev/null
STDERR_FILE = /dev/null
EOF
sed -i '/^STD/d' many.jt
gwsubmit -v -n 50 -t many.jt >array.out
aid=$(sed -n 's/^ARRAY ID: //p' array.out)
t_check "gwwait waits for an array of 50" gwwait -A "$aid"
t_equal "50 tasks start 50 times" 50 "$(wc -l <"$log")"
t_equal "each task starts once" 50 "$(cut -d' ' -f2 "$log" | sort -u | wc -l)"
t_equal "both hosts run some" 2 "$(cut -d' ' -f1 "$log" | sort -u | wc -l)"
rm -f stdout.* stderr.*

# --- what is shown ---
t_match "gwps shows the job done" "^[a-z]+.* $id +done" "$(gwps "$id")"
t_match "gwps --json is JSON with the exit code" '"exit_code": ?0' "$(gwps --json "$id" | jq -c .)"
t_match "gwhost shows both hosts" "local-b" "$(gwhost)"
t_match "gwhistory names the host" "local-[ab]" "$(gwhistory "$id")"
gwps 999999 >/dev/null 2>no-such
t_equal "an unknown job is exit code 68" 68 $?

# --- hold, release, kill ---
held=$(gwsubmit -v -o -- /bin/true | sed -n 's/^JOB ID: //p')
t_match "a held job is held" "$held +hold" "$(gwps "$held")"
t_match "why says that it is held" "[Hh]eld" "$(gwps --why "$held")"
t_check "gwkill -l releases it" gwkill -l "$held"
t_check "and then it ends" gwwait "$held"

running=$(gwsubmit -v -- /bin/sleep 1000 | sed -n 's/^JOB ID: //p')
t_within 20 sh -c "gwps $running | grep -q actv" || t_not_ok "a sleeping job becomes active"
t_check "gwkill ends a running job and waits for the site to confirm" gwkill "$running"
t_match "the killed job is shown as failed" "$running +fail" "$(gwps "$running")"
t_equal "no process of it is left" "" "$(pgrep -f '^/bin/sleep 1000$')"
t_equal "no job directory is left at the sites" "" "$(find "$GWD_DIR"/site-? -maxdepth 1 -name '.gw_*.*.*')"

# A payload that ignores TERM.
# shellcheck disable=SC2016
stubborn=$(gwsubmit -v -- /bin/sh -c 'trap "" TERM; echo up; while :; do sleep 1; done' | sed -n 's/^JOB ID: //p')
t_within 20 sh -c "gwlogs $stubborn 2>/dev/null | grep -q up" || t_not_ok "the stubborn job runs"
t_check "gwkill ends a payload that ignores TERM" timeout 60 gwkill "$stubborn"
t_equal "what it had printed is there" up "$(gwlogs "$stubborn")"

hard=$(gwsubmit -v -- /bin/sleep 1001 | sed -n 's/^JOB ID: //p')
t_within 20 sh -c "gwps $hard | grep -q actv" || t_not_ok "a sleeping job becomes active"
site=$GWD_DIR/site-$(gwps --json "$hard" | jq -r '.jobs[0].host | .[-1:]')
mv "$site" "$site.away" && ln -s "$site" "$site"
t_check "gwkill -9 does not wait for the site" gwkill -9 "$hard"
no_job_directory() {
    [ -z "$(find "$GWD_DIR"/site-? -maxdepth 1 -name '.gw_*.*.*')" ]
}
says_left() { gwps --why "$hard" | grep -q '^left: a directory at .*, asked [0-9]* times* since gwd started; .*; gwd goes on until 20'; }
t_check "gwps --why says what is left at the site, why, and until when gwd goes on" t_within 30 says_left
t_equal "and gwuser counts it" 1 "$(gwuser --json | jq '[.users[].left] | add')"
rm "$site" && mv "$site.away" "$site"
t_check "and what is left there is removed afterwards" t_within 60 no_job_directory

# --- failures say whose they are ---
printf 'EXECUTABLE = /bin/true\nINPUT_FILES = not-there.txt\n' >missing.jt
gwsubmit --wait --exit-with-job -t missing.jt >out.missing 2>&1
code=$?
id=$(gwps --json | jq '[.jobs[].id] | max')
t_equal "a missing input file is a failure" 1 "$code"
t_equal "blamed on the job, by one attempt" "no-input job 1" \
    "$(gwps --json "$id" | jq -r '.jobs[0] | "\(.reason.code) \(.reason.blame) \(.attempt)"')"
printf 'EXECUTABLE = /bin/true\nOUTPUT_FILES = never-made\n' >no-output.jt
gwsubmit --wait -t no-output.jt >out.no-output 2>&1
id=$(gwps --json | jq '[.jobs[].id] | max')
t_equal "a missing output file fails the job without running it again" "no-output job 1" \
    "$(gwps --json "$id" | jq -r '.jobs[0] | "\(.reason.code) \(.reason.blame) \(.attempt)"')"
printf 'EXECUTABLE = /no/such/program\n' >no-exec.jt
gwsubmit --wait -t no-exec.jt >out.no-exec 2>&1
id=$(gwps --json | jq '[.jobs[].id] | max')
t_equal "a program that does not exist is the job's failure" "exec-failed job" \
    "$(gwps --json "$id" | jq -r '.jobs[0] | "\(.reason.code) \(.reason.blame)"')"
printf 'EXECUTABLE = /bin/sleep\nARGUMENTS = 1000\nWALLTIME = 1\n' >walltime.jt
gwsubmit --wait -t walltime.jt >out.walltime 2>&1
id=$(gwps --json | jq '[.jobs[].id] | max')
t_equal "a job beyond its wall time ends" "walltime job" \
    "$(gwps --json "$id" | jq -r '.jobs[0] | "\(.reason.code) \(.reason.blame)"')"

# --- why a job waits ---
printf 'EXECUTABLE = /bin/true\nREQUIREMENTS = ARCH = "vax" & CPU_MHZ > 1\n' >vax.jt
vax=$(gwsubmit -v -t vax.jt | sed -n 's/^JOB ID: //p')
t_match "why names the condition that removes all hosts" 'ARCH = "vax"' "$(gwps --why "$vax")"
gwkill "$vax" >/dev/null
t_check "a host is drained" gwhost --drain local-a
t_check "and so is the other" gwhost --drain local-b
waits=$(gwsubmit -v -- /bin/true | sed -n 's/^JOB ID: //p')
t_match "why says that the hosts are drained" "[Dd]rained" "$(gwps --why "$waits")"
t_check "undrained" gwhost --undrain local-a
t_check "it starts and ends" timeout 30 gwwait "$waits"

# --- live output ---
# shellcheck disable=SC2016
live=$(gwsubmit -v -- /bin/sh -c 'echo first; while [ ! -e '"$T_DIR"'/go ]; do sleep 0.1; done; echo last' |
    sed -n 's/^JOB ID: //p')
gwlogs -f "$live" >live.out 2>live.err &
logs=$!
t_check "gwlogs -f shows output while the job runs" t_within 20 grep -q first live.out
t_equal "and not what is not yet written" "" "$(grep last live.out)"
touch "$T_DIR/go"
wait $logs
t_equal "and ends with the job, complete" "first last" "$(tr '\n' ' ' <live.out | sed 's/ $//')"

# --- output as far as it goes, and much of it ---
talks=$(gwsubmit -v -- /bin/sh -c 'while :; do echo x; sleep 0.2; done' | sed -n 's/^JOB ID: //p')
t_check "a talking job has output" t_within 20 sh -c "gwlogs $talks | grep -q x"
t_check "gwlogs without -f ends though the job goes on talking" timeout 5 gwlogs "$talks"
quiet=$(gwsubmit -v -- /bin/sh -c 'echo a; sleep 60' | sed -n 's/^JOB ID: //p')
t_within 20 sh -c "gwps $quiet | grep -q actv" || t_not_ok "the quiet job runs"
t_check "and does not wait for a quiet one" timeout 5 gwlogs "$quiet"
gwkill "$talks" "$quiet" >/dev/null
# shellcheck disable=SC2016
gwsubmit -v --wait -- /bin/sh -c 'i=0; while [ $i -lt 100 ]; do head -c 1000000 /dev/zero | tr "\\0" x; i=$((i+1)); done' >long.out 2>&1
long=$(sed -n 's/^JOB ID: //p' long.out)
t_equal "100 MB of output are shown whole" 100000000 "$(gwlogs "$long" | wc -c)"

# --- a destination that cannot be made ---
: >starts.once
printf "EXECUTABLE = /bin/sh\nARGUMENTS = -c 'echo s >>%s/starts.once'\nSTDOUT_FILE = in.txt/out\n" "$PWD" >dest.jt
gwsubmit -v --wait -t dest.jt >dest.out 2>&1
id=$(sed -n 's/^JOB ID: //p' dest.out)
t_equal "a destination below a file is the job's failure" "refused job 1" \
    "$(gwps --json "$id" | jq -r '.jobs[0] | "\(.reason.code) \(.reason.blame) \(.attempt)"')"
t_equal "and the payload ran once" 1 "$(wc -l <starts.once)"

# --- the template's errors ---
cat >bad.jt <<'EOF'
EXECUTABEL = /bin/true
NP = zero
REQUIREMENTS = ARCH = "x86_64" &
VM_CPUS = 2
EOF
gwsubmit --check bad.jt >bad.out 2>&1
t_equal "a template with mistakes is exit code 65" 65 $?
t_equal "and four positions are named" 4 "$(grep -cE '^bad\.jt:[1-4]:[0-9]+: error: ' bad.out)"
t_check "a good template passes the check" gwsubmit --check files.jt

# --- no daemon ---
t_check "the daemon stops when told" gwd_stop
gwps >/dev/null 2>down.err
t_equal "without a daemon it is exit code 69" 69 $?
t_equal "nothing of the daemon is left" "" "$("$T_ROOT/tools/processes-of" "$GWD_DIR")"
t_done
