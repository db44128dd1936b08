# gwd's configuration for the test grid. Part of tests/grid/grid.
# shellcheck shell=bash disable=SC2154 # here, root, dom, prefix: the grid's

conf_host() {
    local lrms=fork queue=default
    ! is_slurm "$1" || lrms=slurm queue=normal
    cat <<X
ARCH="$(uname -m)" OS_NAME="Linux" OS_VERSION="12" CPU_MODEL="generic" CPU_MHZ=2000 CPU_SMP=4 CPU_FREE=400
NODECOUNT=20 SIZE_MEM_MB=4096 FREE_MEM_MB=4096 SIZE_DISK_MB=$site_disk_mb FREE_DISK_MB=$site_disk_mb
LRMS_NAME="jobmanager-$lrms" LRMS_TYPE="$lrms" FORK_NAME="jobmanager-fork"
QUEUE_NAME[0]="$queue" QUEUE_NODECOUNT[0]=20 QUEUE_FREENODECOUNT[0]=20 QUEUE_STATUS[0]="enabled"
VM_HYPERVISOR="qemu"
X
}

# By what the sites publish where they do, else by a list.
conf_hosts() {
    local s servers=''
    for s in $SITES; do
        site_listens "$s" 2170 || { echo "static:gw_im_static:-l $1/hosts" && return; }
        # The sites share a domain, and are sites none the less.
        servers+=" -s ldap\\://$s.$dom\\:2170 -a $s.$dom"
    done
    echo "glue:gw_im_glue:-i 2$servers"
}

# conf DIR [LINE ...]
conf() {
    local dir=${1-} s
    [ -n "$dir" ] || die "conf DIR [LINE ...]"
    shift
    mkdir -p "$dir" && chmod 700 "$dir" && dir=$(realpath -- "$dir") || exit 1
    for s in $SITES; do
        conf_host "$s" >"$dir/$s.attributes"
        echo "$s.$dom $s.attributes"
    done >"$dir/hosts"
    {
        echo "# The private daemon of a test grid (tests/grid/grid conf): the grid's sites."
        echo "STATE_DIR = \"$dir\""
        echo "SOCKET = \"$dir/gwd.sock\""
        [[ $* == *IM_MAD* ]] || echo "IM_MAD = $(conf_hosts "$dir"):gass:gram5"
        [[ $* == *TM_MAD* ]] || echo "TM_MAD = gass:gw_tm_gass:"
        [[ $* == *EM_MAD* ]] || echo "EM_MAD = gram5:gw_em_gram5::rsl"
        [ $# -eq 0 ] || printf '%s\n' "$@"
    } >"$dir/gwd.conf"
}
