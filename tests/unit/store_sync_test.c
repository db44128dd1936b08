/* A sync of the log that fails ends the daemon, whoever asked for it; a lack of space does not.
 * Between SQLite and the system stands a layer that lets writes of the log fail, or syncs: all, or
 * those which come after a commit's own. */
#include "tests/unit/store_world.h"

#include <pthread.h>

static struct {
    sqlite3_vfs vfs, *below;
    sqlite3_io_methods log_methods;
    const sqlite3_io_methods *log_below;
    pthread_t loop;
    bool is_failing;
    int write_error, sync_error; /* errno; 0: none */
    int n_syncs, n_failed;       /* of the log, by the loop, since they were set to 0 */
} layer;

static int sync_log(sqlite3_file *file, int flags)
{
    if (layer.is_failing && pthread_equal(pthread_self(), layer.loop) && ++layer.n_syncs > 1) {
        layer.n_failed++;
        return SQLITE_IOERR_FSYNC;
    }
    errno = layer.sync_error;
    return layer.sync_error ? SQLITE_IOERR_FSYNC : layer.log_below->xSync(file, flags);
}

static int write_log(sqlite3_file *file, const void *data, int len, sqlite3_int64 at)
{
    errno = layer.write_error;
    return layer.write_error ? SQLITE_IOERR_WRITE : layer.log_below->xWrite(file, data, len, at);
}

static int open_file(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *out)
{
    (void)vfs;
    int code = layer.below->xOpen(layer.below, path, file, flags, out);
    if (code == SQLITE_OK && flags & SQLITE_OPEN_WAL) {
        layer.log_below = file->pMethods;
        layer.log_methods = *file->pMethods;
        layer.log_methods.xSync = sync_log;
        layer.log_methods.xWrite = write_log;
        file->pMethods = &layer.log_methods;
    }
    return code;
}

static int setup_layer(void **state)
{
    layer.below = sqlite3_vfs_find(NULL);
    layer.vfs = *layer.below;
    layer.vfs.zName = "test";
    layer.vfs.pNext = NULL;
    layer.vfs.xOpen = open_file;
    layer.loop = pthread_self();
    return sqlite3_vfs_register(&layer.vfs, 1) == SQLITE_OK ? setup(state) : -1;
}

static int teardown_layer(void **state)
{
    int r = teardown(state);
    return sqlite3_vfs_unregister(&layer.vfs) == SQLITE_OK ? r : -1;
}

/* The log grows until the loop copies what the worker has left of it. */
static void a_sync_that_fails_while_the_log_is_copied_fails_the_append(void **state)
{
    struct world *w = *state;
    struct buf source = BUF_INIT;
    struct gw_err err = {0};
    int r = 0;
    buf_puts(&source, "EXECUTABLE = /bin/true\n#");
    for (int i = 0; i < 10000; i++)
        buf_puts(&source, "0123456789");
    open_store(w);
    create(w);
    layer.is_failing = true;
    for (int i = 0; r == 0 && i < 1000; i++) {
        buf_printf(&source, "%d", i);
        struct event ev = submit_event(w->state.next_job, 1, buf_str(&source));
        layer.n_syncs = 0;
        r = turn(w, &ev, 1, &err);
        assert_true((r < 0) == (layer.n_failed > 0));
    }
    assert_int_equal(r, -GW_EIO);
    assert_non_null(strstr(err.text, "copying the log"));
    layer.is_failing = false;
    buf_clear(&source);
}

/* What may be tried again is a write: what a sync has not brought to disk may be lost. */
static void a_lack_of_space_is_told_from_a_disk_that_fails(void **state)
{
    static const struct {
        int write_error, sync_error, r;
    } cases[] = {{EDQUOT, 0, -GW_ENOSPC},
                 {ENOSPC, 0, -GW_ENOSPC},
                 {EIO, 0, -GW_EIO},
                 {0, ENOSPC, -GW_EIO},
                 {0, EDQUOT, -GW_EIO}};
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        struct world *w = *state;
        struct buf b = BUF_INIT;
        struct gw_err err = {0};
        open_store(w);
        create(w);
        struct event ev = submit_event(w->state.next_job, 1, plain_job);
        ev.seq = w->state.seq + 1;
        event_encode(&ev, &b);
        layer.write_error = cases[i].write_error;
        layer.sync_error = cases[i].sync_error;
        assert_int_equal(store_append(w->store, ev.seq, 1, &b, &err), cases[i].r);
        layer.write_error = layer.sync_error = 0;
        if (cases[i].r == -GW_ENOSPC) {
            assert_non_null(strstr(err.text, "full"));
            assert_int_equal(store_append(w->store, ev.seq, 1, &b, &err), 0);
            assert_int_equal(state_apply(&w->state, &ev, NULL), 0);
            check_reopened(w);
        }
        buf_clear(&b);
        close_store(w);
        shell(w, "rm -f state.* archive.*");
        state_clear(&w->state);
        state_init(&w->state);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_layer, teardown_layer)
    const struct CMUnitTest tests[] = {
        TEST(a_sync_that_fails_while_the_log_is_copied_fails_the_append),
        TEST(a_lack_of_space_is_told_from_a_disk_that_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
