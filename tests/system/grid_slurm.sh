#!/bin/bash
# A site with a batch system behind GRAM: Slurm, of two nodes. What GRAM says of its jobs is less than little (FAILED for an
# exit code of 7, nothing for up to 10 s), and still each job ends right.
# limit: 180
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/grid_lib.sh"
cd "$T_DIR" || exit 1
if ! command -v slurmctld >/dev/null; then
    t_skip "grid_slurm.sh" "Slurm is not installed; make deps"
    t_done
fi
export SITES="site-a slurm-b"
grid_up
mkdir home && cd home || exit 1
t_check "a gwd with a Slurm site becomes ready" grid_gwd 'CANCEL_RETRY = 5' || t_done

echo "from the input" >in.txt
cat >slurm.jt <<X
EXECUTABLE = /bin/sh
ARGUMENTS = -c 'echo \$GW_TASK_ID >>$PAYLOAD_LOG; cat in.txt >out.txt; exit \$(( \$GW_TASK_ID + 6 ))'
INPUT_FILES = in.txt
OUTPUT_FILES = out.txt out.\${TASK_ID}
REQUIREMENTS = LRMS_TYPE = "slurm"
X
bg_submit array -n 4 -t slurm.jt
cat >wait.jt <<X
EXECUTABLE = /bin/sh
ARGUMENTS = -c 'echo wait >>$PAYLOAD_LOG; sleep 1000'
REQUIREMENTS = LRMS_TYPE = "slurm"
X
bg_submit wait -t wait.jt
bg_end "an array at Slurm ends with the exit codes of its tasks" array 9
t_equal "every task's own" 6,7,8,9 "$(gwps --json -A "$(bg_id array)" | jq -r '[.jobs | sort_by(.task)[].exit_code] | join(",")')"
t_equal "outputs come home" "from the input" "$(sort -u out.[0-3])"
started() {
    grid payloads slurm-b | grep -q wait
}
t_check "a job runs in Slurm's hands" t_within 30 started
t_match "Slurm knows it" 'griduser' "$(grid exec slurm-b squeue -h)"
t_check "gwkill is taken" gwkill "$(bg_id wait)"
t_check "and the job has ended soon" t_within 60 test -s wait.code
queue_is_empty() {
    [ -z "$(grid exec slurm-b squeue -h)" ]
}
t_check "Slurm has nothing left of it" t_within 20 queue_is_empty
t_equal "each payload ran once" "0 1 2 3 wait" "$(grid_payloads | cut -d ' ' -f 2 | sort | xargs)"
t_equal "Slurm's own record has each attempt once" 5 "$(grid_gram_starts slurm-b | sort -u | wc -l)"
grid_once "and none twice"
grid_clean
t_done
