# To speak with drivers over pipes, as the daemon does: `. "$(dirname "$0")/driver_lib.sh"` after lib.sh.
# shellcheck shell=bash

export LIBEXEC=$BUILD/libexec
declare -A D_IN D_OUT D_PID
D_SEEN=()

# driver NAME PROGRAM ...: start one; its lines are D_OUT[NAME].
driver() {
    local name=$1 in out fd
    shift
    rm -f "$T_DIR/$name.in" "$T_DIR/$name.out"
    mkfifo "$T_DIR/$name.in" "$T_DIR/$name.out" || exit 1
    (
        # Not to keep the other drivers' pipes open.
        for fd in "${D_IN[@]}" "${D_OUT[@]}"; do exec {fd}>&-; done
        exec "$@" <"$T_DIR/$name.in" >"$T_DIR/$name.out" 2>>"$T_DIR/$name.log"
    ) &
    D_PID[$name]=$!
    exec {in}>"$T_DIR/$name.in" {out}<"$T_DIR/$name.out"
    D_IN[$name]=$in
    D_OUT[$name]=$out
}

say() {
    local name=$1
    shift
    printf '%s\n' "$@" >&"${D_IN[$name]}"
}

# hear NAME ERE [SECONDS]: the next line that matches, in D_LINE; lines that come before it are kept for the next hear.
hear() {
    local name=$1 end=$((SECONDS + ${3:-20})) i
    for i in "${!D_SEEN[@]}"; do
        if [[ ${D_SEEN[i]} =~ ^$name:$2 ]]; then
            D_LINE=${D_SEEN[i]#*:}
            unset "D_SEEN[i]"
            return 0
        fi
    done
    while [ $SECONDS -le $end ] && IFS= read -r -t $((end - SECONDS + 1)) D_LINE <&"${D_OUT[$name]}"; do
        [[ $D_LINE =~ ^$2 ]] && return 0
        D_SEEN+=("$name:$D_LINE")
    done
    D_LINE="(no line matches $2; others: ${D_SEEN[*]-})"
    return 1
}

# told SENTENCE NAME ERE [SECONDS]: a case: such a line comes.
told() {
    if hear "$2" "$3" "${4-}"; then t_ok "$1"; else t_not_ok "$1" "$D_LINE"; fi
}

gone() {
    local name=$1
    local in=${D_IN[$name]} out=${D_OUT[$name]}
    exec {in}>&- {out}<&-
    unset "D_IN[$name]" "D_OUT[$name]"
    wait "${D_PID[$name]}" 2>/dev/null
}

finalize() {
    say "$1" "FINALIZE$(printf ' -%.0s' $(seq "$2"))"
    hear "$1" "FINALIZE" || t_not_ok "$1 answers FINALIZE" "$D_LINE"
    gone "$1"
}

kill9() {
    kill -KILL "${D_PID[$1]}"
    gone "$1"
}
