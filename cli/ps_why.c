/* gwps --why: why a job is where it is, who has to mend it, and how. */
#include "cli/outcome.h"
#include "cli/output.h"
#include "cli/ps.h"
#include "client/gw.h"
#include "client/reason.h"
#include "lib/buf.h"
#include "lib/mem.h"

#include <inttypes.h>
#include <string.h>

static const struct {
    const char *state, *words;
} states[] = {
    {"pend", "it waits for a host"},
    {"hold", "it is held"},
    {"prol", "its files are on the way to the site"},
    {"wrap", "it is at the site"},
    {"epil", "its results are on the way home"},
    {"stop", "it sleeps"},
    {"migr", "it moves to another host"},
    {"canl", "it is being ended"},
    {"done", "it is done"},
    {"fail", "it failed"},
};

static void put_words(const json_t *job, struct buf *out)
{
    const json_t *reason = gw_object(job, "reason");
    const char *state = gw_text(job, "state", "");
    if (gw_job_has_ended(job)) {
        outcome_words(job, out);
        return;
    }
    bool is_under_way =
        !gw_is_null(job, "host") && strcmp(state, "pend") != 0 && strcmp(state, "hold") != 0;
    if (reason && !is_under_way) {
        reason_words(reason, out);
        return;
    }
    bool is_handed_over = strcmp(state, "wrap") != 0 || strcmp(gw_text(job, "em", ""), "----") != 0;
    for (size_t i = 0; is_handed_over && i < GW_COUNT(states); i++)
        if (strcmp(states[i].state, state) == 0)
            buf_puts(out, states[i].words);
    if (!is_handed_over)
        buf_puts(out, "it is being handed to the site");
    if (!gw_is_null(job, "host"))
        buf_printf(out, " (%s)", gw_text(job, "host", ""));
    const json_t *transfer = gw_object(job, "transfer");
    if (transfer)
        buf_printf(out, ", %.1f of %.1f MB", gw_number(transfer, "done", 0) / 1e6,
                   gw_number(transfer, "total", 0) / 1e6);
    if (reason)
        buf_puts(out, "; ");
    reason_words(reason, out);
}

void ps_print_why(const json_t *job)
{
    const json_t *reason = gw_object(job, "reason");
    const char *blame = reason_blame(reason), *advice = reason_advice(reason);
    struct buf words = BUF_INIT;
    put_words(job, &words);
    output_line("%" PRId64 " %s %s: %s", gw_int(job, "id", 0), gw_text(job, "name", "?"),
                gw_text(job, "state", "?"), buf_str(&words));
    if (blame)
        output_line("to mend: %s", blame);
    if (advice)
        output_line("advice: %s", advice);
    size_t i;
    json_t *left;
    json_array_foreach(gw_array(job, "left"), i, left)
    {
        buf_reset(&words);
        reason_left(left, &words);
        output_line("left: %s", buf_str(&words));
    }
    buf_clear(&words);
}

json_t *ps_why_json(const json_t *job)
{
    const json_t *reason = gw_object(job, "reason");
    struct buf words = BUF_INIT;
    put_words(job, &words);
    json_t *left = (json_t *)gw_array(job, "left");
    json_t *why =
        json_pack("{sI ss sO? ss ss? so}", "job", (json_int_t)gw_int(job, "id", 0), "state",
                  gw_text(job, "state", "?"), "reason", reason, "words", buf_str(&words), "advice",
                  reason_advice(reason), "left", left ? json_incref(left) : json_array());
    buf_clear(&words);
    return why;
}
