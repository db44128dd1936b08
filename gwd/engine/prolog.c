/* Stage in: the job directory, the image into the site's cache, the files; then the intent to
 * submit.
 *
 *   START, [RMDIR], MKDIR, [STAT image, EXISTS entry, CP image], CP all files, END
 *
 * A driver with the feature `small` gets what does not depend on an answer at once, and makes the
 * directory by itself: START, [RMDIR, ...], PUT and CP all files; then END, which is not waited
 * for.
 *
 * A prolog that was interrupted by anything is begun anew: until ATTEMPT_STAGED nothing has run. */
#include "gwd/engine/engine_private.h"
#include "lib/mem.h"
#include "lib/num.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* What a user fills is not for others to wait for. */
static char *fill_key(const struct engine *e, const struct flight *f, const char *url)
{
    return e->config->is_multi_user ? xasprintf("%" PRIu64 " %s", f->job->spec->owner.uid, url)
                                    : xstrdup(url);
}

static char *cache_url(const struct flight *f)
{
    return xasprintf("%s/.gw_cache/%s/image", flight_attempt(f)->stage_url, f->image_key);
}

/* Send the request of a step, for the first time or again. */
static bool ask(struct engine *e, struct flight *f, enum step step)
{
    const char *verb = step == PRO_START ? "START" : "END";
    char *url = NULL;
    if (step == PRO_RMDIR || step == PRO_MKDIR) {
        verb = step == PRO_RMDIR ? "RMDIR" : "MKDIR";
        url = staging_dir_url(e, f->job, f->task, flight_attempt(f));
    } else if (step == PRO_STAT) {
        verb = "STAT";
        url = staging_image_url(f);
    } else if (step == PRO_EXISTS) {
        verb = "EXISTS";
        url = cache_url(f);
    }
    bool is_sent = tm_send(e, f, step, verb, 0, NULL, url, NULL);
    free(url);
    return is_sent;
}

static void stage_image(struct engine *e, struct flight *f);

void prolog_begin(struct engine *e, struct flight *f)
{
    copies_clear(&f->copies);
    free(f->image_key);
    f->image_key = NULL;
    f->tries = 0;
    bool goes_on = ask(e, f, PRO_START) && tm_is_small(e, f);
    if (goes_on && f->is_redo)
        ask(e, f, PRO_RMDIR);
    else if (goes_on)
        stage_image(e, f);
}

static void copy_files(struct engine *e, struct flight *f)
{
    copies_clear(&f->copies);
    staging_inputs(e, f);
    f->tries = 0;
    if (f->failure.code)
        abort_begin(e, f);
    else
        copies_send(e, f, PRO_COPY);
}

/* With a checksum the entry's name is known; without one it comes from URL, size and time, if the
 * driver can tell them; else the image goes into the job directory, for this attempt alone. So
 * it does where the worker nodes do not see the cache. */
static void stage_image(struct engine *e, struct flight *f)
{
    const struct template *t = f->job->spec->t;
    struct driver *d = driver_find(e, DRIVER_TM, flight_attempt(f)->tm);
    if (!t->vm_image) {
        copy_files(e, f);
    } else if (!d || !(d->features & FEATURE_STAT) || !(d->features & FEATURE_ATOMIC) ||
               nsh_is_wanted(e, f)) {
        f->image_key = xstrdup("");
        copy_files(e, f);
    } else if (t->vm_checksum) {
        f->image_key = xasprintf("sha256-%s", t->vm_checksum + strlen("sha256:"));
        ask(e, f, PRO_EXISTS);
    } else {
        ask(e, f, PRO_STAT);
    }
}

/* One attempt copies an image to a site; those that want the same one wait for it. */
static void fill_cache(struct engine *e, struct flight *f)
{
    char *to = cache_url(f), *key = fill_key(e, f, to);
    struct fill *fill;
    HASH_FIND_STR(e->fills, key, fill);
    if (fill) {
        f->step = PRO_FILL_WAIT;
        fill->waiting = xreallocarray(fill->waiting, fill->n_waiting + 1, sizeof *fill->waiting);
        fill->waiting[fill->n_waiting++] = f->ref;
        free(key);
        free(to);
        return;
    }
    char *from = staging_image_url(f);
    f->lone_copy = f->next_number++;
    f->lone_bytes = f->lone_bytes_total = 0;
    if (tm_send(e, f, PRO_FILL, "CP", f->lone_copy, NULL, from, to)) {
        fill = xcalloc(1, sizeof *fill);
        fill->key = xstrdup(key);
        f->fill = fill;
        HASH_ADD_KEYPTR(hh, e->fills, fill->key, strlen(fill->key), fill);
    }
    free(from);
    free(key);
    free(to);
}

/* Who waited may have gone on otherwise since, and even wait for another entry now. */
static void wake(struct engine *e, const struct fill *fill, struct task_ref ref)
{
    struct flight *f = flight_find(e, ref);
    char *url = f && f->step == PRO_FILL_WAIT ? cache_url(f) : NULL;
    char *key = url ? fill_key(e, f, url) : NULL;
    if (key && strcmp(key, fill->key) == 0)
        ask(e, f, PRO_EXISTS);
    free(key);
    free(url);
}

/* `by` no longer fills what it was filling: those who waited ask the cache again. */
void fills_wake(struct engine *e, struct flight *by)
{
    struct fill *fill = by->fill;
    if (!fill)
        return;
    by->fill = NULL;
    HASH_DEL(e->fills, fill);
    for (size_t i = 0; i < fill->n_waiting; i++)
        wake(e, fill, fill->waiting[i]);
    fill_destroy(fill);
}

void fill_destroy(struct fill *fill)
{
    free(fill->waiting);
    free(fill->key);
    free(fill);
}

static void fail(struct engine *e, struct flight *f, const char *text)
{
    struct reason r = {0};
    reason_from_driver(&r, text);
    if (credential_park(e, f, &r)) {
        reason_clear(&r);
        return;
    }
    if (flight_may_retry(f, &r)) {
        f->tries++;
        flight_wait(e, f, backoff_us(e, f->tries), f->step, &r);
    } else {
        flight_fail(f, r.code, r.blame, r.text);
        abort_begin(e, f);
    }
    reason_clear(&r);
}

static void know_image(struct engine *e, struct flight *f, const struct input *in)
{
    if (!in->answer.is_success) {
        fail(e, f, in->answer.text);
        return;
    }
    char *url = staging_image_url(f);
    uint64_t size = 0, mtime = 0;
    char *end;
    size = strtoull(in->answer.text, &end, 10);
    mtime = strtoull(end, NULL, 10);
    f->image_key = xasprintf("u-%016" PRIx64 "-%" PRIu64 "-%" PRIu64, num_fnv64(url, strlen(url)),
                             size, mtime);
    free(url);
    ask(e, f, PRO_EXISTS);
}

static void staged(struct engine *e, struct flight *f)
{
    emit_attempt(e, f, EV_ATTEMPT_STAGED);
    inquest_passed(f);
    lease_want(e, f->job->spec->t->lease_s);
    wrapper_begin(e, f);
}

static void copied(struct engine *e, struct flight *f, const struct input *in)
{
    if (!copies_answer(f, in))
        return;
    if (!f->failure.code) {
        f->tries = 0;
        if (ask(e, f, PRO_END) && tm_is_small(e, f))
            staged(e, f);
    } else if (credential_park(e, f, &f->failure)) {
        reason_clear(&f->failure);
    } else if (flight_may_retry(f, &f->failure)) {
        f->tries++;
        flight_wait(e, f, backoff_us(e, f->tries), PRO_COPY, &f->failure);
        reason_clear(&f->failure);
    } else {
        abort_begin(e, f);
    }
}

void prolog_answer(struct engine *e, struct flight *f, const struct input *in)
{
    static const struct {
        enum step step;
        const char *verb;
    } expected[] = {{PRO_START, "START"}, {PRO_RMDIR, "RMDIR"},   {PRO_MKDIR, "MKDIR"},
                    {PRO_STAT, "STAT"},   {PRO_EXISTS, "EXISTS"}, {PRO_FILL, "CP"},
                    {PRO_COPY, "CP"},     {PRO_END, "END"}};
    size_t i = 0;
    while (i < GW_COUNT(expected) && expected[i].step != f->step)
        i++;
    bool is_put = f->step == PRO_COPY && strcmp(in->answer.verb, "PUT") == 0;
    if (i == GW_COUNT(expected) || (strcmp(in->answer.verb, expected[i].verb) != 0 && !is_put))
        return;
    if (f->step == PRO_COPY) {
        copied(e, f, in);
        return;
    }
    if (f->step == PRO_STAT) {
        know_image(e, f, in);
        return;
    }
    if (f->step == PRO_FILL && in->answer.number != f->lone_copy)
        return;
    if (!in->answer.is_success && f->step != PRO_EXISTS && f->step != PRO_RMDIR) {
        if (f->step == PRO_FILL)
            fills_wake(e, f);
        fail(e, f, in->answer.text);
        return;
    }
    switch ((int)f->step) {
    case PRO_START:
        f->tries = 0;
        ask(e, f, f->is_redo ? PRO_RMDIR : PRO_MKDIR);
        break;
    case PRO_RMDIR:
        if (tm_is_small(e, f))
            stage_image(e, f);
        else
            ask(e, f, PRO_MKDIR);
        break;
    case PRO_MKDIR:
        f->tries = 0;
        stage_image(e, f);
        break;
    case PRO_EXISTS:
        if (in->answer.is_success)
            copy_files(e, f);
        else
            fill_cache(e, f);
        break;
    case PRO_FILL:
        fills_wake(e, f);
        copy_files(e, f);
        break;
    default:
        staged(e, f);
        break;
    }
}

void prolog_resume(struct engine *e, struct flight *f)
{
    if (f->after == PRO_COPY)
        copies_send(e, f, PRO_COPY);
    else if (f->after == PRO_FILL)
        ask(e, f, PRO_EXISTS);
    else
        ask(e, f, f->after);
}
