#include "lib/buf.h"
#include "lib/mem.h"
#include "spec/subst.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *lookup(const void *ctx, const char *name)
{
    (void)ctx;
    static const struct {
        const char *name, *value;
    } known[] = {
        {"ID", "7"}, {"aAzZ_09", "n"}, {"EMPTY", ""}, {"TWO", "a b"}, {"TRICK", "${ID}'\""}};
    for (size_t i = 0; i < GW_COUNT(known); i++)
        if (strcmp(known[i].name, name) == 0)
            return known[i].value;
    return NULL;
}

static void known_names_are_replaced_once_and_others_stay(void **state)
{
    (void)state;
    static const struct {
        const char *text, *expanded;
    } cases[] = {
        {"", ""},
        {"out.${ID}.${ID}", "out.7.7"},
        {"${EMPTY}", ""},
        {"${aAzZ_09}", "n"},
        {"${NONE} ${} ${ID ${ID-} ${1}", "${NONE} ${} ${ID ${ID-} ${1}"},
        {"$ID $", "$ID $"},
        {"${TRICK}", "${ID}'\""},
        {"\\${ID} \\$ID \\x \\", "${ID} $ID \\x \\"},
        {"\\\\${ID}", "\\${ID}"},
        {"$${ID}", "$7"},
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        char *expanded = subst_expand(cases[i].text, lookup, NULL);
        assert_string_equal(expanded, cases[i].expanded);
        free(expanded);
    }
}

/* Each word in brackets. */
static char *words_of(const char *line, subst_lookup names)
{
    char **words;
    size_t n;
    struct gw_err err;
    struct buf out = BUF_INIT;
    if (subst_words(line, names, NULL, &words, &n, &err) < 0)
        return xstrdup(err.text);
    for (size_t i = 0; i < n; i++)
        buf_printf(&out, "[%s]", words[i]);
    assert_null(words[n]);
    subst_words_free(words);
    return buf_take(&out);
}

static void an_argument_line_is_split_as_a_shell_would(void **state)
{
    (void)state;
    static const struct {
        const char *line, *words;
    } cases[] = {
        {"", ""},
        {"  \t\n ", ""},
        {"a  b\tc\nd", "[a][b][c][d]"},
        {"'a b' \"c d\"e'f g' ", "[a b][c def g]"},
        {"'' \"\" x''", "[][][x]"},
        {"a\\ b \\' \\\\ \\", "[a b]['][\\][\\]"},
        {"'\\n ${ID} $ID'", "[\\n ${ID} $ID]"},
        {"\"\\\" \\\\ \\$ID \\n\"", "[\" \\ $ID \\n]"},
        {"${ID} $ID x$ID.y \"$ID\"", "[7][7][x7.y][7]"},
        {"$IDX ${NONE} $NONE $ $1 \\$ID", "[$IDX][${NONE}][$NONE][$][$1][$ID]"},
        {"$TWO \"${TWO}\" $EMPTY", "[a b][a b][]"},
        {"$aAzZ_09-x", "[n-x]"},
        {"$TRICK", "[${ID}'\"]"},
        {"-c 'exit 7'", "[-c][exit 7]"},
        {"a 'b c", "arguments, column 3: this quote is not closed"},
        {"ab\"c\\\"", "arguments, column 3: this quote is not closed"},
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        char *words = words_of(cases[i].line, lookup);
        assert_string_equal(words, cases[i].words);
        free(words);
    }
    char *words = words_of("$ID ${ID}", NULL);
    assert_string_equal(words, "[$ID][${ID}]");
    free(words);
}

static void an_unclosed_quote_is_found_where_it_begins(void **state)
{
    (void)state;
    size_t from = 99;
    assert_int_equal(subst_words_check("a 'b' \"c d\"", &from), 0);
    assert_int_equal(subst_words_check("a 'b' \"c d", &from), -GW_EINVAL);
    assert_int_equal(from, 6);
}

static void a_quoted_word_is_one_word_again(void **state)
{
    (void)state;
    static const char *const texts[] = {"",   "a b",       "it's", "'", "''",
                                        "\\", "$ID ${ID}", "\"",   "\n"};
    for (size_t i = 0; i < GW_COUNT(texts); i++) {
        struct buf b = BUF_INIT;
        char **words;
        size_t n;
        subst_shell_quote(&b, texts[i]);
        assert_int_equal(subst_words(b.data, lookup, NULL, &words, &n, NULL), 0);
        assert_int_equal(n, 1);
        assert_string_equal(words[0], texts[i]);
        subst_words_free(words);
        buf_clear(&b);
    }
}

static const char *lookup_long(const void *ctx, const char *name)
{
    (void)name;
    return ctx;
}

static void what_is_put_in_is_bounded(void **state)
{
    (void)state;
    char *value = xmalloc((1 << 20) + 1);
    memset(value, 'v', 1 << 20);
    value[1 << 20] = '\0';
    struct buf text = BUF_INIT;
    for (int i = 0; i < 1000; i++)
        buf_puts(&text, "${A}");
    char *expanded = subst_expand(text.data, lookup_long, value);
    assert_true(strlen(expanded) <= SUBST_MAX + text.len);
    char **words;
    size_t n;
    assert_int_equal(subst_words(text.data, lookup_long, value, &words, &n, NULL), 0);
    assert_true(n == 1 && strlen(words[0]) <= SUBST_MAX + text.len);
    subst_words_free(words);
    free(expanded);
    free(value);
    buf_clear(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_names_are_replaced_once_and_others_stay),
        cmocka_unit_test(an_argument_line_is_split_as_a_shell_would),
        cmocka_unit_test(an_unclosed_quote_is_found_where_it_begins),
        cmocka_unit_test(a_quoted_word_is_one_word_again),
        cmocka_unit_test(what_is_put_in_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
