# Certificates of the test grid: its CA, those of hosts and users, a CA that no site trusts, and proxies. Part of
# tests/grid/grid. Keys take time, so all but proxies are made once, in build/grid-pki, and copied into each grid.
# shellcheck shell=bash disable=SC2154 # here, root, dom, prefix: the grid's

pki_cache=$root/build/grid-pki

# The subjects by name. Which accounts they have is in site.sh: site_mapfile().
pki_subject() {
    case $1 in
    user) echo "/O=GridTest/CN=Grid User" ;;
    user2) echo "/O=GridTest/CN=Grid User Two" ;;
    usera) echo "/O=GridTest/CN=Only Site A" ;;
    nobody) echo "/O=GridTest/CN=Nobody" ;;
    foreign) echo "/O=ForeignTest/CN=Foreign User" ;;
    *) return 1 ;;
    esac
}

# pki_ca NAME ORGANISATION DIR: NAME.pem, NAME.key, and DIR as Globus wants a directory of trusted CAs.
pki_ca() {
    local hash
    openssl req -x509 -newkey rsa:2048 -nodes -sha256 -days 3650 -keyout "$1.key" -out "$1.pem" -subj "/O=$2/CN=$2 CA" \
        -addext basicConstraints=critical,CA:true -addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null || return 1
    hash=$(openssl x509 -in "$1.pem" -noout -hash)
    mkdir -p "$3"
    cp "$1.pem" "$3/$hash.0"
    cat >"$3/$hash.signing_policy" <<X
access_id_CA  X509 '/O=$2/CN=$2 CA'
pos_rights    globus CA:sign
cond_subjects globus '"/O=$2/*"'
X
}

# pki_cert CA NAME SUBJECT [SUBJECT-ALT-NAME]: NAMEcert.pem and NAMEkey.pem, once.
pki_cert() {
    [ ! -e "$2cert.pem" ] || return 0
    openssl req -new -newkey rsa:2048 -nodes -sha256 -keyout "$2key.pem" -subj "$3" -out "$2.csr" 2>/dev/null &&
        {
            echo "basicConstraints=CA:false"
            echo "keyUsage=digitalSignature,keyEncipherment"
            [ -z "${4-}" ] || echo "subjectAltName=$4"
        } >"$2.ext" &&
        openssl x509 -req -in "$2.csr" -CA "$1.pem" -CAkey "$1.key" -set_serial "0x$(openssl rand -hex 8)" -days 3650 \
            -sha256 -extfile "$2.ext" -out "$2.new" 2>/dev/null &&
        chmod 600 "$2key.pem" && rm "$2.csr" "$2.ext" && mv "$2.new" "$2cert.pem"
}

pki_fill_cache() {
    local name ca jobs=()
    [ -e ca.pem ] || { pki_ca foreign-ca ForeignTest foreign-certificates & pki_ca ca GridTest certificates; wait; }
    [ -e ca.pem ] && [ -e foreign-ca.pem ] || return 1
    for name in $SITES; do
        pki_cert ca "$name" "/O=GridTest/CN=$name.$dom" "DNS:$name.$dom" &
        jobs+=($!)
    done
    for name in user user2 usera nobody foreign; do
        ca=ca
        [ $name != foreign ] || ca=foreign-ca
        pki_cert $ca $name "$(pki_subject $name)" &
        jobs+=($!)
    done
    pki_cert ca wrong "/O=GridTest/CN=elsewhere.$dom" "DNS:elsewhere.$dom" &
    jobs+=($!)
    for name in "${jobs[@]}"; do wait "$name" || return 1; done
}

pki_make() {
    mkdir -p "$pki_cache" && chmod 700 "$pki_cache" || die "$pki_cache cannot be made"
    (cd "$pki_cache" && flock 9 && pki_fill_cache) 9>"$pki_cache/lock" || die "the certificates could not be made"
    rm -rf "$GRID/pki"
    cp -r "$pki_cache" "$GRID/pki"
    rm -f "$GRID"/pki/{ca.key,foreign-ca.key,lock}
    chmod 711 "$GRID/pki"
}

# pki_proxy NAME FILE FROM UNTIL POLICY: an RFC 3820 proxy of NAME's certificate. Not by grid-proxy-init, which makes
# none that has expired, or that lives for seconds.
pki_proxy() {
    local dir serial=$RANDOM$RANDOM subject
    subject=$(pki_subject "$1") || die "there is no user '$1'; there are user, user2, usera, nobody, foreign"
    dir=$(mktemp -d "$GRID/pki/proxy.XXXXXX") || return 1
    : >"$dir/index"
    cat >"$dir/conf" <<X
[ca]
default_ca = d
[d]
database = $dir/index
new_certs_dir = $dir
default_md = sha256
policy = any
unique_subject = no
rand_serial = yes
x509_extensions = proxy
[any]
commonName = optional
organizationName = optional
[proxy]
keyUsage = critical,digitalSignature,keyEncipherment
proxyCertInfo = critical,language:$5
X
    (umask 077 && openssl genrsa -traditional -out "$dir/key" 2048 2>/dev/null) &&
        openssl req -new -key "$dir/key" -subj "$subject/CN=$serial" -out "$dir/csr" 2>/dev/null &&
        openssl ca -batch -notext -preserveDN -config "$dir/conf" -cert "$GRID/pki/$1cert.pem" -keyfile "$GRID/pki/$1key.pem" \
            -startdate "$3" -enddate "$4" -in "$dir/csr" -out "$dir/cert" >"$dir/said" 2>&1 ||
        { cat "$dir/said" >&2 && rm -rf "$dir" && return 1; }
    # In place of the old one at once: a renewal may be read at any moment.
    (umask 077 && cat "$dir/cert" "$dir/key" "$GRID/pki/$1cert.pem" >"$2.new.$$") && mv -f "$2.new.$$" "$2"
    rm -rf "$dir"
}

pki_moment() {
    date -u -d "@$1" +%Y%m%d%H%M%SZ
}

make_proxy() {
    local user=user seconds=43200 mode=600 owner='' file='' policy=id-ppl-inheritAll now from
    now=$(date +%s)
    from=$((now - 300))
    while [ $# -gt 0 ]; do
        case $1 in
        --user) user=${2?} && shift ;;
        --valid)
            [[ ${2-} =~ ^[0-9]+:[0-9]+$ ]] || die "--valid wants H:M"
            seconds=$((10#${2%:*} * 3600 + 10#${2#*:} * 60)) && shift
            ;;
        --seconds) seconds=${2?} && shift ;;
        --expired) seconds=-60 from=$((now - 7200)) ;;
        --limited) policy=1.3.6.1.4.1.3536.1.1.1.9 ;;
        --mode) mode=${2?} && shift ;;
        --owner) owner=${2?} && shift ;;
        -*) die "proxy: '$1' is not known" ;;
        *) file=$1 ;;
        esac
        shift
    done
    [ "$owner" != gwuser ] || file=${file:-$GRID/client/home/proxy} owner=61003:61003
    file=${file:-$GRID/client/proxy}
    pki_proxy "$user" "$file" "$(pki_moment $from)" "$(pki_moment $((now + seconds)))" $policy &&
        chmod "$mode" "$file" && { [ -z "$owner" ] || chown "$owner" "$file"; }
}
