#!/bin/bash
# What happens to real sites: a job manager, a gatekeeper, a GridFTP server killed, a cable cut for half a minute in every phase
# at once. With ON_LOST = wait, which is the default, no job is lost, none runs twice, and none fails for it.
# limit: 300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/grid_lib.sh"
cd "$T_DIR" || exit 1
export SITES="site-a site-b site-c site-d" # two to be cut beside the first, and one that is left alone
grid_up
mkdir home && cd home || exit 1
# The execution driver runs behind a filter, which cuts the cable at a line that is asked for.
cat >"$T_DIR/act" <<X
#!/bin/bash
GRID=$GRID '$T_GRID' link cut "\$(cat '$T_DIR/victim')" && touch '$T_DIR/cut'
X
grid_filter gw_em_gram5
t_check "a gwd with four sites becomes ready" \
    grid_gwd 'RETRY_INTERVAL = 2' 'POLL_INTERVAL = 10' "EM_MAD = gram5:$T_DIR/gw_em_gram5::rsl" || t_done

# job NAME SITE [LINE ...]: its payload is counted, waits for a file at the site, and exits with 9.
job() {
    local name=$1 site=$2
    shift 2
    cat >"$name.jt" <<X
EXECUTABLE = /bin/sh
ARGUMENTS = -c 'echo $name >>$PAYLOAD_LOG; until [ -e /tmp/go.$name ]; do sleep 0.2; done; exit 9'
REQUIREMENTS = HOSTNAME = "$site.*"
X
    [ $# -eq 0 ] || printf '%s\n' "$@" >>"$name.jt"
}
go() { # NAME ...
    local name
    for name; do grid exec "$(sed -n 's/^REQUIREMENTS.*"\(.*\)\.\*"$/\1/p' "$name.jt")" touch "/tmp/go.$name"; done
}

# --- job manager ---
for n in 1 2 3; do job jm$n site-a && bg_submit jm$n -t jm$n.jt; done
for n in 1 2 3; do t_check "job $n runs" bg_until jm$n ' running'; done
go jm1 # its end and the job manager's come together
grid kill jobmanager site-a
go jm2
for n in 1 2; do bg_end "job manager killed: job $n ends with its exit code" jm$n 9; done
t_check "the third is not taken for ended" test ! -e jm3.code
go jm3
bg_end "and ends when its payload does" jm3 9

# --- gatekeeper ---
job gk1 site-a && bg_submit gk1 -t gk1.jt
t_check "a job runs" bg_until gk1 ' running'
grid kill gatekeeper site-a
job gk2 site-a && bg_submit gk2 -t gk2.jt
go gk1 gk2
bg_end "without a gatekeeper a running job ends" gk1 9
sleep 3 # the new one is refused by the site meanwhile
t_check "a new one waits" test ! -e gk2.code
grid start gatekeeper site-a
bg_end "and runs when the gatekeeper is back" gk2 9

# --- GridFTP in the middle of an image of 200 MB ---
cp "$BUILD/guest.qcow2" big.qcow2
head -c $((200000000 - $(stat -c %s big.qcow2))) /dev/urandom >>big.qcow2
cat >image.jt <<X
EXECUTABLE = /bin/sh
ARGUMENTS = -c 'exit 4'
VM_IMAGE = $PWD/big.qcow2
VM_MEMORY = 128M
REQUIREMENTS = HOSTNAME = "site-a.*"
X
grid link rate site-a 400
bg_submit image -t image.jt
has_part() {
    [ "$(grid exec site-a sh -c 'du -sm /home/griduser' | cut -f 1)" -gt 60 ]
}
t_check "an image is under way" t_within 30 has_part
grid kill gridftp site-a
t_check "it is not there yet" test ! -e image.code
sleep 1
grid start gridftp site-a
bg_end "GridFTP killed in the middle of an image: the VM job ends with its exit code" image 4
t_equal "no part of the image is left" "" "$(grid exec site-a find /home -name '*.gw_part*' -o -name '*.part')"

# --- cable, 30 s, in each phase at once ---
grid link rate site-a 24
head -c 12000000 /dev/urandom >big.in
cat >epilog.jt <<X
EXECUTABLE = /bin/sh
ARGUMENTS = -c 'echo epilog >>$PAYLOAD_LOG; head -c 12000000 /dev/zero >big.out; exit 9'
OUTPUT_FILES = big.out
REQUIREMENTS = HOSTNAME = "site-a.*"
X
job run site-a && job ends site-a && job prolog site-a "INPUT_FILES = big.in"
bg_submit run -t run.jt
bg_submit ends -t ends.jt
bg_until run ' running' && bg_until ends ' running' || t_not_ok "two jobs run"

# cut_at WHEN NAME SITE: submit a job; the cable of its site is cut as its line comes.
cut_at() {
    job "$2" "$3"
    rm -f "$T_DIR/cut"
    echo "$3" >"$T_DIR/victim"
    echo "$1" >"$T_DIR/at"
    bg_submit "$2" -t "$2.jt"
    t_check "a cable is cut at $1" t_within 30 test -e "$T_DIR/cut"
}
cut_at 'request COMMIT' held site-b
cut_at 'soon COMMIT' told site-c
bg_submit epilog -t epilog.jt
t_check "one job is in its epilog" bg_until epilog 'epilog: '
bg_submit prolog -t prolog.jt
t_check "one is in its prolog" bg_until prolog 'prolog: '
cut_at 'request SUBMIT' submit site-a
for name in epilog prolog; do t_check "'$name' is still there" test ! -e $name.code; done
cut=$SECONDS
go ends prolog submit held told # one ends while nobody can hear of it
printf 'EXECUTABLE = /bin/true\nREQUIREMENTS = HOSTNAME = "site-d.*"\n' >other.jt
t_check "a job for another site does not mind" timeout 20 gwsubmit --wait --exit-with-job -t other.jt
while [ $SECONDS -lt $((cut + 30)) ]; do sleep 0.2; done
for name in run ends epilog prolog submit held told; do t_check "after 30 s job '$name' is still waited for" test ! -e $name.code; done
for site in site-a site-b site-c; do grid link restore $site; done
grid link rate site-a off
go run
for name in run ends epilog prolog submit held told; do bg_end "the cable back, job '$name' ends with its exit code" $name 9; done
t_equal "what came home over the cut is whole" 12000000 "$(stat -c %s big.out)"
grid_once "nothing was started twice"
t_equal "every payload ran" "ends epilog gk1 gk2 held jm1 jm2 jm3 prolog run submit told" "$(grid_payloads | cut -d ' ' -f 2 | sort | xargs)"
grid_clean
t_done
