#!/bin/bash
# Two users of one daemon at real sites: GRAM5 and GridFTP drivers run as each of them, with his credential and no other's.
# limit: 300
. "$(dirname "$0")/accounts_lib.sh"
. "$(dirname "$0")/grid_lib.sh"
cd "$T_DIR" || exit 1
accounts gwd alice bob carol
grid_up
# Else the sites would see the users' homes, and a file that is there would not have to come home.
for site in $(grid sites); do grid exec "$site" umount -l /mnt; done
rm -rf /etc/grid-security && mkdir /etc/grid-security && cp -r "$GRID/pki/certificates" /etc/grid-security/
# shellcheck disable=SC2034 # for accounts_lib.sh
AS_WHERE=("$T_GRID" exec client)
list "USERS = alice bob carol" "PROGRAMS = $LIBEXEC/gw_tm_gass $LIBEXEC/gw_em_gram5 $LIBEXEC/gw_credential" \
    "ENVIRONMENT = GLOBUS_HOSTNAME=client.grid.test GLOBUS_TCP_PORT_RANGE=42000,45999"
grid conf /mnt/conf && chown -R gwd /mnt/conf || exit 1
cat >/etc/gwd/gwd.conf <<X
STATE_DIR = /mnt/state
SOCKET = $GW_SOCKET
MULTI_USER = yes
RETRY_INTERVAL = 1
$(sed -n '/^[ITE]M_MAD/p' /mnt/conf/gwd.conf)
X
grid proxy --user user --owner alice /mnt/home/alice/proxy
grid proxy --user user2 --owner bob /mnt/home/bob/proxy
t_check "a daemon of many users with two sites becomes ready" daemon_start || t_done

# job USER NAME [LINE ...]: by a client in the background; it runs until it is told, with a file of the user's. Sets JOB.
job() {
    local user=$1 home=/mnt/home/$1 name=$2
    shift 2
    echo "$user's secret" >"$home/$name.in"
    # shellcheck disable=SC2016
    printf '#!/bin/sh\n%s\n' "echo $name >>$PAYLOAD_LOG; id -un; until [ -e /tmp/go.$name ]; do sleep 0.2; done" \
        "cat $name.in - >$name.out; exit 7" >"$home/$name.sh"
    chmod 700 "$home/$name.sh"
    chmod 600 "$home/$name.in"
    printf '%s\n' "EXECUTABLE = $name.sh" "INPUT_FILES = $name.in" "OUTPUT_FILES = $name.out" "STDIN_FILE = $name.in" \
        "STDOUT_FILE = $name.said" "$@" >"$home/$name.jt"
    chown -R "$user:$user" "$home/$name".*
    JOB=$(user_do "$user" "gwsubmit -v ${CREDENTIAL---credential=$home/proxy} $name.jt" 2>&1 | sed -n 's/^JOB ID: //p')
    [ -n "$JOB" ] || t_not_ok "$user submits $name"
}

says() { # USER JOB ERE: gwps --why says it
    user_do "$1" "gwps --why $2" 2>&1 | grep -qE -- "$3"
}

runs() { # JOB ...
    local id
    for id; do "$TOP/bin/gwps" -n -o e "$id" | grep -q actv || return 1; done
}

# --- who waits ---
job carol late 'REQUIREMENTS = HOSTNAME = "site-a.*"' # her file is not there yet
late=$JOB
CREDENTIAL=--credential=/mnt/home/alice/proxy job bob thief
thief=$JOB
install -m 644 -o alice -g alice /mnt/home/alice/proxy /mnt/lent
CREDENTIAL=--credential=/mnt/lent job bob borrower
borrower=$JOB

# --- two users at the same sites ---
ids=()
for user in alice bob; do
    for site in site-a site-b; do
        job $user "$user-$site" "REQUIREMENTS = HOSTNAME = \"$site.*\""
        ids+=("$JOB")
    done
done
t_check "jobs of two users run at two sites" t_within 100 runs "${ids[@]}" ||
    { "$TOP/bin/gwps"; for id in "${ids[@]}"; do "$TOP/bin/gwps" --why "$id"; done; tail -n 40 "$GWD_LOG"; }
alices=${ids[0]}
t_check "a job of a user without a credential waits and says so" t_within 20 says carol "$late" "/mnt/home/carol/proxy.*does not exist"
t_check "... with what to do" says carol "$late" "grid-proxy-init"
t_check "another user's credential is not used: his job waits" t_within 20 says bob "$thief" "/mnt/home/alice/proxy.*(may not be read|ermission denied)"
t_check "nor when it can be read" t_within 20 says bob "$borrower" "/mnt/lent (belongs to|has mode)"

# --- the processes ---
# Of each driver a guard, a router and a worker for each user, of which none has another one's file.
for user in alice bob; do
    t_equal "the drivers of $user run as $user" "gw_em_gram5 gw_tm_gass" \
        "$(pgrep -u $user -a | sed -n 's,^[0-9]* /mnt/gw/libexec/\(gw_[a-z0-9_]*\).*,\1,p' | grep -v gw_launch | sort -u | xargs)"
    t_equal "with the credential of $user alone" "X509_USER_PROXY=/mnt/home/$user/proxy" \
        "$(for pid in $(pgrep -u $user); do tr '\0' '\n' <"/proc/$pid/environ" | grep -a '^X509_USER_PROXY'; done 2>/dev/null | sort -u)"
done
environment=$(for pid in $(pgrep -u alice); do as bob cat "/proc/$pid/environ" "/proc/$pid/fd/"*; done 2>/dev/null)
t_equal "what the processes of one hold the other cannot read" "" "$environment"
t_equal "the daemon itself holds none" "" "$(for pid in $(pgrep -u gwd); do tr '\0' '\n' <"/proc/$pid/environ" | grep -a '^X509'; done)"

# --- the other one's job ---
out=$(user_do bob "gwkill $alices" 2>&1)
code=$?
t_check "the kill of another user's job is refused" test $code -ne 0
t_match "... in words" "another user" "$out"
t_check "... and it runs on" runs "$alices"
seen() { [ "$(user_do alice "gwlogs $alices")" = griduser ]; }
t_check "the output of a job that runs is seen by its owner" t_within 20 seen
t_match "and not by another user" "another user" "$(user_do bob "gwlogs $alices" 2>&1)"

# --- a credential that comes, and a crash ---
t_check "jobs with another one's credential are killed by their owner" user_do bob "gwkill $thief $borrower"
grid proxy --user usera --owner carol /mnt/home/carol/proxy
t_check "a job that waited for its credential runs when that is there" t_within 100 runs "$late"
ids+=("$late")
kill -KILL "$GWD_PID"
wait "$GWD_PID" 2>/dev/null
GWD_PID=
t_check "the daemon is killed and starts again" daemon_start
ends() { # USER ACCOUNT JOB NAME
    local user=$1 account=$2 home=/mnt/home/$1 name=$4
    user_do "$user" "gwwait --exit-with-job $3" >wait.out 2>&1
    t_equal "$name ends with its exit code" 7 $?
    t_equal "it ran as $account" "$account" "$(cat "$home/$name.said")"
    t_equal "with the files of $user" "$user's secret $user's secret" "$(tr '\n' ' ' <"$home/$name.out" | sed 's/ $//')"
    t_equal "and what it made is home, as $user's" "$user $user" "$(stat -c %U "$home/$name.said" "$home/$name.out" | xargs)"
}
for site in $(grid sites); do grid exec "$site" touch "/tmp/go.alice-$site" "/tmp/go.bob-$site" /tmp/go.late; done
ends alice griduser "${ids[0]}" alice-site-a
ends alice griduser "${ids[1]}" alice-site-b
ends bob griduser2 "${ids[2]}" bob-site-a
ends bob griduser2 "${ids[3]}" bob-site-b
ends carol griduser2 "$late" late
t_equal "each was started once, by its own account" \
    "$(printf '%s griduser\n%s griduser\n%s griduser2\n%s griduser2\n%s griduser2\n' "${ids[@]}" | sort -n)" \
    "$(for site in $(grid sites); do grid starts "$site"; done | awk '$4 != "-" { split($4, t, "."); print t[3], $3 }' | sort -n)"
grid_once "no attempt was started twice in all this"
grid_clean
kill -TERM "$GWD_PID"
wait "$GWD_PID"
t_equal "the daemon stops" 0 $?
GWD_PID=
t_equal "its log has no error" "" "$(grep ' ERROR ' "$GWD_LOG")"
gone() { ! pgrep -u alice,bob,carol; }
t_check "no driver of a user is left" t_within 10 gone
[ $T_FAILED = 0 ] || tail -n 60 "$GWD_LOG" | sed 's/^/# /'
t_done
