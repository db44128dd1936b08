#!/bin/bash
# VM jobs through the real daemon: libvirt, QEMU and our guest image on this machine.
# limit: 420
. "$(dirname "$0")/lib.sh"
cd "$T_DIR" || exit 1
mkdir home && cd home || exit 1
image=$BUILD/guest.qcow2
[ -e "$image" ] || "$T_ROOT/guest/gw-mkimage" "$image" >mkimage.log 2>&1 || { t_not_ok "the guest image is made" "$(tail mkimage.log)"; t_done; }
GWD_DIR=$T_DIR/gwd

left_behind() { # nothing of a VM job may be left
    pgrep -af "qemu-system.*gw-[0-9a-f]" | grep -F "$T_DIR"
    find "$GWD_DIR/site" -maxdepth 1 -name '.gw_*.*.*'
    find "$GWD_DIR/site" -name '*.overlay*'
}

t_check "a private daemon becomes ready" gwd_start || t_done
echo "hello from the input" >in.txt
cat >vm.jt <<EOF
NAME = vm
EXECUTABLE = /bin/sh
ARGUMENTS = -c 'cat in.txt; uname -n >&2; tr a-z A-Z <in.txt >out.txt; exit 5'
INPUT_FILES = in.txt
OUTPUT_FILES = out.txt out.\${JOB_ID}
VM_IMAGE = $image
VM_MEMORY = 128M
EOF
job_start --exit-with-job -t vm.jt
first=$JOB
job_end
t_equal "a VM job gives the payload's exit code" 5 $?
t_equal "its stdout comes home" "hello from the input" "$(cat "stdout.$first" 2>&1)"
t_equal "its output file comes home" "HELLO FROM THE INPUT" "$(cat "out.$first" 2>&1)"
t_equal "nothing is left behind" "" "$(left_behind)"
t_equal "the image is in the site's cache once" 1 "$(find -L "$GWD_DIR/site/.gw_cache" -name image -type f -exec realpath {} + | sort -u | wc -l)"

# The cache serves the next one: its entry is not written again.
entry=$(find "$GWD_DIR/site/.gw_cache" -name image -type f | head -n 1)
before=$(stat -c %Y.%i "$entry")
gwsubmit --wait --exit-with-job -t vm.jt >second.out 2>&1
t_equal "a second VM job ends as the first" 5 $?
t_equal "and takes the image from the cache" "$before" "$(stat -c %Y.%i "$entry")"

# --- killed daemon in wrapper ---
cat >wait.jt <<EOF
EXECUTABLE = /bin/sh
ARGUMENTS = -c 'echo up; sleep 4; echo down; exit 6'
VM_IMAGE = $image
VM_MEMORY = 128M
EOF
job_start --exit-with-job -t wait.jt
t_within 60 sh -c "gwlogs $JOB 2>/dev/null | grep -q up" || t_not_ok "a VM job shows its output while it runs"
gwd_kill9
t_check "the daemon starts again" gwd_start
job_end
t_equal "a VM job survives kill -9 of the daemon" 6 $?
t_equal "all of its output is there" "up down" "$(tr '\n' ' ' <"stdout.$JOB" | sed 's/ $//')"

# --- killed daemon in prolog and epilog, at turns of the journal ---
for point in append:2 append:4 append:5 sync:6 effect:9 effect:20; do
    GW_CRASH=$point
    export GW_CRASH
    gwd_stop
    gwd_start 2>/dev/null
    unset GW_CRASH
    timeout 120 gwsubmit --wait --exit-with-job -t vm.jt >crash.out 2>&1 &
    client=$!
    t_within 100 sh -c "! kill -0 $GWD_PID || ! kill -0 $client"
    kill -0 "$GWD_PID" 2>/dev/null || { wait "$GWD_PID" 2>/dev/null; GWD_PID=; gwd_start; }
    wait $client
    code=$?
    if [ $code -eq 69 ]; then # it was gone before it took the job, and the client said so
        timeout 120 gwsubmit --wait --exit-with-job -t vm.jt >crash.out 2>&1
        code=$?
    fi
    t_equal "a VM job ends right when the daemon dies at $point" 5 $code
done

# --- gwkill ---
job_start -t wait.jt
t_within 60 sh -c "gwps $JOB | grep -q actv" || t_not_ok "the VM job is active"
t_check "gwkill of a VM job that boots" timeout 60 gwkill "$JOB"
t_equal "leaves no domain, overlay, directory or process" "" "$(left_behind)"
job_end
cat >sleep.jt <<EOF
EXECUTABLE = /bin/sh
ARGUMENTS = -c 'echo up; sleep 1000'
VM_IMAGE = $image
VM_MEMORY = 128M
EOF
job_start -t sleep.jt
t_within 60 sh -c "gwlogs $JOB 2>/dev/null | grep -q up" || t_not_ok "the VM job runs"
t_check "gwkill of a VM job whose payload runs" timeout 60 gwkill "$JOB"
t_equal "leaves nothing either" "" "$(left_behind)"
job_end

# --- bad images: a clear failure, nothing left ---
failure_of() { # IMAGE [LINE ...]: "reason blame attempts" of a job with this image
    printf 'EXECUTABLE = /bin/true\nVM_MEMORY = 128M\nVM_IMAGE = %s\n' "$1" >bad.jt
    shift
    printf '%s\n' "$@" >>bad.jt
    timeout 120 gwsubmit --wait -t bad.jt >bad.out 2>&1
    gwps --json | jq -r '.jobs | max_by(.id) | "\(.reason.code) \(.reason.blame) \(.attempt)"'
}
t_equal "a missing image is the job's failure" "no-input job 1" "$(failure_of /no/such/image.qcow2)"
printf 'QFI\373 and then rubbish' >corrupt.qcow2
t_equal "so is a corrupt one" "image-corrupt job 1" "$(failure_of "$PWD/corrupt.qcow2")"
qemu-img create -q -f qcow2 -F qcow2 -b "$image" refers.qcow2
t_equal "and one that refers to another file" "image-refers job 1" "$(failure_of "$PWD/refers.qcow2")"
truncate -s 16M empty.raw
t_equal "a guest that never boots ends in bounded time" "guest-no-boot job 1" \
    "$(failure_of "$PWD/empty.raw" 'VM_BOOT_TIMEOUT = 5')"
cat >off.jt <<EOF
EXECUTABLE = /bin/sh
ARGUMENTS = -c 'poweroff -f; sleep 100'
VM_IMAGE = $image
VM_MEMORY = 128M
EOF
timeout 120 gwsubmit --wait -t off.jt >off.out 2>&1
t_equal "a guest that powers off without a result is the job's failure" "guest-no-result job 1" \
    "$(gwps --json | jq -r '.jobs | max_by(.id) | "\(.reason.code) \(.reason.blame) \(.attempt)"')"
# The image does not fit: a site on a file system that is too small for it.
gwd_stop
GWD_DIR=$T_DIR/small
mkdir -p "$GWD_DIR/site"
if mount -t tmpfs -o size=4m tmpfs "$GWD_DIR/site" 2>/dev/null; then
    gwd_start || t_not_ok "a daemon with a small site starts"
    t_equal "no space left at the site is said, and is the site's affair" "no-space site 1" \
        "$(failure_of "$image" 'NUMBER_OF_RETRIES = 0' 'RESCHEDULE_ON_FAILURE = no')"
    t_equal "and nothing is left of it" "" "$(left_behind; find "$GWD_DIR/site" -type f ! -name '.gw_epoch_*')"
    gwd_stop
    umount "$GWD_DIR/site"
else
    t_skip "no space left at the site is said" "needs root for a small file system"
fi
GWD_DIR=$T_DIR/gwd
gwd_start || t_not_ok "the first daemon starts again"
sum=$(printf '%064d' 0)
t_equal "a wrong checksum is noticed" "image-checksum job 1" "$(failure_of "$image sha256:$sum")"
t_equal "nothing is left of them" "" "$(left_behind)"
t_check "the daemon stops when told" gwd_stop
t_done
