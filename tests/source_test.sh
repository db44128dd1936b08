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

# Calls whose SQL is neither a text in its place, nor a constant of the file (NAME[] or names[i]), nor what the function
# that calls was given: its parameter `const char *sql`, so that its own calls are looked at.
sql_from_elsewhere() {
    product_sources | code | awk '
        {
            file = $0; sub(/:.*/, "", file)
            line = $0; sub(/^[^:]*:[0-9]*:/, "", line)
            text[file] = text[file] " " line
        }
        function count(s, c,   copy) { copy = s; return gsub(c, c, copy) }
        function folder(file) { sub(/[^\/]*$/, "", file); return file }
        # Which parameter of which function of a folder it is.
        function find_takers(file, t,   head, name) {
            while (match(t, /[a-z0-9_]+ *\([^(){};]*const char \*sql[,)]/)) {
                head = substr(t, RSTART, RLENGTH)
                t = substr(t, RSTART + RLENGTH)
                name = head; sub(/ *\(.*/, "", name)
                nth[folder(file), name] = count(head, ",") + (head ~ /\)$/)
            }
        }
        function argument(rest, n,   depth, i, c, arg) {
            for (i = 1; i <= length(rest); i++) {
                c = substr(rest, i, 1)
                if (c == "(") depth++
                if (c == ")" && depth-- == 0) break
                if (c == "," && depth == 0) { if (--n == 0) break; arg = ""; continue }
                arg = arg c
            }
            gsub(/^ +| +$/, "", arg)
            return arg
        }
        function is_constant(t, arg,   name) {
            name = arg; sub(/\[.*/, "", name)
            return arg ~ /^("" *)+$/ || arg == "sql" || arg == "const char *sql" ||
                arg ~ /^[A-Z_]+$/ && index(t, "static const char " arg "[] =") ||
                arg ~ /^[a-z_]+\[i\]$/ && index(t, "static const char *const " name "[")
        }
        function look(file, t,   rest, name, arg, n) {
            if (t ~ /char \*sql *[=;]/) print file ": a variable named sql"
            rest = t
            while (match(rest, /[a-z0-9_]+ *\(/)) {
                name = substr(rest, RSTART, RLENGTH); sub(/ *\($/, "", name)
                rest = substr(rest, RSTART + RLENGTH)
                n = name ~ /^sqlite3_(exec|prepare)/ ? 2 : nth[folder(file), name]
                if (!n) continue
                arg = argument(rest, n)
                n_calls++
                if (!is_constant(t, arg)) print file ": " name " of " arg
            }
        }
        END {
            for (f in text) find_takers(f, text[f])
            for (f in text) look(f, text[f])
            if (n_calls < 40) print "calls are not found: only " n_calls + 0
        }'
}
not_constant=$(sql_from_elsewhere)
if [ -z "$not_constant" ]; then
    echo "ok - no text is executed as SQL that is not a constant"
else
    echo "not ok - no text is executed as SQL that is not a constant"
    echo "$not_constant" | sed 's/^/    /'
    failed=1
fi
formatted_sql=$(product_sources | xargs grep -nE '"[^"]*(SELECT|INSERT|UPDATE|DELETE|REPLACE|CREATE TABLE|PRAGMA) [^"]*%')
if [ -z "$formatted_sql" ]; then
    echo "ok - no SQL is made of a format"
else
    echo "not ok - no SQL is made of a format"
    echo "$formatted_sql" | sed 's/^/    /'
    failed=1
fi
exit $failed
