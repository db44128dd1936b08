#include "em/gram5/driver.h"

#include "em/gram5/contact.h"
#include "em/gram5/description.h"
#include "em/gram5/job.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "spec/rsl.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* Act with what is in the credential's file now. */
static int take_credential(struct gram5 *d, struct gw_err *err)
{
    struct stat now = {0};
    bool is_there = stat(credential_path(), &now) == 0;
    bool is_good = d->is_open && credential_life_s(gram_credential(d->gram)) > 0;
    if (is_good && is_there && is_same_file(&now, &d->proxy))
        return 0;
    int r = gram_open(d->gram, err);
    if (r < 0)
        return r;
    d->is_open = true;
    d->proxy = now;
    d->credential++;
    return 0;
}

/* A driver may be started while its credential is missing or over. */
static bool is_ready(struct gram5 *d, const char *verb, const char *handle)
{
    struct gw_err err;
    if (take_credential(d, &err) == 0)
        return true;
    kit_fail(d->kit, verb, handle, NULL, "credential:job", "%s", err.text);
    return false;
}

static void use_credential(struct kit *k, const struct fields *f, void *ctx)
{
    struct gram5 *d = ctx;
    struct gw_err err;
    if (take_credential(d, &err) < 0) {
        kit_fail(k, "CREDENTIAL", f->field[1], NULL, "credential:job", "%s", err.text);
        return;
    }
    kit_succeed(k, "CREDENTIAL", f->field[1], NULL, "-");
    struct job *j = gram5_job_find(d, f->field[1]);
    if (j && j->phase != JOB_OVER && j->contact && j->credential != d->credential)
        job_want(j, WANT_REFRESH | WANT_LISTEN);
}

/* A handle comes again after its job's end, and after it was not found. */
static bool is_free(struct gram5 *d, const char *verb, const char *handle)
{
    struct job *j = gram5_job_find(d, handle);
    if (j && j->phase != JOB_OVER) {
        kit_fail(d->kit, verb, handle, NULL, "internal:us", "the handle %s is in use", handle);
        return false;
    }
    if (j)
        job_remove(j);
    return true;
}

/* Of a file, or as it is given. */
static char *read_description(const char *given, struct gw_err *err)
{
    struct buf text = BUF_INIT, rsl = BUF_INIT;
    int r = 0;
    if (*given == '&')
        buf_puts(&text, given);
    else
        r = file_read(given, RSL_TEXT_MAX, &text, err);
    if (r == 0)
        r = description_for_gram(buf_str(&text), text.len, &rsl, err);
    buf_clear(&text);
    return r < 0 ? NULL : buf_take(&rsl);
}

static void submit(struct kit *k, const struct fields *f, void *ctx)
{
    struct gram5 *d = ctx;
    const char *handle = f->field[1];
    struct gw_err err;
    if (!is_free(d, "SUBMIT", handle) || !is_ready(d, "SUBMIT", handle))
        return;
    char *rsl = read_description(f->field[3], &err);
    if (!rsl) {
        kit_fail(k, "SUBMIT", handle, NULL, err.code == GW_EINVAL ? "refused:job" : "internal:us",
                 "%s", err.text);
        return;
    }
    struct job *j = job_add(d, handle, f->field[2]);
    j->phase = JOB_SUBMITTING;
    j->rsl = rsl;
    j->owed = OWE_SUBMIT;
    job_want(j, WANT_SUBMIT);
}

static struct job *job_named(struct gram5 *d, const struct fields *f)
{
    struct job *j = gram5_job_find(d, f->field[1]);
    if (!j)
        kit_fail(d->kit, f->field[0], f->field[1], NULL, "internal:us", "no job has the handle %s",
                 f->field[1]);
    return j;
}

static void commit(struct kit *k, const struct fields *f, void *ctx)
{
    struct job *j = job_named(ctx, f);
    if (!j)
        return;
    if (j->phase == JOB_SUBMITTING) {
        kit_fail(k, "COMMIT", j->handle, NULL, "internal:us", "the job is not submitted yet");
        return;
    }
    j->owed |= OWE_COMMIT;
    if (j->phase == JOB_HELD || j->phase == JOB_LOOKING)
        job_want(j, WANT_COMMIT);
    else
        job_answer_commit(j);
}

static void poll_job(struct kit *k, const struct fields *f, void *ctx)
{
    (void)k;
    struct job *j = job_named(ctx, f);
    if (!j)
        return;
    j->owed |= OWE_POLL;
    if (j->phase == JOB_OVER)
        job_tell(j);
    else if (j->phase != JOB_SUBMITTING)
        job_want(j, WANT_STATUS);
}

/* Taken is taken: it is repeated until the site has confirmed the end. */
static void cancel(struct kit *k, const struct fields *f, void *ctx)
{
    struct job *j = job_named(ctx, f);
    if (!j)
        return;
    kit_succeed(k, "CANCEL", j->handle, NULL, "-");
    j->is_cancelled = true;
    if (j->phase == JOB_HELD)
        j->wants &= ~(unsigned)WANT_COMMIT;
    if (j->phase != JOB_SUBMITTING && j->phase != JOB_OVER)
        job_want(j, WANT_CANCEL);
}

static void look_for(struct gram5 *d, const char *handle, const struct contact *c)
{
    struct job *j = gram5_job_find(d, handle);
    char *key = contact_key(c->job);
    bool is_same = j && j->key && strcmp(j->key, key) == 0;
    free(key);
    if (!is_same) {
        if (!is_free(d, "RECOVER", handle))
            return;
        j = job_add(d, handle, c->gatekeeper);
        j->phase = JOB_LOOKING;
        job_set_contact(j, c->job);
    }
    j->owed |= OWE_RECOVER;
    if (j->phase == JOB_OVER)
        job_tell(j);
    else
        job_want(j, WANT_STATUS);
}

static void recover(struct kit *k, const struct fields *f, void *ctx)
{
    struct gram5 *d = ctx;
    const char *handle = f->field[1];
    struct contact contact;
    struct gw_err err;
    if (strcmp(f->field[2], "-") == 0)
        /* What has no contact was never committed. */
        kit_fail(k, "RECOVER", handle, NULL, "not-found:us", "the job was never committed");
    else if (contact_decode(f->field[2], &contact, &err) < 0)
        kit_fail(k, "RECOVER", handle, NULL, "internal:us", "%s", err.text);
    else {
        if (is_ready(d, "RECOVER", handle))
            look_for(d, handle, &contact);
        contact_clear(&contact);
    }
}

static void replied(void *ctx, const struct gram_reply *r)
{
    struct gram5 *d = ctx;
    asks_replied(d->asks, r);
}

static void news(void *ctx, const char *contact, int state, int failure)
{
    struct job *j = contact ? job_of_contact(ctx, contact) : NULL;
    if (j)
        job_take_news(j, state, failure);
}

int gram5_serve(void)
{
    static const struct kit_verb verbs[] = {
        {"CREDENTIAL", KIT_CREDENTIAL, use_credential},
        {"SUBMIT", 0, submit},
        {"COMMIT", KIT_COMMIT, commit},
        {"POLL", 0, poll_job},
        {"CANCEL", 0, cancel},
        {"RECOVER", 0, recover},
    };
    static struct gram5 d;
    const struct kit_driver driver = {
        .name = "em_gram5",
        .kind = KIT_EM,
        .features = GRAM5_FEATURES,
        .verbs = verbs,
        .n_verbs = GW_COUNT(verbs),
        .ctx = &d,
    };
    const struct gram_listener listener = {.replied = replied, .news = news, .ctx = &d};
    d.kit = kit_create(&driver);
    d.mailbox = mailbox_create(kit_loop(d.kit));
    d.gram = gram_create(d.mailbox, &listener);
    d.asks = asks_create(kit_loop(d.kit), d.mailbox, d.gram);
    _exit(kit_run(d.kit));
}
