#include "cli/progress.h"
#include "cli/moment.h"
#include "cli/outcome.h"
#include "cli/output.h"
#include "client/gw.h"
#include "client/reason.h"
#include "lib/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *kind, *words;
} rows[] = {
    {"job-submitted", "submitted"},
    {"wished", NULL},
    {"attempt-started", "prolog: files go to"},
    {"attempt-staged", "wrapper: handed to the site"},
    {"attempt-active", "running"},
    {"attempt-exited", "epilog: results come home"},
    {"results-accepted", "results are home"},
    {"attempt-ended", NULL},
    {"attempt-lost", "the site cannot say what became of it"},
    {"attempt-found", "the site knows it again"},
};

static bool put_wish(const json_t *event, struct buf *out)
{
    const char *wish = gw_text(event, "wish", "");
    buf_puts(out, strcmp(wish, "gone") == 0   ? "kill asked for"
                  : strcmp(wish, "held") == 0 ? "held"
                  : strcmp(wish, "run") == 0  ? "released"
                                              : wish);
    return true;
}

/* The end of the job itself is told by progress_end. */
static bool put_attempt_ended(const json_t *event, struct buf *out)
{
    if (strcmp(gw_text(event, "outcome", ""), "requeue") != 0)
        return false;
    buf_puts(out, "to be tried again");
    if (gw_object(event, "reason")) {
        buf_puts(out, ": ");
        reason_words(gw_object(event, "reason"), out);
    }
    return true;
}

static bool put_what(const json_t *event, struct buf *out)
{
    const char *kind = gw_text(event, "kind", "");
    size_t i = 0;
    while (i < GW_COUNT(rows) && strcmp(rows[i].kind, kind) != 0)
        i++;
    if (i == GW_COUNT(rows))
        return false;
    if (strcmp(kind, "wished") == 0)
        return put_wish(event, out);
    if (strcmp(kind, "attempt-ended") == 0)
        return put_attempt_ended(event, out);
    buf_puts(out, rows[i].words);
    if (strcmp(kind, "attempt-started") == 0)
        buf_printf(out, " %s", gw_text(event, "host", "?"));
    if (strcmp(kind, "results-accepted") == 0 && gw_int(event, "exit_code", 0) != 0)
        buf_printf(out, ", exit code %" PRId64, gw_int(event, "exit_code", 0));
    return true;
}

bool progress_words(const json_t *event, struct buf *out)
{
    char at[MOMENT_MAX];
    struct buf what = BUF_INIT;
    int64_t id = gw_int(event, "id", gw_int(event, "job", 0));
    bool is_told = id > 0 && put_what(event, &what);
    if (is_told)
        buf_printf(out, "%s  %" PRId64 "  %s", moment_clock(gw_number(event, "at", 0), false, at),
                   id, buf_str(&what));
    buf_clear(&what);
    return is_told;
}

void progress_event(const json_t *event)
{
    struct buf line = BUF_INIT;
    if (progress_words(event, &line))
        output_note("%s", buf_str(&line));
    buf_clear(&line);
}

void progress_end(const json_t *job)
{
    char at[MOMENT_MAX];
    struct buf words = BUF_INIT;
    outcome_words(job, &words);
    output_note("%s  %" PRId64 "  %s", moment_clock(gw_number(job, "ended", 0), false, at),
                gw_int(job, "id", 0), buf_str(&words));
    buf_clear(&words);
}
