#!/bin/bash
# row: kill -9 of gwd at its crash points
# limit: 720
. "$(dirname "$0")/lib.sh"
cd "$T_DIR" || exit 1
starts=$T_DIR/starts
trials=0
for point in append.1 sync.1 sync.2 effect.5 effect.8 reply.1; do
    crash_at "${point%.*}" "${point#*.}" "$starts" gwsubmit --no-staging --exit-with-job -- /bin/sh -c "echo x >>$starts; exit 7" >"$T_DIR/what"
    [ $? -eq 7 ] || violation "killed at $point the job did not end right" "$(cat "$T_DIR/what" "$GWD_DIR.out")"
    trials=$((trials + 1))
    progress "$trials of 6"
done
result $trials
