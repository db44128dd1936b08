#!/bin/bash
# gwhost --test on this machine as a site, whole and broken in real ways.
# limit: 300
. "$(dirname "$0")/lib.sh"
cd "$T_DIR" || exit 1
export TMPDIR=$T_DIR
GWD_DIR=$T_DIR/gwd
mkdir -p "$GWD_DIR" bin site && chmod 700 "$GWD_DIR"

# All programs but QEMU's.
for f in /usr/bin/* /bin/*; do
    case ${f##*/} in qemu* | kvm) ;; *) ln -sf "$f" "bin/${f##*/}" ;; esac
done

# site NAME STAGE_URL ATTRIBUTE ...: a host of the daemon's list.
site() {
    local name=$1 url=$2
    shift 2
    echo "$name $name.attributes" >>"$GWD_DIR/hosts"
    printf '%s\n' 'NODECOUNT=2' 'QUEUE_NAME[0]="default"' 'QUEUE_NODECOUNT[0]=2' "STAGE_URL=\"$url\"" "$@" >"$GWD_DIR/$name.attributes"
}

lrms='LRMS_NAME="jobmanager-fork"'
echo "not a directory" >blocked
site good "file://$T_DIR/site" "$lrms" 'VM_HYPERVISOR="qemu"'
site plain "file://$T_DIR/site" "$lrms"
site blocked "file://$T_DIR/blocked" "$lrms" 'VM_HYPERVISOR="qemu"'
site mute "file://$T_DIR/site" 'ARCH="x86_64"'
site gwvm "file://$T_DIR/site" "$lrms" 'VM_HYPERVISOR="qemu"' 'GWVM="/nowhere/gwvm"'
cat >"$GWD_DIR/gwd.conf" <<EOF
STATE_DIR = "$GWD_DIR"
SOCKET = "$GWD_DIR/gwd.sock"
IM_MAD = static:gw_im_static:-l $GWD_DIR/hosts:local:fork
TM_MAD = local:gw_tm_local:
EM_MAD = fork:gw_em_fork::rsl
EOF

t_check "a private daemon becomes ready" gwd_start || t_done
t_within 20 bash -c 'gwhost -f | grep -q ^HOSTNAME=gwvm' || t_not_ok "the hosts are known" "$(gwhost)"

# try HOST ARGUMENT ...: OUT, CODE.
try() {
    OUT=$(gwhost --test "$@" 2>&1 </dev/null)
    CODE=$?
}

verdicts() {
    awk '/^[a-z]+ +(ok|FAILED|skipped) / { printf "%s%s", sep, $2; sep = " " }' <<<"$OUT"
}

try good
t_equal "a good site passes all steps" "0 ok ok ok ok ok" "$CODE $(verdicts)"
[ "$CODE" -eq 0 ] || echo "$OUT" | sed 's/^/    /'
t_match "it is said how the hypervisor is" '^ready +ok +QEMU [0-9.]+, ' "$OUT"
try plain
t_equal "a site without virtual machines passes, those steps being skipped" "0 ok ok ok skipped skipped" "$CODE $(verdicts)"
try plain --image "$BUILD/guest.qcow2"
t_equal "unless they were asked for" "1 ok ok ok FAILED skipped" "$CODE $(verdicts)"
try blocked
t_equal "a place that no job directory can be made at fails the copy" "1 ok FAILED skipped skipped skipped" "$CODE $(verdicts)"
t_match "and it is said that files do not get there, and why" 'copy +FAILED +the files did not get there .*blocked' "$OUT"
try mute
t_equal "a host without a job manager fails at once" "1 FAILED skipped skipped skipped skipped" "$CODE $(verdicts)"
t_match "with what to do" "to do: publish it" "$OUT"
try gwvm
t_equal "a gwvm that is not where the host says fails the readiness" "1 ok ok ok FAILED skipped" "$CODE $(verdicts)"
t_match "and is named" "ready +FAILED .*GWVM" "$OUT"
try nowhere
t_equal "a host that is not there has the code for it" 68 "$CODE"
head -c 100000 /dev/urandom >rubbish.img
try good --image rubbish.img --timeout 15
t_equal "an image that does not boot fails the last step alone" "1 ok ok ok ok FAILED" "$CODE $(verdicts)"
t_match "with its stage" "given up after .*the job had not ended there" "$OUT"
t_equal "and the machine is not left running" "" "$(gwps -n -s ihpwe; pgrep -af "qemu-system.*$T_DIR")"
try good --image nosuch.img
t_equal "an image that is not there is an error of the command" 66 "$CODE"

gwhost --drain plain
try plain
t_match "a drained host is named so" "known +FAILED +it is drained" "$OUT"
gwhost --undrain plain
gwhost --pause
try plain
t_match "so is a daemon whose dispatch is paused" "known +FAILED +dispatch is paused" "$OUT"
gwhost --resume

# A host whose slots are all taken.
cat >busy.jt <<EOF
EXECUTABLE = /bin/sleep
ARGUMENTS = 1000
REQUIREMENTS = HOSTNAME = "plain"
EOF
gwsubmit -n 2 busy.jt
t_within 20 bash -c '[ "$(gwps -n -s w | wc -l)" -eq 2 ]' || t_not_ok "the slots are taken" "$(gwps)"
try plain --timeout 2
t_equal "a host without a free slot fails when the time is over" "1 ok FAILED skipped skipped skipped" "$CODE $(verdicts)"
t_match "as busy" "given up after .* busy" "$OUT"
t_equal "the job that was given up is gone" "" "$(gwps -n -s ihpe)"
# A background command of a script ignores Ctrl-C; a process group of its own does not.
perl -e '$SIG{INT} = "DEFAULT"; setpgrp; exec @ARGV' gwhost --test plain >interrupted.out 2>&1 &
pid=$!
t_within 20 bash -c '[ -n "$(gwps -n -s i)" ]' || t_not_ok "the test's job waits" "$(gwps)"
kill -INT $pid
wait $pid
t_equal "Ctrl-C ends the test" 130 $?
t_equal "and its job" "" "$(gwps -n -s ihpe)"
t_equal "no file of a test is left" "" "$(find "$T_DIR" -maxdepth 1 -name 'gwhost-test.*')"
gwkill -9 -A 0 >/dev/null 2>&1 || gwkill -9 "$(gwps -n -o J -s w | tr '\n' ' ')" >/dev/null 2>&1

gwd_stop
PATH=$BUILD/bin:$T_DIR/bin
t_check "the daemon starts where there is no QEMU" gwd_start
t_within 20 bash -c 'gwhost -f | grep -q ^HOSTNAME=gwvm'
try good
t_equal "a site without QEMU fails the readiness" "1 ok ok ok FAILED skipped" "$CODE $(verdicts)"
t_match "which names QEMU and qemu-img" "ready +FAILED .*QEMU is not there .*qemu-img is not there" "$OUT"
t_match "and the package" "to do: install QEMU" "$OUT"
t_done
