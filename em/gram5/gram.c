#include "em/gram5/gram.h"

#include "lib/mem.h"

#include <globus_common.h>
#include <globus_gram_client.h>
#include <globus_gram_protocol.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* How long a renewal waits for connections of the old listener to end before it goes on without. */
enum { LISTENER_PATIENCE_S = 5 };

struct call {
    struct gram *gram;
    uint64_t number;
    enum gram_op op;
    char *target, *rsl;
    gss_cred_id_t credential; /* not a call, but from now on to be used */
    struct call *next;
};

struct gram {
    struct mailbox *mailbox;
    struct gram_listener listener;
    bool is_active;
    struct credential credential; /* but for its handle */
    char *news_contact;           /* of the calling thread alone */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct call *first, **last;
};

/* A letter: a reply, or news. */
struct arrival {
    struct letter letter;
    struct gram *gram;
    bool is_news;
    struct gram_reply reply;
    char *contact, *text;
};

static void read_arrival(struct letter *l)
{
    struct arrival *a = (struct arrival *)l;
    struct gram_listener *to = &a->gram->listener;
    a->reply.contact = a->contact;
    a->reply.text = a->text;
    if (a->is_news)
        to->news(to->ctx, a->contact, a->reply.state, a->reply.failure);
    else
        to->replied(to->ctx, &a->reply);
    free(a->contact);
    free(a->text);
    free(a);
}

static struct arrival *arrival_create(struct gram *g, const char *contact)
{
    struct arrival *a = xcalloc(1, sizeof *a);
    a->letter.read = read_arrival;
    a->gram = g;
    a->contact = xstrdup(contact);
    return a;
}

static void call_destroy(struct call *c)
{
    free(c->target);
    free(c->rsl);
    free(c);
}

/* On a thread of the library, or on the calling thread. Ends the call. */
static void on_reply(void *arg, globus_gram_protocol_error_t code, const char *contact,
                     globus_gram_protocol_job_state_t state, globus_gram_protocol_error_t failure)
{
    struct call *c = arg;
    struct arrival *a = arrival_create(c->gram, contact);
    a->reply = (struct gram_reply){
        .number = c->number, .op = c->op, .code = code, .state = state, .failure = failure};
    /* Here and now: the text of some codes is replaced at each failure of any call. */
    if (code)
        a->text = xstrdup(globus_gram_client_error_string(code));
    mailbox_post(c->gram->mailbox, &a->letter);
    call_destroy(c);
}

static void on_news(void *arg, char *contact, int state, int failure)
{
    struct arrival *a = arrival_create(arg, contact);
    a->is_news = true;
    a->reply.state = state;
    a->reply.failure = failure;
    mailbox_post(a->gram->mailbox, &a->letter);
}

static int begin_call(struct gram *g, struct call *c)
{
    static const int all = GLOBUS_GRAM_PROTOCOL_JOB_STATE_ALL;
    switch (c->op) {
    case GRAM_SUBMIT:
    case GRAM_FIND:
        return globus_gram_client_register_job_request(c->target, c->rsl, all, g->news_contact,
                                                       GLOBUS_GRAM_CLIENT_NO_ATTR, on_reply, c);
    case GRAM_STATUS:
        return globus_gram_client_register_job_status(c->target, GLOBUS_GRAM_CLIENT_NO_ATTR,
                                                      on_reply, c);
    case GRAM_COMMIT:
        return globus_gram_client_register_job_signal(
            c->target, GLOBUS_GRAM_PROTOCOL_JOB_SIGNAL_COMMIT_REQUEST, " ",
            GLOBUS_GRAM_CLIENT_NO_ATTR, on_reply, c);
    case GRAM_END:
        return globus_gram_client_register_job_signal(c->target,
                                                      GLOBUS_GRAM_PROTOCOL_JOB_SIGNAL_COMMIT_END,
                                                      " ", GLOBUS_GRAM_CLIENT_NO_ATTR, on_reply, c);
    case GRAM_CANCEL:
        return globus_gram_client_register_job_cancel(c->target, GLOBUS_GRAM_CLIENT_NO_ATTR,
                                                      on_reply, c);
    case GRAM_LISTEN:
        return globus_gram_client_register_job_callback_registration(
            c->target, all, g->news_contact, GLOBUS_GRAM_CLIENT_NO_ATTR, on_reply, c);
    case GRAM_REFRESH:
        return globus_gram_client_register_job_refresh_credentials(
            c->target, GSS_C_NO_CREDENTIAL, GLOBUS_GRAM_CLIENT_NO_ATTR, on_reply, c);
    }
    return GLOBUS_GRAM_PROTOCOL_ERROR_INVALID_REQUEST;
}

/* The end of a listener, which waits for its connections. */
struct farewell {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    char *contact;
    bool is_over, is_left;
};

static void *say_farewell(void *arg)
{
    struct farewell *f = arg;
    globus_gram_client_callback_disallow(f->contact);
    pthread_mutex_lock(&f->lock);
    f->is_over = true;
    pthread_cond_signal(&f->changed);
    bool is_left = f->is_left;
    pthread_mutex_unlock(&f->lock);
    if (is_left) {
        free(f->contact);
        free(f);
    }
    return NULL;
}

/* Its accepting socket uses the old credential, which the library frees: it goes first. */
static void end_listener(char *contact)
{
    struct farewell *f = xcalloc(1, sizeof *f);
    pthread_t thread;
    struct timespec until;
    pthread_condattr_t monotonic; /* a wall clock that is put back would keep us */
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    f->contact = contact;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += LISTENER_PATIENCE_S;
    pthread_mutex_lock(&f->lock);
    if (pthread_create(&thread, NULL, say_farewell, f) == 0) {
        pthread_detach(thread);
        while (!f->is_over && pthread_cond_timedwait(&f->changed, &f->lock, &until) == 0)
            ;
    }
    bool is_over = f->is_over;
    f->is_left = !is_over;
    pthread_mutex_unlock(&f->lock);
    if (is_over) {
        free(f->contact);
        free(f);
    }
}

static void renew(struct gram *g, gss_cred_id_t credential)
{
    if (g->news_contact)
        end_listener(g->news_contact);
    g->news_contact = NULL;
    globus_gram_client_set_credentials(credential);
    char *contact = NULL;
    if (globus_gram_client_callback_allow(on_news, g, &contact) == GLOBUS_SUCCESS)
        g->news_contact = contact;
}

static struct call *next_call(struct gram *g)
{
    pthread_mutex_lock(&g->lock);
    while (!g->first)
        pthread_cond_wait(&g->changed, &g->lock);
    struct call *c = g->first;
    g->first = c->next;
    if (!g->first)
        g->last = &g->first;
    pthread_mutex_unlock(&g->lock);
    return c;
}

static void *make_calls(void *arg)
{
    struct gram *g = arg;
    for (;;) {
        struct call *c = next_call(g);
        if (c->credential != GSS_C_NO_CREDENTIAL) {
            renew(g, c->credential);
            call_destroy(c);
            continue;
        }
        /* The library may have ended the call before this returns 0: c is not to be touched. */
        int code = begin_call(g, c);
        if (code != GLOBUS_SUCCESS)
            on_reply(c, code, NULL, 0, 0);
    }
    return NULL;
}

static void put_call(struct gram *g, struct call *c)
{
    pthread_mutex_lock(&g->lock);
    *g->last = c;
    g->last = &c->next;
    pthread_cond_signal(&g->changed);
    pthread_mutex_unlock(&g->lock);
}

struct gram *gram_create(struct mailbox *m, const struct gram_listener *l)
{
    struct gram *g = xcalloc(1, sizeof *g);
    g->mailbox = m;
    g->listener = *l;
    g->last = &g->first;
    pthread_mutex_init(&g->lock, NULL);
    pthread_cond_init(&g->changed, NULL);
    /* Before any module is activated; without it, callbacks run only within the library's waits. */
    globus_thread_set_model("pthread");
    return g;
}

static int activate(struct gram *g, struct gw_err *err)
{
    pthread_t thread;
    int code = globus_module_activate(GLOBUS_GRAM_CLIENT_MODULE);
    if (code != GLOBUS_SUCCESS)
        return gw_err_set(err, GW_EPERM, "the GRAM client cannot be used: %s",
                          globus_gram_client_error_string(code));
    if (pthread_create(&thread, NULL, make_calls, g) != 0)
        return gw_err_set(err, GW_EINTERNAL, "no thread for calls of the GRAM client");
    pthread_detach(thread);
    g->is_active = true;
    return 0;
}

static int check_credential(const struct credential *c, struct gw_err *err)
{
    if (!c->is_limited)
        return 0;
    return gw_err_set(err, GW_EPERM,
                      "the credential %s of %s is a limited proxy, with which no job can be "
                      "submitted: make a full one with grid-proxy-init",
                      c->path, c->identity);
}

int gram_open(struct gram *g, struct gw_err *err)
{
    struct credential found;
    int r = credential_acquire(&found, err);
    if (r < 0)
        return r;
    r = check_credential(&found, err);
    if (r == 0 && !g->is_active)
        r = activate(g, err);
    if (r < 0) {
        credential_clear(&found);
        return r;
    }
    struct call *c = xcalloc(1, sizeof *c);
    c->credential = found.handle;
    found.handle = GSS_C_NO_CREDENTIAL; /* the library's from now on */
    put_call(g, c);
    credential_clear(&g->credential);
    g->credential = found;
    return 0;
}

const struct credential *gram_credential(const struct gram *g)
{
    return g->credential.path ? &g->credential : NULL;
}

void gram_call(struct gram *g, uint64_t number, enum gram_op op, const char *target,
               const char *rsl)
{
    struct call *c = xcalloc(1, sizeof *c);
    *c = (struct call){
        .gram = g, .number = number, .op = op, .target = xstrdup(target), .rsl = xstrdup(rsl)};
    put_call(g, c);
}
