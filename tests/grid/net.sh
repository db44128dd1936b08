# The network of the test grid: a bridge in the client's namespace, a cable from it to each site, and what may happen
# to a cable. Part of tests/grid/grid.
# shellcheck shell=bash disable=SC2154 # here, root, dom, net, prefix: the grid's

net_hosts() {
    local s
    echo "127.0.0.1 localhost"
    echo "$net.1 client.$dom client"
    for s in $SITES; do echo "$net.$(number_of "$s") $s.$dom $s"; done
}

# Files that ip-netns(8) puts over those of /etc for what it runs in the namespace.
net_etc() {
    local dir=/etc/netns/$prefix-$1
    mkdir -p "$dir"
    net_hosts >"$dir/hosts"
    : >"$dir/resolv.conf"
    printf 'hosts: files\npasswd: files\ngroup: files\nshadow: files\n' >"$dir/nsswitch.conf"
}

# Addresses of the cards are known to all for ever: a peer that does not answer is silent, and not "no route to host"
# after three seconds, as a neighbour would be that does not answer ARP.
net_know_all() {
    local s n
    for n in 1 $(for s in $SITES; do number_of "$s"; done); do
        [ "$n" = "$3" ] || ip -n "$1" neigh replace "$net.$n" lladdr "$(net_card "$n")" dev "$2" nud permanent
    done
}

net_card() {
    printf '02:00:00:00:77:%02x' "$1"
}

net_make() {
    local s n c=$prefix-client
    for s in client $SITES; do net_etc "$s"; done
    { grep -v '^gwuser:' /etc/passwd && echo "gwuser:x:61003:61003::$GRID/client/home:/bin/bash"; } >/etc/netns/"$c"/passwd
    { grep -v '^gwuser:' /etc/group && echo "gwuser:x:61003:"; } >/etc/netns/"$c"/group
    chown 61003:61003 "$GRID/client/home"
    for s in client $SITES; do
        ip netns add "$prefix-$s" && ip -n "$prefix-$s" link set lo up || die "no network namespace can be made"
    done
    ip -n "$c" link add br0 type bridge && ip -n "$c" link set br0 address "$(net_card 1)" up &&
        ip -n "$c" addr add "$net.1/24" dev br0 && net_know_all "$c" br0 1 || die "no bridge can be made"
    for s in $SITES; do
        n=$(number_of "$s")
        ip -n "$c" link add "v$n" type veth peer name eth0 netns "$prefix-$s" &&
            ip -n "$c" link set "v$n" master br0 up &&
            ip -n "$prefix-$s" link set eth0 address "$(net_card "$n")" up &&
            ip -n "$prefix-$s" addr add "$net.$n/24" dev eth0 && net_know_all "$prefix-$s" eth0 "$n" ||
            die "$s cannot be connected"
    done
}

# With every process in it: gwd, drivers and payloads too, if they are still there.
net_remove() {
    local s pid
    for s in client $SITES; do
        for pid in $(ip netns pids "$prefix-$s" 2>/dev/null); do kill -KILL "$pid"; done
        ip netns del "$prefix-$s" 2>/dev/null
        rm -rf /etc/netns/"$prefix-$s"
    done
    rmdir /etc/netns 2>/dev/null
}

# The bridge's port neither takes nor gives a frame. Not "down": the site would see that its cable is out.
net_port() {
    bridge -n "$prefix-client" link set dev "v$(number_of "$1")" state "$2"
}

link() {
    local what=${1-} s=${2-} n
    need_site "$s"
    n=$(number_of "$s")
    case $what in
    cut) net_port "$s" 0 ;;
    restore) net_port "$s" 3 ;;
    rate)
        tc -n "$prefix-client" qdisc del dev "v$n" root 2>/dev/null
        tc -n "$prefix-$s" qdisc del dev eth0 root 2>/dev/null
        [ "${3:-off}" != off ] || return 0
        [[ $3 =~ ^[0-9]+$ ]] || die "link rate SITE MBIT|off"
        tc -n "$prefix-client" qdisc add dev "v$n" root tbf rate "${3}mbit" burst 256k latency 100ms &&
            tc -n "$prefix-$s" qdisc add dev eth0 root tbf rate "${3}mbit" burst 256k latency 100ms
        ;;
    *) die "link cut|restore SITE, link rate SITE MBIT|off" ;;
    esac
}
