#!/bin/bash
# The real drivers over pipes, as the daemon speaks with them: jobs on this machine, copies, hosts; and what
# becomes of each when a driver is killed in the middle.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/driver_lib.sh"

WRAPPER=$T_ROOT/wrappers/gw_wrapper.sh
# ---- execution

ALL_EM="INIT 500 gw1:pct,handles,recover-token,idempotent,commit,poll-all,blame -"

em() {
    driver "$1" "${2:-$LIBEXEC/gw_em_fork}"
    say "$1" "$ALL_EM"
    hear "$1" "INIT - SUCCESS gw1:"
}

# job NAME LINE ...: a job directory whose payload is the script of these lines, and its description NAME.rsl.
job() {
    local dir=$T_DIR/$1 name=$1
    shift
    mkdir -p "$dir" && cp "$WRAPPER" "$dir/.wrapper" && chmod +x "$dir/.wrapper"
    printf '%s\n' '#!/bin/sh' "$@" >"$dir/run"
    printf "GW_TOKEN='%s'\nGW_EXECUTABLE='./run'\nGW_STDIN='/dev/null'\nGW_VM='no'\n" "tok.$name" >"$dir/job.ctl"
    description "$name" "$dir" .wrapper '("GW_TOKEN" "tok.'"$name"'")'
}

# description NAME DIRECTORY EXECUTABLE ENVIRONMENT [RELATION]
description() {
    printf '&(executable="%s")(directory="%s")(stdout="stdout.wrapper")(stderr="stderr.wrapper")(environment=%s)(count="1")(jobtype="single")%s' \
        "$3" "$2" "$4" "${5-}" >"$T_DIR/$1.rsl"
}

submit() {
    say "$1" "SUBMIT $2 local/fork $T_DIR/$3.rsl"
}

value() {
    sed -n "s/^$2=//p" "$T_DIR/$1/status"
}

is_alone() {
    [ -z "$("$T_ROOT/tools/processes-of" "$T_DIR/$1")" ]
}

# Until the payload of a job says that it is there.
is_ready() {
    t_within 20 test -e "$T_DIR/$1/ready"
}

em_ends() {
    local code
    for code in 0 7; do
        job "exit$code" "exit $code"
        submit em "10$code" "exit$code"
        told "a submitted job has a contact" em "SUBMIT 10$code SUCCESS fork:[0-9]+:[0-9]+:[0-9a-f-]+$"
        told "it is told to be active" em "CALLBACK 10$code SUCCESS ACTIVE$"
        told "its end is told" em "CALLBACK 10$code SUCCESS DONE$"
        t_equal "the payload's exit code $code is in the status" $code "$(value "exit$code" EXIT_CODE)"
    done
    # shellcheck disable=SC2016
    job signal 'kill -SEGV $$'
    submit em 12345678901234567890 signal
    told "a handle may have twenty digits" em "CALLBACK 12345678901234567890 SUCCESS DONE$"
    t_equal "the payload's signal is in the status" "139 11" "$(value signal EXIT_CODE) $(value signal SIGNAL)"
    say em "POLL 12345678901234567890 - -"
    told "POLL still knows a job that has ended" em "POLL 12345678901234567890 SUCCESS DONE$"
    say em "POLL 99 - -" "CANCEL 98 - -"
    told "POLL of an unknown handle fails" em "POLL 99 FAILURE internal:us "
    told "CANCEL of an unknown handle fails" em "CANCEL 98 FAILURE internal:us "
}

em_refuses() {
    job noexec "exit 0"
    chmod -x "$T_DIR/noexec/.wrapper"
    submit em 201 noexec
    told "a program that cannot be executed is refused" em "SUBMIT 201 FAILURE refused:job "
    description nodir "$T_DIR/nodir" .wrapper '("GW_TOKEN" "tok.nodir")'
    submit em 202 nodir
    told "a job directory that is missing is the site's failure" em "SUBMIT 202 FAILURE io:site "
    printf '&(executable=' >"$T_DIR/bad.rsl"
    submit em 203 bad
    told "a description that is not RSL is refused" em "SUBMIT 203 FAILURE refused:job "
    description url "$T_DIR" https://example.org/x '("A" "b")'
    submit em 204 url
    told "an executable that is a URL is refused" em "SUBMIT 204 FAILURE refused:job "
    submit em 205 nosuchfile
    told "a description that is missing is our failure" em "SUBMIT 205 FAILURE internal:us "
    description badtoken "$T_DIR" .wrapper '("GW_TOKEN" "../x")'
    submit em 206 badtoken
    told "a token that is no file name is refused" em "SUBMIT 206 FAILURE refused:job GW_TOKEN"
}

# Killed -9 while a job runs: the next driver process finds it.
em_recovers() {
    local contact
    job long "echo here >ready; while [ ! -e go ]; do sleep 0.1; done; exit 5"
    em em2
    submit em2 1 long
    hear em2 "SUBMIT 1 SUCCESS"
    contact=${D_LINE##* }
    is_ready long
    kill9 em2
    em em2
    say em2 "RECOVER 7 $contact $T_DIR/long.rsl"
    told "a new driver process recovers a running job by its contact" em2 "RECOVER 7 SUCCESS ACTIVE$"
    em em3
    say em3 "RECOVER 8 - $T_DIR/long.rsl"
    told "and by its token alone" em3 "RECOVER 8 SUCCESS ACTIVE$"
    submit em3 9 long
    told "a job that runs is submitted to the same contact" em3 "SUBMIT 9 SUCCESS ${contact//./\\.}$"
    touch "$T_DIR/long/go"
    told "the end of a recovered job is told" em2 "CALLBACK 7 SUCCESS DONE$"
    told "to each who asked" em3 "CALLBACK 8 SUCCESS DONE$"
    t_equal "with the payload's exit code in the status" 5 "$(value long EXIT_CODE)"
    say em3 "RECOVER 10 $contact $T_DIR/long.rsl"
    told "a job that has ended is recovered as done" em3 "RECOVER 10 SUCCESS DONE$"
    job never "exit 0"
    say em3 "RECOVER 11 - $T_DIR/never.rsl"
    told "a job that was never submitted is known not to have been" em3 "RECOVER 11 FAILURE not-found:us "
    say em3 "RECOVER 12 $contact $T_DIR/never.rsl"
    told "one that has a contact and no claim is lost" em3 "RECOVER 12 FAILURE lost:site "
    finalize em2 3
    finalize em3 3
}

# bare DRIVER HANDLE TOKEN COMMAND: submitted inline.
bare() {
    local text
    text=$(printf '&(executable="/bin/sh")(arguments="-c" "%s")(environment=("GW_TOKEN" "%s")("GW_STAGING" "no"))' "$4" "$3" | sed 's/%/%25/g; s/ /%20/g')
    say "$1" "${5:-SUBMIT} $2 ${6:-local/fork} $text"
}

em_with_journal() {
    driver "$1" "$LIBEXEC/gw_em_fork" "-d $T_DIR/journal"
    say "$1" "INIT 500 gw1:pct,handles,recover-token,blame,inline,bare -"
    hear "$1" "INIT - SUCCESS gw1:"
}

em_bare() {
    local i many=$T_DIR/many
    em_with_journal em8
    t_match "programs without a wrapper are offered" "bare" "$D_LINE"
    bare em8 1 in.1.1.0.1 'exit 7'
    told "one that is submitted inline has a contact" em8 "SUBMIT 1 SUCCESS fork:[0-9]+:[0-9]+:[0-9a-f-]+$"
    told "its end is told with its exit code" em8 "CALLBACK 1 SUCCESS DONE:7$"
    # shellcheck disable=SC2016
    bare em8 2 in.1.2.0.1 'kill -SEGV $$'
    told "a signal is 128 more" em8 "CALLBACK 2 SUCCESS DONE:139$"
    bare em8 3 in.1.1.0.1 "echo again >$T_DIR/again"
    told "a token that was submitted before is not started again" em8 "CALLBACK 3 SUCCESS DONE:7$"
    t_check "its program did not run" test ! -e "$T_DIR/again"
    bare em8 4 in.1.3.0.1 'exit 0' RECOVER -
    told "one that was never submitted is known not to have been" em8 "RECOVER 4 FAILURE not-found:us "
    say em8 "SUBMIT 5 local/fork &(executable=\"/none\")(environment=(\"GW_TOKEN\"%20\"in.1.5.0.1\")(\"GW_STAGING\"%20\"no\"))"
    told "a program that is not there is refused" em8 "SUBMIT 5 FAILURE refused:job executing /none in "
    bare em8 6 in.1.5.0.1 'exit 0' RECOVER -
    told "and was never started" em8 "RECOVER 6 FAILURE not-found:us "
    bare em8 8 in.1.8.0.1 'sleep 1000 & sleep 1000'
    hear em8 "CALLBACK 8 SUCCESS ACTIVE" || t_not_ok "it runs" "$D_LINE"
    say em8 "CANCEL 8 - -"
    told "one that is cancelled is told as ended" em8 "CALLBACK 8 SUCCESS DONE:143$"
    for i in $(seq 40); do bare em8 $((100 + i)) "in.1.$((100 + i)).0.1" "echo x >>$many"; done
    for i in $(seq 40); do hear em8 "CALLBACK $((100 + i)) SUCCESS DONE:0$" || t_not_ok "job $i of many ends" "$D_LINE"; done
    t_equal "of many each runs once" 40 "$(wc -l <"$many")"
    # The driver is killed; what it started ends while no other is there, and later.
    bare em8 21 in.1.21.0.1 "while [ ! -e $T_DIR/go21 ]; do sleep 0.05; done; exit 21"
    bare em8 22 in.1.22.0.1 "while [ ! -e $T_DIR/go22 ]; do sleep 0.05; done; exit 22"
    for i in 21 22; do hear em8 "CALLBACK $i SUCCESS ACTIVE" || t_not_ok "job $i runs" "$D_LINE"; done
    kill9 em8
    touch "$T_DIR/go21"
    t_within 10 grep -rq '^E in.1.21.0.1 21' "$T_DIR/journal" || t_not_ok "an end that nobody hears is written down"
    em_with_journal em9
    bare em9 1 in.1.21.0.1 'exit 0' RECOVER -
    told "a later driver knows the code of what ended meanwhile" em9 "RECOVER 1 SUCCESS DONE:21$"
    bare em9 2 in.1.22.0.1 'exit 0' RECOVER -
    told "and finds what runs" em9 "RECOVER 2 SUCCESS ACTIVE$"
    touch "$T_DIR/go22"
    told "and tells how it ends" em9 "CALLBACK 2 SUCCESS DONE:22$"
    bare em9 3 in.1.1.0.1 'exit 0' RECOVER -
    told "and what had ended before" em9 "RECOVER 3 SUCCESS DONE:7$"
    finalize em9 3
}

# A daemon was killed, and its driver has not read all of what it was told when the next daemon's driver is asked.
em_bare_of_two_daemons() {
    local in=0 worker
    em_with_journal old
    bare old 1 in.2.1.0.1 'exit 0'
    hear old "CALLBACK 1 SUCCESS DONE:0$" || t_not_ok "a program without a wrapper ends" "$D_LINE"
    worker=$(pgrep -P "${D_PID[old]}")
    kill -STOP "$worker"
    bare old 2 in.2.2.0.1 "echo old >>$T_DIR/of_two"
    bare old 3 in.2.3.0.1 "echo old >>$T_DIR/killed"
    in=${D_IN[old]}
    exec {in}>&-
    em_with_journal new
    bare new 2 in.2.2.0.1 'exit 0' RECOVER -
    told "what the other driver has not read yet was never started" new "RECOVER 2 FAILURE not-found:us "
    bare new 3 in.2.3.0.1 'exit 0' RECOVER -
    hear new "RECOVER 3 FAILURE not-found:us " || t_not_ok "nor was the next one" "$D_LINE"
    bare new 4 in.2.2.0.1 "echo new >>$T_DIR/of_two"
    told "it is started by the new driver" new "CALLBACK 4 SUCCESS DONE:0$"
    kill -CONT "$worker"
    unset "D_IN[old]"
    wait "${D_PID[old]}"
    t_equal "and not by the old one, too" new "$(cat "$T_DIR/of_two")"
    t_check "what is said never to have started is not started afterwards" test ! -e "$T_DIR/killed"
    finalize new 3
}

# The claim names a process that is not the wrapper any more.
em_is_not_fooled() {
    local boot pid=$BASHPID start
    boot=$(cat /proc/sys/kernel/random/boot_id)
    start=$(awk '{print $22}' /proc/$pid/stat)
    fake_claim() {
        job "$1" "exit 0"
        mkdir "$T_DIR/$1/claim.tok.$1"
        echo "$2" >"$T_DIR/$1/claim.tok.$1/pid"
        submit em "$3" "$1"
        say em "RECOVER 1$3 - $T_DIR/$1.rsl"
    }
    fake_claim reused "$pid $((start - 1)) $boot" 301
    told "a process with another start time is not the job" em "RECOVER 1301 FAILURE lost:site "
    told "and the job is not started again" em "SUBMIT 301 FAILURE lost:site "
    fake_claim rebooted "$pid $start 00000000-0000-4000-8000-000000000000" 302
    told "a process of another boot is not the job" em "RECOVER 1302 FAILURE lost:site "
    fake_claim garbage "rm -rf /" 303
    told "a claim that names no process is looked at again, and lost" em "RECOVER 1303 FAILURE lost:site "
    kill -0 $pid || t_not_ok "the innocent process lives"
}

em_starts_once() {
    local i
    # shellcheck disable=SC2016
    job once 'echo start >>../once.log' 'sleep 0.5' 'exit 4'
    em em4
    em em5
    for i in 1 2 3; do
        submit em4 $i once
        submit em5 $i once
    done
    for i in 1 2 3; do
        told "submit $i of one token succeeds in the first driver" em4 "SUBMIT $i SUCCESS"
        told "submit $i of one token succeeds in the second driver" em5 "SUBMIT $i SUCCESS"
        told "the end is told to the first driver" em4 "CALLBACK $i SUCCESS DONE$"
        told "the end is told to the second driver" em5 "CALLBACK $i SUCCESS DONE$"
    done
    t_equal "six submits of one token start its payload once" 1 "$(wc -l <"$T_DIR/once.log")"
    t_equal "and its status is the one that ran" 4 "$(value once EXIT_CODE)"
    finalize em4 3
    finalize em5 3
}

# What takes its time is begun here, and awaited at the end.
em_cancel_begin() {
    job stubborn 'trap "" TERM; echo here >ready; while :; do sleep 1; done'
    submit em 401 stubborn
    is_ready stubborn
    say em "CANCEL 401 - -"
    told "CANCEL is taken" em "CANCEL 401 SUCCESS -$"
    # A wrapper that hangs, with a VM: everything is killed and the domain swept.
    mkdir "$T_DIR/libexec"
    cp "$LIBEXEC/gw_em_fork" "$T_DIR/libexec"
    # shellcheck disable=SC2016
    printf '%s\n' '#!/bin/sh' 'echo "$@" >>swept' >"$T_DIR/libexec/gwvm"
    chmod +x "$T_DIR/libexec/gwvm"
    em em6 "$T_DIR/libexec/gw_em_fork"
    job hung 'echo here >ready; exec sleep 300'
    echo >"$T_DIR/hung/vm.conf"
    submit em6 1 hung
    is_ready hung
    kill -STOP "$(cut -d' ' -f1 "$T_DIR/hung/claim.tok.hung/pid")"
    say em6 "CANCEL 1 - -"
}

em_cancel_end() {
    told "a payload that ignores TERM comes to its end" em "CALLBACK 401 SUCCESS DONE$" 20
    t_equal "it is cancelled" "failed cancelled" "$(value stubborn STATE) $(value stubborn REASON)"
    t_check "nothing of it is left" t_within 2 is_alone stubborn
    told "a wrapper that hangs is killed after twenty seconds" em6 "CALLBACK 1 FAILURE lost:site " 30
    t_check "nothing of its job is left" is_alone hung
    t_equal "its VM is swept" "sweep --token tok.hung" "$(cat "$T_DIR/hung/swept")"
    finalize em6 3
}

em_kills_orphans() {
    # shellcheck disable=SC2016
    job orphan 'setsid sleep 300 & env -i sleep 300 & echo here >ready; wait'
    submit em 501 orphan
    is_ready orphan
    kill -KILL "$(cut -d' ' -f1 "$T_DIR/orphan/claim.tok.orphan/pid")"
    told "a job whose wrapper was killed is lost" em "CALLBACK 501 FAILURE lost:site "
    t_check "its payload is killed, in whatever session" is_alone orphan
}

em_serves_many() {
    local i
    for i in $(seq 200); do job "many$i" "exit 0"; done
    for i in $(seq 200); do submit em "6$i" "many$i"; done
    for i in $(seq 200); do
        hear em "CALLBACK 6$i SUCCESS DONE$" 60 || t_not_ok "job $i of 200 ends" "$D_LINE"
    done
    t_equal "two hundred jobs at once all end well" 200 "$(cat "$T_DIR"/many*/status | grep -cx EXIT_CODE=0)"
}

# As GridWay's daemon speaks: nothing offered, handles that come again, no token, exit codes in DONE.
em_under_gridway() {
    driver old "$LIBEXEC/gw_em_fork"
    say old "INIT 200 - - "
    told "GridWay's INIT is answered in its words" old "INIT - SUCCESS -$"
    description plain "$T_DIR" /bin/sh '("A" "b c")' '(arguments="-c" "echo ""$A"" >plain; exit 6")'
    submit old 17 plain
    told "a plain job is submitted" old "SUBMIT 17 SUCCESS fork:"
    told "its exit code is told" old "CALLBACK 17 SUCCESS DONE:6$"
    t_equal "its environment is set" "b c" "$(cat "$T_DIR/plain")"
    description plain2 "$T_DIR" /bin/sh '("A" "b")' '(arguments="-c" "sleep 300 & echo >ready; wait")'
    submit old 17 plain2
    hear old "SUBMIT 17 SUCCESS"
    local contact=${D_LINE##* }
    t_within 20 test -e "$T_DIR/ready"
    kill9 old
    driver old "$LIBEXEC/gw_em_fork"
    say old "INIT 200 - -" "RECOVER 17 $contact -" "CANCEL 17 - -"
    told "a job is recovered by its contact alone" old "RECOVER 17 SUCCESS ACTIVE$"
    told "it is cancelled with all it started" old "CALLBACK 17 SUCCESS DONE$"
    say old "SUBMIT 18 local /nonexistent"
    told "failures have plain texts" old "SUBMIT 18 FAILURE opening "
    finalize old 3
}

# ---- transfer

tm() {
    driver "$1" "$LIBEXEC/gw_tm_local"
    say "$1" "INIT 500 gw1:pct,handles,blame,stat,atomic,tail,small - - -"
    hear "$1" "INIT - - SUCCESS - gw1:"
}

tm_copies() {
    local url=file://$T_DIR
    say tm "START 1 - - - -" "MKDIR 1 - - $url/site/.gw_1 -"
    told "START is answered" tm "START 1 - SUCCESS"
    told "a directory is made with its parents" tm "MKDIR 1 - SUCCESS"
    t_equal "a job directory is the account's alone" 700 "$(stat -c %a "$T_DIR/site/.gw_1")"
    echo "content" >"$T_DIR/a b"
    say tm "CP 1 0 X $url/a%20b $url/site/.gw_1/d/a%2520b"
    told "a file is copied, its parents made" tm "CP 1 0 SUCCESS"
    t_equal "the copy is executable, its name taken literally" "content 755" "$(cat "$T_DIR/site/.gw_1/d/a%20b") $(stat -c %a "$T_DIR/site/.gw_1/d/a%20b")"
    say tm "STAT 1 3 - $url/a%20b -" "EXISTS 1 - - $url/none -" "EXISTS 1 - - $url/a%20b -"
    told "STAT gives size and time" tm "STAT 1 3 SUCCESS 8 $(stat -c %Y "$T_DIR/a b")$"
    told "EXISTS of what is not there fails" tm "EXISTS 1 - FAILURE no-input:job "
    told "EXISTS of what is there succeeds" tm "EXISTS 1 - SUCCESS"
    say tm "CP 1 1 - $url/none $url/x" "CP 1 2 - $url/site/.gw_1/none $url/x" "CP 1 3 - gsiftp://h/x $url/x" \
        "CP 1 4 - file://elsewhere/x $url/x" "CP 1 5 - $url/../x $url/x" "CP 1 6 - $url/site $url/x" "CP 1 7 - $url/a%20b /x" \
        "CP 1 8 - $url/a%20b $url/site"
    told "a missing input is the job's fault" tm "CP 1 1 FAILURE no-input:job "
    told "a missing output is the job's fault" tm "CP 1 2 FAILURE no-output:job "
    told "another scheme is refused" tm "CP 1 3 FAILURE bad-url:job "
    told "another machine is refused" tm "CP 1 4 FAILURE bad-url:job "
    told "dots are refused" tm "CP 1 5 FAILURE bad-url:job "
    told "a directory is no input" tm "CP 1 6 FAILURE no-input:job "
    told "a path is no URL" tm "CP 1 7 FAILURE bad-url:job "
    told "a directory is not overwritten" tm "CP 1 8 FAILURE refused:job "
    truncate -s 100M "$T_DIR/sparse"
    printf x | dd of="$T_DIR/sparse" bs=1 seek=50M conv=notrunc status=none
    say tm "CP 1 9 - $url/sparse $url/sparse.copy"
    told "a sparse file is copied" tm "CP 1 9 SUCCESS"
    t_check "with the same bytes" cmp "$T_DIR/sparse" "$T_DIR/sparse.copy"
    t_check "its holes stay holes" test "$(stat -c %b "$T_DIR/sparse.copy")" -le 64
    say tm "END 1 - - - -"
    told "END is answered" tm "END 1 - SUCCESS"
    t_equal "no temporary is left" "" "$(find "$T_DIR" -name '.gw_part_*')"
}

tm_takes_small_files() {
    local url=file://$T_DIR
    say tm "START 8 - - - -" "PUT 8 0 - $url/site/.gw_8/job.env export%20A='b%2525'%0A" \
        "PUT 8 1 X $url/site/.gw_8/run %23!/bin/sh%0A"
    told "a file comes in its request" tm "PUT 8 0 SUCCESS"
    told "also one that is a program" tm "PUT 8 1 SUCCESS"
    t_equal "its directory is made, the account's alone" 700 "$(stat -c %a "$T_DIR/site/.gw_8")"
    t_equal "its content is what was encoded" "600 export A='b%25'" "$(stat -c %a "$T_DIR/site/.gw_8/job.env") $(cat "$T_DIR/site/.gw_8/job.env")"
    t_equal "the program can be run" "700" "$(stat -c %a "$T_DIR/site/.gw_8/run")"
    mkdir "$T_DIR/site/.gw_8/dir"
    ln -s "$T_DIR/a b" "$T_DIR/site/.gw_8/link"
    : >"$T_DIR/site/.gw_8/empty"
    head -c 16384 /dev/zero | tr '\0' x >"$T_DIR/site/.gw_8/full"
    head -c 16385 /dev/zero | tr '\0' x >"$T_DIR/site/.gw_8/larger"
    printf 'a\0b' >"$T_DIR/site/.gw_8/nul"
    say tm "GET 8 4 - $url/site/.gw_8/job.env -" "GET 8 5 - $url/site/.gw_8/none -" "GET 8 6 - $url/site/.gw_8/dir -" \
        "GET 8 7 - $url/site/.gw_8/link -" "GET 8 8 - $url/site/.gw_8/larger -" "GET 8 9 - $url/site/.gw_8/nul -" \
        "GET 8 10 - $url/site/.gw_8/empty -" "GET 8 11 - $url/site/.gw_8/full -" "PUT 8 12 - $url/site/.gw_8/link stolen" \
        "PUT 8 13 - $url/site/.gw_8/dir x"
    told "a file comes in its answer" tm "GET 8 4 SUCCESS export%20A='b%2525'%0A$"
    told "one that is not there is missing" tm "GET 8 5 FAILURE no-output:job "
    told "a directory is none" tm "GET 8 6 FAILURE no-output:job "
    told "a symbolic link is refused" tm "GET 8 7 FAILURE no-output:job .*symbolic link"
    told "what is not small is refused" tm "GET 8 8 FAILURE refused:job "
    told "and what is not text" tm "GET 8 9 FAILURE refused:job "
    told "an empty one is -" tm "GET 8 10 SUCCESS -$"
    told "one as large as may be comes whole" tm "GET 8 11 SUCCESS x{16384}$"
    told "nothing is put through a symbolic link" tm "PUT 8 12 FAILURE "
    told "a directory is not overwritten" tm "PUT 8 13 FAILURE "
    t_equal "what it leads to is as it was" content "$(cat "$T_DIR/a b")"
    say tm "END 8 - - - -"
    hear tm "END 8 - SUCCESS"
}

# A payload that was told which files are fetched.
tm_is_not_led_astray() {
    local url=file://$T_DIR
    mkdir -p "$T_DIR/site/.gw_2" "$T_DIR/secret"
    echo secret >"$T_DIR/secret/file"
    ln -s "$T_DIR/secret/file" "$T_DIR/site/.gw_2/out"
    ln -s "$T_DIR/secret" "$T_DIR/site/.gw_2/dir"
    mkfifo "$T_DIR/site/.gw_2/fifo"
    say tm "CP 2 1 - $url/site/.gw_2/out $url/stolen" "CP 2 2 - $url/site/.gw_2/dir/file $url/stolen" \
        "CP 2 3 - $url/site/.gw_2/fifo $url/stolen" "CP 2 4 - $url/sparse $url/site/.gw_2/dir/new" \
        "TAIL 2 5 0 $url/site/.gw_2/out $T_DIR/stolen"
    told "an output that is a symbolic link is refused" tm "CP 2 1 FAILURE no-output:job .*symbolic link"
    told "one behind a symbolic link is refused" tm "CP 2 2 FAILURE no-output:job .*symbolic link"
    told "a FIFO is refused and not waited for" tm "CP 2 3 FAILURE no-output:job "
    told "nothing is written through a symbolic link" tm "CP 2 4 FAILURE refused:job "
    told "nothing is tailed through a symbolic link" tm "TAIL 2 5 FAILURE no-output:job "
    t_check "nothing was stolen" test ! -e "$T_DIR/stolen" -a ! -e "$T_DIR/secret/new"
    ln -s "$T_DIR/a b" "$T_DIR/input"
    touch "$T_DIR/real"
    ln -s "$T_DIR/real" "$T_DIR/output"
    ln -s "$T_DIR/unreal" "$T_DIR/dangling"
    say tm "CP 2 6 - $url/input $url/copied" "CP 2 7 - $url/a%20b $url/output" "CP 2 8 - $url/a%20b file:///dev/null" \
        "CP 2 9 - $url/a%20b $url/dangling"
    told "the user's own symbolic link is followed" tm "CP 2 6 SUCCESS"
    told "a destination that is one is written through" tm "CP 2 7 SUCCESS"
    t_equal "it stays a link" "content $T_DIR/real" "$(cat "$T_DIR/real") $(readlink "$T_DIR/output")"
    told "a device is not replaced by a file" tm "CP 2 8 FAILURE refused:job "
    told "a link to nothing is refused" tm "CP 2 9 FAILURE refused:job "
    t_check "and stays a device" test -c /dev/null
    mkdir -p "$T_DIR/site/.gw_cache/sha256-1"
    echo image >"$T_DIR/site/.gw_cache/sha256-1/image"
    ln -s sha256-1 "$T_DIR/site/.gw_cache/u-1"
    ln -s "$T_DIR/secret" "$T_DIR/site/.gw_cache/u-2"
    say tm "EXISTS 2 - - $url/site/.gw_cache/u-1/image -"
    told "a link between entries of the cache is followed" tm "EXISTS 2 - SUCCESS"
    say tm "EXISTS 2 - - $url/site/.gw_cache/u-2/file -"
    told "one that leads out of the cache is not" tm "EXISTS 2 - FAILURE "
    (cd "$T_DIR/site/.gw_2" && mkdir -p "$(printf 'd/%.0s' $(seq 1800))")
    chmod 0 "$T_DIR/site/.gw_2/d"
    say tm "RMDIR 2 - - $url/site/.gw_2 -"
    told "a tree of any depth is removed" tm "RMDIR 2 - SUCCESS"
    t_check "and what its links led to is left" test ! -e "$T_DIR/site/.gw_2" -a -e "$T_DIR/secret/file"
    say tm "RMDIR 2 - - $url/site/.gw_2 -" "RMDIR 2 - - $url/none/none -"
    told "removing what is absent succeeds" tm "RMDIR 2 - SUCCESS"
    told "also without its parent" tm "RMDIR 2 - SUCCESS"
}

tm_cancels() {
    local url=file://$T_DIR begin
    dd if=/dev/zero of="$T_DIR/big" bs=1M count=1024 status=none
    mkdir "$T_DIR/to"
    say tm "START 3 - - - -" "CP 3 0 - $url/big $url/to/big"
    t_within 20 sh -c "ls -A '$T_DIR/to' | grep -q gw_part"
    begin=$SECONDS
    say tm "END 3 - - - -"
    told "a copy that END cancels fails" tm "CP 3 0 FAILURE internal:us cancelled"
    told "END is answered after it" tm "END 3 - SUCCESS"
    t_check "that takes no time" test $((SECONDS - begin)) -le 3
    t_equal "nothing of it is left" "" "$(ls -A "$T_DIR/to")"
    tm tm2
    say tm2 "CP 4 0 - $url/big $url/to/big"
    t_within 20 sh -c "ls -A '$T_DIR/to' | grep -q gw_part"
    kill9 tm2
    t_check "a killed copy leaves a temporary alone" sh -c "ls -A '$T_DIR/to' | grep -qx '.gw_part_.*'"
    say tm "CP 4 0 - $url/a%20b $url/to/big"
    told "the next copy to that name succeeds" tm "CP 4 0 SUCCESS"
    t_equal "and leaves no temporary" "big" "$(ls -A "$T_DIR/to")"
    driver tm3 bash -c "ulimit -f 1024; exec '$LIBEXEC/gw_tm_local'"
    say tm3 "INIT 500 gw1:pct,blame - - -" "CP 5 0 - $url/big $url/to/big2"
    told "no space is told as such" tm3 "CP 5 0 FAILURE no-space:site "
    t_equal "nothing half is left" "big" "$(ls -A "$T_DIR/to")"
    rm "$T_DIR/big"
    finalize tm3 5
}

tm_tails() {
    local url=file://$T_DIR log=$T_DIR/site/.gw_3/stdout.execution
    mkdir -p "${log%/*}"
    say tm "TAIL 5 0 0 $url/site/.gw_3/stdout.execution $T_DIR/piece"
    say tm "EXISTS 5 - - $url/site/.gw_3 -"
    hear tm "EXISTS 5"
    printf hello >"$log"
    told "a tail of a file that is not there yet gets what comes" tm "TAIL 5 0 SUCCESS 5$"
    t_equal "its bytes are in the local file" hello "$(cat "$T_DIR/piece")"
    say tm "TAIL 5 1 5 $url/site/.gw_3/stdout.execution $T_DIR/piece" "EXISTS 5 - - $url/site/.gw_3 -"
    hear tm "EXISTS 5"
    printf ' world' >>"$log"
    told "a tail of a growing file gets what was added" tm "TAIL 5 1 SUCCESS 11$"
    t_equal "and only that" " world" "$(cat "$T_DIR/piece")"
    head -c 3000000 /dev/zero >"$log"
    say tm "TAIL 5 2 0 $url/site/.gw_3/stdout.execution $T_DIR/piece"
    told "at most 1 MiB comes at once" tm "TAIL 5 2 SUCCESS 1048576$"
    say tm "TAIL 5 3 3000000 $url/site/.gw_3/stdout.execution $T_DIR/piece" "EXISTS 5 - - $url/site/.gw_3 -"
    hear tm "EXISTS 5"
    say tm "END 5 - - - -"
    told "END ends a tail, with the offset it had" tm "TAIL 5 3 SUCCESS 3000000$"
    say tm "TAIL 6 4 3000000 $url/site/.gw_3/stdout.execution $T_DIR/piece"
    told "a tail that gets nothing is answered after ten seconds" tm "TAIL 6 4 SUCCESS 3000000$" 15
}

tm_ends() {
    say tm "FINALIZE - - - - -"
    told "FINALIZE is answered" tm "FINALIZE - - SUCCESS -$"
    gone tm
    t_equal "and the driver exits with 0" 0 $?
    driver old "$LIBEXEC/gw_tm_local"
    say old "INIT 200 - - - - " "CP 17 0 - file://$T_DIR/none file://$T_DIR/x " "STAT 17 1 - file://$T_DIR -" "$(printf '%070000d' 0)" \
        "rubbish" "START 17 - - - - "
    told "GridWay's INIT is answered in its words" old "INIT - - SUCCESS -$"
    told "failures have plain texts" old "CP 17 0 FAILURE /"
    told "a line too long and rubbish are dropped" old "START 17 - SUCCESS"
    t_check "what was not agreed on is not answered" test -z "$(grep -o STAT <<<"${D_SEEN[*]-}")"
    local in=${D_IN[old]}
    exec {in}>&-
    t_check "a driver ends when its stdin does" t_within 5 sh -c "! kill -0 ${D_PID[old]}"
}

# ---- information

im_reports() {
    mkdir "$T_DIR/im"
    printf '# hosts\nh1 h1.attr\nbad/name x\nh2\th2.attr\n' >"$T_DIR/im/list"
    printf 'ARCH="x86_64" CPU_MHZ=2000\n# a comment\nQUEUE_NAME[0]="q 1"\n' >"$T_DIR/im/h1.attr"
    printf 'A=1\nB="x\n' >"$T_DIR/im/h2.attr"
    driver im "$LIBEXEC/gw_im_static" -l "$T_DIR/im/list" --self "me:4:file://$T_DIR/not/yet"
    say im "INIT - gw1:pct -" "DISCOVER - - -" "MONITOR 0 me -" "MONITOR 1 h1 -" "MONITOR 2 h2 -" "MONITOR 3 h3 -"
    told "INIT takes up percent-encoding" im "INIT - SUCCESS gw1:pct$"
    told "DISCOVER names the hosts of list and command line" im "DISCOVER - SUCCESS me h1 h2$"
    told "this machine reports itself" im "MONITOR 0 SUCCESS HOSTNAME=\"me\" ARCH=\"$(uname -m)\" .*SIZE_MEM_MB=[1-9].*FREE_DISK_MB=[1-9].*QUEUE_NODECOUNT\[0\]=4 .*STAGE_URL=\"file://$T_DIR/not/yet\""
    told "a listed host's attributes are its file's" im 'MONITOR 1 SUCCESS ARCH="x86_64" CPU_MHZ=2000 QUEUE_NAME\[0\]="q 1"$'
    told "a mistake is told with file and line" im "MONITOR 2 FAILURE $T_DIR/im/h2.attr:2: "
    told "an unknown host fails" im "MONITOR 3 FAILURE "
    t_match "a mistake in the list is logged with file and line" "$T_DIR/im/list:3: " "$(cat "$T_DIR/im.log")"
    printf 'C=3\n' >"$T_DIR/im/h2.attr"
    told "a file that was mended is told of itself" im "MONITOR 2 SUCCESS C=3$"
    printf 'ARCH="arm64"\n' >"$T_DIR/im/new" && mv "$T_DIR/im/new" "$T_DIR/im/h1.attr"
    told "a file that was replaced too, with what is gone cleared" im 'MONITOR 1 SUCCESS ARCH="arm64" CPU_MHZ= QUEUE_NAME\[0\]=$'
    printf 'h1 h1.attr\nh4 h1.attr\n' >"$T_DIR/im/list"
    told "a list that was changed is told of itself" im "DISCOVER - SUCCESS me h1 h4$"
    finalize im 3
}

# The daemon with these lines of configuration more.
daemon() {
    GWD_DIR=$T_DIR/gwd
    mkdir -p "$GWD_DIR"
    printf '%s\n' "STATE_DIR = \"$GWD_DIR\"" "SOCKET = \"$GWD_DIR/gwd.sock\"" "TM_MAD = local:gw_tm_local:" \
        "EM_MAD = fork:gw_em_fork::rsl" "$@" >"$GWD_DIR/gwd.conf"
    gwd_start
}

has_hosts() {
    [ "$(gwhost -n | wc -l)" = "$1" ]
}

im_reports_many() {
    mkdir "$T_DIR/listed"
    echo 'ARCH="x86_64" LRMS_NAME="fork"' >"$T_DIR/listed/attr"
    printf 'host-%05d.grid.example.org attr\n' {1..10000} >"$T_DIR/listed/list"
    t_check "a daemon with a list of 10,000 hosts becomes ready" \
        daemon "IM_MAD = static:gw_im_static:-l $T_DIR/listed/list:local:fork" || return
    t_check "all of 10,000 hosts, whose names take several lines, are known" t_within 30 has_hosts 10000
    gwd_stop
    t_check "a daemon whose list cannot be read becomes ready" \
        daemon "IM_MAD = static:gw_im_static:-l $T_DIR/listed/none:local:fork" || return
    t_check "a DISCOVER that failed is the driver's reason" \
        t_within 10 bash -c "gwhost --drivers | grep -q '^im  *static  *up .*it cannot tell its hosts: opening $T_DIR/listed/none'"
    t_match "and stands in the log" "im driver static: it cannot tell its hosts: opening $T_DIR/listed/none" "$(cat "$GWD_DIR.log")"
    echo "one attr" >"$T_DIR/listed/none"
    t_check "it is over with the next that succeeds" \
        t_within 10 bash -c "gwhost --drivers | grep '^im  *static  *up ' | grep -qv 'cannot tell'"
    gwd_stop
}

em em
tm tm
em_cancel_begin
em_ends
em_refuses
em_recovers
em_is_not_fooled
em_starts_once
em_bare
em_bare_of_two_daemons
em_kills_orphans
em_under_gridway
im_reports
im_reports_many
tm_copies
tm_takes_small_files
tm_is_not_led_astray
tm_tails
em_cancel_end
em_serves_many
tm_cancels
tm_ends
finalize em 3
t_done
