#!/bin/bash
# Jobs without staging: the daemon is killed at points of its turns and at any moment, its execution driver too. Each
# program is started once, and its exit code is known.
# limit: 300
. "$(dirname "$0")/lib.sh"
cd "$T_DIR" || exit 1
starts=$T_DIR/starts

# bare_ends_right POINT N: killed there, the daemon's successor knows the exit code.
bare_ends_right() {
    crash_at "$1" "$2" "$starts" gwsubmit --no-staging --exit-with-job -- /bin/sh -c "echo x >>$starts; exit 7"
    [ $? -eq 7 ] || { cat "$GWD_DIR.out"; tail -n 30 "$GWD_DIR.log"; return 1; }
}

for point in append.1 append.2 sync.1 sync.2 effect.5 effect.8 effect.10 effect.12 effect.14 reply.1; do
    t_check "killed at $point the job ends right and starts once" bare_ends_right "${point%.*}" "${point#*.}"
done

# --- many, and kills at any moment ---
GWD_DIR=$T_DIR/many
gwd_start || t_not_ok "the daemon starts"
: >"$starts"
cat >many.jt <<EOF
EXECUTABLE = /bin/sh
ARGUMENTS = -c 'echo \$GW_JOB_ID >>$starts; sleep 0.2; exit 5'
STAGING = no
EOF
gwsubmit -n 100 many.jt || t_not_ok "an array is submitted"
# started N: the programs that have been started are N by now; they say so to a file, and to nobody else.
started() { [ "$(wc -l <"$starts")" -ge "$1" ]; }
for n in 10 40 70; do
    t_within 60 started $n || t_not_ok "$n programs start"
    gwd_kill9
    gwd_start || t_not_ok "the daemon starts again with $n programs started"
    t_within 60 started $((n + 15)) || t_not_ok "more programs start"
    # The process that gwd started; the one that works notes the ends, and another takes over.
    driver=$(gwhost --drivers --json | jq -r '.status.drivers[] | select(.kind == "em").pid')
    if [ "${driver:-0}" -gt 0 ]; then kill -KILL "$driver"; else t_not_ok "the driver is there to be killed"; fi
done
timeout 120 gwwait -A 1 >wait.out 2>&1
t_equal "all of an array end with their exit codes" "100" "$(gwps --json | jq '[.jobs[] | select(.phase == "DONE" and .exit_code == 5)] | length')"
t_equal "each was started" 100 "$(sort -u "$starts" | wc -l)"
t_equal "and none twice" "" "$(sort "$starts" | uniq -d)"
t_check "the daemon stops" gwd_stop
is_gone() { [ -z "$("$T_ROOT/tools/processes-of" "$GWD_DIR")" ]; }
t_check "nothing of it is left" t_within 20 is_gone
t_done
