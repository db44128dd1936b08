#!/bin/bash
# The transfer driver for GridFTP and https alone, as the daemon speaks with it, with real servers: copies in all
# directions, what a failed, cancelled or broken one leaves, hostile trees and names, credentials apart.
# limit: 240
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/grid_lib.sh"
cd "$T_DIR" || exit 1
grid_up
A=gsiftp://site-a.grid.test/~
B=gsiftp://site-b.grid.test/~
HERE=file://$T_DIR
SEEN=()

# start: a driver, with INIT done.
start() {
    rm -f in out
    mkfifo in out
    "$T_GRID" exec client "$BUILD/libexec/gw_tm_gass" <in >out 2>>driver.log &
    DRIVER=$!
    exec {IN}>in {OUT}<out
    SEEN=()
    say "INIT 500 gw1:pct,handles,blame,stat,atomic,tail,progress,credential - - -"
    hear "INIT - - SUCCESS - gw1:"
}

finish() {
    say "FINALIZE - - - - -"
    hear "FINALIZE" || t_not_ok "the driver answers FINALIZE" "$LINE"
    exec {IN}>&- {OUT}<&-
    wait $DRIVER
}

# at SITE COMMAND ...: as the account there; $HOME is its home.
at() {
    local site=$1
    shift
    grid exec "griduser@$site" sh -c "cd; $*"
}

# same FILE SITE NAME: the site's file has the same bytes.
same() {
    [ "$(cksum <"$1")" = "$(at "$2" cksum "<$3")" ]
}

# parts [SITE ...]: temporaries that are there.
parts() {
    local s
    for s in site-a site-b; do at $s 'find . -name ".gw_part_*"'; done
    find . -path ./grid -prune -o -name '.gw_part_*' -print
}

# moving: a good part of a copy has arrived.
moving() {
    t_within 20 has_moved || t_not_ok "a copy gets going" "$(parts)"
}

has_moved() {
    {
        for s in site-a site-b; do at $s 'find . -name ".gw_part_*" -size +20M'; done
        find . -path ./grid -prune -o -name '.gw_part_*' -size +20M -print
    } | grep -q .
}

# connections SITE: how many control connections its server has taken so far.
connections() {
    grid exec "$1" grep -c 'New connection from' /var/log/globus/gridftp.log
}

copies() {
    echo content >small
    : >empty
    say "START 1 - - - -" "MKDIR 1 - - $A/.gw_1/a/b -"
    told "START is answered" "START 1 - SUCCESS"
    told "a directory is made with its parents" "MKDIR 1 - SUCCESS"
    t_equal "a job directory is the account's alone" 700 "$(at site-a stat -c %a .gw_1)"
    say "MKDIR 1 - - $A/.gw_1/a -" "CP 1 0 X $HERE/small $A/.gw_1/a/b/run" "CP 1 1 - $HERE/empty $A/.gw_1/new/d/empty"
    told "a directory that exists is success" "MKDIR 1 - SUCCESS"
    told "a file goes to the site" "CP 1 0 SUCCESS"
    told "its missing parents are made" "CP 1 1 SUCCESS"
    t_equal "X makes it executable" "755 content" "$(at site-a 'stat -c %a .gw_1/a/b/run; cat .gw_1/a/b/run' | tr '\n' ' ' | sed 's/ $//')"
    t_equal "an empty file is a file" 0 "$(at site-a stat -c %s .gw_1/new/d/empty)"
    say "CP 1 2 - $A/.gw_1/a/b/run $HERE/back/run" "CP 1 3 - $A/.gw_1/a/b/run $B/third/run" "CP 1 4 - $A/.gw_1/a/b/run $A/.gw_1/twin" \
        "STAT 1 5 - $A/.gw_1/a/b/run -" "EXISTS 1 - - $A/.gw_1/a/b/run -" "CP 1 6 - $HERE/small $HERE/back/local"
    told "a file comes from the site, its parents made" "CP 1 2 SUCCESS"
    t_equal "with its bytes and mode" "content 755" "$(cat back/run) $(stat -c %a back/run)"
    told "a file goes from site to site, its parents made" "CP 1 3 SUCCESS"
    t_equal "with its bytes" content "$(at site-b cat third/run)"
    told "and within a site" "CP 1 4 SUCCESS"
    told "STAT gives size and time" "STAT 1 5 SUCCESS 8 $(at site-a stat -c %Y .gw_1/a/b/run)$"
    told "EXISTS of what is there succeeds" "EXISTS 1 - SUCCESS"
    told "local files are served as well" "CP 1 6 SUCCESS"
    say "EXISTS 1 - - $A/none -"
    told "EXISTS of what is not there fails" "EXISTS 1 - FAILURE no-input:job "
}

fails() {
    say "CP 1 1 - $A/none $HERE/x" "CP 1 2 - $A/.gw_1/none $HERE/x" "CP 1 3 - $A/.gw_1 $HERE/x" "CP 1 4 - $A/../x $HERE/x" \
        "CP 1 5 - $A/x%0d%0aDELE%20.gw_1/twin $HERE/x" "CP 1 6 - $HERE/small gsiftp://site-a.grid.test/etc/x" \
        "CP 1 7 - $A/none $B/deep/er/x" "CP 1 8 - $HERE/small $A/.gw_1/a" "CP 1 9 - $A/.gw_1/twin gsiftp://site-b.grid.test/etc/x"
    told "a missing input is the job's fault" "CP 1 1 FAILURE no-input:job "
    told "a missing output is the job's fault" "CP 1 2 FAILURE no-output:job "
    told "a directory is no file" "CP 1 3 FAILURE no-output:job "
    told "dots are refused" "CP 1 4 FAILURE bad-url:job "
    told "a line's end in a name is refused" "CP 1 5 FAILURE bad-url:job "
    t_check "and ran no command" at site-a test -e .gw_1/twin
    told "what the account may not write is told" "CP 1 6 FAILURE not-allowed:site "
    told "between sites a missing source is the source's failure" "CP 1 7 FAILURE no-input:job "
    told "a directory is not replaced by a file" "CP 1 8 FAILURE refused:job "
    told "between sites the destination's failure is told as such" "CP 1 9 FAILURE not-allowed:job .*site-b"
    t_equal "no failed copy leaves a temporary" "" "$(parts)"
    local name
    for name in 'a b' 'per%20cent' 'q"uo' "ap'o" 'ümläut' ' lead' 'trail ' 'semi;col=on' '*[x]' 'back\slash' '#?&'; do
        local pct
        pct=$(printf %s "$name" | od -An -v -tx1 | tr -d '\n' | sed 's/ /%/g')
        say "CP 1 20 - $HERE/small $A/.gw_1/names/$pct" && hear "CP 1 20" && [[ $LINE = *SUCCESS* ]] || t_not_ok "a file may be called $name" "$LINE"
        say "CP 1 21 - $A/.gw_1/names/$pct $HERE/names/$pct" && hear "CP 1 21" && [[ $LINE = *SUCCESS* ]] || t_not_ok "one called $name comes back" "$LINE"
    done
    t_equal "names are taken literally, at both ends" "11 11 $(find names -type f -printf '%f\n' | sort | cksum)" \
        "$(at site-a 'ls .gw_1/names | wc -l') $(find names -type f | wc -l) $(at site-a "find .gw_1/names -type f -printf '%f\n'" | sort | cksum)"
}

# What a payload leaves to lead the one astray who removes it.
removes() {
    at site-a 'mkdir outside && echo keep >outside/f && mkdir -p .gw_2/sub .gw_2/closed && cd .gw_2 && ln -s ../outside out && ln -s nowhere dangling &&
        ln -s loop loop && ln -s ../../outside/f sub/l && mkfifo fifo && : >"$(printf "new\nline")" && : >" lead" && : >closed/f && chmod 0 closed &&
        i=0 && while [ $i -lt 60 ]; do mkdir d && cd d; i=$((i + 1)); done'
    say "RMDIR 1 - - $A/.gw_2 -"
    told "a tree is removed with links, pipes, odd names, closed and deep directories" "RMDIR 1 - SUCCESS"
    t_equal "nothing of it is left, and what its links led to is" "keep" "$(at site-a 'ls -d .gw_2 2>/dev/null; cat outside/f')"
    at site-a 'ln -s outside .gw_l && ln -s nowhere .gw_d'
    say "RMDIR 1 - - $A/.gw_l -" "RMDIR 1 - - $A/.gw_d -" "RMDIR 1 - - $A/none/none -"
    told "a link is removed as such" "RMDIR 1 - SUCCESS"
    told "one that leads nowhere too" "RMDIR 1 - SUCCESS"
    told "removing what is absent succeeds" "RMDIR 1 - SUCCESS"
    t_equal "the links are gone, what they led to is not" "keep" "$(at site-a 'ls -d .gw_l .gw_d 2>/dev/null; cat outside/f')"
    at site-a 'mkdir -p .gw_3 && ln -s /etc/passwd .gw_3/out'
    say "CP 1 1 - $A/.gw_3/out $HERE/stolen" "TAIL 1 2 0 $A/.gw_3/out $T_DIR/stolen"
    told "an output that is a link is refused" "CP 1 1 FAILURE no-output:job .*symbolic link"
    told "nothing is tailed through a link" "TAIL 1 2 FAILURE no-output:job .*symbolic link"
    t_check "nothing was stolen" test ! -e stolen
}

tails() {
    at site-a 'mkdir .gw_4'
    say "TAIL 1 1 0 $A/.gw_4/stdout.execution $T_DIR/piece" "TAIL 1 2 0 $A/.gw_5/stdout.execution $T_DIR/piece2"
    told "a tail where the directory is missing fails" "TAIL 1 2 FAILURE no-output:job "
    at site-a 'printf hello >.gw_4/stdout.execution'
    told "a tail of a file that is not there yet gets what comes" "TAIL 1 1 SUCCESS 5$"
    t_equal "its bytes are in the local file" hello "$(cat piece)"
    at site-a 'printf " world" >>.gw_4/stdout.execution'
    say "TAIL 1 3 5 $A/.gw_4/stdout.execution $T_DIR/piece"
    told "a tail of a growing file gets what was added" "TAIL 1 3 SUCCESS 11$"
    t_equal "and only that" " world" "$(cat piece)"
    at site-a 'head -c 3000000 /dev/zero >.gw_4/big'
    say "TAIL 1 4 0 $A/.gw_4/big $T_DIR/piece"
    told "at most 1 MiB comes at once" "TAIL 1 4 SUCCESS 1048576$"
    say "START 5 - - - -" "TAIL 5 5 3000000 $A/.gw_4/big $T_DIR/piece" "STAT 5 6 - $A/.gw_4/big -"
    hear "STAT 5 6"
    say "END 5 - - - -"
    told "END ends a tail, with the offset it had" "TAIL 5 5 SUCCESS 3000000$"
    told "and is answered after it" "END 5 - SUCCESS"
}

reuses_connections() {
    local before i
    mkdir many
    for i in $(seq 100); do echo "$i" >"many/$i"; done
    before=$(connections site-a)
    for i in $(seq 100); do say "CP 1 $i - $HERE/many/$i $A/many/$i"; done
    for i in $(seq 100); do hear "CP 1 $i SUCCESS" || t_not_ok "copy $i of 100 succeeds" "$LINE"; done
    t_check "a hundred files take few connections" test $(($(connections site-a) - before)) -le 20
    before=$(connections site-a)
    for i in $(seq 100); do say "CP 1 $i - $A/many/$i $HERE/many/back.$i"; done
    for i in $(seq 100); do hear "CP 1 $i SUCCESS" || t_not_ok "copy $i of 100 comes back" "$LINE"; done
    t_check "and back none but those" test $(($(connections site-a) - before)) -le 6
    t_equal "all with their bytes" 100 "$(for i in $(seq 100); do cmp "many/$i" "many/back.$i" && echo same; done | grep -c same)"
}

# Killed in the middle of 200 MB, in each direction.
resumes() {
    local way
    head -c 200000000 /dev/urandom >big
    grid link rate site-a 400
    broken() { # SENTENCE FROM TO SITE
        say "CP 1 50 - $2 $3"
        moving
        grid kill gridftp "$4"
        grid start gridftp "$4"
        told "$1: a copy whose server is killed goes on" "CP 1 50 SUCCESS" 60
    }
    broken "to a site" "$HERE/big" "$A/big" site-a
    t_check "to a site: with the same bytes" same big site-a big
    told "progress is told meanwhile" "PROGRESS 1 50 SUCCESS [1-9][0-9]* 200000000$" 1
    broken "from a site" "$A/big" "$HERE/big.back" site-a
    t_check "from a site: with the same bytes" cmp big big.back
    for way in site-a site-b; do
        broken "between sites, $way" "$A/big" "$B/big.$way" "$way"
        t_check "between sites, $way: with the same bytes" same big site-b "big.$way"
    done
    t_check "copies went on where they were" grep -q "goes on at byte [1-9]" driver.log
    t_equal "no temporary is left" "" "$(parts)"
    SEEN=()
}

cancels() {
    local way
    for way in "$HERE/big $A/c" "$A/big $HERE/c" "$A/big $B/c"; do
        say "START 6 - - - -" "CP 6 0 - $way"
        moving
        SECONDS=0
        say "END 6 - - - -"
        told "${way% *}: a copy that END cancels fails" "CP 6 0 FAILURE internal:us cancelled"
        told "${way% *}: END is answered after it" "END 6 - SUCCESS"
        t_check "${way% *}: soon" test $SECONDS -le 5
        SEEN=()
    done
    t_equal "cancelled copies leave nothing" "" "$(
        parts
        ls c 2>/dev/null
        at site-a 'ls c 2>/dev/null'
        at site-b 'ls c 2>/dev/null'
    )"
    for way in 1 2 3 4 5 6 7 8; do say "CP 1 $way - $HERE/big $A/busy$way"; done
    moving
    say "CP 1 70 - $HERE/small $A/quick" "STAT 1 71 - $A/outside/f -"
    told "a small file does not wait for eight large ones" "CP 1 70 SUCCESS" 10
    told "nor does STAT" "STAT 1 71 SUCCESS" 10
    grid link cut site-a
    SECONDS=0
    say "END 1 - - - -"
    told "END is answered though the link is cut" "END 1 - SUCCESS" 40
    t_check "within bounds" test $SECONDS -le 25
    grid link restore site-a
    grid link rate site-a off
    SEEN=()
    at site-a 'rm -f busy* .gw_part_*'
}

lacks_space() {
    grid disk fill site-b
    say "CP 1 1 - $HERE/big $B/full" "CP 1 2 - $A/big $B/full2"
    told "a full disk is told as such" "CP 1 1 FAILURE no-space:site " 60
    told "between sites as well" "CP 1 2 FAILURE no-space:site " 60
    t_equal "nothing half is left" "" "$(at site-b 'ls full full2 2>/dev/null'; parts)"
    grid disk free site-b
}

credentials() {
    grid proxy --user usera "$T_DIR/proxy.a"
    grid proxy --user nobody "$T_DIR/proxy.nobody"
    grid proxy --expired "$T_DIR/proxy.old"
    say "CREDENTIAL 21 - - $T_DIR/proxy.a -" "START 21 - - - -" "CP 21 0 - $HERE/small $A/whose" "START 22 - - - -" "CP 22 0 - $HERE/small $A/whose"
    told "a copy with another credential succeeds" "CP 21 0 SUCCESS"
    told "beside one with the driver's own" "CP 22 0 SUCCESS"
    t_equal "each is another account's" "griduser griduser2" "$(grid exec site-a sh -c 'stat -c %U /home/griduser/whose /home/griduser2/whose' | tr '\n' ' ' | sed 's/ $//')"
    say "CREDENTIAL 23 - - $T_DIR/proxy.nobody -" "CP 23 0 - $HERE/small $A/x" \
        "CREDENTIAL 24 - - $T_DIR/proxy.old -" "CP 24 0 - $HERE/small $A/x" "CP 24 1 - $HERE/small $HERE/local" \
        "CREDENTIAL 25 - - $T_DIR/proxy.none -" "CP 25 0 - $HERE/small $A/x"
    told "an identity that the site does not know is told" "CP 23 0 FAILURE not-authorized:site .*Nobody"
    told "an expired credential is told" "CP 24 0 FAILURE credential:job .*expired"
    told "files of this machine need none" "CP 24 1 SUCCESS"
    told "a missing one is told" "CP 25 0 FAILURE credential:job .*does not exist"
    grid proxy "$T_DIR/proxy.old"
    say "CREDENTIAL 24 - - $T_DIR/proxy.old -" "CP 24 2 - $HERE/small $A/x"
    told "a renewed one is used" "CP 24 2 SUCCESS"
    grid hostcert wrong site-b
    say "CP 24 3 - $HERE/small $B/x"
    told "a server of another name is not trusted" "CP 24 3 FAILURE untrusted:site "
    grid hostcert right site-b
}

# A GASS server, which is the user's own, and an ordinary web server of a host.
https() {
    local gass server
    "$T_GRID" exec client globus-gass-server -r -w >gass.url 2>/dev/null &
    server=$!
    T_PIDS+=("$server")
    t_within 10 test -s gass.url
    gass=$(cat gass.url)
    say "CP 30 1 - $gass$T_DIR/small $HERE/web/a" "CP 30 2 - $gass$T_DIR/big $A/web/b" "CP 30 3 - $HERE/small $gass$T_DIR/web.c" \
        "CP 30 4 - $A/outside/f $gass$T_DIR/web.d" "CP 30 5 - $gass$T_DIR/none $HERE/x"
    told "a file comes from a GASS server" "CP 30 1 SUCCESS"
    t_equal "with its bytes" content "$(cat web/a)"
    told "a large one goes to a site" "CP 30 2 SUCCESS" 60
    t_check "with its bytes" same big site-a web/b
    told "a file goes to a GASS server" "CP 30 3 SUCCESS"
    told "from a site, too" "CP 30 4 SUCCESS"
    t_equal "with their bytes" "content keep" "$(cat web.c web.d | tr '\n' ' ' | sed 's/ $//')"
    told "a missing file is the job's fault" "CP 30 5 FAILURE no-input:job "
    kill -KILL $server # TERM it ignores
    wait $server 2>/dev/null
    # Its head, and one before it that only says "go on", come in one piece.
    printf 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nafter' >answer
    "$T_GRID" exec client openssl s_server -quiet -naccept 1 -accept 4567 -cert "$X509_USER_PROXY" -key "$X509_USER_PROXY" \
        -cert_chain "$X509_USER_PROXY" <answer >/dev/null 2>&1 &
    server=$!
    T_PIDS+=("$server")
    t_within 10 "$T_GRID" exec client sh -c 'ss -Hltn "sport = :4567" | grep -q .'
    say "CP 30 6 - ${gass%:*}:4567/x $HERE/web/after"
    told "heads that say \"go on\" are passed over" "CP 30 6 SUCCESS"
    t_equal "without the bytes behind them" after "$(cat web/after)"
    t_equal "no temporary is left" "" "$(parts)"
}

# file_server SITE PORT: openssl's, with the host's certificate and the files below its /tmp/web, each a whole answer. It
# asks for a certificate, and its log has a line with "depth=0" when it is shown one.
file_server() {
    grid exec "$1" sh -c "mkdir -p /tmp/web && cd /tmp/web && exec openssl s_server -HTTP -accept $2 -verify 5 \
        -cert /etc/grid-security/hostcert.pem -key /etc/grid-security/hostkey.pem" </dev/null >/dev/null 2>"server.$1" &
    T_PIDS+=($!)
    t_within 10 grid exec "$1" sh -c "ss -Hltn 'sport = :$2' | grep -q ."
}

shown() { # SITE
    grep -c 'depth=0' "server.$1"
}

# A web server that leads on to another: the user named the first one only.
led_on() {
    local once
    file_server site-a 4568
    file_server site-b 4568
    grid exec site-a sh -c 'printf "HTTP/1.1 302 Found\r\nLocation: https://site-b.grid.test:4568/file\r\nContent-Length: 0\r\n\r\n" >/tmp/web/away'
    grid exec site-b sh -c 'cd /tmp/web && printf "HTTP/1.1 302 Found\r\nLocation: /file\r\nContent-Length: 0\r\n\r\n" >here &&
        printf "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nthere" >file'
    say "CP 31 1 - https://site-a.grid.test:4568/away $HERE/web/away"
    told "a server may lead to another" "CP 31 1 SUCCESS"
    t_equal "with the bytes of that" there "$(cat web/away)"
    t_equal "where another server led, nobody is shown a credential" 0 "$(shown site-b)"
    t_check "the one that the user named is" test "$(shown site-a)" -gt 0
    say "CP 31 2 - https://site-b.grid.test:4568/file $HERE/web/file"
    told "what is named itself is fetched" "CP 31 2 SUCCESS"
    once=$(shown site-b)
    t_check "with a credential" test "$once" -gt 0
    say "CP 31 3 - https://site-b.grid.test:4568/here $HERE/web/here"
    told "a server may lead to a file of its own" "CP 31 3 SUCCESS"
    t_equal "and is shown it again" $((3 * once)) "$(shown site-b)"
}

start
copies
fails
removes
tails
reuses_connections
resumes
cancels
lacks_space
credentials
https
led_on
finish
t_equal "the driver exits with 0" 0 $?
t_done
