# A site whose name begins with "slurm" is a Slurm cluster of two nodes behind GRAM (jobmanager-slurm), all of it on the
# site's one machine. Its record of starts is written by the cluster itself, by the prolog that slurmd runs as root
# before each job. Part of tests/grid/grid.
# shellcheck shell=bash disable=SC2154 # here, root, dom, prefix: the grid's

is_slurm() {
    [[ $1 == slurm* ]]
}

slurm_conf() {
    cat <<X
ClusterName=$1
SlurmctldHost=$1(127.0.0.1)
SlurmUser=slurm
AuthType=auth/munge
StateSaveLocation=/run/slurm/state
SlurmdSpoolDir=/run/slurm/spool.%n
SlurmctldPidFile=/run/slurm/slurmctld.pid
SlurmdPidFile=/run/slurm/slurmd.%n.pid
SlurmctldLogFile=/run/slurm/slurmctld.log
SlurmdLogFile=/run/slurm/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_min_interval=100000
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
KillWait=5
MinJobAge=300
Prolog=/etc/slurm/prolog
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
NodeName=node[1-2] NodeHostname=$1 NodeAddr=127.0.0.1 Port=[7001-7002] CPUs=10 RealMemory=4000 State=UNKNOWN
PartitionName=normal Nodes=ALL Default=YES MaxTime=INFINITE State=UP
X
}

slurm_make() { # SITE DIR
    command -v slurmctld >/dev/null && [ -e /usr/share/perl5/Globus/GRAM/JobManager/slurm.pm ] ||
        die "Slurm for $1 is not there: slurmctld, slurmd, slurm-client, munge, globus-gram-job-manager-slurm"
    sed 's/-type fork/-type slurm/' "$2/etc/grid-services/jobmanager-fork" >"$2/etc/grid-services/jobmanager-slurm"
    mkdir -p "$2/etc/up/slurm" "$2/run/slurm/state"
    slurm_conf "$1.$dom" >"$2/etc/up/slurm/slurm.conf"
    cat >"$2/etc/up/slurm/prolog" <<'X'
#!/bin/sh
echo "$(date +%s) $SLURM_JOB_ID $SLURM_JOB_USER $(scontrol write batch_script "$SLURM_JOB_ID" - |
    sed -n 's/.*GW_TOKEN="*\([^";]*\).*/\1/p' | grep . || echo -) slurm" >>/var/log/grid/starts
X
    chmod 755 "$2/etc/up/slurm/prolog"
}

# At every start of the site: what its machine would do at boot.
slurm_start() {
    # shellcheck disable=SC2016
    site_exec "$1" '' bash -c '
        mount -t tmpfs -o mode=755 cgroups /sys/fs/cgroup && cd /sys/fs/cgroup || exit 1
        for c in cpu cpuacct cpuset memory devices freezer blkio pids; do mkdir $c && mount -t cgroup -o $c $c $c; done
        mkdir systemd && mount -t cgroup -o none,name=systemd systemd systemd
        mkdir -p /run/munge /run/slurm/munge.log /run/slurm/munge.lib /run/slurm/state /run/slurm/spool.node{1,2}
        chown munge: /run/munge /run/slurm/munge.*
        chown slurm: /run/slurm/state
        mount --bind /run/slurm/munge.log /var/log/munge && mount --bind /run/slurm/munge.lib /var/lib/munge || exit 1
        setpriv --reuid=munge --regid=munge --clear-groups munged </dev/null || exit 1
        slurmctld </dev/null && slurmd -N node1 </dev/null && slurmd -N node2 </dev/null || exit 1
        for i in {1..150}; do
            [ "$(sinfo -h -N -p normal -t idle,alloc,mix -o %N | wc -l)" -eq 2 ] && exit 0
            sleep 0.1
        done
        sinfo; exit 1' >"$GRID/sites/$1/slurm.out" 2>&1 || die "Slurm of $1 did not start: $(cat "$GRID/sites/$1/slurm.out")"
}
