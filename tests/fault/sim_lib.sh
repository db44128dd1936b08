# What the rows of the simulated world share. FAULT_ONLY="KIND SEED" repeats one trial, with its whole history.
# shellcheck shell=bash
F_SIM=$BUILD/fault/sim

# take_line KIND: a line of the simulator; F_TRIALS counts.
take_line() {
    local seed
    if [[ $1 =~ ^violation:\ kind\ ([a-z]+),\ seed\ ([0-9]+):$ ]]; then
        seed=${BASH_REMATCH[2]}
        FAULT_ONLY="${BASH_REMATCH[1]} $seed" violation "${BASH_REMATCH[1]}, seed $seed"
        return
    fi
    [[ $1 =~ ^[a-z]+\ +([0-9]+)\ trials,\  ]] && F_TRIALS=$((F_TRIALS + BASH_REMATCH[1]))
    printf '%s\n' "$1"
}

# trials FULL SHARE KIND ...: so many trials of each kind, then the row's result.
trials() {
    local full=$1 share=$2 kind seed line
    F_TRIALS=0
    shift 2
    if [ -n "$FAULT_ONLY" ]; then
        read -r kind seed <<<"$FAULT_ONLY"
        "$F_SIM" --kind "$kind" --seed "$seed" --trials 1 -v || violation "$kind, seed $seed"
        result 1 1
    fi
    for kind; do
        "$F_SIM" --kind "$kind" --seed $((FAULT_SEED * 1000000)) --trials "$(share "$full" "$share")" \
            >"$T_DIR/out" 2> >(sed -u "s/^sim: /$FAULT_ROW: /" >&2)
        while IFS= read -r line; do take_line "$line"; done <"$T_DIR/out"
        [[ $(tail -n 1 "$T_DIR/out") == *' trials, '* ]] || violation "$kind: the trials come to their end"
    done
    result "$F_TRIALS" $(($(share "$full" "$share") * $#))
}
