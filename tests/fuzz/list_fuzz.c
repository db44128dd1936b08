/* Lists in template values, and shell patterns: each part lies where it says, and the matcher
 * agrees with one that tries everything.
 *
 * fuzz: max_len=64 */
#include "spec/glob.h"
#include "spec/list.h"
#include "tests/fuzz/fuzz.h"

#include <fnmatch.h>

static void report(void *ctx, enum diag_severity severity, size_t from, size_t length,
                   const char *hint, const char *sentence)
{
    (void)severity;
    (void)hint;
    FUZZ_CHECK(from + length <= strlen(ctx) && *sentence);
}

static void check_list(char *value, bool has_commas)
{
    struct list l;
    size_t end = 0, len = strlen(value);
    int r = list_parse(value, has_commas, &l, report, value);
    for (size_t i = 0; i < l.n; i++) {
        const struct list_entry *e = &l.entries[i];
        FUZZ_CHECK(e->n > 0 && e->from >= end && e->from + e->length <= len);
        for (size_t k = 0; k < e->n; k++) {
            FUZZ_CHECK(e->words[k].from >= end && e->words[k].length > 0);
            FUZZ_CHECK(strlen(e->words[k].text) <= e->words[k].length);
            end = e->words[k].from + e->words[k].length;
            FUZZ_CHECK(end <= e->from + e->length);
        }
    }
    FUZZ_CHECK(has_commas || l.n <= 1);
    if (r == 0 && !strpbrk(value, ", \t\r\n\f\v'\"") && *value)
        FUZZ_CHECK(l.n == 1 && strcmp(l.entries[0].words[0].text, value) == 0);
    list_clear(&l);
}

/* The shape of patterns on which the C library and POSIX agree, and short enough for its time. */
static bool is_simple(const char *pattern)
{
    size_t stars = 0;
    for (const char *p = pattern; *p; p++) {
        if ((unsigned char)*p >= 0x80 || *p == '[' || (*p == '\\' && !p[1]))
            return false;
        stars += *p == '*';
    }
    return stars < 5;
}

static void check_glob(const char *pattern, const char *text)
{
    bool is_match = glob_match(pattern, text);
    if (glob_is_plain(pattern))
        FUZZ_CHECK(is_match == (strcmp(pattern, text) == 0));
    if (is_simple(pattern))
        FUZZ_CHECK(is_match == (fnmatch(pattern, text, 0) == 0));
    char *open = xasprintf("%s*", pattern);
    if (is_match && !strpbrk(pattern, "[\\"))
        FUZZ_CHECK(glob_match(open, text));
    free(open);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    char *pattern = fuzz_part(&in, '\n', NULL), *text = xmemdup0(in.p, in.left);
    check_glob(pattern ? pattern : "", text);
    check_list(text, true);
    check_list(text, false);
    if (pattern)
        check_list(pattern, true);
    free(pattern);
    free(text);
    return 0;
}
