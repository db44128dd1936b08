#!/bin/sh
# Runs a job's payload inside the guest and brings its results out. Part of the seed disk (gw/run.sh);
# started by our small image's init and by cloud-init alike, as root, with nothing but POSIX sh, cp, mv, tar,
# tee, mkfifo, mount and sync to lean on. docs/guest.md is the contract.
#
#   gw/exec     the executable: a path, relative to the work directory when it begins with ./
#   gw/env      the payload's environment and arguments (job.env)
#   gw/outputs  names of the output files, one a line
#   gw/files/   what goes into the work directory; stdin.execution among them is the standard input
#
# The result disk gets a tar: stdout, stderr, out/..., and last of all exit_code; or only `error`, one line
# that begins with a reason of docs/jobdir.md, when the payload could not be run or its results do not fit.

seed=$(cd "$(dirname "$0")" && pwd)
umask 022

port() {
    for p in /sys/class/virtio-ports/*; do
        [ "$(cat "$p/name" 2>/dev/null)" = "$1" ] && echo "/dev/${p##*/}" && return
    done
    echo /dev/null
}

disk() {
    for b in /sys/block/*; do
        [ "$(cat "$b/serial" 2>/dev/null)" = "$1" ] && echo "/dev/${b##*/}" && return
    done
    return 1
}

exec 9>"$(port org.gwd.status.0)"
echo ready >&9

result=$(disk gwresult) || {
    echo "gw: no disk has the serial number gwresult"
    exit 1
}

finish_with_error() {
    cd /gw && rm -rf "$work" "$top/out" && echo "$*" >/gw/error
    tar -cf "$result" -C /gw error
    sync
    echo "error $*" >&9
    exit 1
}

# Scratch disks come empty. The first one holds the work directory, which else is in memory or on the root disk.
mount_scratch() {
    n=0
    while d=$(disk "gwdisk$n"); do
        mkdir -p "/gw/disk$n"
        for mkfs in "mkfs.ext4 -q -F -E nodiscard" "mke2fs -q -F" mke2fs; do
            $mkfs "$d" >/dev/null 2>&1 && break
        done
        mount "$d" "/gw/disk$n" || finish_with_error "guest-crashed: scratch disk $n cannot be formatted and mounted"
        export "GW_VM_DISK$n=/gw/disk$n"
        n=$((n + 1))
    done
}

mkdir -p /gw
top=/gw
work=$top/job
mount_scratch
[ -d /gw/disk0 ] && top=/gw/disk0
work=$top/job
mkdir -p "$work" "$top/out"
[ ! -d "$seed/files" ] || cp -R "$seed/files/." "$work/" ||
    finish_with_error "guest-crashed: the input files do not fit into the guest"
chmod -R u+w "$work"
cd "$work" || exit 1

executable=$(cat "$seed/exec")
case $executable in
*/*) [ -f "$executable" ] && [ -x "$executable" ] ;;
*) command -v "$executable" >/dev/null ;;
esac || finish_with_error "exec-failed: $executable is not an executable file in the guest"

stdin=/dev/null
[ -f stdin.execution ] && stdin=stdin.execution

# The payload's output goes to the file that counts and, as it comes, to the host.
mkfifo "$top/o" "$top/e"
tee "$top/stdout" <"$top/o" >"$(port org.gwd.stdout.0)" &
tee_o=$!
tee "$top/stderr" <"$top/e" >"$(port org.gwd.stderr.0)" &
tee_e=$!

echo started >&9
(
    export GW_STATUS_FD=9
    # shellcheck source=/dev/null
    . "$seed/env"
    exec "$executable" "$@"
) <"$stdin" >"$top/o" 2>"$top/e"
code=$?

# What the payload left running may hold its output open for ever.
(
    sleep 10
    kill $tee_o $tee_e
) 2>/dev/null &
wait $tee_o $tee_e 2>/dev/null

while IFS= read -r name; do
    [ -e "./$name" ] || continue
    case $name in
    */*) mkdir -p "$top/out/${name%/*}" ;;
    esac
    if [ -L "./$name" ]; then
        cp -L "./$name" "$top/out/$name"
    else
        mv "./$name" "$top/out/$name"
    fi
done <"$seed/outputs"

echo "$code" >"$top/exit_code"
tar -cf "$result" -C "$top" stdout stderr out exit_code ||
    finish_with_error "output-limit: the output does not fit on the result disk"
sync
echo "exited $code" >&9
