#!/bin/bash
# `make install` into an empty place gives programs that work from there, and `make uninstall` takes all away
# except the configuration.
# limit: 180
. "$(dirname "$0")/lib.sh"

cd "$T_ROOT" || exit 1
dest=$T_DIR/dest
# The programs are there already: install must not build others. (Inside `make check` the outer make's flags would
# come along.)
unset MAKEFLAGS MFLAGS MAKELEVEL
install_it() {
    make -s "$1" DESTDIR="$dest" PREFIX=/usr
}

t_check "make install fills an empty directory" install_it install
for file in usr/bin/gwd usr/bin/gwsubmit usr/bin/gwps usr/libexec/gwd/gw_wrapper.sh usr/libexec/gwd/gwvm \
    usr/share/gwd/guest/gw-mkimage usr/share/man/man1/gwsubmit.1 usr/share/doc/gwd/README.md usr/share/doc/gwd/LICENSE \
    usr/share/bash-completion/completions/gwps etc/gwd/gwd.conf; do
    [ -e "$dest/$file" ] || t_not_ok "make install brings $file"
done
t_equal "no installed link leads out of the installation" '' \
    "$(find "$dest" -type l -exec sh -c 'for l; do [ -e "$l" ] && case $(readlink "$l") in */*) false ;; esac || echo "$l"; done' sh {} +)"
t_check "the installed configuration is valid" "$dest/usr/bin/gwd" --check-config "$dest/etc/gwd/gwd.conf"

PATH=$dest/usr/bin:$PATH
t_equal "the installed gwd is found first" "$dest/usr/bin/gwd" "$(command -v gwd)"
# shellcheck disable=SC2119
if gwd_start; then
    t_ok "the installed gwd finds its drivers"
    (cd "$T_DIR" && timeout 60 gwsubmit --wait --exit-with-job -- /bin/sh -c 'exit 7') >"$T_DIR/out" 2>&1
    t_equal "an installed gwd runs a job with the installed wrapper" 7 $?
    t_check "the installed gwd stops" gwd_stop
else
    t_not_ok "the installed gwd finds its drivers" "$(cat "$GWD_DIR.log")"
fi

echo '# mine' >>"$dest/etc/gwd/gwd.conf"
install_it install >/dev/null
t_equal "a second install leaves the configuration as its owner changed it" '# mine' "$(tail -n 1 "$dest/etc/gwd/gwd.conf")"
launch=$dest/usr/libexec/gwd/gw_launch
if [ "$(id -u)" = 0 ] && chgrp daemon "$launch" && chmod 750 "$launch" && setcap cap_setuid,cap_setgid=ep "$launch" 2>/dev/null; then
    install_it install >/dev/null
    t_equal "nor does it take gw_launch what install-multi-user gave it" "750 daemon $launch cap_setgid,cap_setuid=ep" \
        "$(stat -c '%a %G' "$launch") $(getcap "$launch")"
else
    t_skip "nor does it take gw_launch what install-multi-user gave it" "needs root and a file system with capabilities"
fi
t_check "make uninstall works" install_it uninstall
t_equal "make uninstall leaves the configuration and nothing else" "$dest/etc/gwd/gwd.conf" \
    "$(find "$dest" ! -type d)"
t_equal "make uninstall leaves no directory of gwd's" "$dest/etc/gwd" "$(find "$dest" -type d -name gwd)"
t_done
