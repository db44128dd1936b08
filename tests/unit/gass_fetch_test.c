/* Fetching from servers that say one size and send another. The server is a function here. */
#include "tm/gass/fetch.c"

#include "lib/file.h"
#include "tests/unit/tempdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>

static uint64_t said, sent, given; /* bytes */
static bool is_stopped;
static struct trouble failure;

int cp_look_source(struct cp *c, struct ftp *f, struct trouble *t)
{
    (void)f;
    (void)t;
    c->size = said;
    c->mode = 0644;
    return 0;
}

int ftp_get_begin(struct ftp *f, const char *url, uint64_t offset, uint64_t end, bool is_small,
                  struct trouble *t)
{
    (void)f, (void)url, (void)offset, (void)end, (void)is_small, (void)t;
    given = 0;
    return 0;
}

ssize_t ftp_read(struct ftp *f, void *data, size_t size, struct trouble *t)
{
    (void)f, (void)t;
    size_t n = sent - given < size ? (size_t)(sent - given) : size;
    memset(data, 'x', n);
    given += n;
    return (ssize_t)n;
}

void ftp_data_stop(struct ftp *f)
{
    (void)f;
    is_stopped = true;
}

int gass_do(struct gass_request *g, const char *key, gass_step *step, void *ctx, bool *has_moved,
            struct trouble *t)
{
    (void)g, (void)key, (void)has_moved;
    return step(NULL, ctx, t);
}

void cp_fail(struct cp *c, struct trouble *t, bool is_jobs_choice)
{
    (void)c, (void)is_jobs_choice;
    failure = *t;
}

int trouble_set(struct trouble *t, enum gw_errc code, const char *reason, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    *t = (struct trouble){.reason = reason};
    t->err.code = code;
    vsnprintf(t->err.text, sizeof t->err.text, fmt, ap);
    va_end(ap);
    return -(int)code;
}

/* The size of what came, -1 when nothing did. */
static int64_t fetch(const char *path, uint64_t says, uint64_t sends)
{
    char *dir = tempdir_make("gass_fetch_test");
    assert_non_null(dir);
    char *to = xasprintf("%s/to", dir), *url = xasprintf("file://%s", to);
    struct gass_request g = {.r = {.to = url},
                             .class = CLASS_BULK,
                             .from = {.text = (char *)path, .path = (char *)path}};
    struct cp c = {.g = &g, .is_output = true};
    struct stat st;
    said = says;
    sent = sends;
    is_stopped = false;
    failure = (struct trouble){0};
    cp_fetch(&c);
    int64_t size = stat(to, &st) == 0 ? st.st_size : -1;
    assert_int_equal(tempdir_remove(dir), 0);
    free(url);
    free(to);
    return size;
}

static void what_was_there_when_it_was_looked_at_is_copied(void **state)
{
    (void)state;
    const uint64_t endless = UINT64_C(1) << 50;
    assert_int_equal(fetch("/d/a", 700000, 700000), 700000);
    assert_false(is_stopped);
    assert_int_equal(fetch("/d/a", 700000, 700001), 700000);
    assert_true(is_stopped);
    assert_int_equal(fetch("/d/a", 3000000, endless), 3000000);
    assert_true(is_stopped);
    assert_int_equal(fetch("/proc/x", 0, 5), 5);
    assert_false(is_stopped);
    assert_int_equal(fetch("/proc/x", 0, endless), SIZELESS_MAX);
    assert_true(is_stopped);
    assert_int_equal(fetch("/d/a", 700000, 699999), -1);
    assert_int_equal(failure.err.code, GW_EIO);
}

static void a_status_that_is_none_does_not_come_to_our_disk(void **state)
{
    (void)state;
    assert_int_equal(fetch("/home/ann/.gw_1.1.1.0.1/status", 65536, 65536), 65536);
    assert_int_equal(fetch("/home/ann/.gw_1.1.1.0.1/status", 65537, 65537), -1);
    assert_int_equal(failure.err.code, GW_EINVAL);
    assert_true(failure.is_source);
    assert_int_equal(fetch("/home/ann/.gw_1.1.1.0.1/d/status", 65537, 65537), 65537);
    assert_int_equal(fetch("/home/ann/.gw_1.1.1.0.1/result", 65537, 65537), 65537);
    assert_int_equal(fetch("/status", 65537, 65537), 65537);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_there_when_it_was_looked_at_is_copied),
        cmocka_unit_test(a_status_that_is_none_does_not_come_to_our_disk),
    };
    copy_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
