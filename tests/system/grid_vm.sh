#!/bin/bash
# VM jobs at sites that have libvirt, QEMU and nothing of ours: images are staged once, a kill leaves nothing, and a site that
# dies under a job gives it up to another.
# limit: 300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/grid_lib.sh"
cd "$T_DIR" || exit 1
export SITES="site-a site-b site-c"
grid_up
mkdir home && cd home || exit 1
t_check "a gwd with three sites becomes ready" \
    grid_gwd 'RETRY_INTERVAL = 2' 'POLL_INTERVAL = 5' 'LEASE_MARGIN = 5' 'CANCEL_RETRY = 5' || t_done
image=$BUILD/guest.qcow2

# --- a site that goes as without power; what becomes of its job takes minutes, and is looked at in the end ---
cat >lost.jt <<X
EXECUTABLE = /bin/sh
ARGUMENTS = -c 'echo up; case \$GW_HOSTNAME in site-b*) sleep 1000 ;; esac; exit 3'
VM_IMAGE = $image
VM_MEMORY = 128M
ON_LOST = retry-after-lease
LEASE = 20
REQUIREMENTS = HOSTNAME != "site-a.*"
RANK = (HOSTNAME = "site-b.*") * 10
X
staged() { # SITE
    grid exec "$1" find -L /home/griduser/.gw_cache -name image -type f -printf '%i %T@\n' | sort -u
}
shows_up() { # it is in the guest
    gwlogs "$1" 2>/dev/null | grep -q up
}
bg_submit lost -t lost.jt
t_check "a VM job goes to the site that it prefers" bg_until lost 'prolog: .*site-b'
t_check "and runs there" t_within 60 shows_up "$(bg_id lost)"
staged_at_b=$(staged site-b)
grid kill site site-b

# --- input, output, cache ---
echo "hello from the input" >in.txt
cat >vm.jt <<X
EXECUTABLE = /bin/sh
ARGUMENTS = -c 'cat in.txt; uname -n >&2; tr a-z A-Z <in.txt >out.txt; exit 5'
INPUT_FILES = in.txt
OUTPUT_FILES = out.txt out.\${JOB_ID}
STDOUT_FILE = o.\${JOB_ID}
STDERR_FILE = e.\${JOB_ID}
VM_IMAGE = $image
VM_MEMORY = 128M
REQUIREMENTS = HOSTNAME = "site-a.*"
X
bg_submit vm -t vm.jt
bg_end "a VM job ends with the payload's exit code" vm 5
first=$(bg_id vm)
t_equal "its stdout comes home" "hello from the input" "$(cat "o.$first" 2>&1)"
t_equal "its stderr is the guest's" guest "$(cat "e.$first" 2>&1)"
t_equal "its output file comes home" "HELLO FROM THE INPUT" "$(cat "out.$first" 2>&1)"
before=$(staged site-a)
t_equal "the image is in the site's cache once" 1 "$(wc -l <<<"$before")"
bg_submit two -t vm.jt
bg_submit three -t vm.jt
bg_end "a second VM job ends as the first" two 5
bg_end "and a third beside it" three 5
t_equal "both took the image from the cache" "$before" "$(staged site-a)"
t_check "nothing else is left" t_within 15 grid_has_nothing site-a

# --- gwkill ---
cat >wait.jt <<X
EXECUTABLE = /bin/sh
ARGUMENTS = -c 'echo up; while :; do sleep 1; done'
VM_IMAGE = $image
VM_MEMORY = 128M
REQUIREMENTS = HOSTNAME = "site-a.*"
X
bg_submit kill -t wait.jt
t_check "a VM job runs" bg_until kill ' running'
t_check "its output is seen while it runs" t_within 60 shows_up "$(bg_id kill)"
t_match "there is a QEMU at the site" 'qemu-system' "$(grid_left site-a)"
t_check "gwkill is taken" gwkill "$(bg_id kill)"
t_check "and the job has ended soon" t_within 60 test -s kill.code
t_check "no process, overlay or job directory is left" t_within 20 grid_has_nothing site-a
t_equal "nor a disk of its VM anywhere" "" "$(grid exec site-a find /home /tmp /run -name '*overlay*' ! -path '/run/dev/*')"

# --- the site that went ---
bg_end "its site killed, the job ends at another one" lost 3 200
history=$(gwhistory "$(bg_id lost)")
t_match "gwhistory tells of the attempt that was lost" 'site-b' "$history"
t_match "and of the one that ended" 'site-c' "$history"
t_equal "two attempts in all" 2 "$(gwhistory -n "$(bg_id lost)" | grep -c 'site-[abc]')"
grid start site site-b
sed 's/site-a/site-b/' vm.jt >back.jt
bg_submit back -t back.jt
bg_end "when the site is back it takes jobs again" back 5
t_equal "its cache is as it was: the image is not staged again" "$staged_at_b" "$(staged site-b)"
for site in site-a site-c; do t_equal "nothing is left at $site" "" "$(grid_left $site)"; done
t_done
