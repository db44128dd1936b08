#!/bin/sh
# tests/layers finds what it is there for: each case is a tiny tree with one fault.
set -u
layers=$(cd "$(dirname "$0")" && pwd)/layers
tree=$(mktemp -d) || exit 1
trap 'rm -rf "$tree"' EXIT
trap 'exit 1' INT TERM
failed=0

fresh_tree() {
    rm -rf "${tree:?}"/*
    mkdir -p "$tree/docs" "$tree/lib" "$tree/core/deep" "$tree/top"
    cat >"$tree/docs/design.md" <<'TABLE'
# Some design
## Words
| word | meaning | other |
| `top/` | not this table | `lib` |
## Layout and floors
| folder | what | may include |
|---|---|---|
| `lib/` | below all | — |
| `core/` | pure | `lib`, `<jansson.h>` |
| `top/` | above | `core` |
## After
TABLE
    : >"$tree/lib/a.h"
    : >"$tree/core/c.h"
    : >"$tree/core/c_private.h"
    : >"$tree/top/t.h"
    printf '#include "lib/a.h"\n#include "core/c_private.h"\n#include <stdio.h>\n#include <jansson.h>\n' >"$tree/core/c.c"
    printf '#include "core/c.h"\n#include <time.h>\n' >"$tree/top/t.c"
}

# finds SENTENCE FILE TEXT EXPECTED: with TEXT as a line of FILE the check fails and says EXPECTED.
finds() {
    fresh_tree
    printf '%s\n' "$3" >>"$tree/$2"
    out=$("$layers" "$tree")
    code=$?
    case $code/$out in
    1/*"$4"*) echo "ok - $1" ;;
    *)
        echo "not ok - $1"
        echo "    expected 1 and: $4"
        echo "    got $code and: $out"
        failed=1
        ;;
    esac
}

# passes SENTENCE FILE TEXT
passes() {
    fresh_tree
    printf '%s\n' "$3" >>"$tree/$2"
    if out=$("$layers" "$tree"); then
        echo "ok - $1"
    else
        echo "not ok - $1"
        echo "    $out"
        failed=1
    fi
}

passes "a tree that keeps to the table passes" lib/a.c ''
finds "an include that climbs is found, with its place" lib/a.h '#include "core/c.h"' \
    'lib/a.h:1: "core/c.h" climbs: lib/ may include only itself'
finds "an include that skips a floor is found" top/t.c '#include "lib/a.h"' 'top/t.c:3: "lib/a.h" climbs'
finds "a private header is its folder's own" top/t.c '#include "core/c_private.h"' 'is private to core/'
finds "a library that the table does not name is found" top/t.c '#include <jansson.h>' '<jansson.h> is a library'
finds "an include that is not spelled from the root is found" core/c.c '#include "c.h"' '"c.h" is not a file'
finds "a file outside the table is found" docs/x.c 'int x;' 'docs/x.c:1: its folder is not in the table'
finds "a folder below a pure one is pure" core/deep/d.c '#include <unistd.h>' '<unistd.h> in core/, which is pure'
finds "a clock in a pure folder is found" core/c.c '#include <time.h>' '<time.h> in core/, which is pure'
finds "a file opened in a pure folder is found" core/c.c 'void f(void) { fopen("x", "r"); }' \
    'core/c.c:5: a call in core/, which is pure:'
passes "comments and texts may speak of files" core/c.c '/* getenv() is not ours */ const char *s = "fopen(x)"; // time()'
passes "snprintf is no output" core/c.c 'void f(char *b) { snprintf(b, 1, "x"); }'
finds "spaces in an include do not hide it" top/t.c ' #  include "lib/a.h"' 'top/t.c:3: "lib/a.h" climbs'
exit $failed
