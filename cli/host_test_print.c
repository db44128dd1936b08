/* What gwhost --test says: a line for each step, with what to do below it; or JSON. */
#include "cli/host_test.h"
#include "cli/output.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const verdicts[] = {
    [STEP_OK] = "ok", [STEP_FAILED] = "FAILED", [STEP_SKIPPED] = "skipped"};

void host_test_print_step(const struct host_test_step *s)
{
    if (s->job)
        output_line("%-6s %-8s %s (job %llu, %.1f s)", s->name, verdicts[s->verdict], s->words,
                    (unsigned long long)s->job, s->seconds);
    else
        output_line("%-6s %-8s %s", s->name, verdicts[s->verdict], s->words);
    if (s->advice)
        output_line("%-15s to do: %s", "", s->advice);
    fflush(stdout);
}

static json_t *number_or_null(bool is_there, double number, bool is_integer)
{
    return !is_there    ? json_null()
           : is_integer ? json_integer((json_int_t)number)
                        : json_real(number);
}

void host_test_print_json(const char *host, const struct host_test_step *steps)
{
    static const char *const names[] = {"ok", "failed", "skipped"};
    json_t *list = json_array();
    bool is_good = true;
    for (int i = 0; i < HOST_TEST_STEPS; i++) {
        const struct host_test_step *s = &steps[i];
        is_good = is_good && s->verdict != STEP_FAILED;
        json_array_append_new(list,
                              json_pack("{ss ss ss ss? so so}", "step", s->name, "verdict",
                                        names[s->verdict], "words", s->words, "advice", s->advice,
                                        "job", number_or_null(s->job > 0, (double)s->job, true),
                                        "seconds", number_or_null(s->job > 0, s->seconds, false)));
    }
    output_json("test",
                json_pack("{ss sb so}", "host", host, "passed", (int)is_good, "steps", list));
}

void host_test_step_clear(struct host_test_step *s)
{
    free(s->words);
    s->words = NULL;
}
