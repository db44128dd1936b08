#!/bin/bash
# gwhost --test on real sites: whole, and with one thing broken at a time.
# limit: 600
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/grid_lib.sh"

SITE=site-a.grid.test
grid_up --ldap
cd "$T_DIR" || exit 1
mkdir tmp && chmod 755 tmp && export TMPDIR=$T_DIR/tmp
t_check "a daemon knows the sites by what they publish in LDAP" grid_gwd || t_done

# try ARGUMENT ...: OUT, CODE.
try() {
    OUT=$(gwhost --test "$@" 2>&1 </dev/null)
    CODE=$?
}

verdicts() {
    awk '/^[a-z]+ +(ok|FAILED|skipped) / { printf "%s%s", sep, $2; sep = " " }' <<<"$OUT"
}

# broken SENTENCE ERE ADVICE: the copy fails with these words.
broken() {
    try $SITE --timeout 60
    t_equal "$1: the copy fails" "1 ok FAILED skipped skipped skipped" "$CODE $(verdicts)"
    t_match "$1: the words" "copy +FAILED .*$2" "$OUT"
    t_match "$1: what to do" "to do: .*$3" "$OUT"
}

# Mended: drivers remember for a while that a site was down.
cat >ping.jt <<EOF
EXECUTABLE = /bin/true
REQUIREMENTS = HOSTNAME = "$SITE"
EOF
mended() {
    t_within 60 timeout 60 gwsubmit --wait --exit-with-job -t ping.jt || t_not_ok "the site is whole again after: $1" "$(gwps)"
}

try $SITE
t_equal "a whole site passes" "0 ok ok ok ok ok" "$CODE $(verdicts)"
[ "$CODE" -eq 0 ] || echo "$OUT" | sed 's/^/    /'

grid kill gridftp site-a
broken "no GridFTP server" "files did not get there \(transfer service\): the site cannot be reached" "port 2811"
grid start gridftp site-a
mended "no GridFTP server"
grid kill gatekeeper site-a
broken "no gatekeeper" "job service did not take the job: the site cannot be reached" "port 2119"
grid start gatekeeper site-a
mended "no gatekeeper"
grid mapfile remove site-a
broken "no line in the grid-mapfile" "does not accept the credential's identity" "grid-mapfile"
grid mapfile add site-a
mended "no mapping"
grid hostcert wrong site-a
broken "another host's certificate" "the site's own certificate is not accepted" "docs/sites.md"
grid hostcert right site-a
mended "a wrong certificate"
grid disk fill site-a
broken "a full disk" "no space left" "make space"
grid disk free site-a
mended "a full disk"
grid proxy --expired
broken "an expired proxy" "expired" "grid-proxy-init"
grid proxy
mended "an expired proxy"
grid ldap stop site-a
t_within 30 bash -c "gwhost -n | grep -q '$SITE *unknown'" || t_not_ok "the host is unknown" "$(gwhost)"
try $SITE
t_match "an information service that is down is named with its URL" "known +FAILED .*ldap://$SITE:2170" "$OUT"
t_equal "and no job is made" "1 FAILED skipped skipped skipped skipped" "$CODE $(verdicts)"
grid ldap start site-a
t_within 30 bash -c "gwhost -n | grep -q '$SITE *up'" || t_not_ok "the host is up again" "$(gwhost)"
try $SITE
t_equal "whole again it passes" "0 ok ok ok ok ok" "$CODE $(verdicts)"
[ "$CODE" -eq 0 ] || echo "$OUT" | sed 's/^/    /'

t_done
