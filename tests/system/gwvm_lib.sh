# Jobs for gwvm alone, each in a directory of its own: `. "$(dirname "$0")/gwvm_lib.sh"` after lib.sh.
# shellcheck shell=bash

cd "$T_DIR" || exit 1
gwvm=$BUILD/libexec/gwvm
image=${GW_TEST_IMAGE:-$BUILD/guest.qcow2}
[ -e "$image" ] || "$T_ROOT/guest/gw-mkimage" "$image" >mkimage.log 2>&1 || {
    t_not_ok "the guest image is made" "$(tail mkimage.log)"
    t_done
}
instance=$(cat /proc/sys/kernel/random/uuid)
n=0

# job PAYLOAD [LINE OF vm.conf ...]: makes the next job directory, $dir, and enters it; sets $token. A line replaces the
# one of the same key.
job() {
    n=$((n + 1))
    token=$instance.1.$n.0.1
    dir="$T_DIR/j$n é <&'\" ,x=" # as hard as a name may be
    mkdir -p "$dir"
    cd "$dir" || exit 1
    printf '#!/bin/sh\n%s\n' "$1" >payload
    chmod +x payload
    shift
    cat >job.env <<'EOF'
export GREETING='good morning, it'\''s $HOME'
set -- 'one word' two
EOF
    cat >vm.conf <<EOF
TOKEN = $token
NAME = "gwvm test <$n> & more"
UUID = $(cat /proc/sys/kernel/random/uuid)
URI = qemu:///session
IMAGE = "$image"
CPUS = 1
MEMORY_MIB = 128
RESULT_BYTES = 16777216
EXECUTABLE = ./payload
WALLTIME_S = 0
BOOT_TIMEOUT_S = 60
EOF
    local line
    for line; do
        sed -i "/^${line%% *} /{/^\(INPUT\|OUTPUT\) /!d}" vm.conf
        printf '%s\n' "$line" >>vm.conf
    done
}

status() { # KEY
    sed -n "s/^$1=//p" status
}

# What of this attempt is still there: processes (not those that are only waiting to be reaped), files, private state.
left() {
    pgrep -r R,S,D,T -af "guest=gw-$token,"
    ls -d .gwvm 2>/dev/null
    grep -ls "$token" {/tmp,/var/tmp}/.gwvm-"$(id -u)"{,.*}/*/owner
}

# fails REASON BLAME SENTENCE: the job's status says so, it verifies, and nothing is left
fails() {
    t_equal "$3" "failed $1 $2" "$(status STATE) $(status REASON) $(status BLAME)"
    [ -n "$(status MESSAGE)" ] || t_not_ok "... and a sentence says why"
    [ "$(head -n -1 status | cksum | sed 's/^/CKSUM=/')" = "$(tail -n 1 status)" ] ||
        t_not_ok "... and its checksum is true" "$(cat status)"
    t_equal "... and nothing is left" "" "$(left)"
}

# Wait until the guest said LINE; gwvm runs in the background as $pid.
start() {
    "$gwvm" run 2>gwvm.log &
    pid=$!
    T_PIDS+=("$pid")
}
guest_said() {
    t_within 60 grep -q "guest: $1" gwvm.log || t_not_ok "the guest says $1" "$(cat gwvm.log)"
}
