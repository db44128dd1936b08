#!/bin/sh
# The pages speak of what is there: links lead somewhere, named folders and files exist, make's targets are
# those that the pages name.
set -u
cd "$(dirname "$0")/.." || exit 1
failed=0

# expect_nothing SENTENCE COMMAND ...: COMMAND prints what is wrong, or nothing.
expect_nothing() {
    sentence=$1
    shift
    wrong=$("$@" 2>&1)
    if [ -z "$wrong" ]; then
        echo "ok - $sentence"
    else
        echo "not ok - $sentence"
        echo "$wrong" | sed 's/^/    /'
        failed=1
    fi
}

# Targets of [text](target) that are no files, seen from the page.
dead_links() {
    for page in *.md docs/*.md; do
        grep -o '](\([^)#]*\)' "$page" | sed 's/^](//' | grep -v '^https\?:' | while read -r target; do
            [ -e "$(dirname "$page")/$target" ] || echo "$page: $target"
        done
    done
}

# A folder that design.md's table announces.
is_to_come() {
    grep 'to come' docs/design.md | grep -qF "\`${1%/}/\`"
}

# Folders and files in backticks that do not exist; a line about what is to come may name them.
missing_paths() {
    for page in README.md HACKING.md docs/design.md; do
        grep -v 'to come' "$page" | grep -o '`[a-z]*/[A-Za-z0-9_/.-]*`' | tr -d '`' | sort -u | while read -r path; do
            case $path in
            build/* | tests/unit/NAME* | tests/fuzz/NAME* | tests/fuzz/found/ | etc/gwd/*) ;;
            *) [ -e "$path" ] || [ -e "$path.h" ] || is_to_come "$path" || echo "$page: $path" ;;
            esac
        done
    done
}

missing_targets() {
    grep -ohE '^ +make [a-z-]+( [a-z-]+)?|`make [a-z-]+' README.md HACKING.md | sed 's/^ *`\{0,1\}make //' | tr ' ' '\n' |
        sort -u | while read -r target; do
        grep -q "^$target:" Makefile || echo "make $target"
    done
}

missing_commands() {
    for target in demo check; do
        grep -qx "    sudo apt-get install -y make && make $target" README.md || echo "the line for make $target"
    done
}

# The example that README shows is the one that `make demo` runs.
stale_example() {
    sed -n '/^```jt$/,/^```$/p' README.md | sed '1d;$d' | diff - examples/hello-vm.jt
}

# The third column of the table of threats as lines "FILE SENTENCE"; a row without them is a line "- THREAT".
threat_tests() {
    sed -n '/^## Threats/,$p' docs/security.md | awk -F ' *[|] *' '
        !/^[|]/ || /^[|]-/ || $2 == "threat" { next }
        NF != 5 || $4 == "" { print "-", $2; next }
        {
            n = split($4, parts, /; */)
            file = "-"
            for (i = 1; i <= n; i++) {
                sentence = parts[i]
                if (match(sentence, /^`[^`]*` /)) {
                    file = substr(sentence, 2, RLENGTH - 3)
                    sentence = substr(sentence, RLENGTH + 1)
                }
                print file, sentence
            }
        }'
}

# Is SENTENCE in the name of a check of the script FILE: in the text that a command gets first, but for a word before it;
# or does a row of faults have it as its name?
is_checked() {
    awk -v sentence="$2" '
        { at = index($0, sentence); before = substr($0, 1, at - 1) }
        at && (before ~ /^[^"#]*[a-z0-9_][ =]([a-z0-9_]+ )?"[^"]*$/ || before == "# row: ") { found = 1 }
        END { exit !found }' "$1"
}

# A sentence is the name of a check of a script, or of a function that cmocka is given.
untried_threats() {
    threat_tests | while read -r file sentence; do
        case $file in
        -) echo "no test: $sentence" && continue ;;
        *.c) grep -qE "^ +[a-zA-Z].*\($(printf %s "$sentence" | tr -c 'A-Za-z0-9' _)[,)]" "$file" ;;
        *) is_checked "$file" "$sentence" ;;
        esac 2>/dev/null || echo "$file: $sentence"
    done
    [ "$(threat_tests | wc -l)" -ge 30 ] || echo "the table of threats is not read"
}

expect_nothing "no link in the pages is dead" dead_links
expect_nothing "the files and folders that the pages name exist" missing_paths
expect_nothing "make has the targets that the pages name" missing_targets
expect_nothing "the README begins with the two commands" missing_commands
expect_nothing "the README's example is examples/hello-vm.jt" stale_example
expect_nothing "each threat of docs/security.md names tests that exist" untried_threats
exit $failed
