#!/bin/sh
# What no file of the sources may do. Comments and texts are not looked at.
set -u
cd "$(dirname "$0")/.." || exit 1
failed=0

sources() {
    git ls-files -- '*.[ch]' 2>/dev/null | grep -vE '^(tests|bench)/' | grep . || find . -name '*.[ch]' ! -path './build*' ! -path './tests/*' ! -path './bench/*'
}

# Lines "FILE:LINE:CODE" of the sources, or of standard input: without comments, and with empty texts.
code() {
    sources | xargs awk '
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

# finds_none SENTENCE ERE: no line of code matches.
finds_none() {
    found=$(code | grep -E "$2")
    if [ -z "$found" ]; then
        echo "ok - $1"
    else
        echo "not ok - $1"
        echo "$found" | sed 's/^/    /'
        failed=1
    fi
}

finds_none "no function is called that knows no bounds or starts a shell" \
    '\b(strcpy|strcat|sprintf|vsprintf|gets|atoi|atol|strtok|tmpnam|mktemp|tempnam|system|popen|wordexp|execlp|alloca) *\('
# sqlite3_exec(db, "...", ...); what sql_exec and sql_prepare of gwd/store get is looked at below.
finds_none "no text is executed as SQL that is not a constant" \
    'sqlite3_(exec|prepare[a-z0-9_]*) *\([^,]*, *(\(|[^" s]|s[^q])'
formatted_sql=$(sources | xargs grep -nE '"[^"]*(SELECT|INSERT|UPDATE|DELETE|REPLACE|CREATE TABLE|PRAGMA) [^"]*%')
if [ -z "$formatted_sql" ]; then
    echo "ok - no SQL is made of a format"
else
    echo "not ok - no SQL is made of a format"
    echo "$formatted_sql" | sed 's/^/    /'
    failed=1
fi
exit $failed
