/* GridWay's fields: each letter is one or more columns. */
#include "cli/moment.h"
#include "cli/owner.h"
#include "cli/ps.h"
#include "cli/ps_row.h"
#include "cli/table.h"
#include "client/gw.h"
#include "client/reason.h"
#include "lib/mem.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void put_user(struct table *t, const struct row *job)
{
    table_putf(t, "%s:%" PRId64, row_text(job, "user", "?"), row_int(job, "uid", 0));
}

static void put_id(struct table *t, const struct row *job)
{
    table_putf(t, "%" PRId64, row_int(job, "id", 0));
}

static void put_array(struct table *t, const struct row *job)
{
    if (row_int(job, "array", 0) <= 0) {
        table_put(t, NULL);
        table_put(t, NULL);
        return;
    }
    table_putf(t, "%" PRId64, row_int(job, "array", 0));
    table_putf(t, "%" PRId64, row_int(job, "task", 0));
}

static void put_priority(struct table *t, const struct row *job)
{
    table_putf(t, "%" PRId64, row_int(job, "priority", 0));
}

static void put_type(struct table *t, const struct row *job)
{
    table_put(t, row_text(job, "type", NULL));
}

static void put_np(struct table *t, const struct row *job)
{
    table_putf(t, "%" PRId64, row_int(job, "np", 1));
}

static void put_state(struct table *t, const struct row *job)
{
    table_put(t, row_text(job, "state", NULL));
}

static void put_em(struct table *t, const struct row *job)
{
    table_put(t, row_text(job, "em", NULL));
}

/* Restarts; the other two flags of GridWay have no meaning here. */
static void put_flags(struct table *t, const struct row *job)
{
    int64_t attempt = row_int(job, "attempt", 0);
    table_putf(t, "%" PRId64 "--", attempt > 1 ? attempt - 1 : 0);
}

static void put_times(struct table *t, const struct row *job, bool has_date)
{
    char text[MOMENT_MAX];
    table_put(t, moment_clock(row_number(job, "submitted", 0), has_date, text));
    table_put(t, moment_clock(row_number(job, "ended", 0), has_date, text));
    table_put(t, moment_span(row_number(job, "exec_s", 0), text));
    table_put(t, moment_span(row_number(job, "xfer_s", 0), text));
}

static void put_clock(struct table *t, const struct row *job)
{
    put_times(t, job, false);
}

static void put_dates(struct table *t, const struct row *job)
{
    put_times(t, job, true);
}

static void put_exit(struct table *t, const struct row *job)
{
    int64_t code = row_int(job, "exit_code", -1);
    if (code < 0 || code > 255)
        table_put(t, NULL);
    else
        table_putf(t, "%d", (int)code);
}

static void put_name(struct table *t, const struct row *job)
{
    table_put(t, row_text(job, "name", NULL));
}

static void put_host(struct table *t, const struct row *job)
{
    const char *host = row_text(job, "host", NULL), *lrms = row_text(job, "lrms", NULL);
    if (host && lrms)
        table_putf(t, "%s/%s", host, lrms);
    else
        table_put(t, host);
}

static void put_vjob(struct table *t, const struct row *job)
{
    table_put(t, row_text(job, "vjob", NULL));
}

static void put_reason(struct table *t, const struct row *job)
{
    struct buf words = BUF_INIT;
    reason_words(gw_object(job->json, "reason"), &words);
    table_put(t, buf_str(&words));
    buf_clear(&words);
}

static void put_credential(struct table *t, const struct row *job)
{
    char text[MOMENT_MAX];
    table_put(t, owner_credential_left(gw_object(job->json, "credential"), text));
}

static const struct {
    char letter;
    const char *members[5]; /* of a job, that it needs */
    struct table_column columns[4];
    void (*put)(struct table *t, const struct row *job);
} fields_of[] = {
    {'u', {"user", "uid"}, {{"USER", 12, false}}, put_user},
    {'J', {"id"}, {{"JID", 3, true}}, put_id},
    {'i', {"array", "task"}, {{"AID", 3, true}, {"TID", 3, true}}, put_array},
    {'p', {"priority"}, {{"FP", 2, true}}, put_priority},
    {'y', {"type"}, {{"TYPE", 8, false}}, put_type},
    {'n', {"np"}, {{"NP", 2, true}}, put_np},
    {'s', {"state"}, {{"DM", 4, false}}, put_state},
    {'e', {"em"}, {{"EM", 4, false}}, put_em},
    {'f', {"attempt"}, {{"RWS", 3, false}}, put_flags},
    {'t',
     {"submitted", "ended", "exec_s", "xfer_s"},
     {{"START", 8, false}, {"END", 8, false}, {"EXEC", 7, true}, {"XFER", 7, true}},
     put_clock},
    {'T',
     {"submitted", "ended", "exec_s", "xfer_s"},
     {{"START", 14, false}, {"END", 14, false}, {"EXEC", 7, true}, {"XFER", 7, true}},
     put_dates},
    {'x', {"exit_code"}, {{"EXIT", 4, true}}, put_exit},
    {'j', {"name"}, {{"NAME", 15, false}}, put_name},
    {'h', {"host", "lrms"}, {{"HOST", 25, false}}, put_host},
    {'v', {"vjob"}, {{"VJOB", 10, false}}, put_vjob},
    {'c', {"credential"}, {{"CRED", 8, true}}, put_credential},
    {'r', {"reason"}, {{"REASON", 20, false}}, put_reason},
};

static size_t find(char letter)
{
    size_t i = 0;
    while (i < GW_COUNT(fields_of) && fields_of[i].letter != letter)
        i++;
    return i;
}

char ps_bad_field(const char *fields)
{
    for (; *fields; fields++)
        if (find(*fields) == GW_COUNT(fields_of))
            return *fields;
    return 0;
}

json_t *ps_members(const char *fields)
{
    json_t *list = json_array();
    for (const char *f = fields; *f; f++)
        for (const char *const *m = fields_of[find(*f)].members; *m; m++)
            json_array_append_new(list, json_string(*m));
    return list;
}

struct table *ps_table_create(const char *fields, bool has_header)
{
    size_t n = 0;
    struct table_column *columns = xcalloc(strlen(fields) * 4 + 1, sizeof *columns);
    for (const char *f = fields; *f; f++)
        for (size_t k = 0; k < 4 && fields_of[find(*f)].columns[k].name; k++)
            columns[n++] = fields_of[find(*f)].columns[k];
    struct table *t = table_create(columns, n, has_header);
    free(columns);
    return t;
}

int ps_table_put(struct table *t, const char *fields, const char *text, size_t len,
                 struct gw_err *err)
{
    struct row row;
    size_t at = 0;
    char *copy = xmemdup0(text, len);
    int r;
    while ((r = row_next(text, copy, len, &at, &row)) > 0) {
        table_row(t);
        for (const char *f = fields; *f; f++)
            fields_of[find(*f)].put(t, &row);
        row_clear(&row);
    }
    free(copy);
    return r < 0 ? gw_err_set(err, GW_EPROTO, "gwd listed something that is no job") : 0;
}
