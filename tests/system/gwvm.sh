#!/bin/bash
# gwvm alone, from a job directory: libvirt, QEMU and our guest image on this machine.
# limit: 480
# shellcheck disable=SC2016 # payloads expand in the guest
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/gwvm_lib.sh"

t_match "probe reaches the hypervisor" "^reachable=yes$" "$("$gwvm" probe)"
"$gwvm" run -x >/dev/null 2>&1
t_equal "a wrong option is wrong usage" 64 $?
"$gwvm" run -d "$T_DIR" >/dev/null 2>&1
t_equal "a directory without vm.conf is refused" 65 $?

job 'echo "$GREETING"; echo "$1+$2+$#"; cat; echo oops >&2' "STDIN = yes"
echo "from stdin" >stdin.execution
t_check "a VM job with exit code 0 runs" "$gwvm" run
t_equal "its status says so" "exited 0" "$(status STATE) $(status EXIT_CODE)"
t_equal "its environment, arguments and stdin arrived unchanged" \
    "$(printf "good morning, it's \$HOME\none word+two+2\nfrom stdin")" "$(cat stdout.execution)"
t_equal "its stderr came home" oops "$(cat stderr.execution)"
t_equal "nothing is left" "" "$(left)"
t_check "a second run of an attempt that has ended runs nothing" "$gwvm" run

job 'tr a-z A-Z <"in put" >"out put"; mkdir -p sub/d; echo deep >sub/d/f; cat sub2/x; exit 7' \
    'INPUT = "in put"' 'INPUT = sub2/x' 'OUTPUT = "out put"' 'OUTPUT = sub/d/f' 'OUTPUT = not-there'
echo "some input" >"in put"
mkdir sub2 && echo nested >sub2/x
"$gwvm" run 2>gwvm.log
t_equal "exit code 7 comes home" "exited 7" "$(status STATE) $(status EXIT_CODE)"
t_equal "an output file made from an input file comes home" "SOME INPUT" "$(cat "out/out put")"
t_equal "names in subdirectories are kept, both ways" "nested deep" "$(cat stdout.execution) $(cat out/sub/d/f)"

job 'kill -9 $$'
"$gwvm" run 2>gwvm.log
t_equal "a payload killed by a signal" "137 9" "$(status EXIT_CODE) $(status SIGNAL)"

job 'pwd; df -k . | awk "END {print (\$2 > 50000)}"; dd if=/dev/zero of=big bs=1M count=40 2>/dev/null && ls "$GW_VM_DISK1" && mv big b' \
    "DISK = 67108864 8388608" "OUTPUT = nothing"
"$gwvm" run 2>gwvm.log
t_equal "scratch disks are formatted and mounted, the payload works on the first" "0 /gw/disk0/job" \
    "$(status EXIT_CODE) $(head -n 1 stdout.execution)"

job '' "EXECUTABLE = ./absent"
"$gwvm" run 2>gwvm.log
fails exec-failed job "an executable that is not there"

job 'poweroff -f; sleep 60'
"$gwvm" run 2>gwvm.log
fails guest-no-result job "a guest that powers off without a result"

job 'echo c >/proc/sysrq-trigger'
"$gwvm" run 2>gwvm.log
fails guest-crashed job "a guest whose kernel panics"

job 'yes' "RESULT_BYTES = 1048576"
"$gwvm" run 2>gwvm.log
fails output-limit job "a payload that writes without end"
t_check "... and the host's file stays small" test "$(stat -c %s stdout.execution)" -lt 67108864

job 'dd if=/dev/zero of=big bs=1M count=3 2>/dev/null' "RESULT_BYTES = 1048576" "OUTPUT = big"
"$gwvm" run 2>gwvm.log
fails output-limit job "an output file that does not fit on the result disk"

job 'echo begun; sleep 100' "WALLTIME_S = 1"
"$gwvm" run 2>gwvm.log
fails walltime job "a payload that runs longer than WALLTIME_S"
t_equal "... and what it wrote until then is there" begun "$(cat stdout.execution)"

truncate -s 16M "$T_DIR/empty.raw"
job '' "IMAGE = $T_DIR/empty.raw" "BOOT_TIMEOUT_S = 3"
"$gwvm" run 2>gwvm.log
fails guest-no-boot job "a disk that does not boot"
t_match "... and the sentence quotes its console" "[Bb]oot" "$(status MESSAGE)"

job '' "IMAGE = $T_DIR/no-such-image"
"$gwvm" run 2>gwvm.log
fails image-missing job "an image that is not there"

head -c 1000000 "$image" >"$T_DIR/short.qcow2"
job '' "IMAGE = $T_DIR/short.qcow2"
"$gwvm" run 2>gwvm.log
fails image-corrupt job "an image that was cut"

qemu-img create -q -f qcow2 -F qcow2 -b "$image" "$T_DIR/refers.qcow2"
job '' "IMAGE = $T_DIR/refers.qcow2"
"$gwvm" run 2>gwvm.log
fails image-refers job "an image with a backing file"

sum=$(sha256sum "$image" | cut -c 1-64)
mkdir -p "$T_DIR/.gw_cache/u-1-2-3"
cp "$image" "$T_DIR/.gw_cache/u-1-2-3/image"
job 'echo cached' "IMAGE = ../.gw_cache/u-1-2-3/image" "CACHE_MAX_BYTES = 1" "CACHE_MAX_AGE_S = 1"
"$gwvm" run 2>gwvm.log
t_equal "an image in the cache serves, and is named by its content then" "cached sha256-$sum" \
    "$(cat stdout.execution) $(readlink "$T_DIR/.gw_cache/u-1-2-3")"
job '' "IMAGE = ../.gw_cache/sha256-$sum/image" "IMAGE_CHECKSUM = sha256:$(printf '%064d' 1)"
"$gwvm" run 2>gwvm.log
fails image-checksum job "an image with another checksum"

job 'echo begun; sleep 100'
start
guest_said started
kill -TERM "$pid"
wait "$pid"
t_equal "gwvm ends well at SIGTERM" 0 $?
fails cancelled job "a job stopped by SIGTERM"

job 'sleep 100'
start
guest_said started
kill -TERM "$pid"
kill -INT "$pid"
kill -HUP "$pid"
wait "$pid"
fails cancelled job "a second and a third signal change nothing"

job 'sleep 100'
start
guest_said started
kill -KILL "$pid"
t_check "after kill -9 of gwvm the VM is removed" t_within 15 test -f status
fails internal us "a job whose gwvm was killed"

job 'sleep 100'
start
guest_said started
kill -KILL "$(pgrep -P "$pid" -x gwvm)"
wait "$pid"
t_equal "gwvm outlives its worker" 0 $?
fails internal us "a job whose worker was killed"

job 'sleep 100'
start
guest_said started
pkill -KILL -f "guest=gw-$token,"
wait "$pid"
fails hypervisor site "a job whose QEMU was killed"

job 'sleep 100'
start
guest_said started
t_equal "sweep ends a running attempt" 1 "$("$gwvm" sweep --token "$token")"
wait "$pid"
fails cancelled job "a job that was swept"
t_equal "a sweep of what is not there finds nothing" 0 "$("$gwvm" sweep --token "$token")"

job 'sleep 100'
start
guest_said started
worker=$(pgrep -P "$pid" -x gwvm)
kill -STOP "$worker"
kill -KILL "$pid" "$worker"
wait "$pid" 2>/dev/null
t_match "when both processes of gwvm are killed a VM is left" "guest=gw-$token" "$(left)"
t_equal "... which sweep removes" 1 "$("$gwvm" sweep --token "$token")"
t_equal "... all of it" "" "$(left | grep -v '^.gwvm$')"

job 'sleep 100'
start
guest_said started
worker=$(pgrep -P "$pid" -x gwvm)
kill -STOP "$worker"
kill -KILL "$pid" "$worker"
wait "$pid" 2>/dev/null
# The worker is not our child: until it is over it holds the lock that says it lives.
is_over() { ! grep -qE '^State:[[:space:]]+[RSDTt]' "/proc/$worker/status" 2>/dev/null; }
t_within 10 is_over
orphan=$token
job 'true'
"$gwvm" run 2>gwvm.log
# Or another gwvm of this account, whose sweep came first and may still be at it.
is_gone() { [ -z "$(token=$orphan && left)" ]; }
t_check "the next run of gwvm removes such a VM by itself" t_within 10 is_gone

# A file system that is too small for what the guest writes.
job "dd if=/dev/zero of=\$GW_VM_DISK0/big bs=1M count=60; echo done" "DISK = 67108864"
if mount -t tmpfs -o size=12m tmpfs "$dir" 2>/dev/null; then
    cp -a . "$T_DIR/copy" && cd "$dir" && cp -a "$T_DIR/copy/." .
    "$gwvm" run 2>gwvm.log
    fails no-space site "a file system that becomes full"
    cd "$T_DIR" && umount "$dir"
else
    t_skip "a file system that becomes full" "only root can mount a small one"
fi

t_done
