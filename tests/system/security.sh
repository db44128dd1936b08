#!/bin/bash
# Attacks, each of which docs/security.md names: by a payload on what fetches its files, by names and values on what quotes
# them, by another account on what is written. Those that need root, to be two accounts, are skipped without.
# limit: 240
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/driver_lib.sh"

NOBODY=65534
cd "$T_DIR" || exit 1
mkdir home secret && cd home || exit 1
echo "the secret" >../secret/file
chmod 600 ../secret/file

is_intact() {
    [ "$(cat "$T_DIR/secret/file")" = "the secret" ] && [ "$(ls "$T_DIR/secret")" = file ]
}

# payload NAME LINE ...: a program for a job.
payload() {
    local name=$1
    shift
    printf '%s\n' '#!/bin/sh' "$@" >"./$name"
    chmod +x -- "$name"
}

# The site's job directories that are left.
leftovers() {
    find "$GWD_DIR/site" -maxdepth 1 -name '.gw_*.*' ! -name '.gw_lease*' ! -name '.gw_epoch_*'
}

# attack NAME SENTENCE LINE ...: a job whose payload does this in its job directory, to its output files `result` and
# `dir/result`: it ends, nothing of the secret comes home, the secret stays, and nothing stays at the site.
attack() {
    local name=$1 sentence=$2
    shift 2
    payload "$name" "secret='$T_DIR/secret'" ": >'$PWD/$name.ran'" "$@"
    cat >"$name.jt" <<T
EXECUTABLE = $name
OUTPUT_FILES = result $name.result, dir/result $name.dir
STDOUT_FILE = $name.stdout
STDERR_FILE = $name.stderr
NUMBER_OF_RETRIES = 0
RESCHEDULE_ON_FAILURE = no
T
    timeout 60 gwsubmit --wait -t "$name.jt" >"$name.log" 2>&1
    if [ $? -eq 124 ]; then
        t_not_ok "$sentence" "the job did not end" "$(cat "$name.log")" "$(gwps -f)"
    elif [ ! -e "$name.ran" ]; then
        t_not_ok "$sentence" "the job did not run" "$(cat "$name.log")"
    elif grep -qs "the secret" "$name".*; then
        t_not_ok "$sentence" "the secret came home: $(grep -ls "the secret" "$name".*)"
    elif ! is_intact; then
        t_not_ok "$sentence" "the secret is no more as it was" "$(ls -lR "$T_DIR/secret")"
    elif ! t_within 20 test -z "$(leftovers)"; then
        t_not_ok "$sentence" "there is left: $(leftovers)"
    else
        t_ok "$sentence"
    fi
}

outputs() {
    attack link "an output that is a symbolic link is not followed" \
        'mkdir dir; ln -s "$secret/file" result; ln -s "$secret/file" dir/result'
    attack dirlink "a directory of outputs that is a symbolic link is not followed" 'ln -s "$secret" dir; ln -s dir/file result'
    attack pipe "outputs that are a pipe and a socket keep nobody waiting" \
        'mkdir dir; mkfifo result; python3 -c "import socket; socket.socket(socket.AF_UNIX).bind(\"dir/result\")" || mkfifo dir/result'
    attack directory "an output that is a directory is refused" 'mkdir -p result/x dir/result'
    attack device "an output that is a device is refused" 'mkdir dir; mknod result c 1 5; mknod dir/result c 1 5 || mkfifo result dir/result'
    attack streams "streams that have become links and pipes are not followed" \
        'rm -f stdout.execution stderr.execution; ln -s "$secret/file" stdout.execution; mkfifo stderr.execution'
    attack moved "a job directory that has become a symbolic link is not followed, nor what it leads to removed" \
        "here=\$PWD; mv \"\$here\" '$PWD/moved'; ln -s \"\$secret\" \"\$here\""
    attack status_link "a status that is a link is replaced and not written through" \
        'ln -s "$secret/file" status; ln -s "$secret/file" .gw_status.tmp'
    attack status_pipe "a pipe in the place of the status keeps nobody waiting" 'mkfifo status .gw_status.tmp'
    attack status_dir "a directory in the place of the status is removed" \
        'mkdir -p status/x .gw_status.tmp/x; ln -s "$secret" status/s; ln -s "$secret" .gw_status.tmp/s'
    attack links "what links in a job directory lead to is not removed with it" \
        'mkdir -p dir/a/b; ln -s "$secret" s; ln -s "$secret" dir/a/s; ln "$secret/file" result; ln -s / root; rm result'
    # shellcheck disable=SC2016
    attack swaps "directories that are swapped with links while files are fetched and removed lead nowhere else" \
        'mkdir dir; echo x >dir/result; echo x >result; ln -s "$secret" s; ln -s "$secret/file" f' \
        'setsid sh -c "n=0; while [ \$n -lt 3000 ] && mv -T --exchange dir s 2>/dev/null || { mv dir d; mv s dir; mv d s; }; do n=\$((n + 1)); [ -e . ] && [ -e \"\$PWD\" ] || break; done" >/dev/null 2>&1 </dev/null &'
    echo true >good && chmod +x good
    t_check "after all these the next job ends well" gwsubmit --wait -- /bin/true
}

# Bytes that mean something to a shell, to a glob, to a parser. A file name has no slash and no control character.
NASTY='$(touch HACKED) `touch HACKED` ; touch HACKED & | < > * ? [a-z] ~ # ! "x" '\''y'\'' \ \\ %41 ${HOME} $HOME = : é'
BYTES=$(for i in $(seq 1 255); do printf "\\$(printf %03o "$i")"; done | LC_ALL=C tr -d '\200-\377' && printf 'é€')

# quoted TEXT: as a value in single quotes of a list; as a word of ARGUMENTS.
quoted() {
    printf "'%s'" "${1//\'/\'\'}"
}

word() {
    printf "'%s'" "${1//\'/\'\\\'\'}"
}

# As a whole value in double quotes.
whole() {
    local text=${1//\\/\\\\}
    printf '"%s"' "${text//\"/\\\"}"
}

# comes_through NAME [LINE ...]: a job with such names and values, with more lines in its template.
comes_through() {
    local name=$1 plain=${NASTY//\$\{HOME\}/}
    shift
    local input="-n $plain" output="--out $plain"
    payload "-run $plain" 'printf "%s\0" "$@" >argv' 'env -0 | grep -z "^NASTY\|^BYTES\|^IFS=" | sort -z >env' 'for f in ./*; do echo "$f"; done >names' \
        'cp "./$3" "./$4"'
    echo content >"$input"
    {
        printf 'EXECUTABLE = %s\n' "$(whole "-run $plain")"
        printf 'INPUT_FILES = %s\n' "$(whole "$(quoted "$input")")"
        printf 'OUTPUT_FILES = %s\n' "$(whole "$(quoted "$output") $(quoted "$name$output"), argv $name.argv, env $name.env, names $name.names")"
        printf 'ARGUMENTS = %s\n' "$(whole "$(word "$NASTY") $(word "$BYTES") $(word "$input") $(word "$output") '' -x --")"
        printf 'ENVIRONMENT = %s\n' "$(whole "NASTY=$(quoted "$plain"), BYTES=$(quoted "$BYTES"), IFS=x")"
        printf 'STDOUT_FILE = %s.stdout\nSTDERR_FILE = %s.stderr\n' "$name" "$name"
        printf '%s\n' "$@"
    } >"$name.jt"
    t_check "$name: a job with names and values of all bytes ends well" gwsubmit --wait -t "$name.jt" || {
        cat "$name.stderr"
        return
    }
    printf '%s\0' "$NASTY" "$BYTES" "$input" "$output" '' -x -- >"$name.expected"
    t_check "$name: every byte of its arguments comes to its payload" cmp "$name.expected" "$name.argv"
    printf '%s\0' "BYTES=$BYTES" "IFS=x" "NASTY=$plain" | grep -z -v '^IFS=' >"$name.expected"
    t_check "$name: every byte of its environment" cmp "$name.expected" <(grep -z -v '^IFS=' "$name.env")
    t_match "$name: its files have their names at the site" '^\./-n \$\(touch HACKED\)' "$(cat "$name.names")"
    t_equal "$name: and come home under theirs" content "$(cat "./$name$output")"
    t_equal "$name: nothing of it was executed" "" "$(find "$T_DIR" -name HACKED)"
}

quoting() {
    local shell
    comes_through program
    for shell in dash bash "busybox sh"; do
        command -v "${shell%% *}" >/dev/null || continue
        # A wrapper of the template's own is the script, under that shell.
        sed "1s|.*|#!$(command -v "${shell%% *}")${shell#"${shell%% *}"}|" "$T_ROOT/wrappers/gw_wrapper.sh" >"wrapper.${shell%% *}"
        comes_through "${shell%% *}" "WRAPPER = wrapper.${shell%% *}"
    done
    payload "a=b" 'echo ran'
    mkdir -p "x=y" && cp "a=b" "x=y/run"
    printf 'EXECUTABLE = a=b\nWRAPPER = wrapper.dash\nSTDOUT_FILE = assigned\n' >assigned.jt
    gwsubmit --wait -t assigned.jt >/dev/null 2>&1
    t_equal "an executable with = in its name is not taken for a variable" ran "$(cat assigned 2>&1)"
    printf 'EXECUTABLE = %s\nWRAPPER = wrapper.dash\nSTDOUT_FILE = assigned2\n' "$PWD/x=y/run" >assigned.jt
    gwsubmit --wait -t assigned.jt >/dev/null 2>&1
    t_equal "nor one with = in its path" ran "$(cat assigned2 2>&1)"
}

refused() { # SENTENCE TEMPLATE-LINE
    local out
    printf 'EXECUTABLE = /bin/true\n%s\n' "$2" >refused.jt
    out=$(gwsubmit --check refused.jt 2>&1)
    if [ $? -eq 65 ]; then t_ok "$1"; else t_not_ok "$1" "$2" "$out"; fi
}

names() {
    local name
    for name in ../x a/../../x /etc/passwd . .. a//b job.ctl job.env .wrapper status claim.x .gw_x .gwvm vm.conf $'a\nb'; do
        refused "no output file is called $(printf %q "$name")" "OUTPUT_FILES = \"'$name' x\""
        refused "no input file is called $(printf %q "$name")" "INPUT_FILES = \"x '$name'\""
    done
    refused "not by way of a variable either" $'ENVIRONMENT = UP=..\nOUTPUT_FILES = "${UP}/x y"'
    refused "nor with a newline in one" $'ENVIRONMENT = "NL=\'a\\nb\'"\nOUTPUT_FILES = "${NL} y"'
}

# Secrets: one in each place where a job keeps some. Patterns are read from a file, or grep would show them itself.
plant() {
    local what
    : >"$T_DIR/canaries"
    for what in environment stdin input; do echo "CANARY-$what-$RANDOM$RANDOM" >>"$T_DIR/canaries"; done
    { read -r ENV_CANARY && read -r STDIN_CANARY && read -r INPUT_CANARY; } <"$T_DIR/canaries"
    openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj "/CN=nobody here" -keyout key.pem -out cert.pem 2>/dev/null &&
        cat cert.pem key.pem >proxy.pem && chmod 600 proxy.pem
    sed -n '4p;9p' key.pem >>"$T_DIR/canaries" # two lines of the key
    echo "$STDIN_CANARY" >secret.stdin
    echo "$INPUT_CANARY" >secret.input
}

# Command lines, which every account can read, of all processes. And of a log every line.
shown() {
    grep -lzaFf "$T_DIR/canaries" /proc/[0-9]*/cmdline 2>/dev/null
    grep -laFf "$T_DIR/canaries" "$GWD_DIR.log" ./*.listing ./*.told 2>/dev/null
}

# Files with a secret, or that could have one, that another account could read. Directories of the site stand for what
# is in them.
readable() {
    find "$GWD_DIR" -perm /077 ! -type l ! -path "$GWD_DIR/site" -print
    find "$GWD_DIR/site" -mindepth 1 -maxdepth 1 -perm /077 ! -type l -print
}

listings() {
    { gwps; gwps -f; gwps --json; gwhistory; gwhost -f; gwuser; gwps "$1"; gwps -f "$1"; gwhistory "$1"; } >"$2.listing" 2>&1
}

secret_job() { # NAME PAYLOAD-LINE: JOB, in the background
    payload "$1" 'cat >/dev/null; : >ready' "$2"
    printf '%s\n' "EXECUTABLE = $1" "ENVIRONMENT = TOKEN=$ENV_CANARY" \
        "STDIN_FILE = secret.stdin" "INPUT_FILES = secret.input" "STDOUT_FILE = $1.stdout" "STDERR_FILE = $1.stderr" \
        "NUMBER_OF_RETRIES = 0" >"$1.jt"
    job_start --credential "$PWD/proxy.pem" -t "$1.jt" 2>>"$1.told"
}

secrets() {
    plant
    secret_job succeeds 'sleep 1'
    t_within 20 sh -c "ls -d '$GWD_DIR'/site/.gw_*/ready" || t_not_ok "the job with secrets runs"
    t_check "this test finds a secret where there is one" grep -rqaFf "$T_DIR/canaries" "$GWD_DIR/site"
    t_equal "no secret is on a command line or in a log while a job runs" "" "$(shown)"
    t_equal "nothing at the site or of the state is for others to read" "" "$(readable)"
    listings "$JOB" running
    job_end
    secret_job fails 'exit 3'
    job_end
    listings "$JOB" failed
    secret_job killed 'sleep 100'
    t_within 20 sh -c "ls -d '$GWD_DIR'/site/.gw_*/ready"
    gwkill "$JOB" >killed.told 2>&1
    job_end
    listings "$JOB" killed
    printf 'EXECUTABLE = no/such\nENVIRONMENT = TOKEN=%s\nINPUT_FILES = secret.input\n' "$ENV_CANARY" >missing.jt
    gwsubmit -t missing.jt --wait >missing.told 2>&1
    t_equal "no secret is in a log, a listing or a message after success, failure and kill" "" "$(shown)"
    t_equal "and still nothing is for others to read" "" "$(readable)"
    t_check "no secret stays at the site" test -z "$(leftovers)"
}

AS_NOBODY="setpriv --reuid=$NOBODY --regid=$NOBODY --clear-groups"

as_nobody() {
    $AS_NOBODY "$@"
}

strangers() {
    local driver file pid sentence="no core and no debugger shows what a driver has in memory"
    if [ "$(id -u)" != 0 ] || ! command -v setpriv >/dev/null; then
        t_skip "another account finds nothing open" "only root can be two accounts"
        return
    fi
    chmod 711 "$T_DIR" && mkdir "$T_DIR/pub" "$T_DIR/tmp" && chmod 755 "$T_DIR/pub" && chmod 1777 "$T_DIR/tmp"
    if ! as_nobody test -x "$T_DIR/pub"; then
        t_skip "another account finds nothing open" "$T_DIR is closed to it"
        return
    fi
    t_check "another account cannot speak with a daemon that is not its own" \
        sh -c "! $AS_NOBODY env GW_SOCKET='$GW_SOCKET' '$BUILD/bin/gwps' 2>/dev/null"
    for file in state.db spool site gwd.sock; do
        [ -e "$GWD_DIR/$file" ] || [ -S "$GWD_DIR/$file" ] || continue
        t_check "another account does not get at $file" sh -c "! $AS_NOBODY ls '$GWD_DIR/$file' 2>/dev/null"
    done
    for driver in gw_tm_local gw_em_fork gw_tm_gass gw_em_gram5; do
        if [ ! -x "$LIBEXEC/$driver" ]; then
            t_skip "$sentence ($driver)" "it is not built here"
            continue
        fi
        cp "$LIBEXEC/$driver" "$T_DIR/pub/" && chmod 755 "$T_DIR/pub/$driver"
        # shellcheck disable=SC2086
        driver "$driver" env HOME="$T_DIR/tmp" $AS_NOBODY "$T_DIR/pub/$driver"
        say "$driver" "INIT 500 gw1:pct -$([[ $driver == gw_em_* ]] || echo " - -")"
        hear "$driver" "INIT " || t_not_ok "$driver answers as another account" "$D_LINE"
        # Of gw_em_fork's two processes the second does the work.
        pid=$(pgrep -P "${D_PID[$driver]}" || echo "${D_PID[$driver]}")
        # The kernel gives what /proc shows of such a process to root.
        t_equal "$sentence ($driver)" "$driver root" "$(cat "/proc/$pid/comm") $(stat -c %U "/proc/$pid/environ")"
        kill9 "$driver"
    done
    planted
}

# Another account has made the directory that somebody gives to --dev, or a configuration in it.
foreign_configuration() {
    local dir=$T_DIR/tmp/grid config=$T_DIR/pub/grid.conf mark=$T_DIR/tmp/mark
    printf '#!/bin/sh\n: >%s\n' "$mark" >"$T_DIR/pub/evil"
    printf '%s\n' "STATE_DIR = \"$T_DIR/own.state\"" "SOCKET = \"$T_DIR/own.sock\"" "IM_MAD = static:$T_DIR/pub/evil::local:fork" \
        "TM_MAD = local:$T_DIR/pub/evil:" "EM_MAD = fork:$T_DIR/pub/evil::rsl" >"$config"
    chmod 755 "$T_DIR/pub/evil" && chmod 644 "$config"
    as_nobody mkdir "$dir" && as_nobody cp "$config" "$dir/gwd.conf"
    timeout 20 gwd --dev "$dir" >own.out 2>&1
    t_equal "a private daemon is not started in another account's directory" "71 0" "$? $(ls "$T_DIR/tmp/mark" 2>/dev/null | wc -l)"
    t_match "and says whose it is" "grid belongs to the account $NOBODY" "$(cat own.out)"
    mkdir "$T_DIR/own" && cp "$config" "$T_DIR/own/gwd.conf" && chown $NOBODY "$T_DIR/own/gwd.conf"
    timeout 20 gwd --dev "$T_DIR/own" >own.out 2>&1
    t_equal "nor with a configuration of another account's" "78 0" "$? $(ls "$T_DIR/tmp/mark" 2>/dev/null | wc -l)"
    chown 0 "$T_DIR/own/gwd.conf" && chmod 664 "$T_DIR/own/gwd.conf"
    timeout 20 gwd -c "$T_DIR/own/gwd.conf" >own.out 2>&1
    t_equal "nor any with one that others can write" "78 0" "$? $(ls "$T_DIR/tmp/mark" 2>/dev/null | wc -l)"
    t_match "and says how it is closed" "chmod go-w" "$(cat own.out)"
    chmod 644 "$T_DIR/own/gwd.conf"
    timeout 2 gwd -c "$T_DIR/own/gwd.conf" >own.out 2>&1
    t_check "this test sees when it is run" test -e "$mark"
}

# The state of another account, in which root backs up, restores and checks.
foreign_state() {
    local dir=$T_DIR/tmp/theirs config=$T_DIR/pub/theirs.conf
    mkdir "$dir"
    sed "s|$GWD_DIR|$dir|" "$GWD_DIR/gwd.conf" >"$config" && chmod 644 "$config"
    upkeep() { timeout 60 gwd -c "$config" "$@" >own.out 2>&1; }
    cp -a "$GWD_DIR"/state.* "$GWD_DIR"/archive.* "$dir/" && chown -R $NOBODY "$dir"
    as_nobody mkdir "$T_DIR/tmp/backups"
    t_check "root backs up another account's state" upkeep --backup "$T_DIR/tmp/backups/a"
    t_check "and puts it back" upkeep --restore "$T_DIR/tmp/backups/a"
    t_check "and looks at it" upkeep --check-state
    t_equal "as that account" "" "$(find "$dir" "$T_DIR/tmp/backups" ! -user $NOBODY)"
    # Root's own state, which that account cannot read.
    rm "$dir"/state.db* && as_nobody ln -s "$GWD_DIR/state.db" "$dir/state.db"
    upkeep --backup "$T_DIR/tmp/backups/b"
    t_match "a link there leads root no further than that account" "^[1-9].* as nobody" "$? $(cat own.out)"
    t_check "nor into a backup" test ! -e "$T_DIR/tmp/backups/b"
    rm "$dir/state.db" && as_nobody mkdir "$dir/in" && mkdir "$dir/in/own" && cp -a "$GWD_DIR"/state.* "$GWD_DIR"/archive.* "$dir/in/own/"
    sed -i "s|$dir|$dir/in/own|" "$config"
    upkeep --check-state
    t_match "nor in a directory that lies in one of that account's" "^[1-9].* as nobody" "$? $(cat own.out)"
}

# What another account can have waiting in /tmp of a worker node.
planted() {
    mkdir "$T_DIR/bin"
    printf '#!/bin/sh\nexit 1\n' >"$T_DIR/bin/globus-url-copy"
    printf '#!/bin/sh\nexit 0\n' >"$T_DIR/bin/sleep"
    chmod +x "$T_DIR"/bin/*
    as_nobody mkdir "$T_DIR/tmp/gw_nsh.1.0" && as_nobody mkfifo "$T_DIR/tmp/gw_nsh.1.0/owner"
    as_nobody ln -s "$T_DIR/secret" "$T_DIR/tmp/gw_nsh.2.0"
    timeout 20 env TMPDIR="$T_DIR/tmp" PATH="$T_DIR/bin:$PATH" sh "$T_ROOT/wrappers/gw_nsh.sh" gsiftp://none/x tok >"$T_DIR/nsh.out" 2>&1
    t_equal "a pipe that another account put into /tmp keeps no job waiting" "1 gw_nsh.1.0 gw_nsh.2.0" "$? $(cd "$T_DIR/tmp" && echo *)"
    t_check "nor is what its link leads to removed" is_intact
}

t_check "a private daemon becomes ready" gwd_start -v || t_done
outputs
names
quoting
secrets
strangers
gwd_stop
if [ -d "$T_DIR/pub" ]; then
    foreign_configuration
    foreign_state
fi
chmod 777 "$GWD_DIR"
t_check "the daemon starts again" gwd_start
t_equal "a state directory that is open to others is closed" 755 "$(stat -c %a "$GWD_DIR")"
gwd_stop
t_done
