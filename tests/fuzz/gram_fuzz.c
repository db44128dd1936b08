/* What GRAM5 is told and says: a description that is sent keeps every word in its quotes and has
 * our two relations once; contacts and explanations are harmless whatever a site writes.
 *
 * fuzz: max_len=512 */
#include "em/gram5/contact.h"
#include "em/gram5/description.h"
#include "gsi/explain.h"
#include "spec/rsl.h"
#include "tests/fuzz/fuzz.h"

/* What stands outside of quotes; the caller's. */
static char *bare_words(const char *rsl)
{
    struct buf out = BUF_INIT;
    bool is_quoted = false;
    for (const char *p = rsl; *p; p++) {
        if (*p == '"')
            is_quoted = !is_quoted; /* "" inside is left and entered again */
        else if (!is_quoted)
            buf_putc(&out, *p);
    }
    FUZZ_CHECK(!is_quoted);
    return out.data ? buf_take(&out) : xstrdup("");
}

static void check_description(const char *text, size_t len)
{
    struct buf out = BUF_INIT;
    struct gw_err err = {0};
    struct rsl r = {0};
    if (description_for_gram(text, len, &out, &err) < 0) {
        FUZZ_CHECK(*err.text && out.len == 0);
        return;
    }
    char *bare = bare_words(buf_str(&out));
    const char *hold = strstr(bare, "(two_phase=");
    FUZZ_CHECK(bare[0] == '&' && hold && !strstr(hold + 1, "(two_phase=") &&
               strstr(bare, "(save_state=yes)"));
    FUZZ_CHECK(strstr(bare, "(executable=") && !strchr(bare, '+') && !strstr(bare, "(restart="));
    /* Nothing is left to the site to replace, but the home. */
    for (const char *p = bare; (p = strchr(p, '$')); p++)
        FUZZ_CHECK(strncmp(p, "$(HOME)#", 8) == 0);
    if (!strchr(bare, '$')) {
        FUZZ_CHECK(rsl_decode(out.data, out.len, &r, &err) == 0);
        rsl_clear(&r);
    }
    free(bare);
    buf_clear(&out);
}

static void check_contact(const char *text)
{
    struct contact c = {0};
    struct gw_err err = {0};
    if (contact_decode(text, &c, &err) < 0) {
        FUZZ_CHECK(*err.text);
    } else {
        struct buf rsl = BUF_INIT;
        char *again = contact_encode(c.job, c.gatekeeper), *key = contact_key(c.job);
        char *base = contact_base(c.job), *host = contact_host(c.job);
        FUZZ_CHECK(strcmp(again, text) == 0 && strncmp(c.job, base, strlen(base)) == 0);
        FUZZ_CHECK(*host && strncmp(key, host, strlen(host)) == 0 && contact_port(c.gatekeeper));
        description_of_restart(c.job, &rsl);
        FUZZ_CHECK(strcspn(rsl.data + 11, "\"") == strlen(c.job));
        free(again);
        free(key);
        free(base);
        free(host);
        buf_clear(&rsl);
    }
    contact_clear(&c);
    char *host = contact_host(text);
    FUZZ_CHECK(!strpbrk(host, ":/"));
    free(host);
}

static void check_words(const char *text)
{
    static const struct explain_about who = {
        .host = "h:1", .identity = "/CN=A", .issuer = "/CN=I", .path = "/p"};
    static const struct explain_about nobody;
    for (int i = 0; i < 4; i++) {
        struct explanation e = {0};
        if (!explain_text(text, i & 1, i & 2 ? &who : &nobody, &e))
            continue;
        FUZZ_CHECK(e.reason && strchr(e.reason, ':') && *e.text && !strchr(e.text, '{'));
        FUZZ_CHECK(fuzz_is_clean(e.text, strlen(e.text), ""));
    }
    char *line = explain_one_line(text, 100);
    FUZZ_CHECK(strlen(line) <= 100 && fuzz_is_clean(line, strlen(line), ""));
    free(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = xmemdup0(data, size);
    check_description(text, size);
    check_contact(text);
    if (!strchr(text, '{'))
        check_words(text);
    free(text);
    return 0;
}
