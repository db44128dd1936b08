/* The small encodings: percent signs, base 64, UTF-8, numbers, JSON text. What is encoded is
 * decoded to the same, and what is decoded was in the one form that there is.
 *
 * fuzz: max_len=256 */
#include "lib/base64.h"
#include "lib/json_write.h"
#include "lib/num.h"
#include "wire/pct.h"
#include "tests/fuzz/fuzz.h"

#include <jansson.h>

static void check_pct(const char *text)
{
    struct buf b = BUF_INIT;
    buf_puts(&b, "");
    pct_encode(&b, text);
    FUZZ_CHECK(!strpbrk(buf_str(&b), " \n\t\x7f"));
    char *again = xstrdup(buf_str(&b));
    FUZZ_CHECK(pct_decode(again, NULL) == 0 && strcmp(again, text) == 0);
    free(again);
    char *copy = xstrdup(text);
    if (pct_decode(copy, NULL) == 0)
        FUZZ_CHECK(strlen(copy) <= strlen(text));
    free(copy);
    buf_clear(&b);
}

static void check_base64(const uint8_t *data, size_t size)
{
    struct buf b = BUF_INIT;
    char *text = base64_encode(data, size);
    FUZZ_CHECK(base64_decode(text, strlen(text), &b) && b.len == size);
    FUZZ_CHECK(size == 0 || memcmp(b.data, data, size) == 0);
    free(text);
    buf_clear(&b);
    buf_puts(&b, "x");
    if (base64_decode((const char *)data, size, &b))
        FUZZ_CHECK(b.len - 1 <= size / 4 * 3 && b.data[b.len] == '\0');
    else
        FUZZ_CHECK(strcmp(b.data, "x") == 0);
    buf_clear(&b);
}

static void check_utf8(const char *text, size_t len)
{
    char *clean = xstrdup(text);
    utf8_clean(clean);
    FUZZ_CHECK(strlen(clean) == strlen(text) && fuzz_is_clean(clean, strlen(clean), ""));
    free(clean);
    /* jansson's view of what is UTF-8 is another one's. */
    json_t *s = json_stringn(text, len);
    bool has_nul = memchr(text, '\0', len) != NULL;
    FUZZ_CHECK(has_nul || (s != NULL) == fuzz_is_utf8(text, len));
    json_decref(s);
}

static void check_json(const char *text, size_t len)
{
    struct buf b = BUF_INIT;
    json_begin(&b, NULL, '{');
    json_put_text_n(&b, "a", text, len);
    json_begin(&b, "l", '[');
    json_put_text(&b, NULL, text);
    json_put_real(&b, NULL, strtod(text, NULL));
    json_put_int(&b, NULL, strtoll(text, NULL, 10));
    json_put_seconds(&b, NULL, strtoll(text, NULL, 10));
    json_end(&b, ']');
    json_end(&b, '}');
    json_error_t error;
    json_t *v = json_loadb(b.data, b.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    FUZZ_CHECK(v != NULL && !strchr(b.data, '\n'));
    const json_t *a = json_object_get(v, "a");
    if (json_is_string(a))
        FUZZ_CHECK(json_string_length(a) == len && memcmp(json_string_value(a), text, len) == 0);
    else
        FUZZ_CHECK(!fuzz_is_utf8(text, len));
    json_decref(v);
    buf_clear(&b);
}

static void check_numbers(const char *text)
{
    uint64_t u = 7;
    int64_t i = 7;
    bool yes = false;
    struct gw_err err = {0};
    if (num_parse_u64(text, 3, 1000, &u, &err) == 0)
        FUZZ_CHECK(u >= 3 && u <= 1000 && u == strtoull(text, NULL, 10));
    else
        FUZZ_CHECK(u == 7 && *err.text);
    if (num_parse_i64(text, INT64_MIN, INT64_MAX, &i, &err) == 0)
        FUZZ_CHECK(i == strtoll(text, NULL, 10));
    num_parse_bool(text, &yes, &err);
    u = 7;
    if (num_parse_size(text, 1, &u, &err) < 0)
        FUZZ_CHECK(u == 7);
    u = 7;
    if (num_parse_duration(text, &u, &err) < 0)
        FUZZ_CHECK(u == 7);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = xmemdup0(data, size);
    check_pct(text);
    check_base64(data, size);
    check_utf8(text, size);
    check_json(text, size);
    check_numbers(text);
    free(text);
    return 0;
}
