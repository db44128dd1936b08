#!/bin/bash
# The service's files: systemd reads them, and they shut in what they can.
# limit: 60
. "$(dirname "$0")/lib.sh"

# unit NAME [DROP-IN ...]: as it is installed; its path in UNIT.
unit() {
    local dir=$T_DIR/$1 drop
    shift
    mkdir -p "$dir/gwd.service.d"
    sed "s,@BIN@,$BUILD/bin,; s,@CONF@,/etc," "$T_ROOT/etc/systemd/gwd.service.in" >"$dir/gwd.service"
    for drop; do cp "$T_ROOT/etc/systemd/$drop" "$dir/gwd.service.d/"; done
    UNIT=$dir/gwd.service
}
# setting KEY: as it is in the end. An empty one sets a list back.
setting() {
    cat "$UNIT" "$UNIT".d/*.conf 2>/dev/null | awk -F = -v key="$1" '
        $1 == key { value = substr($0, length(key) + 2); all = value == "" ? "" : all (all == "" ? "" : " ") value; last = value }
        END { print key ~ /^(CapabilityBoundingSet|AmbientCapabilities|ReadWritePaths|SystemCall|RestrictAddressFamilies)/ ? all : last }'
}
settings() {
    local key
    for key; do echo "$key=$(setting "$key")"; done | xargs
}
# What there is of the settings that have NoNewPrivileges come along for a service with User= (systemd.exec(5)).
implying() {
    local key
    for key in DynamicUser LockPersonality MemoryDenyWriteExecute PrivateDevices ProtectClock ProtectHostname ProtectKernelLogs \
        ProtectKernelModules ProtectKernelTunables RestrictAddressFamilies RestrictFileSystems RestrictNamespaces RestrictRealtime \
        RestrictSUIDSGID SystemCallArchitectures SystemCallFilter SystemCallLog; do
        case $(setting $key) in '' | no) ;; *) echo "$key" ;; esac
    done
}
# What it says of pages that man(1) does not find is not meant.
complaints() { systemd-analyze verify --recursive-errors=no "$UNIT" 2>&1 | grep -v "Command 'man "; }
# exposed AT-MOST: ten times systemd's figure
exposed() { systemd-analyze security --no-pager --offline=true --threshold="$1" "$UNIT"; }
# is_shut_in SENTENCE AT-MOST WHAT
is_shut_in() {
    if ! command -v systemd-analyze >/dev/null; then
        t_skip "$1" "there is no systemd here"
        return
    fi
    t_equal "systemd has nothing against $3" "" "$(complaints)"
    t_check "$1" exposed "$2"
}

unit single
is_shut_in "a gwd of one user is shut in as far as its jobs allow" 34 "the unit"
t_equal "it can have no privilege at all" "User=gwd CapabilityBoundingSet= AmbientCapabilities= NoNewPrivileges=yes" \
    "$(settings User CapabilityBoundingSet AmbientCapabilities NoNewPrivileges)"
unit many 20-multi-user.conf
is_shut_in "a gwd of many users is shut in as far as the launcher allows" 68 "the drop-in for many users"
two="User=gwd CapabilityBoundingSet=CAP_SETUID CAP_SETGID AmbientCapabilities= NoNewPrivileges=no"
t_equal "with it nothing but the launcher's two capabilities can be had" "$two" \
    "$(settings User CapabilityBoundingSet AmbientCapabilities NoNewPrivileges)"
t_equal "and the launcher can have them" "" "$(implying)"
unit remote 10-remote.conf
is_shut_in "where all jobs run elsewhere the rest is shut" 18 "the drop-in for sites elsewhere"
t_equal "but for proxies, which are made and renewed in /tmp" " -/home /tmp /var/tmp" "$(setting PrivateTmp) $(setting ReadWritePaths)"
t_check "there is something that many users have to do without" [ -n "$(implying)" ]
unit both 10-remote.conf 20-multi-user.conf
is_shut_in "with many users and jobs elsewhere as far as both allow" 68 "both drop-ins"
t_equal "with both the launcher has what it has without the first" "$two" \
    "$(settings User CapabilityBoundingSet AmbientCapabilities NoNewPrivileges)$(implying)"
t_equal "and files are as with the first" "strict invisible pid" "$(setting ProtectSystem) $(setting ProtectProc) $(setting ProcSubset)"

# As the unit for one user has it: a bounding set is root's to make smaller.
bounds=--no-new-privs
[ "$(id -u)" != 0 ] || bounds="$bounds --bounding-set=-all"
gwd() {
    # shellcheck disable=SC2086 # words
    exec setpriv $bounds "$BUILD/bin/gwd" "$@"
}
cd "$T_DIR" || exit 1
t_check "a gwd that can have no privilege becomes ready" gwd_start || t_done
t_match "and has none to be had" "^NoNewPrivs:.1" "$(cat "/proc/$GWD_PID/status")"
[ "$(id -u)" != 0 ] || t_match "root's neither" "^CapBnd:.0+$" "$(cat "/proc/$GWD_PID/status")"
t_check "its jobs run" timeout 60 gwsubmit --wait --exit-with-job -- /bin/true
t_check "it stops" gwd_stop

# --- the account ---
if command -v systemd-sysusers >/dev/null; then
    mkdir -p "$T_DIR/root/etc" "$T_DIR/root/usr/lib/sysusers.d"
    cp "$T_ROOT/etc/systemd/gwd.sysusers" "$T_DIR/root/usr/lib/sysusers.d/gwd.conf"
    systemd-sysusers --root="$T_DIR/root" >"$T_DIR.out" 2>&1
    t_match "the account is made" "^gwd:" "$(cat "$T_DIR/root/etc/passwd" 2>&1)"
else
    t_skip "the account is made" "there is no systemd-sysusers here"
fi
t_done
