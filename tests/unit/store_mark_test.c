/* A state that is older than what was acknowledged, or not whole, is told from one that is not;
 * nothing of it is touched. */
#include "tests/unit/store_world.h"

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

/* Of a later format, of this one and of the first one: nothing is made before it is known to be
 * good. */
static void a_state_that_is_refused_is_left_as_it_is(void **state)
{
    static const char sum[] = "for f in state.db state.db-wal state.mark archive.db archive.db-wal;"
                              " do [ ! -s $f ] || cksum $f; done";
    static const struct {
        const char *sql, *command, *names;
        bool is_first;
    } cases[] = {
        {"UPDATE meta SET value = value", "truncate -s -5000 state.db-wal", "acknowledged", false},
        {"UPDATE meta SET value = 4 WHERE key = 'format'", "true", "format 4", false},
        {"UPDATE checkpoint SET data = zeroblob(99)", "rm state.mark archive.db", "checksum", true},
        {"UPDATE checkpoint SET data = zeroblob(99); DROP TABLE checkpoint",
         "rm state.mark archive.db*", "checkpoint", true},
    };
    struct world *w = *state;
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        make_history(w);
        reopen(w);
        submit_turn(w);
        if (cases[i].is_first)
            make_first_format(w);
        run_sql(w, "%s", cases[i].sql);
        crash(w);
        shell(w, cases[i].command);
        char *before = xasprintf("(%s) >before", sum), *after = xasprintf("(%s) >after", sum);
        shell(w, before);
        check_refused(w, cases[i].names);
        shell(w, after);
        shell(w, "diff before after >&2 && rm -f state.* archive.*");
        free(before);
        free(after);
    }
}

/* As a backup is, whose files somebody has put there by hand. */
static void files_without_a_log_stay_so_while_they_are_refused(void **state)
{
    struct world *w = *state;
    static const char *const names[] = {"state.db", "archive.db"};
    make_history(w);
    reopen(w);
    close_store(w);
    for (size_t i = 0; i < GW_COUNT(names); i++) {
        char *path = xasprintf("%s/%s", w->dir, names[i]);
        sqlite3 *db;
        assert_int_equal(store_open_database(path, SQLITE_OPEN_READWRITE, &db, NULL), 0);
        assert_int_equal(sql_exec(db, "PRAGMA journal_mode=DELETE", "test", NULL), 0);
        sqlite3_close(db);
        free(path);
    }
    shell(w, "cksum state.db archive.db >before; cp -p state.mark kept; rm state.mark");
    check_refused(w, "state.mark");
    shell(w, "cksum state.db archive.db | diff before - >&2 && cp -p kept state.mark");
    check_reopened(w);
    submit_turn(w);
    check_reopened(w);
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
        struct event ev = submit_event(w->state.next_job, 1, plain_job);
        assert_int_equal(turn(w, &ev, 1, NULL), 0);
        write_batch(w, ev.job, i);
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
        TEST(files_without_a_log_stay_so_while_they_are_refused),
        TEST(the_files_of_one_state_are_not_taken_for_those_of_another),
        TEST(a_state_that_was_not_copied_is_not_said_to_be),
        TEST(a_row_that_is_an_older_version_is_refused),
        TEST(sums_are_right_after_any_history),
        TEST(the_second_format_is_carried_over),
        TEST(an_archive_that_is_missing_or_older_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
