#!/bin/bash
# Several users and one daemon: gw_launch runs what its list allows, as whom it allows, and takes nothing over.
# limit: 480
. "$(dirname "$0")/accounts_lib.sh"
accounts --first 51000 gwd alice bob carol dave
echo "daemons:x:300:300::/:/bin/sh" >>/etc/passwd
echo "passing:x:61184:61184::/:/bin/sh" >>/etc/passwd # as systemd makes for DynamicUser=
echo "friends:x:51010:bob" >>/etc/group

programs="PROGRAMS = /usr/bin/env /usr/bin/id /usr/bin/cat /usr/bin/ls /usr/bin/sleep /usr/bin/dash"
list "USERS = alice" "GROUPS = friends" "$programs" "ENVIRONMENT = GLOBUS_TCP_PORT_RANGE=4000,5000"

# --- what is started ---
t_equal "a program runs as the user, with his groups" "uid=51001(alice) gid=51001(alice) groups=51001(alice)" \
    "$(as gwd $LAUNCH 51001 /usr/bin/id 2>&1)"
t_equal "a member of an allowed group is launched, with all his groups" \
    "uid=51002(bob) gid=51002(bob) groups=51002(bob),51010(friends)" "$(as gwd $LAUNCH 51002 /usr/bin/id 2>&1)"
t_equal "the environment is made, not taken over" "GLOBUS_TCP_PORT_RANGE=4000,5000 HOME=/mnt/home/alice LANG=C.UTF-8 LOGNAME=alice \
PATH=/usr/local/bin:/usr/bin:/bin USER=alice" \
    "$(as gwd LD_PRELOAD=/nowhere.so LD_LIBRARY_PATH=/tmp PATH=/tmp IFS=x BASH_ENV=/tmp/x GW_CRASH=sync:1 SECRET=1 $LAUNCH 51001 /usr/bin/env |
        sort | tr '\n' ' ' | sed 's/ $//')"
status=$(as gwd $LAUNCH 51001 /usr/bin/cat /proc/self/status)
t_equal "no capability is left, and none can be got back" "0000000000000000 0000000000000000 0000000000000000 0000000000000000 1" \
    "$(awk '/^Cap(Inh|Prm|Eff|Amb)|^NoNewPrivs/ { printf "%s%s", s, $2; s = " " }' <<<"$status")"
t_equal "files it makes are its user's alone" 0077 "$(awk '/^Umask/ { print $2 }' <<<"$status")"
t_equal "no signal is blocked or ignored" "0000000000000000 0000000000000000" \
    "$(as gwd bash -c "trap '' TERM HUP USR1; exec $LAUNCH 51001 /usr/bin/cat /proc/self/status" |
        awk '/^Sig(Blk|Ign)/ { printf "%s%s", s, $2; s = " " }')"
echo secret >"$T_DIR/secret"
chmod 600 "$T_DIR/secret"
t_equal "no descriptor but three is taken over" "0 1 2 3" \
    "$(as gwd $LAUNCH 51001 /usr/bin/ls /proc/self/fd 5<"$T_DIR/secret" 9<"$T_DIR/secret" | tr '\n' ' ' | sed 's/ $//')"
t_equal "it begins in the user's home" /mnt/home/alice "$(as gwd $LAUNCH 51001 /usr/bin/dash -c pwd)"
as gwd $LAUNCH 51001 /usr/bin/dash -c 'exit 42'
t_equal "the exit code is the program's" 42 $?
t_equal "the program has a session of its own" yes \
    "$(as gwd $LAUNCH 51001 /usr/bin/dash -c '[ $(cut -d" " -f6 /proc/$$/stat) = $$ ] && echo yes')"

# --- what is not ---
# refused SENTENCE CODE ERE COMMAND ...
refused() {
    local sentence=$1 code=$2 words=$3 out got
    shift 3
    out=$("$@" 2>&1 </dev/null)
    got=$?
    if [ $got = "$code" ] && grep -qE -- "$words" <<<"$out"; then
        t_ok "$sentence"
    else
        t_not_ok "$sentence" "code $got, not $code" "$out"
    fi
}
refused "a user who is not in the list is not launched" 67 "the account carol may not run jobs here.*USERS or GROUPS" as gwd $LAUNCH 51003 /usr/bin/id
refused "nor is root" 67 "root's jobs are not run" as gwd $LAUNCH 0 /usr/bin/id
refused "nor the daemon's own account" 67 "jobs of the account gwd are not run" as gwd $LAUNCH 51000 /usr/bin/id
refused "nor an account that does not exist" 67 "no account of this machine" as gwd $LAUNCH 51999 /usr/bin/id
refused "nor who is called by a name" 64 "not the number of an account" as gwd $LAUNCH alice /usr/bin/id
refused "nor the uid that means none" 64 "not the number of an account" as gwd $LAUNCH 4294967295 /usr/bin/id
refused "nor a number that would come round to another" 64 "not the number of an account" as gwd $LAUNCH 4295018297 /usr/bin/id
refused "a program that is not in the list is not started" 77 "/usr/bin/whoami is not one of the PROGRAMS" as gwd $LAUNCH 51001 /usr/bin/whoami
refused "nor one by another path" 77 "is not one of the PROGRAMS" as gwd $LAUNCH 51001 /usr/bin/../bin/id
refused "nor without a path" 77 "is not one of the PROGRAMS" as gwd $LAUNCH 51001 id
refused "who is not in the daemon's group cannot start gw_launch" 126 "ermission denied" as alice $LAUNCH 51002 /usr/bin/id
chmod 755 $LAUNCH
refused "and who can is refused" 77 "only the account gwd may call it" as alice $LAUNCH 51002 /usr/bin/id
refused "root as well" 77 "only the account gwd may call it" $LAUNCH 51002 /usr/bin/id
chmod 750 $LAUNCH

# Programs and lists that others could have written.
ln -s /usr/bin/id $LIBEXEC/link
cp /usr/bin/id $LIBEXEC/loose && chmod 775 $LIBEXEC/loose
cp /usr/bin/id $LIBEXEC/alices && chown alice $LIBEXEC/alices
cp /usr/bin/id $LIBEXEC/suid && chmod 4755 $LIBEXEC/suid
printf '#!/bin/sh\nid\n' >$LIBEXEC/script && chmod 755 $LIBEXEC/script
mkdir -p /mnt/open/shut && chmod 777 /mnt/open && cp /usr/bin/id /mnt/open/shut/id
ln -s $LIBEXEC /mnt/other
list "USERS = *" "MIN_UID = 51001" "PROGRAMS = $LIBEXEC/link $LIBEXEC/loose $LIBEXEC/alices $LIBEXEC/suid $LIBEXEC/script /mnt/open/shut/id /mnt/other/gw_em_fork $LIBEXEC /usr/bin/id /mnt/gw/none"
t_match "with USERS = * every account is launched" "carol" "$(as gwd $LAUNCH 51003 /usr/bin/id 2>&1)"
refused "but those of the system" 67 "one of the system's" as gwd $LAUNCH 300 /usr/bin/id
refused "and those that systemd makes and removes" 67 "one of the system's" as gwd $LAUNCH 61184 /usr/bin/id
refused "and nobody" 67 "one of the system's" as gwd $LAUNCH 65534 /usr/bin/id
refused "a program that is a symbolic link is not started" 78 "symbolic link" as gwd $LAUNCH 51001 $LIBEXEC/link
refused "nor one behind a symbolic link" 78 "symbolic link" as gwd $LAUNCH 51001 /mnt/other/gw_em_fork
refused "nor one that others can write" 78 "can be written by others" as gwd $LAUNCH 51001 $LIBEXEC/loose
refused "nor one in a directory that others can write" 78 "/mnt/open can be written by others" as gwd $LAUNCH 51001 /mnt/open/shut/id
refused "nor one that is not root's" 78 "does not belong to root" as gwd $LAUNCH 51001 $LIBEXEC/alices
refused "nor one with a set-user-id bit" 78 "set-user-id" as gwd $LAUNCH 51001 $LIBEXEC/suid
refused "nor a script" 78 "is a script" as gwd $LAUNCH 51001 $LIBEXEC/script
refused "nor a directory" 78 "is not a regular file" as gwd $LAUNCH 51001 $LIBEXEC
refused "nor what is not there" 78 "No such file" as gwd $LAUNCH 51001 /mnt/gw/none
list "USER = alice" "$programs"
refused "a list that is not understood allows nothing" 78 "line 2: USER = alice: no such key" as gwd $LAUNCH 51001 /usr/bin/id
list "USERS = alice" "$programs"
chmod 664 /etc/gwd/launch.conf
refused "a list that others can write allows nothing" 78 "launch.conf can be written by others" as gwd $LAUNCH 51001 /usr/bin/id
chmod 644 /etc/gwd/launch.conf
chown gwd /etc/gwd/launch.conf
refused "nor one that is not root's" 78 "launch.conf does not belong to root" as gwd $LAUNCH 51001 /usr/bin/id
chown root /etc/gwd/launch.conf
chown gwd /etc/gwd
refused "nor one in a directory that is not root's" 78 "/etc/gwd does not belong to root" as gwd $LAUNCH 51001 /usr/bin/id
chown root /etc/gwd
mv /etc/gwd/launch.conf /etc/gwd/launch.real
ln -s launch.real /etc/gwd/launch.conf
refused "nor one that is a symbolic link" 78 "symbolic link" as gwd $LAUNCH 51001 /usr/bin/id
mv /etc/gwd/launch.real /etc/gwd/launch.conf
setcap -r $LAUNCH
refused "without its privilege it says how it is given" 78 "setcap cap_setuid,cap_setgid=ep" as gwd $LAUNCH 51001 /usr/bin/id
chmod 4750 $LAUNCH
t_match "where a file system has no capabilities the set-user-id bit does" "uid=51001\(alice\) gid=51001" "$(as gwd $LAUNCH 51001 /usr/bin/id 2>&1)"
t_equal "of which nothing is left, either" 0000000000000000 \
    "$(as gwd $LAUNCH 51001 /usr/bin/cat /proc/self/status | awk '/^CapPrm/ { print $2 }')"
chmod 750 $LAUNCH
setcap cap_setuid,cap_setgid=ep $LAUNCH

# --- its end ---
# with_input COMMAND ...: starts it with an open input; its guard is GUARD.
with_input() {
    rm -f "$T_DIR/input"
    mkfifo -m 666 "$T_DIR/input"
    chmod 711 "$T_DIR"
    as_exec gwd "$@" <"$T_DIR/input" >/dev/null 2>&1 &
    GUARD=$!
    T_PIDS+=("$GUARD")
    exec {INPUT}>"$T_DIR/input"
}
child() { pgrep -P "$GUARD"; }
# Whoever inherits it may take its time to bury it.
gone() { ! grep -qE '^State:[[:space:]]+[^XZ]' "/proc/$1/status" 2>/dev/null; }
with_input $LAUNCH 51001 /usr/bin/sleep 600
t_within 10 child
sleep=$(child)
t_equal "the program's parent is the user's as well" "51001 51001" \
    "$(awk '/^Uid/ { printf "%s%s", s, $3; s = " " }' /proc/"$sleep"/status /proc/"$GUARD"/status)"
exec {INPUT}>&-
t_check "a program that does not end at the end of its input is ended" t_within 10 gone "$sleep"
wait $GUARD
t_equal "and its end is told" 137 $?
with_input $LAUNCH 51001 /usr/bin/sleep 600
t_within 10 child
sleep=$(child)
kill -KILL $GUARD
wait $GUARD 2>/dev/null
t_check "a program does not outlive its guard" t_within 5 gone "$sleep"
exec {INPUT}>&-

# --- one daemon, several users ---
drivers="PROGRAMS = $LIBEXEC/gw_tm_local $LIBEXEC/gw_em_fork $LIBEXEC/gw_credential"
list "USERS = alice bob" "$drivers"
cat >/etc/gwd/gwd.conf <<EOF
STATE_DIR = /mnt/state
SOCKET = /mnt/run/gwd.sock
MULTI_USER = yes
RETRY_INTERVAL = 1
ADMIN_GROUP = friends
IM_MAD = static:gw_im_static:--self localhost\\:4\\:file\\:///~:local:fork
TM_MAD = local:gw_tm_local:
EM_MAD = fork:gw_em_fork::rsl
EOF
# job USER TEMPLATE-LINE ...: what gwsubmit says of it, to its end
job() {
    local user=$1
    shift
    printf '%s\n' "$@" >/mnt/home/"$user"/try.jt
    chown "$user" /mnt/home/"$user"/try.jt
    user_do "$user" "gwsubmit --wait --exit-with-job try.jt" 2>&1
}
refused "a daemon of many users does not run as root" 78 "as an account of its own" timeout 20 $TOP/bin/gwd -c /etc/gwd/gwd.conf
t_check "a daemon of many users starts" daemon_start
t_equal "anybody may connect to it" 666 "$(stat -c %a $GW_SOCKET)"
t_equal "it has no privilege, and what it starts can have two" "0000000000000000 0000000000000000 00000000000000c0" \
    "$(awk '/^Cap(Prm|Eff|Bnd)/ { printf "%s%s", s, $2; s = " " }' "/proc/$GWD_PID/status")"
# The kernel gives what /proc shows of such a process to root.
t_equal "no core and no debugger shows what the daemon has in memory" "gwd root" \
    "$(cat "/proc/$GWD_PID/comm") $(stat -c %U "/proc/$GWD_PID/environ")"

cat >/mnt/home/alice/job.jt <<'EOF'
EXECUTABLE = run.sh
INPUT_FILES = in
OUTPUT_FILES = result
STDOUT_FILE = said
ENVIRONMENT = COLOUR=blue
EOF
# shellcheck disable=SC2016
printf '#!/bin/sh\nid -un; id -u >result; cat in >>result; echo $COLOUR >>result\n' >/mnt/home/alice/run.sh
chmod 755 /mnt/home/alice/run.sh
cp /mnt/home/alice/job.jt /mnt/home/alice/run.sh /mnt/home/bob/
for user in alice bob; do
    echo "$user's secret" >/mnt/home/$user/in
    chmod 600 /mnt/home/$user/in
    chown -R $user:$user /mnt/home/$user
done
for user in alice bob; do
    uid=$(id -u $user)
    t_check "$user's staged job ends" user_do $user "gwsubmit --wait --exit-with-job job.jt"
    t_equal "it ran as $user, with $user's files" "$uid $user's secret blue" "$(tr '\n' ' ' </mnt/home/$user/result | sed 's/ $//')"
    t_equal "what it made is $user's" "$uid $uid $user" \
        "$(stat -c %u /mnt/home/$user/result /mnt/home/$user/said | tr '\n' ' ')$(cat /mnt/home/$user/said)"
    t_equal "$user's job without staging runs as $user" "$uid" \
        "$(job $user "EXECUTABLE = /usr/bin/id" "ARGUMENTS = -u" "STAGING = no" "STDOUT_FILE = /mnt/home/$user/bare" && cat /mnt/home/$user/bare)"
done
t_equal "nothing of a job is left in a home" "" "$(find /mnt/home -maxdepth 2 -name '.gw_*' ! -name .gw_cache ! -name '.gw_lease*' ! -name '.gw_epoch_*')"

# --- what is not his ---
# fails SENTENCE ERE USER TEMPLATE-LINE ...
fails() {
    local sentence=$1 words=$2 out code
    shift 2
    out=$(job "$@")
    code=$?
    if [ $code -ne 0 ] && grep -qE -- "$words" <<<"$out"; then t_ok "$sentence"; else t_not_ok "$sentence" "code $code" "$out"; fi
}
# unwelcome SENTENCE ERE USER TEMPLATE-LINE ...: the job has run, says why its results find no place, and waits until it is killed.
unwelcome() {
    local sentence=$1 words=$2 user=$3 id
    shift 3
    printf '%s\n' "$@" >/mnt/home/"$user"/try.jt
    chown "$user" /mnt/home/"$user"/try.jt
    id=$(user_do "$user" "gwsubmit -v try.jt" | sed -n 's/^JOB ID: //p')
    said() { user_do "$user" "gwps --why $id" | grep -qE -- "$words"; }
    t_check "$sentence" t_within 20 said
    user_do "$user" "gwkill $id" >/dev/null 2>&1
}
user_do bob "echo mine >keep; chmod 600 keep; umask 022; mkdir -p open; echo theirs >open/file; chmod 755 ~ open"
ln -s ../bob/keep /mnt/home/alice/link
fails "a file that the user may not read is no input of his job" "ermission denied|may not be read" \
    alice "EXECUTABLE = /bin/true" "INPUT_FILES = file:///mnt/home/bob/keep"
fails "nor by a symbolic link of his" "ermission denied|may not be read" \
    alice "EXECUTABLE = /bin/true" "INPUT_FILES = link"
unwelcome "another user's file is not overwritten by an output" "ermission denied|not-allowed|may not" \
    alice "EXECUTABLE = /bin/sh" "ARGUMENTS = -c 'echo x >o'" "OUTPUT_FILES = o file:///mnt/home/bob/open/file"
unwelcome "nor by the standard output" "ermission denied|not-allowed|may not" \
    alice "EXECUTABLE = /bin/echo" "ARGUMENTS = x" "STDOUT_FILE = /mnt/home/bob/open/file"
unwelcome "nor is one made in his directory" "ermission denied|not-allowed|may not" \
    alice "EXECUTABLE = /bin/echo" "ARGUMENTS = x" "STDOUT_FILE = /mnt/home/bob/open/new"
t_equal "bob's files are as they were" "mine theirs file" \
    "$(cat /mnt/home/bob/keep /mnt/home/bob/open/file | tr '\n' ' ')$(ls /mnt/home/bob/open)"
# A destination that is full is the user's to mend: the results wait at the site.
mkdir /mnt/home/alice/small && mount -t tmpfs -o size=64k,mode=777 small /mnt/home/alice/small
printf '%s\n' "EXECUTABLE = /bin/sh" "ARGUMENTS = -c 'date +%N >big; head -c 300000 /dev/zero >>big'" "OUTPUT_FILES = big small/big" \
    >/mnt/home/alice/full.jt
full=$(user_do alice "gwsubmit -v full.jt" | sed -n 's/^JOB ID: //p')
is_full() { user_do alice "gwps --why $full" | grep -q "no space left"; }
t_check "results that do not fit where they go wait, and it is said what for" t_within 20 is_full
mount -o remount,size=1m /mnt/home/alice/small
t_check "with space there they come home" user_do alice "timeout 50 gwwait $full"
t_equal "of the one attempt that there was" 1 "$(user_do alice "gwhistory --json $full" | jq -r '.. | .attempts? // empty | length' | head -n 1)"
fails "nor may a job read the daemon's state" "ermission denied|may not be read" \
    alice "EXECUTABLE = /bin/true" "INPUT_FILES = file:///mnt/state/state.db"

# --- who is not served ---
t_match "a user who is not in the list is told so by his job" "carol may not run jobs here" "$(job carol "EXECUTABLE = /bin/true")"
t_match "also without staging" "carol may not run jobs here" "$(job carol "EXECUTABLE = /bin/true" "STAGING = no")"
t_match "root's jobs are refused" "none as root" "$($TOP/bin/gwsubmit -- /bin/true 2>&1)"
t_match "and the daemon's own account's" "none as its own account" "$(user_do gwd "gwsubmit -- /bin/true" 2>&1)"
list "USERS = alice bob carol" "$drivers"
t_check "once he is in the list his next job runs" user_do carol "gwsubmit --wait --exit-with-job -- /bin/true"

# What he submits costs nobody anything, and others are served meanwhile.
asked() { ! user_do dave "gwsubmit -o -- /bin/true" 2>"$T_DIR/dave.err"; }
t_check "a user who is not in the list may not submit on and on" t_within 30 asked
t_match "which says what to do" "none of those that may run jobs here.*launch.conf" "$(cat "$T_DIR/dave.err")"
t_equal "after a few jobs, held ones as well" yes "$(n=$(user_do dave "gwps -n -u dave" | wc -l) && [ "$n" -ge 10 ] && [ "$n" -le 60 ] && echo yes || echo "$n")"
t_match "an array of his neither" "none of those that may run jobs here" "$(user_do dave "gwsubmit -o -n 1000 -- /bin/true" 2>&1)"
t_check "others' submissions are taken" user_do alice "gwsubmit --wait --exit-with-job -- /bin/true"

# --- output of a job that runs, and of one that has ended ---
cat >/mnt/home/alice/slow.jt <<'EOF'
EXECUTABLE = /bin/sh
ARGUMENTS = -c 'echo first; until [ -e /mnt/home/alice/go ]; do sleep 0.1; done; echo last'
STDOUT_FILE = slow.out
EOF
slow=$(user_do alice "gwsubmit -v slow.jt" | sed -n 's/^JOB ID: //p')
first() { [ "$(user_do alice "gwlogs $slow")" = first ]; }
t_check "the output of a job that runs is seen" t_within 20 first
t_match "not by others" "another user" "$(user_do carol "gwlogs $slow" 2>&1)"
as_exec alice GW_SOCKET=$GW_SOCKET timeout 60 gwlogs -f "$slow" >"$T_DIR/followed" 2>&1 &
follower=$!
touch /mnt/home/alice/go
wait $follower
t_equal "followed, it goes on to the end" "first last" "$(tr '\n' ' ' <"$T_DIR/followed" | sed 's/ $//')"
t_equal "and is there afterwards" "first last" "$(user_do alice "gwwait $slow >/dev/null; gwlogs $slow" | tr '\n' ' ' | sed 's/ $//')"
t_match "an administrator who may not read the file does not get it from the daemon" "ermission denied" "$(user_do bob "gwlogs $slow" 2>&1)"

# --- processes ---
t_equal "each driver has a process for each user beside its own" "gwd 51001 51002 51003" \
    "$(gwhost --drivers --json | jq -r '[.status.drivers[] | select(.kind == "tm") | .uid // "gwd" | tostring] | sort_by(. != "gwd", .) | join(" ")')"
with_log() { # Processes that the daemon has started for users, and that have its log open.
    local pid
    for pid in $(pgrep -u alice,bob,carol); do
        for fd in "/proc/$pid"/fd/*; do [ "$(readlink "$fd")" != "$GWD_LOG" ] || echo "$pid: $fd"; done
    done
}
t_equal "the daemon's log is at no descriptor of a user's process" "" "$(with_log)"
t_check "as it is at the daemon's" [ "$(readlink "/proc/$GWD_PID/fd/2")" = "$GWD_LOG" ]
rm -f /mnt/home/*/go
ids=()
for user in alice bob; do
    long=/mnt/home/$user/long.jt
    cat >$long <<EOF
EXECUTABLE = /bin/sh
ARGUMENTS = -c 'echo \\\$\\\$ >>/mnt/home/$user/starts; until [ -e /mnt/home/$user/go ]; do sleep 0.1; done; echo done'
STDOUT_FILE = /mnt/home/$user/long.out
EOF
    { cat $long; echo "STAGING = no"; } >/mnt/home/$user/longbare.jt
    chown $user $long /mnt/home/$user/longbare.jt
    ids[$(id -u $user)]=$(user_do $user "gwsubmit -v long.jt && gwsubmit -v longbare.jt" | sed -n 's/^JOB ID: //p' | tr '\n' ' ')
    [ -n "${ids[$(id -u $user)]}" ] || t_not_ok "$user's long jobs are submitted"
done
running() { [ "$(cat /mnt/home/*/starts 2>/dev/null | wc -l)" = 4 ]; }
t_check "jobs of two users run" t_within 30 running
guards=$(pgrep -P "$GWD_PID" -f "^$LAUNCH")
kill -KILL "$GWD_PID"
wait "$GWD_PID" 2>/dev/null
GWD_PID=
all_gone() { for pid in $guards; do gone "$pid" || return 1; done; }
t_check "when the daemon is killed, the drivers of users end" t_within 20 all_gone
t_check "the daemon starts again" daemon_start
for user in alice bob; do as $user touch /mnt/home/$user/go; done
for user in alice bob; do
    t_check "all jobs of $user end" user_do $user "timeout 50 gwwait ${ids[$(id -u $user)]}"
    t_equal "each was started once" 2 "$(wc -l </mnt/home/$user/starts)"
done
t_equal "their exit codes are known" "4" "$($TOP/bin/gwps --json | jq '[.jobs[] | select(.name | startswith("long")) | select(.phase == "DONE" and .exit_code == 0)] | length')"

# --- another daemon with a later copy of the state has been at work for alice ---
instance=$(gwhost --drivers --json | jq -r .status.instance)
later=$(($(date +%s%3N) + 100000000))
printf 'GWLEASE 1\nINSTANCE=%s\nEPOCH=%s\nFENCE=%s\n' "$instance" $later $later >"$T_DIR/mark"
echo "CKSUM=$(cksum <"$T_DIR/mark")" >>"$T_DIR/mark"
t_check "it is marked in a user's home, as the user, whose run works there" as alice test -O "/mnt/home/alice/.gw_epoch_$instance"
kill -TERM "$GWD_PID"
wait "$GWD_PID"
install -o alice -g alice -m 600 "$T_DIR/mark" "/mnt/home/alice/.gw_epoch_$instance"
t_check "the daemon starts once more" daemon_start
lease=("EXECUTABLE = /bin/sleep" "ARGUMENTS = 4" "LEASE = 3" "ON_LOST = retry-after-lease")
t_check "without a lease alice's jobs run as ever" user_do alice "gwsubmit --wait --exit-with-job -- /bin/true"
t_match "the administrator is told" "/~ knows of a later run of this state" "$(gwhost --drivers)"
printf '%s\n' "${lease[@]}" >/mnt/home/alice/lease.jt
leased=$(user_do alice "gwsubmit -v lease.jt" | sed -n 's/^JOB ID: //p')
is_left() { user_do alice "gwps --why $leased" | grep -q "later copy"; }
t_check "with one they are left to the other daemon" t_within 20 is_left
t_equal "bob's are not: his is longer than its lease, and ends well" "0" "$(job bob "${lease[@]}" >"$T_DIR/bob.said" && echo 0 || cat "$T_DIR/bob.said")"
t_check "alice's is hers to end" user_do alice "gwkill -9 $leased"
rm "/mnt/home/alice/.gw_epoch_$instance"

# --- a virtual machine ---
if [ -e "$BUILD/guest.qcow2" ]; then
    cp "$BUILD/guest.qcow2" /mnt/guest.qcow2
    # As a member of the group kvm would have it; else it takes a minute.
    if [ -e /dev/kvm ]; then cp -a /dev/kvm /mnt/kvm && chmod 666 /mnt/kvm && mount --bind /mnt/kvm /dev/kvm; fi
    cat >/mnt/home/alice/vm.jt <<'EOF'
EXECUTABLE = /bin/sh
ARGUMENTS = -c 'cat in; exit 4'
INPUT_FILES = in
STDOUT_FILE = vm.out
VM_IMAGE = /mnt/guest.qcow2
VM_MEMORY = 128M
EOF
    as alice GW_SOCKET=$GW_SOCKET timeout 240 bash -c "cd; gwsubmit --wait --exit-with-job vm.jt" >"$T_DIR/vm.said" 2>&1
    t_equal "a job in a virtual machine runs as its user" "4 51001 alice's secret" \
        "$? $(stat -c %u /mnt/home/alice/vm.out) $(cat /mnt/home/alice/vm.out "$T_DIR/vm.said")"
else
    t_skip "a job in a virtual machine runs as its user" "there is no guest image; make image"
fi

kill -TERM "$GWD_PID"
wait "$GWD_PID"
t_equal "the daemon stops" 0 $?
GWD_PID=

# --- drivers that do not do what they should ---
# The fake driver reads a script where it is started: the daemon's own process and each user's another one.
mv /mnt/state /mnt/state.before
install -d -m 700 -o gwd /mnt/state
list "USERS = alice bob" "$drivers $LIBEXEC/gw_fake /usr/bin/cp"
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$T_DIR/key" -out "$T_DIR/cert" -days 2 -subj /O=Grid/CN=Someone 2>/dev/null
cat "$T_DIR/cert" "$T_DIR/key" >/mnt/renewed
chmod 644 /mnt/renewed
echo "CREDENTIAL_RENEW = /usr/bin/cp /mnt/renewed" >>/etc/gwd/gwd.conf
sed -i 's/^EM_MAD.*/EM_MAD = fork:gw_fake:em -s fake.script:rsl/' /etc/gwd/gwd.conf
echo 'INIT -> INIT - SUCCESS ok' >/mnt/home/gwd/fake.script
echo 'INIT -> !hang' >/mnt/home/alice/fake.script
cat >/mnt/home/bob/fake.script <<'EOF'
INIT -> INIT - SUCCESS ok gw1:pct,handles,recover-token,idempotent,blame,inline,bare,credential
RECOVER -> RECOVER %1 FAILURE not-found:us
EOF
cd /mnt/home/gwd || exit 1
t_check "a daemon with another driver starts" daemon_start
em_says() { gwhost --drivers --json | jq -r '.status.drivers[] | select(.kind == "em") | select((.uid // 0) == '"$1"') | .state + " " + (.reason // "")'; }
lacking() { em_says 0 | grep -q "down it lacks pct or inline"; }
t_check "a driver that would need files of the daemon's is not used, and it is said why" t_within 10 lacking
cp /mnt/home/bob/fake.script /mnt/home/gwd/fake.script
printf '%s\n' "EXECUTABLE = /bin/true" "STAGING = no" | tee /mnt/home/alice/fake.jt >/mnt/home/bob/fake.jt
stuck=$(user_do alice "gwsubmit -v --credential=/mnt/home/alice/proxy fake.jt" | sed -n 's/^JOB ID: //p')
t_check "one user's job is not kept waiting" user_do bob "gwsubmit --wait --exit-with-job --credential=/mnt/home/bob/proxy fake.jt"
t_equal "which needs a credential, that the operator's command makes as its owner" "51002 600" "$(stat -c '%u %a' /mnt/home/bob/proxy)"
thief=$(user_do bob "gwsubmit -v --credential=/mnt/home/alice/proxy fake.jt" | sed -n 's/^JOB ID: //p')
waits() { user_do bob "gwps --why $thief" | grep -qE "may not be read|ermission denied"; }
t_check "another user's credential is not used" t_within 20 waits
# Each look is two processes, so that many files of one owner are looked at in turn.
many=$(for ((i = 0; i < 30; i++)); do echo "/mnt/home/bob/none$i"; done)
from=$(date +%s)
user_do bob "for f in $(tr '\n' ' ' <<<"$many"); do gwsubmit --credential=\$f fake.jt; done"
looked() { [ "$(grep -oE 'the credential /mnt/home/bob/none[0-9]+ does not exist' "$GWD_LOG" | sort -u | wc -l)" -eq 30 ]; }
t_check "each of many credentials of one user is looked at" t_within 60 looked
t_check "but not all at once" [ $(($(date +%s) - from)) -ge 5 ]
user_do bob "gwkill $(gwps -n -o J -u bob | tr -d ' ' | sort -n | tail -n 30 | tr '\n' ' ')" >/dev/null

hung=$(pgrep -u alice -f gw_fake | tail -n 1)
t_check "by another's driver, which hangs" [ -n "$hung" ]
late() { em_says 51001 | grep -q "down no answer to INIT in time"; }
t_check "that is noticed" t_within 25 late
t_check "and it is ended" t_within 10 gone "$hung"
cp /mnt/home/bob/fake.script /mnt/home/alice/fake.script
t_check "when it works again its job goes on" user_do alice "timeout 50 gwwait $stuck"
kill -STOP "$(pgrep -u alice -f gw_fake | tail -n 1)"
stopped=$(pgrep -u alice -f gw_fake | tail -n 1)
kill -TERM "$GWD_PID"
wait "$GWD_PID"
t_equal "the daemon does not wait for a driver that was stopped" 0 $?
GWD_PID=
t_check "which is ended, too" t_within 10 gone "$stopped"

# --- a driver that answers for others ---
cat >/mnt/home/alice/fake.script <<'EOF'
INIT -> INIT - SUCCESS ok gw1:pct,handles,recover-token,idempotent,blame,inline,bare,credential
SUBMIT -> SUBMIT %1 SUCCESS fake:%1
  CALLBACK %1 SUCCESS ACTIVE
EOF
{
    head -n 1 /mnt/home/alice/fake.script
    echo "SUBMIT -> SUBMIT %1 SUCCESS fake:%1"
    for number in $(seq 0 9) 4294967296; do
        printf '  %s\n' "CALLBACK $number SUCCESS DONE:9" "POLL $number SUCCESS DONE:9"
    done
    echo "  !complain no, no, no"
} >/mnt/home/bob/fake.script
t_check "a daemon with a driver that lies starts" daemon_start
patient=$(user_do alice "gwsubmit -v --credential=/mnt/home/alice/proxy fake.jt" | sed -n 's/^JOB ID: //p')
of_patient() { gwps --json "$patient" | jq -r '.jobs[] | "\(.phase) \(.em) \(.attempt) \(.exit_code)"'; }
runs_on() { [ "$(of_patient)" = "WRAPPER actv 1 null" ]; }
t_check "a job of one user runs" t_within 30 runs_on
# What was said at the first one's submission is heard before the second one's end.
for i in 1 2; do
    user_do bob "gwsubmit --wait --exit-with-job --credential=/mnt/home/bob/proxy fake.jt" >"$T_DIR/lied" 2>&1
    t_equal "another's driver ends its own user's jobs as it likes ($i)" 9 $?
done
t_equal "and no other user's, whichever handle it names" "WRAPPER actv 1 null" "$(of_patient)"
loud() { grep -q 'em driver fork of uid 51002 says: no, no, no' "$GWD_LOG"; }
t_check "what a user's driver says on its standard error is in the log" t_within 10 loud
spent() { awk '{ print $14 + $15 }' "/proc/$GWD_PID/stat"; }
before=$(spent)
sleep 3 # what the daemon does meanwhile is measured
spent=$(($(spent) - before))
t_check "but does not keep the daemon busy, were it without end ($spent of 300 ticks)" [ $spent -lt 60 ]
kill -TERM "$GWD_PID"
wait "$GWD_PID"
GWD_PID=
t_equal "the daemon's log has no error but for the later run" "" "$(grep ' ERROR ' "$GWD_LOG" | grep -v 'knows of a later run')"
[ $T_FAILED = 0 ] || tail -n 60 "$GWD_LOG" | sed 's/^/# /'
t_done
