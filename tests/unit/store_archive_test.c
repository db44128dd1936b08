/* The archive of finished jobs (gwd/store/archive.c). */
#include "gwd/store/copy_private.h"
#include "tests/unit/store_world.h"

static void end_task(struct world *w, uint64_t job, uint64_t task, const char *reason)
{
    struct event ev = {.kind = EV_TASK_ENDED,
                       .job = job,
                       .task = task,
                       .outcome = OUTCOME_FAILED,
                       .reason = reason};
    assert_int_equal(turn(w, &ev, 1, NULL), 0);
}

static int64_t now_us = INT64_C(1767225600000000); /* of the clock of batches */

static void archive(struct world *w, uint64_t job)
{
    struct gw_err err = {0};
    write_batch(w, job, now_us++);
    if (store_archive_result(w->store, &err) < 0)
        fail_msg("%s", err.text);
}

/* NULL: it is not there. */
static void check_archived(struct world *w, uint64_t id, const char *reason)
{
    struct job *j;
    struct gw_err err = {0};
    int r = store_find_archived(w->store, id, &j, &err);
    if (r < 0)
        fail_msg("%s", err.text);
    assert_int_equal(r, reason != NULL);
    if (reason) {
        struct task *t = job_task(j, id - j->id);
        assert_string_equal(j->spec->source, plain_job);
        assert_string_equal(t->reason.code, reason);
    }
}

static int count_archived(struct world *w, const char *table)
{
    char *sql = xasprintf("SELECT count(*) FROM %s", table);
    sqlite3_stmt *q;
    assert_int_equal(sql_prepare(w->store->archive, sql, &q, NULL), 0);
    assert_int_equal(sqlite3_step(q), SQLITE_ROW);
    int n = sqlite3_column_int(q, 0);
    sqlite3_finalize(q);
    free(sql);
    return n;
}

static void a_finished_task_is_archived_once_however_often_it_is_written(void **state)
{
    struct world *w = *state;
    open_store(w);
    create(w);
    submit_turn(w); /* two tasks, 1 and 2 */
    struct event single = submit_event(w->state.next_job, 1, plain_job);
    assert_int_equal(turn(w, &single, 1, NULL), 0);
    end_task(w, 1, 0, "no-input");
    end_task(w, 1, TASK_ALL, "killed");
    end_task(w, 3, 0, "io");
    check_archived(w, 1, NULL);
    for (int i = 0; i < 3; i++) {
        archive(w, 1);
        archive(w, 3);
        check_archived(w, 1, "no-input");
        check_archived(w, 2, "killed");
        check_archived(w, 3, "io");
        check_archived(w, 4, NULL);
        reopen(w);
    }
    assert_int_equal(count_archived(w, "job"), 2);
    assert_int_equal(count_archived(w, "job_task"), 2);
    assert_int_equal(count_archived(w, "spec"), 1);
}

static void what_an_earlier_version_archived_is_found(void **state)
{
    struct world *w = *state;
    char *job = NULL, *history = NULL;
    open_store(w);
    create(w);
    assert_int_equal(store_find_archived_text(w->store, 7, &job, &history, NULL), 0);
    assert_null(job);
    assert_int_equal(sql_exec(w->store->archive,
                              "INSERT INTO task VALUES(7, 1000, 'ann', 5, '{\"id\":7}', '[]')",
                              "test", NULL),
                     0);
    reopen(w);
    assert_int_equal(store_find_archived_text(w->store, 7, &job, &history, NULL), 1);
    assert_string_equal(job, "{\"id\":7}");
    assert_string_equal(history, "[]");
    free(job);
    free(history);
}

/* Jobs 1 and 3, of two tasks each. */
static void open_with_two_that_ended(struct world *w)
{
    open_store(w);
    create(w);
    submit_turn(w);
    submit_turn(w);
    end_task(w, 1, TASK_ALL, "killed");
    end_task(w, 3, TASK_ALL, "killed");
}

static void what_is_older_than_the_archive_keeps_goes_when_others_come(void **state)
{
    struct world *w = *state;
    open_with_two_that_ended(w);
    archive(w, 1);
    store_archive_retain(w->store, 60 * 1000000);
    archive(w, 3);
    check_archived(w, 1, "killed");
    assert_int_equal(
        sql_exec(w->store->archive, "UPDATE batch SET at_us = 1 WHERE id = 1", "test", NULL), 0);
    archive(w, 3);
    check_archived(w, 1, NULL);
    check_archived(w, 3, "killed");
    assert_int_equal(count_archived(w, "job"), 1);
    assert_int_equal(count_archived(w, "job_task"), 2);
    assert_int_equal(count_archived(w, "spec"), 1);
    assert_int_equal(count_archived(w, "batch"), 2);
}

enum { KEPT_US = 60 * 1000000 };

/* Empty batches, until no more is asked for; how many. */
static int drop_old(struct world *w)
{
    struct gw_err err = {0};
    int n = 0;
    do {
        write_put(w, now_us);
        if (store_archive_result(w->store, &err) < 0)
            fail_msg("%s", err.text);
        n++;
    } while (store_archive_next_us(w->store) <= now_us && n < 1000);
    return n;
}

static void what_is_too_old_goes_when_no_others_come(void **state)
{
    struct world *w = *state;
    open_with_two_that_ended(w);
    archive(w, 1);
    assert_true(store_archive_next_us(w->store) == INT64_MAX);
    store_archive_retain(w->store, KEPT_US);
    int64_t due_us = now_us - 1 + KEPT_US + 1;
    now_us += KEPT_US / 2;
    archive(w, 3);
    assert_int_equal(store_archive_next_us(w->store), due_us);
    now_us = due_us - 1;
    drop_old(w);
    check_archived(w, 1, "killed");
    assert_int_equal(store_archive_next_us(w->store), due_us);
    now_us = due_us;
    drop_old(w);
    check_archived(w, 1, NULL);
    check_archived(w, 3, "killed");
    now_us += KEPT_US;
    drop_old(w);
    check_archived(w, 3, NULL);
    assert_true(store_archive_next_us(w->store) == INT64_MAX);
    assert_int_equal(count_archived(w, "batch"), 0);
    reopen(w); /* its number is still what the mark asks for */
    archive(w, 1);
    check_archived(w, 1, "killed");
}

static long file_size(const struct world *w, const char *name)
{
    char *path = xasprintf("%s/%s", w->dir, name);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    free(path);
    return (long)st.st_size;
}

static void what_old_ones_leave_free_goes_back_to_the_file_system(void **state)
{
    enum { JOBS = 60, LONG = 200000 };
    struct world *w = *state;
    open_store(w);
    create(w);
    for (int i = 0; i < JOBS; i++) {
        struct buf source = BUF_INIT;
        buf_printf(&source, "%s# %0*d\n", plain_job, LONG, i);
        struct event ev = submit_event(w->state.next_job, 1, buf_str(&source));
        assert_int_equal(turn(w, &ev, 1, NULL), 0);
        end_task(w, ev.job, 0, "io");
        archive(w, ev.job);
        buf_clear(&source);
    }
    assert_true(file_size(w, "archive.db") > JOBS / 2 * LONG);
    store_archive_retain(w->store, KEPT_US);
    now_us += 2 * KEPT_US;
    assert_true(drop_old(w) > JOBS / 4); /* in slices */
    assert_int_equal(count_archived(w, "job"), 0);
    assert_true(file_size(w, "archive.db") < LONG);
}

/* As a start makes of it after a crash between the archive's commit and the state's. */
static void a_job_that_is_archived_again_goes_with_the_later_batch(void **state)
{
    const bool is_of_before[] = {false, true}; /* jobs did not say of which batch they are */
    for (size_t i = 0; i < GW_COUNT(is_of_before); i++) {
        struct world *w = *state;
        char *path = xasprintf("%s/archive.db", w->dir);
        uint64_t n;
        struct gw_err err = {0};
        open_with_two_that_ended(w);
        archive(w, 1);
        now_us += KEPT_US / 2;
        archive(w, 1);
        if (is_of_before[i]) {
            assert_int_equal(
                sql_exec(w->store->archive, "ALTER TABLE job DROP COLUMN batch", "test", &err), 0);
            reopen(w);
            assert_int_equal(sql_exec(w->store->archive,
                                      "UPDATE batch SET at_us = at_us - 30000000 WHERE id = 1",
                                      "test", &err),
                             0);
        }
        store_archive_retain(w->store, KEPT_US);
        now_us += KEPT_US / 2 + 1000000;
        archive(w, 3);
        assert_int_equal(count_archived(w, "batch"), 2);
        check_archived(w, 1, "killed");
        check_archived(w, 2, "killed");
        if (check_archive(path, &n, &err) < 0)
            fail_msg("%s", err.text);
        now_us += KEPT_US;
        archive(w, 3);
        check_archived(w, 1, NULL);
        check_archived(w, 2, NULL);
        check_archived(w, 3, "killed");
        assert_int_equal(check_archive(path, &n, &err), 0);
        assert_int_equal(n, 1);
        free(path);
        close_store(w);
        shell(w, "rm -f state.* archive.*");
        state_clear(&w->state);
        state_init(&w->state);
    }
}

/* What they have for times is of a clock that may have been set. */
static void batches_of_before_begin_their_time_anew(void **state)
{
    struct world *w = *state;
    int64_t newest_us = 0;
    open_store(w);
    create(w);
    submit_turn(w);
    end_task(w, 1, TASK_ALL, "killed");
    assert_int_equal(store_archive_newest(w->store, &newest_us, NULL), 0);
    assert_int_equal(newest_us, 0);
    archive(w, 1);
    archive(w, 1);
    assert_int_equal(sql_exec(w->store->archive,
                              "ALTER TABLE job DROP COLUMN batch;"
                              "UPDATE batch SET at_us = 1 WHERE id = 1;"
                              "UPDATE batch SET at_us = 5 WHERE id = 2",
                              "test", NULL),
                     0);
    reopen(w);
    assert_int_equal(store_archive_newest(w->store, &newest_us, NULL), 0);
    assert_int_equal(newest_us, 5);
    store_archive_retain(w->store, 2);
    now_us = 6;
    archive(w, 1);
    assert_int_equal(count_archived(w, "batch"), 3);
}

/* Nothing of a batch is there when it could not be written; the next one is. */
static void an_archive_that_cannot_be_written_says_so_and_goes_on_later(void **state)
{
    struct world *w = *state;
    struct gw_err err = {0};
    open_store(w);
    create(w);
    submit_turn(w);
    end_task(w, 1, TASK_ALL, "killed");
    assert_int_equal(sql_exec(w->store->archive,
                              "CREATE TRIGGER no BEFORE INSERT ON job BEGIN SELECT RAISE(ABORT, "
                              "'not now'); END",
                              "test", NULL),
                     0);
    write_batch(w, 1, now_us);
    assert_true(store_archive_result(w->store, &err) < 0);
    assert_non_null(strstr(err.text, "not now"));
    check_archived(w, 1, NULL);
    assert_int_equal(sql_exec(w->store->archive, "DROP TRIGGER no", "test", NULL), 0);
    archive(w, 1);
    check_archived(w, 1, "killed");
}

static void an_archive_that_cannot_be_made_is_an_error(void **state)
{
    struct world *w = *state;
    struct gw_err err = {0};
    char *path = xasprintf("%s/archive.db", w->dir);
    open_store(w);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_true(load(w, &err) < 0);
    assert_non_null(strstr(err.text, "archive.db"));
    free(path);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_finished_task_is_archived_once_however_often_it_is_written),
        TEST(what_an_earlier_version_archived_is_found),
        TEST(what_is_older_than_the_archive_keeps_goes_when_others_come),
        TEST(what_is_too_old_goes_when_no_others_come),
        TEST(what_old_ones_leave_free_goes_back_to_the_file_system),
        TEST(a_job_that_is_archived_again_goes_with_the_later_batch),
        TEST(batches_of_before_begin_their_time_anew),
        TEST(an_archive_that_cannot_be_written_says_so_and_goes_on_later),
        TEST(an_archive_that_cannot_be_made_is_an_error),
    };
    return cmocka_run_group_tests_name("store_archive", tests, NULL, NULL);
}
