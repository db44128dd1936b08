#!/bin/bash
# The daemon is killed at every point of its turns, and in every phase of a job: the job ends right, started once.
# limit: 400
. "$(dirname "$0")/lib.sh"
cd "$T_DIR" || exit 1
mkdir home && cd home || exit 1
starts=$T_DIR/starts
cat >job.jt <<EOF
EXECUTABLE = /bin/sh
ARGUMENTS = -c 'echo \$GW_JOB_ID >>$starts; echo done >out.txt; exit 7'
OUTPUT_FILES = out.txt out.\${JOB_ID}
NUMBER_OF_RETRIES = 1
EOF

# ends_right POINT N: killed there, the daemon's successor brings the job to its end. Says what is wrong.
ends_right() {
    rm -f out.*
    crash_at "$1" "$2" "$starts" gwsubmit --wait --exit-with-job -t job.jt
    [ $? -eq 7 ] || { cat "$GWD_DIR.out"; tail -n 30 "$GWD_DIR.log"; return 1; }
    [ "$(cat out.[0-9]*)" = "done" ] || { echo "no output"; return 1; }
    [ -z "$(find "$GWD_DIR/site" -name '.gw_*.*.*')" ] || { echo "a job directory is left"; return 1; }
}

for point in append sync effect reply; do
    for n in 1 2 3 4 5 6 8 11 14 17 19 21 23; do
        case $point.$n in reply.[3-9] | reply.?? | append.?? | sync.??) continue ;; esac
        t_check "killed at $point $n the job ends right and starts once" ends_right $point $n
    done
done

# --- with a job that is there for long ---
GWD_DIR=$T_DIR/phases
gwd_start || t_not_ok "the daemon starts"
: >"$starts"
cat >long.jt <<EOF
EXECUTABLE = /bin/sh
ARGUMENTS = -c 'echo \$GW_JOB_ID >>$starts; while [ ! -e $T_DIR/go ]; do sleep 0.1; done; exit 3'
EOF
job_start --exit-with-job -t long.jt
t_within 30 test -s "$starts"
gwd_kill9
t_check "after kill -9 the daemon starts again at once" gwd_start
t_within 30 sh -c "gwps $JOB | grep -q actv" || t_not_ok "the job is active again"
gwd_kill9
touch "$T_DIR/go" # it ends while nobody looks
t_check "and once more" gwd_start
job_end
t_equal "a job that ended while the daemon was dead keeps its exit code" 3 $?
t_equal "it started once" 1 "$(wc -l <"$starts")"

# A second daemon on the same state.
gwd --dev "$GWD_DIR" >/dev/null 2>second.err </dev/null
t_equal "a second daemon on the same state is refused" 75 $?
t_match "and is told which one is there" "pid $GWD_PID" "$(cat second.err)"

# Drivers killed under it.
rm -f "$T_DIR/go"
: >"$starts"
job_start --exit-with-job -t long.jt
t_within 30 test -s "$starts"
for kind in gw_em_fork gw_tm_local gw_im_static; do
    pkill -KILL -P "$GWD_PID" -f "$kind"
done
t_within 30 sh -c "gwhost --drivers --json | jq -e 'all(.status.drivers[]; .state == \"up\")'" || t_not_ok "the drivers come back"
touch "$T_DIR/go"
job_end
t_equal "a job survives the death of all drivers" 3 $?
t_equal "and started once" 1 "$(wc -l <"$starts")"
t_check "the daemon stops when told" gwd_stop

# --- drivers that outlive it ---
# They go on for a second after the end of their input, or for ever.
GWD_DIR=$T_DIR/former
mkdir -p "$GWD_DIR"
LIBEXEC=$BUILD/libexec
cat >slow_tm <<EOF
#!/bin/bash
$LIBEXEC/gw_tm_local "\$@"
sleep 1
touch $T_DIR/late
EOF
cat >endless_em <<EOF
#!/bin/bash
trap '' PIPE TERM
$LIBEXEC/gw_em_fork "\$@"
echo \$\$ >$T_DIR/endless
exec sleep infinity
EOF
chmod +x slow_tm endless_em
{
    printf 'STATE_DIR = "%s"\nSOCKET = "%s"\n' "$GWD_DIR" "$GWD_DIR/gwd.sock"
    printf 'IM_MAD = static:gw_im_static:--self localhost\\:4\\:file\\://%s/site:local:fork\n' "$GWD_DIR"
    printf 'TM_MAD = local:%s:\nEM_MAD = fork:%s:-d %s/em:rsl\n' "$PWD/slow_tm" "$PWD/endless_em" "$GWD_DIR"
} >"$GWD_DIR/gwd.conf"
mkdir "$GWD_DIR/site"
gwd_start || t_not_ok "the daemon starts with such drivers" "$(cat "$GWD_DIR.log")"
t_within 20 sh -c "gwhost --drivers --json | jq -e 'all(.status.drivers[]; .state == \"up\")'" || t_not_ok "they come up"
gwd_kill9
t_check "a daemon starts after one that was killed" gwd_start
t_check "what the drivers of the one before did, they have done by then" test -e "$T_DIR/late"
t_check "one that did not end runs no more" sh -c "! readlink /proc/$(cat "$T_DIR/endless")/exe"
t_match "that is told" 'drivers of the gwd before still run: waiting for 2' "$(cat "$GWD_DIR.log")"

# Those of a daemon that runs are not touched, even if a copy of its file tells of them.
former=$GWD_PID alive=$(pgrep -P "$GWD_PID")
mkdir "$T_DIR/copy" && cp "$GWD_DIR/drivers" "$T_DIR/copy/"
GWD_DIR=$T_DIR/copy
t_check "a daemon starts with a copy of that file" gwd_start
t_equal "the drivers of the daemon that it is of run on" "$alive" "$(pgrep -P "$former")"
gwd_stop
GWD_PID=$former
gwd_stop

# What cannot take its place is not left beside it.
rm "$GWD_DIR/drivers" && mkdir "$GWD_DIR/drivers"
t_check "a daemon starts that cannot note its drivers" gwd_start
t_match "it says so" "/drivers, from which the next gwd knows" "$(cat "$GWD_DIR.log")"
t_check "and leaves nothing half made" test ! -e "$GWD_DIR/drivers.new"
gwd_stop
t_done
