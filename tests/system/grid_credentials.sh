#!/bin/bash
# Credentials: what is wrong with one is said in words, jobs wait for it instead of failing, and go on by themselves.
# limit: 400
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/grid_lib.sh"
cd "$T_DIR" || exit 1
grid_up
mkdir home && cd home || exit 1
proxy=$X509_USER_PROXY
cat >renew <<X
#!/bin/sh
case \$1 in
*by-myproxy) exec "$T_GRID" exec client "$T_ROOT/examples/renew-by-myproxy" site-a.grid.test "$T_DIR/home/service" "\$1" ;;
esac
[ -e "$T_DIR/home/may-renew" ] || exit 1
rm "$T_DIR/home/may-renew"
exec "$T_GRID" proxy --user user2 "\$1"
X
chmod +x renew
t_check "a gwd with two sites becomes ready" grid_gwd "RETRY_INTERVAL = 1" "BACKOFF_MAX = 5" "CREDENTIAL_RENEW = $PWD/renew" ||
    t_done

why() {
    gwps --why "$1" 2>&1
}

says() { # JOB ERE: gwps --why says it
    why "$1" | grep -qE -- "$2"
}

# t_why SENTENCE JOB ERE ...: soon gwps --why says all of them
t_why() {
    local sentence=$1 job=$2 ere
    shift 2
    for ere; do
        t_within 100 says "$job" "$ere" || {
            t_not_ok "$sentence" "not said: $ere" "$(why "$job")" "$(tail -n 5 "$GWD_DIR.log")"
            return
        }
    done
    t_ok "$sentence"
}

is_active() { # JOB
    gwps -n -o e "$1" | grep -q actv
}

user_says() { # STATE of the credential that tests use
    gwuser -n | grep -qE " $1 +$proxy "
}

submit() { # ARGUMENT ...: the job's id
    gwsubmit -v "$@" | sed -n 's/^JOB ID: //p'
}

# --- files that are none, or not good enough: the job waits, and starts when the file is good ---
n=0
bad_file() { # SENTENCE ERE COMMAND ...: makes $file bad
    local sentence=$1 ere=$2 job
    shift 2
    file=$T_DIR/home/proxy.$((n += 1))
    "$@"
    job=$(submit --credential "$file" -- /bin/sh -c 'exit 3')
    t_why "$sentence" "$job" "$file" "$ere" "to mend: the job" "advice: .*grid-proxy-init"
    chmod 600 "$file" 2>/dev/null
    grid proxy "$file"
    timeout 60 gwwait --exit-with-job "$job" >wait.out 2>&1
    t_equal "... and the job goes on when it has been made anew" 3 $?
}
expired() { grid proxy --expired "$file"; }
open_to_all() { grid proxy --mode 644 "$file"; }
short() { grid proxy --seconds 700 "$file"; }
limited() { grid proxy --limited "$file"; }
rubbish() { echo rubbish >"$file" && chmod 600 "$file"; }
bad_file "no credential: gwps --why says which file is missing" 'does not exist' true
bad_file "an expired one is said to be" 'has expired' expired
bad_file "one that others may read is said to be, with the mode" 'mode 644' open_to_all
bad_file "a short one is said to be, with how much is needed" '(10|11) min left, and .* only with 15 min' short
bad_file "a limited one is said to be" 'limited proxy' limited
bad_file "a file that is no credential is said to be none" 'a certificate is missing' rubbish

# --- what the sites, or we, do not accept: tried again, and told in words ---
refused() { # SENTENCE ERE ... : of a job at site-b with the credential $file
    local sentence=$1 job
    shift
    job=$(submit --credential "$file" -t site-b.jt)
    t_why "$sentence" "$job" "$@"
    gwkill -9 "$job"
}
cat >site-b.jt <<'X'
EXECUTABLE = /bin/true
REQUIREMENTS = HOSTNAME = "site-b.*"
NUMBER_OF_RETRIES = 0
X
file=$T_DIR/home/nobody
grid proxy --user nobody "$file"
refused "an identity that is not in the grid-mapfile is named, with the site" 'site-b\.grid\.test' '/O=GridTest/CN=Nobody' 'grid-mapfile'
file=$T_DIR/home/foreign
grid proxy --user foreign "$file"
refused "a credential of a CA that the site does not know is told from that" 'site-b\.grid\.test' '[Tt]rust.*CA|CA.*trust'
file=$proxy
grid hostcert wrong site-b
refused "a site with another host's certificate is named, with both names" 'site-b\.grid\.test' 'name' 'certificate'
grid hostcert right site-b
grid link cut site-b
refused "a site that cannot be reached is said not to be" 'site-b\.grid\.test' 'reach|time'
grid link restore site-b

# --- a CA that is unknown here ---
mkdir no-ca
export X509_CERT_DIR=$PWD/no-ca
gwd_stop
gwd() { exec "$T_GRID" exec client env X509_CERT_DIR="$PWD/no-ca" "$BUILD/bin/gwd" "$@"; }
t_check "a gwd that knows no CA becomes ready" gwd_start
refused "that the site's CA is not known here is said, with the directory" 'site-b\.grid\.test' 'CA that issued' 'no-ca'
gwd_stop
gwd() { exec "$T_GRID" exec client "$BUILD/bin/gwd" "$@"; }
eval "$(grid env)"
t_check "and one that does" gwd_start

# --- several users' credentials at once ---
grid proxy --user user2 "$PWD/second"
for i in 1 2 3; do
    bg_submit "a$i" -- /bin/sh -c 'id -un >&2; id -un'
    bg_submit "b$i" --credential "$PWD/second" -- /bin/sh -c 'id -un'
done
for i in 1 2 3; do
    bg_end "a job of the first user ends" "a$i" 0
    bg_end "and one of the second" "b$i" 0
    t_equal "each ran as his own account" "griduser griduser2" \
        "$(cat "stdout.$(bg_id "a$i")" 2>&1) $(cat "stdout.$(bg_id "b$i")" 2>&1)"
done

# --- shown ---
sleep=$(submit -- /bin/sh -c 'until [ -e go ]; do sleep 0.2; done; exit 6')
t_check "a job runs" t_within 30 is_active "$sleep"
t_match "gwuser shows the credential, its owner and how long it is valid" \
    "[0-9]+:[0-9]{2}:[0-9]{2} +$proxy +/O=GridTest/CN=Grid User" "$(gwuser)"
t_match "gwps -f too" '^CREDENTIAL_LEFT=[0-9]+:' "$(gwps -f "$sleep")"
t_match "and gwhost, of one's own" 'your credential: /O=GridTest/CN=Grid User .* left' "$(gwhost)"

# --- renewed: into a running job ---
at_site() { # the end of each proxy that the sites hold for griduser
    local s
    for s in $(grid sites); do
        # shellcheck disable=SC2016
        grid exec "$s" sh -c 'for f in $(find /home/griduser/.globus /var/lib/globus -name "x509*" 2>/dev/null); do
            openssl x509 -noout -enddate -in "$f"; done'
    done | sort
}
before=$(at_site)
grid proxy --valid 30:0 "$proxy"
is_refreshed() { [ "$(at_site)" != "$before" ]; }
t_check "a renewed credential is delegated to the running job at its site" t_within 20 is_refreshed

# --- expired while it runs: parked, not failed ---
grid proxy --expired "$proxy"
t_check "gwuser shows that it has expired" t_within 10 user_says expired
for s in $(grid sites); do grid exec "griduser@$s" sh -c 'for d in ~/.gw_*; do [ ! -e "$d/claim."* ] || touch "$d/go"; done'; done
t_why "a job whose credential expires while it runs waits with its results at the site" "$sleep" 'has expired' "$proxy"
t_match "it is not said to have failed" ' epil ' "$(gwps -n "$sleep")"
grid proxy "$proxy"
timeout 60 gwwait --exit-with-job "$sleep" >wait.out 2>&1
t_equal "and ends as it should after the renewal" 6 $?
t_equal "in its first attempt" 1 "$(gwhistory -n "$sleep" | wc -l)"

# --- killed while parked ---
sleep=$(submit -- /bin/sleep 1000)
t_check "a job runs" t_within 30 is_active "$sleep"
mv "$proxy" away
t_check "gwuser shows that it is missing" t_within 10 user_says bad
gwkill "$sleep" >kill.out 2>&1 &
kill_pid=$!
t_why "a job killed while its credential is missing waits for it" "$sleep" 'does not exist'
mv away "$proxy"
wait "$kill_pid"
timeout 60 gwwait "$sleep" >wait.out 2>&1
t_equal "and is gone once it is there" "fail" "$(gwps -n -o s "$sleep" | tr -d ' ')"

# --- by the operator's command ---
touch may-renew
job=$(submit --credential "$PWD/by-command" -- /bin/true)
timeout 100 gwwait --exit-with-job "$job" >wait.out 2>&1
t_equal "CREDENTIAL_RENEW makes a credential that is missing, and the job runs" 0 $?

# --- by a MyProxy server, that of site-a ---
grid exec site-a sh -c 'mkdir -m 700 /tmp/myproxy /tmp/myproxy/store && cd /tmp/myproxy &&
    printf "%s\n" "accepted_credentials \"*\"" "authorized_renewers \"/O=GridTest/CN=Grid User Two\"" >conf &&
    exec env -u X509_USER_PROXY -u X509_CERT_DIR X509_USER_CERT=/etc/grid-security/hostcert.pem \
        X509_USER_KEY=/etc/grid-security/hostkey.pem myproxy-server -c /tmp/myproxy/conf -s /tmp/myproxy/store' >myproxy.log 2>&1
listens() { [ -n "$(grid exec site-a ss -Hltn "sport = :7512")" ]; }
t_check "a MyProxy server comes up" t_within 10 listens
grid proxy --user user2 "$PWD/service"
grid exec client env X509_USER_CERT="$GRID/pki/usercert.pem" X509_USER_KEY="$GRID/pki/userkey.pem" \
    myproxy-init -s site-a.grid.test -l "$(id -un)" -n -x -R "/O=GridTest/CN=Grid User Two" -c 100 >myproxy.init 2>&1
t_equal "a credential that may be renewed is put there" 0 $?
grid proxy --seconds 700 "$PWD/by-myproxy"
job=$(submit --credential "$PWD/by-myproxy" -- /bin/true)
timeout 60 gwwait --exit-with-job "$job" >wait.out 2>&1
t_equal "a short credential is renewed from a MyProxy server before it ends, and the job runs" 0 $?

grid_once "no attempt was started twice in all this"
grid_clean
t_done
