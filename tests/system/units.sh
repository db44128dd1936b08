#!/bin/bash
# The service's files: systemd reads them, and they shut in what they can.
# limit: 60
. "$(dirname "$0")/lib.sh"
if ! command -v systemd-analyze >/dev/null; then
    t_skip "systemd reads the units" "there is no systemd here"
    t_done
fi

# unit NAME [DROP-IN]: as it is installed; its path in UNIT.
unit() {
    local dir=$T_DIR/$1
    mkdir -p "$dir/gwd.service.d"
    sed "s,@BIN@,$BUILD/bin,; s,@CONF@,/etc," "$T_ROOT/etc/systemd/gwd.service.in" >"$dir/gwd.service"
    [ -z "${2-}" ] || cp "$T_ROOT/etc/systemd/$2" "$dir/gwd.service.d/"
    UNIT=$dir/gwd.service
}
# What it says of pages that man(1) does not find is not meant.
complaints() { systemd-analyze verify --recursive-errors=no "$UNIT" 2>&1 | grep -v "Command 'man "; }
# exposed AT-MOST: ten times systemd's figure
exposed() { systemd-analyze security --no-pager --offline=true --threshold="$1" "$UNIT"; }

unit single
t_equal "systemd has nothing against the unit" "" "$(complaints)"
t_check "a gwd of one user is shut in as far as its jobs allow" exposed 34
unit many multi-user.conf
t_equal "systemd has nothing against the drop-in for many users" "" "$(complaints)"
t_check "with it nothing but the launcher's two capabilities can be had" exposed 68
unit remote remote.conf
t_equal "systemd has nothing against the drop-in for sites elsewhere" "" "$(complaints)"
t_check "with it the rest is shut" exposed 18
if command -v systemd-sysusers >/dev/null; then
    mkdir -p "$T_DIR/root/etc" "$T_DIR/root/usr/lib/sysusers.d"
    cp "$T_ROOT/etc/systemd/gwd.sysusers" "$T_DIR/root/usr/lib/sysusers.d/gwd.conf"
    systemd-sysusers --root="$T_DIR/root" >"$T_DIR.out" 2>&1
    t_match "the account is made" "^gwd:" "$(cat "$T_DIR/root/etc/passwd" 2>&1)"
else
    t_skip "the account is made" "there is no systemd-sysusers here"
fi
t_done
