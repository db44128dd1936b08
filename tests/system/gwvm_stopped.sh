#!/bin/bash
# gwvm's processes stopped for longer than the lease, and continued: of a replacement at another site a VM knows nothing, and so
# is gone before one may begin, or as soon as it goes on.
# limit: 300
# shellcheck disable=SC2016 # payloads expand in the guest
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/gwvm_lib.sh"

# lease SEQ: renewed.
lease() {
    printf 'GWLEASE 1\nINSTANCE=%s\nEPOCH=1\nSEQ=%s\n' "$instance" "$1" >../lease.new
    printf 'CKSUM=%s\n' "$(cksum <../lease.new)" >>../lease.new
    mv ../lease.new ../lease
}

# under_wrapper: a job runs with a lease that is renewed until `renew` goes. Sets wrapper, pid, worker and qemu. One guest
# boots at a time.
under_wrapper() {
    exec 8>"$T_DIR/boots"
    flock 8
    T_DIR=$T_DIR/stopped.$n && mkdir "$T_DIR" # for a lease of its own
    job 'i=0; while :; do echo $((i += 1)); sleep 1; done'
    printf "GW_TOKEN='%s'\nGW_INSTANCE='%s'\nGW_EPOCH='1'\nGW_EXECUTABLE=''\nGW_VM='yes'\nGWVM='%s'\n" \
        "$token" "$instance" "$gwvm" >job.ctl
    printf "GW_LEASE_S='8'\nGW_LEASE_FILE='../lease'\n" >>job.ctl
    touch renew && lease 1
    (i=1; while [ -e renew ]; do lease $((i += 1)); sleep 0.5; done) 2>/dev/null 8>&- &
    sh "$T_ROOT/wrappers/gw_wrapper.sh" </dev/null >wrapper.out 2>gwvm.log 8>&- &
    wrapper=$!
    guest_said started
    pid=$(pgrep -P $wrapper -x gwvm)
    worker=$(pgrep -P "$pid" -x gwvm)
    qemu=$(pgrep -f "guest=gw-$token,")
    exec 8>&-
    [ -n "$pid" ] && [ -n "$worker" ] && [ -n "$qemu" ] || t_not_ok "gwvm, its worker and QEMU run"
}
ended() { # PID ...: whoever inherits one may take its time to bury it
    local p
    for p; do ! grep -qE '^State:[[:space:]]+[^XZ]' "/proc/$p/status" 2>/dev/null || return 1; done
}
is_stopped_for() { # REASON
    [ "$(status STATE) $(status REASON) $(status BLAME)" = "failed $1 us" ]
}

# stopped N WHAT PID-NAME ...: these are stopped. The wrapper says how it ended, and gwd removes the directory, before they go on.
stopped() {
    local what=$2 pids=() name
    n=$1
    under_wrapper
    shift 2
    for name; do pids+=("${!name}"); done
    kill -STOP "${pids[@]}"
    rm renew
    t_check "$what stopped for longer than the lease: the wrapper ends the attempt" t_within 30 test -f status
    t_check "... for the lease's sake" is_stopped_for lease-expired
    t_check "... with its VM" ended "$qemu"
    rm -rf "$dir" # before what was stopped goes on
    kill -CONT "${pids[@]}" 2>/dev/null
    t_check "... and what goes on ends" t_within 20 ended "$wrapper" "$pid" "$worker" "$qemu"
    t_equal "... nothing is left" "" "$(left; find "$T_DIR" -mindepth 1 ! -name 'lease*')"
}

# As a batch system suspends a job.
suspended() {
    n=$1
    under_wrapper
    local pids
    mapfile -t pids < <(pgrep -P "$wrapper"; printf '%s\n' "$wrapper" "$worker" "$qemu")
    kill -STOP "${pids[@]}"
    rm renew
    sleep 10 # longer than the lease
    kill -CONT "${pids[@]}"
    t_check "a job that is suspended for longer than its lease is over when it goes on" t_within 5 ended "$qemu"
    t_within 20 ended "$wrapper"
    t_check "... for the lease's sake" is_stopped_for lease-expired
    t_equal "... nothing is left" "" "$(left)"
}
tries=()
(stopped 101 "gwvm's supervisor" pid; exit $T_FAILED) & tries+=($!)
(stopped 102 "gwvm's worker" worker; exit $T_FAILED) & tries+=($!)
(stopped 103 QEMU qemu; exit $T_FAILED) & tries+=($!)
(stopped 104 "gwvm and QEMU" pid worker qemu; exit $T_FAILED) & tries+=($!)
(suspended 105; exit $T_FAILED) & tries+=($!)
for try in "${tries[@]}"; do wait "$try" || T_FAILED=1; done
t_done
