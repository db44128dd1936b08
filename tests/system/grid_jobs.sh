#!/bin/bash
# Jobs through GRAM5 and GridFTP: what they say, what they bring home, and that each starts once.
# limit: 180
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/grid_lib.sh"
cd "$T_DIR" || exit 1
grid_up
mkdir home && cd home || exit 1
t_check "a gwd with two sites becomes ready" grid_gwd || t_done

# --- exit codes, which GRAM's fork manager does not know: all that end are DONE for it ---
for code in 0 7; do
    timeout 60 gwsubmit --wait --exit-with-job -- /bin/sh -c "exit $code" >exit.out 2>&1
    t_equal "a job that exits with $code gives exit code $code" $code $?
done
# shellcheck disable=SC2016
timeout 60 gwsubmit --wait --exit-with-job -- /bin/sh -c 'kill -KILL $$' >exit.out 2>&1
t_equal "a job killed by signal 9 gives exit code 137" 137 $?
printf '#!/bin/sh\nexit 5\n' >staged.sh && chmod +x staged.sh
timeout 60 gwsubmit --wait --exit-with-job -- ./staged.sh >exit.out 2>&1
t_equal "a program of this directory is sent along and can be run" 5 $?
timeout 60 gwsubmit --wait --exit-with-job -- /no/such/program >exit.out 2>&1
t_match "a program that is not at the site is the job's fault, told in words" '/no/such/program' "$(cat exit.out)"

# --- files, and words that a shell or RSL would read otherwise ---
printf 'from the input\n' >in.txt
printf 'a blank\n' >'in put.txt'
cat >files.jt <<'X'
NAME = files
EXECUTABLE = /bin/sh
ARGUMENTS = -c 'cat in.txt "in put.txt" >out.txt; mkdir sub; echo deep >"sub/o ut.txt"; for a; do printf "<%s>" "$a"; done; cat; echo "$COLOUR" >&2; whoami >who.txt' sh "two words" 'it''s' "a\"b" '$(HOME)' '*(&)%20\' "$GW_TASK_ID" ''
ENVIRONMENT = COLOUR="dark \"blue\"; rm -rf $(HOME)"
INPUT_FILES = in.txt, 'in put.txt'
OUTPUT_FILES = out.txt result-${JOB_ID}.txt, 'sub/o ut.txt' 'the result.txt', who.txt
STDIN_FILE = in.txt
STDOUT_FILE = o.txt
STDERR_FILE = e.txt
REQUIREMENTS = HOSTNAME = "site-b.*"
X
job_start --exit-with-job -t files.jt
files=$JOB
job_end
t_equal "a job with files ends well" 0 $?
t_equal "inputs arrive, and an output comes home under its name" "from the input
a blank" "$(cat "result-$files.txt" 2>&1)"
t_equal "names with blanks and folders too" "deep" "$(cat "the result.txt" 2>&1)"
# shellcheck disable=SC2016
t_equal "arguments arrive as they were quoted, and stdin and stdout are the job's" \
    '<two words><its><a"b><$(HOME)><*(&)%20\><0><>from the input' "$(cat o.txt 2>&1)"
# shellcheck disable=SC2016
t_equal "the environment is data, and stderr comes home" 'dark "blue"; rm -rf $(HOME)' "$(cat e.txt 2>&1)"
t_equal "it ran as the account that the site's grid-mapfile names" griduser "$(cat who.txt 2>&1)"

# --- a description of blanks, quotes and RSL's own marks, given to the driver itself ---
cat >hard.rsl <<'X'
&(executable="/usr/bin/printf")(arguments="<%s>" "two words" "it's" "a""b" "$(HOME)" "(x)(y=""z"")" "#!/^\ |%20" "&+<>=!" "'")
 (environment=("GW_TOKEN" "hard.0.1.2.3")("ODD" " a ""b"" $(c) "))(stdout="hard.out")(count="1")(jobtype="single")
X
coproc EM { exec "$T_GRID" exec client "$BUILD/libexec/gw_em_gram5" 2>em.log; }
em_says() { # ERE: awaited; in EM_LINE
    while read -r -t 60 EM_LINE <&"${EM[0]}"; do [[ $EM_LINE =~ $1 ]] && return 0; done
    return 1
}
echo 'INIT 10 gw1:pct,handles,recover-token,idempotent,commit,poll-all,blame -' >&"${EM[1]}"
t_check "the driver is ready" em_says '^INIT - SUCCESS'
echo "SUBMIT 1 site-a.grid.test/jobmanager-fork $PWD/hard.rsl" >&"${EM[1]}"
t_check "it hands a hard description over" em_says '^SUBMIT 1 SUCCESS'
sleep 1 # what should not happen announces itself to nobody
t_equal "nothing runs before it is committed" "" "$(grid_gram_starts site-a | grep hard)"
echo 'COMMIT 1 - -' >&"${EM[1]}"
t_check "it commits" em_says '^COMMIT 1 SUCCESS'
t_check "and hears of the end" em_says '^(CALLBACK|POLL) 1 SUCCESS DONE'
echo 'FINALIZE - - -' >&"${EM[1]}"
t_check "the driver ends when told" em_says '^FINALIZE - SUCCESS'
# shellcheck disable=SC2016
t_equal "every word arrived as it was written" \
    $'<two words><it\'s><a"b><$(HOME)><(x)(y="z")><#!/^\\ |%20><&+<>=!><\'>' "$(grid exec griduser@site-a sh -c 'cat ~/hard.out')"
t_equal "it started once" 1 "$(grid_gram_starts site-a | grep -c hard)"

# --- many, over two sites ---
cat >many.jt <<X
EXECUTABLE = /bin/sh
ARGUMENTS = -c 'echo \$GW_TASK_ID \$GW_HOSTNAME >>$PAYLOAD_LOG; exit \$GW_TASK_ID'
X
bg_submit many -n 20 -t many.jt
bg_end "of 20 jobs over two sites the largest exit code is the last one's" many 19
t_equal "the sites' records show 20 payloads" 20 "$(grid_payloads | wc -l)"
t_equal "each task once" "$(seq 0 19)" "$(grid_payloads | awk '{ print $2 }' | sort -n)"
t_equal "both sites had some of them" 2 "$(grid_payloads | awk '{ print $1 }' | sort -u | wc -l)"
t_equal "each ran where gwd says that it did" "" "$(grid_payloads | awk '$1 ".grid.test" != $3')"
t_equal "GRAM started each attempt once" "" "$(grid_gram_starts | sort | uniq -d)"
t_equal "each has its own exit code" "$(seq -s , 0 19 | sed 's/.*/[&]/')" \
    "$(gwps --json -A "$(bg_id many)" | jq -c '.jobs | sort_by(.task) | map(.exit_code)')"
grid_clean
t_done
