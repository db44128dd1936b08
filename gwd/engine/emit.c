/* What a step gives back: events, which change the state at once, and effects, which wait for the
 * disk. */
#include "gwd/engine/engine_private.h"
#include "lib/mem.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static void reply_destroy(struct reply *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->n_refused; i++)
        free(r->refused[i].text);
    free(r->refused);
    free(r->done);
    free(r->pending);
    free(r->ended);
    free(r->text);
    free(r);
}

void output_reset(struct output *out)
{
    for (size_t i = 0; i < out->n_effects; i++) {
        struct effect *f = &out->effects[i];
        reply_destroy(f->reply);
        free(f->driver);
        free(f->path);
        free(f->text);
        for (size_t k = 0; k < GW_COUNT(f->args); k++)
            free(f->args[k]);
    }
    out->n_effects = 0;
    buf_reset(&out->events);
    out->n_events = 0;
}

void output_clear(struct output *out)
{
    output_reset(out);
    free(out->effects);
    buf_clear(&out->events);
    *out = (struct output){0};
}

void emit(struct engine *e, struct event *ev)
{
    struct gw_err err = {0};
    ev->at_us = e->now_us;
    ev->seq = e->state.seq + 1;
    /* First: applying it may replace a string that it borrows. */
    event_encode(ev, &e->out->events);
    if (state_apply(&e->state, ev, &err) < 0) {
        /* The engine asks for nothing that the state refuses; if it does, stopping loses nothing.
         */
        assert(!"the state refused an event of the engine");
        abort();
    }
    if (e->out->n_events++ == 0)
        e->out->first_seq = ev->seq;
}

void emit_attempt(struct engine *e, struct flight *f, enum event_kind kind)
{
    struct event ev = {
        .kind = kind, .job = f->ref.job, .task = f->ref.task, .attempt = f->ref.attempt};
    emit(e, &ev);
}

struct effect *effect_add(struct engine *e, enum effect_kind kind)
{
    struct output *out = e->out;
    if (out->n_effects == out->cap_effects) {
        out->cap_effects = out->cap_effects ? 2 * out->cap_effects : 16;
        out->effects = xreallocarray(out->effects, out->cap_effects, sizeof *out->effects);
    }
    struct effect *f = &out->effects[out->n_effects++];
    *f = (struct effect){.kind = kind};
    return f;
}

void send_request(struct engine *e, enum driver_kind kind, const char *driver, const char *verb,
                  struct task_ref ref, uint64_t number, const char *arg0, const char *arg1,
                  const char *arg2)
{
    const struct job *j = ref.job ? state_job(&e->state, ref.job) : NULL;
    struct effect *f = effect_add(e, EFFECT_SEND);
    f->uid = j ? j->spec->owner.uid : NOBODY;
    f->driver_kind = kind;
    f->driver = xstrdup(driver);
    f->verb = verb;
    f->ref = ref;
    f->number = number;
    f->args[0] = xstrdup(arg0);
    f->args[1] = xstrdup(arg1);
    f->args[2] = xstrdup(arg2);
}

void write_file(struct engine *e, char *path, struct buf *data, unsigned mode)
{
    struct effect *f = effect_add(e, EFFECT_WRITE_FILE);
    f->path = path;
    f->len = data->len;
    f->text = buf_take(data);
    f->mode = mode;
}

void reply_error(struct engine *e, const struct asker *asker, enum gw_errc code, const char *fmt,
                 ...)
{
    if (!asker->connection)
        return;
    struct buf text = BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    struct effect *f = effect_add(e, EFFECT_REPLY);
    f->asker = *asker;
    f->reply = xcalloc(1, sizeof *f->reply);
    f->reply->code = (int)code;
    f->reply->text = buf_take(&text);
}
