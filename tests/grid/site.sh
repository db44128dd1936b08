# One site of the test grid: its files, its processes, and what may happen to them. Part of tests/grid/grid.
# shellcheck shell=bash disable=SC2154 # here, root, dom, prefix: the grid's

site_disk_mb=3000
site_path=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin

# site_mapfile SITE: who may come, and as which account.
site_mapfile() {
    echo "\"$(pki_subject user)\" griduser"
    echo "\"$(pki_subject user2)\" griduser2"
    [ "$1" != site-a ] || echo "\"$(pki_subject usera)\" griduser2"
}

site_accounts() {
    local etc=$1/etc/up file
    mkdir -p "$etc"
    for file in passwd group shadow; do grep -vE '^griduser2?:' /etc/$file >"$etc/$file"; done
    chmod 600 "$etc/shadow"
    echo "griduser:x:61001:61001::/home/griduser:/bin/bash
griduser2:x:61002:61002::/home/griduser2:/bin/bash" >>"$etc/passwd"
    printf 'griduser:x:61001:\ngriduser2:x:61002:\n' >>"$etc/group"
    printf 'griduser:*:19000:0:99999:7:::\ngriduser2:*:19000:0:99999:7:::\n' >>"$etc/shadow"
    cp /etc/netns/"$prefix-$2"/{hosts,resolv.conf,nsswitch.conf} "$etc"
}

site_globus() {
    local dir=$1/etc
    mkdir -p "$dir"/{grid-security,grid-services,globus}
    cp -r "$GRID/pki/certificates" "$dir/grid-security/certificates"
    cp /etc/grid-security/gsi.conf "$dir/grid-security/" 2>/dev/null
    site_mapfile "$2" >"$dir/grid-security/grid-mapfile"
    site_hostcert "$1" "$2"
    echo 'stderr_log,local_cred - /usr/sbin/globus-job-manager globus-job-manager -conf /etc/globus/globus-gram-job-manager.conf -type fork' \
        >"$dir/grid-services/jobmanager-fork"
    ln -s jobmanager-fork "$dir/grid-services/jobmanager"
    cp -r /etc/globus/. "$dir/globus/"
    cat >"$dir/globus/globus-gram-job-manager.conf" <<'X'
-globus-toolkit-version 6.2
-log-pattern /var/log/globus/gram_$(LOGNAME).log
-log-levels INFO|WARN|ERROR|FATAL
-globus-tcp-port-range 40000,40999
X
}

# The fork manager, with one thing more: just before it execs a job it appends time, process id, account, GW_TOKEN and
# command to the record of starts.
site_fork_pm() {
    awk '{ print }
        /# forked child/ && !done {
            done = 1
            print "                    if (open(my $starts, q{>>}, q{/var/log/grid/starts})) {"
            print "                        syswrite($starts, join(q{ }, time, $$, (getpwuid($<))[0],"
            print "                            $CHILD_ENV{GW_TOKEN} || q{-}, @cmdline) =~ s/[^ -~]/?/gr . qq{\\n});"
            print "                        close($starts);"
            print "                    }"
        }' /usr/share/perl5/Globus/GRAM/JobManager/fork.pm >"$1"
    grep -q /var/log/grid/starts "$1" || die "GRAM's fork.pm is not as expected: starts would not be recorded"
}

site_hostcert() {
    local dir=$1/etc/grid-security
    install -m 644 "$GRID/pki/${2}cert.pem" "$dir/hostcert.pem"
    install -m 600 "$GRID/pki/${2}key.pem" "$dir/hostkey.pem"
}

site_make() {
    local s=$1 dir=$GRID/sites/$1
    mkdir -p "$dir"/{etc/work,home,tmp,run,log/grid,log/globus,lib/gram_job_state,lib/gram-audit} || die "$dir cannot be made"
    chmod 1777 "$dir"/{tmp,log/globus,lib/gram_job_state,lib/gram-audit}
    site_accounts "$dir" "$s"
    site_globus "$dir" "$s"
    site_fork_pm "$dir/fork.pm"
    ! is_slurm "$s" || slurm_make "$s" "$dir"
    : >"$dir/log/grid/starts"
    : >"$dir/log/grid/payloads"
    chmod 666 "$dir"/log/grid/*
    chattr +a "$dir"/log/grid/* 2>/dev/null # not every file system can
    truncate -s ${site_disk_mb}M "$dir/disk" &&
        mke2fs -q -F -t ext4 -m 0 -O ^has_journal -E lazy_itable_init=1 "$dir/disk" ||
        die "the disk of $s cannot be made"
    printf 'site=%s\ndir=%s\nroot=%s\n' "$s.$dom" "$dir" "$root" >"$dir/init.conf"
    install -m 755 "$here/init" "$dir/init"
}

site_remove() {
    chattr -a "$GRID/sites/$1"/log/grid/* 2>/dev/null
    rm -rf "${GRID:?}/sites/$1"
}

# The host's process id of the site's first process.
site_pid() {
    local pid
    read -r pid <"$GRID/sites/$1/pid1" && [ -n "$pid" ] &&
        [ "$(tr '\0' ' ' <"/proc/$pid/cmdline")" = "/bin/bash $GRID/sites/$1/init " ] && echo "$pid"
} 2>/dev/null

# site_exec SITE ACCOUNT|'' CMD ...
site_exec() {
    local pid account=${2:-root} as=()
    pid=$(site_pid "$1") || die "$1 is down"
    [ "$account" = root ] || as=(setpriv --reuid="$account" --regid="$account" --init-groups --)
    shift 2
    # By its own passwd: the names mean nothing out here.
    nsenter -t "$pid" -m -n -p -u -- env -i PATH=$site_path LC_ALL=C.UTF-8 USER="$account" LOGNAME="$account" \
        HOME="$([ "$account" = root ] && echo /root || echo "/home/$account")" "${as[@]}" "$@"
}

site_listens() {
    ip netns exec "$prefix-$1" ss -Hltn "sport = :$2" 2>/dev/null | grep -q .
}

# site_await SITE PORT WHAT
site_await() {
    local i
    for ((i = 0; i < 300; i++)); do
        ! site_listens "$1" "$2" || return 0
        sleep 0.03
    done
    die "$3 of $1 does not listen on port $2"
}

site_start_gatekeeper() {
    site_exec "$1" '' setsid globus-gatekeeper -p 2119 -l /var/log/globus/gatekeeper.log -pidfile /run/gatekeeper.pid \
        </dev/null >/dev/null 2>&1
    site_await "$1" 2119 "the gatekeeper"
}

site_start_gridftp() {
    site_exec "$1" '' setsid globus-gridftp-server -S -p 2811 -c none -port-range 41000,41999 -control-interface 0.0.0.0 \
        -log-level ERROR,WARN,INFO -logfile /var/log/globus/gridftp.log -log-transfer /var/log/globus/gridftp-transfer.log \
        -pidfile /run/gridftp.pid </dev/null >/dev/null 2>&1
    site_await "$1" 2811 "the GridFTP server"
}

site_start() {
    local dir=$GRID/sites/$1 parent i
    rm -f "$dir/run/ready" "$dir"/run/*.pid
    setsid ip netns exec "$prefix-$1" unshare --mount --uts --pid --fork --kill-child --mount-proc "$dir/init" \
        </dev/null >"$dir/init.out" 2>&1 &
    parent=$!
    for ((i = 0; i < 500; i++)); do
        [ ! -e "$dir/run/ready" ] || break
        sleep 0.02
    done
    { tr -d ' ' <"/proc/$parent/task/$parent/children"; } >"$dir/pid1" 2>/dev/null
    echo >>"$dir/pid1"
    [ -e "$dir/run/ready" ] && site_pid "$1" >/dev/null || die "$1 did not start: $(cat "$dir/init.out")"
    ! is_slurm "$1" || slurm_start "$1"
    site_start_gatekeeper "$1"
    site_start_gridftp "$1"
}

site_is_ready() {
    site_pid "$1" >/dev/null && site_listens "$1" 2119 && site_listens "$1" 2811
}

# With the first process of the site's pid namespace all others die. Awaited, for the disk and the namespace.
site_kill() {
    local pid i
    pid=$(site_pid "$1") || return 0
    kill -KILL "$pid"
    for ((i = 0; i < 500; i++)); do
        [ -e "/proc/$pid" ] || break
        sleep 0.02
    done
    rm -f "$GRID/sites/$1/pid1"
}

# site_kill_all SITE COMM: every process of that name at the site. comm has 15 characters.
site_kill_all() {
    # shellcheck disable=SC2016
    site_exec "$1" '' bash -c 'n=0; for d in /proc/[0-9]*; do
        read -r comm <$d/comm && [ "$comm" = "$1" ] && kill -KILL ${d#/proc/} && n=$((n + 1)); done 2>/dev/null; [ $n -gt 0 ]' \
        kill "$2" || die "no $2 runs at $1"
}

site_do_kill() {
    case $1 in
    gatekeeper) site_kill_all "$2" globus-gatekeep ;;
    jobmanager) site_kill_all "$2" globus-job-mana ;;
    gridftp) site_kill_all "$2" globus-gridftp- ;;
    site)
        # The cable first: the kernel of a machine without power closes no connections.
        net_port "$2" 0
        site_kill "$2"
        ;;
    *) die "kill gatekeeper|jobmanager|gridftp|site SITE" ;;
    esac
}

site_do_start() {
    case $1 in
    gatekeeper | gridftp) "site_start_$1" "$2" ;;
    site)
        ! site_pid "$2" >/dev/null || die "$2 is up"
        net_port "$2" 3
        site_start "$2"
        ;;
    *) die "start gatekeeper|gridftp|site SITE" ;;
    esac
}

site_do_disk() {
    # shellcheck disable=SC2016
    case $1 in
    fill) site_exec "$2" '' sh -c 'fallocate -l $(($(df --output=avail -B1 /home | tail -n 1) - 1048576)) /home/.filler
        dd if=/dev/zero of=/home/.filler.rest bs=4k 2>/dev/null; true' ;;
    free) site_exec "$2" '' rm -f /home/.filler /home/.filler.rest ;;
    *) die "disk fill|free SITE" ;;
    esac
}

site_do_mapfile() {
    local file=$GRID/sites/$2/etc/grid-security/grid-mapfile subject line
    subject=$(pki_subject "${3:-user}") || die "there is no user '$3'"
    line=$(site_mapfile "$2" | grep -F "\"$subject\" ") || die "$subject has no account at $2"
    grep -vF "\"$subject\" " "$file" >"$file.new"
    case $1 in
    remove) ;;
    add) echo "$line" >>"$file.new" ;;
    *) die "mapfile remove|add SITE [USER]" ;;
    esac
    mv "$file.new" "$file"
}

# The listening daemons read it once: they start again. Connections and job managers that are there go on.
site_do_hostcert() {
    case $1 in
    wrong) site_hostcert "$GRID/sites/$2" wrong ;;
    right) site_hostcert "$GRID/sites/$2" "$2" ;;
    *) die "hostcert wrong|right SITE" ;;
    esac
    site_restart "$2" gatekeeper 2119
    site_restart "$2" gridftp 2811
}

site_restart() {
    local i
    site_exec "$1" '' sh -c "kill \$(cat /run/$2.pid); rm -f /run/$2.pid"
    for ((i = 0; i < 300; i++)); do
        site_listens "$1" "$3" || break
        sleep 0.03
    done
    "site_start_$2" "$1"
}
