#!/bin/bash
# The checker of the fault matrix (tests/fault/ledger.c) finds what it is there for: an account in which one thing is wrong.
. "$(dirname "$0")/../fault/crash_lib.sh"
# A failed check is a case here, and no violation.
t_not_ok() {
    echo "not ok - $1"
    printf '    %s\n' "${@:2}"
    T_FAILED=1
}
cd "$T_DIR" || exit 1
GWD_DIR=$T_DIR/gwd
crash_site "$GWD_DIR"
gwd_start || t_not_ok "the daemon starts"
"$TOOLS/users" "$GW_SOCKET" "$GWD_DIR/ledger" "$TOOLS/payload" "$GWD_DIR/home" 3 40 2 60 || t_not_ok "the users come to their end"
sed 's/ *$//' "$GWD_DIR/ledger" >right
# Jobs to lie about: one that ran, with an output and without, one that was killed.
staged=$(awk '$1 == "submitted" && $5 == 1 && $3 == 1 { print $2 }' right | while read -r id; do grep -q "^told $id DONE" right && echo "$id"; done | head -n 1)
bare=$(awk '$1 == "submitted" && $5 == 0 && $3 == 1 { print $2 }' right | while read -r id; do grep -q "^told $id DONE" right && echo "$id"; done | head -n 1)
killed=$(sed -n 's/^told \([0-9]*\) FAILED.*/\1/p' right | head -n 1)
token=$(awk -v id="$bare" '$1 == "end" { split($2, t, "."); if (t[3] + t[4] == id) print $2 }' right)

finds() { # SENTENCE EXPECTED COMMAND ...: a filter of the account
    local said
    "${@:3}" <right >wrong
    said=$("$TOOLS/ledger" check "$GW_SOCKET" wrong "$GWD_DIR/home")
    if [ $? -eq 1 ] && grep -qE "$2" <<<"$said"; then t_ok "$1"; else t_not_ok "$1" "expected: $2" "got: $said"; fi
}
add() { cat && printf '%s\n' "$@"; }
first() { printf '%s\n' "$@" && cat; }

t_check "an account that is right passes" "$TOOLS/ledger" check "$GW_SOCKET" right "$GWD_DIR/home"
t_check "there are jobs to lie about" test -n "$staged" -a -n "$bare" -a -n "$killed" -a -n "$token"
finds "a second start of one attempt is found" "attempt $token was started twice" add "start $token"
finds "a start that gwd knows nothing of is found" "attempt i.1.$bare.0.9 was started and is not in the history of job $bare" add "start i.1.$bare.0.9"
finds "a start without a token is found" "knows no attempt: token none" add "start none"
finds "a lost job is found" "job 4711 was acknowledged and is lost" add "submitted 4711 1 0 0"
finds "two submissions with one job are found" "job $bare was given to two submissions" add "submitted $bare 1 0 0"
finds "a job that nobody was told of is found" "job $bare is there, and no user was told" grep -v "^submitted $bare "
finds "another exit code than the program's is found" "job $bare has exit code [0-9]+, its program had 77" sed "s/^end $token .*/end $token 77/"
finds "another exit code than was expected is found" "job $bare has exit code [0-9]+, 99 was expected" sed "s/^submitted $bare 1 [0-9]*/submitted $bare 1 99/"
finds "a result without an end is found" "DONE by attempt $token, which did not come to its end" grep -v "^end $token"
finds "a result without a start is found" "DONE by attempt $token, which never started" grep -v "$token"
finds "what a user was told otherwise is found" "job $bare is DONE .* its user was told FAILED" sed "s/^told $bare .*/told $bare FAILED -1/"
finds "a failure that nobody wished for is found" "job $killed failed: " grep -v "^killing $killed\$"
finds "a start after the kill was confirmed is found" "attempt $token was started after its job was said to be killed" first "killed $bare"
finds "a program that outlives its kill is found" "attempt $token still ran when" sed "/^start $token/a killed $bare"
finds "work that is done and then done again is found" "job $bare was done by attempt $token and again by i.1.$bare.0.9" add "start i.1.$bare.0.9" "end i.1.$bare.0.9 0"
finds "a start of a held job is found" "attempt $token was started while its job was held" first "held $bare"
echo other >"$GWD_DIR/home/token.$staged"
finds "the output of another attempt is found" "job $staged: its output is that of other" cat
rm "$GWD_DIR/home/token.$staged"
finds "an output that did not come home is found" "job $staged: its output did not come home" cat
gwd_stop || t_not_ok "the daemon stops"
t_check "after a daemon that has ended nothing is left" "$TOOLS/ledger" left "$GWD_DIR"
mkdir "$GWD_DIR/site/.gw_i.1.2.0.1"
t_equal "a job directory that is left is found" "the job directory .gw_i.1.2.0.1 is left" "$("$TOOLS/ledger" left "$GWD_DIR")"
t_done
