/* A sync of the log that fails ends the daemon, whoever asked for it. Between SQLite and the system
 * stands a layer that lets syncs of the log fail which come after a commit's own. */
#include "tests/unit/store_world.h"

#include <pthread.h>

static struct {
    sqlite3_vfs vfs, *below;
    sqlite3_io_methods log_methods;
    const sqlite3_io_methods *log_below;
    pthread_t loop;
    bool is_failing;
    int n_syncs, n_failed; /* of the log, by the loop, since they were set to 0 */
} layer;

static int sync_log(sqlite3_file *file, int flags)
{
    if (layer.is_failing && pthread_equal(pthread_self(), layer.loop) && ++layer.n_syncs > 1) {
        layer.n_failed++;
        return SQLITE_IOERR_FSYNC;
    }
    return layer.log_below->xSync(file, flags);
}

static int open_file(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *out)
{
    (void)vfs;
    int code = layer.below->xOpen(layer.below, path, file, flags, out);
    if (code == SQLITE_OK && flags & SQLITE_OPEN_WAL) {
        layer.log_below = file->pMethods;
        layer.log_methods = *file->pMethods;
        layer.log_methods.xSync = sync_log;
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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(
        a_sync_that_fails_while_the_log_is_copied_fails_the_append, setup_layer, teardown_layer)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
