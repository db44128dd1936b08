#!/bin/bash
# gw_im_glue against a real slapd with the GLUE schemas: both trees, changes that it tells of itself, servers that are
# down, come back, are slow, lie or send rubbish.
. "$(dirname "$0")/lib.sh"

IM=$BUILD/libexec/gw_im_glue
# Ten ports in a row that nobody listens on, below those that the kernel gives out.
PORT=$((10000 + RANDOM % 22000))
while ss -Hltn "sport >= :$PORT and sport <= :$((PORT + 9))" | grep -q .; do PORT=$((10000 + RANDOM % 22000)); done
IM_PID=
TREES=$T_ROOT/tests/grid
declare -A LDAP_PID

for file in /usr/sbin/slapd /usr/bin/ldapmodify /etc/ldap/schema/Glue-CE.schema /etc/ldap/schema/GLUE20.schema /etc/bdii/BDII.schema "$IM"; do
    [ -e "$file" ] && continue
    t_skip "gw_im_glue reads what sites publish" "$file is not there; make deps"
    t_done
done

# ---- servers, by number: ldap_make makes a database, ldap_start starts its slapd

url() {
    echo "ldap://127.0.0.1:$((PORT + $1))"
}

ldap_conf() {
    local schema base
    for schema in ldap/schema/{core,cosine,nis} bdii/BDII ldap/schema/Glue-{CORE,MDS,CE,CESEBind,SE} ldap/schema/GLUE20; do
        echo "include /etc/$schema.schema"
    done
    printf 'modulepath /usr/lib/ldap\nmoduleload back_mdb\nloglevel 0\nsizelimit %s\n' "${LDAP_SIZELIMIT-unlimited}"
    for base in grid glue; do
        printf 'database mdb\nsuffix "o=%s"\nrootdn "cn=root,o=%s"\nrootpw secret\ndirectory %s/%s\nmaxsize 67108864\ndbnosync\n' \
            $base $base "$1" $base
    done
}

tree() {
    sed "s/@HOST@/$2/g; s/@NAME@/${2%%.*}/g; s/@ARCH@/x86_64/g" "$TREES/glue$1.ldif"
    echo
}

# ldap_make NUMBER GLUE HOST ...: a server whose tree of GLUE 1 or 2 has these hosts.
ldap_make() {
    local dir=$T_DIR/ldap$1 glue=$2 base=grid host
    shift 2
    [ "$glue" = 1 ] || base=glue
    mkdir -p "$dir"/{grid,glue}
    ldap_conf "$dir" >"$dir/conf"
    # The two entries above all hosts are there once.
    for host; do tree "$glue" "$host"; done | awk -v RS= -v ORS='\n\n' '!seen[$2]++' >"$dir/ldif"
    slapadd -q -f "$dir/conf" -b "o=$base" -l "$dir/ldif"
}

ldap_start() {
    slapd -f "$T_DIR/ldap$1/conf" -h "$(url "$1")" -d 0 >>"$T_DIR/slapd.log" 2>&1 &
    LDAP_PID[$1]=$!
    T_PIDS+=("${LDAP_PID[$1]}")
    t_within 20 ldapsearch -x -LLL -H "$(url "$1")" -s base -b '' 1.1
}

ldap_stop() {
    kill -KILL "${LDAP_PID[$1]}"
    wait "${LDAP_PID[$1]}" 2>/dev/null
}

# ldap_change NUMBER [OPTION ...]: LDIF with changes is stdin.
ldap_change() {
    local n=$1
    shift
    ldapmodify -x -H "$(url "$n")" -D cn=root,o=grid -w secret "$@" >>"$T_DIR/ldapmodify.log" 2>&1 ||
        t_not_ok "the tree of server $n is changed" "$(tail -n 5 "$T_DIR/ldapmodify.log")"
}

ce() {
    echo "dn: GlueCEUniqueID=$1:2119/jobmanager-fork-default,mds-vo-name=resource,o=grid"
}

# set_ce NUMBER HOST ATTRIBUTE VALUE
set_ce() {
    printf '%s\nchangetype: modify\nreplace: %s\n%s: %s\n' "$(ce "$2")" "$3" "$3" "$4" | ldap_change "$1"
}

# ---- the driver

# im_start OFFER ARGUMENT ...
im_start() {
    local offer=$1
    shift
    rm -f "$T_DIR/im.in" "$T_DIR/im.out"
    mkfifo "$T_DIR/im.in" "$T_DIR/im.out" || exit 1
    "$IM" "$@" <"$T_DIR/im.in" >"$T_DIR/im.out" 2>>"$T_DIR/im.log" &
    IM_PID=$!
    exec {IM_IN}>"$T_DIR/im.in" {IM_OUT}<"$T_DIR/im.out"
    say "INIT 0 $offer -"
    hear "INIT - SUCCESS"
}

im_stop() {
    say "FINALIZE - - -"
    hear "FINALIZE - SUCCESS" || t_not_ok "the driver answers FINALIZE" "$LINE"
    exec {IM_IN}>&- {IM_OUT}<&-
    wait $IM_PID || t_not_ok "the driver ends well" "$?"
}

say() {
    printf '%s\n' "$@" >&"$IM_IN"
}

# hear ERE [SECONDS]: read on until a line matches; leaves it in LINE.
hear() {
    local end=$((SECONDS + ${2:-20})) heard=
    while [ $SECONDS -lt $end ] && IFS= read -r -t $((end - SECONDS)) LINE <&"$IM_OUT"; do
        [[ $LINE =~ ^$1 ]] && return 0
        heard+="$LINE"$'\n'
    done
    LINE="(no line matches $1) $heard"
    return 1
}

told() {
    if hear "$2" "${3-}"; then t_ok "$1"; else t_not_ok "$1" "$LINE" "$(tail -n 5 "$T_DIR/im.log")"; fi
}

has() {
    if [[ " $LINE " == *" $2 "* ]]; then t_ok "$1"; else t_not_ok "$1" "not there: $2" "$LINE"; fi
}

OURS=gw1:pct,blame
ONE=one.example.org
ALL='*.example.org' # the servers' names say nothing: they are addresses
BOTH=('LRMS_NAME="jobmanager-fork"' 'QUEUE_NAME[0]="default"' 'QUEUE_NODECOUNT[0]=20' 'VM_HYPERVISOR="qemu"'
    'QUEUE_ACCESS[0]=",VO:test,"' 'ARCH="x86_64"' 'QUEUE_MAXTIME[0]=1440' 'QUEUE_STATUS[0]="enabled"' 'SIZE_MEM_MB=4096')

reads() {
    local fact
    im_start $OURS -s "$(url 1)" -a "$ALL" -s "$(url 2)" -a "$ALL" -i 1 -t 5
    say "DISCOVER - - -" "MONITOR 1 $ONE -"
    told "a GLUE 1.3 tree is read" "MONITOR 1 SUCCESS"
    for fact in "${BOTH[@]}" "SE_HOSTNAME=\"$ONE\""; do has "from GLUE 1.3: $fact" "$fact"; done
    im_stop
    im_start $OURS -s "$(url 2)" -a "$ALL" -i 1 -t 5
    say "DISCOVER - - -" "MONITOR 2 two.example.org -"
    told "hosts of a GLUE 2 tree are discovered" "DISCOVER - SUCCESS two\.example\.org$"
    told "a GLUE 2 tree is read" "MONITOR 2 SUCCESS"
    for fact in "${BOTH[@]}" SIZE_DISK_MB=3072; do has "from GLUE 2: $fact" "$fact"; done
    im_stop
}

changes() {
    im_start $OURS -s "$(url 1)" -a "$ALL" -s "$(url 2)" -a "$ALL" -i 1 -t 5
    say "DISCOVER - - -" "MONITOR 1 $ONE -"
    hear "MONITOR 1 SUCCESS"
    set_ce 1 $ONE GlueCEStateFreeJobSlots 7
    told "a change is told unasked" "MONITOR 1 SUCCESS .*QUEUE_FREENODECOUNT\[0\]=7( |$)"
    tree 1 new.example.org | awk -v RS= -v ORS='\n\n' '/^dn: Glue/' | ldap_change 1 -a
    told "a new host is told unasked" "DISCOVER - SUCCESS .*new\.example\.org"
    say "MONITOR 3 new.example.org -"
    hear "MONITOR 3 SUCCESS"
    printf '%s\nchangetype: delete\n' "$(ce new.example.org)" | ldap_change 1
    told "a host that is no longer published is told to be away" \
        "MONITOR 3 FAILURE unreachable:site $(url 1) no longer publishes it"
    printf '%s\nchangetype: modify\ndelete: GlueCEPolicyPriority\n' "$(ce $ONE)" | ldap_change 1
    told "an attribute that went is cleared" "MONITOR 1 SUCCESS .*QUEUE_PRIORITY\[0\]=( |$)"
    im_stop
}

down_and_up() {
    im_start $OURS -s "$(url 1)" -a "$ALL" -s "$(url 2)" -a "$ALL" -i 1 -t 5
    say "MONITOR 1 $ONE -"
    hear "MONITOR 1 SUCCESS" && ldap_stop 1
    told "hosts of a server that died are told to be away, with its URL and why" \
        "MONITOR 1 FAILURE unreachable:site $(url 1): Can't contact LDAP server"
    say "MONITOR 2 two.example.org -"
    told "those of another are not" "MONITOR 2 SUCCESS"
    ldap_start 1
    told "they come back with it" "MONITOR 1 SUCCESS .*LRMS_NAME="
    im_stop
    im_start $OURS -s "$(url 9)" -a "$ALL" -i 1 -t 5
    say "DISCOVER - - -" "MONITOR 5 $ONE -"
    told "without any server DISCOVER fails with a reason" "DISCOVER - FAILURE unreachable:site $(url 9): "
    told "and MONITOR too" "MONITOR 5 FAILURE unreachable:site "
    im_stop
}

# rubbish NUMBER HOW: a server that accepts and then sends bytes, or nothing.
rubbish() {
    perl -MIO::Socket::INET -e '
        my ($port, $how) = @ARGV;
        my $l = IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => $port, Listen => 5, ReuseAddr => 1) or die;
        my @kept;
        $SIG{PIPE} = "IGNORE";
        while (my $c = $l->accept) {
            push @kept, $c;
            $c->autoflush(1);
            print $c "HTTP/1.0 400 what\r\n\r\n" x 100 if $how eq "chatty";
            print $c "\x30" if $how eq "stuck";
            # A message that says it has 2 GB.
            print $c "\x30\x84\x7f\xff\xff\xff\x02\x01\x01" . "\x64" x 100000 if $how eq "huge";
        }' "$((PORT + $1))" "$2" &
    T_PIDS+=($!)
    t_within 10 bash -c "exec 3<>/dev/tcp/127.0.0.1/$((PORT + $1))"
}

is_nobody_asking() {
    [ -z "$("$T_ROOT/tools/processes-of" "$1")" ]
}

bad_servers() {
    local n=3 how
    for how in silent chatty stuck huge; do
        rubbish $n $how
        im_start $OURS -s "$(url $n)" -a "$ALL" -s "$(url 1)" -a "$ALL" -i 1 -t 2
        say "DISCOVER - - -" "MONITOR 1 $ONE -" "MONITOR 8 gone.example.org -"
        told "beside a server that is $how another goes on" "MONITOR 1 SUCCESS .*LRMS_NAME="
        told "a host of none is refused after the server that is $how had its time" \
            "MONITOR 8 FAILURE unreachable:site gone.example.org " 8
        im_stop
        im_start $OURS -s "$(url $n)" -a "$ALL" -i 1 -t 2
        say "DISCOVER - - -"
        told "a server that is $how fails within its time, by name" "DISCOVER - FAILURE unreachable:site $(url $n): " 8
        im_stop
        n=$((n + 1))
    done
    t_check "no search is left behind" t_within 5 is_nobody_asking "$(url 3)"
}

hostile_entries() {
    local long
    long=$(head -c 5000 /dev/zero | tr '\0' x)
    ldap_change 1 <<X
dn: GlueSubClusterUniqueID=$ONE,GlueClusterUniqueID=$ONE,mds-vo-name=resource,o=grid
changetype: modify
replace: GlueHostProcessorModel
GlueHostProcessorModel: a"b c
-
replace: GlueHostOperatingSystemName
GlueHostOperatingSystemName: $long
-
add: GlueHostApplicationSoftwareRunTimeEnvironment
GlueHostApplicationSoftwareRunTimeEnvironment: STAGE_URL=file:///etc
GlueHostApplicationSoftwareRunTimeEnvironment: GWVM=/bin/sh -c evil

$(ce three.example.org)
changetype: modify
replace: GlueCEInfoHostName
GlueCEInfoHostName: three.example.org/x y
X
    im_start $OURS -s "$(url 1)" -a "$ALL" -i 1 -t 5
    say "DISCOVER - - -" "MONITOR 1 $ONE -"
    told "a host without a good name is not one" "DISCOVER - SUCCESS one\.example\.org$"
    told "the others stay" "MONITOR 1 SUCCESS"
    has "a quote in a text becomes a blank" 'CPU_MODEL="a b c"'
    t_equal "a value that is too long, a local STAGE_URL and a command are left out" "" \
        "$(grep -oE 'OS_NAME=|STAGE_URL=|GWVM=' <<<"$LINE")"
    im_stop
    set_ce 1 three.example.org GlueCEInfoHostName three.example.org
}

# A server that publishes the host of another, with a place of its own for that host's files.
strangers() {
    local sub="dn: GlueSubClusterUniqueID=$ONE,GlueClusterUniqueID=$ONE,mds-vo-name=resource,o=grid"
    ldap_make 7 1 $ONE own.example.net && ldap_start 7
    printf '%s\nchangetype: modify\nadd: %s\n%s: STAGE_URL=gsiftp://own.example.net/x\n' "$sub" \
        GlueHostApplicationSoftwareRunTimeEnvironment{,} | ldap_change 7
    im_start $OURS -s "$(url 7)" -a '*.example.net' -s "$(url 1)" -a "$ALL" -i 1 -t 5
    say "DISCOVER - - -"
    told "what a server says of another's host is told as a mistake, with the option that would allow it" \
        "DISCOVER - FAILURE [^ ]* $(url 7) publishes 1 host, $ONE for one, outside of \"\*\.example\.net\"; -a PATTERN "
    t_check "and stands in the log" grep -q "WARN im_glue: $(url 7) publishes 1 host, $ONE for one, outside of" "$T_DIR/im.log"
    say "MONITOR 2 own.example.net -" "MONITOR 1 $ONE -"
    told "it speaks of its own" "MONITOR 2 SUCCESS"
    told "the other server is heard, although it is the second" "MONITOR 1 SUCCESS"
    t_equal "and no file goes elsewhere" "SE_HOSTNAME=\"$ONE\"" "$(grep -oE '(STAGE_URL|SE_HOSTNAME)=[^ ]*' <<<"$LINE")"
    ldap_stop 1
    told "its hosts fail with it" "MONITOR 1 FAILURE unreachable:site $(url 1): "
    hear "MONITOR 1 SUCCESS" 4 # several searches
    say "MONITOR 1 $ONE -"
    told "and nobody takes them over" "MONITOR 1 FAILURE unreachable:site $(url 1): " 3
    ldap_start 1
    told "they come back with it alone" "MONITOR 1 SUCCESS .*SE_HOSTNAME=\"$ONE\""
    set_ce 7 own.example.net GlueCEInfoDefaultSE $ONE
    told "a host whose files would go to another domain is told to be away, and why" \
        "MONITOR 2 FAILURE bad-sample:site $(url 7) publishes SE_HOSTNAME=$ONE of it, outside of \"\*\.example\.net\"; -a PATTERN "
    im_stop
    im_start $OURS -s "$(url 7)" -a '*.example.net' -a $ONE -i 1 -t 5
    say "DISCOVER - - -" "MONITOR 1 $ONE -" "MONITOR 2 own.example.net -"
    told "what is allowed by name is taken" "MONITOR 2 SUCCESS .*SE_HOSTNAME=\"$ONE\""
    im_stop
    im_start $OURS -s "$(url 1)" -i 1 -t 5
    say "DISCOVER - - -"
    told "a server of which nothing is said speaks for its own domain alone" \
        "DISCOVER - FAILURE [^ ]* $(url 1) publishes 2 hosts, .* outside of \"127\.0\.0\.1\"; "
    im_stop
}

filters() {
    im_start $OURS -s "$(url 1)" -a "$ALL" -f 'th*' -i 1 -t 5
    say "DISCOVER - - -"
    told "-f takes a pattern of names" "DISCOVER - SUCCESS three\.example\.org$"
    im_stop
    im_start $OURS "-s 127.0.0.1 -a $ALL -p $((PORT + 1)) -b o=grid -q (GlueCEAccessControlBaseRule=VO\\:test)(GlueCEInfoHostName=one*) -t 5"
    say "DISCOVER - - -"
    told "-q takes GridWay's filters, and all arguments may be one word" "DISCOVER - SUCCESS one\.example\.org$"
    im_stop
    im_start $OURS -s "$(url 2)" -a "$ALL" -q '(GLUE2ComputingShareMappingQueue=nosuch)' -t 5
    say "DISCOVER - - -"
    told "a host without a queue that is wanted is not reported" "DISCOVER - SUCCESS *$"
    im_stop
    im_start $OURS -s "$(url 1)/o=nowhere" -a "$ALL" -t 5
    say "DISCOVER - - -"
    told "a base that is not there is named" "DISCOVER - FAILURE unreachable:site .*o=nowhere"
    im_stop
    im_start $OURS -s "$(url 1)" -a "$ALL" -f '(GlueCEInfoHostName=one*)(x)' -t 5
    say "DISCOVER - - -"
    told "a filter that LDAP does not take is named" "DISCOVER - FAILURE unreachable:site .*Bad search filter"
    im_stop
}

lists() {
    printf '# sites\n127.0.0.1:%s  *\nfile:///etc\n' $((PORT + 1)) >"$T_DIR/list"
    im_start $OURS -l "$T_DIR/list" -i 1 -t 5
    say "DISCOVER - - -"
    told "-l takes a list of servers" "DISCOVER - SUCCESS .*one\.example\.org"
    t_check "a mistake in it is named by line" grep -q "list:3: \"file:///etc\" is not of the form" "$T_DIR/im.log"
    say "MONITOR 1 $ONE -"
    hear "MONITOR 1 SUCCESS"
    echo "$(url 2) $ALL" >"$T_DIR/list"
    told "a server that is taken out takes its hosts with it" "MONITOR 1 FAILURE unreachable:site"
    told "one that is put in brings its own" "DISCOVER - SUCCESS two\.example\.org"
    im_stop
}

gridway() {
    im_start - -s "$(url 1)" -a "$ALL" -i 1 -t 5
    say "DISCOVER - - -"
    hear "DISCOVER - SUCCESS"
    say "MONITOR 1 $ONE -"
    told "GridWay's daemon is answered" "MONITOR 1 SUCCESS HOSTNAME=\"one\.example\.org\" LRMS_NAME="
    set_ce 1 $ONE GlueCEStateFreeJobSlots 3
    hear "MONITOR 1 SUCCESS" 3
    t_equal "and told nothing unasked" "(no line" "${LINE:0:8}"
    say "MONITOR 1 $ONE -"
    told "but answered from the last search" "MONITOR 1 SUCCESS .*QUEUE_FREENODECOUNT\[0\]=3"
    im_stop
}

size_limit() {
    LDAP_SIZELIMIT=2 ldap_make 8 1 $ONE three.example.org && ldap_start 8
    im_start $OURS -s "$(url 8)" -a "$ALL" -t 5
    say "DISCOVER - - -"
    told "a server that sends a part only is a failure that says so" "DISCOVER - FAILURE .*a part only"
    im_stop
}

if ! { ldap_make 1 1 $ONE three.example.org && ldap_make 2 2 two.example.org && ldap_start 1 && ldap_start 2; } >>"$T_DIR/slapd.log" 2>&1; then
    t_not_ok "slapd serves the trees" "$(tail -n 5 "$T_DIR/slapd.log")"
    t_done
fi
reads
changes
down_and_up
bad_servers
hostile_entries
strangers
filters
lists
size_limit
gridway
t_done
