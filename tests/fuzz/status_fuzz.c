/* Status, control and lease files: a file that verifies says what was written, and one with a byte
 * changed does not verify.
 *
 * fuzz: max_len=512 */
#include "wire/status.h"
#include "tests/fuzz/fuzz.h"

static void check_decoded(const struct status_file *s, const char *kind)
{
    FUZZ_CHECK(strcmp(s->kind, kind) == 0 && s->version == 1);
    for (size_t i = 0; i < s->n; i++) {
        FUZZ_CHECK(*s->entries[i].key && !strpbrk(s->entries[i].key, "=\n "));
        FUZZ_CHECK(!strchr(s->entries[i].value, '\n'));
        FUZZ_CHECK(status_get(s, s->entries[i].key));
    }
}

static void take(const char *data, size_t len)
{
    struct status_file s = {0};
    struct gw_err err = {0};
    if (status_decode(data, len, "GWSTATUS", &s, &err) == 0) {
        check_decoded(&s, "GWSTATUS");
        status_clear(&s);
    } else {
        FUZZ_CHECK(*err.text && !s.entries);
    }
}

/* Lines of the input under a true checksum. */
static void check_body(const uint8_t *data, size_t size)
{
    struct buf b = BUF_INIT;
    buf_put(&b, data, size);
    buf_puts(&b, size && data[size - 1] != '\n' ? "\n" : "");
    status_end(&b);
    take(b.data, b.len);
    buf_clear(&b);
}

static void check_written(const uint8_t *data, size_t size)
{
    struct buf b = BUF_INIT;
    struct status_file s = {0};
    char *value = xmemdup0(data, size);
    status_begin(&b, "GWSTATUS", 1);
    status_put(&b, "TOKEN", "i.1.1.0.1");
    status_put(&b, "MESSAGE", value);
    status_end(&b);
    FUZZ_CHECK(status_decode(b.data, b.len, "GWSTATUS", &s, NULL) == 0);
    FUZZ_CHECK(s.n == 2 && strlen(s.entries[1].value) <= 4096);
    FUZZ_CHECK(strlen(value) > 4096 || strlen(s.entries[1].value) == strlen(value));
    FUZZ_CHECK(!fuzz_is_utf8(value, strlen(value)) ||
               fuzz_is_utf8(s.entries[1].value, strlen(s.entries[1].value)));
    status_clear(&s);
    if (size > 1) {
        size_t at = (data[0] | data[1] << 8) % b.len;
        b.data[at] = (char)(b.data[at] ^ (1 + data[0] % 255));
        FUZZ_CHECK(status_decode(b.data, b.len, "GWSTATUS", &s, NULL) < 0);
    }
    buf_clear(&b);
    free(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = xmemdup0(data, size);
    take(text, size);
    free(text);
    check_body(data, size);
    check_written(data, size);
    return 0;
}
