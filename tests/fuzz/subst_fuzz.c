/* Substitution, words of arguments, quoting for a shell: what is put in stays one word, and the
 * check of a line says what its use says.
 *
 * fuzz: max_len=512 */
#include "spec/subst.h"
#include "lib/buf.h"
#include "tests/fuzz/fuzz.h"

static const char *lookup(const void *ctx, const char *name)
{
    if (strcmp(name, "A") == 0)
        return ctx;
    return strcmp(name, "TASK_ID") == 0 ? "17" : strcmp(name, "E") == 0 ? "" : NULL;
}

static size_t count(const char *text, char c)
{
    size_t n = 0;
    for (; *text; text++)
        n += *text == c;
    return n;
}

static void check_words(const char *line, const char *value)
{
    char **words = NULL, **plain = NULL;
    size_t n = 0, n_plain = 0, from = 0;
    struct gw_err err = {0};
    int r = subst_words(line, lookup, value, &words, &n, &err);
    FUZZ_CHECK(subst_words(line, NULL, NULL, &plain, &n_plain, NULL) == r);
    FUZZ_CHECK(subst_words_check(line, &from) == r);
    if (r < 0) {
        FUZZ_CHECK(from < strlen(line) && (line[from] == '"' || line[from] == '\'') && *err.text);
        return;
    }
    /* What is put in neither splits a word nor joins two. */
    FUZZ_CHECK(n == n_plain && !words[n]);
    subst_words_free(words);
    subst_words_free(plain);
}

/* Quoted, any text is one word, and it is that text. */
static void check_quote(const char *text)
{
    struct buf quoted = BUF_INIT;
    char **words = NULL;
    size_t n = 0;
    subst_shell_quote(&quoted, text);
    FUZZ_CHECK(subst_words(buf_str(&quoted), lookup, "x", &words, &n, NULL) == 0);
    FUZZ_CHECK(n == 1 && strcmp(words[0], text) == 0);
    subst_words_free(words);
    buf_clear(&quoted);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    char *value = fuzz_part(&in, '\n', NULL), *line = xmemdup0(in.p, in.left);
    char *out = subst_expand(line, lookup, value ? value : "");
    /* Only \$ is shortened where nothing is put in. */
    if (!strchr(line, '$'))
        FUZZ_CHECK(strcmp(out, line) == 0);
    if (strstr(line, "${A}") && value && !strchr(line, '\\'))
        FUZZ_CHECK(count(out, '$') <= count(line, '$') + count(line, '$') * count(value, '$'));
    check_words(line, value ? value : "");
    check_quote(line);
    free(out);
    free(line);
    free(value);
    return 0;
}
