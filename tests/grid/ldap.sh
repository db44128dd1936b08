# The information service of a site, as a BDII shows it: slapd on port 2170 with the site's GLUE 1.3 tree below o=grid and
# its GLUE 2 tree below o=glue. Part of tests/grid/grid.
# shellcheck shell=bash disable=SC2154 # here, root, dom, prefix: the grid's

ldap_needed="/usr/sbin/slapd /usr/bin/ldapmodify /etc/ldap/schema/Glue-CE.schema /etc/ldap/schema/GLUE20.schema /etc/bdii/BDII.schema"

ldap_conf() {
    local schema
    for schema in ldap/schema/{core,cosine,nis} bdii/BDII ldap/schema/Glue-{CORE,MDS,CE,CESEBind,SE} ldap/schema/GLUE20; do
        echo "include /etc/$schema.schema"
    done
    cat <<'X'
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile /run/ldap/slapd.pid
argsfile /run/ldap/slapd.args
loglevel 0
sizelimit unlimited
X
    for schema in grid glue; do
        cat <<X
database mdb
suffix "o=$schema"
rootdn "o=$schema"
rootpw secret
directory /run/ldap/$schema
maxsize 67108864
dbnosync
X
    done
}

# ldap_tree glue1|glue2 SITE
ldap_tree() {
    local lrms=''
    ! is_slurm "$2" || lrms='; s/\bfork\b/slurm/; s/\([-_: ]\)default\b/\1normal/g'
    sed "s/@HOST@/$2.$dom/g; s/@NAME@/$2/g; s/@ARCH@/$(uname -m)/g$lrms" "$here/$1.ldif"
}

ldap_start() {
    local dir=$GRID/sites/$1/run/ldap file
    for file in $ldap_needed; do [ -e "$file" ] || die "$file is not there; 'make deps' installs what is missing"; done
    ! site_listens "$1" 2170 || return 0
    rm -rf "$dir"
    mkdir -p "$dir"/{grid,glue}
    ldap_conf >"$dir/conf"
    ldap_tree glue1 "$1" >"$dir/grid.ldif"
    ldap_tree glue2 "$1" >"$dir/glue.ldif"
    for file in grid glue; do
        site_exec "$1" '' slapadd -q -f /run/ldap/conf -b "o=$file" -l "/run/ldap/$file.ldif" \
            2>"$dir/said" || die "$1: slapadd of o=$file failed: $(cat "$dir/said")"
    done
    site_exec "$1" '' setsid slapd -f /run/ldap/conf -h ldap://0.0.0.0:2170 </dev/null >/dev/null 2>&1
    site_await "$1" 2170 "slapd"
}

# Every entry that has the attribute gets the value.
ldap_set() {
    local base dn found=''
    [ $# -eq 3 ] || die "ldap set SITE ATTR VALUE"
    for base in grid glue; do
        while read -r dn; do
            found=yes
            printf '%s\nchangetype: modify\nreplace: %s\n%s: %s\n' "$dn" "$2" "$2" "$3" |
                site_exec "$1" '' ldapmodify -x -H ldap://127.0.0.1:2170 -D "o=$base" -w secret >/dev/null || die "$2 was not set"
        done < <(ldap_search "$1" -b "o=$base" "($2=*)" 1.1 | grep '^dn')
    done
    [ -n "$found" ] || die "$1 has no entry with $2"
}

ldap_search() {
    local s=$1
    shift
    site_exec "$s" '' ldapsearch -x -LLL -o ldif-wrap=no -H ldap://127.0.0.1:2170 "$@"
}

ldap() {
    local what=${1-} s=${2-} base
    need_site "$s"
    shift 2
    case $what in
    start) ldap_start "$s" ;;
    stop) site_exec "$s" '' sh -c 'kill $(cat /run/ldap/slapd.pid)' ;;
    set) ldap_set "$s" "$@" ;;
    dump) for base in grid glue; do ldap_search "$s" -b "o=$base" "$@"; done ;;
    *) die "ldap start|stop|set|dump SITE" ;;
    esac
}
