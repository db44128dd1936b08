/* gwd.conf: what is accepted is a configuration that the daemon can work with.
 *
 * fuzz: max_len=512 slow=1 */
#include "spec/config.h"
#include "spec/subst.h"
#include "tests/fuzz/fuzz.h"

static void check_driver(const struct config_driver *driver)
{
    size_t from;
    FUZZ_CHECK(*driver->name && *driver->path && driver->arguments);
    FUZZ_CHECK(subst_words_check(driver->arguments, &from) == 0);
    FUZZ_CHECK(!strpbrk(driver->name, " \n/:"));
}

static bool is_named(const struct config_driver *list, size_t n, const char *name)
{
    size_t n_found = 0;
    for (size_t i = 0; i < n; i++)
        n_found += strcmp(list[i].name, name) == 0;
    return n_found == 1;
}

static void check(const struct config *c)
{
    FUZZ_CHECK(c->n_ims && c->n_tms && c->n_ems);
    for (size_t i = 0; i < c->n_ims; i++) {
        check_driver(&c->ims[i]);
        FUZZ_CHECK(is_named(c->tms, c->n_tms, c->ims[i].tm));
        FUZZ_CHECK(is_named(c->ems, c->n_ems, c->ims[i].em));
    }
    for (size_t i = 0; i < c->n_tms; i++)
        check_driver(&c->tms[i]);
    for (size_t i = 0; i < c->n_ems; i++)
        check_driver(&c->ems[i]);
    FUZZ_CHECK(c->state_dir && c->state_dir[0] == '/' && c->socket && c->socket[0] == '/');
    FUZZ_CHECK(strlen(c->socket) < 108 && c->socket_mode <= 0777);
    FUZZ_CHECK(c->discovery_s && c->monitoring_s && c->poll_s && c->attempts_max && c->array_max);
    FUZZ_CHECK(c->retry_s && c->backoff_max_s && c->cancel_retry_s && c->checkpoint_rows);
    FUZZ_CHECK(c->retention_s <= UINT32_MAX && c->lease_margin_s <= UINT32_MAX);
    FUZZ_CHECK(!c->wrapper || c->wrapper[0] == '/');
    FUZZ_CHECK(!c->gwvm || c->gwvm[0] == '/');
}

static void take(const char *source, size_t len)
{
    struct diags d;
    struct config *c = NULL;
    diags_init(&d, "f", source);
    int r = config_parse(source, len, &c, &d);
    FUZZ_CHECK((r == 0) == (c != NULL) && (r < 0) == (d.errors > 0));
    if (c)
        check(c);
    fuzz_check_diags(&d, source, len);
    config_destroy(c);
    diags_clear(&d);
}

/* The text as it is, and as one that has drivers. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf source = BUF_INIT;
    buf_puts(&source, "IM_MAD = i:/i::t:e\nTM_MAD = t:/t\nEM_MAD = e:/e::rsl\n");
    size_t head = source.len;
    buf_put(&source, data, size);
    take(source.data, source.len);
    take(source.data + head, size);
    buf_clear(&source);
    return 0;
}
