#!/bin/bash
# row: gwd cut off from real sites for 1 s to 5 min, in each phase; two gwd that believe they own a job
# limit: 900
#
# Sites are cut in three ways at a time: the cable out, packets dropped without a word, the gatekeeper gone. At each, jobs are
# in every phase: files on their way in, being submitted, running, ending unheard, files on their way home. FAULT_ONLY=two
# runs the part with two daemons alone, which needs no grid; FAULT_ONLY=grid the other.
#
# With two daemons each job with a lease runs for several leases, so that these have to act: the one that was started on the copy
# goes on with it, and over both daemons one result of one attempt is accepted, and no two attempts beat at a time.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/../system/grid_lib.sh"
PAYLOAD=$BUILD/fault/payload
[ -x "$PAYLOAD" ] || skip_row "build/fault is not made: make tests"
trials=0 note=''

# --- two daemons with one state ---

# A daemon's configuration: DIR NAME; the site and the memory of its execution driver are shared.
two_conf() {
    mkdir -p "$1" "$T_DIR/site"
    printf '%s\n' "STATE_DIR = \"$1\"" "SOCKET = \"$1.sock\"" \
        "IM_MAD = static:gw_im_static:--self localhost\\:40\\:file\\://$T_DIR/site:local:fork" \
        "TM_MAD = local:gw_tm_local:" "EM_MAD = fork:gw_em_fork:-d $T_DIR/em:rsl" \
        "RETRY_INTERVAL = 1" "LEASE_MARGIN = 2" "CANCEL_RETRY = 2" "SITE_FAILURES = 0" >"$1.conf"
}

# two_start DIR: ready when it returns; its process is in TWO_PID.
two_start() {
    local line=
    rm -f "$1.ready" && mkfifo "$1.ready"
    "$BUILD/bin/gwd" -c "$1.conf" >"$1.ready" 2>>"$1.log" </dev/null &
    TWO_PID=$!
    T_PIDS+=("$TWO_PID")
    exec {ready}<"$1.ready"
    read -r -t 30 line <&"$ready"
    [ "$line" = ready ] || violation "a gwd on $1 does not start" "$(tail -n 5 "$1.log")"
}

# two_job DIR NAME TEXT MS [LINE ...]: its program keeps the site's account, and its output is TEXT.
two_job() {
    local dir=$1 name=$2 text=$3 ms=$4
    shift 4
    mkdir -p "$dir.jobs"
    printf 'EXECUTABLE = /bin/sh\nARGUMENTS = -c '"'%s %s 0 %s; echo %s'\n" "$PAYLOAD" "$T_DIR/ledger" "$ms" "$text" >"$dir.jobs/$name.jt"
    [ $# -eq 0 ] || printf '%s\n' "$@" >>"$dir.jobs/$name.jt"
    two_submit "$dir" "$name"
}

two_submit() { # DIR NAME
    (
        cd "$1.jobs" || exit
        GW_SOCKET=$1.sock gwsubmit -v --wait --exit-with-job -t "$2.jt" >"$2.said" 2>&1 </dev/null
        echo $? >"$2.code"
    ) &
    T_PIDS+=($!)
}

# two_leased DIR NAME MS: its program beats until its time is over.
two_leased() {
    mkdir -p "$1.jobs"
    cat >"$1.jobs/$2.sh" <<X
#!/bin/sh
token=\$(echo claim.*)
echo "start \$token" >>$T_DIR/ledger
n=0
while [ \$n -lt $(($3 / 200)) ]; do
    echo "beat \$token leased.$2 \$(cut -d ' ' -f 1 /proc/uptime)" >>$1.beats
    sleep 0.2
    n=\$((n + 1))
done
X
    chmod +x "$1.jobs/$2.sh"
    printf '%s\n' "EXECUTABLE = $2.sh" 'LEASE = 3' 'ON_LOST = retry-after-lease' >"$1.jobs/$2.jt"
    two_submit "$1" "$2"
}

two_accepted() { # DIR ID: how many of its attempts
    GW_SOCKET=$1.sock gwhistory --json "$2" | jq '[.attempts[] | select(.ended != null and .reason == null)] | length'
}

two_has_result() { # DIR DIR ID
    GW_SOCKET=$1.sock gwps -n "$3" | grep -q ' done done ' || GW_SOCKET=$2.sock gwps -n "$3" | grep -q ' done done '
}

two_has_ended() { # DIR ...
    local file dir
    for dir; do for file in "$dir".jobs/[wn]*.jt; do [ -s "${file%.jt}.code" ] || return 1; done; done
}

# two_round HOW: the state is copied while jobs run, by --backup and --restore or by cp, and a second gwd is started on it.
two_round() {
    local how=$1 a=$T_DIR/a.$1 b=$T_DIR/b.$1 file twice i unit
    unit=$(share 2000 1200)
    : >>"$T_DIR/ledger"
    two_conf "$a"
    two_start "$a"
    for i in 1 2 3; do two_job "$a" "wait$i" "wait$i" $((i * unit)); done
    for i in 1 2; do two_leased "$a" "lease$i" $((6000 + i * 3000)); done
    t_within 30 sh -c "[ \$(grep -l running '$a'.jobs/*.said | wc -l) -eq 5 ]" || violation "$how: jobs do not run"
    two_conf "$b"
    if [ "$how" = backup ]; then
        { "$BUILD/bin/gwd" -c "$a.conf" --backup "$b.backup" && "$BUILD/bin/gwd" -c "$b.conf" --restore "$b.backup"; } >"$b.log" 2>&1 ||
            violation "the state cannot be copied" "$(cat "$b.log")"
    else
        kill -STOP "$TWO_PID" # a copy of files that change is none
        rm -rf "$b" && cp -a "$a" "$b"
        kill -CONT "$TWO_PID"
    fi
    two_start "$b"
    # From here on both number their jobs alike.
    for i in 1 2 3; do two_job "$a" "new$i" "a$i" 500 && two_job "$b" "new$i" "b$i" 500; done
    t_within 90 two_has_ended "$a" "$b" || violation "$how: jobs do not end" "$(GW_SOCKET=$a.sock gwps)" "$(GW_SOCKET=$b.sock gwps)"
    for file in "$a".jobs/new*.code "$b".jobs/new*.code; do
        trials=$((trials + 1))
        [ "$(cat "$file")" = 0 ] || violation "$how: $(basename "${file%.code}") of $(basename "$(dirname "$file")") ends with $(cat "$file")" "$(cat "${file%.code}.said")"
    done
    # Of the jobs that both follow one brings the result home, or both do; who comes late may find nothing any more.
    for file in "$a".jobs/wait*.said; do
        trials=$((trials + 1))
        t_within 60 two_has_result "$a" "$b" "$(sed -n 's/^JOB ID: //p' "$file")" ||
            violation "$how: nobody has the result of $(basename "${file%.said}")" "$(cat "$file")" "$(GW_SOCKET=$b.sock gwps)"
    done
    two_leases "$how" "$a" "$b"
    for i in 1 2 3; do
        two_output "$a" "a$i"
        two_output "$b" "b$i"
    done
    twice=$(grep '^start ' "$T_DIR/ledger" | sort | uniq -d)
    [ -z "$twice" ] || violation "$how: an attempt was started twice" "$twice"
    for dir in "$a" "$b"; do
        for i in 1 2 3 4 5 6 7 8; do
            twice=$(two_accepted "$dir" "$i")
            [ "${twice:-2}" -le 1 ] || violation "$how: $twice attempts of job $i of $(basename "$dir") were accepted"
        done
    done
}

# two_leases HOW DIR DIR: jobs with a lease are the later daemon's, and the other one says so.
two_leases() {
    local file id n
    for file in "$2".jobs/lease*.said; do
        trials=$((trials + 1))
        id=$(sed -n 's/^JOB ID: //p' "$file")
        t_within 60 sh -c "GW_SOCKET='$3.sock' gwps -n $id | grep -q ' done done '" ||
            violation "$1: the later daemon has no result of $(basename "${file%.said}")" "$(GW_SOCKET=$3.sock gwps)" "$(tail -n 5 "$3.log")"
        n=$(two_accepted "$2" "$id")+$(two_accepted "$3" "$id")
        [ "$n" = 0+1 ] || violation "$1: of $(basename "${file%.said}") the two daemons have accepted $n results" "$(cat "$file")"
        GW_SOCKET=$2.sock gwps --why "$id" | grep -q 'later copy' ||
            violation "$1: why the earlier daemon has no result is not said" "$(GW_SOCKET=$2.sock gwps --why "$id")"
    done
    GW_SOCKET=$2.sock gwhost --drivers | grep -q 'knows of a later run' || violation "$1: the earlier daemon's operator is not told"
    [ -z "$(overlaps <"$2.beats")" ] || violation "$1: two attempts with a lease ran at a time" "$(overlaps <"$2.beats")"
}

# A result that is another daemon's would be worse than none.
two_output() { # DIR TEXT
    grep -rqx "$2" "$1".jobs/stdout.* || violation "$(basename "$1") has not the output of its own job $2" "$(head "$1".jobs/stdout.*)"
}

two_daemons() {
    two_round backup
    [ -n "$FAULT_SHARE" ] || two_round cp
    for pid in $(jobs -p); do kill -TERM "$pid" 2>/dev/null; done
    progress "two daemons with one state"
}

# --- cut off ---
# Of a grid, or, where there is none and for the share, of sites of this machine, each with drivers of its own: to stop them is
# to cut it off.

on() { # SITE COMMAND ...
    if [ "$MODE" = grid ]; then grid exec "$@"; else "${@:2}"; fi
}

records() { # what payloads wrote, without the site
    if [ "$MODE" = grid ]; then grid_payloads | cut -d ' ' -f 2-; else cat "$PAYLOAD_LOG"; fi
}

sites_up() {
    if [ "$MODE" = grid ]; then
        GO=/tmp/go
        grid_up
        mkdir home && cd home || exit 1
        grid_gwd 'RETRY_INTERVAL = 2' 'POLL_INTERVAL = 10' 'BACKOFF_MAX = 20' 'LEASE_MARGIN = 5' || violation "a gwd with sites becomes ready"
        return
    fi
    GWD_DIR=$T_DIR/gwd GO=$T_DIR/go PAYLOAD_LOG=$T_DIR/payloads
    local site
    mkdir -p home "$GWD_DIR" && : >"$PAYLOAD_LOG" && cd home || exit 1
    for site in $SITES; do
        mkdir "$T_DIR/$site"
        ln -s "$BUILD/libexec/gw_tm_local" "$T_DIR/tm-$site"
        ln -s "$BUILD/libexec/gw_em_fork" "$T_DIR/em-$site"
        printf '%s\n' "IM_MAD = $site:gw_im_static:--self $site.local\\:20\\:file\\://$T_DIR/$site:tm-$site:em-$site" \
            "TM_MAD = tm-$site:$T_DIR/tm-$site:" "EM_MAD = em-$site:$T_DIR/em-$site:-d $T_DIR/$site.em:rsl"
    done >"$GWD_DIR/gwd.conf"
    printf '%s\n' "STATE_DIR = \"$GWD_DIR\"" "SOCKET = \"$GWD_DIR/gwd.sock\"" 'RETRY_INTERVAL = 2' 'POLL_INTERVAL = 10' \
        'BACKOFF_MAX = 20' 'LEASE_MARGIN = 5' >>"$GWD_DIR/gwd.conf"
    unset -f gwd # that of grid_lib.sh
    gwd_start || violation "a gwd with sites becomes ready"
}

# job NAME SITES SECONDS-OR-go [LINE ...]: writes down when it runs; ends after that time or when it is told, with code 9.
job() {
    local name=$1 site=$2 until=$3
    shift 3
    [ "$until" != go ] || until=100000
    cat >"$name.sh" <<X
#!/bin/sh
token=\$(echo claim.*)
echo "start \$token $name" >>$PAYLOAD_LOG
n=0
until [ -e $GO.$name ] || [ \$n -ge $((until * 5)) ]; do
    echo "beat \$token $name \$(cut -d ' ' -f 1 /proc/uptime)" >>$PAYLOAD_LOG
    sleep 0.2
    n=\$((n + 1))
done
[ ! -e big.want ] || head -c 6000000 /dev/zero >big.out
exit 9
X
    chmod +x "$name.sh"
    printf 'EXECUTABLE = %s.sh\nREQUIREMENTS = %s\n' "$name" "$site" >"$name.jt"
    [ $# -eq 0 ] || printf '%s\n' "$@" >>"$name.jt"
    bg_submit "$name" -t "$name.jt"
}

at() { echo "HOSTNAME = \"$1.*\""; }

drivers_of() { # SITE; gw_em_fork is two processes
    local pids
    pids=$(pgrep -d , -P "$GWD_PID" -f "$T_DIR/[te]m-$1") && pgrep -P "$GWD_PID,$pids" -f "$T_DIR/[te]m-$1"
}

# Not named cut, which would hide the program.
sever() { # WAY SITE
    case $1 in
    down) grid exec "$2" ip link set eth0 down ;;
    drop) grid link cut "$2" ;;
    gatekeeper) grid kill gatekeeper "$2" ;;
    stop) for pid in $(drivers_of "$2"); do kill -STOP "$pid"; done ;;
    esac
}

mend() { # WAY SITE
    case $1 in
    down) grid exec "$2" ip link set eth0 up ;;
    drop) grid link restore "$2" ;;
    gatekeeper) grid start gatekeeper "$2" ;;
    stop) for pid in $(drivers_of "$2"); do kill -CONT "$pid"; done ;;
    esac
}

rate() { # SITE MBIT
    [ "$MODE" != grid ] || grid link rate "$@"
}

# An attempt that the site had taken was replaced. One that was never handed over may be: after NUMBER_OF_RETRIES the job is
# tried elsewhere, or here later.
is_given_up() { # NAME
    ! gwhistory --json "$(bg_id "$1")" | jq -e '.attempts | sort_by(.attempt) | length > 0 and (.[:-1] | all(.contact == null))' >/dev/null
}

# cut_once WAY SITE SECONDS: jobs in every phase, then a cut; none may fail, none may run twice.
cut_once() {
    local way=$1 site=$2 seconds=$3 n=$1.$3 name names i
    rate "$site" 16
    job "run.$n" "$(at "$site")" go && job "ends.$n" "$(at "$site")" go
    job "home.$n" "$(at "$site")" 1 'INPUT_FILES = big.want' 'OUTPUT_FILES = big.out big.out.'"$n"
    bg_until "run.$n" ' running' && bg_until "ends.$n" ' running' || violation "$way, $seconds s: two jobs run" "$(cat "run.$n.said" "ends.$n.said")"
    bg_until "home.$n" 'epilog: ' || violation "$way, $seconds s: one job is on its way home" "$(cat "home.$n.said")"
    job "in.$n" "$(at "$site")" 1 'INPUT_FILES = big.in' 'NUMBER_OF_RETRIES = 100'
    bg_until "in.$n" 'prolog: '
    # Of these some are being submitted.
    for i in 1 2 3 4; do
        if [ $i -le 2 ]; then job "sub$i.$n" "$(at "$site")" 1 'NUMBER_OF_RETRIES = 100'; else job "free$i.$n" "$(at "$site")" 1; fi
        sleep 0.25
    done
    names="run.$n ends.$n home.$n in.$n sub1.$n sub2.$n free3.$n free4.$n"
    sever "$way" "$site"
    on "$site" touch "$GO.ends.$n"
    sleep "$seconds"
    mend "$way" "$site"
    rate "$site" off
    on "$site" touch "$GO.run.$n"
    for name in $names; do
        t_within 150 test -s "$name.code"
        if [ "$(cat "$name.code" 2>/dev/null)" = 9 ]; then
            # Those who asked for it wait for their site in every phase.
            [[ $name == free* ]] || ! grep -q 'tried again' "$name.said" ||
                violation "$way for $seconds s: $name was tried again" "$(cat "$name.said")"
            ! is_given_up "$name" || violation "$way for $seconds s: $name was given up while the site had it" "$(cat "$name.said")"
        else
            violation "$way for $seconds s: $name ends with $(cat "$name.code" 2>/dev/null || echo nothing)" "$(cat "$name.said")" \
                "$(gwps --why "$(bg_id "$name")" 2>&1)" "$(tail -n 5 "$GWD_DIR.log")"
        fi
        echo x >>"$T_DIR/trials"
    done
    records >"records.$n"
    for name in $names; do
        i=$(grep -c "^start [^ ]* $name\$" "records.$n")
        [ "$i" -eq 1 ] || violation "$way for $seconds s: $name ran $i times" "$(cat "$name.said")"
    done
    [ "$(stat -c %s "big.out.$n" 2>/dev/null)" = 6000000 ] || violation "$way for $seconds s: what came home is not whole"
    progress "$way for $seconds s"
}

cuts() { # WAY SITE SECONDS ...
    local way=$1 site=$2 seconds
    shift 2
    for seconds; do cut_once "$way" "$site" "$seconds"; done
}

# replaced WAY SITE OTHER SECONDS: jobs that may be replaced while nobody hears of them, at the other site. With a lease never
# two at a time, and in both cases one result.
replaced() {
    local way=$1 site=$2 other=$3 n=$1.$4 name
    job "leased.$n" "$(at "$site") | $(at "$other")" go "RANK = (HOSTNAME = \"$site.*\")" 'LEASE = 20' 'ON_LOST = retry-after-lease'
    job "now.$n" "$(at "$site") | $(at "$other")" go "RANK = (HOSTNAME = \"$site.*\")" 'ON_LOST = retry-now'
    for name in "leased.$n" "now.$n"; do bg_until "$name" ' running' || violation "$name runs" "$(cat "$name.said")"; done
    sever "$way" "$site"
    sleep "$4"
    mend "$way" "$site"
    sleep 20 # both may run now
    for name in "leased.$n" "now.$n"; do
        on "$site" touch "$GO.$name"
        on "$other" touch "$GO.$name"
        t_within 120 test -s "$name.code"
        [ "$(cat "$name.code" 2>/dev/null)" = 9 ] || violation "$name ends with $(cat "$name.code" 2>/dev/null || echo nothing)" "$(cat "$name.said")"
        [ "$(grep -c 'results are home' "$name.said")" -eq 1 ] || violation "$name: not one result is accepted" "$(cat "$name.said")"
        echo x >>"$T_DIR/trials"
    done
    progress "jobs that may be replaced, cut off for $4 s"
}

# Of the attempts of a leased job none beats while another one does: the spans from first to last beat are apart.
overlaps() {
    awk '$1 == "beat" && $3 ~ /^leased/ {
        if (!($2 in first) || $4 < first[$2]) first[$2] = $4
        if ($4 > last[$2]) last[$2] = $4
        job[$2] = $3 }
        END { for (x in first) for (y in first)
            if (x < y && job[x] == job[y] && first[x] <= last[y] && first[y] <= last[x])
                print job[x] ": " x " " first[x] "-" last[x] ", " y " " first[y] "-" last[y] }'
}

# What jobs left at the sites, also those that were replaced: directories of attempts; of a grid, processes as well.
left() {
    local site
    for site in $SITES; do
        if [ "$MODE" = grid ]; then grid_left "$site"; else ls -d "$T_DIR/$site"/.gw_*.*.*.*.* 2>/dev/null; fi
    done
}

nothing_left() {
    [ -z "$(left)" ]
}

all_cuts() {
    local pids=() pid
    if [ -n "$FAULT_SHARE" ]; then
        cuts stop site-a 2
        return
    elif [ "$MODE" = grid ]; then
        cuts down site-a 1 10 60 300 & pids+=($!)
        cuts drop site-b 1 10 60 300 & pids+=($!)
        cuts gatekeeper site-c 1 10 60 300 & pids+=($!)
        for pid in 5 60 120; do replaced drop site-d site-e $pid; done & pids+=($!)
    else
        cuts stop site-a 1 10 60 300 & pids+=($!)
        for pid in 5 60; do replaced stop site-d site-e $pid; done & pids+=($!)
    fi
    parts_end "${pids[@]}"
}

# Killed hard while its site is cut off, a job is over; its program is ended and its directory removed when the site is back, also
# by the next gwd: drivers that were told before are gone by then.
killed_hard() {
    local site=$1 name=hard.$$ pid
    job "$name" "$(at "$site")" go
    bg_until "$name" ' running' || violation "$name runs" "$(cat "$name.said")"
    sever stop "$site"
    gwkill -9 "$(bg_id "$name")" >/dev/null || violation "a job of a site that is cut off cannot be killed hard"
    pid=$(drivers_of "$site")
    gwd_kill9
    # shellcheck disable=SC2086
    kill -KILL $pid 2>/dev/null
    pgrep -f "$name.sh" >/dev/null || violation "$name has ended by itself"
    gwd_start || violation "a gwd becomes ready again"
    t_within 60 nothing_left || violation "what was killed hard is left" "$(left)"
    ! pgrep -f "$name.sh" >/dev/null || violation "what was killed hard runs on" "$(pgrep -af "$name.sh")"
    echo x >>"$T_DIR/trials"
}

cut_off() {
    local twice
    cd "$T_DIR" || exit 1
    export SITES
    SITES=$([ -n "$FAULT_SHARE" ] && echo site-a || echo "site-a site-b site-c site-d site-e")
    sites_up
    head -c 4000000 /dev/urandom >big.in
    : >big.want
    all_cuts
    [ "$MODE" = grid ] || killed_hard site-a
    trials=$((trials + $(wc -l <"$T_DIR/trials")))
    twice=$(records | awk '$1 == "start" { print $2 }' | sort | uniq -d)
    [ "$MODE" != grid ] || twice="$twice$(grid_gram_starts | cut -d ' ' -f 2 | sort | uniq -d)"
    [ -z "$twice" ] || violation "an attempt was started twice" "$twice"
    [ -z "$(records | overlaps)" ] || violation "two attempts with a lease ran at a time" "$(records | overlaps)"
    t_within 90 nothing_left || violation "sites have something left of jobs" "$(left)"
    gwd_stop || violation "gwd does not end well"
}

MODE=grid
if [ "$(id -u)" -ne 0 ] || ! command -v globus-gatekeeper >/dev/null || [ ! -x "$BUILD/libexec/gw_em_gram5" ]; then
    note="sites of this machine: a grid needs root and Globus"
    MODE=local
fi
[ -z "$FAULT_SHARE" ] && [ "$FAULT_ONLY" != local ] || MODE=local
[ "${FAULT_ONLY:-two}" != two ] || two_daemons
[ "$FAULT_ONLY" = two ] || cut_off
# 11 in a round of two daemons, 8 in a cut, 2 that may be replaced, and one that is killed hard.
case $MODE in
grid) planned=$((2 * 11 + 12 * 8 + 3 * 2)) ;;
*) planned=$(share $((2 * 11 + 4 * 8 + 2 * 2 + 1)) $((11 + 8 + 1))) ;;
esac
result $trials $planned "$note"
