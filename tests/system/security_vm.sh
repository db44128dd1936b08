#!/bin/bash
# Hostile guests and images (docs/security.md): the payload is root in its guest, and writes to its disks and ports what
# it likes.
# limit: 300
# shellcheck disable=SC2016 # payloads expand in the guest
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/gwvm_lib.sh"

mkdir "$T_DIR/secret" && echo "the secret of the host" >"$T_DIR/secret/file" && truncate -s 1M "$T_DIR/secret/file"
SECRET=$T_DIR/secret/file
DISK='disk() { for b in /sys/block/*; do [ "$(cat "$b/serial" 2>/dev/null)" != "$1" ] || echo "/dev/${b##*/}"; done; }'

# Nothing of the secret in the job directory or its result, and it is as it was.
is_safe() {
    ! grep -raqs "secret of the host" "$dir" && [ "$(head -c 22 "$SECRET")" = "the secret of the host" ] &&
        [ "$(ls "$T_DIR/secret")" = file ] && [ ! -e "$T_DIR/escaped" ] && [ ! -e "$dir/escaped" ]
}

# hostile_tar NAME SENTENCE PYTHON: a result whose tar has the members that PYTHON adds to t before a good end.
hostile_tar() {
    job "$DISK"'; cat evil.tar >"$(disk gwresult)"; sync; poweroff -f; sleep 60' 'INPUT = evil.tar'
    SECRET=$SECRET python3 - <<PY || exit 1
import io, os, tarfile
t = tarfile.open("evil.tar", "w")
def add(name, text=b"x", **more):
    i = tarfile.TarInfo(name)
    i.size = len(text)
    for k, v in more.items(): setattr(i, k, v)
    t.addfile(i, io.BytesIO(text))
secret = os.environ["SECRET"]
add("stdout"); add("stderr")
$3
add("exit_code", b"0\n")
t.close()
PY
    "$gwvm" run 2>gwvm.log
    fails "$1" job "$2"
    t_check "... and what is outside is as it was" is_safe
}

results() {
    hostile_tar result-corrupt "a guest's tar with a name that climbs is refused" 'add("out/../../escaped")'
    hostile_tar result-corrupt "one with an absolute name is refused" 'add(os.path.dirname(secret) + "/new")'
    hostile_tar result-corrupt "one that goes through a link of its own is refused" \
        'add("out/d", b"", type=tarfile.SYMTYPE, linkname=os.path.dirname(secret)); add("out/d/new")'
    hostile_tar result-corrupt "one with a hard link to a file of the host is refused" \
        'add("out/h", b"", type=tarfile.LNKTYPE, linkname=secret)'
    hostile_tar result-corrupt "one with a device is refused" 'add("out/dev", b"", type=tarfile.CHRTYPE, devmajor=1, devminor=3)'
}

# What looks like a qcow2 over a file of the host stays what it is on a disk whose format is known.
headers() {
    local before
    before=$(sha256sum <"$image")
    job "$DISK"'; for d in gwresult gwdisk0 gwroot; do cat evil.qcow2 >"$(disk $d)"; done; sync; poweroff -f; sleep 60' \
        'INPUT = evil.qcow2' 'DISK = 16777216'
    qemu-img create -q -f qcow2 -b "$SECRET" -F raw evil.qcow2 || exit 1
    "$gwvm" run 2>gwvm.log
    fails result-corrupt job "a guest that writes image headers onto its disks gains no file of the host"
    t_check "... and what is outside is as it was" is_safe
    t_equal "... and its image too" "$before" "$(sha256sum <"$image")"
}

# of_image REASON SENTENCE IMAGE
of_image() {
    job 'cat /dev/vda' "IMAGE = \"$3\"" 'BOOT_TIMEOUT_S = 3'
    "$gwvm" run 2>gwvm.log
    fails "$1" job "$2"
    t_check "... and shows nothing of that file" is_safe
}

images() {
    local here=$T_DIR/images
    mkdir "$here" && cp "$SECRET" "$here/data"
    qemu-img create -q -f qcow2 -b "$SECRET" -F raw "$here/backing"
    qemu-img create -q -f qcow2 -o data_file="$here/data",data_file_raw=on "$here/datafile" 1M
    printf 'QFI' >"$here/short"
    printf '# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType="monolithicFlat"\nRW 2048 FLAT "%s" 0\n' "$SECRET" >"$here/vmdk"
    truncate -s 1M "$here/vmdk"
    of_image image-refers "an image that names a backing file is refused" "$here/backing"
    of_image image-refers "an image that names a data file is refused" "$here/datafile"
    of_image image-corrupt "an image that is no disk is refused" "$here/short"
    of_image guest-no-boot "an image that describes another file is a disk with that text on it" "$here/vmdk"
    of_image image-missing "a description is no name of an image" 'json:{\"driver\":\"raw\",\"file\":{\"filename\":\"'"$SECRET"'\"}}'
}

machine() {
    local pid
    job 'ls /sys/class/net | grep -v "^lo$"; grep -l "^0x02" /sys/bus/pci/devices/*/class; grep -il "virtiofs\|9p" /sys/bus/virtio/devices/*/modalias; echo looked; sleep 30'
    chmod 755 .
    CANARY="environment of gwvm" "$gwvm" run 2>gwvm.log &
    pid=$!
    T_PIDS+=("$pid")
    guest_said started
    qemu=$(pgrep -f "guest=gw-$token,")
    tr '\0' ' ' <"/proc/$qemu/cmdline" >cmdline
    t_match "QEMU runs in its sandbox" ' -sandbox on,.*spawn=deny' "$(cat cmdline)"
    t_match "without configuration files of its user, and without devices that it was not given" ' -no-user-config -nodefaults ' "$(cat cmdline)"
    t_equal "without what is in the environment of gwvm" "" "$(tr '\0' '\n' <"/proc/$qemu/environ" | grep -E 'CANARY|GREETING')"
    t_match "and leaves no core" '^Max core file size +0 +0 ' "$(cat "/proc/$qemu/limits")"
    t_equal "what it works with is for the account alone" "" \
        "$(find .gwvm "/tmp/.gwvm-$(id -u)" -maxdepth 0 -perm /077 && find .gwvm -perm /022)"
    t_within 30 grep -q "^looked" stdout.execution
    kill -TERM "$pid"
    wait "$pid"
    t_equal "a guest has no network and no shared folder" looked "$(cat stdout.execution)"
}

floods() {
    job 'yes >&"$GW_STATUS_FD"'
    "$gwvm" run 2>gwvm.log
    fails output-limit job "a guest that floods its status port is ended"
    t_check "... and the log stays small" test "$(stat -c %s gwvm.log)" -lt 67108864
}

# The names that gwvm's directories have, taken by another account before.
squatted() {
    local uid=$((3000000 + $$)) base token=tok.squatted.$$ as
    if [ "$(id -u)" != 0 ] || ! command -v setpriv >/dev/null; then
        t_skip "another account keeps no VM from this one" "only root can be two accounts"
        return
    fi
    mkdir -m 755 "$T_DIR/pub" && chmod 711 "$T_DIR" && cp "$gwvm" "$T_DIR/pub/" && chmod 755 "$T_DIR/pub/gwvm"
    as=(setpriv "--reuid=$uid" "--regid=$uid" --clear-groups env -i PATH=/usr/bin:/bin:/usr/sbin:/sbin)
    if ! "${as[@]}" test -x "$T_DIR/pub/gwvm"; then
        t_skip "another account keeps no VM from this one" "$T_DIR is closed to it"
        return
    fi
    cd /
    mkdir {/tmp,/var/tmp}/.gwvm-$uid
    t_match "another account that has the names of gwvm's directories in /tmp keeps no VM from this one" \
        'reachable=yes' "$("${as[@]}" "$T_DIR/pub/gwvm" probe 2>&1)"
    "${as[@]}" "$T_DIR/pub/gwvm" probe >/dev/null 2>&1
    base=$(echo /tmp/.gwvm-$uid.*)
    t_equal "it works in one directory of its own, and again in that" "$uid 700" "$(stat -c '%u %a' "$base")"
    "${as[@]}" sh -c "mkdir $base/gone && echo '99999999 $token' >$base/gone/owner"
    t_equal "where a sweep finds what is left" "1 gone" "$("${as[@]}" "$T_DIR/pub/gwvm" sweep --token "$token") $(test -e "$base/gone" || echo gone)"
    rm -rf {/tmp,/var/tmp}/.gwvm-$uid "$base"
}

results
headers
images
machine
floods
squatted
t_done
