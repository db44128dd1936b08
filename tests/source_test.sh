#!/bin/sh
# What no file of the sources may do. Comments and texts are not looked at.
set -u
cd "$(dirname "$0")/.." || exit 1
failed=0

all_sources() {
    git ls-files -- '*.[ch]' 2>/dev/null | grep . || find . -name '*.[ch]' ! -path './build*'
}

product_sources() {
    all_sources | grep -vE '^(\./)?(tests|bench)/'
}

# Lines "FILE:LINE:CODE" of the files that are named on standard input: without comments, and with empty texts.
code() {
    xargs awk '
        FNR == 1 { in_comment = 0 }
        {
            line = $0
            gsub(/\\./, "", line)
            gsub(/"[^"]*"/, "\"\"", line)
            if (in_comment) { if (!sub(/.*\*\//, "", line)) next; in_comment = 0 }
            gsub(/\/\*[^*]*\*\//, "", line)
            if (sub(/\/\*.*/, "", line)) in_comment = 1
            sub(/\/\/.*/, "", line)
            print FILENAME ":" FNR ":" line
        }'
}

# finds_none SENTENCE FILES ERE: no line of code in them matches.
finds_none() {
    found=$($2 | code | grep -E "$3")
    if [ -z "$found" ]; then
        echo "ok - $1"
    else
        echo "not ok - $1"
        echo "$found" | sed 's/^/    /'
        failed=1
    fi
}

finds_none "no function is called that knows no bounds or starts a shell" all_sources \
    '\b(strcpy|strcat|sprintf|vsprintf|gets|atoi|atol|strtok|tmpnam|mktemp|tempnam|system|popen|wordexp|execlp|alloca) *\('
# sqlite3_exec(db, "...", ...); what sql_exec and sql_prepare of gwd/store get is looked at below.
finds_none "no text is executed as SQL that is not a constant" product_sources \
    'sqlite3_(exec|prepare[a-z0-9_]*) *\([^,]*, *(\(|[^" s]|s[^q])'
formatted_sql=$(product_sources | xargs grep -nE '"[^"]*(SELECT|INSERT|UPDATE|DELETE|REPLACE|CREATE TABLE|PRAGMA) [^"]*%')
if [ -z "$formatted_sql" ]; then
    echo "ok - no SQL is made of a format"
else
    echo "not ok - no SQL is made of a format"
    echo "$formatted_sql" | sed 's/^/    /'
    failed=1
fi
exit $failed
