/* The simulated world: equal numbers give equal trials, and what breaks a promise is found. The
 * trials themselves are rows of the fault matrix (tests/fault/answers.sh, simulated.sh). */
#include "sim/ledger.h"
#include "sim/sim.h"
#include "lib/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static void equal_seeds_give_equal_histories(void **state)
{
    (void)state;
    for (int kind = 0; kind < SIM_KINDS; kind++)
        for (uint64_t seed = 1; seed <= 5; seed++) {
            const struct sim_options o = {
                .kind = (enum sim_kind)kind, .seed = seed, .is_told = true};
            struct sim_result a = {0}, b = {0};
            sim_run(&o, &a);
            sim_run(&o, &b);
            assert_true(a.history.len > 500);
            assert_string_equal(a.history.data, b.history.data);
            assert_int_equal(a.n_violations, 0);
            sim_result_clear(&a);
            sim_result_clear(&b);
        }
}

/* Trials that once ended with a broken promise, or not at all. */
static void what_was_mended_stays_so(void **state)
{
    static const struct {
        enum sim_kind kind;
        uint64_t seed;
    } cases[] = {
        {SIM_MIXED, 1007768},  /* asked for again after a submission: the driver forgot it */
        {SIM_MIXED, 77027717}, /* a failure of SUBMIT heard twice, then its success; killed */
        {SIM_CRASH, 77008825}, /* held and released in one turn */
    };
    (void)state;
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        struct sim_result r = {0};
        sim_run(&(struct sim_options){.kind = cases[i].kind, .seed = cases[i].seed}, &r);
        if (r.n_violations)
            fail_msg("seed %llu: %s", (unsigned long long)cases[i].seed, r.violations.data);
        sim_result_clear(&r);
    }
}

/* The first seed whose trial has a violation with `word` in it; 0: none has. */
static uint64_t find(enum sim_kind kind, enum sim_flaw flaw, uint64_t trials, const char *word)
{
    for (uint64_t seed = 1; seed <= trials; seed++) {
        struct sim_result r = {0};
        sim_run(&(struct sim_options){.kind = kind, .seed = seed, .flaw = flaw}, &r);
        bool is_found = r.n_violations && strstr(r.violations.data, word);
        sim_result_clear(&r);
        if (is_found)
            return seed;
    }
    return 0;
}

/* A check that cannot fail is none: each of these breaks one promise of the world. */
static void the_checker_finds_each_broken_promise(void **state)
{
    static const struct {
        enum sim_flaw flaw;
        enum sim_kind kind;
        const char *word;
    } cases[] = {
        {FLAW_NO_CLAIM, SIM_LATE, "was started twice"},
        {FLAW_NO_LEASE, SIM_CUTOFF, "ran at the same time"},
        {FLAW_IMPATIENT, SIM_CUTOFF, "ran at the same time"},
        {FLAW_NO_SYNC, SIM_CRASH, "is lost"},
        {FLAW_NO_SYNC, SIM_CRASH, "were told, and are gone"},
        {FLAW_LATE_SYNC, SIM_CRASH, "is lost"},
        {FLAW_CANCEL_FORGOTTEN, SIM_CRASH, "was killed, and attempt"},
        {FLAW_TOKENS_FORGOTTEN, SIM_CRASH, "and its attempt"},
        {FLAW_JOURNAL_FORGOTTEN, SIM_CRASH, "was started twice"},
        {FLAW_ANY_STATUS, SIM_MIXED, "no payload of it has ended so"},
        {FLAW_OLD_ANSWERS, SIM_CUTOFF, "and no payload of it has ended so"},
        {FLAW_WRONG_CODE, SIM_LOST, "no payload of it has ended so"},
        {FLAW_CANCEL_IGNORED, SIM_CRASH, "was said to be over, and its attempt"},
        {FLAW_MARK_FORGOTTEN, SIM_TWINS, "which gwd1 has taken over"},
        {FLAW_SEQ_FORGOTTEN, SIM_CLOCK, "gwd has renewed it, with an older number"},
        {FLAW_COPIES_UNWATCHED, SIM_LOST, "has not come to an end"},
    };
    (void)state;
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        uint64_t seed = find(cases[i].kind, cases[i].flaw, 6000, cases[i].word);
        if (!seed)
            fail_msg("%s is not found by %s trials", sim_flaw_name(cases[i].flaw),
                     sim_kind_name(cases[i].kind));
        print_message("%s: %s trial %u\n", sim_flaw_name(cases[i].flaw),
                      sim_kind_name(cases[i].kind), (unsigned)seed);
    }
}

/* --- the checker alone --- */

static struct ledger_task *done(struct ledger *l, const char *tag, int exit_code)
{
    ledger_tell(
        l, &(struct ledger_told){.kind = TOLD_SUBMITTED, .at_us = 1, .id = 1, .n = 1, .tag = tag});
    ledger_add_run(l, &(struct ledger_run){.job = 1,
                                           .attempt = 1,
                                           .started_us = 10,
                                           .ended_us = 20,
                                           .is_exited = true,
                                           .is_staged = true,
                                           .exit_code = exit_code});
    ledger_tell(l, &(struct ledger_told){.kind = TOLD_ACCEPTED, .at_us = 30, .id = 1});
    struct ledger_task *t = ledger_add_task(l);
    *t = (struct ledger_task){.id = 1,
                              .is_done = true,
                              .n_attempts = 1,
                              .n_accepted = 1,
                              .accepted = 1,
                              .exit_code = exit_code,
                              .tag = "a"};
    return t;
}

/* An attempt before that, at site 2. */
static void given_up(struct ledger *l, const struct ledger_fault *fault)
{
    done(l, "a", 7);
    ledger_tell(l, &(struct ledger_told){.kind = TOLD_STARTED, .at_us = 3, .id = 1, .site = 2});
    ledger_tell(l, &(struct ledger_told){.kind = TOLD_REQUEUED, .at_us = 8, .id = 1, .tag = "io"});
    if (fault)
        ledger_add_fault(l, fault);
}

static void check(struct ledger *l, const char *word)
{
    const struct ledger_promises all = {
        .is_honest = true, .is_no_failure = true, .is_one_daemon = true};
    ledger_check(l, &all);
    if (word ? !l->n_violations || !strstr(buf_str(&l->violations), word) : l->n_violations)
        fail_msg("wanted \"%s\", got \"%s\"", word ? word : "nothing", buf_str(&l->violations));
    ledger_clear(l);
}

static void accounts_that_do_not_agree_are_told(void **state)
{
    (void)state;
    struct ledger l = {0};
    done(&l, "a", 7);
    check(&l, NULL);
    done(&l, "a", 7)->exit_code = 8;
    check(&l, "exit code 8");
    done(&l, "a", 7)->id = 2;
    check(&l, "acknowledged, and is lost");
    done(&l, "b", 7);
    check(&l, "was acknowledged as b, and is a");
    done(&l, "a", 7)->is_done = false;
    check(&l, "has not come to an end");
    done(&l, "a", 7);
    ledger_tell(&l, &(struct ledger_told){.kind = TOLD_ACCEPTED, .at_us = 40, .id = 1});
    check(&l, "2 results were accepted");
    done(&l, "a", 7);
    l.runs[0].is_staged = false;
    check(&l, "without its files");
    done(&l, "a", 7);
    ledger_tell(&l, &(struct ledger_told){.kind = TOLD_KILLED, .at_us = 15, .id = 1});
    check(&l, "was killed, and is done");
    done(&l, "a", 7);
    ledger_tell(&l, &(struct ledger_told){.kind = TOLD_HELD, .at_us = 5, .id = 1});
    ledger_tell(&l, &(struct ledger_told){.kind = TOLD_STARTED, .at_us = 8, .id = 1});
    check(&l, "is held, and attempt");
    done(&l, "a", 7);
    ledger_add_left(&l, "a directory")->job = 1;
    check(&l, "is left");
    given_up(&l, NULL);
    check(&l, "nothing had happened");
    given_up(&l, &(struct ledger_fault){.site = 1, .from_us = 1, .until_us = 4});
    check(&l, "nothing had happened");
    given_up(&l, &(struct ledger_fault){.site = 2, .from_us = 9, .until_us = 99});
    check(&l, "nothing had happened");
    given_up(&l, &(struct ledger_fault){.site = 2, .is_ours = true, .from_us = 1, .until_us = 4});
    check(&l, "nothing had happened");
    given_up(&l, &(struct ledger_fault){.site = 2, .from_us = 1, .until_us = 4});
    check(&l, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_seeds_give_equal_histories),
        cmocka_unit_test(what_was_mended_stays_so),
        cmocka_unit_test(accounts_that_do_not_agree_are_told),
        cmocka_unit_test(the_checker_finds_each_broken_promise),
    };
    return cmocka_run_group_tests_name("sim", tests, NULL, NULL);
}
