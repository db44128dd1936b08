# The sections of bench/run: bench_NAME measures in the current directory, which is empty, and prints JSON lines.
# Of bench/run: $smoke, $section, $profile, $soak_s.
# shellcheck shell=bash disable=SC2154

if [ "${smoke-}" ]; then few=200 many=2000 million=5000 runs=2; else few=2000 many=100000 million=1000000 runs=9; fi

# figures_of SECTION: what it has to give.
figures_of() {
    case $1 in
    submit) echo submit.window100 submit.command submit.window1 ;;
    gwsubmit) echo gwsubmit.serial gwsubmit.parallel ;;
    store) echo mem.job mem.task ;;
    gwps) echo gwps.10000 gwps.json "$([ "$(id -u)" -ne 0 ] || echo gwps.user)" ;;
    *) grep -o "^$1\.[a-z0-9_]*" "$T_ROOT/bench/goals" ;;
    esac
}

# bench_gwd IM_ARGUMENTS EM [LINE ...]: a daemon of its own in ./gwd. Sets GW_SOCKET and GWD_PID.
bench_gwd() {
    GWD_DIR=$PWD/gwd
    mkdir -p gwd/site
    {
        printf 'STATE_DIR = "%s"\nSOCKET = "%s"\n' "$GWD_DIR" "$GWD_DIR/gwd.sock"
        printf 'IM_MAD = static:gw_im_static:%s:local:exec\nTM_MAD = local:gw_tm_local:\nEM_MAD = exec:%s:rsl\n' "$1" "$2"
        shift 2
        [ $# -eq 0 ] || printf '%s\n' "$@"
    } >gwd/gwd.conf
    gwd_start || return
    PROFILER=
    [ -z "${profile-}" ] || {
        "$T_ROOT/bench/profile" "$GWD_PID" "$profile/$section.svg" "gwd: $section" >&2 &
        PROFILER=$!
        sleep 1 # perf attaches; it does not say when it has
    }
}

bench_end() {
    gwd_stop
    [ -z "$PROFILER" ] || wait "$PROFILER"
}

# Ten hosts of a hundred slots, as attributes on paper; what runs there ends at once.
null_grid() {
    local i
    for i in 0 1 2 3 4 5 6 7 8 9; do
        cat >"host$i" <<HOST
HOSTNAME="host$i" ARCH="x86_64" OS_NAME="Linux" CPU_SMP=100 CPU_FREE=10000 NODECOUNT=100 LRMS_NAME="null" LRMS_TYPE="null" STAGE_URL="file://$PWD/site"
QUEUE_NAME[0]="q" QUEUE_NODECOUNT[0]=100 QUEUE_FREENODECOUNT[0]=100
HOST
        echo "host$i $PWD/host$i"
    done >hosts
    bench_gwd "-l $PWD/hosts" "$BUILD/bench/em_null:" "$@"
}

this_machine() { # SLOTS [LINE ...]
    local slots=$1
    shift
    bench_gwd "--self localhost\\:$slots\\:file\\://$PWD/site" "gw_em_fork:-d $PWD/journal" "$@"
}

bare_template() {
    printf 'EXECUTABLE = /bin/true\nSTAGING = no\n%s\n' "${1-}" >bare.jt
}

bench_submit() {
    bare_template 'REQUIREMENTS = HOSTNAME = "none"'
    null_grid || return
    "$BUILD/bench/clients" submit "$GW_SOCKET" "$many" 100 "$GWD_PID"
    "$BUILD/bench/clients" submit "$GW_SOCKET" "$few" 1 "$GWD_PID"
    submit_by_command
    bench_end
}

# The same through gwsubmit -, the command's start included.
submit_by_command() {
    local jobs start
    jobs=$((many / 5))
    awk -v n="$jobs" '{ text = text $0 "\n" } END { for (i = 0; i < n; i++) printf "%s---\n", text }' bare.jt >templates
    start=$(date +%s%N)
    gwsubmit - <templates || return
    printf '{"name":"submit.command","value":%s,"unit":"jobs/s"}\n' "$((jobs * 1000000000 / ($(date +%s%N) - start)))"
}

bench_gwsubmit() {
    bare_template 'REQUIREMENTS = HOSTNAME = "none"'
    null_grid || return
    "$BUILD/bench/clients" spawn-submit "$GW_SOCKET" "$few" 1
    "$BUILD/bench/clients" spawn-submit "$GW_SOCKET" "$few" 8
    bench_end
}

bench_array() {
    bare_template
    this_machine 16 "TASKS_PER_ARRAY = 1000000" || return
    "$BUILD/bench/array" "$GW_SOCKET" "$million" bare.jt
    bench_end
}

bench_e2e() {
    bare_template
    null_grid || return
    "$BUILD/bench/e2e" flow "$GW_SOCKET" "$many" 400 bare.jt e2e "$GWD_PID"
    bench_end
}

bench_fork() {
    bare_template
    this_machine 16 || return
    "$BUILD/bench/e2e" flow "$GW_SOCKET" "$few" 100 bare.jt fork "$GWD_PID"
    bench_end
}

bench_one() {
    bare_template
    this_machine 4 || return
    "$BUILD/bench/e2e" one "$GW_SOCKET" 200 bare.jt one
    bench_end
}

# On ext4 without a journal, as on some virtual machines, whoever makes a file looks at every inode that was removed in
# the last minute, and each round is slower than the one before. There root measures on an ext4 of its own, with one.
bench_staged() {
    local device
    device=$(findmnt -nvo SOURCE -T .)
    if [ "$(id -u)" -eq 0 ] && [ "$(findmnt -no FSTYPE -T .)" = ext4 ] && ! tune2fs -l "$device" 2>/dev/null | grep -q has_journal; then
        truncate -s 2G image && mkfs.ext4 -q -F image && mkdir mnt && mount -o loop image mnt || return
        trap 'cd "$T_DIR/work" && umount mnt' EXIT
        cd mnt || return
    fi
    "$T_ROOT/bench/staged" "$few"
}

bench_sched() {
    "$BUILD/bench/sched" "$million"
}

bench_store() {
    "$BUILD/bench/store" . "$million"
}

# Until the daemon says that it is ready: it has read its state and opened its socket.
bench_restart() {
    local n start
    for n in 100000 1000000; do
        rm -rf gwd && mkdir gwd && "$BUILD/bench/store" keep gwd "$([ -z "$smoke" ] && echo "$n" || echo 1000)" || return
        start=$(date +%s%N)
        null_grid || return
        printf '{"name":"restart.%s","value":%s,"unit":"ms"}\n' "$n" "$((($(date +%s%N) - start) / 10000))e-2"
        bench_end
    done
}

# N jobs that stay pending, by the user who asks.
pending_jobs() {
    "$BUILD/bench/clients" submit "$GW_SOCKET" "$1" 500 "$GWD_PID" >/dev/null
}

bench_gwps() {
    bare_template 'REQUIREMENTS = HOSTNAME = "none"'
    null_grid || return
    pending_jobs 10000
    "$BUILD/bench/time" gwps.10000 "$runs" "$BUILD/bin/gwps"
    "$BUILD/bench/time" gwps.json "$runs" "$BUILD/bin/gwps" --json
    bench_end
    [ "$(id -u)" -ne 0 ] || gwps_among_others
}

as_nobody() {
    exec setpriv --reuid=nobody --regid=nogroup --clear-groups -- "$@"
}

# A daemon takes jobs of its own user and of root: nobody has a million, root a hundred.
gwps_among_others() {
    rm -rf gwd && mkdir gwd && chown nobody gwd && chmod 711 "$T_DIR" . || return
    gwd() { as_nobody "$BUILD/bin/gwd" "$@"; }
    null_grid || return
    unset -f gwd
    (as_nobody "$BUILD/bench/clients" submit "$GW_SOCKET" "$million" 500) >/dev/null
    pending_jobs 100
    "$BUILD/bench/time" gwps.user "$runs" "$BUILD/bin/gwps" -u root
    bench_end
}

# Jobs that do not start: an event each.
bench_watch() {
    bare_template 'REQUIREMENTS = HOSTNAME = "none"'
    null_grid || return
    "$BUILD/bench/clients" watch "$GW_SOCKET" "$([ -z "$smoke" ] && echo 1000 || echo 20)" 1 1000
    bench_end
}

# Retention is short, so that most of the hour runs at its full level.
bench_soak() {
    bare_template
    null_grid "JOB_RETENTION = 2m" "ARCHIVE_RETENTION = 5m" "KEEP_EVENTS = 20000" || return
    "$BUILD/bench/soak" "$GW_SOCKET" "$GWD_PID" "$GWD_DIR" 200 "$soak_s" bare.jt
    bench_end
}
