#!/bin/bash
# The states that earlier versions have left (tests/system/data/make-state) are carried over with every job. That a later format is
# refused is in tests/unit/store_test.c.
# limit: 240
. "$(dirname "$0")/lib.sh"
data=$T_ROOT/tests/system/data

# table LAST NAME: as make-state wrote it, of all ids up to the last, live or archived. What was under way then is begun again, for its
# machine is not this one.
table() {
    gwps --json "1-$1" | jq -r '.jobs[] | "\(.id) \(.phase) \(.exit_code)"' |
        awk 'NR == FNR { was[$1] = $2; next } was[$1] == "WRAPPER" && $2 != "DONE" { $2 = "WRAPPER" } { print }' "$data/$2.jobs" -
}

for state in "$data"/*.tar.xz; do
    name=$(basename "$state" .tar.xz)
    last=$(tail -n 1 "$data/$name.jobs" | cut -d ' ' -f 1)
    GWD_DIR=$T_DIR/$name
    mkdir "$GWD_DIR" && tar -xJf "$state" -C "$GWD_DIR"
    rm "$GWD_DIR"/*-shm
    before=$(cd "$GWD_DIR" && cksum -- *)
    t_match "$name is known as what it is" "format ${name:6:1}," "$(gwd --check-state="$GWD_DIR")"
    t_equal "and not changed by that" "$before" "$(cd "$GWD_DIR" && rm -- *-shm && cksum -- *)"
    # What is lost with its machine is no reason to let this one rest.
    gwd --dev "$GWD_DIR" --check-state >/dev/null && echo "SITE_FAILURES = 0" >>"$GWD_DIR/gwd.conf"
    t_check "a daemon starts on $name" gwd_start || continue
    t_equal "it has every job of $name as it was" "$(cat "$data/$name.jobs")" "$(table "$last" "$name")"
    # shellcheck disable=SC2046 # ids
    gwkill $(sed -n 's/ WRAPPER .*//p' "$data/$name.jobs") >/dev/null 2>&1
    held=$(gwps --json | jq -r '[.jobs[] | select(.wish == "held")][0].id')
    t_check "a job that was held then can be killed" gwkill "$held"
    t_check "a new job runs" gwsubmit --wait --exit-with-job --no-staging -- /bin/true
    gwd_kill9
    t_check "it starts again after kill -9" gwd_start
    t_equal "and has all that it had" "$last" "$(table "$last" "$name" | wc -l)"
    gwd_stop
    t_match "the state is of this format now" "format 3," "$(gwd --dev "$GWD_DIR" --check-state)"
done

t_done
