/* A state that is older than what was acknowledged, or not whole, is told from one that is not;
 * nothing of it is touched. */
#include "tests/unit/store_world.h"

static void close_store(struct world *w)
{
    store_close(w->store);
    w->store = NULL;
}

/* As a crash leaves it: what was written last is in the log. */
static void crash(struct world *w)
{
    sqlite3_db_config(w->store->state, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    close_store(w);
}

/* A command of the test, in the store's directory. */
static void shell(const struct world *w, const char *command)
{
    int status;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (chdir(w->dir) == 0)
            execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* Opening and loading, as the daemon does. */
static int begin(struct world *w, struct gw_err *err)
{
    int r = store_open(w->dir, &w->store, err);
    return r < 0 ? r : load(w, err);
}

static void check_refused(struct world *w, const char *names)
{
    struct gw_err err = {0};
    int r = begin(w, &err);
    if (r != -GW_ECORRUPT || !strstr(err.text, names))
        fail_msg("%d, \"%s\" does not name \"%s\"", r, err.text, names);
    close_store(w);
}

static void make_history(struct world *w)
{
    open_store(w);
    create(w);
    for (int i = 0; i < 10; i++)
        submit_turn(w);
    assert_int_equal(store_checkpoint(w->store, &w->state, 0, NULL), 0);
    for (int i = 0; i < 5; i++)
        submit_turn(w);
    crash(w);
}

static void what_is_taken_from_a_state_is_missed(void **state)
{
    static const struct {
        const char *change, *names;
    } cases[] = {
        {"rm state.db-wal", "acknowledged"},
        {"truncate -s -5000 state.db-wal", "acknowledged"},
        {"truncate -s 0 state.db-wal", "acknowledged"},
        {"printf x | dd of=state.db-wal bs=1 seek=9000 conv=notrunc status=none", "acknowledged"},
        {"rm state.db", "state.db is missing"},
        {"rm state.db state.db-wal state.db-shm", "state.db is missing"},
        {"truncate -s 0 state.db", "state.db is missing"},
        {"truncate -s 0 state.db; rm state.db-wal", "state.db is missing"},
        {"rm state.mark", "state.mark"},
        {"truncate -s 50 state.mark", "state.mark"},
        {"sed -i s/-mark/-Mark/g state.mark", "state.mark"},
        {"rm state.db state.mark", "state.db is missing"},
        {"mkdir restoring; rm state.db state.db-wal state.mark archive.db", "--restore"},
    };
    struct world *w = *state;
    make_history(w);
    shell(w, "mkdir ../kept.$$ && cp -p * ../kept.$$ && echo ../kept.$$ >name");
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        shell(w, cases[i].change);
        check_refused(w, cases[i].names);
        /* Each of these is put right by what was there. */
        shell(w, "k=$(cat name); rm -rf state* restoring; cp -p $k/state* $k/archive* .");
        struct gw_err err = {0};
        if (begin(w, &err) < 0)
            fail_msg("%s", err.text);
        assert_true(store_was_copied(w->store));
        crash(w);
        shell(w, "k=$(cat name); rm -f state* archive*; cp -p $k/state* $k/archive* .");
    }
    shell(w, "rm -rf $(cat name)");
}

/* A power cut, or a full disk, in the middle of a write. */
static void a_mark_that_was_cut_short_leaves_the_one_before(void **state)
{
    struct world *w = *state;
    make_history(w);
    for (int slot = 0; slot < 2; slot++) {
        char *cut =
            xasprintf("printf 'gwd-mark 1 xx' | dd of=state.mark bs=512 seek=%d conv=notrunc "
                      "status=none",
                      slot);
        reopen(w);
        submit_turn(w);
        crash(w);
        shell(w, cut);
        free(cut);
        reopen(w);
        crash(w);
    }
    /* It still tells what is missing, but for the last turn. */
    reopen(w);
    for (int i = 0; i < 3; i++)
        submit_turn(w);
    crash(w);
    shell(w, "printf x | dd of=state.mark bs=1 conv=notrunc status=none; rm state.db-wal");
    check_refused(w, "acknowledged");
}

static void a_state_that_is_refused_is_left_as_it_is(void **state)
{
    struct world *w = *state;
    make_history(w);
    shell(w, "truncate -s -5000 state.db-wal; cksum state.db state.db-wal state.mark >before");
    check_refused(w, "acknowledged");
    shell(w, "cksum state.db state.db-wal state.mark | cmp - before");
}

static void the_files_of_one_state_are_not_taken_for_those_of_another(void **state)
{
    struct world *w = *state;
    make_history(w);
    reopen(w); /* it knows its instance now */
    close_store(w);
    shell(w, "mkdir other; mv state.db archive.db other");
    shell(w, "mv state.mark other.mark");
    open_store(w);
    assert_int_equal(load(w, NULL), 0);
    struct event ev = {.kind = EV_STATE_CREATED, .instance = "another", .epoch = 1};
    assert_int_equal(turn(w, &ev, 1, NULL), 0);
    for (int i = 0; i < 40; i++)
        submit_turn(w);
    close_store(w);
    shell(w, "mv other.mark state.mark");
    check_refused(w, "instance");
}

static void a_state_that_was_not_copied_is_not_said_to_be(void **state)
{
    struct world *w = *state;
    make_history(w);
    for (int i = 0; i < 3; i++) {
        reopen(w);
        assert_false(store_was_copied(w->store));
        submit_turn(w);
    }
    /* Moved as a whole, it is what it was. */
    close_store(w);
    shell(w, "mkdir moved; mv state.* archive.* gwd.lock moved; mv moved/* .");
    reopen(w);
    assert_false(store_was_copied(w->store));
}

/* Between two checkpoints; its own checksum is good, and the number of rows is right. */
static void a_row_that_is_an_older_version_is_refused(void **state)
{
    struct world *w = *state;
    open_store(w);
    create(w);
    submit_turn(w);
    assert_int_equal(store_checkpoint(w->store, &w->state, 0, NULL), 0);
    run_sql(w, "CREATE TABLE kept AS SELECT * FROM row");
    struct event ev = {.kind = EV_WISHED, .job = 1, .task = 0, .wish = WISH_GONE};
    assert_int_equal(turn(w, &ev, 1, NULL), 0);
    assert_int_equal(store_checkpoint(w->store, &w->state, 0, NULL), 0);
    reopen(w);
    run_sql(w, "INSERT OR REPLACE INTO row SELECT * FROM kept");
    close_store(w);
    check_refused(w, "last version");
}

static void sums_are_right_after_any_history(void **state)
{
    struct world *w = *state;
    open_store(w);
    create(w);
    for (int i = 0; i < 60; i++) {
        submit_turn(w);
        struct event ev = {.kind = EV_WISHED, .job = w->state.next_job - 2, .task = TASK_ALL};
        ev.wish = WISH_GONE;
        assert_int_equal(turn(w, &ev, 1, NULL), 0);
        ev = (struct event){.kind = EV_TASK_ENDED,
                            .job = ev.job,
                            .task = TASK_ALL,
                            .outcome = OUTCOME_FAILED,
                            .reason = "killed"};
        if (i % 2 && turn(w, &ev, 1, NULL) == 0) {
            struct event gone = {.kind = EV_JOB_FORGOTTEN, .job = ev.job};
            assert_int_equal(turn(w, &gone, 1, NULL), 0);
        }
        w->store->slice_us = 0;
        assert_int_equal(store_checkpoint_some(w->store, &w->state, 7, 3, NULL), 0);
        if (i % 5 == 0)
            check_reopened(w);
    }
    check_reopened(w);
}

static void the_second_format_is_carried_over(void **state)
{
    struct world *w = *state;
    make_history(w);
    reopen(w);
    run_sql(w,
            "UPDATE meta SET value = 2 WHERE key = 'format'; DELETE FROM meta WHERE key = 'sum'");
    close_store(w);
    shell(w, "rm state.mark");
    check_reopened(w);
    assert_int_equal(w->store->format, STORE_FORMAT_ROWS);
    assert_false(store_was_copied(w->store));
    submit_turn(w);
    check_reopened(w);
    assert_int_equal(w->store->format, STORE_FORMAT);
}

static void an_archive_that_is_missing_or_older_is_refused(void **state)
{
    struct world *w = *state;
    make_history(w);
    reopen(w);
    close_store(w);
    shell(w, "cp archive.db older.db");
    reopen(w);
    for (int i = 0; i < 2; i++) {
        size_t it = 0;
        struct event ev = submit_event(w->state.next_job, 1, plain_job);
        assert_int_equal(turn(w, &ev, 1, NULL), 0);
        assert_true(store_archive_put(w->store, state_job(&w->state, ev.job), &it));
        store_archive_write(w->store, NULL, NULL);
        while (store_archive_is_busy(w->store))
            usleep(1000);
        assert_int_equal(store_archive_result(w->store, NULL), 0);
    }
    submit_turn(w);
    close_store(w);
    shell(w, "mv archive.db newer.db; rm -f archive.db-*");
    check_refused(w, "archive.db");
    shell(w, "test ! -e archive.db; cp older.db archive.db");
    check_refused(w, "batch 2");
    shell(w, "rm archive.db*; cp newer.db archive.db");
    reopen(w);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_is_taken_from_a_state_is_missed),
        TEST(a_mark_that_was_cut_short_leaves_the_one_before),
        TEST(a_state_that_is_refused_is_left_as_it_is),
        TEST(the_files_of_one_state_are_not_taken_for_those_of_another),
        TEST(a_state_that_was_not_copied_is_not_said_to_be),
        TEST(a_row_that_is_an_older_version_is_refused),
        TEST(sums_are_right_after_any_history),
        TEST(the_second_format_is_carried_over),
        TEST(an_archive_that_is_missing_or_older_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
