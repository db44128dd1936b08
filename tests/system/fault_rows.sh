#!/bin/bash
# A row of the fault matrix does not pass when it has not done what it says (tests/fault/lib.sh).
. "$(dirname "$0")/lib.sh"
unset FAULT_ONLY FAULT_SHARE FAULT_SEED

# row SENTENCE EXPECTED LINE ...: the last line and the exit code of a row of these lines.
row() {
    local what=$1 expected=$2
    shift 2
    printf '%s\n' '#!/bin/bash' ". '$T_ROOT/tests/fault/lib.sh'" "$@" >"$T_DIR/row.sh"
    t_equal "$what" "$expected" "$(bash "$T_DIR/row.sh" 2>/dev/null | tail -n 1; echo "exit code ${PIPESTATUS[0]}")"
}
ends() { printf 'RESULT trials=%s violations=%s\nexit code %s' "$@"; }

row "a row with all of its trials passes" "$(ends 5 0 0)" "result 5 5"
row "a row with a trial less than planned does not" "$(ends 4 1 1)" "result 4 5"
row "nor does one without any" "$(ends 0 0 1)" "result 0 0"
row "of a row that repeats a trial there is one" "$(ends 1 0 0)" "FAULT_ONLY=x result 1 5"
row "workers that come to their ends pass" "$(ends 5 0 0)" "worker() { :; }" "run_workers 2" "result 5 5"
row "a worker that breaks off is a violation" "$(ends 5 1 1)" 'worker() { [ "$1" -eq 0 ] || exit 3; }' "run_workers 2" "result 5 5"
row "and so is one that is killed" "$(ends 5 1 1)" 'worker() { [ "$1" -eq 1 ] || kill -KILL $BASHPID; }' "run_workers 2" "result 5 5"
t_done
