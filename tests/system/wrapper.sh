#!/bin/bash
# gw_wrapper.sh under each shell that a site may have as /bin/sh, and the program gw_wrapper, which keeps the same contract
# for jobs without a VM: the claim, the payload's surroundings, the status file, and every way to an end.
. "$(dirname "$0")/lib.sh"

WRAPPER=$T_ROOT/wrappers/gw_wrapper.sh
PROGRAM=$BUILD/libexec/gw_wrapper
TOKEN=8c1c7a52-0000-4000-8000-000000000001.1.12.0.1

# job NAME EXECUTABLE [KEY=VALUE ...]: a job directory.
job() {
    local dir=$T_DIR/$1 pair
    mkdir -p "$dir" && cp "$WRAPPER" "$dir/.wrapper"
    {
        printf "GW_TOKEN='%s'\nGW_INSTANCE='inst'\nGW_EPOCH='1'\nGW_EXECUTABLE='%s'\n" "$TOKEN" "$2"
        printf "GW_STDIN='/dev/null'\nGW_VM='no'\nGWVM=''\nGW_LEASE_S='0'\nGW_LEASE_FILE='../lease'\nGW_WALLTIME_S='0'\n"
        shift 2
        for pair; do printf "%s='%s'\n" "${pair%%=*}" "${pair#*=}"; done
    } >"$dir/job.ctl"
}

# payload NAME LINE ...: the script ./run of that job.
payload() {
    local dir=$T_DIR/$1
    shift
    printf '%s\n' '#!/bin/sh' "$@" >"$dir/run"
}

# run SHELL NAME: the wrapper in its job directory; its exit code. The program has one file to read, by whose first line it
# is started.
run() {
    local dir=$T_DIR/$2
    if [ "$1" = gw_wrapper ]; then
        (echo "#!$PROGRAM" && cd "$dir" && cat job.ctl job.env) >"$dir/.wrapper" 2>/dev/null
        chmod +x "$dir/.wrapper"
        (cd "$dir" && exec env GW_TOKEN="$TOKEN" ./.wrapper >stdout.wrapper 2>stderr.wrapper </dev/null)
        return
    fi
    # shellcheck disable=SC2086 # "busybox sh" is two words
    (cd "$dir" && exec env GW_TOKEN="$TOKEN" $1 .wrapper >stdout.wrapper 2>stderr.wrapper </dev/null)
}

# status NAME KEY: a value of the status file, when the file verifies.
status() {
    local file=$T_DIR/$1/status
    [ -f "$file" ] || return
    [ "$(sed '$d' "$file" | cksum)" = "$(sed -n '$s/^CKSUM=//p' "$file")" ] || {
        echo "does not verify"
        return
    }
    sed -n "s/^$2=//p" "$file"
}

# lease NAME SEQ [LOST [EPOCH]]: a valid lease file.
lease() {
    printf 'GWLEASE 1\nINSTANCE=inst\nEPOCH=%s\nSEQ=%s\n' "${4:-1}" "$2" >"$T_DIR/lease.$1.tmp"
    [ -z "${3:-}" ] || printf 'LOST=%s\n' "$3" >>"$T_DIR/lease.$1.tmp"
    printf 'CKSUM=%s\n' "$(cksum <"$T_DIR/lease.$1.tmp")" >>"$T_DIR/lease.$1.tmp"
    mv "$T_DIR/lease.$1.tmp" "$T_DIR/lease.$1"
}

# The payload's processes of a job, by the directory they run in.
is_alone() {
    [ -z "$("$T_ROOT/tools/processes-of" "$T_DIR/$1")" ]
}

ends() {
    local shell=$1 n=$2 code
    for code in 0 7; do
        job "$n.$code" ./run
        payload "$n.$code" "echo out; echo err >&2; exit $code"
        run "$shell" "$n.$code"
        t_equal "$shell: the wrapper of a payload that exits with $code exits with 0" 0 $?
        t_equal "$shell: exit code $code is in the status" "exited $code" "$(status "$n.$code" STATE) $(status "$n.$code" EXIT_CODE)"
    done
    t_equal "$shell: the payload's output is in its files" "out err" "$(cat "$T_DIR/$n.0/stdout.execution" "$T_DIR/$n.0/stderr.execution" | xargs)"
    run "$shell" "$n.0"
    t_equal "$shell: who comes second to the claim exits with 75" 75 $?
    job "$n.signal" ./run
    # shellcheck disable=SC2016
    payload "$n.signal" 'kill -KILL $$'
    run "$shell" "$n.signal"
    t_equal "$shell: a payload that signal 9 killed has 137 and the signal" "exited 137 9" \
        "$(status "$n.signal" STATE) $(status "$n.signal" EXIT_CODE) $(status "$n.signal" SIGNAL)"
}

surroundings() {
    local shell=$1 n=$2.env
    job "$n" ./run GW_STDIN=stdin.execution
    # shellcheck disable=SC2016
    payload "$n" 'printf "<%s>" "$@"' 'cat' 'echo; env >env' 'ls /proc/$$/fd >fds' 'sed -n "s/^SigIgn://p" /proc/self/status >ignored'
    echo "from stdin" >"$T_DIR/$n/stdin.execution"
    # shellcheck disable=SC2016
    printf '%s\n' "export A='it'\\''s \$HOME'" "export GW_EXECUTABLE='theirs'" "set -- 'a b' '' '*' 'c\"d' 'e
f'" >"$T_DIR/$n/job.env"
    run "$shell" "$n"
    t_equal "$shell: arguments and stdin come through as they are" "<a b><><*><c\"d><e
f>from stdin" "$(cat "$T_DIR/$n/stdout.execution")"
    t_match "$shell: job.env is the payload's environment" "^A=it's .HOME$" "$(cat "$T_DIR/$n/env")"
    t_equal "$shell: no variable of the wrapper reaches the payload" "" "$(grep -E '^(gww_|GW_LEASE|GW_WALLTIME|GW_INSTANCE)' "$T_DIR/$n/env")"
    t_equal "$shell: no descriptor of the wrapper reaches the payload" "" \
        "$(tr '\n' ' ' <"$T_DIR/$n/fds" | grep -oE '\b[3-9]\b')"
    if [ "$shell" != "busybox sh" ]; then
        # Signals 32 and 33 are glibc's own: its posix_spawn, which make uses, leaves them ignored.
        t_equal "$shell: the payload ignores no signal" 0 $((0x$(tr -d '\t' <"$T_DIR/$n/ignored") & ~0x180000000))
    fi
}

refusals() {
    local shell=$1 n=$2
    job "$n.none" ./nothing
    run "$shell" "$n.none"
    t_equal "$shell: an executable that does not exist is the job's fault" "failed exec-failed job" \
        "$(status "$n.none" STATE) $(status "$n.none" REASON) $(status "$n.none" BLAME)"
    job "$n.dir" /tmp
    run "$shell" "$n.dir"
    t_equal "$shell: a directory is not executed" exec-failed "$(status "$n.dir" REASON)"
    job "$n.ctl" ./run
    rm "$T_DIR/$n.ctl/job.ctl"
    run "$shell" "$n.ctl"
    t_equal "$shell: without job.ctl nothing is done" 1 $?
}

limits() {
    local shell=$1 n=$2
    job "$n.wall" ./run GW_WALLTIME_S=1
    payload "$n.wall" 'sleep 60 & sleep 60'
    run "$shell" "$n.wall"
    t_equal "$shell: a payload over its wall time is stopped" "failed walltime job" \
        "$(status "$n.wall" STATE) $(status "$n.wall" REASON) $(status "$n.wall" BLAME)"
    t_check "$shell: what it started in the background is stopped too" t_within 2 is_alone "$n.wall"
    job "$n.lease" ./run GW_LEASE_S=2 GW_LEASE_FILE="../lease.$2"
    payload "$n.lease" 'sleep 60'
    lease "$2" 5
    run "$shell" "$n.lease"
    t_equal "$shell: a payload whose lease is not renewed is stopped" "failed lease-expired us" \
        "$(status "$n.lease" STATE) $(status "$n.lease" REASON) $(status "$n.lease" BLAME)"
    job "$n.renew" ./run GW_LEASE_S=2 GW_LEASE_FILE="../lease.$2"
    payload "$n.renew" 'sleep 4; exit 3'
    run "$shell" "$n.renew" &
    local wrapper=$! i
    for i in 6 7 8 9 10 11; do
        sleep 0.6
        lease "$2" $i "3.0.1 112.0.1 12.0.10" # others
    done
    wait $wrapper
    t_equal "$shell: a payload whose lease is renewed runs to its end" 3 "$(status "$n.renew" EXIT_CODE)"
    job "$n.lost" ./run GW_LEASE_S=2 GW_LEASE_FILE="../lease.$2"
    payload "$n.lost" 'sleep 60'
    run "$shell" "$n.lost" &
    wrapper=$!
    for i in 12 13 14 15 16 17; do
        sleep 0.6
        lease "$2" $i "3.0.1 12.0.1 7.0.1"
    done
    wait $wrapper
    t_equal "$shell: a lease that names the attempt as lost is none" "failed lease-expired us" \
        "$(status "$n.lost" STATE) $(status "$n.lost" REASON) $(status "$n.lost" BLAME)"
    rm -rf "$T_DIR/$n.lost/status" "$T_DIR/$n.lost/claim.$TOKEN"
    payload "$n.lost" 'touch begun'
    run "$shell" "$n.lost"
    t_equal "$shell: one that the lease names before it begins does not begin" "failed lease-expired us" \
        "$(status "$n.lost" STATE) $(status "$n.lost" REASON) $(status "$n.lost" BLAME)$(ls "$T_DIR/$n.lost/begun" 2>/dev/null)"
    lease "$2" 18
    job "$n.fence" ./run GW_LEASE_S=2 GW_LEASE_FILE="../lease.$2"
    payload "$n.fence" 'touch begun; sleep 5; exit 3'
    run "$shell" "$n.fence" &
    wrapper=$!
    t_within 5 test -e "$T_DIR/$n.fence/begun"
    lease "$2" 19 "" 1700000000000
    sleep 1.5
    for i in 20 21 22 23 24 25 26; do
        lease "$2" $i
        sleep 0.6
    done
    wait $wrapper
    t_equal "$shell: after a lease file of a later gwd none of the earlier one counts" "failed lease-expired us" \
        "$(status "$n.fence" STATE) $(status "$n.fence" REASON) $(status "$n.fence" BLAME)"
    lease "$2" 27 "" 1700000000000
    job "$n.late" ./run GW_LEASE_S=2 GW_LEASE_FILE="../lease.$2"
    payload "$n.late" 'touch begun'
    run "$shell" "$n.late"
    t_equal "$shell: and one of the earlier one's attempts does not begin" "failed lease-expired us" \
        "$(status "$n.late" STATE) $(status "$n.late" REASON) $(status "$n.late" BLAME)$(ls "$T_DIR/$n.late/begun" 2>/dev/null)"
    lease "$2" 28
    # For gwd the lease runs from when the file was written, not from when a machine that slept gets to read it.
    job "$n.slept" ./run GW_LEASE_S=6 GW_LEASE_FILE="../lease.$2"
    payload "$n.slept" 'touch begun; sleep 60'
    run "$shell" "$n.slept" &
    wrapper=$!
    t_within 5 test -e "$T_DIR/$n.slept/begun" && sleep 1
    signal_all STOP "$n.slept"
    lease "$2" 29
    sleep 7
    signal_all CONT "$n.slept"
    t_check "$shell: a lease that was renewed while the machine slept counts from then" \
        t_within 4 test -e "$T_DIR/$n.slept/status"
    wait $wrapper
    # Nor from when it was brought to a node that has not the site's files.
    job "$n.brought" ./run GW_LEASE_S=10 GW_LEASE_FILE="../lease.$2"
    payload "$n.brought" 'touch begun; sleep 14; touch lasted'
    lease "$2" 30
    run "$shell" "$n.brought" &
    wrapper=$!
    t_within 5 test -e "$T_DIR/$n.brought/begun"
    cut -d . -f 1 /proc/uptime >"$T_DIR/lease.$2.since"
    sleep 7
    lease "$2" 31
    wait $wrapper
    t_equal "$shell: nor from when it was brought to the node" "lease-expired no" \
        "$(status "$n.brought" REASON) $([ -e "$T_DIR/$n.brought/lasted" ] && echo yes || echo no)"
    rm "$T_DIR/lease.$2.since"
}

# signal_all SIGNAL NAME: all processes of a job.
signal_all() {
    local pid
    "$T_ROOT/tools/processes-of" "$T_DIR/$2" | while read -r pid _; do kill "-$1" "$pid" 2>/dev/null; done
}

cancels() {
    local shell=$1 n=$2 wrapper begin
    job "$n.term" ./run
    payload "$n.term" 'sleep 60 & echo ready >ready; wait'
    run "$shell" "$n.term" &
    wrapper=$!
    t_within 10 test -s "$T_DIR/$n.term/ready"
    kill -TERM "$(cut -d' ' -f1 "$T_DIR/$n.term/claim.$TOKEN/pid")"
    wait $wrapper
    t_equal "$shell: TERM to the wrapper cancels the payload" "failed cancelled job" \
        "$(status "$n.term" STATE) $(status "$n.term" REASON) $(status "$n.term" BLAME)"
    t_check "$shell: and all that it started" t_within 2 is_alone "$n.term"
    job "$n.stubborn" ./run
    payload "$n.stubborn" 'trap "" TERM' 'echo ready >ready' 'while :; do sleep 1; done'
    run "$shell" "$n.stubborn" &
    wrapper=$!
    t_within 10 test -s "$T_DIR/$n.stubborn/ready"
    begin=$SECONDS
    kill -TERM "$(cut -d' ' -f1 "$T_DIR/$n.stubborn/claim.$TOKEN/pid")"
    wait $wrapper
    t_equal "$shell: a payload that ignores TERM is cancelled too" cancelled "$(status "$n.stubborn" REASON)"
    t_check "$shell: it is killed after ten seconds" test $((SECONDS - begin)) -ge 9 -a $((SECONDS - begin)) -le 13
}

vms() {
    local shell=$1 n=$2
    job "$n.vm" ./x GW_VM=yes GWVM=./gwvm
    # shellcheck disable=SC2016
    printf '%s\n' '#!/bin/sh' 'echo "$@" >>calls' '[ "$1" = run ] || exit 0' '. ./behave' >"$T_DIR/$n.gwvm"
    cp "$T_DIR/$n.gwvm" "$T_DIR/$n.vm/gwvm"
    echo 'echo done >status' >"$T_DIR/$n.vm/behave"
    run "$shell" "$n.vm"
    t_equal "$shell: gwvm's own status stays" 'done' "$(cat "$T_DIR/$n.vm/status")"
    t_equal "$shell: gwvm is run once and nothing is swept" run "$(cat "$T_DIR/$n.vm/calls")"
    job "$n.vmdead" ./x GW_VM=yes GWVM=./gwvm
    cp "$T_DIR/$n.gwvm" "$T_DIR/$n.vmdead/gwvm"
    echo 'exit 3' >"$T_DIR/$n.vmdead/behave"
    run "$shell" "$n.vmdead"
    t_equal "$shell: a gwvm that ends without a status is swept after" "run sweep --token $TOKEN" "$(xargs <"$T_DIR/$n.vmdead/calls")"
    t_equal "$shell: and the attempt has failed for the site's sake" "wrapper-died site" "$(status "$n.vmdead" REASON) $(status "$n.vmdead" BLAME)"
    job "$n.novm" ./x GW_VM=yes GWVM=/nonexistent/gwvm
    run "$shell" "$n.novm"
    t_equal "$shell: without gwvm the site is to blame" "no-gwvm site" "$(status "$n.novm" REASON) $(status "$n.novm" BLAME)"
    job "$n.vmlease" ./x GW_VM=yes GWVM=./gwvm GW_LEASE_S=1 GW_LEASE_FILE=../nolease
    cp "$T_DIR/$n.gwvm" "$T_DIR/$n.vmlease/gwvm"
    # shellcheck disable=SC2016
    echo 'trap "echo STATE=failed >status; exit 0" TERM; sleep 60 & wait $!' >"$T_DIR/$n.vmlease/behave"
    run "$shell" "$n.vmlease"
    t_equal "$shell: gwvm stopped for want of a lease did not fail by itself" lease-expired "$(status "$n.vmlease" REASON)"
}

# What a payload puts where the wrapper writes; the payload is its own enemy here, but must not keep the wrapper.
attacks() {
    local shell=$1 n=$2 what
    mkdir -p "$T_DIR/$n.victim" && echo precious >"$T_DIR/$n.victim/file"
    for what in "mkfifo status .gw_status.tmp" "mkdir -p status/x .gw_status.tmp/x" "ln -s '$T_DIR/$n.victim' status; ln -s '$T_DIR/$n.victim/file' .gw_status.tmp" \
        "rm -rf claim.*/*; mkfifo claim.*/payload claim.*/payload.tmp"; do
        rm -rf "${T_DIR:?}/$n.attack"
        job "$n.attack" ./run
        payload "$n.attack" "$what 2>/dev/null" "exit 5"
        run "$shell" "$n.attack" &
        t_within 20 is_done $! || kill -KILL "$(cut -d' ' -f1 "$T_DIR/$n.attack/claim.$TOKEN/pid")"
        wait $!
        t_equal "$shell: what a payload put in the way of the status does no harm ($what)" "exited 5" \
            "$(status "$n.attack" STATE) $(status "$n.attack" EXIT_CODE)"
    done
    t_equal "$shell: nor is it written through" "precious file" "$(cat "$T_DIR/$n.victim/file") $(ls "$T_DIR/$n.victim")"
}

is_done() {
    ! kill -0 "$1"
}

# One shell's cases, into a file: the waiting in them is done for all shells at once.
cases() {
    T_FAILED=0
    trap - EXIT
    ends "$1" "$2"
    surroundings "$1" "$2"
    refusals "$1" "$2"
    limits "$1" "$2"
    cancels "$1" "$2"
    attacks "$1" "$2"
    [ "$1" = gw_wrapper ] || vms "$1" "$2"
    exit $T_FAILED
}

# The looks of every eighth (8 s) do not fall on its end.
lease_end() {
    T_FAILED=0
    trap - EXIT
    job end ./run GW_LEASE_S=67 GW_LEASE_FILE=../lease.none
    payload end 'exec sleep 100'
    run sh end
    t_check "a lease that is no multiple of the time between two looks ends in time" \
        test $(($(status end ENDED) - $(status end STARTED))) -lt 71
    exit $T_FAILED
}

pids=()
(lease_end) >"$T_DIR/out.end" 2>&1 &
pids+=($!)
for shell in dash "busybox sh" bash gw_wrapper; do
    name=${shell%% *}
    if [ "$name" != gw_wrapper ] && ! command -v "$name" >/dev/null; then
        t_skip "$shell: all cases" "it is not installed"
        continue
    fi
    (cases "$shell" "$name") >"$T_DIR/out.$name" 2>&1 &
    pids+=($!)
done
for pid in "${pids[@]}"; do
    wait "$pid" || T_FAILED=1
done
cat "$T_DIR"/out.*
t_done
