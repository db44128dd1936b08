#!/bin/bash
# Many requests, long listings and watchers, through the real daemon. Needs `make benches` as well.
# limit: 120
. "$(dirname "$0")/lib.sh"
cd "$T_DIR" || exit 1
mkdir home && cd home || exit 1
t_check "a private daemon becomes ready" gwd_start || t_done

# speak REQUEST ...: one connection; prints all lines that come until the daemon has been silent for a second.
speak() {
    "$BUILD/bench/clients" talk "$GW_SOCKET" "$@"
}

# --- many templates over one connection ---
templates() { # N [BAD]: held jobs, one of which may be wrong
    local i
    for ((i = 1; i <= $1; i++)); do
        if [ "$i" = "${2-}" ]; then echo 'EXECUTABL = x'; else echo "EXECUTABLE = /bin/true"; fi
        echo ---
    done
}
templates 250 120 | gwsubmit -o -v - >many.out 2>many.err
t_equal "one bad template among many is exit code 65" 65 $?
t_equal "the others are submitted" 249 "$(grep -c '^JOB ID: ' many.out)"
t_equal "in their order" "" "$(sed 's/.*: //' many.out | sort -n | diff - <(sed 's/.*: //' many.out))"
t_match "the bad one is named with its line" "^stdin, template 120:1:1: error: EXECUTABL" "$(cat many.err)"
t_equal "what was told is there" 249 "$(gwps -n | wc -l)"
templates 5 | gwsubmit -o --key again - && templates 5 | gwsubmit -o --key again -
t_equal "the same input with the same key makes no second jobs" 254 "$(gwps -n | wc -l)"
templates 3 | gwsubmit -o --json - >many.json
t_equal "with --json each is a line" "1 2 3" "$(jq -r .submitted.template many.json | xargs)"
(templates 1 && echo EXECUTABLE=/bin/false) | gwsubmit --wait - 2>wait.err
t_equal "--wait waits for all of them" 1 $?

# --- the members that are wanted ---
answer=$(speak '{"id":1,"op":"jobs","fields":["id","state"],"limit":2}')
t_match "only the members that are asked for are there" '"jobs":\[\{"id":1,"state":"hold"\},\{"id":2,"state":"hold"\}\],"more":true,"next":2,' "$answer"
t_match "one that does not exist is refused" '"code":"invalid"' "$(speak '{"id":1,"op":"jobs","fields":["ids"]}')"

# --- pages, while jobs come and go ---
templates 12000 | gwsubmit -o -
first=$(gwps -n -o J | head -n 1 | xargs)
last=$(gwps -n -o J | tail -n 1 | xargs)
(templates 2000 | gwsubmit -o - && gwkill "$((first + 10))-$((first + 200))" >kill.out) &
T_PIDS+=($!)
for round in 1 2 3; do
    gwps -n -o J | tr -d ' ' >list.$round
    sort -n -u list.$round | cmp -s - list.$round || break
    missing=$(seq "$((last - 11000))" "$last" | grep -cvxFf list.$round)
    [ "$missing" = 0 ] || break
done
t_equal "each job is listed once and in order, whatever happens meanwhile" 3 "$round"
t_equal "and none that stayed is missing" 0 "$missing"
wait $!
t_equal "--json of many pages is one object" "$(gwps -n | wc -l)" "$(gwps --json | jq '.jobs | length')"
t_equal "of nobody's jobs nothing is listed" "" "$(gwps -n -u nobody-here)"

# --- one that asks for much at once ---
t_match "a page of nothing is refused" '"code":"invalid","message":"limit: ' "$(speak '{"id":1,"op":"jobs","limit":0}')"
t_match "more than 1,000 ids are refused" '"code":"invalid","message":"ids: ' \
    "$(speak "{\"id\":1,\"op\":\"jobs\",\"ids\":[$(seq -s, 1 1001)]}")"
t_equal "gwps asks for as many as it likes" 3000 "$(gwps -n $(seq 300 3299) | wc -l)"
t_match "more than 10,000 ids in one wish are refused" '"code":"invalid","message":"ids: ' \
    "$(speak "{\"id\":1,\"op\":\"wish\",\"wish\":\"run\",\"ids\":[$(seq -s, 1 10001)]}")"

# crowded SENTENCE N LINE [STATUSES]: N requests in one connection are all answered, and another does not wait for them.
crowded() {
    local answer slowest
    answer=$("$BUILD/bench/clients" crowd "$GW_SOCKET" "${@:2}")
    slowest=$(jq -r 'select(.name == "crowd.status.slowest").value | floor' <<<"$answer")
    t_equal "$1 are all answered" "$2" "$(jq -r 'select(.name == "crowd.answers").value' <<<"$answer")"
    t_check "and do not hold up another client: $slowest ms" [ "${slowest:-9999}" -lt 500 ]
}
crowded "listings at once" 1000 '{"id":1,"op":"jobs","fields":["id"]}'
crowded "submissions at once" 5000 '{"id":1,"op":"submit","template":"EXECUTABLE = /bin/true\n","home":"/tmp","hold":true}'
crowded "listings that are read late" 300 '{"id":1,"op":"jobs"}' 100

# --- limits that are told ---
mapfile -t watches < <(for ((i = 1; i <= 65; i++)); do echo "{\"id\":$i,\"op\":\"watch\"}"; done)
t_match "of 65 watches of a connection the last is refused" '"id":65,"ok":false,"error":\{"code":"no-space","message":"a connection has at most 64' "$(speak "${watches[@]}")"
nested=$(printf '[%.0s' $(seq 5000))
t_match "a request of many parts is refused" '"id":null,.*"a request has more than 64 arrays and objects"' "$(speak "{\"id\":1,\"op\":\"jobs\",\"ids\":$nested")"
{ echo "EXECUTABLE = /bin/true" && head -c 1100000 /dev/zero | tr '\0' '#'; } >big.jt
gwsubmit -o -t big.jt 2>big.err
t_equal "a template of more than 1 MiB is exit code 64" 64 $?
t_match "and its size is told" "template: at most 1048576 bytes; this has 11000" "$(cat big.err)"
gwsubmit -o --key mine -- /bin/true
gwsubmit -o --key mine -- /bin/false 2>key.err
t_equal "another job with a key that was given is exit code 1" 1 $?
t_match "and told how to go on" "this submission key was given before.*a new job needs a new key" "$(cat key.err)"

# --- one that watches with many ids, each of which is a text of its own ---
mapfile -t submits < <(for ((i = 1001; i <= 1500; i++)); do
    echo "{\"id\":$i,\"op\":\"submit\",\"template\":\"EXECUTABLE = /bin/true\",\"home\":\"/tmp\",\"hold\":true}"
done)
speak "${watches[@]:0:60}" "${submits[@]}" >ids.out
told() { # ID: the numbers of its events
    grep "^{\"id\":$1,\"event\"" ids.out | grep -o '"seq":[0-9]*'
}
told 1 >told.1
t_equal "each of many watches is told of all events" 500 "$(wc -l <told.1)"
for ((i = 2; i <= 60; i++)); do told $i | cmp -s - told.1 || break; done
t_equal "in their order, and of each once" 61 "$i"

# --- one that watches and never reads ---
"$BUILD/bench/clients" deaf "$GW_SOCKET" >cut.out &
deaf=$!
T_PIDS+=("$deaf")
t_within 10 grep -q watching cut.out
templates 4000 | gwsubmit -o -
reader=$(speak '{"id":7,"op":"watch","from":1,"ids":[1]}')
t_match "one that reads gets what it asked for" '^\{"id":7,"event":\{"seq":[0-9]+,"at":[0-9.]+,"kind":"job-submitted","job":1,' "$reader"
t_equal "and only that" 1 "$(grep -c '"event"' <<<"$reader")"
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do
    kill -0 "$deaf" 2>/dev/null || break
    templates 1 | gwsubmit -o -
    sleep 1 # the daemon gives it ten seconds
done
wait "$deaf"
t_match "one that never reads is cut off" "cut off" "$(cat cut.out)"
t_match "and the log says why" "does not read the events that it watches" "$(cat "$GWD_DIR.log")"
t_check "the daemon goes on" gwps 1
t_done
