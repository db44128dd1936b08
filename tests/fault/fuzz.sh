#!/bin/bash
# What is read from outside (tests/fuzz, a target each) against invented input: no crash, no complaint of the sanitizers, no
# leak, no hang, and each target's own promises. FUZZ_N inputs for each (1,000,000; a quarter of them for those that are slow, and
# what clients send has a target of its own as well); FAULT_ONLY="rsl kv" for these alone. The share takes a few thousand each in the unit test's
# program, which has no sanitizers but needs no clang.
# row: 1,000,000 invented inputs for each reader of outside data, 250,000 for the engine and the daemon as wholes, under ASan and UBSan
# limit: 5400
. "$(dirname "$0")/lib.sh"

small() {
    local n=${FUZZ_N:-2000} log=$T_DIR/log left
    FUZZ_LEFT=$T_DIR FUZZ_ONLY=${FAULT_ONLY:-*} FUZZ_N=$n FUZZ_SEED=$FAULT_SEED "$BUILD/tests/fuzz_test" >"$log" 2>&1 ||
        violation "a target is broken" "$(grep -vE '^\[ (RUN|      OK) ' "$log" | head -n 20)"
    for left in "$T_DIR"/fuzz-*.input; do
        [ ! -e "$left" ] || cp "$left" build/
    done
    result $(($(grep -c '^\[       OK \]' "$log") * n)) $(($(sed -n 's/.*Running \([0-9]*\) test.*/\1/p' "$log") * n))
}

full() {
    local n=${FUZZ_N:-1000000} log pid code inputs asked broken total=0 planned=0
    command -v clang >/dev/null || skip_row "there is no clang (tools/deps fuzz)"
    # With as many processes as it likes, whoever called.
    env -u MAKEFLAGS -u MAKELEVEL make --no-print-directory FUZZ=1 fuzzers >"$T_DIR/build" 2>&1 || {
        violation "the targets cannot be built" "$(tail -n 20 "$T_DIR/build")"
        result 0 1
    }
    # shellcheck disable=SC2086 # a list of words
    tests/fuzz/run --runs "$n" --seed "$FAULT_SEED" --fresh $FAULT_ONLY >"$T_DIR/total" 2> >(sed "s/^/$FAULT_ROW: /" >&2) &
    pid=$!
    while kill -0 $pid 2>/dev/null; do
        sleep 2
        progress "$(find build-fuzz/logs -name '*.row' | wc -l) targets are done"
    done
    wait $pid
    code=$?
    for log in build-fuzz/logs/*.row; do
        read -r inputs asked broken <"$log"
        total=$((total + inputs)) planned=$((planned + asked))
        if [ "$broken" -ne 0 ]; then
            violation "$(basename "$log" .row) is broken" "$(grep -E 'does not hold|ERROR|SUMMARY|Test unit' "${log%.row}.log")"
        elif [ "$inputs" -lt "$asked" ]; then
            violation "$(basename "$log" .row) took $inputs of $asked inputs" "$(tail -n 5 "${log%.row}.log")"
        fi
    done
    [ $code -eq 0 ] || [ "$(violations)" -gt 0 ] || violation "the targets do not come to their end (exit code $code)"
    result $total $planned
}

if [ "$FAULT_SHARE" ]; then small; else full; fi
