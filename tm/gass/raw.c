#include "tm/gass/raw.h"

#include "lib/log.h"
#include "lib/mem.h"
#include "tm/gass/ftp_private.h"

#include <globus_ftp_control.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    STEP_S = 60,
    WORK_S = 480, /* with two steps less than the 600 s after which gwd takes us for hung */
    CLOSE_S = 5,
    TICK_MS = 200
};

struct raw {
    globus_ftp_control_handle_t handle;
    const atomic_bool *is_cancelled;
    struct explain_about about;
    const char *path;
    pthread_mutex_t mutex; /* of all below */
    pthread_cond_t changed;
    bool is_done, is_closed;
    int code;
    char *text; /* of the reply, or the error */
    bool is_error;
};

static void on_reply(void *arg, globus_ftp_control_handle_t *handle, globus_object_t *error,
                     globus_ftp_control_response_t *response)
{
    (void)handle;
    struct raw *w = arg;
    /* Another reply will come. (That of a close has no code.) */
    if (!error && response && response->code >= 100 && response->code < 200)
        return;
    char *friendly = error ? globus_error_print_friendly(error) : NULL;
    pthread_mutex_lock(&w->mutex);
    free(w->text);
    w->is_error = error != NULL;
    w->code = error || !response ? 0 : response->code;
    if (friendly)
        w->text = xstrdup(friendly);
    else
        w->text =
            response && response->response_buffer
                ? xstrndup((char *)response->response_buffer,
                           strnlen((char *)response->response_buffer, response->response_length))
                : xstrdup("");
    w->is_done = true;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->mutex);
    free(friendly);
}

/* Its own: the reply to a command that was given up may come before it. */
static void on_closed(void *arg, globus_ftp_control_handle_t *handle, globus_object_t *error,
                      globus_ftp_control_response_t *response)
{
    (void)handle, (void)error, (void)response;
    struct raw *w = arg;
    pthread_mutex_lock(&w->mutex);
    w->is_closed = true;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->mutex);
}

/* Wait for `*what`. false: it did not come in time, or it was cancelled. */
static bool await(struct raw *w, bool *what, unsigned limit_s)
{
    struct timespec t;
    bool is_done;
    pthread_mutex_lock(&w->mutex);
    for (unsigned ms = 0; !*what && ms < limit_s * 1000; ms += TICK_MS) {
        if (w->is_cancelled && atomic_load(w->is_cancelled))
            break;
        clock_gettime(CLOCK_MONOTONIC, &t);
        t.tv_nsec += TICK_MS * 1000000L;
        t.tv_sec += t.tv_nsec / 1000000000L;
        t.tv_nsec %= 1000000000L;
        pthread_cond_timedwait(&w->changed, &w->mutex, &t);
    }
    is_done = *what;
    *what = false;
    pthread_mutex_unlock(&w->mutex);
    return is_done;
}

/* After a function that registers: its reply of class 2. */
static int reply(struct raw *w, globus_result_t begun, unsigned limit_s, struct trouble *t)
{
    if (begun != GLOBUS_SUCCESS) {
        globus_object_t *error = globus_error_get(begun);
        char *text = globus_error_print_friendly(error);
        int r = reply_explain(0, text ? text : "", w->path, &w->about, t);
        free(text);
        globus_object_free(error);
        return r;
    }
    if (!await(w, &w->is_done, limit_s)) {
        trouble_set(t, GW_EUNAVAIL, "unreachable:site", "%s: no answer in %u s", w->about.host,
                    limit_s);
        t->is_link = true;
        return -t->err.code;
    }
    if (!w->is_error && w->code < 300)
        return 0;
    return reply_explain(w->code, w->text, w->path, &w->about, t);
}

static int log_in(struct raw *w, const struct ftp *f, struct trouble *t)
{
    static char user[] = ":globus-mapping:", password[] = "user@";
    globus_ftp_control_auth_info_t auth;
    char *host = xstrdup(w->about.host), *colon = strrchr(host, ':');
    unsigned long port = colon ? strtoul(colon + 1, NULL, 10) : 0;
    if (colon)
        *colon = '\0';
    globus_ftp_control_auth_info_init(&auth, f->credential, GLOBUS_FALSE, user, password, NULL,
                                      NULL);
    int r =
        reply(w, globus_ftp_control_connect(&w->handle, host, (unsigned short)port, on_reply, w),
              STEP_S, t);
    if (r == 0)
        r = reply(w, globus_ftp_control_authenticate(&w->handle, &auth, GLOBUS_TRUE, on_reply, w),
                  STEP_S, t);
    free(host);
    return r;
}

/* The library keeps the memory of a connection that does not close. */
static void hang_up(struct raw *w, const char *label)
{
    static const atomic_bool no = false;
    w->is_cancelled = &no;
    if (globus_ftp_control_force_close(&w->handle, on_closed, w) == GLOBUS_SUCCESS &&
        !await(w, &w->is_closed, CLOSE_S)) {
        log_warn("%s: a connection does not close", label);
        return;
    }
    globus_ftp_control_handle_destroy(&w->handle);
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->mutex);
    free(w->text);
    free(w);
}

/* `command`, a blank, the path. What the server answers is appended to `ret`, if that is wanted. */
static int say(const struct ftp *f, const char *host, const char *command, const char *path,
               struct buf *ret, struct trouble *t)
{
    struct raw *w = xcalloc(1, sizeof *w);
    pthread_condattr_t monotonic; /* a wall clock that is put back would make a tick of ours long */
    pthread_mutex_init(&w->mutex, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&w->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    w->is_cancelled = f->is_cancelled;
    w->about = f->about;
    w->about.host = host;
    w->path = path;
    globus_ftp_control_handle_init(&w->handle);
    int r = log_in(w, f, t);
    /* As the client library does with "/~/". */
    if (r == 0)
        r = reply(w,
                  globus_ftp_control_send_command(&w->handle, "%s %s\r\n", on_reply, w, command,
                                                  path[1] == '~' ? path + 1 : path),
                  WORK_S, t);
    if (r == 0 && ret)
        buf_puts(ret, w->text);
    hang_up(w, host);
    return r;
}

int raw_remove_tree(const struct ftp *f, const char *host, const char *path, struct trouble *t)
{
    return say(f, host, "SITE RDEL", path, NULL, t);
}

int raw_md5(const struct ftp *f, const char *host, const char *path, uint64_t len,
            char ret[RAW_MD5], struct trouble *t)
{
    struct buf answer = BUF_INIT;
    char *command = xasprintf("CKSM MD5 0 %" PRIu64, len);
    int r = say(f, host, command, path, &answer, t);
    free(command);
    const char *digits = r == 0 && strncmp(buf_str(&answer), "213 ", 4) == 0 ? answer.data + 4 : "";
    if (r == 0 && strspn(digits, "0123456789abcdefABCDEF") == RAW_MD5 - 1)
        snprintf(ret, RAW_MD5, "%.*s", RAW_MD5 - 1, digits);
    else if (r == 0)
        r = trouble_set(t, GW_EPROTO, NULL, "%s: an odd answer to CKSM", path);
    buf_clear(&answer);
    return r;
}
