/* The language of job.ctl and job.env: what gwd writes of it is read back, whatever stands in the
 * values; what is read is nothing else.
 *
 * fuzz: max_len=512 */
#include "spec/subst.h"
#include "wrappers/plain/ctl.h"
#include "lib/buf.h"
#include "tests/fuzz/fuzz.h"

static void put(struct buf *b, const char *head, const char *value)
{
    buf_puts(b, head);
    subst_shell_quote(b, value);
}

static void write_again(const struct ctl *c, struct buf *out)
{
    for (size_t i = 0; i < c->n; i++) {
        buf_printf(out, "%s%s=", c->values[i].is_exported ? "export " : "", c->values[i].name);
        put(out, "", c->values[i].value);
        buf_puts(out, "\n");
    }
    for (size_t i = 0; c->words && i <= c->n_words; i++)
        put(out, i ? " " : "set --", i ? c->words[i - 1] : "");
}

static void check_written(const char *value)
{
    struct buf b = BUF_INIT;
    struct ctl c = {0};
    put(&b, "GW_A=", value);
    put(&b, "\nexport GW_A=", "other");
    put(&b, "\nset -- ", value);
    put(&b, " ", "");
    buf_puts(&b, "\n");
    FUZZ_CHECK(ctl_parse(buf_str(&b), &c, NULL) == 0);
    FUZZ_CHECK(c.n == 2 && c.n_words == 2 && !c.words[2]);
    FUZZ_CHECK(strcmp(ctl_get(&c, "GW_A", ""), value) == 0 && strcmp(c.words[0], value) == 0);
    ctl_clear(&c);
    buf_clear(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = xmemdup0(data, size);
    struct ctl c = {0};
    struct gw_err err = {0};
    check_written(text);
    if (ctl_parse(text, &c, &err) == 0) {
        struct buf b = BUF_INIT;
        for (size_t i = 0; i < c.n; i++)
            FUZZ_CHECK(*c.values[i].name && !strpbrk(c.values[i].name, " =\n'$") &&
                       c.values[i].value);
        write_again(&c, &b);
        buf_clear(&b);
        ctl_clear(&c);
    } else {
        FUZZ_CHECK(*err.text && !c.values && !c.words);
    }
    free(text);
    return 0;
}
