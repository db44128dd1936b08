/* A restore that is interrupted, wherever it is then, goes on with the next call. */
#include "tests/unit/store_world.h"

#include "gwd/store/backup.h"

#include <glob.h>
#include <stdio.h>
#include <sys/stat.h>

enum { EARLY_JOBS = 3, JOBS = 5, WAY_MAX = 60 };

/* In a process of its own: this program restores when it has two arguments. It is killed when it
 * comes to its crash_at-th crash point (0: not at all). True: it came to its end. */
static bool restore(const char *dir, const char *from, int crash_at)
{
    int status;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        char point[32];
        snprintf(point, sizeof point, "restore:%d", crash_at);
        setenv("GW_CRASH", point, 1);
        execl("/proc/self/exe", "restore", dir, from, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status))
        assert_int_equal(WTERMSIG(status), SIGKILL);
    else
        assert_int_equal(WEXITSTATUS(status), 0);
    return WIFEXITED(status);
}

static int restore_here(const char *dir, const char *from)
{
    struct store_summary sum;
    struct gw_err err = {0};
    char *aside = NULL;
    int r = store_restore(dir, from, INT64_C(1767225600000000), NULL, NULL, &sum, &aside, &err);
    if (r < 0)
        fprintf(stderr, "restore: %s\n", err.text);
    free(aside);
    return r < 0;
}

static uint64_t n_jobs(const struct state *s)
{
    size_t it = 0;
    uint64_t n = 0;
    while (state_next_job(s, &it))
        n++;
    return n;
}

/* A state with a log and an archive in base/, of a later time than the one in backup/. */
static void make_base(struct world *w)
{
    struct store_summary sum;
    char *dir = w->dir, *base = xasprintf("%s/base", dir), *to = xasprintf("%s/backup", dir);
    struct event ev = {.kind = EV_TASK_ENDED,
                       .job = 1,
                       .task = TASK_ALL,
                       .outcome = OUTCOME_FAILED,
                       .reason = "killed"};
    assert_int_equal(mkdir(base, 0700), 0);
    w->dir = base;
    open_store(w);
    create(w);
    for (int i = 0; i < EARLY_JOBS; i++)
        submit_turn(w);
    assert_int_equal(turn(w, &ev, 1, NULL), 0);
    write_batch(w, 1, 1);
    assert_int_equal(store_archive_result(w->store, NULL), 0);
    assert_int_equal(store_backup(base, to, NULL, NULL, &sum, NULL), 0);
    for (int i = EARLY_JOBS; i < JOBS; i++)
        submit_turn(w);
    crash(w);
    w->dir = dir;
    free(base);
    free(to);
}

/* A daemon that is started now refuses and says why, or it has the whole state. */
static void try_start(struct world *w, const char *dir)
{
    struct gw_err err = {0};
    int r = store_open(dir, &w->store, &err);
    if (r == 0)
        r = load(w, &err);
    if (r < 0 && (r != -GW_ECORRUPT || !strstr(err.text, "--restore was interrupted")))
        fail_msg("%d, %s", r, err.text);
    if (r == 0 && n_jobs(&w->state) != JOBS && n_jobs(&w->state) != EARLY_JOBS)
        fail_msg("%d jobs", (int)n_jobs(&w->state));
    close_store(w);
}

/* How many states are kept aside, and whether one of them is the one that was there at first. */
static int count_replaced(struct world *w, bool *ret_has_first)
{
    glob_t found;
    char *pattern = xasprintf("%s/state/replaced-*/state.db", w->dir);
    int n = glob(pattern, 0, NULL, &found) == 0 ? (int)found.gl_pathc : 0;
    *ret_has_first = false;
    for (int i = 0; i < n; i++) {
        struct store_summary sum;
        struct gw_err err = {0};
        *strrchr(found.gl_pathv[i], '/') = '\0';
        if (store_check(found.gl_pathv[i], true, NULL, NULL, &sum, &err) < 0)
            fail_msg("%s", err.text);
        *ret_has_first |= sum.jobs == JOBS;
        assert_int_equal(sum.archived, 1);
    }
    if (n)
        globfree(&found);
    free(pattern);
    return n;
}

/* Of a call that was killed when all was done, the next one knows nothing. */
static void check_restored(struct world *w, uint64_t jobs)
{
    struct job *archived;
    struct gw_err err = {0};
    bool has_first;
    int n = count_replaced(w, &has_first);
    char *dir = w->dir;
    assert_true(n >= 1 && n <= 3); /* calls */
    assert_true(has_first);
    shell(w, "test ! -e state/restoring && test ! -e state/restored");
    w->dir = xasprintf("%s/state", dir);
    reopen(w);
    assert_int_equal(n_jobs(&w->state), jobs);
    assert_true(w->state.fence > 1);
    assert_false(store_was_copied(w->store));
    if (store_find_archived(w->store, 1, &archived, &err) != 1)
        fail_msg("%s", err.text);
    close_store(w);
    free(w->dir);
    w->dir = dir;
}

static void an_interrupted_restore_goes_on_with_the_same_call(void **state)
{
    struct world *w = *state;
    make_base(w);
    char *dir = xasprintf("%s/state", w->dir), *backup = xasprintf("%s/backup", w->dir);
    const char *const froms[] = {dir, backup};
    for (size_t i = 0; i < GW_COUNT(froms); i++) {
        bool is_over = false;
        int n = 0;
        while (!is_over && n < WAY_MAX) {
            shell(w, "rm -rf state && cp -a base state");
            is_over = restore(dir, froms[i], ++n);
            if (!is_over) {
                try_start(w, dir);
                if (!restore(dir, froms[i], 1 + n * 5 % 17))
                    try_start(w, dir);
                assert_true(restore(dir, froms[i], 0));
            }
            check_restored(w, i == 0 ? JOBS : EARLY_JOBS);
        }
        assert_true(is_over && n > 20);
    }
    free(dir);
    free(backup);
}

static bool has(const char *dir, const char *name)
{
    char *path = xasprintf("%s/%s", dir, name);
    bool is_there = access(path, F_OK) == 0;
    free(path);
    return is_there;
}

/* Nothing that reads a state takes what is half in its place for one. */
static void a_state_that_is_half_in_its_place_is_read_by_nobody(void **state)
{
    struct world *w = *state;
    struct store_summary sum;
    struct gw_err err = {0};
    make_base(w);
    char *dir = xasprintf("%s/state", w->dir), *to = xasprintf("%s/new", w->dir);
    shell(w, "cp -a base state");
    for (int n = 1; !has(dir, "restored/replaced/archive.db"); n++) {
        shell(w, "rm -rf state && cp -a base state");
        assert_false(restore(dir, dir, n));
    }
    assert_int_equal(store_check(dir, false, NULL, NULL, &sum, &err), -GW_ECORRUPT);
    assert_non_null(strstr(err.text, "--restore was interrupted"));
    assert_int_equal(store_backup(dir, to, NULL, NULL, &sum, &err), -GW_ECORRUPT);
    assert_non_null(strstr(err.text, "--restore was interrupted"));
    char *aside = NULL;
    assert_int_equal(store_restore(to, dir, 1, NULL, NULL, &sum, &aside, &err), -GW_ECORRUPT);
    assert_non_null(strstr(err.text, "--restore was interrupted"));
    assert_null(aside);
    free(dir);
    free(to);
}

int main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(an_interrupted_restore_goes_on_with_the_same_call),
        TEST(a_state_that_is_half_in_its_place_is_read_by_nobody),
    };
    if (argc == 3)
        return restore_here(argv[1], argv[2]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
