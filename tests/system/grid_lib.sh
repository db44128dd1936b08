# Helpers of the tests that need a grid: `. "$(dirname "$0")/lib.sh"`, then `. "$(dirname "$0")/grid_lib.sh"`, then
# grid_up. gwd runs in the grid's client namespace; its clients need no network and run where the test does.
# shellcheck shell=bash

T_GRID=$T_ROOT/tests/grid/grid
# shellcheck disable=SC2034 # for the scripts
PAYLOAD_LOG=/var/log/grid/payloads # at a site; append-only

grid() {
    "$T_GRID" "$@"
}

# Where gwd_start of lib.sh starts it.
gwd() {
    exec "$T_GRID" exec client "$BUILD/bin/gwd" "$@"
}

# grid_up [ARGUMENT of grid up ...]: a grid of this test's own. Without root or the packages the script ends, with one line.
grid_up() {
    local out
    if [ "$(id -u)" -ne 0 ]; then
        t_skip "$(basename "$0")" "a grid needs root, for namespaces and mounts"
        exit 0
    fi
    if ! command -v globus-gatekeeper >/dev/null || [ ! -x "$BUILD/libexec/gw_em_gram5" ]; then
        t_skip "$(basename "$0")" "Globus is not installed; make deps"
        exit 0
    fi
    chmod 711 "$T_DIR"
    export GRID=$T_DIR/grid
    trap grid_cleanup EXIT
    if ! out=$(grid up --owner $$ "$@" 2>&1); then
        t_not_ok "a grid comes up" "$out"
        exit 1
    fi
    eval "$(grid env)"
}

grid_cleanup() {
    [ -z "$GWD_PID" ] || t_end "$GWD_PID"
    GWD_PID=
    [ -z "${T_KEEP-}" ] || cp -r "$T_DIR" "$T_KEEP"
    grid down
    t_cleanup
}

# grid_gwd [LINE of gwd.conf ...]: a daemon that knows the grid's sites, ready, with hosts that take jobs.
grid_gwd() {
    GWD_DIR=$T_DIR/gwd
    grid conf "$GWD_DIR" "$@" && gwd_start && t_within 20 grid_hosts_known
}

grid_hosts_known() {
    [ "$(gwhost -n 2>/dev/null | grep -c '\.grid\.test')" -eq "$(grid sites | wc -w)" ]
}

# grid_gram_starts [SITE ...]: "SITE TOKEN" of each job that a GRAM script has started, of gwd's jobs only.
grid_gram_starts() {
    local s
    # shellcheck disable=SC2046
    [ $# -gt 0 ] || set -- $(grid sites)
    for s; do grid starts "$s" | awk -v s="$s" '$4 != "-" { print s, $4 }'; done
}

# grid_payloads [SITE ...]: "SITE LINE" of each line that a payload has written.
grid_payloads() {
    local s
    # shellcheck disable=SC2046
    [ $# -gt 0 ] || set -- $(grid sites)
    for s; do grid payloads "$s" | sed "s/^/$s /"; done
}

# grid_left SITE: what jobs left behind: processes, and files of their own below the homes. Nothing, if all is well.
grid_left() {
    # shellcheck disable=SC2016
    grid exec "$1" bash -c '
        for d in /proc/[0-9]*; do
            case $(stat -c %u $d 2>/dev/null) in 6100[12]) ;; *) continue ;; esac
            command=$(tr "\0" " " <$d/cmdline) 2>/dev/null
            case $command in *globus-job-manager* | *globus-gridftp-server* | "") ;; *) echo "process ${d#/proc/} $command" ;; esac
        done
        find /home -mindepth 2 -maxdepth 2 -name ".gw_*" ! -name .gw_cache ! -name ".gw_lease_*" ! -name ".gw_epoch_*" | sed "s/^/file /"'
}

# bg_submit NAME ARGUMENT ...: gwsubmit -v --wait --exit-with-job in the background, several at a time. What it says is in
# NAME.said, its exit code, when it has ended, in NAME.code.
bg_submit() {
    local name=$1
    shift
    rm -f "$name.said" "$name.code"
    (
        gwsubmit -v --wait --exit-with-job "$@" >"$name.said" 2>&1 </dev/null
        echo $? >"$name.code.new"
        mv "$name.code.new" "$name.code"
    ) &
    T_PIDS+=($!)
}

# bg_until NAME ERE [SECONDS]: NAME has said it.
bg_until() {
    t_within "${3:-60}" grep -qE -- "$2" "$1.said" || {
        echo "it said:"
        cat "$1.said"
        return 1
    }
}

# Of an array the array's.
bg_id() {
    sed -En 's/^(JOB|ARRAY) ID: //p' "$1.said"
}

# bg_end SENTENCE NAME CODE [SECONDS]: it ends with CODE. What it said is shown when not.
bg_end() {
    t_within "${4:-120}" test -s "$2.code"
    if [ "$(cat "$2.code" 2>/dev/null)" = "$3" ]; then
        t_ok "$1"
    else
        t_not_ok "$1" "expected exit code $3, got $(cat "$2.code" 2>/dev/null || echo none)" "$(cat "$2.said")" \
            "$(gwps --why "$(bg_id "$2")" 2>&1)" "$(gwhistory "$(bg_id "$2")" 2>&1)" "$(tail -n 15 "$GWD_DIR.log")"
    fi
}

# grid_once SENTENCE: no line of a payload, and no attempt in GRAM, stands twice in the sites' records.
grid_once() {
    t_equal "$1" "" "$({ grid_payloads | cut -d ' ' -f 2-; grid_gram_starts | cut -d ' ' -f 2-; } | sort | uniq -d)"
}

grid_has_nothing() {
    [ -z "$(grid_left "$1")" ]
}

# grid_clean: no site has anything left of jobs.
grid_clean() {
    local s
    for s in $(grid sites); do
        t_within 15 grid_has_nothing "$s"
        t_equal "nothing is left at $s" "" "$(grid_left "$s")"
    done
}

# grid_filter DRIVER: makes $T_DIR/DRIVER, for gwd.conf in the place of the driver itself. Between gwd and the driver it
# runs $T_DIR/act, with DRIVER and FILTER in its environment, once, when the line comes that $T_DIR/at names: "request VERB",
# before the line is passed on to the driver; "passed VERB", after; "soon VERB", 0.15 s after; "answer VERB", before the
# driver's line is passed on to gwd.
grid_filter() {
    cat >"$T_DIR/$1" <<X
#!/bin/bash
coproc D { exec '$BUILD/libexec/$1' "\$@"; }
export DRIVER=\$D_PID FILTER=\$\$
exec {to}>&"\${D[1]}" {from}<&"\${D[0]}" {mine}<&0
is_at() {
    read -r at 2>/dev/null <'$T_DIR/at' && [ "\$at" = "\$1" ] && rm '$T_DIR/at'
} 2>/dev/null
while IFS= read -r line; do
    verb=\${line%% *}
    ! is_at "request \$verb" || '$T_DIR/act'
    printf '%s\n' "\$line" >&\$to
    ! is_at "passed \$verb" || '$T_DIR/act'
    ! is_at "soon \$verb" || { sleep 0.15; '$T_DIR/act'; }
done <&\$mine &
reader=\$!
exec {to}>&-
while IFS= read -r line; do
    ! is_at "answer \${line%% *}" || '$T_DIR/act'
    printf '%s\n' "\$line"
done <&\$from
kill -KILL \$reader
X
    chmod +x "$T_DIR/$1" "$T_DIR/act"
}

# --- a driver alone, spoken with in lines: a script's `start` sets IN and OUT, its descriptors, and SEEN=() ---

say() {
    printf '%s\n' "$@" >&"$IN"
}

# hear ERE [SECONDS]: the next line that matches, in LINE; others are kept for the next hear.
hear() {
    local end=$((SECONDS + ${2:-30})) i
    for i in "${!SEEN[@]}"; do
        LINE=${SEEN[i]}
        if [[ $LINE =~ ^$1 ]]; then
            unset "SEEN[i]"
            return 0
        fi
    done
    while [ $SECONDS -le $end ] && IFS= read -r -t $((end - SECONDS + 1)) LINE <&"$OUT"; do
        [[ $LINE =~ ^$1 ]] && return 0
        SEEN+=("$LINE")
    done
    LINE="(no line matches $1; others: ${SEEN[*]-})"
    return 1
}

# told SENTENCE ERE [SECONDS]: a case: such a line comes.
told() {
    if hear "$2" "${3-}"; then t_ok "$1"; else t_not_ok "$1" "$LINE" "$(tail -n 3 driver.log)"; fi
}
