# Helpers of the tests in which several users share a daemon: `. "$(dirname "$0")/accounts_lib.sh"` in place of lib.sh. Made
# accounts with homes below /mnt/home, and an installation that is root's in $TOP, seen by the script alone: it has mounts of
# its own. Without root, or mounts, the script ends, with one line.
# shellcheck shell=bash
if [ "$(id -u)" = 0 ] && [ -z "${T_ACCOUNTS-}" ]; then
    T_ACCOUNTS=1 exec unshare --mount --propagation private "$0" "$@"
fi
# shellcheck source=tests/system/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
if [ "$(id -u)" != 0 ] || ! mount -t tmpfs -o mode=755 accounts /mnt 2>/dev/null; then
    t_skip "$(basename "$0")" "several users need root and mounts of their own"
    exit 0
fi

TOP=/mnt/gw LIBEXEC=/mnt/gw/libexec LAUNCH=/mnt/gw/libexec/gw_launch
export GW_SOCKET=/mnt/run/gwd.sock
GWD_LOG=$T_DIR/gwd.log

# accounts [--first UID] NAME ...: gwd, the daemon's, and others. Their numbers are no other test's beside this one: processes
# are found by them.
accounts() {
    local uid=$((20000 + $$ % 3000 * 8)) user
    [ "$1" != --first ] || { uid=$2 && shift 2; }
    cp -a /etc /mnt/etc && mount --bind /mnt/etc /etc || exit 1
    mkdir -p /etc/gwd /mnt/home $TOP/bin $LIBEXEC
    for user; do
        echo "$user:x:$uid:$uid::/mnt/home/$user:/bin/sh" >>/etc/passwd
        echo "$user:x:$uid:" >>/etc/group
        install -d -m 700 -o "$uid" -g "$uid" "/mnt/home/$user"
        uid=$((uid + 1))
    done
    cp -P "$BUILD"/bin/* $TOP/bin/
    cp "$BUILD"/libexec/* $LIBEXEC/
    chown -R root:root $TOP
    chgrp gwd $LAUNCH
    chmod 750 $LAUNCH
    setcap cap_setuid,cap_setgid=ep $LAUNCH || exit 1
    install -d -m 700 -o gwd /mnt/state
    install -d -m 755 -o gwd /mnt/run
}

# list LINE ...: launch.conf, with what every list here has.
list() {
    { echo "DAEMON = gwd"; printf '%s\n' "$@"; } >/etc/gwd/launch.conf
    chmod 644 /etc/gwd/launch.conf
}

# as USER COMMAND ...; as_exec: in place of this shell.
as() {
    (as_exec "$@")
}
as_exec() {
    local user=$1
    shift
    exec "${AS_WHERE[@]}" "${AS_BOUNDS[@]}" setpriv --reuid="$user" --regid="$user" --init-groups \
        env -i PATH=$TOP/bin:/usr/bin:/bin HOME="/mnt/home/$user" GW_SOCKET=$GW_SOCKET "$@"
}
AS_WHERE=() # a command that the others are arguments of: where the users are
AS_BOUNDS=()

# user_do USER COMMAND: by the user's shell, in his home.
user_do() {
    as "$1" timeout 60 bash -c "cd; $2"
}

# daemon_start: as gwd, of /etc/gwd/gwd.conf; ready when it returns. It can have what its unit leaves it, and no more.
daemon_start() {
    local line='' can
    can=$(sed -n 's/^CapabilityBoundingSet=//p' "$T_ROOT/etc/systemd/20-multi-user.conf" | tr '[:upper:]' '[:lower:]')
    rm -f "$T_DIR/ready"
    mkfifo -m 666 "$T_DIR/ready"
    {
        AS_BOUNDS=(setpriv "--bounding-set=-all$(sed 's/ *cap_/,+/g' <<<"$can")")
        as_exec gwd gwd -v -c /etc/gwd/gwd.conf
    } >"$T_DIR/ready" 2>>"$GWD_LOG" </dev/null &
    GWD_PID=$!
    [ -z "${T_READY-}" ] || exec {T_READY}<&-
    exec {T_READY}<"$T_DIR/ready"
    read -r -t 60 line <&"$T_READY"
    [ "$line" = ready ] || tail -n 20 "$GWD_LOG"
    [ "$line" = ready ]
}
