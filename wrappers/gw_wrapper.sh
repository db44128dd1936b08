#!/bin/sh
# Runs one attempt of a job in its job directory (docs/jobdir.md): claims it, starts the payload or gwvm, watches
# lease and wall time, and writes the status file last of all. POSIX sh; needs mkdir, mv, rm, cksum, date, chmod, sleep,
# and Linux's /proc.
#
# Exits 0 when it wrote the status, 75 when the claim belongs to another process, 1 when nothing could be done.
# SIGTERM, SIGINT and SIGHUP end the payload: TERM to its process group, KILL after 10 s, status failed/cancelled.
#
# Names here begin with gww_, so that nothing of them meets the payload's environment.

gww_reason=
gww_pid=
gww_killer=
gww_watcher=
gww_code=0
trap 'gww_stop cancelled' TERM INT HUP
trap 'gww_stop walltime' USR1
trap 'gww_stop lease-expired' USR2

gww_die() {
    printf '%s\n' "gw_wrapper: $1" >&2
    exit "${2:-1}"
}

gww_set_now() {
    read -r gww_now gww_ </proc/uptime
    gww_now=${gww_now%%.*}
}

# gww_set_start PID: the start time of a process. Fails when there is no such process.
gww_set_start() {
    { read -r gww_stat <"/proc/$1/stat"; } 2>/dev/null || return 1
    # The name, in parentheses, may hold blanks and parentheses. The 20th word after it is field 22.
    # shellcheck disable=SC2086
    set -- ${gww_stat##*) }
    gww_start=${20}
}

# gww_clear NAME: the payload can put anything in our way, such as a pipe that nobody reads, or a directory.
gww_clear() {
    [ ! -e "$1" ] && [ ! -L "$1" ] || rm -rf "./$1"
}

# gww_write_status STATE [LINE...]
gww_write_status() {
    # What is asked of us now comes too late, and must not end cksum or mv either.
    trap '' TERM INT HUP USR1 USR2
    gww_set_now
    gww_ended=$((gww_began + gww_now - gww_began_up))
    gww_clear .gw_status.tmp
    [ ! -d status ] || gww_clear status
    {
        printf 'GWSTATUS 1\nTOKEN=%s\nSTATE=%s\n' "$GW_TOKEN" "$1"
        shift
        [ $# -eq 0 ] || printf '%s\n' "$@"
        printf 'STARTED=%s\nENDED=%s\n' "$gww_began" "$gww_ended"
    } >.gw_status.tmp &&
        gww_sum=$(cksum <.gw_status.tmp) &&
        printf 'CKSUM=%s\n' "$gww_sum" >>.gw_status.tmp &&
        mv -f .gw_status.tmp status && return
    gww_die "the status file could not be written"
}

# gww_fail REASON BLAME MESSAGE
gww_fail() {
    LC_ALL=C
    case $3 in
    *[!\ -~]*) set -- "$1" "$2" "a file, whose name is not plain ASCII, is missing or cannot be run" ;;
    esac
    gww_write_status failed "REASON=$1" "BLAME=$2" "MESSAGE=$3"
    exit 0
}

gww_signal() {
    # No "--": dash and ash do not know it. Before the payload has made its group, the signal goes to it alone.
    kill "-$1" "-$gww_pid" 2>/dev/null || kill "-$1" "$gww_pid" 2>/dev/null
}

# A helper is told by TERM to end, and its sleep ends with it: also when that comes before the sleep is known.
# shellcheck disable=SC2317
gww_end_helper() {
    gww_is_over=yes
    [ -n "$gww_sleeper" ] || return
    kill -KILL "$gww_sleeper" 2>/dev/null
    exit 0
}

# gww_dismiss PID: end a helper. A signal that a shell gets just after its fork, with its parent's trap still set, is
# lost: it is sent until the helper has ended, which takes no time.
gww_dismiss() {
    [ -n "$1" ] || return
    while kill -TERM "$1" && read -r gww_stat <"/proc/$1/stat"; do
        case ${gww_stat##*) } in
        Z*) return ;;
        esac
    done 2>/dev/null
}

gww_begin_helper() {
    gww_is_over=
    gww_sleeper=
    trap gww_end_helper TERM INT HUP
}

gww_sleep() {
    sleep "$1" &
    gww_sleeper=$!
    [ -z "$gww_is_over" ] || gww_end_helper
    wait "$gww_sleeper"
    gww_sleeper=
    [ -z "$gww_is_over" ] || exit 0
}

gww_end_payload() {
    gww_signal TERM
    (
        gww_begin_helper
        gww_sleep 10
        gww_signal KILL
    ) </dev/null >/dev/null 2>&1 &
    gww_killer=$!
}

# gww_stop REASON: by a signal. The first reason counts.
# shellcheck disable=SC2317
gww_stop() {
    [ -z "$gww_reason" ] || return
    gww_reason=$1
    [ -z "$gww_pid" ] || gww_end_payload
}

gww_claim() {
    if ! mkdir "claim.$GW_TOKEN"; then
        [ -d "claim.$GW_TOKEN" ] || gww_fail no-space site "the claim could not be made in the job directory"
        exit 75
    fi
    read -r gww_boot </proc/sys/kernel/random/boot_id
    gww_set_start $$
    printf '%s %s %s\n' $$ "$gww_start" "$gww_boot" >"claim.$GW_TOKEN/pid.tmp" &&
        mv "claim.$GW_TOKEN/pid.tmp" "claim.$GW_TOKEN/pid" && return
    gww_fail no-space site "the claim could not be written"
}

gww_is_program() {
    [ -f "$1" ] && [ -x "$1" ]
}

gww_check_payload() {
    if [ "$GW_VM" = yes ]; then
        [ "$GWVM" != ./gwvm ] || chmod +x ./gwvm
        gww_is_program "$GWVM" || gww_fail no-gwvm site "$GWVM is not a program that can be run"
        return
    fi
    case $GW_EXECUTABLE in
    ./*) [ -x "$GW_EXECUTABLE" ] || chmod u+x "$GW_EXECUTABLE" 2>/dev/null ;;
    */*) ;;
    *) command -v "$GW_EXECUTABLE" >/dev/null || gww_fail exec-failed job "$GW_EXECUTABLE is not found in PATH" ;;
    esac
    case $GW_EXECUTABLE in
    */*)
        [ -e "$GW_EXECUTABLE" ] || gww_fail exec-failed job "$GW_EXECUTABLE does not exist"
        gww_is_program "$GW_EXECUTABLE" ||
            gww_fail exec-failed job "$GW_EXECUTABLE is not a program that can be run"
        ;;
    esac
    [ -r "$GW_STDIN" ] || gww_fail internal us "$GW_STDIN is missing in the job directory"
}

# What stands before the payload's command: a process group of its own, so that all of it can be signalled, and the
# two signals back that a shell without job control ignores for what runs in the background.
gww_find_launcher() {
    gww_setsid=$(command -v setsid) || set -m 2>/dev/null
    gww_env=$(command -v env) && "$gww_env" --default-signal=INT,QUIT --version >/dev/null 2>&1 || gww_env=
}

# gww_launch PROGRAM [ARGUMENT...]: nothing here is split into words, whatever IFS the payload's environment has. env
# would take a name with "=" for a variable.
gww_launch() {
    if [ -n "$gww_env" ]; then
        # shellcheck disable=SC2016
        case $1 in
        *=*) set -- /bin/sh -c 'exec "$0" "$@"' "$@" ;;
        esac
        set -- "$gww_env" --default-signal=INT,QUIT "$@"
    fi
    [ -z "$gww_setsid" ] || set -- "$gww_setsid" "$@"
    exec "$@"
}

gww_payload() {
    gww_exe=$GW_EXECUTABLE
    set --
    # shellcheck source=/dev/null
    [ ! -f ./job.env ] || . ./job.env
    gww_launch "$gww_exe" "$@"
}

gww_start_payload() {
    # Opened before there is a payload that could put something in the way. exec would end us if it failed.
    true >"claim.$GW_TOKEN/payload" || gww_fail no-space site "the claim could not be written"
    exec 9>"claim.$GW_TOKEN/payload"
    if [ "$GW_VM" = yes ]; then
        (gww_launch "$GWVM" run) </dev/null >>stdout.execution 9>&- &
    else
        (gww_payload) <"$GW_STDIN" >stdout.execution 2>stderr.execution 9>&- &
    fi
    gww_pid=$!
    # Who finds us dead ends the payload by this.
    if gww_set_start "$gww_pid"; then
        printf '%s %s %s\n' "$gww_pid" "$gww_start" "$gww_boot" >&9
    fi
    exec 9>&-
    [ -z "$gww_reason" ] || gww_end_payload
}

# The lease counts as renewed when a larger SEQ of our own instance and epoch is read, in a file that does not
# name us as lost: gwd, which cannot hear of us, is then about to start another attempt. A larger EPOCH says that
# a gwd with a later copy of the state is at work: from then on nobody renews it.
gww_read_lease() {
    gww_body=
    gww_epoch=
    gww_seq=
    gww_sum=
    gww_lines=0
    gww_mine=0
    [ -f "$GW_LEASE_FILE" ] || return 1
    while [ "$gww_lines" -lt 32 ] && IFS= read -r gww_line; do
        gww_lines=$((gww_lines + 1))
        case $gww_line in
        CKSUM=*) gww_sum=${gww_line#CKSUM=} && break ;;
        "INSTANCE=$GW_INSTANCE") gww_mine=1 ;;
        EPOCH=*) gww_epoch=${gww_line#EPOCH=} ;;
        SEQ=*) gww_seq=${gww_line#SEQ=} ;;
        LOST=*)
            case " ${gww_line#LOST=} " in
            *" ${GW_TOKEN#*.*.} "*)
                gww_lost=yes
                return 1
                ;;
            esac
            ;;
        esac
        [ "$gww_lines" -ne 1 ] || [ "$gww_line" = "GWLEASE 1" ] || return 1
        gww_body="$gww_body$gww_line
"
    done <"$GW_LEASE_FILE"
    for gww_number in "$gww_epoch" "$gww_seq"; do
        case $gww_number in
        '' | *[!0-9]* | ???????????????????*) return 1 ;;
        esac
    done
    [ "$gww_mine" -eq 1 ] && [ "$gww_sum" = "$(printf '%s' "$gww_body" | cksum)" ] || return 1
    [ "$gww_epoch" -le "$GW_EPOCH" ] || gww_fenced=yes
    [ -z "$gww_fenced" ] && [ "$gww_epoch" -eq "$GW_EPOCH" ] &&
        [ "$gww_seq" -gt "$gww_last_seq" ] && gww_last_seq=$gww_seq
}

# Not from now on: the file may have come just after the last look, and gwd counts from there. Looks of every second
# are as near as this clock can tell. Who brings the file here says in another since when it may have been there.
gww_date_lease() {
    gww_since=
    { IFS= read -r gww_since <"$GW_LEASE_FILE.since"; } 2>/dev/null
    case $gww_since in
    '' | *[!0-9]* | ???????????????????*) gww_since=$gww_looked ;;
    esac
    [ "$gww_since" -le "$gww_now" ] || gww_since=$gww_looked
    [ "$((gww_now - gww_since))" -gt 2 ] || gww_since=$gww_now
    [ "$gww_since" -le "$gww_renewed" ] || gww_renewed=$gww_since
}

# One that waited in the site's queue while gwd replaced it begins too late.
gww_check_lease() {
    gww_lost=
    gww_fenced=
    gww_last_seq=-1
    [ "$GW_LEASE_S" -eq 0 ] || gww_read_lease
    [ -z "$gww_lost$gww_fenced" ] || gww_fail lease-expired us "gwd has given this attempt up for lost before it began"
}

# The helper that watches lease and wall time, and that the wrapper is there at all.
gww_watch() {
    gww_begin_helper
    gww_wait=$((GW_LEASE_S > 8 ? GW_LEASE_S / 8 : 1))
    gww_looked=$gww_began_up
    while :; do
        gww_set_now
        gww_next=$((gww_limit ? gww_began_up + gww_limit - gww_now : gww_wait))
        if [ "$GW_LEASE_S" -gt 0 ]; then
            # Nor beyond its end: gwd waits for that, and a margin, before it starts another attempt.
            gww_left=$((gww_renewed + GW_LEASE_S - gww_now))
            [ "$gww_next" -lt "$gww_wait" ] || gww_next=$gww_wait
            [ "$gww_next" -lt "$gww_left" ] || gww_next=$gww_left
        fi
        [ "$gww_next" -le 0 ] || gww_sleep "$gww_next"
        gww_set_now
        # shellcheck disable=SC2034
        read -r gww_ gww_ gww_ gww_parent gww_ </proc/self/stat
        if [ "$gww_parent" != $$ ]; then
            gww_signal KILL
            exit 0
        fi
        if [ "$gww_limit" -gt 0 ] && [ "$((gww_began_up + gww_limit))" -le "$gww_now" ]; then
            kill -USR1 $$
            exit 0
        fi
        [ "$GW_LEASE_S" -gt 0 ] || continue
        if gww_read_lease; then
            gww_date_lease
        fi
        gww_looked=$gww_now
        if [ "$((gww_renewed + GW_LEASE_S))" -le "$gww_now" ]; then
            kill -USR2 $$
            exit 0
        fi
    done
}

gww_start_watcher() {
    # In a VM gwvm keeps the limit, which is the payload's; ours is for a gwvm that does not.
    # Times are whole seconds, rounded down: one more, or the payload would be short of a part of one.
    gww_limit=$((GW_WALLTIME_S ? GW_WALLTIME_S + 1 : 0))
    [ "$GW_VM" != yes ] || [ "$gww_limit" -eq 0 ] || gww_limit=$((gww_limit + 600))
    [ "$GW_LEASE_S" -gt 0 ] || [ "$gww_limit" -gt 0 ] || return
    gww_last_seq=-1
    gww_renewed=$gww_began_up
    [ "$GW_LEASE_S" -eq 0 ] || gww_read_lease
    gww_watch </dev/null >/dev/null 2>&1 &
    gww_watcher=$!
}

# A wait that a signal interrupted says 128 + signal, and the payload may have ended meanwhile.
gww_wait_payload() {
    wait "$gww_pid"
    gww_code=$?
    while kill -0 "$gww_pid" 2>/dev/null; do
        wait "$gww_pid"
        gww_code=$?
    done
    [ -n "$gww_reason" ] || return
    wait "$gww_pid" 2>/dev/null
    gww_again=$?
    [ "$gww_again" -eq 127 ] || gww_code=$gww_again
}

gww_finish() {
    gww_dismiss "$gww_killer"
    gww_dismiss "$gww_watcher"
    # What the payload left in its group ends with it.
    kill -KILL "-$gww_pid" 2>/dev/null
    if [ "$GW_VM" = yes ]; then
        gww_finish_vm
    fi
    case $gww_reason in
    '') ;;
    cancelled) gww_fail cancelled job "stopped because it was asked for" ;;
    walltime) gww_fail walltime job "stopped after its wall time of $GW_WALLTIME_S s" ;;
    *) gww_fail lease-expired us "stopped because gwd did not renew the lease of $GW_LEASE_S s" ;;
    esac
    set -- "EXIT_CODE=$gww_code"
    # A shell cannot tell a signal n from exit 128 + n.
    [ "$gww_code" -le 128 ] || [ "$gww_code" -gt 192 ] || set -- "$@" "SIGNAL=$((gww_code - 128))"
    gww_write_status exited "$@"
}

# gwvm writes the status. It does not know why it was stopped, so only then its word of a failure is replaced.
gww_finish_vm() {
    if [ -f status ]; then
        [ -n "$gww_reason" ] && [ "$gww_reason" != cancelled ] || exit 0
        while IFS= read -r gww_line; do
            [ "$gww_line" != STATE=exited ] || exit 0
        done <status
    else
        "$GWVM" sweep --token "$GW_TOKEN" </dev/null || printf '%s\n' "gw_wrapper: $GWVM sweep failed" >&2
        [ -n "$gww_reason" ] || gww_fail wrapper-died site "gwvm ended without a result, with exit code $gww_code"
    fi
}

exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
case $0 in
*/*) [ -f ./job.ctl ] || cd "${0%/*}" || gww_die "the job directory ${0%/*} cannot be entered" ;;
esac
[ -f ./job.ctl ] || gww_die "there is no job.ctl in $PWD"
# shellcheck source=/dev/null
. ./job.ctl
: "${GW_TOKEN:?is not set by job.ctl}" "${GW_EXECUTABLE:=}" "${GW_STDIN:=/dev/null}" "${GW_VM:=no}" "${GWVM:=}"
: "${GW_LEASE_S:=0}" "${GW_WALLTIME_S:=0}" "${GW_LEASE_FILE:=}" "${GW_INSTANCE:=}" "${GW_EPOCH:=0}"
gww_began=$(date +%s)
gww_set_now
gww_began_up=$gww_now
gww_claim
gww_check_payload
gww_find_launcher
[ -z "$gww_reason" ] || gww_fail cancelled job "stopped before it began, because it was asked for"
gww_check_lease
gww_start_payload
gww_start_watcher
gww_wait_payload
gww_finish
exit 0
