#include "tm/gass/session.h"

#include "lib/mem.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <utlist.h>

enum {
    KEPT_S = 60,
    KEPT_MAX = 16,  /* of a key */
    PATIENCE_S = 5, /* with what is only to be closed */
};

struct credential {
    gss_cred_id_t id;
    struct trouble why_none;
    unsigned refs; /* the current one's own, and its sessions' */
};

struct session {
    struct ftp *ftp;
    char *key;
    struct credential *credential;
    time_t since;
    struct session *prev, *next;
};

static struct {
    pthread_mutex_t mutex; /* of all below */
    struct credential *current;
    struct session *kept; /* the latest used first */
    struct session *taken;
} sessions = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static time_t now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec;
}

/* The mutex is held. */
static void unref(struct credential *c)
{
    if (--c->refs)
        return;
    OM_uint32 minor;
    if (c->id != GSS_C_NO_CREDENTIAL)
        gss_release_cred(&minor, &c->id);
    free(c);
}

/* Not under the mutex: it may take its time. */
static void close_all(struct session *list)
{
    struct session *s, *next;
    LL_FOREACH_SAFE(list, s, next)
    {
        ftp_close(s->ftp);
        pthread_mutex_lock(&sessions.mutex);
        unref(s->credential);
        pthread_mutex_unlock(&sessions.mutex);
        free(s->key);
        free(s);
    }
}

void session_init(void)
{
    sessions.current = xcalloc(1, sizeof *sessions.current);
    sessions.current->refs = 1;
}

void session_renew(gss_cred_id_t credential, const struct trouble *why_none)
{
    struct credential *c = xcalloc(1, sizeof *c);
    *c = (struct credential){.id = credential, .refs = 1};
    if (why_none)
        c->why_none = *why_none;
    pthread_mutex_lock(&sessions.mutex);
    unref(sessions.current);
    sessions.current = c;
    pthread_mutex_unlock(&sessions.mutex);
    session_drop(NULL);
}

static struct session *find_kept(const char *key)
{
    struct session *s;
    DL_FOREACH (sessions.kept, s)
        if (strcmp(s->key, key) == 0 && s->credential == sessions.current)
            return s;
    return NULL;
}

static struct session *new_session(const char *key, struct credential *c, struct trouble *t)
{
    struct ftp *f = ftp_open(key, c->id, t);
    struct session *s = f ? xcalloc(1, sizeof *s) : NULL;
    if (s)
        *s = (struct session){.ftp = f, .key = xstrdup(key), .credential = c};
    return s;
}

struct ftp *session_take(const char *key, bool *ret_is_kept, struct trouble *t)
{
    pthread_mutex_lock(&sessions.mutex);
    struct session *s = find_kept(key);
    struct credential *c = sessions.current;
    *ret_is_kept = s != NULL;
    if (s) {
        DL_DELETE(sessions.kept, s);
    } else if (c->why_none.err.code) {
        *t = c->why_none;
    } else if ((s = new_session(key, c, t))) {
        c->refs++;
    }
    if (s)
        DL_APPEND(sessions.taken, s);
    pthread_mutex_unlock(&sessions.mutex);
    return s ? s->ftp : NULL;
}

void session_give(const char *key, struct ftp *f)
{
    struct session *s, *other;
    unsigned n = 0;
    ftp_bind(f, NULL, PATIENCE_S);
    pthread_mutex_lock(&sessions.mutex);
    DL_SEARCH_SCALAR(sessions.taken, s, ftp, f);
    DL_DELETE(sessions.taken, s);
    DL_FOREACH (sessions.kept, other)
        n += strcmp(other->key, key) == 0;
    bool is_kept = !ftp_is_spoiled(f) && s->credential == sessions.current && n < KEPT_MAX;
    s->since = now_s();
    if (is_kept)
        DL_PREPEND(sessions.kept, s);
    pthread_mutex_unlock(&sessions.mutex);
    if (!is_kept) {
        s->next = NULL;
        close_all(s);
    }
}

void session_drop(const char *key)
{
    struct session *s, *next, *dropped = NULL;
    time_t old = now_s() - KEPT_S;
    pthread_mutex_lock(&sessions.mutex);
    DL_FOREACH_SAFE(sessions.kept, s, next)
    {
        bool is_dropped =
            key ? strcmp(s->key, key) == 0 : s->since < old || s->credential != sessions.current;
        if (!is_dropped)
            continue;
        DL_DELETE(sessions.kept, s);
        LL_PREPEND(dropped, s);
    }
    pthread_mutex_unlock(&sessions.mutex);
    close_all(dropped);
}
