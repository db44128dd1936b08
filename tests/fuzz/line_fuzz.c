/* Lines between gwd and its drivers, both ways: a request that is written is read by the driver's
 * side as it was meant, and of an answer only what it says is taken.
 *
 * fuzz: max_len=512 */
#include "drivers/fields.h"
#include "gwd/daemon/driver_line.h"
#include "tests/fuzz/fuzz.h"

static void check_answer(enum driver_kind kind, const char *line)
{
    char *copy = xstrdup(line);
    struct driver_line l = {0};
    struct gw_err err = {0};
    if (driver_line_decode(kind, copy, &l, &err) < 0) {
        FUZZ_CHECK(*err.text && strlen(err.text) < 200);
    } else {
        FUZZ_CHECK(*l.verb && *l.handle && !strchr(l.verb, ' ') && !strchr(l.handle, ' '));
        FUZZ_CHECK(l.number <= UINT32_MAX && strlen(l.text) <= strlen(line));
        FUZZ_CHECK(strstr(line, l.is_success ? "SUCCESS" : "FAILURE"));
        FUZZ_CHECK((driver_line_features(l.text) & ~0xffffu) == 0);
    }
    free(copy);
}

/* "VERB HANDLE [NUMBER] ARGS": what was put in comes out. */
static void check_request(enum driver_kind kind, char *const args[3], bool has_pct)
{
    struct buf line = BUF_INIT;
    struct fields f = {0};
    struct gw_err err = {0};
    size_t n_args = kind == DRIVER_TM ? 3 : 2, n = n_args + (kind == DRIVER_TM ? 3 : 2);
    buf_puts(&line, "before");
    if (driver_line_encode(kind, "CP", "12", 7, args, has_pct, &line, &err) < 0) {
        FUZZ_CHECK(strcmp(line.data, "before") == 0 && *err.text);
        buf_clear(&line);
        return;
    }
    const char *text = line.data + 6;
    size_t len = line.len - 6;
    FUZZ_CHECK(len <= DRIVER_LINE_MAX && strchr(text, '\n') == text + len - 1);
    FUZZ_CHECK(fields_split(text, len - 1, n, has_pct, &f, &err) == 0);
    FUZZ_CHECK(strcmp(f.field[0], "CP") == 0 && strcmp(f.field[1], "12") == 0);
    for (size_t i = 0; i < n_args; i++)
        FUZZ_CHECK(strcmp(f.field[n - n_args + i], args[i] && *args[i] ? args[i] : "-") == 0);
    fields_clear(&f);
    buf_clear(&line);
}

static void check_fields(const char *line, size_t len)
{
    for (size_t n = 1; n <= FIELDS_MAX; n++) {
        struct fields f = {0};
        struct gw_err err = {0};
        if (fields_split(line, len, n, n % 2, &f, &err) < 0) {
            FUZZ_CHECK(*err.text && !f.text);
            continue;
        }
        FUZZ_CHECK(f.n == n);
        for (size_t i = 0; i < n; i++)
            FUZZ_CHECK(*f.field[i]);
        fields_clear(&f);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    unsigned choice = fuzz_byte(&in);
    size_t len = 0;
    char *line = fuzz_part(&in, '\n', &len);
    if (!line)
        return 0;
    check_answer((enum driver_kind)(choice % DRIVER_KINDS), line);
    check_fields(line, len);
    char *args[3];
    for (size_t i = 0; i < 3; i++)
        args[i] = fuzz_part(&in, i < 2 ? '\n' : '\0', NULL);
    check_request((enum driver_kind)(choice % DRIVER_KINDS), args, choice & 0x40);
    for (size_t i = 0; i < 3; i++)
        free(args[i]);
    free(line);
    return 0;
}
