#!/bin/bash
# row: kill -9 of gwd at each of its crash points
# limit: 1500
#
# FAULT_ONLY="POINT SEED N" repeats one trial: gwd dies the N-th time it comes to POINT. The seed says what its users do, and whether
# its successor dies as well, and where.
. "$(dirname "$0")/crash_lib.sh"
points="append sync effect reply checkpoint start driver stop archive log"
seeds=$(share 20 1) workers=$(share 4 2)
TRIALS=$T_DIR/trials REACHED=$T_DIR/reached
mkdir "$TRIALS" "$REACHED"

# second_point SEED N: sets SECOND to where the successor dies; half of them do not.
second_point() {
    local names=(append sync effect reply checkpoint start driver)
    SECOND=
    random_seed "$FAULT_SEED" "$1" "$2"
    random 2
    [ "$RANDOM_N" -eq 0 ] || return 0
    random ${#names[@]}
    SECOND=${names[RANDOM_N]}
    random 12
    SECOND=$SECOND:$((RANDOM_N + 1))
}

# trial POINT SEED N: 1 when gwd did not come to that point.
trial() {
    local point=$1 seed=$2 n=$3 dir=$T_DIR/$1.$2.$3 what="killed at $1 $3, seed $2" supervisor lines=() jobs=10 padding=0
    GWD_DIR=$dir
    second_point "$seed" "$n"
    case $point in
    archive) lines=("JOB_RETENTION = 1" "ARCHIVE_RETENTION = 1h") ;; # they are archived a second after they are due
    log) jobs=40 padding=900000 ;;                                   # it is copied from 16 MB on
    esac
    crash_site "$dir" "${lines[@]}"
    crash_supervise "$dir" "$point:$n" ${SECOND:+"$SECOND"} &
    supervisor=$!
    crash_users "$dir" "$((FAULT_SEED * 1000 + seed))" $jobs 2 120 "" $padding ||
        crash_violation "$what${SECOND:+, then $SECOND}: a user waits in vain" "$(cat "$dir/users.out")"
    [ "$point" != archive ] || t_within 10 sh -c "grep -q '^137 archive' '$dir/ends' || [ \"\$(GW_SOCKET=$dir/gwd.sock gwps -n | wc -l)\" = 0 ]"
    crash_end "$dir" $supervisor
    crash_compare "$dir" "$what${SECOND:+, then $SECOND}"
    local reached=1
    if grep -qx "137 $point:$n" "$dir/ends"; then
        reached=0
        echo x >>"$TRIALS/$BASHPID"
        touch "$REACHED/$point"
    fi
    rm -rf "$dir" "$dir.log"
    return $reached
}

# The crash points of one seed, from the first time to the last.
all_of() { # POINT SEED
    local n=1 step=1
    if [ -n "$FAULT_SHARE" ]; then
        step=7
        case $1 in
        append | sync | effect | reply | checkpoint) n=$((1 + (FAULT_SEED + ${#1}) % 5)) ;; # they come often
        esac
    fi
    while trial "$1" "$2" $n; do
        n=$((n + step))
        progress "$(cat "$TRIALS"/* 2>/dev/null | wc -l) trials, at $1 $n of seed $2"
    done
}

worker() { # NUMBER
    local i=0 seed point
    T_DIR=$T_DIR/w$1 && mkdir "$T_DIR" || exit 1
    for ((seed = 1; seed <= seeds; seed++)); do
        for point in $points; do
            [ $((i++ % workers)) -ne "$1" ] || all_of "$point" "$seed"
        done
    done
}

if [ -n "$FAULT_ONLY" ]; then
    # shellcheck disable=SC2086 # its three words
    trial $FAULT_ONLY || echo "gwd did not come to that point" >&2
else
    run_workers "$workers"
    for point in $points; do [ -e "$REACHED/$point" ] || violation "gwd never came to the crash point $point"; done
fi
# How often gwd comes to a point is not planned; but with each seed to each.
result "$(cat "$TRIALS"/* 2>/dev/null | wc -l)" $((seeds * $(wc -w <<<"$points"))) "$seeds seeds"
