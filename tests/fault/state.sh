#!/bin/bash
# row: state truncated, changed, mixed up or missing, at random places
# limit: 1500
#
# A daemon with a history is killed; copies of its state are damaged, each in one random way. A daemon that starts on one has every
# job that was acknowledged, as it was; or it refuses, names what is wrong and how to go on, and leaves the files as they are. What
# of the archive cannot be read is said to be so. FAULT_ONLY="NUMBER" repeats a trial, on a state with another history; what was
# damaged is kept as well. With SAN=1 made, BUILD=build-san looks closer.
. "$(dirname "$0")/crash_lib.sh"
workers=$(share 4 2) n_trials=$(share 1200 16)
TRIALS=$T_DIR/trials BASE=$T_DIR/base OLDER=$T_DIR/older
mkdir "$TRIALS"

# The state and its archive, as a kill leaves them; $OLDER is from earlier in the same life.
make_base() {
    local jobs
    GWD_DIR=$BASE
    crash_site "$BASE" "JOB_RETENTION = 2" "ARCHIVE_RETENTION = 0"
    for jobs in 40 60; do
        gwd -c "$BASE/gwd.conf" >/dev/null 2>>"$BASE.log" </dev/null &
        GWD_PID=$!
        crash_users "$BASE" "$((FAULT_SEED + jobs))" $jobs 2 60 || return
        t_within 20 archived_some || return
        crash_users "$BASE" "$((FAULT_SEED + jobs + 1))" 10 2 60 || return
        GW_SOCKET=$BASE/gwd.sock gwsubmit -o --no-staging -- /bin/true || return
        GW_SOCKET=$BASE/gwd.sock gwsubmit -o -n 7 --no-staging -- /bin/true || return
        [ $jobs = 40 ] || wish || return
        gwd_kill9
        t_within 20 no_programs
        rm -f "$BASE/gwd.sock"
        [ $jobs != 40 ] || cp -a "$BASE" "$OLDER"
    done
    # Finished jobs stay where they are while they are compared, and the others wait.
    sed -i 's/^JOB_RETENTION.*/JOB_RETENTION = 1h/' "$BASE/gwd.conf"
}
# What users and administrators have wished for and is not yet so.
wish() {
    local GW_SOCKET=$BASE/gwd.sock id
    export GW_SOCKET
    gwhost --pause && gwhost --drain localhost || return
    for id in 1 2 3; do gwsubmit --no-staging -- /bin/true || return; done
    gwsubmit --hold --no-staging -- /bin/true && gwsubmit --hold -n 4 --no-staging -- /bin/true || return
    id=$(gwps -n -o J | tail -n 1)
    gwkill --release $((id - 1)) >/dev/null && gwkill $((id - 2)) >/dev/null
}
archived_some() { [ "$(GW_SOCKET=$BASE/gwd.sock gwps -n | wc -l)" -lt 20 ]; }
no_programs() { [ -z "$("$T_ROOT/tools/processes-of" "$BASE")" ]; }

MEMBERS='.jobs[] | [.id, .phase, .wish, .exit_code, .user]'

# table SOCKET FILE: each job there ever was, live or archived, one a line, by asking for it by its id.
table() {
    GW_SOCKET=$1 gwps --json "1-$LAST" 2>"$2.err" | jq -c "$MEMBERS" >"$2" 2>/dev/null
    [ "${PIPESTATUS[0]}" -eq 0 ]
}

# --- damage ---

# some N: sets SOME to a number below N, mostly a small one.
some() {
    random "$1"
    SOME=$RANDOM_N
    random 3
    [ "$RANDOM_N" -ne 0 ] || SOME=$((SOME % 4096))
}

# put FILE OFFSET BYTES: so many random bytes there.
put() {
    random 4294967296
    perl -e 'srand($ARGV[0]); print chr(int(rand(256))) for 1 .. $ARGV[1]' "$RANDOM_N" "$3" | dd of="$1" bs=64k seek="$2" oflag=seek_bytes conv=notrunc status=none
}

flip() { # FILE OFFSET
    local byte
    byte=$(od -An -tu1 -j "$2" -N 1 "$1")
    random 8
    # shellcheck disable=SC2059 # an octal number
    printf "\\$(printf %o $((byte ^ (1 << RANDOM_N))))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

# damage DIR: sets WHAT.
damage() {
    local dir=$1 files=(state.db state.db state.db state.db-wal state.db-wal archive.db archive.db archive.db-wal state.mark state.db-shm clock) f size at len
    random ${#files[@]}
    f=${files[RANDOM_N]}
    size=$(stat -c %s "$dir/$f" 2>/dev/null || echo 0)
    some $((size > 0 ? size : 1))
    at=$SOME
    random 16
    WHAT="$f, kind $RANDOM_N at $at of $size"
    [ "$size" -gt 0 ] || RANDOM_N=15
    case $RANDOM_N in
    0 | 1 | 2 | 3) flip "$dir/$f" "$at" ;;
    4) put "$dir/$f" "$at" 1 ;;
    5) put "$dir/$f" "$at" 16 ;;
    6) put "$dir/$f" $((at / 4096 * 4096)) 4096 ;;
    7)
        random 9000
        len=$((at + RANDOM_N < size ? RANDOM_N : size - at))
        dd if=/dev/zero of="$dir/$f" bs=64k seek="$at" oflag=seek_bytes count="$len" iflag=count_bytes conv=notrunc status=none
        ;;
    8) truncate -s "$at" "$dir/$f" ;;
    9) truncate -s $((at / 4096 * 4096)) "$dir/$f" ;;
    10) rm "$dir/$f" ;;
    11) # an older one in its place, or what is between two pages of it
        if [ -e "$OLDER/$f" ]; then cp "$OLDER/$f" "$dir/$f"; else rm "$dir/$f"; fi
        ;;
    12)
        len=$(stat -c %s "$OLDER/$f" 2>/dev/null || echo 0)
        at=$((at / 4096 * 4096))
        [ "$at" -ge "$len" ] || dd if="$OLDER/$f" of="$dir/$f" bs=4096 skip=$((at / 4096)) seek=$((at / 4096)) count=1 conv=notrunc status=none
        ;;
    13)
        cp "$dir/gwd.conf" "$dir/$f"
        ;;
    14)
        rm "$dir/$f" && mkdir "$dir/$f"
        ;;
    15) # files of different times
        case $((at % 4)) in
        0) cp "$OLDER/state.db" "$OLDER/state.db-wal" "$dir" ;;
        1) cp "$OLDER/state.db" "$dir" && rm -f "$dir/state.db-wal" ;;
        2) cp "$dir/archive.db" "$dir/state.db" ;;
        3) rm -f "$dir"/state.db* ;;
        esac
        ;;
    esac
}

# What a start must not change when it refuses.
print_of() { (cd "$1" && for f in state.db state.db-wal state.mark archive.db; do [ ! -s $f ] || [ ! -f $f ] || cksum $f; done); }

is_paused() { [ "$(GW_SOCKET=$1 gwhost --drivers --json | jq -r .status.paused)" = true ]; }
is_drained() { [ "$(GW_SOCKET=$1 gwhost --json | jq -r '.hosts[] | [.name, .state] | join(" ")')" = "localhost drained" ]; }

# compare DIR: the daemon that runs there says what the undamaged one says.
compare() {
    local dir=$1 id line said
    is_paused "$dir/gwd.sock" || { echo "dispatch is not paused" && return 1; }
    # Once its driver has told of it.
    t_within 10 is_drained "$dir/gwd.sock" || { echo "the host is not drained: $(GW_SOCKET=$dir/gwd.sock gwhost)" && return 1; }
    table "$dir/gwd.sock" "$dir/table" && cmp -s "$dir/table" "$BASE.table" && return
    for ((id = 1; id <= LAST; id++)); do
        line=$(sed -n ${id}p "$BASE.table")
        said=$(GW_SOCKET=$dir/gwd.sock timeout 10 gwps --json $id 2>"$dir/err" | jq -c "$MEMBERS")
        [ "$said" != "$line" ] || continue
        # Live jobs are what they were; of an archived one it is said that it cannot be read.
        grep -qx "$id" "$BASE.archived" && grep -qE 'archive' "$dir/err" && continue
        echo "job $id: $said $(cat "$dir/err") instead of $line"
        return 1
    done
}

broken() { # TEXT [DETAIL ...]
    violation "$@"
    evidence "$T_DIR/damaged"
}

# says_what_is_in_the_way DIR: a file of the database that was damaged cannot be opened, and why.
says_what_is_in_the_way() {
    grep -qE "^gwd: (.*[ :])?$1/${WHAT%%.*}\.(db|mark): ([^:]*: )?(unable to open database file|attempt to write a readonly database|Is a directory)\$" "$1.log"
}

trial() { # NUMBER
    local dir=$T_DIR/t code before said
    random_seed "$FAULT_SEED" "$1"
    cp -a "$BASE" "$dir"
    rm -rf "${dir:?}/home" "$dir/em"
    sed -i "s|$BASE|$dir|g" "$dir/gwd.conf"
    damage "$dir"
    rm -rf "$T_DIR/damaged" && cp -a "$dir" "$T_DIR/damaged"
    before=$(print_of "$dir")
    GWD_DIR=$dir
    : >"$dir.log"
    rm -f "$T_DIR/ready"
    mkfifo "$T_DIR/ready"
    gwd -c "$dir/gwd.conf" >"$T_DIR/ready" 2>>"$dir.log" </dev/null &
    GWD_PID=$!
    exec {ready}<"$T_DIR/ready"
    said=
    read -r -t 30 said <&"$ready"
    if [ "$said" = ready ]; then
        said=$(compare "$dir") || broken "trial $1 ($WHAT): gwd started and has not everything (FAULT_ONLY=$1)" "$said" "$(tail -n 5 "$dir.log")"
        gwd_kill9
        echo started >>"$TRIALS/$BASHPID"
    else
        t_within 5 sh -c "! kill -0 $GWD_PID" || { broken "trial $1 ($WHAT): gwd hangs" && kill -KILL $GWD_PID; }
        wait $GWD_PID 2>/dev/null
        code=$?
        GWD_PID=
        case $code in
        70) grep -q -- '--restore' "$dir.log" || broken "trial $1 ($WHAT): gwd refuses without saying how to go on" "$(cat "$dir.log")" ;;
        74) says_what_is_in_the_way "$dir" || broken "trial $1 ($WHAT): gwd refuses without saying what is wrong" "$(cat "$dir.log")" ;;
        *) broken "trial $1 ($WHAT): gwd ended with $code" "$(tail -n 20 "$dir.log")" ;;
        esac
        [ "$before" = "$(print_of "$dir")" ] || broken "trial $1 ($WHAT): what was refused was changed" "$before" "$(print_of "$dir")" "$(cat "$dir.log")"
        echo refused >>"$TRIALS/$BASHPID"
    fi
    exec {ready}<&-
    rm -rf "$dir" "$dir.log"
}

worker() { # NUMBER
    local n
    T_DIR=$T_DIR/w$1 && mkdir "$T_DIR" || exit 1
    for ((n = $1; n < n_trials; n += workers)); do
        trial $n
        progress "$(cat "$TRIALS"/* 2>/dev/null | wc -l) trials"
    done
}

make_base || { echo "the state to damage could not be made: $(tail -n 5 "$BASE.log" "$BASE/users.out")" >&2 && exit 1; }
cp -a "$BASE" "$T_DIR/whole" && sed -i "s|$BASE|$T_DIR/whole|g" "$T_DIR/whole/gwd.conf"
gwd -c "$T_DIR/whole/gwd.conf" >/dev/null 2>"$T_DIR/whole.log" </dev/null &
GWD_PID=$!
t_within 20 test -S "$T_DIR/whole/gwd.sock"
export GW_SOCKET=$T_DIR/whole/gwd.sock
gwps -n -o J >"$BASE.live" || exit 1
LAST=$(tail -n 1 "$BASE.live" | tr -d ' ')
table "$GW_SOCKET" "$BASE.table" || { cat "$BASE.table.err" >&2 && exit 1; }
for what in '"PENDING","held"' '"PENDING","run"' '"gone"'; do grep -q "$what" "$BASE.table" || { echo "the base has no $what" >&2 && exit 1; }; done
seq "$LAST" | grep -vxFf <(tr -d ' ' <"$BASE.live") >"$BASE.archived"
gwd_kill9
[ "$(wc -l <"$BASE.table")" -eq "$LAST" ] && [ -s "$BASE.archived" ] || { echo "the base is not what it should be" >&2 && exit 1; }

if [ -n "$FAULT_ONLY" ]; then
    trial "$FAULT_ONLY"
    echo "$WHAT" >&2
else
    run_workers "$workers"
fi
result "$(cat "$TRIALS"/* | wc -l)" "$n_trials" "$(cat "$TRIALS"/* | grep -c refused) refused"
