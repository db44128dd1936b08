# Of the rows that kill gwd: a daemon with a site of its own and users that outlive it, and the comparison of their ledgers.
# shellcheck shell=bash
# shellcheck source=tests/fault/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

TOOLS=$BUILD/fault
[ -x "$TOOLS/users" ] && [ -x "$TOOLS/ledger" ] && [ -x "$TOOLS/payload" ] || { echo "$TOOLS: not there; make tests" >&2 && exit 1; }

# crash_site DIR [LINE ...]: a state directory with a configuration; checkpoints are frequent there.
crash_site() {
    local dir=$1
    shift
    mkdir -p "$dir/site" "$dir/home" || return
    {
        printf 'STATE_DIR = "%s"\nSOCKET = "%s"\n' "$dir" "$dir/gwd.sock"
        printf 'IM_MAD = static:gw_im_static:--self localhost\\:16\\:file\\://%s/site:local:fork\n' "$dir"
        printf 'TM_MAD = local:gw_tm_local:\nEM_MAD = fork:gw_em_fork:-d %s/em:rsl\n' "$dir"
        printf 'CHECKPOINT_EVERY = 5\nKEEP_EVENTS = 20\nRETRY_INTERVAL = 1\nCANCEL_RETRY = 1\n'
        [ $# -eq 0 ] || printf '%s\n' "$@"
    } >"$dir/gwd.conf"
}

# crash_supervise DIR POINT ...: gwd runs, and again whenever it was killed, the first time with GW_CRASH=POINT, then with the
# next one, at last without; until it ends by itself or DIR/stop is there. DIR/pid is its process, DIR/ready what it says, DIR/ends
# how each ended.
crash_supervise() {
    local dir=$1 code
    shift
    while [ ! -e "$dir/stop" ]; do
        GW_CRASH=${1-} gwd -c "$dir/gwd.conf" >"$dir/ready" 2>>"$dir.log" </dev/null &
        echo $! >"$dir/pid.new" && mv "$dir/pid.new" "$dir/pid"
        wait $! 2>/dev/null
        code=$?
        echo "$code ${1-}" >>"$dir/ends"
        [ $code -eq 137 ] || break
        [ $# -eq 0 ] || shift
    done
    touch "$dir/over"
}

# crash_users DIR SEED JOBS [USERS [WAIT_S [ENOUGH [PADDING]]]]
crash_users() {
    local dir=$1
    shift
    "$TOOLS/users" "$dir/gwd.sock" "$dir/ledger" "$TOOLS/payload" "$dir/home" "$@" >"$dir/users.out" 2>&1
}

# crash_end DIR SUPERVISOR: the daemon is told to end, and awaited.
crash_end() {
    touch "$1/stop"
    while [ ! -e "$1/over" ]; do
        kill -TERM "$(cat "$1/pid")" 2>/dev/null # it may be one that was not there when last told
        t_within 2 test -e "$1/over"
    done
    wait "$2" 2>/dev/null
}

# crash_compare DIR WHAT: what a daemon has read from its disk, the users' and the site's account of it, and what is left.
crash_compare() {
    local dir=$1 what=$2 said
    GWD_DIR=$dir
    gwd_start >"$dir/said" 2>&1 || { crash_violation "$what: gwd does not start again" "$(cat "$dir/said")"; return; }
    said=$("$TOOLS/ledger" check "$GW_SOCKET" "$dir/ledger" "$dir/home") || crash_violation "$what" "$said"
    gwd_stop || crash_violation "$what: gwd does not end well" "$(tail -n 5 "$dir.log")"
    said=$("$TOOLS/ledger" left "$dir") || crash_violation "$what: something is left" "$said"
}

# crash_violation TEXT [DETAIL]: and what there is of it in $GWD_DIR.
crash_violation() {
    violation "$@"
    cp "$GWD_DIR.log" "$GWD_DIR/log" 2>/dev/null
    evidence "$GWD_DIR"
}
