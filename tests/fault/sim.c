/* Trials of the simulated world (sim/sim.h): a line for each kind of faults, and what was violated.
 *
 *     sim [--seed S] [--trials N] [--kind KIND] [--flaw FLAW] [-v]
 *
 * Trial i of a kind has the seed S + i. -v prints the whole history of the trials, so it is for
 * one: sim --kind crash --seed 4711 --trials 1 -v. */
#include "lib/num.h"
#include "sim/sim.h"

#include <argp.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

struct options {
    uint64_t seed, trials;
    int kind, flaw; /* kind -1: all */
    bool is_told;
};

static const struct argp_option option_table[] = {
    {"seed", 's', "S", 0, "of the first trial (1)", 0},
    {"trials", 'n', "N", 0, "of each kind (1000)", 0},
    {"kind", 'k', "KIND", 0, "of faults, instead of all", 0},
    {"flaw", 'f', "FLAW", 0, "break a promise of the world, to see that it is noticed", 0},
    {"verbose", 'v', NULL, 0, "print what happens", 0},
    {0}};

static int find_name(const char *name, const char *(*name_of)(int), int n)
{
    for (int i = 0; i < n; i++)
        if (strcmp(name_of(i), name) == 0)
            return i;
    return -1;
}

static const char *kind_name(int i)
{
    return sim_kind_name((enum sim_kind)i);
}

static const char *flaw_name(int i)
{
    return sim_flaw_name((enum sim_flaw)i);
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct options *o = state->input;
    struct gw_err err;
    switch (key) {
    case 's':
    case 'n':
        if (num_parse_u64(arg, 0, UINT64_MAX / 16, key == 's' ? &o->seed : &o->trials, &err) < 0)
            argp_error(state, "%s", err.text);
        return 0;
    case 'k':
        o->kind = find_name(arg, kind_name, SIM_KINDS);
        if (o->kind < 0)
            argp_error(state, "no kind of faults is named %s", arg);
        return 0;
    case 'f':
        o->flaw = find_name(arg, flaw_name, FLAWS);
        if (o->flaw < 0)
            argp_error(state, "no flaw is named %s", arg);
        return 0;
    case 'v':
        o->is_told = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void print_violations(const struct sim_options *o, const struct sim_result *r)
{
    printf("violation: kind %s, seed %" PRIu64 ":\n", sim_kind_name(o->kind), o->seed);
    for (const char *p = buf_str(&r->violations); *p; p = strchr(p, '\n') + 1)
        printf("    %.*s\n", (int)strcspn(p, "\n"), p);
}

/* Returns the trials with a violation. */
static uint64_t run_kind(const struct options *o, enum sim_kind kind)
{
    struct sim_result sum = {0};
    uint64_t n_bad = 0;
    time_t said = time(NULL);
    for (uint64_t i = 0; i < o->trials; i++) {
        struct sim_result r = {0};
        const struct sim_options trial = {.kind = kind,
                                          .seed = o->seed + i,
                                          .flaw = (enum sim_flaw)o->flaw,
                                          .is_told = o->is_told};
        sim_run(&trial, &r);
        fputs(buf_str(&r.history), stdout);
        if (r.n_violations && ++n_bad <= 20)
            print_violations(&trial, &r);
        sum.n_inputs += r.n_inputs;
        sum.n_events += r.n_events;
        sum.n_crashes += r.n_crashes;
        sum.n_runs += r.n_runs;
        sum.n_tasks += r.n_tasks;
        sim_result_clear(&r);
        if (time(NULL) - said >= 10) {
            said = time(NULL);
            fprintf(stderr, "sim: %s, %" PRIu64 " of %" PRIu64 " trials, %" PRIu64 " violations\n",
                    sim_kind_name(kind), i + 1, o->trials, n_bad);
        }
    }
    printf("%-9s %" PRIu64 " trials, %" PRIu64 " violations (%" PRIu64 " tasks, %" PRIu64
           " payloads, %" PRIu64 " inputs, %" PRIu64 " events, %" PRIu64 " crashes)\n",
           sim_kind_name(kind), o->trials, n_bad, sum.n_tasks, sum.n_runs, sum.n_inputs,
           sum.n_events, sum.n_crashes);
    return n_bad;
}

int main(int argc, char **argv)
{
    static const struct argp argp = {
        option_table, parse_option, NULL, "The engine in a simulated world with faults.",
        NULL,         NULL,         NULL};
    struct options o = {.seed = 1, .trials = 1000, .kind = -1};
    uint64_t n_bad = 0;
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    for (int kind = 0; kind < SIM_KINDS; kind++)
        if (o.kind < 0 || o.kind == kind)
            n_bad += run_kind(&o, (enum sim_kind)kind);
    return n_bad > 0;
}
