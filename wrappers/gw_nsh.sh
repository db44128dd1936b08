#!/bin/sh
# Runs one attempt of a job at a site whose worker nodes do not have the account's home, where the job directory is
# (docs/jobdir.md, "Without a shared home"): fetches the directory from URL into scratch space, runs its .wrapper
# there, brings back the results, the status last, and removes the scratch. It travels as text in the job description,
# without the lines that are comments: nothing of ours is on the node before it runs.
#
#     gw_nsh.sh URL TOKEN
#
# POSIX sh; needs globus-url-copy, a proxy certificate (X509_USER_PROXY), coreutils, sed, grep, cmp, and Linux's /proc.
# Exits 0 when the status is brought back, 75 when another process has or may have the claim, 1 otherwise.
# SIGTERM, SIGINT and SIGHUP go on to the wrapper.
#
# The claim. GridFTP's clients have no operation that only one of two can do, and a batch system may start a job a
# second time, on another node. So this is Fischer's algorithm: who finds no claim writes its own name into it, waits
# longer than anybody may take from looking to having written, and goes on if its name is still there. Who was slower
# than that gives up. At most one goes on; it may be none.
# Whole seconds of /proc/uptime, rounded down: what is measured may be one more, what is waited one less.
write_s=10
wait_s=12

umask 077
token=$2
pid=
is_asked_to_end=

die() {
    printf 'gw_nsh: %s\n' "$1" >&2
    exit "${2:-1}"
}

set_now() {
    read -r now rest </proc/uptime
    now=${now%%.*}
}

# Every byte, so that nothing in a name means anything to anybody; not / and ~, which lead the path.
encode() {
    printf %s "$1" | od -An -v -tx1 | tr -d '\n' | sed 's/ 2f/\//g; s/ 7e/~/g; s/ /%/g'
}

# try TIMES COMMAND ...: with growing pauses
try() {
    left=$1
    pause=1
    shift
    until "$@" </dev/null; do
        left=$((left - 1))
        [ "$left" -gt 0 ] && [ -z "$is_asked_to_end" ] || return 1
        sleep $pause
        pause=$((pause < 30 ? pause * 2 : 30))
    done
}

copy() {
    globus-url-copy -q -stall-timeout 120 "$@"
}

on_signal() {
    is_asked_to_end=yes
    [ -z "$pid" ] || kill -TERM "$pid" 2>/dev/null
}

# Of a process that was killed, on this node, by the same account. Others can put anything of that name into /tmp: what
# is ours is closed to them (and test -O, which POSIX does not have, every shell that we know does).
sweep() {
    for old in "$base"/gw_nsh.*; do
        # shellcheck disable=SC3067
        [ -d "$old" ] && [ ! -L "$old" ] && [ -O "$old" ] || continue
        { read -r old_pid old_start old_system <"$old/owner"; } 2>/dev/null || continue
        [ "$old_system" = "$system" ] || continue
        { read -r stat <"/proc/$old_pid/stat"; } 2>/dev/null && set_start && [ "$start" = "$old_start" ] && continue
        rm -rf "$old"
    done
}

# The 20th word behind the name, which may hold blanks and parentheses, is the time when the process started.
set_start() {
    # shellcheck disable=SC2086
    set -- ${stat##*) }
    start=${20}
}

make_scratch() {
    base=${GW_SCRATCH:-${TMPDIR:-/tmp}}
    # Of another boot, or in another namespace, a process id says nothing.
    read -r system </proc/sys/kernel/random/boot_id
    system="$system $(readlink /proc/self/ns/pid)"
    sweep
    scratch=$(mktemp -d "$base/gw_nsh.XXXXXXXXXX") || die "no scratch directory can be made in $base"
    trap 'cd / && rm -rf "$scratch"' EXIT
    read -r stat <"/proc/$$/stat"
    set_start
    echo "$$ $start $system" >"$scratch/owner" || die "nothing can be written in $base"
    mkdir "$scratch/job"
    encoded=$(encode "$scratch")
}

look() {
    set_now
    looked=$now
    globus-url-copy -list "$url/" >"$scratch/list"
}

# Written again if that failed: it may have come through, and counts from the one look.
claim() {
    try 4 look || die "the job directory cannot be reached"
    # Listed as "    NAME " or "    NAME/".
    ! grep -qE '^ *(status|claim\.[^ /]*)[ /]*$' "$scratch/list" || die "this attempt was claimed before" 75
    until copy "file://$encoded/owner" "$url/claim.$token" </dev/null; do
        set_now
        [ $((now - looked)) -lt $write_s ] || break
        sleep 1
    done
    set_now
    claimed=$now
    [ $((claimed - looked)) -le $write_s ] || die "the claim took $((claimed - looked)) s, which is too long" 75
}

check_claim() {
    set_now
    [ $((claimed + wait_s)) -le "$now" ] || sleep $((claimed + wait_s - now))
    try 5 copy "$url/claim.$token" "file://$encoded/claim" || die "the claim cannot be read" 75
    cmp "$scratch/owner" "$scratch/claim" || die "another process has the claim" 75
}

put_status() {
    try 10 copy "file://$encoded/job/status" "$url/status" || die "the status cannot be brought back"
}

# fail REASON MESSAGE: the site's fault, told by a status of our own.
fail() {
    rm -rf "$scratch/job/status"
    {
        printf 'GWSTATUS 1\nTOKEN=%s\nSTATE=failed\nREASON=%s\nBLAME=site\nMESSAGE=%s\n' "$token" "$1" "$2"
        printf 'STARTED=%s\nENDED=%s\n' "$(date +%s)" "$(date +%s)"
    } >"$scratch/job/status"
    sum=$(cksum <"$scratch/job/status")
    echo "CKSUM=$sum" >>"$scratch/job/status"
    put_status
    exit 0
}

# A file that is another than the time before may have been there since then: the wrapper counts from that.
fetch_lease() {
    set_now
    began=$now
    copy "${url%/*}/$lease" "file://$encoded/$lease.new" || return
    if ! cmp -s "$scratch/$lease.new" "$scratch/$lease"; then
        echo "${fetched:-$began}" >"$scratch/$lease.since"
        mv "$scratch/$lease.new" "$scratch/$lease"
    fi
    fetched=$began
}

# While the claim has to wait anyway. What fails is told only by who has it.
fetch() {
    try 6 copy -r -cd "$url/" "file://$encoded/job/" && [ -f "$scratch/job/job.ctl" ] &&
        [ -f "$scratch/job/.wrapper" ] && is_fetched=yes
}

prepare() {
    [ -n "$is_fetched" ] || fail no-space "the job directory could not be fetched into $base of a worker node"
    cd "$scratch/job" || exit 1
    # The wrapper makes a claim of its own.
    rm -f "claim.$token"
    # shellcheck source=/dev/null
    . ./job.ctl
    lease=${GW_LEASE_FILE##*/}
    [ "${GW_LEASE_S:-0}" -eq 0 ] || try 3 fetch_lease
}

renew_lease() {
    while sleep $((GW_LEASE_S > 8 ? GW_LEASE_S / 8 : 1)); do
        [ -d "/proc/$$" ] || exit
        fetch_lease
    done
}

# A wait that a signal interrupted returns before the process has ended.
run() {
    chmod u+x .wrapper
    ./.wrapper </dev/null >stdout.wrapper 2>stderr.wrapper &
    pid=$!
    [ -z "$is_asked_to_end" ] || on_signal
    renewer=
    if [ "${GW_LEASE_S:-0}" -gt 0 ]; then
        renew_lease </dev/null >/dev/null 2>&1 &
        renewer=$!
    fi
    while :; do
        wait "$pid"
        kill -0 "$pid" 2>/dev/null || break
    done
    [ -z "$renewer" ] || kill "$renewer"
}

# A link leads to what the job did not name, whatever part of the name it is.
is_result() {
    [ -f "$1" ] || return 1
    part=$1
    until [ -L "$part" ]; do
        case $part in
        */*) part=${part%/*} ;;
        *) return 0 ;;
        esac
    done
    printf 'gw_nsh: %s is not brought back: a symbolic link is in its place or on its way\n' "$1" >&2
    return 1
}

# The results that are there, in one connection; then the status, which says that they are all there.
bring_back() {
    trap '' TERM INT HUP
    is_asked_to_end=
    is_result status || fail wrapper-died "the wrapper on a worker node ended without a result"
    printf '%s\n' stdout.execution stderr.execution stdout.wrapper stderr.wrapper console.log "${GW_OUTPUTS-}" >../names
    while IFS= read -r name; do
        [ -n "$name" ] && is_result "$name" || continue
        name=$(encode "$name")
        printf '%s\n' "file://$encoded/job/$name $url/$name"
    done <../names >../pairs
    [ ! -s ../pairs ] || try 10 copy -cd -f ../pairs || fail no-space "the results could not be brought back"
    put_status
}

case $1 in
gsiftp://?*/?*) ;;
*) die "$1 is not the URL of a job directory" ;;
esac
rest=${1#gsiftp://}
url=gsiftp://${rest%%/*}$(encode "/${rest#*/}")
trap on_signal TERM INT HUP
is_fetched=
make_scratch
claim
fetch
check_claim
prepare
[ -z "$is_asked_to_end" ] || die "asked to end before it began"
run
bring_back
exit 0
