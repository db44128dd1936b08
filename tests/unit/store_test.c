/* The store: what was acknowledged is there after any crash, and what does not verify is named and
 * refused. */
#include "tests/unit/store_world.h"

/* --- what is stored comes back --- */

static void an_empty_directory_gives_an_empty_state(void **state)
{
    struct world *w = *state;
    open_store(w);
    assert_int_equal(load(w, NULL), 0);
    assert_null(w->state.instance);
    assert_int_equal(w->state.seq, 0);
}

static void turns_come_back_as_they_were_with_and_without_a_checkpoint(void **state)
{
    struct world *w = *state;
    open_store(w);
    create(w);
    for (int i = 0; i < 20; i++)
        submit_turn(w);
    assert_int_equal(store_journal_rows(w->store), 21);
    check_reopened(w);
    assert_int_equal(store_journal_rows(w->store), 21);
    for (int round = 0; round < 3; round++) {
        assert_int_equal(store_checkpoint(w->store, &w->state, 10, NULL), 0);
        assert_int_equal(store_journal_rows(w->store), 0);
        check_reopened(w);
        submit_turn(w);
        assert_int_equal(store_journal_rows(w->store), 1);
        check_reopened(w);
        assert_int_equal(store_journal_rows(w->store), 1);
    }
}

static void a_checkpoint_of_many_rows_comes_back_whole(void **state)
{
    struct world *w = *state;
    open_store(w);
    create(w);
    /* Each job has another text of 100 KB. */
    struct buf source = BUF_INIT;
    for (int i = 0; i < 40; i++) {
        buf_reset(&source);
        buf_printf(&source, "EXECUTABLE = /bin/true\n# %d ", i);
        for (int k = 0; k < 10000; k++)
            buf_puts(&source, "0123456789");
        struct event ev = submit_event(w->state.next_job, 1, buf_str(&source));
        assert_int_equal(turn(w, &ev, 1, NULL), 0);
    }
    buf_clear(&source);
    assert_int_equal(store_checkpoint(w->store, &w->state, 0, NULL), 0);
    check_reopened(w);
}

static void a_store_of_the_first_format_is_carried_over(void **state)
{
    struct world *w = *state;
    open_store(w);
    create(w);
    for (int i = 0; i < 5; i++)
        submit_turn(w);
    make_first_format(w);
    /* What came after the checkpoint. */
    for (int i = 0; i < 3; i++)
        submit_turn(w);
    check_reopened(w);
    assert_int_equal(w->store->format, 1);
    check_reopened(w);
    assert_int_equal(w->store->format, STORE_FORMAT);
    submit_turn(w);
    check_reopened(w);
}

/* Rows of what changed, some at a time, with turns between them and a crash after any. */
static void a_checkpoint_in_slices_comes_back_after_each_of_them(void **state)
{
    struct world *w = *state;
    open_store(w);
    create(w);
    assert_int_equal(store_checkpoint_some(w->store, &w->state, 10, 5, NULL), 0);
    assert_true(w->store->has_head);
    unsigned n_in_round = 0;
    for (int i = 0; i < 100; i++) {
        submit_turn(w);
        w->store->slice_us = 0; /* a row at a time */
        assert_int_equal(store_checkpoint_some(w->store, &w->state, 10, 5, NULL), 0);
        n_in_round += w->store->step != STEP_NONE;
        check_reopened(w);
    }
    assert_true(n_in_round > 50);
}

struct seen {
    uint64_t first, last, n, stop_after;
};

static bool see(void *ctx, const struct event *ev)
{
    struct seen *s = ctx;
    assert_true(s->n == 0 || ev->seq == s->last + 1);
    if (s->n++ == 0)
        s->first = ev->seq;
    s->last = ev->seq;
    return s->n != s->stop_after;
}

static void a_watcher_reads_from_any_event_that_is_kept(void **state)
{
    struct world *w = *state;
    uint64_t oldest;
    open_store(w);
    create(w);
    for (int i = 0; i < 10; i++)
        submit_turn(w);
    for (uint64_t from = 1; from <= 33; from++) {
        struct seen seen = {0};
        assert_int_equal(store_read(w->store, from, see, &seen, &oldest, NULL), 0);
        assert_int_equal(oldest, 1);
        assert_int_equal(seen.n, from <= 31 ? 32 - from : 0);
        if (seen.n)
            assert_int_equal(seen.first, from);
    }
    struct seen few = {.stop_after = 5};
    assert_int_equal(store_read(w->store, 3, see, &few, &oldest, NULL), 0);
    assert_int_equal(few.last, 7);
}

static void events_that_are_no_longer_kept_are_told_with_the_oldest(void **state)
{
    struct world *w = *state;
    uint64_t oldest = 0;
    struct gw_err err = {0};
    struct seen seen = {0};
    open_store(w);
    create(w);
    for (int i = 0; i < 10; i++)
        submit_turn(w);
    /* 31 events; the last 5 and those of their turns stay. */
    assert_int_equal(store_checkpoint(w->store, &w->state, 5, NULL), 0);
    assert_int_equal(store_read(w->store, 1, see, &seen, &oldest, &err), -GW_ENOENT);
    assert_int_equal(oldest, 26);
    assert_int_equal(store_read(w->store, oldest, see, &seen, &oldest, NULL), 0);
    assert_int_equal(seen.n, 6);
    /* None is kept: what was there once is not taken for nothing having happened. */
    assert_int_equal(store_checkpoint(w->store, &w->state, 0, NULL), 0);
    for (int i = 0; i < 2; i++) {
        seen = (struct seen){0};
        assert_int_equal(store_read(w->store, 31, see, &seen, &oldest, &err), -GW_ENOENT);
        assert_int_equal(oldest, 32);
        assert_int_equal(store_read(w->store, 32, see, &seen, &oldest, &err), 0);
        assert_int_equal(seen.n, 0);
        reopen(w);
    }
}

/* --- one daemon --- */

static void a_second_daemon_is_refused_and_told_the_pid_of_the_first(void **state)
{
    struct world *w = *state;
    struct store *second = NULL;
    struct gw_err err = {0};
    open_store(w);
    /* flock is of the open file, so this process can be its own rival. */
    assert_int_equal(store_open(w->dir, &second, &err), -GW_EEXIST);
    char *pid = xasprintf("pid %ld", (long)getpid());
    assert_non_null(strstr(err.text, pid));
    assert_non_null(strstr(err.text, w->dir));
    assert_null(second);
    free(pid);
    store_close(w->store);
    w->store = NULL;
    open_store(w);
}

static void a_directory_that_is_not_there_is_named(void **state)
{
    struct world *w = *state;
    struct store *s = NULL;
    struct gw_err err = {0};
    char *dir = xasprintf("%s/none", w->dir);
    assert_int_equal(store_open(dir, &s, &err), -GW_ENOENT);
    assert_non_null(strstr(err.text, dir));
    free(dir);
}

static void files_that_are_not_ours_are_refused(void **state)
{
    struct world *w = *state;
    struct store *s = NULL;
    struct gw_err err = {0};
    char *path = xasprintf("%s/state.db", w->dir);
    char junk[4096];
    memset(junk, 'j', sizeof junk);
    assert_int_equal(file_write(path, junk, sizeof junk, 0600, NULL), 0);
    assert_int_equal(store_open(w->dir, &s, &err), -GW_ECORRUPT);
    assert_non_null(strstr(err.text, path));
    /* The file is left as it was. */
    struct buf b = BUF_INIT;
    assert_int_equal(file_read(path, 1 << 20, &b, NULL), 0);
    assert_int_equal(b.len, sizeof junk);
    buf_clear(&b);
    free(path);
}

static void a_store_of_a_later_version_is_refused(void **state)
{
    struct world *w = *state;
    struct store *s = NULL;
    struct gw_err err = {0};
    open_store(w);
    assert_int_equal(
        sql_exec(w->store->state, "UPDATE meta SET value = 4 WHERE key = 'format'", "test", NULL),
        0);
    store_close(w->store);
    w->store = NULL;
    assert_int_equal(store_open(w->dir, &s, &err), -GW_ECORRUPT);
    assert_non_null(strstr(err.text, "format 4"));
}

/* --- damage --- */

static void check_refused(struct world *w, const char *names)
{
    struct gw_err err = {0};
    assert_int_equal(load(w, &err), -GW_ECORRUPT);
    if (!strstr(err.text, names))
        fail_msg("\"%s\" does not name \"%s\"", err.text, names);
}

static long blob_length(struct world *w, const char *table, const char *key, uint64_t number)
{
    char *sql = xasprintf("SELECT length(data) FROM %s WHERE %s = %" PRIu64, table, key, number);
    sqlite3_stmt *q;
    assert_int_equal(sql_prepare(w->store->state, sql, &q, NULL), 0);
    assert_int_equal(sqlite3_step(q), SQLITE_ROW);
    long len = (long)sqlite3_column_int64(q, 0);
    sqlite3_finalize(q);
    free(sql);
    return len;
}

static void flip(struct world *w, const char *table, uint64_t number, long at)
{
    sqlite3_blob *blob;
    unsigned char c;
    assert_int_equal(
        sqlite3_blob_open(w->store->state, "main", table, "data", (sqlite3_int64)number, 1, &blob),
        SQLITE_OK);
    assert_int_equal(sqlite3_blob_read(blob, &c, 1, (int)at), SQLITE_OK);
    c ^= 0x10;
    assert_int_equal(sqlite3_blob_write(blob, &c, 1, (int)at), SQLITE_OK);
    sqlite3_blob_close(blob);
}

static void a_flipped_byte_anywhere_is_refused_with_the_name_of_its_row(void **state)
{
    struct world *w = *state;
    open_store(w);
    create(w);
    for (int i = 0; i < 4; i++)
        submit_turn(w);
    for (uint64_t row = 2; row < 14; row += 3)
        for (long at = 0; at < blob_length(w, "journal", "seq", row); at++) {
            char *name = xasprintf("journal row %" PRIu64 ":", row);
            flip(w, "journal", row, at);
            check_refused(w, name);
            flip(w, "journal", row, at);
            free(name);
        }
    assert_int_equal(load(w, NULL), 0);
    assert_int_equal(store_checkpoint(w->store, &w->state, 0, NULL), 0);
    static const struct {
        const char *table, *key;
        uint64_t number;
    } rows[] = {{"row", "key", 2}, {"row", "key", 3}, {"row", "key", 10}, {"spec", "id", 1}};
    for (size_t i = 0; i < GW_COUNT(rows); i++)
        for (long at = 0; at < blob_length(w, rows[i].table, rows[i].key, rows[i].number); at++) {
            char *name = xasprintf("checkpoint %s %" PRIu64 ":", rows[i].table, rows[i].number);
            flip(w, rows[i].table, rows[i].number, at);
            check_refused(w, name);
            flip(w, rows[i].table, rows[i].number, at);
            free(name);
        }
    run_sql(w, "BEGIN; UPDATE meta SET value = value || x'00' WHERE key = 'head'");
    check_refused(w, "checkpoint head");
    run_sql(w, "ROLLBACK");
    assert_int_equal(load(w, NULL), 0);
}

static void a_missing_row_is_refused(void **state)
{
    static const struct {
        const char *damage, *names;
    } cases[] = {
        {"DELETE FROM journal WHERE seq = 1", "journal row 2:"},
        {"DELETE FROM journal WHERE seq = 5", "journal row 8:"},
        {"UPDATE journal SET seq = 6 WHERE seq = 5", "journal row 6:"},
        {"UPDATE journal SET n = 2 WHERE seq = 5", "journal row 5:"},
        {"UPDATE journal SET data = x'' WHERE seq = 5", "journal row 5:"},
        {"UPDATE journal SET data = NULL WHERE 0; UPDATE journal SET data = 'text' WHERE seq = 5",
         "journal row 5:"},
    };
    struct world *w = *state;
    open_store(w);
    create(w);
    for (int i = 0; i < 4; i++)
        submit_turn(w);
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        run_sql(w, "BEGIN; %s", cases[i].damage);
        check_refused(w, cases[i].names);
        run_sql(w, "ROLLBACK");
    }
    assert_int_equal(load(w, NULL), 0);
}

static void a_checkpoint_that_is_not_whole_is_refused(void **state)
{
    struct world *w = *state;
    open_store(w);
    create(w);
    struct buf source = BUF_INIT;
    for (int i = 0; i < 30; i++) {
        buf_reset(&source);
        buf_printf(&source, "EXECUTABLE = /bin/true\n# %d ", i);
        for (int k = 0; k < 10000; k++)
            buf_puts(&source, "0123456789");
        struct event ev = submit_event(w->state.next_job, 1, buf_str(&source));
        assert_int_equal(turn(w, &ev, 1, NULL), 0);
    }
    buf_clear(&source);
    assert_int_equal(store_checkpoint(w->store, &w->state, 0, NULL), 0);
    static const char *const damages[] = {
        "DELETE FROM row WHERE key = 2",
        "DELETE FROM row WHERE key = 20",
        "DELETE FROM row WHERE key = (SELECT max(key) FROM row)",
        "DELETE FROM row",
        "DELETE FROM spec WHERE id = 7",
        "DELETE FROM meta WHERE key = 'head'",
        "DELETE FROM meta WHERE key = 'rows'",
        "UPDATE row SET key = 62 WHERE key = 60",
        "INSERT INTO row VALUES(1, x'00')",
    };
    for (size_t i = 0; i < GW_COUNT(damages); i++) {
        run_sql(w, "BEGIN; %s", damages[i]);
        check_refused(w, "checkpoint");
        run_sql(w, "ROLLBACK");
    }
    assert_int_equal(load(w, NULL), 0);
}

/* --- crashes --- */

/* Append turns for ever, telling through the pipe how many are acknowledged. */
static void append_until_killed(const char *dir, int acknowledge, int checkpoint_every)
{
    struct world w = {.dir = xstrdup(dir)};
    state_init(&w.state);
    if (store_open(dir, &w.store, NULL) < 0 || load(&w, NULL) < 0)
        _exit(1);
    if (!w.state.instance)
        create(&w);
    for (;;) {
        submit_turn(&w);
        uint64_t seq = w.state.seq;
        if (write(acknowledge, &seq, sizeof seq) != sizeof seq)
            _exit(2);
        if (store_journal_rows(w.store) >= (uint64_t)checkpoint_every &&
            store_checkpoint(w.store, &w.state, 10, NULL) < 0)
            _exit(3);
    }
}

static void killed_in_the_middle_of_appends_it_loses_nothing_that_was_acknowledged(void **state)
{
    struct world *w = *state;
    uint64_t acknowledged = 0;
    for (int round = 0; round < 12; round++) {
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            close(ends[0]);
            append_until_killed(w->dir, ends[1], 5);
        }
        close(ends[1]);
        uint64_t seq;
        /* Killed after some acknowledgement, wherever it is then. */
        for (int i = 0; i <= round * 2; i++)
            if (read(ends[0], &seq, sizeof seq) == sizeof seq)
                acknowledged = seq;
        kill(pid, SIGKILL);
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        while (read(ends[0], &seq, sizeof seq) == sizeof seq)
            acknowledged = seq;
        close(ends[0]);
        reopen(w);
        assert_true(w->state.seq >= acknowledged);
        /* A turn is there whole or not at all: create is 1 event, all others have 3. */
        assert_int_equal(w->state.seq % 3, 1);
        assert_null(recount(&w->state));
        store_close(w->store);
        w->store = NULL;
    }
    assert_true(acknowledged > 3 * 12);
}

static void a_full_disk_is_told_and_what_was_there_stays(void **state)
{
    struct world *w = *state;
    struct gw_err err = {0};
    open_store(w);
    create(w);
    submit_turn(w);
    uint64_t seq = w->state.seq;
    run_sql(w, "PRAGMA max_page_count = 1"); /* as few as are in use */
    int r = 0;
    for (int i = 0; i < 100 && r == 0; i++) {
        struct event ev = submit_event(w->state.next_job, 1, plain_job);
        r = turn(w, &ev, 1, &err);
        seq += r == 0;
    }
    assert_int_equal(r, -GW_ENOSPC);
    assert_non_null(strstr(err.text, "full"));
    reopen(w);
    assert_int_equal(w->state.seq, seq);
    submit_turn(w);
    check_reopened(w);
}

/* A write that the kernel refuses: a limit on the size of files, in a process of its own. */
static void a_refused_write_is_told_and_what_was_there_stays(void **state)
{
    struct world *w = *state;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct rlimit limit = {200000, 200000};
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &limit);
        struct gw_err err = {0};
        int r = store_open(w->dir, &w->store, &err);
        struct event first = created_event();
        if (r < 0 || load(w, NULL) < 0 || turn(w, &first, 1, NULL) < 0)
            _exit(1);
        for (int i = 0; i < 1000 && r == 0; i++) {
            struct event ev = submit_event(w->state.next_job, 1, plain_job);
            r = turn(w, &ev, 1, &err);
        }
        store_close(w->store);
        _exit((r == -GW_EIO || r == -GW_ENOSPC) && err.text[0] ? 0 : 2);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    reopen(w);
    assert_true(w->state.seq > 1);
    submit_turn(w);
    check_reopened(w);
}

static void a_checkpoint_that_cannot_be_written_leaves_the_one_before(void **state)
{
    struct world *w = *state;
    struct gw_err err = {0};
    open_store(w);
    create(w);
    submit_turn(w);
    assert_int_equal(store_checkpoint(w->store, &w->state, 0, NULL), 0);
    submit_turn(w);
    uint64_t rows = store_journal_rows(w->store);
    run_sql(w, "CREATE TEMP TRIGGER no BEFORE INSERT ON main.row BEGIN SELECT RAISE(ABORT, "
               "'no'); END");
    assert_true(store_checkpoint(w->store, &w->state, 0, &err) < 0);
    assert_true(err.text[0]);
    assert_int_equal(store_journal_rows(w->store), rows);
    check_reopened(w);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(an_empty_directory_gives_an_empty_state),
        TEST(turns_come_back_as_they_were_with_and_without_a_checkpoint),
        TEST(a_checkpoint_of_many_rows_comes_back_whole),
        TEST(a_store_of_the_first_format_is_carried_over),
        TEST(a_checkpoint_in_slices_comes_back_after_each_of_them),
        TEST(a_watcher_reads_from_any_event_that_is_kept),
        TEST(events_that_are_no_longer_kept_are_told_with_the_oldest),
        TEST(a_second_daemon_is_refused_and_told_the_pid_of_the_first),
        TEST(a_directory_that_is_not_there_is_named),
        TEST(files_that_are_not_ours_are_refused),
        TEST(a_store_of_a_later_version_is_refused),
        TEST(a_flipped_byte_anywhere_is_refused_with_the_name_of_its_row),
        TEST(a_missing_row_is_refused),
        TEST(a_checkpoint_that_is_not_whole_is_refused),
        TEST(killed_in_the_middle_of_appends_it_loses_nothing_that_was_acknowledged),
        TEST(a_full_disk_is_told_and_what_was_there_stays),
        TEST(a_refused_write_is_told_and_what_was_there_stays),
        TEST(a_checkpoint_that_cannot_be_written_leaves_the_one_before),
    };
    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
