#!/bin/bash
# A driver dies of some jobs, or hangs of them: these end, with a reason that says so, and the others do not suffer.
# limit: 240
. "$(dirname "$0")/lib.sh"
GWD_DIR=$T_DIR/gwd
mkdir -p "$GWD_DIR" && cd "$GWD_DIR" || exit 1

cat >script <<'EOF'
/^SUBMIT .*deadly/ -> !exit 3
/^SUBMIT .*numbing/ -> !none
RECOVER -> RECOVER %1 FAILURE not-found:us never started
EOF
cat >gwd.conf <<EOF
STATE_DIR = "$GWD_DIR"
SOCKET = "$GWD_DIR/gwd.sock"
IM_MAD = im:gw_fake:im -n 99:tm:em
TM_MAD = tm:gw_fake:tm
EM_MAD = em:gw_fake:em -s $GWD_DIR/script:rsl
RETRY_INTERVAL = 1
DRIVER_TIMEOUT = 1
EOF
gwd_start || t_not_ok "the daemon starts"

# jobs WORD: templates of 17 jobs, the ninth with that program.
jobs() {
    local i
    for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17; do
        printf 'EXECUTABLE = /bin/%s\nSTAGING = no\nNUMBER_OF_RETRIES = 1\nRESCHEDULE_ON_FAILURE = no\n' "$([ $i -eq 9 ] && echo "$1" || echo harmless)"
        [ $i -eq 17 ] || echo ---
    done
}

for word in deadly numbing; do
    mapfile -t ids < <(jobs $word | gwsubmit -v - 2>&1 | sed -n 's/^JOB ID: //p')
    timeout 100 gwwait "${ids[@]}" >/dev/null 2>&1
    gwps --json "${ids[@]}" | jq -r '.jobs[] | "\(.phase) \(.attempt) \(.reason.code)"' >"$word.ends"
    t_equal "$word: it ends, and says why" "FAILED 1 driver-died" "$(sed -n 9p $word.ends)"
    t_equal "$word: the others are done by their first attempt" "DONE 1 null" "$(sed 9d $word.ends | sort -u)"
done
t_check "the driver goes on" t_within 70 sh -c "gwhost --drivers --json | jq -e 'all(.status.drivers[]; .state == \"up\")'"
t_check "the daemon stops when told" gwd_stop
t_done
