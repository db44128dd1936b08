#!/bin/bash
# Hosts as the sites' LDAP servers publish them: a job that waits for what a site says starts when the site says it.
# limit: 120
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/grid_lib.sh"
cd "$T_DIR" || exit 1
grid_up --ldap
mkdir home && cd home || exit 1
t_check "a gwd that asks two LDAP servers becomes ready, with both sites" grid_gwd 'MONITORING_INTERVAL = 2' || t_done
host() {
    gwhost -f "$1.grid.test"
}
t_match "a host has what its site publishes" 'LRMS_NAME="?jobmanager-fork' "$(host site-a)"
t_match "a site that publishes the environment of VMs takes VM jobs" 'VM_HYPERVISOR="?qemu' "$(host site-a)"

timeout 60 gwsubmit --wait --exit-with-job -- /bin/sh -c 'exit 7' >plain.out 2>&1
t_equal "a job runs at a site that was found so" 7 $?

# --- a requirement that no site meets yet ---
cat >want.jt <<X
EXECUTABLE = /bin/sh
ARGUMENTS = -c 'echo wanted \$GW_HOSTNAME >>$PAYLOAD_LOG'
REQUIREMENTS = CPU_MHZ >= 4000
X
bg_submit want -t want.jt
bg_until want 'JOB ID'
sleep 5 # more than one search
t_check "a job waits for a host that nobody has" test ! -e want.code
t_match "and says for what" 'CPU_MHZ' "$(gwps --why "$(bg_id want)")"
for attribute in GlueHostProcessorClockSpeed GLUE2ExecutionEnvironmentCPUClockSpeed; do grid ldap set site-b $attribute 4200; done
bg_end "it starts when a site publishes one" want 0 30
t_equal "at that site" "site-b wanted site-b.grid.test" "$(grid_payloads)"

# --- free slots ---
for site in $(grid sites); do
    grid ldap set "$site" GlueCEStateFreeCPUs 0
    grid ldap set "$site" GlueCEStateFreeJobSlots 0
    grid ldap set "$site" GLUE2ComputingShareFreeSlots 0
done
none_free() {
    [ "$(gwhost -f | grep -c 'QUEUE_FREENODECOUNT.*=0$')" -eq 2 ]
}
t_check "gwhost shows that no slot is free" t_within 20 none_free
cat >slot.jt <<X
EXECUTABLE = /bin/true
REQUIREMENTS = QUEUE_FREENODECOUNT > 0
X
bg_submit slot -t slot.jt
bg_until slot 'JOB ID'
sleep 5
t_check "a job waits when all slots are taken" test ! -e slot.code
grid ldap set site-a GlueCEStateFreeCPUs 5
grid ldap set site-a GlueCEStateFreeJobSlots 5
grid ldap set site-a GLUE2ComputingShareFreeSlots 5
bg_end "it starts when one is free" slot 0 30

# --- a server that goes and comes ---
grid ldap stop site-b
t_check "jobs run on although one site's server is gone" timeout 60 gwsubmit --wait --exit-with-job -- /bin/true
grid ldap start site-b
t_check "both sites are there when it is back" t_within 30 grid_hosts_known

# --- a server that speaks of another site's host, whose files would come to its own ---
claims() { # HOST TAG
    grid ldap set site-b GLUE2ApplicationEnvironmentAppName "$2"
    grid ldap set site-b GlueCEInfoHostName "$1"
    grid ldap set site-b GLUE2EndpointURL "gram5://$1:2119/jobmanager-fork"
}
claims site-a.grid.test STAGE_URL=gsiftp://site-b.grid.test/~
t_check "a site that publishes another one's host is told of" \
    t_within 20 sh -c "gwhost --drivers | grep -q 'ldap://site-b.grid.test:2170 publishes 1 host, site-a.grid.test for one'"
timeout 60 gwsubmit --wait --exit-with-job -- /bin/sh -c 'exit 3' >claimed.out 2>&1
t_equal "jobs run at that host as before" 3 $?
grid ldap stop site-a
t_check "when its own server fails, the host is away" \
    t_within 20 sh -c "gwhost -f site-a.grid.test | grep -q 'ldap://site-a.grid.test:2170: '"
sleep 5 # more than one search
t_check "and is not the other site's" sh -c "gwhost -f site-a.grid.test | grep -q 'ldap://site-a.grid.test:2170: '"
t_equal "which gets none of its files" "" "$(host site-a | grep -o site-b)"
claims site-b.grid.test VM-QEMU
grid ldap start site-a
t_check "both sites are there again" t_within 30 grid_hosts_known
grid_clean
t_done
