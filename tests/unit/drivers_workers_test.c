/* The router of one worker process per credential, with this program as the driver: it runs itself
 * as the router, which runs it as its workers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "drivers/workers.h"
#include "lib/mem.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* --- the driver: it does what the last argument of a request says --- */

static bool is_tm;

static const char *credential(void)
{
    const char *path = getenv("X509_USER_PROXY");
    return path ? path : "none";
}

static void say_who(struct kit *k, const struct fields *f)
{
    kit_succeed(k, f->field[0], f->field[1], is_tm ? f->field[2] : NULL, "%s %d cert=%s",
                credential(), (int)getpid(), getenv("X509_USER_CERT") ? "yes" : "no");
}

static void hang(struct kit *k, const struct fields *f)
{
    say_who(k, f);
    kit_flush(k);
    for (;;)
        pause();
}

static void obey(struct kit *k, const struct fields *f, void *ctx)
{
    (void)ctx;
    const char *order = f->field[is_tm ? 4 : 3];
    if (strcmp(order, "die") == 0)
        _exit(3);
    else if (strcmp(order, "deaf") == 0)
        loop_unwatch(kit_loop(k), STDIN_FILENO);
    else if (strcmp(order, "stubborn") == 0)
        hang(k, f);
    else if (strcmp(order, "long") == 0)
        for (int i = 0; i < 70000; i++)
            kit_send(k, "x", 1);
    else if (strcmp(order, "babble") == 0)
        for (int i = 0; i < 1200; i++)
            kit_succeed(k, "POLL", "12345", "7", "ACTIVE");
    else if (strcmp(order, "early") == 0)
        kit_succeed(k, "CALLBACK", f->field[1], NULL, "DONE:0");
    if (strcmp(order, "silent") != 0)
        say_who(k, f);
}

static void flood(struct kit *k, const struct fields *f, void *ctx)
{
    (void)ctx;
    char text[60001];
    memset(text, 'y', 60000);
    text[60000] = '\0';
    for (int i = 0; i < 100; i++)
        kit_succeed(k, "CALLBACK", f->field[1], NULL, "ACTIVE %s", text);
    kit_succeed(k, f->field[0], f->field[1], NULL, "ACTIVE");
}

static int serve(void)
{
    static const struct kit_verb verbs[] = {
        {"SUBMIT", 0, obey},     {"RECOVER", 0, obey}, {"COMMIT", KIT_COMMIT, obey},
        {"POLL", 0, flood},      {"CANCEL", 0, obey},  {"START", 0, obey},
        {"CP", 0, obey},         {"END", 0, obey},     {"STAT", 0, obey},
        {"CREDENTIAL", 0, obey},
    };
    const struct kit_driver d = {.name = "worker",
                                 .kind = is_tm ? KIT_TM : KIT_EM,
                                 .features = KIT_PCT | KIT_BLAME | KIT_COMMIT | KIT_CREDENTIAL,
                                 .verbs = verbs,
                                 .n_verbs = GW_COUNT(verbs)};
    if (strstr(credential(), "mute"))
        for (;;)
            pause();
    struct kit *k = kit_create(&d);
    int code = kit_run(k);
    kit_destroy(k);
    return code;
}

static int be_the_driver(int argc, char **argv)
{
    is_tm = strcmp(argv[argc - 1], "tm") == 0;
    const struct workers w = {.name = "router",
                              .kind = is_tm ? KIT_TM : KIT_EM,
                              .features = KIT_PCT | KIT_BLAME | KIT_COMMIT | KIT_CREDENTIAL,
                              .serve = serve,
                              .workers_max = 3,
                              .idle_ms = 1500,
                              .init_ms = 2000,
                              .pause_ms = 500};
    return workers_run(&w, argc, argv);
}

/* --- gwd --- */

struct rig {
    pid_t pid;
    int to;
    FILE *from;
};

static char line[70000];

static void say(struct rig *g, const char *text)
{
    size_t len = strlen(text);
    assert_int_equal(write(g->to, text, len), len);
    assert_int_equal(write(g->to, "\n", 1), 1);
}

/* The next line; NULL at its end. Ten seconds is a failure. */
static const char *hear(struct rig *g)
{
    alarm(10);
    char *got = fgets(line, sizeof line, g->from);
    alarm(0);
    if (got)
        got[strcspn(got, "\n")] = '\0';
    return got;
}

static void expect(struct rig *g, const char *start)
{
    const char *got = hear(g);
    assert_non_null(got);
    if (strncmp(got, start, strlen(start)) != 0)
        fail_msg("\"%.200s\" came instead of \"%s\"", got, start);
}

static void set_up(struct rig *g, const char *kind)
{
    int in[2], out[2];
    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe(out), 0);
    g->pid = fork();
    if (g->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        setenv("X509_USER_PROXY", "/own", 1);
        setenv("X509_USER_CERT", "/hostcert", 1);
        dup2(in[0], 0);
        dup2(out[1], 1);
        for (int i = 0; i < 2; i++) {
            close(in[i]);
            close(out[i]);
        }
        execl("/proc/self/exe", "driver", "--driver", kind, NULL);
        _exit(1);
    }
    close(in[0]);
    close(out[1]);
    g->to = in[1];
    g->from = fdopen(out[0], "r");
    bool tm = strcmp(kind, "tm") == 0;
    say(g, tm ? "INIT 100 gw1:pct,blame,commit,credential,tail - - -"
              : "INIT 100 gw1:pct,blame,commit,credential,tail -");
    expect(g, tm ? "INIT - - SUCCESS - gw1:pct,blame,commit,credential"
                 : "INIT - SUCCESS gw1:pct,blame,commit,credential");
}

static int leave(struct rig *g)
{
    int status;
    close(g->to);
    while (hear(g)) {
    }
    fclose(g->from);
    assert_int_equal(waitpid(g->pid, &status, 0), g->pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

/* The pid that an answer's text ends with. */
static pid_t pid_in_line(void)
{
    const char *at = strstr(line, " cert=");
    assert_non_null(at);
    while (at > line && at[-1] != ' ')
        at--;
    return (pid_t)strtol(at, NULL, 10);
}

static bool is_there(pid_t pid)
{
    return kill(pid, 0) == 0 || errno != ESRCH;
}

static void await_end_of(pid_t pid)
{
    for (int i = 0; is_there(pid); i++) {
        assert_true(i < 500);
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
}

/* --- tests --- */

static void each_credential_has_a_process_of_its_own(void **state)
{
    (void)state;
    struct rig g;
    set_up(&g, "em");
    say(&g, "CREDENTIAL 1 /a%20b -");
    expect(&g, "CREDENTIAL 1 SUCCESS /a b ");
    pid_t a = pid_in_line();
    say(&g, "CREDENTIAL 2 /c -");
    expect(&g, "CREDENTIAL 2 SUCCESS /c ");
    pid_t c = pid_in_line();
    assert_int_not_equal(a, c);
    say(&g, "SUBMIT 1 host /d%25e");
    expect(&g, "SUBMIT 1 SUCCESS /a b ");
    assert_int_equal(pid_in_line(), a);
    assert_non_null(strstr(line, "cert=no"));
    say(&g, "CREDENTIAL 3 /a%20b -");
    expect(&g, "CREDENTIAL 3 SUCCESS /a b ");
    assert_int_equal(pid_in_line(), a);
    assert_int_equal(leave(&g), 0);
}

static void a_handle_without_a_credential_uses_the_drivers_own(void **state)
{
    (void)state;
    struct rig g;
    set_up(&g, "em");
    say(&g, "SUBMIT 1 host /d");
    expect(&g, "SUBMIT 1 SUCCESS /own ");
    assert_non_null(strstr(line, "cert=yes"));
    assert_int_equal(leave(&g), 0);
}

static void what_the_router_can_say_it_says_itself(void **state)
{
    (void)state;
    struct rig g;
    set_up(&g, "em");
    say(&g, "CANCEL 9 - -");
    expect(&g, "CANCEL 9 FAILURE internal:us no job has this handle");
    say(&g, "CREDENTIAL 1 relative -");
    expect(&g, "CREDENTIAL 1 FAILURE internal:us ");
    say(&g, "CREDENTIAL 1 /a -");
    expect(&g, "CREDENTIAL 1 SUCCESS /a");
    say(&g, "CREDENTIAL 1 /b -");
    expect(&g, "CREDENTIAL 1 SUCCESS /b");
    say(&g, "SUBMIT 1 host /d");
    expect(&g, "SUBMIT 1 SUCCESS /b");
    say(&g, "CREDENTIAL 1 /a -");
    expect(&g, "CREDENTIAL 1 FAILURE internal:us the handle is in use");
    say(&g, "FINALIZE - - -");
    expect(&g, "FINALIZE - SUCCESS -");
    assert_null(hear(&g));
    assert_int_equal(leave(&g), 0);
}

static void a_dead_workers_requests_fail_and_its_jobs_are_called_unknown(void **state)
{
    (void)state;
    struct rig g;
    set_up(&g, "em");
    say(&g, "CREDENTIAL 1 /a -\nSUBMIT 1 host /d\nCREDENTIAL 5 /b -\nSUBMIT 5 host /d");
    const char *b = NULL;
    for (int i = 0; i < 4; i++)
        if (strncmp(hear(&g), "SUBMIT 5 SUCCESS /b", 19) == 0)
            b = "up";
    assert_non_null(b);
    say(&g, "SUBMIT 2 host /d");
    expect(&g, "SUBMIT 2 SUCCESS /own");
    say(&g, "CREDENTIAL 3 /a -");
    expect(&g, "CREDENTIAL 3 SUCCESS /a");
    /* 4 has ended; nothing is said about it. */
    say(&g, "CREDENTIAL 4 /a -");
    expect(&g, "CREDENTIAL 4 SUCCESS /a");
    say(&g, "SUBMIT 4 host early");
    expect(&g, "CALLBACK 4 SUCCESS DONE:0");
    expect(&g, "SUBMIT 4 SUCCESS /a");
    say(&g, "COMMIT 1 - -");
    expect(&g, "COMMIT 1 SUCCESS /a");
    say(&g, "COMMIT 1 - silent");
    say(&g, "SUBMIT 3 host die");
    expect(&g, "COMMIT 1 FAILURE internal:us the worker of /a ended with code 3");
    expect(&g, "SUBMIT 3 FAILURE internal:us the worker of /a ended with code 3");
    expect(&g, "CALLBACK 1 FAILURE internal:us the worker of /a ended with code 3");
    /* Not before a pause. */
    say(&g, "RECOVER 1 contact /d");
    expect(&g, "RECOVER 1 FAILURE internal:us the worker of /a ended with code 3; the next");
    /* The others are not touched. */
    say(&g, "COMMIT 5 - -");
    expect(&g, "COMMIT 5 SUCCESS /b");
    /* Nobody announces that the pause is over. */
    do {
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
        say(&g, "RECOVER 1 contact /d");
        assert_non_null(hear(&g));
    } while (strstr(line, "FAILURE"));
    assert_non_null(strstr(line, "RECOVER 1 SUCCESS /a"));
    kill(pid_in_line(), SIGKILL);
    expect(&g, "CALLBACK 1 FAILURE internal:us the worker of /a was killed by signal 9");
    assert_int_equal(leave(&g), 0);
}

static void pauses_grow(void **state)
{
    (void)state;
    struct rig g;
    double pause[3];
    set_up(&g, "em");
    for (int i = 0; i < 3; i++) {
        say(&g, "SUBMIT 1 host die");
        expect(&g, "SUBMIT 1 FAILURE internal:us the worker of the driver's own credential ended");
        say(&g, "SUBMIT 1 host die");
        expect(&g, "SUBMIT 1 FAILURE internal:us the worker of the driver's own credential ended");
        const char *before = strstr(line, "before ");
        assert_non_null(before);
        pause[i] = atof(before + 7);
        /* A tenth of a second is what the text tells. */
        if (i < 2)
            nanosleep(&(struct timespec){.tv_sec = (time_t)(pause[i] + 0.15),
                                         .tv_nsec = (long)((pause[i] + 0.15) * 1e9) % 1000000000},
                      NULL);
    }
    assert_true(pause[1] > pause[0]);
    assert_true(pause[2] > pause[1]);
    assert_int_equal(leave(&g), 0);
}

static void a_worker_that_never_begins_is_given_up(void **state)
{
    (void)state;
    struct rig g;
    set_up(&g, "em");
    say(&g, "CREDENTIAL 1 /mute -");
    expect(&g, "CREDENTIAL 1 FAILURE internal:us the worker of /mute did not answer INIT");
    assert_int_equal(leave(&g), 0);
}

static void a_babbling_worker_is_ended(void **state)
{
    (void)state;
    struct rig g;
    set_up(&g, "em");
    say(&g, "CREDENTIAL 1 /a -");
    expect(&g, "CREDENTIAL 1 SUCCESS /a");
    say(&g, "SUBMIT 1 host babble");
    expect(&g, "SUBMIT 1 FAILURE internal:us the worker of /a sent too many lines");
    say(&g, "CREDENTIAL 2 /b -");
    expect(&g, "CREDENTIAL 2 SUCCESS /b");
    say(&g, "SUBMIT 2 host long");
    expect(&g, "SUBMIT 2 FAILURE internal:us the worker of /b sent a line that is too long");
    assert_int_equal(leave(&g), 0);
}

static void a_worker_that_does_not_read_holds_up_nobody(void **state)
{
    (void)state;
    struct rig g;
    char text[60100];
    set_up(&g, "em");
    say(&g, "CREDENTIAL 1 /a -");
    expect(&g, "CREDENTIAL 1 SUCCESS /a");
    say(&g, "SUBMIT 1 host stubborn");
    expect(&g, "SUBMIT 1 SUCCESS /a");
    memset(text, 'z', sizeof text);
    memcpy(text, "SUBMIT 1 host /", 15);
    text[60000] = '\0';
    int refused = 0;
    for (int i = 0; i < 40; i++)
        say(&g, text);
    say(&g, "SUBMIT 2 host /d");
    while (strncmp(hear(&g), "SUBMIT 2 ", 9) != 0)
        refused += strstr(line, "SUBMIT 1 FAILURE busy:site") != NULL;
    assert_non_null(strstr(line, "SUBMIT 2 SUCCESS /own"));
    /* 1 MiB waits here, and a pipe's 64 KiB and a read of 64 KiB there. */
    assert_in_range(refused, 18, 24);
    assert_int_equal(leave(&g), 0);
}

static void answers_wait_for_their_reader(void **state)
{
    (void)state;
    struct rig g;
    set_up(&g, "em");
    say(&g, "SUBMIT 1 host /d");
    expect(&g, "SUBMIT 1 SUCCESS");
    say(&g, "POLL 1 - -");
    nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
    char path[64];
    long kib = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)g.pid);
    FILE *f = fopen(path, "r");
    while (fgets(line, sizeof line, f))
        if (strncmp(line, "VmRSS:", 6) == 0)
            kib = strtol(line + 6, NULL, 10);
    fclose(f);
    assert_true(kib > 0);
#ifndef __SANITIZE_ADDRESS__
    /* 6 MB were sent; the router took no more than a little over 1 MiB of them. */
    assert_true(kib < 6000);
#endif
    for (int i = 0; i < 100; i++)
        expect(&g, "CALLBACK 1 SUCCESS ACTIVE yyy");
    expect(&g, "POLL 1 SUCCESS ACTIVE");
    assert_int_equal(leave(&g), 0);
}

static void an_idle_worker_ends_and_comes_back(void **state)
{
    (void)state;
    struct rig g;
    set_up(&g, "em");
    say(&g, "CREDENTIAL 1 /a -");
    expect(&g, "CREDENTIAL 1 SUCCESS /a");
    pid_t first = pid_in_line();
    say(&g, "SUBMIT 2 host /d");
    expect(&g, "SUBMIT 2 SUCCESS /own");
    pid_t busy = pid_in_line();
    await_end_of(first);
    assert_true(is_there(busy));
    say(&g, "SUBMIT 1 host /d");
    expect(&g, "SUBMIT 1 SUCCESS /a");
    assert_int_not_equal(pid_in_line(), first);
    assert_int_equal(leave(&g), 0);
}

static void places_are_bounded(void **state)
{
    (void)state;
    struct rig g;
    set_up(&g, "em");
    say(&g, "CREDENTIAL 1 /a -\nSUBMIT 1 host /d\nCREDENTIAL 2 /b -\nSUBMIT 2 host /d");
    for (int i = 0; i < 4; i++)
        assert_non_null(strstr(hear(&g), "SUCCESS"));
    say(&g, "CREDENTIAL 3 /c -");
    expect(&g, "CREDENTIAL 3 SUCCESS /c");
    /* The one without jobs makes way. */
    say(&g, "CREDENTIAL 4 /d -");
    expect(&g, "CREDENTIAL 4 SUCCESS /d");
    say(&g, "SUBMIT 4 host /d");
    expect(&g, "SUBMIT 4 SUCCESS /d");
    say(&g, "CREDENTIAL 5 /e -");
    expect(&g, "CREDENTIAL 5 FAILURE busy:site jobs of 3 credentials are under way");
    assert_int_equal(leave(&g), 0);
}

static void finalize_ends_all(void **state)
{
    (void)state;
    struct rig g;
    pid_t pids[2];
    set_up(&g, "em");
    say(&g, "CREDENTIAL 1 /a -");
    expect(&g, "CREDENTIAL 1 SUCCESS /a");
    pids[0] = pid_in_line();
    say(&g, "SUBMIT 2 host /d");
    expect(&g, "SUBMIT 2 SUCCESS");
    pids[1] = pid_in_line();
    say(&g, "FINALIZE - - -");
    expect(&g, "FINALIZE - SUCCESS -");
    /* They are gone before it is answered: what they still had to say came first. */
    assert_false(is_there(pids[0]));
    assert_false(is_there(pids[1]));
    assert_null(hear(&g));
    assert_int_equal(leave(&g), 0);
}

static void a_killed_router_leaves_no_worker(void **state)
{
    (void)state;
    struct rig g;
    set_up(&g, "em");
    say(&g, "CREDENTIAL 1 /a -");
    expect(&g, "CREDENTIAL 1 SUCCESS /a");
    pid_t reads = pid_in_line();
    say(&g, "SUBMIT 2 host /d");
    expect(&g, "SUBMIT 2 SUCCESS /own");
    pid_t hangs = pid_in_line();
    say(&g, "SUBMIT 3 host stubborn");
    expect(&g, "SUBMIT 3 SUCCESS /own");
    kill(g.pid, SIGKILL);
    leave(&g);
    await_end_of(reads);
    await_end_of(hangs);
}

static void copies_are_kept_apart_and_end_with_their_worker(void **state)
{
    (void)state;
    struct rig g;
    set_up(&g, "tm");
    say(&g, "CREDENTIAL 1 - - /a -");
    expect(&g, "CREDENTIAL 1 - SUCCESS /a");
    say(&g, "START 1 - - - -");
    expect(&g, "START 1 - SUCCESS /a");
    say(&g, "CP 1 7 - x y");
    expect(&g, "CP 1 7 SUCCESS /a");
    say(&g, "STAT 2 1 - url -"); /* not agreed on: no answer */
    say(&g, "CP 2 1 - x y");     /* without START, as those that ask once do */
    expect(&g, "CP 2 1 SUCCESS /own");
    say(&g, "CP 1 8 - silent y");
    say(&g, "CP 1 9 - die y");
    expect(&g, "CP 1 8 FAILURE internal:us the worker of /a ended");
    expect(&g, "CP 1 9 FAILURE internal:us the worker of /a ended");
    say(&g, "CP 1 10 - x y");
    expect(&g, "CP 1 10 FAILURE internal:us the worker of /a ended"); /* its pause */
    nanosleep(&(struct timespec){.tv_nsec = 700000000}, NULL);
    /* The new worker is told START, of which nobody else hears. */
    say(&g, "CP 1 11 - x y");
    expect(&g, "CP 1 11 SUCCESS /a");
    say(&g, "END 1 - - - -");
    expect(&g, "END 1 - SUCCESS /a");
    say(&g, "CREDENTIAL 3 - - /b -");
    expect(&g, "CREDENTIAL 3 - SUCCESS /b");
    say(&g, "START 3 - - - -");
    expect(&g, "START 3 - SUCCESS /b");
    say(&g, "CP 3 1 - silent y\nEND 3 - - die -");
    expect(&g, "CP 3 1 FAILURE internal:us the worker of /b ended");
    expect(&g, "END 3 - SUCCESS -");
    /* It was forgotten with its end. */
    say(&g, "CP 3 2 - x y");
    expect(&g, "CP 3 2 SUCCESS /own");
    say(&g, "FINALIZE - - - - -");
    expect(&g, "FINALIZE - - SUCCESS -");
    assert_int_equal(leave(&g), 0);
}

static void many_handles_are_remembered_and_the_oldest_are_forgotten(void **state)
{
    (void)state;
    struct rig g;
    char text[64];
    set_up(&g, "em");
    say(&g, "SUBMIT 1 host /d");
    expect(&g, "SUBMIT 1 SUCCESS");
    for (int i = 2; i < 20000; i++) {
        snprintf(text, sizeof text, "SUBMIT %d host early", i);
        say(&g, text);
        expect(&g, "CALLBACK");
        expect(&g, "SUBMIT");
    }
    say(&g, "CANCEL 3 - -");
    expect(&g, "CANCEL 3 FAILURE internal:us no job has this handle");
    say(&g, "CANCEL 9000 - -");
    expect(&g, "CANCEL 9000 SUCCESS");
    say(&g, "CANCEL 1 - -");
    expect(&g, "CANCEL 1 SUCCESS");
    assert_int_equal(leave(&g), 0);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return be_the_driver(argc, argv);
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_credential_has_a_process_of_its_own),
        cmocka_unit_test(a_handle_without_a_credential_uses_the_drivers_own),
        cmocka_unit_test(what_the_router_can_say_it_says_itself),
        cmocka_unit_test(a_dead_workers_requests_fail_and_its_jobs_are_called_unknown),
        cmocka_unit_test(pauses_grow),
        cmocka_unit_test(a_worker_that_never_begins_is_given_up),
        cmocka_unit_test(a_babbling_worker_is_ended),
        cmocka_unit_test(a_worker_that_does_not_read_holds_up_nobody),
        cmocka_unit_test(answers_wait_for_their_reader),
        cmocka_unit_test(an_idle_worker_ends_and_comes_back),
        cmocka_unit_test(places_are_bounded),
        cmocka_unit_test(finalize_ends_all),
        cmocka_unit_test(a_killed_router_leaves_no_worker),
        cmocka_unit_test(copies_are_kept_apart_and_end_with_their_worker),
        cmocka_unit_test(many_handles_are_remembered_and_the_oldest_are_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
