#include "tm/gass/session.h"

#include "gsi/credential.h"
#include "lib/mem.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <utlist.h>

enum {
    KEPT_S = 60,
    KEPT_MAX = 16,  /* of a key */
    PATIENCE_S = 5, /* with what is only to be closed */
};

struct session {
    struct ftp *ftp;
    char *key;
    unsigned generation; /* of the credential */
    time_t since;
    struct session *prev, *next;
};

static struct {
    pthread_mutex_t mutex; /* of all below */
    unsigned generation;   /* of the credential, 0: none was ever looked for */
    struct credential credential;
    bool has_credential;
    struct gw_err why_none;
    struct stat file;     /* as it was then */
    struct session *kept; /* the latest used first */
    struct session *taken;
} sessions = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static time_t now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec;
}

/* It may take its time. */
static void close_all(struct session *list)
{
    struct session *s, *next;
    LL_FOREACH_SAFE(list, s, next)
    {
        ftp_close(s->ftp);
        free(s->key);
        free(s);
    }
}

/* ---- the credential */

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
           a->st_mode == b->st_mode && a->st_uid == b->st_uid &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

bool session_renew(struct gw_err *err)
{
    struct stat now = {0};
    struct credential c = {0};
    (void)stat(credential_path(), &now);
    pthread_mutex_lock(&sessions.mutex);
    bool is_old = sessions.generation && is_same(&now, &sessions.file) &&
                  (!sessions.has_credential || credential_life_s(&sessions.credential) > 0);
    if (!is_old) {
        sessions.generation++;
        sessions.file = now;
        sessions.has_credential = credential_acquire(&c, &sessions.why_none) == 0;
        /* Its own handle nobody uses: each session has one. */
        credential_clear(&sessions.credential);
        sessions.credential = c;
    }
    bool has = sessions.has_credential;
    if (!has)
        *err = sessions.why_none;
    pthread_mutex_unlock(&sessions.mutex);
    return has;
}

char *session_identity(void)
{
    pthread_mutex_lock(&sessions.mutex);
    char *identity = xstrdup(sessions.credential.identity);
    pthread_mutex_unlock(&sessions.mutex);
    return identity;
}

/* ---- sessions */

static struct session *find_kept(const char *key)
{
    struct session *s;
    DL_FOREACH (sessions.kept, s)
        if (strcmp(s->key, key) == 0 && s->generation == sessions.generation)
            return s;
    return NULL;
}

/* The mutex is held. */
static struct session *new_session(const char *key, struct trouble *t)
{
    const struct credential *c = &sessions.credential;
    struct login l = {.identity = c->identity, .issuer = c->issuer, .path = c->path};
    *t = (struct trouble){.reason = "credential:job", .err = sessions.why_none};
    if (!sessions.has_credential || credential_again(&l.credential, &t->err) < 0)
        return NULL;
    struct ftp *f = ftp_open(key, &l, t);
    struct session *s = f ? xcalloc(1, sizeof *s) : NULL;
    if (s)
        *s = (struct session){.ftp = f, .key = xstrdup(key), .generation = sessions.generation};
    return s;
}

struct ftp *session_take(const char *key, bool *ret_is_kept, struct trouble *t)
{
    pthread_mutex_lock(&sessions.mutex);
    struct session *s = find_kept(key);
    *ret_is_kept = s != NULL;
    if (s)
        DL_DELETE(sessions.kept, s);
    else
        s = new_session(key, t);
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
    bool is_kept = !ftp_is_spoiled(f) && s->generation == sessions.generation && n < KEPT_MAX;
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
            key ? strcmp(s->key, key) == 0 : s->since < old || s->generation != sessions.generation;
        if (!is_dropped)
            continue;
        DL_DELETE(sessions.kept, s);
        LL_PREPEND(dropped, s);
    }
    pthread_mutex_unlock(&sessions.mutex);
    close_all(dropped);
}
