#!/bin/bash
# The test grid does what the other tests take for granted: its sites work, its faults are faults, and nothing of it stays.
# limit: 120
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/grid_lib.sh"
cd "$T_DIR" || exit 1
grid_up --ldap

ping() { # SITE
    timeout 6 "$T_GRID" exec client globusrun -a -r "$1.grid.test" 2>&1
}

refused() { # SITE [TEXT]
    local out
    out=$(ping "$1") && return 1
    [[ $out == *"${2-}"* ]] || { echo "$out"; return 1; }
}

hangs() {
    timeout 4 "$T_GRID" exec client globusrun -a -r "$1.grid.test" >/dev/null 2>&1
    [ $? -eq 124 ]
}

get() { # SITE FILE
    timeout 10 "$T_GRID" exec client globus-url-copy "gsiftp://$1.grid.test/$2" "file://$T_DIR/got" 2>&1
}

t_check "both sites authenticate Grid User and list a directory" grid status
t_equal "a job runs as the mapped account, in the site" "griduser site-b.grid.test" \
    "$(grid exec client globus-job-run site-b.grid.test /bin/sh -c 'whoami; hostname' 2>&1 | xargs)"
t_match "the site has it in its record of starts" "^[0-9]+ [0-9]+ griduser - /bin/sh -c" "$(grid starts site-b)"
t_equal "and the other site has not" "" "$(grid starts site-a)"
t_check "an account of the site cannot change the record" \
    sh -c "! '$T_GRID' exec griduser@site-b sh -c ': >/var/log/grid/starts'"
t_check "but can add to that of payloads" grid exec griduser@site-b sh -c "echo here >>$PAYLOAD_LOG"
t_equal "which says so" "site-b here" "$(grid_payloads)"
t_check "the site has nothing of the source tree" grid exec site-a test ! -e "$T_ROOT/Makefile"
t_check "and no kvm" grid exec site-a test ! -e /dev/kvm
grid exec client globus-url-copy "file://$BUILD/libexec/gwvm" gsiftp://site-a.grid.test/~/gwvm
t_match "as an ordinary user of the site gwvm reaches the hypervisor" '^type=qemu$' \
    "$(grid exec griduser@site-a sh -c 'cd && chmod +x gwvm && ./gwvm probe' 2>&1)"

# --- who may come ---
for case in user:site-a:yes user2:site-b:yes usera:site-a:yes usera:site-b:no nobody:site-a:no foreign:site-a:no; do
    IFS=: read -r user site is_welcome <<<"$case"
    grid proxy --user "$user" "$T_DIR/proxy"
    out=$(X509_USER_PROXY=$T_DIR/proxy ping "$site") && came=yes || came=no
    if [ $came = "$is_welcome" ]; then t_ok "$user at $site: $is_welcome"; else t_not_ok "$user at $site: $is_welcome" "$out"; fi
done
grid proxy --expired "$T_DIR/proxy"
X509_USER_PROXY=$T_DIR/proxy t_check "an expired proxy has expired" refused site-a expired
grid mapfile remove site-a
t_check "who is taken out of the grid-mapfile is refused" refused site-a
grid mapfile add site-a
t_check "and welcome again when put back" ping site-a
grid hostcert wrong site-a
t_check "a site with another host's certificate is refused" refused site-a "do not match"
grid hostcert right site-a
t_check "and trusted again with its own" ping site-a

# --- what breaks ---
grid kill gatekeeper site-a
t_check "a gatekeeper that was killed is not there" refused site-a
grid start gatekeeper site-a
t_check "one that was started is" ping site-a
grid kill gridftp site-a
t_check "a GridFTP server that was killed is not there" sh -c "! '$T_GRID' exec client globus-url-copy gsiftp://site-a.grid.test/etc/passwd file://$T_DIR/got"
grid start gridftp site-a
t_check "one that was started is" get site-a /etc/passwd
grid link cut site-a
t_check "a cut cable is silent: nothing is refused" hangs site-a
t_check "the other site is still there" ping site-b
grid link restore site-a
t_check "a restored cable works at once" ping site-a
grid disk fill site-a
t_check "a full disk takes no byte" sh -c "! '$T_GRID' exec griduser@site-a sh -c 'echo 1 >~/full'"
grid disk free site-a
t_check "one with space does" grid exec griduser@site-a sh -c 'echo 1 >~/full'
grid kill site site-a
t_check "a killed site is silent" hangs site-a
grid start site site-a
t_check "after its start it works" ping site-a
t_check "and has the files that it had" grid exec griduser@site-a sh -c 'test -e ~/full'

# --- what it publishes ---
grid ldap start site-a # it went with the site
t_match "a site publishes its queue in GLUE 1.3" '^GlueCEStateFreeCPUs: 20' "$(grid ldap dump site-a)"
t_match "and in GLUE 2" '^GLUE2ComputingShareFreeSlots: 20' "$(grid ldap dump site-b)"
grid ldap set site-a GlueCEStateFreeCPUs 3
t_match "values can be set" '^GlueCEStateFreeCPUs: 3' "$(grid ldap dump site-a)"

# --- what stays ---
prefix_of() {
    printf gw
    printf %s "$1" | sha256sum | cut -c 1-8
}
left() { # PREFIX DIRECTORY
    ls -d /etc/netns/"$1"* /run/gwd-grids/"$1" "$2" 2>/dev/null
    ip netns | grep "^$1"
    losetup -a | grep -F "$2"
    grep -F "$2" /proc/mounts
    "$T_ROOT/tools/processes-of" "$2" | grep -v grid_itself
}
second=$T_DIR/second
# Killed as soon as its first namespace is there; and one whose owner is gone.
GRID=$second setsid "$T_GRID" up >/dev/null 2>&1 &
half=$!
second_prefix=$(prefix_of "$second")
t_within 10 test -e "/run/netns/$second_prefix-site-a"
kill -KILL $half
wait $half 2>/dev/null
t_check "a grid whose start was killed half-way comes up" env GRID="$second" "$T_GRID" up --owner $half
t_check "beside the other one, which goes on" ping site-b
env GRID="$second" "$T_GRID" sweep 2>/dev/null
t_equal "a grid without its owner is swept away" "" "$(left "$second_prefix" "$second")"
first_prefix=$(prefix_of "$GRID")
t_match "the first is there" "^$first_prefix-site-a" "$(left "$first_prefix" "$GRID")"
t_check "and is taken down" grid down
t_equal "nothing of it is left" "" "$(left "$first_prefix" "$GRID")"
t_done
