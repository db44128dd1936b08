#!/bin/bash
# Two sites, one of which swallows whatever it gets: a queue of jobs ends well, few attempts are burnt, and gwhost says why.
. "$(dirname "$0")/lib.sh"
cd "$T_DIR" || exit 1
GWD_DIR=$T_DIR/gwd
mkdir -p "$GWD_DIR" good bad work
# At the bad site everything that is started ends at once and leaves nothing, until it is mended.
cat >em_bad <<X
#!/bin/bash
exec '$BUILD/libexec/gw_em_fork' < <(while IFS= read -r line; do
    [ -e '$T_DIR/mended' ] || line=\$(sed 's|(executable=[^)]*)|(executable=/bin/false)|' <<<"\$line")
    printf '%s\n' "\$line"
done)
X
chmod +x em_bad
for site in good bad; do
    echo "$site $site.attr" >$site.list
    printf 'ARCH="%s"\nLRMS_NAME="fork"\nQUEUE_NAME[0]="default"\nQUEUE_NODECOUNT[0]=8\nNODECOUNT=8\nCPU_MHZ=%s\nSTAGE_URL="file://%s"\n' \
        "$(uname -m)" "$([ $site = bad ] && echo 3000 || echo 1000)" "$T_DIR/$site" >$site.attr
done
cat >"$GWD_DIR/gwd.conf" <<X
STATE_DIR = "$GWD_DIR"
SOCKET = "$GWD_DIR/gwd.sock"
IM_MAD = good:gw_im_static:-l $T_DIR/good.list:local:fork
IM_MAD = bad:gw_im_static:-l $T_DIR/bad.list:local:bad
TM_MAD = local:gw_tm_local:
EM_MAD = fork:gw_em_fork::rsl
EM_MAD = bad:$T_DIR/em_bad::rsl
RETRY_INTERVAL = 1
SITE_PAUSE = 5
X
t_check "a daemon with two sites becomes ready" gwd_start || t_done
cd work || t_done

# burnt N: attempts of the jobs 1 to N that were made at the bad site.
burnt() {
    local id
    for id in $(seq "$1"); do gwhistory -n "$id"; done | grep -c ' bad/fork '
}

# The bad one is the better of the two by rank, so that each job would try it first.
printf 'EXECUTABLE = /bin/true\nRANK = CPU_MHZ\n' >all.jt
t_check "300 jobs end well, though the better site swallows what it gets" timeout 200 gwsubmit --wait --exit-with-job -n 300 -t all.jt
n=$(burnt 300)
t_check "few attempts were burnt there ($n)" test "$n" -ge 3 -a "$n" -le 24
t_match "gwhost says that it rests, and after what" '^bad (rests until [0-9:]+|is given 1 job at a time), after failures: ' "$(gwhost)"
t_match "and in its table" ' bad  *rests' "$(gwhost | tr -s ' ' | sed 's/ *$//')"

printf 'EXECUTABLE = /bin/true\nREQUIREMENTS = HOSTNAME = "bad"\n' >bad.jt
waiting=$(gwsubmit -v -t bad.jt | sed -n 's/^JOB ID: //p')
resting() { gwps --why "$waiting" | grep -q 'rests after failures, or is tried with a few jobs (of 2 hosts: .*1 resting after failures), bad'; }
t_check "gwps --why says for what a job waits that can run nowhere else" t_within 60 resting
touch "$T_DIR/mended"
t_check "gwhost --undrain sends jobs there again" gwhost --undrain bad
t_check "and the job ends well" timeout 30 gwwait "$waiting"
t_equal "nothing is said of the site any more" "" "$(gwhost | grep '^bad ')"
t_check "a mended site takes jobs without that, too" timeout 60 gwsubmit --wait --exit-with-job -n 30 -t bad.jt
t_done
