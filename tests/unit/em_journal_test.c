/* What the fork driver remembers of jobs without a directory, over its own end and that of others.
 */
#include "em/journal.h"
#include "lib/file.h"
#include "lib/mem.h"
#include "tests/unit/tempdir.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char *dir;

static struct journals *begin(void)
{
    struct gw_err err;
    struct journals *js = journals_create(dir, &err);
    if (!js)
        fail_msg("%s", err.text);
    return js;
}

static struct record look(struct journals *js, const char *token)
{
    struct record r;
    struct gw_err err;
    if (journal_look(js, token, &r, &err) < 0)
        fail_msg("%s", err.text);
    return r;
}

static void write_all(struct journals *js)
{
    struct gw_err err;
    if (journals_write(js, true, &err) < 0)
        fail_msg("%s", err.text);
}

/* What another run does; it lives until it is told to go. */
struct other {
    pid_t pid;
    int to, from;
};

static struct other other_begin(void (*act)(struct journals *js, int step))
{
    int to[2], from[2];
    char c;
    assert_true(pipe(to) == 0 && pipe(from) == 0);
    struct other o = {.pid = fork(), .to = to[1], .from = from[0]};
    if (o.pid == 0) {
        close(to[1]);
        close(from[0]);
        struct journals *js = begin();
        for (int step = 0; step == 0 || read(to[0], &c, 1) == 1; step++) {
            act(js, step);
            if (write(from[1], "x", 1) != 1)
                break;
        }
        _exit(0);
    }
    close(to[0]);
    close(from[1]);
    assert_int_equal(read(o.from, &c, 1), 1);
    return o;
}

static void other_step(struct other *o)
{
    char c;
    assert_int_equal(write(o->to, "x", 1), 1);
    assert_int_equal(read(o->from, &c, 1), 1);
}

static void other_end(struct other *o)
{
    kill(o->pid, SIGKILL);
    waitpid(o->pid, NULL, 0);
    close(o->to);
    close(o->from);
}

static struct process_id process_of(pid_t pid)
{
    struct process_id id;
    assert_int_equal(process_identify(pid, &id, NULL), 0);
    return id;
}

static void ends(struct journals *js, int step)
{
    (void)step;
    struct process_id self = process_of(getpid());
    look(js, "i.1.1.0.1");
    for (int n = 1; n <= 5; n++) {
        char token[32];
        snprintf(token, sizeof token, "i.1.%d.0.1", n);
        journal_start(js, token);
        if (n == 5)
            journal_never(js, token);
        else if (n > 1)
            journal_run(js, token, &self);
    }
    journal_end(js, "i.1.3.0.1", 7);
    journal_lose(js, "i.1.4.0.1");
    write_all(js);
}

static void a_later_run_knows_what_was_started_and_how_it_ended(void **state)
{
    (void)state;
    struct other o = other_begin(ends);
    other_end(&o);
    for (int again = 0; again < 3; again++) { /* taken over, and taken over again */
        struct journals *js = begin();
        assert_int_equal(look(js, "i.1.1.0.1").state, RECORD_LOST); /* no process was known */
        assert_int_equal(look(js, "i.1.2.0.1").state, RECORD_LOST); /* it has ended since */
        assert_int_equal(look(js, "i.1.3.0.1").state, RECORD_ENDED);
        assert_int_equal(look(js, "i.1.3.0.1").code, 7);
        assert_int_equal(look(js, "i.1.4.0.1").state, RECORD_LOST);
        assert_int_equal(look(js, "i.1.5.0.1").state, RECORD_NONE);
        assert_int_equal(look(js, "i.1.6.0.1").state, RECORD_NONE);
        assert_int_equal(look(js, "other.1.3.0.1").state, RECORD_NONE);
        journals_destroy(js);
    }
}

static void runs_then_ends(struct journals *js, int step)
{
    struct process_id parent = process_of(getppid()); /* lives as long as the test */
    look(js, "i.1.1.0.1");
    if (step == 0) {
        journal_start(js, "i.1.1.0.1");
        journal_run(js, "i.1.1.0.1", &parent);
        journal_start(js, "i.1.2.0.1");
        journal_run(js, "i.1.2.0.1", &parent);
    } else {
        journal_end(js, "i.1.1.0.1", 42);
    }
    write_all(js);
}

static void what_a_run_that_lives_still_writes_is_read(void **state)
{
    (void)state;
    struct other o = other_begin(runs_then_ends);
    struct journals *js = begin();
    struct record r = look(js, "i.1.1.0.1");
    assert_int_equal(r.state, RECORD_RUNNING);
    assert_int_equal(r.process.pid, getpid());
    assert_true(r.is_watched);
    other_step(&o);
    r = look(js, "i.1.1.0.1");
    assert_int_equal(r.state, RECORD_ENDED);
    assert_int_equal(r.code, 42);
    other_end(&o);
    r = look(js, "i.1.2.0.1");
    assert_int_equal(r.state, RECORD_RUNNING);
    assert_false(r.is_watched); /* nobody will tell how it ends */
    journals_destroy(js);
}

static void of_another_boot_nothing_runs(void **state)
{
    (void)state;
    char *path = xasprintf("%s/i", dir), *file = xasprintf("%s/i/1.1", dir);
    char *text = xasprintf("gw_em_fork 1 0-0\nS i.1.1.0.1 .\nP i.1.1.0.1 %ld 1 .\nS i.1.2.0.1 .\n"
                           "E i.1.3.0.1 1\nE i.1.3.0.1 137 .\nE i.1.4",
                           (long)getpid());
    assert_int_equal(file_mkdirs(path, 0700, NULL), 0);
    assert_int_equal(file_write(file, text, strlen(text), 0600, NULL), 0);
    struct journals *js = begin();
    assert_int_equal(look(js, "i.1.1.0.1").state, RECORD_LOST);
    assert_int_equal(look(js, "i.1.2.0.1").state, RECORD_LOST);
    assert_int_equal(look(js, "i.1.3.0.1").state, RECORD_ENDED);
    assert_int_equal(look(js, "i.1.3.0.1").code, 137);      /* the first try was cut off */
    assert_int_equal(look(js, "i.1.4").state, RECORD_NONE); /* the line was never whole */
    assert_int_equal(access(file, F_OK), -1);
    journals_destroy(js);
    free(path);
    free(file);
    free(text);
}

/* 100,000 further ends: then it is forgotten, and the file does not grow for ever. */
static void what_ended_is_remembered_for_a_hundred_thousand_ends(void **state)
{
    (void)state;
    struct journals *js = begin();
    char token[64];
    look(js, "i.1.0.0.1");
    for (int n = 0; n <= 100000; n++) {
        snprintf(token, sizeof token, "i.1.%d.0.1", n);
        journal_start(js, token);
        journal_end(js, token, n & 0xff);
        if (n % 1000 == 0)
            write_all(js);
    }
    write_all(js);
    assert_int_equal(look(js, "i.1.0.0.1").state, RECORD_NONE);
    assert_int_equal(look(js, "i.1.1.0.1").code, 1);
    assert_int_equal(look(js, "i.1.100000.0.1").state, RECORD_ENDED);
    journals_destroy(js);
    js = begin();
    assert_int_equal(look(js, "i.1.1.0.1").code, 1);
    journals_destroy(js);
}

static void a_directory_that_cannot_be_written_is_told(void **state)
{
    (void)state;
    struct gw_err err = {0};
    assert_null(journals_create("/proc/nowhere", &err));
    assert_true(err.text[0]);
}

/* Instead of the C library's: counts. */
static int n_syncs;
int fdatasync(int fd)
{
    n_syncs++;
    return fsync(fd);
}

static void a_start_is_synced_though_it_was_written_without(void **state)
{
    (void)state;
    struct journals *js = begin();
    struct gw_err err;
    look(js, "i.1.1.0.1");
    journal_start(js, "i.1.1.0.1");
    assert_int_equal(journals_write(js, false, &err), 0); /* for another job's end */
    n_syncs = 0;
    write_all(js);
    assert_int_equal(n_syncs, 1);
    write_all(js);
    journal_end(js, "i.1.1.0.1", 0);
    write_all(js);
    assert_int_equal(n_syncs, 1); /* an end need not be */
    journals_destroy(js);
}

static void what_cannot_be_read_is_not_taken_for_empty(void **state)
{
    (void)state;
    struct record r;
    struct gw_err err;
    char *path = xasprintf("%s/i", dir), *file = xasprintf("%s/i/1.1", dir);
    assert_int_equal(file_mkdirs(path, 0700, NULL), 0);
    assert_int_equal(symlink("/dev/null", file), 0);
    struct journals *js = begin();
    assert_true(journal_look(js, "i.1.1.0.1", &r, &err) < 0);
    assert_non_null(strstr(err.text, file));
    unlink(file);
    assert_int_equal(look(js, "i.1.1.0.1").state, RECORD_NONE);
    journals_destroy(js);
    free(path);
    free(file);
}

static void lock(struct journals *js, int expected)
{
    struct gw_err err = {0};
    if (journals_lock(js, &err) != expected)
        fail_msg("%s", err.text);
}

/* A driver whose daemon was killed: it still has requests to read. */
static void works_on_under_the_lock(struct journals *js, int step)
{
    struct process_id parent = process_of(getppid());
    look(js, "i.1.1.0.1");
    if (step == 0) {
        lock(js, 0);
        journal_start(js, "i.1.1.0.1");
        journal_run(js, "i.1.1.0.1", &parent);
        journal_never(js, "i.1.2.0.1");
        write_all(js);
    } else if (step == 1) {
        journals_unlock(js);
    } else {
        lock(js, 0);
        assert_true(look(js, "i.1.3.0.1").is_watched); /* it is no longer its to start */
        journals_unlock(js);
    }
}

static void what_another_run_has_begun_meanwhile_is_known_under_the_lock(void **state)
{
    (void)state;
    struct journals *js = begin();
    assert_int_equal(look(js, "i.1.1.0.1").state, RECORD_NONE);
    struct other o = other_begin(works_on_under_the_lock);
    lock(js, -GW_ESTATE);
    other_step(&o);
    lock(js, 0);
    assert_int_equal(look(js, "i.1.1.0.1").state, RECORD_RUNNING);
    assert_true(look(js, "i.1.1.0.1").is_watched);
    assert_int_equal(look(js, "i.1.2.0.1").state, RECORD_NONE);
    assert_true(look(js, "i.1.2.0.1").is_watched); /* that one may start it yet */
    journal_never(js, "i.1.3.0.1");
    assert_false(look(js, "i.1.3.0.1").is_watched); /* this one is ours */
    write_all(js);
    journals_unlock(js);
    other_step(&o);
    other_end(&o);
    assert_false(look(js, "i.1.2.0.1").is_watched);
    journals_destroy(js);
}

static void what_never_ran_may_run_yet(void **state)
{
    (void)state;
    struct other o = other_begin(works_on_under_the_lock);
    other_end(&o);
    for (int again = 0; again < 2; again++) { /* as taken over, too */
        struct journals *js = begin();
        lock(js, 0);
        assert_int_equal(look(js, "i.1.2.0.1").state, RECORD_NONE);
        assert_false(look(js, "i.1.2.0.1").is_watched);
        journals_unlock(js);
        journals_destroy(js);
    }
    struct journals *js = begin();
    look(js, "i.1.2.0.1");
    journal_start(js, "i.1.2.0.1");
    journal_end(js, "i.1.2.0.1", 3);
    journal_never(js, "i.1.4.0.1");
    journal_start(js, "i.1.4.0.1");
    write_all(js);
    journals_destroy(js);
    js = begin();
    assert_int_equal(look(js, "i.1.2.0.1").code, 3);
    assert_int_equal(look(js, "i.1.4.0.1").state, RECORD_LOST);
    journals_destroy(js);
}

static int make_dir(void **state)
{
    (void)state;
    dir = tempdir_make("em_journal");
    return dir ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    return tempdir_remove(dir);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_later_run_knows_what_was_started_and_how_it_ended),
        TEST(what_a_run_that_lives_still_writes_is_read),
        TEST(of_another_boot_nothing_runs),
        TEST(what_ended_is_remembered_for_a_hundred_thousand_ends),
        TEST(a_directory_that_cannot_be_written_is_told),
        TEST(a_start_is_synced_though_it_was_written_without),
        TEST(what_cannot_be_read_is_not_taken_for_empty),
        TEST(what_another_run_has_begun_meanwhile_is_known_under_the_lock),
        TEST(what_never_ran_may_run_yet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
