#!/bin/bash
# A site whose worker nodes do not have the home in which job directories are (EM_MAD's rsl_nsh): its GridFTP server has
# another /home than its jobs. The job fetches its directory itself, with the credential that was delegated to it.
# limit: 300
# shellcheck disable=SC2016 # texts for shells elsewhere
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/grid_lib.sh"
cd "$T_DIR" || exit 1
export SITES=site-a
grid_up

# --- the site: what GridFTP calls /home/griduser is in a mount namespace of the server's own ---
elsewhere() { # CMD ...: with the server's /home, as root
    grid exec site-a sh -c 'exec nsenter -t "$(cat /run/gridftp.pid)" -m "$@"' sh "$@"
}
split_home() {
    grid exec site-a sh -c 'kill "$(cat /run/gridftp.pid)"; rm -f /run/gridftp.pid'
    grid exec site-a setsid unshare --mount sh -c 'mount --make-rprivate / && mount -t tmpfs -o mode=755,size=64m none /home &&
        mkdir -m 700 /home/griduser && chown griduser: /home/griduser &&
        exec globus-gridftp-server -S -p 2811 -c none -port-range 41000,41999 -logfile /var/log/globus/gridftp.log \
            -pidfile /run/gridftp.pid' </dev/null >/dev/null 2>&1
    t_within 10 grid exec client globus-url-copy -list "gsiftp://site-a.grid.test/~/" >/dev/null
}
t_check "the GridFTP server gets a home of its own" split_home || t_done
grid exec griduser@site-a sh -c 'echo node >/home/griduser/where'
t_check "what is in the nodes' home is not in the server's" sh -c '! "$0" exec client globus-url-copy -q \
    "gsiftp://site-a.grid.test/~/where" file:///dev/null 2>/dev/null' "$T_GRID"

mkdir home && cd home || exit 1
t_check "a gwd that knows the site becomes ready" grid_gwd 'EM_MAD = gram5:gw_em_gram5::rsl_nsh' || t_done

scratch_left() {
    grid exec site-a sh -c 'ls -d /tmp/gw_nsh.* 2>/dev/null'
}
directories_left() {
    elsewhere find /home -mindepth 2 -name '.gw_*' ! -name '.gw_lease_*' ! -name '.gw_epoch_*'
}

# --- jobs, all at once: a job waits 12 s for its claim ---
printf 'from the input\n' >'in put %41.txt'
printf '#!/bin/sh\ncat /home/griduser/where >&2\nexit 7\n' >last.sh && chmod +x last.sh
cat >files.jt <<'X'
EXECUTABLE = /bin/sh
ARGUMENTS = -c 'cat "in put %41.txt"; pwd >where.txt; mkdir "s ub"; echo deep >"s ub/o%ut.txt"; : >empty; echo big >unwanted; exec sh last.sh'
INPUT_FILES = 'in put %41.txt', last.sh
OUTPUT_FILES = where.txt, 's ub/o%ut.txt' deep.txt, empty
STDOUT_FILE = o.txt
STDERR_FILE = e.txt
X
bg_submit files -t files.jt
bg_submit exec -- ./last.sh
cat >vm.jt <<X
EXECUTABLE = /bin/sh
ARGUMENTS = -c 'uname -n; echo made >out.txt; exit 5'
OUTPUT_FILES = out.txt vm.txt
STDOUT_FILE = vm.out
VM_IMAGE = $BUILD/guest.qcow2
VM_MEMORY = 128M
X
bg_submit vm -t vm.jt
printf 'EXECUTABLE = /bin/true\nOUTPUT_FILES = missing.txt\nRESCHEDULE_ON_FAILURE = no\n' >missing.jt
bg_submit missing -t missing.jt
cat >links.jt <<'X'
EXECUTABLE = /bin/sh
ARGUMENTS = -c 'ln -s /home/griduser/where link.txt; ln -s /home/griduser d; mkdir real; echo real >real/f; echo plain >plain.txt; rm -f stderr.execution; ln -s /home/griduser/where stderr.execution'
OUTPUT_FILES = plain.txt, real/f real.txt, link.txt, d/where under.txt
STDERR_FILE = linked.txt
RESCHEDULE_ON_FAILURE = no
X
bg_submit links -t links.jt
bg_submit none -- /no/such/program
printf 'EXECUTABLE = /bin/sleep\nARGUMENTS = 25\nLEASE = 8\nON_LOST = retry-after-lease\n' >lease.jt
bg_submit lease -t lease.jt

bg_end "a job ends with its own exit code" files 7
t_equal "its input arrives and its stdout comes home" "from the input" "$(cat o.txt 2>&1)"
t_equal "it ran where the nodes' home is" node "$(cat e.txt 2>&1)"
t_match "in scratch space, not in the job directory" '^/tmp/gw_nsh\.' "$(cat where.txt 2>&1)"
t_equal "an output with odd characters comes home" deep "$(cat deep.txt 2>&1)"
t_check "an empty output comes home" test -e empty -a ! -s empty
bg_end "a program that is sent along can be run" exec 7
bg_end "a VM job, whose image comes along, ends with the payload's exit code" vm 5
t_equal "it ran in the guest" guest "$(cat vm.out 2>&1)"
t_equal "its output file comes home" made "$(cat vm.txt 2>&1)"
t_check "jobs that fail come to an end" t_within 120 test -s missing.code -a -s links.code -a -s none.code
t_match "an output that the job did not make is the job's fault, named" 'missing\.txt' "$(cat missing.said)"
t_match "an output that is a symbolic link is none" 'link\.txt|d/where|stderr\.execution' "$(cat links.said)"
t_equal "what links lead to is not brought back" '' "$(cat link.txt under.txt linked.txt 2>/dev/null)"
t_match "a program that is not on the node is told in words" '/no/such/program' "$(cat none.said)"
bg_end "a job longer than its lease ends well, since the node renews it" lease 0
t_equal "no scratch is left, nor a VM" '' "$(scratch_left)$(grid exec site-a pgrep -l qemu)"
t_equal "no job directory is left" '' "$(directories_left)"

# --- an end that is asked for ---
printf 'EXECUTABLE = /bin/sleep\nARGUMENTS = 600\n' >long.jt
bg_submit killed -t long.jt
t_check "a long job runs" t_within 60 sh -c '"$0" exec site-a pgrep -u griduser -x sleep >/dev/null' "$T_GRID"
sleep_runs() { grid exec site-a pgrep -u griduser -f 'sleep 600' >/dev/null; }
t_check "its payload runs" t_within 60 sleep_runs
gwkill "$(bg_id killed)"
payload_ended() { ! sleep_runs; }
t_check "a killed job's payload ends" t_within 40 payload_ended
no_scratch() { [ -z "$(scratch_left)" ]; }
t_check "and leaves no scratch" t_within 40 no_scratch
no_directory() { [ -z "$(directories_left)" ]; }
t_check "nor a job directory" t_within 40 no_directory

# --- started twice, as a batch system may: by hand, from one job description ---
text=$(sed -E '/^ *(#.*)?$/d; s/"/""/g' "$T_ROOT/wrappers/gw_nsh.sh") # a quote of RSL is doubled
twice() { # a directory with a job that is counted
    elsewhere sh -c 'd=/home/griduser/.gw_twice.0.1.2.3; rm -rf $d; mkdir $d; cd $d; cat >.wrapper; chmod 755 .wrapper
        echo "GW_TOKEN=twice.0.1.2.3" >job.ctl; chown -R griduser: $d' <<'X'
#!/bin/sh
echo twice >>/var/log/grid/payloads
printf 'GWSTATUS 1\n' >status
X
}
node() {
    grid exec client globusrun -r site-a.grid.test \
        "&(jobtype=single)(executable=/bin/sh)(arguments=-c \"$text\" gw_nsh \"gsiftp://site-a.grid.test/~/.gw_twice.0.1.2.3\" twice.0.1.2.3)"
}
runs() {
    grid payloads site-a | grep -c twice
}
t_check "a job directory is made by hand" twice
for i in 1 2 3; do
    node >"node.$i" 2>&1 &
    T_PIDS+=($!)
    nodes+=($!)
done
wait "${nodes[@]}"
before=$(runs)
t_check "started three times at once, it runs once at most: $before" test "$before" -le 1
t_check "another directory is made" twice
grid exec griduser@site-a sh -c 'mkdir /tmp/gw_nsh.99999.0 && cd /tmp/gw_nsh.99999.0 && touch big &&
    echo "99999 1 $(cat /proc/sys/kernel/random/boot_id) $(readlink /proc/self/ns/pid)" >owner'
node >node.first 2>&1
t_equal "started once, it runs" $((before + 1)) "$(runs)"
t_equal "the scratch of one that was killed is removed by the next" '' "$(scratch_left)"
node >node.again 2>&1
t_equal "started again later, it does not" $((before + 1)) "$(runs)"
t_done
