#!/bin/bash
# The README's two commands in a Debian 12 that has nothing else: as root, and as an ordinary user with sudo.
# Started by `make check-chroot`, apart from `make check`: it fetches some hundred megabytes of packages.
#
#     tests/system/bare-chroot.sh [deps|demo|check|user-demo ...]      (default: demo check user-demo)
#
# Each case has its own copy of a tree made by mmdebstrap, in namespaces of its own for mounts and processes:
# when the case is over, nothing of it runs. What is committed is what is tested. apt inside uses the
# package sources and the Acquire options (proxy, ...) of this machine.
set -u
cd "$(dirname "$0")/../.." || exit 1
cases=${*:-demo check user-demo}

if [ "$(id -u)" -ne 0 ]; then
    echo "skip - the README's commands work in a bare Debian # needs root for chroot and mounts"
    exit 0
fi
if ! command -v mmdebstrap >/dev/null || ! command -v git >/dev/null; then
    echo "skip - the README's commands work in a bare Debian # needs mmdebstrap and git"
    exit 0
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/gwd-bare.XXXXXX") || exit 1
trap 'rm -rf --one-file-system "$work"' EXIT
trap 'exit 130' INT TERM
failed=0

make_bare_tree() {
    local sources=() options=() line
    for line in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
        [ ! -s "$line" ] || sources+=("$line")
    done
    while read -r line; do
        options+=("--aptopt=$line")
    done < <(apt-config dump | grep -E '^Acquire::(https?|Check-|Retries|By-Hash)[^ ]* "[^"]+";$')
    # Package lists are there on a machine that was installed; without them `apt-get install make` finds nothing.
    mmdebstrap --quiet --variant=minbase --skip=cleanup/apt/lists "${options[@]}" \
        bookworm "$work/bare" "${sources[@]}" </dev/null || return 1
    cp -L /etc/resolv.conf /etc/hosts "$work/bare/etc/" || return 1
    if [ -d /usr/local/share/ca-certificates ]; then
        mkdir -p "$work/bare/usr/local/share/ca-certificates" "$work/bare/etc/ssl/certs"
        cp -r /usr/local/share/ca-certificates/. "$work/bare/usr/local/share/ca-certificates/"
        [ ! -f /etc/ssl/certs/ca-certificates.crt ] ||
            cp -L /etc/ssl/certs/ca-certificates.crt "$work/bare/etc/ssl/certs/"
    fi
}

# inside TREE COMMAND: run COMMAND by root's shell in TREE; all its processes end with it, or after half an hour.
inside() {
    # shellcheck disable=SC2016
    timeout --foreground -s KILL 1800 unshare --mount --pid --ipc --uts --fork --kill-child=KILL --propagation=private sh -c '
        set -e
        mount --bind "$1" "$1"
        mount -t proc proc "$1/proc"
        mount --rbind /sys "$1/sys"
        mount --rbind /dev "$1/dev"
        mount -t tmpfs -o mode=755 tmpfs "$1/run"
        # No chroot: what enters namespaces of its own there (the test grid) would come out of it.
        mkdir -p "$1/.outside"
        cd "$1"
        pivot_root . .outside
        cd /
        umount -l /.outside
        exec env -i HOME=/root USER=root LOGNAME=root LANG=C.UTF-8 TERM=dumb \
            PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
            ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} \
            /bin/sh -c "$2"
    ' inside "$1" "$2" </dev/null
}

# The line of the README that ends in `make $1`, as it stands there.
readme_line() {
    sed -n "s/^ *\(sudo apt-get install -y make && make $1\)$/\1/p" README.md | head -n 1
}

# A clone below DIR in TREE.
clone_into() {
    mkdir -p "$1" && git clone --quiet --no-hardlinks . "$1/gwd"
}

run_case() {
    local name=$1 tree=$work/$1 log=$work/$1.log start=$SECONDS command sentence
    cp -a "$work/bare" "$tree" || return 1
    case $name in
    deps)
        sentence="make deps installs what is missing"
        clone_into "$tree/root" || return 1
        command="cd /root/gwd && apt-get install -y make && make deps && tools/deps && ! test -e /usr/sbin/policy-rc.d"
        ;;
    demo | check)
        # Root of a bare tree has no sudo and needs none.
        sentence="make $name works as root"
        clone_into "$tree/root" || return 1
        command=$(readme_line "$name")
        [ -n "$command" ] || sentence="the README has the line for make $name"
        command="cd /root/gwd && ${command#sudo }"
        ;;
    user-demo)
        sentence="make demo works as an ordinary user with sudo"
        inside "$tree" "apt-get -q install -y --no-install-recommends sudo && useradd -m -s /bin/bash ann &&
            echo 'ann ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/ann" >"$log" 2>&1 || sentence="sudo can be had"
        clone_into "$tree/home/ann" && inside "$tree" "chown -R ann: /home/ann" || return 1
        command="su - ann -c 'cd gwd && $(readme_line demo)'"
        ;;
    *)
        echo "not ok - $name is a case: deps, demo, check or user-demo"
        return 1
        ;;
    esac
    if inside "$tree" "$command" >>"$log" 2>&1; then
        tail -n 25 "$log"
        echo "ok - $sentence ($((SECONDS - start)) s)"
    else
        tail -n 120 "$log"
        echo "not ok - $sentence ($((SECONDS - start)) s)"
        failed=1
    fi
    rm -rf --one-file-system "$tree"
}

start=$SECONDS
if ! make_bare_tree; then
    echo "not ok - mmdebstrap makes a bare Debian 12"
    exit 1
fi
echo "ok - mmdebstrap makes a bare Debian 12 ($((SECONDS - start)) s, $(du -sm "$work/bare" | cut -f1) MB)"
for case in $cases; do
    run_case "$case" || failed=1
done
exit $failed
