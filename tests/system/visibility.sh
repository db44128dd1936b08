#!/bin/bash
# Who may see and touch whose jobs: each operation as the owner, as another user, as a member of the administrators' group, as one who
# has dropped that group, as root; under both values of VISIBILITY. Needs root, to be several users.
# limit: 240
. "$(dirname "$0")/lib.sh"
cd "$T_DIR" || exit 1
if [ "$(id -u)" -ne 0 ]; then
    t_skip "who sees what" "needs root, to be several users"
    t_done
fi
[ -x "$BUILD/fault/others_jobs" ] || { t_skip "who sees what" "make tests builds what it needs" && t_done; }
# The group has a member in the group database where there is such a group, so that the database and the process may differ.
IFS=: read -r group _ gid members < <(awk -F: '$3 > 0 && $4 != ""' /etc/group; getent group adm)
member=$(id -u "${members%%,*}" 2>/dev/null || echo 60002)

as() { # ROLE REQUEST ...: what is answered
    local ids
    case $1 in
    owner) ids=(--reuid 60000 --regid 60000 --clear-groups) ;;
    other) ids=(--reuid 60001 --regid 60001 --clear-groups) ;;
    admin) ids=(--reuid 60001 --regid 60001 --groups "$gid") ;;
    member) ids=(--reuid "$member" --regid 60002 --clear-groups) ;; # of the group, but the process has dropped it
    root) ids=(--reuid 0 --regid 0 --clear-groups) ;;
    esac
    shift
    setpriv "${ids[@]}" -- "$BUILD/fault/hostile_client" say "$GW_SOCKET" "$@"
}

# start VISIBILITY [LINE]: a daemon with the jobs of 60000 (1, 2, 3-5) and 60001 (6).
start() {
    gwd_stop
    rm -rf "$GWD_DIR"
    GWD_DIR=$T_DIR/gwd
    mkdir -p "$GWD_DIR"
    chmod 711 "$T_DIR" "$GWD_DIR"
    "$BUILD/fault/others_jobs" "$GWD_DIR" 60000 ann 60001 bob || return 1
    gwd_start || return 1
    gwd_stop
    printf '%s\n' "SOCKET_MODE = 0666" "ADMIN_GROUP = $group" "JOB_RETENTION = ${2-365d}" "VISIBILITY = $1" >>"$GWD_DIR/gwd.conf"
    gwd_start
}

declare -A request=(
    [jobs]='{"id":1,"op":"jobs"}' [job]='{"id":1,"op":"jobs","ids":[1]}' [failed]='{"id":1,"op":"jobs","ids":[2]}'
    [array]='{"id":1,"op":"jobs","array":1}' [ofuser]='{"id":1,"op":"jobs","user":"ann"}'
    [history]='{"id":1,"op":"history","job":2}' [match]='{"id":1,"op":"hosts","match":1}'
    [logs]='{"id":1,"op":"logs","job":2}' [users]='{"id":1,"op":"users"}'
    [hold]='{"id":1,"op":"wish","wish":"held","ids":[3]}' [holdall]='{"id":1,"op":"wish","wish":"held","array":1}'
    [kill]='{"id":1,"op":"wish","wish":"gone","ids":[3],"hard":true}'
    [pause]='{"id":1,"op":"pause","paused":false}' [drain]='{"id":1,"op":"drain","host":"localhost","drained":false}'
)
# Full: it has all of it. Outside: where it is, and nothing that is its owner's. The rest: how it is refused.
judge() { # ANSWER
    case $1 in
    *'"code":"not-found"'*) echo not-found ;;
    *'"code":"not-allowed"'*) echo not-allowed ;;
    *'"ok":true'*hunter2* | *'"done":['[1-9]*) echo full ;;
    *'"ok":true'*'"jobs":[]'* | *'"ok":true'*'"users":[]'*) echo nothing ;;
    *'"ok":true'*) echo outside ;;
    *) echo "?? $1" ;;
    esac
}

# expect VISIBILITY OPERATION OWNER OTHER ADMIN MEMBER ROOT
expect() {
    local visibility=$1 op=$2 role got=''
    for role in owner other admin member root; do got="$got $(judge "$(as $role "${request[$op]}")")"; done
    t_equal "VISIBILITY = $visibility, $op: owner, another, administrator, one who has dropped the group, root" "${*:3}" "${got# }"
}

all_operations() { # VISIBILITY, and what others are told: of a list, of one, of what only the owner may
    local v=$1 list=$2 one=$3 own=$4
    expect "$v" jobs full "$5" full "$list" full
    expect "$v" ofuser full "$list" full "$list" full
    for op in job failed array history; do expect "$v" $op full "$one" full "$one" full; done
    expect "$v" match outside "$own" outside "$own" outside
    expect "$v" logs outside "$own" outside "$own" outside
    for op in hold holdall kill; do expect "$v" $op full "$own" full "$own" full; done
    for op in pause drain; do expect "$v" $op not-allowed not-allowed outside not-allowed outside; done
}

is_matched() {
    [[ $(as root "${request[job]}") == *no-match* ]]
}
is_archived() {
    [[ $(as root "${request[jobs]}") != *'"id":2,'* ]]
}
t_check "a daemon with jobs of others becomes ready" start all || t_done
t_within 10 is_matched
answer=$(as other "${request[job]}")
t_match "what another sees of a job has its name, owner, state and the code of the reason" '"name":"open","user":"ann".*"state":"pend".*"code":"no-match","blame":"job","params":\{\}' "$answer"
all_operations all outside outside not-allowed full
# Who asks is not said by him: each such field is refused by its name, whatever it is given to.
for field in '"uid":60000' '"uid":0' '"gid":0' '"user":"ann"' '"owner":"ann"' '"admin":true' '"is_admin":true' '"groups":[0]'; do
    answer=$(as other "{\"id\":1,\"op\":\"wish\",\"wish\":\"gone\",\"ids\":[1],$field}" \
        "{\"id\":2,\"op\":\"submit\",\"template\":\"EXECUTABLE = /bin/true\",\"home\":\"/\",$field}")
    t_equal "a request that says who asks is refused ($field)" "2 invalid ${field%%:*}" \
        "$(jq -r 'select(.ok == false) | .error | .code + " " + (.message | capture("field (?<f>\"[a-z_]+\")").f)' <<<"$answer" | sort | uniq -c | xargs -d '\n' | sed 's/^ *//')"
done
t_equal "and does nothing" run "$(as owner "${request[job]}" | jq -r '.jobs[0]?.wish // empty')"
t_match "others see how many jobs a user has, and no credential" '"user":"ann","uid":60000,"waiting":[0-9]+,"running":0,"credential":null' "$(as other "${request[users]}")"
t_match "the owner sees his credential" '"path":"/tmp/hunter2"' "$(as owner "${request[users]}")"
watched() { # ROLE FILTER: what is watched from the first event on
    as "$1" "{\"id\":1,\"op\":\"watch\",\"from\":1$2}" '{"id":2,"op":"unwatch","watch":1}' '{"id":3,"op":"status"}' '{"id":4,"op":"status"}'
}
t_equal "another's watch of the past has the events, and nothing that is their owner's" "yes no" \
    "$(grep -q '"kind":"attempt-ended".*"code":"no-file","blame":"job","params":{}' <<<"$(watched other "")" && echo yes) $(watched other ',"ids":[2]' | grep -q hunter2 && echo yes || echo no)"
t_match "the owner's has what the site said" '"message":"/home/hunter2/data' "$(watched owner ',"ids":[2]')"
t_equal "no watch has the text of a template, nor the key" 0 "$(watched root "" | grep -cE 'PASSWORD|"key"|EXECUTABLE')"

commands() { # CODE: as another user, each command ends with it and shows nothing that is the owner's
    local command code bad=''
    for command in "gwps 1-5" "gwps -f 2" "gwps --why 1 2" "gwps --json 2" "gwhistory 2" "gwhistory --json 2"; do
        # shellcheck disable=SC2086 # words
        setpriv --reuid 60001 --regid 60001 --clear-groups -- "$BUILD/bin/"$command >command.out 2>&1
        code=$?
        [ $code -eq "$1" ] && ! grep -q hunter2 command.out || bad="$bad, $command: $code $(cat command.out)"
    done
    echo "${bad#, }"
}
t_equal "the commands show another the same" "" "$(commands 0)"
t_check "the same where others are hidden" start user || t_done
t_within 10 is_matched
all_operations user nothing not-found not-found full
t_equal "the commands find nothing" "" "$(commands 68)"
t_equal "others are told of no user but themselves" "bob" "$(as other "${request[users]}" | jq -r '.users[].user' | xargs)"
t_equal "one who has no job is told of none" nothing "$(judge "$(as member "${request[users]}")")"
t_equal "nobody can tell a job that is hidden from one that is not there" "$(as member '{"id":1,"op":"jobs","ids":[77]}' | sed 's/77/N/')" "$(as member '{"id":1,"op":"jobs","ids":[2]}' | sed 's/id 2/id N/')"
for op in '"op":"history","job":' '"op":"logs","job":' '"op":"hosts","match":' '"op":"jobs","array":'; do
    [[ $op =~ array ]] && known=1 || known=2
    t_equal "the same with $op" "$(as member "{\"id\":1,${op}77}" | sed 's/77/N/')" "$(as member "{\"id\":1,$op$known}" | sed "s/id $known/id N/")"
done
t_equal "a wish for one is as for none" "no such job" "$(as other '{"id":1,"op":"wish","wish":"gone","ids":[1]}' | jq -r '.refused[].error.message')"
t_equal "another's watch has no events of it, old ones" 0 "$(watched other ',"ids":[1,2,3]' | grep -c '"event"')"
t_equal "watching everything neither" "6" "$(watched other "" | grep -o '"job":[0-9]*' | sort -u | sed 's/.*://' | xargs)"
# New ones: while another watches, the owner's job is held and the other's own.
mkfifo new
setpriv --reuid 60001 --regid 60001 --clear-groups -- "$BUILD/fault/hostile_client" listen "$GW_SOCKET" '{"id":1,"op":"watch"}' <new >heard &
T_PIDS+=($!)
exec {hold}>new
t_within 10 grep -q '"ok":true' heard
as owner '{"id":1,"op":"wish","wish":"run","ids":[4]}' >/dev/null
as root '{"id":1,"op":"wish","wish":"run","ids":[6]}' >/dev/null
t_within 10 grep -q '"job":6' heard
exec {hold}>&-
t_equal "and no new ones: only his own" "6" "$(grep -o '"job":[0-9]*' heard | sort -u | sed 's/.*://' | xargs)"

t_check "and of a job that has left the listing" start user 0 || t_done
t_within 20 is_archived
for op in failed history; do expect user $op full not-found full not-found full; done
expect user logs outside not-found outside not-found outside
t_check "and where others see its outside" start all 0 || t_done
t_within 20 is_archived
for op in failed history; do expect all $op full outside full outside full; done
t_equal "no secret of a template is in the log" 0 "$(grep -c PASSWORD "$GWD_DIR.log")"
t_done
