#!/bin/bash
# row: clients that are silent, send rubbish, do not read, come by the thousand
# limit: 600
. "$(dirname "$0")/lib.sh"
# As root the hostile ones are another user (nobody), whose limits must not be felt by us. Otherwise they are we, and the share of a
# round that is left for a good client is what they leave of our own: then only that everything is answered is looked at.
cd "$T_DIR" || exit 1
most_ms=2000 they=()
if [ "$(id -u)" -eq 0 ]; then they=(--uid 65534); else most_ms=20000; fi
hostile() {
    "$BUILD/fault/hostile_client" "${they[@]}" "$1" "$GW_SOCKET" "${@:2}"
}
[ -x "$BUILD/fault/hostile_client" ] && [ -x "$BUILD/fault/hostile_trials" ] || skip_row "make tests builds the hostile clients"

mkdir home && cd home || exit 1
gwd_start || result 0 1 "gwd did not become ready"
gwd_stop
echo "SOCKET_MODE = 0666" >>"$GWD_DIR/gwd.conf"
chmod 711 "$T_DIR" "$GWD_DIR"
gwd_start || result 0 1 "gwd did not become ready"
for ((i = 0; i < 2000; i++)); do echo "EXECUTABLE = /bin/true" && echo ---; done | gwsubmit -o - || violation "jobs cannot be submitted"
pid=$GWD_PID
files=$(descriptors "$pid")
unread=$(descriptors_note "$files")
memory() { # KIND: VmRSS, VmHWM in MiB
    awk -v k="$1:" '$1 == k { print int($2 / 1024) }' "/proc/$pid/status"
}

slowest=0 submitted=2000 trials=0
exec {say}>&2
# beside SENTENCE COMMAND ...: the command, while a good client of ours submits one job after the other.
beside() {
    local what=$1 end code says pid_of ms
    shift
    if [ -n "$FAULT_ONLY" ] && [ "$FAULT_ONLY" != "$what" ]; then return 0; fi
    rm -f end && mkfifo end && exec {end}<>end
    "$BUILD/fault/hostile_client" witness "$GW_SOCKET" "$most_ms" <end >witness.out 2>&1 &
    pid_of=$!
    "$@" >hostile.out 2>&1
    code=$?
    echo >&"$end"
    wait $pid_of || violation "$what: a good client was not served within $most_ms ms" "$(cat witness.out)"
    exec {end}>&-
    says=$(tail -n 1 witness.out)
    submitted=$((submitted + $(awk '{ print $2 }' <<<"$says")))
    ms=$(awk '{ print $4 }' <<<"$says")
    [ "${ms:-99999}" -le "$slowest" ] || slowest=${ms:-99999}
    grep -A 5 '^violation: ' hostile.out
    [ $code -eq 0 ] || violation "$what" "$(tail -n 20 hostile.out)"
    echo "$what: $(tail -n 1 hostile.out | cut -c 1-100); $says; gwd has $(memory VmRSS) MiB" >&2
    if ! kill -0 "$pid" 2>/dev/null; then
        violation "$what: gwd is gone" "$(tail -n 20 "$GWD_DIR.log")"
        result "$trials" 1
    fi
    trials=$((trials + 1))
    progress "$what"
}

trials() { # FIRST N
    "$BUILD/fault/hostile_trials" "${they[@]}" "$GW_SOCKET" "$FAULT_SEED" "$1" "$2"
}
# In slices, so that there is something to say.
all_trials() {
    local first slice=500
    for ((first = 0; first < n; first += slice)); do
        trials $first $((n - first < slice ? n - first : slice)) || return 1
        progress "trial $((first + slice)) of $n" 2>&"$say"
    done
    trials=$n
}
n=$(share 10000 300)
if [[ $FAULT_ONLY =~ ^trial\ ([0-9]+)$ ]]; then
    trials "${BASH_REMATCH[1]}" 1 || violation "$FAULT_ONLY"
    result 1 1
fi
beside "$n trials of a misbehaving client" all_trials
beside "a line without an end" hostile flood $(($(share 1024 64) << 20))
beside "requests whose answers nobody reads" hostile requests "$(share 100000 10000)"
beside "watching the past again and again" hostile past "$(share 20 2)"
beside "connecting again and again" hostile reconnect "$(share 10 1)"
for request in '{"id":1,"op":"users"}' '{"id":1,"op":"jobs"}' '{"id":1,"op":"hosts"}' "{\"id\":1,\"op\":\"wish\",\"wish\":\"gone\",\"ids\":[$(seq -s, 1 2000)]}"; do
    beside "asking again and again: ${request:0:30}" hostile half "$(share 6 1)" "$request"
done

# --- those that stay ---
# stay BODY COMMAND ...: the hostile command goes on until we are done with BODY, which gets its first line, and can read more from
# the descriptor $heard.
stay() {
    local body=$1 line hold heard
    shift
    rm -f stay stay.out && mkfifo stay stay.out && exec {hold}<>stay {heard}<>stay.out
    "$BUILD/fault/hostile_client" "${they[@]}" "$1" "$GW_SOCKET" "${@:2}" <stay >stay.out &
    T_PIDS+=($!)
    read -r -t 60 -u "$heard" line
    echo "$line"
    $body "$line"
    kill $! 2>/dev/null
    wait $!
    exec {hold}>&- {heard}>&-
}
crowded() {
    local greeted refused other
    read -r _ greeted _ refused <<<"$1"
    [ "$((greeted + refused))" -eq "$n" ] || violation "of $n connections $greeted were greeted and $refused refused"
    [ "$greeted" -le 1024 ] || violation "one user has $greeted connections"
    [ "$(descriptors "$pid")" -le $((greeted + files + 64)) ] || violation "gwd keeps connections that it refused"
    [ ${#they[@]} -gt 0 ] || return 0
    gwps 1 >/dev/null || violation "another user is refused because one has all his connections"
    other=$("$BUILD/fault/hostile_client" --uid 2 say "$GW_SOCKET" '{"id":1,"op":"status"}')
    [[ $other =~ \"ok\":true ]] || violation "a third user is refused because one has all his connections"
}
n=$(share 10000 1200)
beside "$n connections of one user" stay crowded hold "$n"
# They are given ten seconds; a share of the row does not wait for that.
deaf() {
    local i said=''
    for ((i = 0; i < $(share 60 3) && ${#said} == 0; i++)); do
        for _ in 1 2 3 4 5; do echo "EXECUTABLE = /bin/true" && echo ---; done | gwsubmit -o - || violation "jobs cannot be submitted"
        submitted=$((submitted + 5))
        read -r -t 1 -u "$heard" said
    done
    [ -n "$FAULT_SHARE" ] || [ "$said" = "cut off" ] || violation "watchers that never read were not cut off"
}
watchers=$(share 200 20)
beside "$watchers watchers that never read" stay deaf deaf "$watchers"

# --- afterwards ---
kill -0 "$pid" || violation "gwd is gone" "$(tail -n 20 "$GWD_DIR.log")"
few_files() {
    [ "$(descriptors "$pid")" -le $((files + 2)) ]
}
t_within 20 few_files || violation "descriptors are left: $files before, $(descriptors "$pid") now"
peak=$(memory VmHWM)
[ "$peak" -le 512 ] || violation "gwd had $peak MiB"
[ -n "$FAULT_ONLY" ] || [ ${#they[@]} -eq 0 ] || [ "$(gwps -n | wc -l)" -eq "$submitted" ] ||
    violation "of $submitted submissions that were acknowledged $(gwps -n | wc -l) are there"
gwd_stop || violation "gwd does not end as it should"

# --- jobs of the archive, whose template is as large as may be ---
echo "JOB_RETENTION = 1" >>"$GWD_DIR/gwd.conf"
gwd_start || result 0 1 "gwd did not become ready"
pid=$GWD_PID
{ printf 'EXECUTABLE = /bin/true\nENVIRONMENT = A=' && head -c 1000000 /dev/zero | tr '\0' x && echo; } >large.jt
first=$(gwsubmit -v -o -n 1000 -t large.jt | awk '$1 == "0" { print $2 }')
gwkill -9 "$first-$((first + 999))" >/dev/null || violation "an array cannot be killed"
is_archived() {
    [ "$(gwps -n -s f | wc -l)" -eq 0 ]
}
t_within 30 is_archived || violation "what has ended stays in the listing"
beside "asking again and again for 1,000 jobs of the archive" hostile half "$(share 6 1)" "{\"id\":1,\"op\":\"jobs\",\"ids\":[$(seq -s, "$first" $((first + 999)))]}"
[ -n "$FAULT_ONLY" ] || [ "$(gwps -n "$first-$((first + 999))" | wc -l)" -eq 1000 ] || violation "of 1,000 jobs of the archive $(gwps -n "$first-$((first + 999))" | wc -l) are listed"
gwd_stop || violation "gwd does not end as it should"
# Each of the twelve ways to be hostile is one more.
result "$trials" $(($(share 10000 300) + 12)) "a good client's slowest submission took $slowest ms, gwd had at most $peak MiB$unread"
