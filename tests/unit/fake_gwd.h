/* A gwd that plays a script to the client under test: a thread with a Unix socket. Steps are
 * carried out in order; a step that waits for a request fails the script when another one comes.
 * For tests only. */
#ifndef TESTS_UNIT_FAKE_GWD_H
#define TESTS_UNIT_FAKE_GWD_H

#include "lib/buf.h"
#include "lib/mem.h"
#include "tests/unit/tempdir.h"

#include <jansson.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define FAKE_HELLO                                                                                 \
    "{\"gwd\":\"0.1.0\",\"protocol\":1,\"instance\":\"I\",\"seq\":10,\"home\":\"/s\"}"

enum fake_kind {
    FAKE_END,
    FAKE_ACCEPT, /* a connection; text: the greeting, NULL: FAKE_HELLO */
    FAKE_EXPECT, /* a request with op `text` */
    FAKE_SEND,   /* the line `text`; @op becomes the id of the last request with that op */
    FAKE_FLOOD,  /* 17 MiB without a newline */
    FAKE_CLOSE,  /* the connection */
};

struct fake_step {
    enum fake_kind kind;
    const char *text;
};

struct fake {
    char *dir, path[108]; /* as a socket may be called */
    int listener, fd;
    const struct fake_step *steps;
    pthread_t thread;
    json_t *requests; /* all, in order */
    bool is_good;     /* the whole script was played */
    bool is_joined;
    struct buf in;
};

static inline void fake_send(struct fake *f, const char *text)
{
    struct buf out = BUF_INIT;
    for (const char *p = text; *p; p++) {
        size_t n = strspn(p + 1, "abcdefghijklmnopqrstuvwxyz");
        json_t *r, *found = NULL;
        size_t i;
        if (*p == '@')
            json_array_foreach(f->requests, i,
                               r) if (strncmp(json_string_value(json_object_get(r, "op")), p + 1,
                                              n) == 0) found = r;
        if (found) {
            buf_printf(&out, "%lld", (long long)json_integer_value(json_object_get(found, "id")));
            p += n;
        } else {
            buf_putc(&out, *p);
        }
    }
    buf_putc(&out, '\n');
    for (size_t sent = 0; sent < out.len;) {
        ssize_t n = send(f->fd, out.data + sent, out.len - sent, MSG_NOSIGNAL);
        if (n <= 0)
            break;
        sent += (size_t)n;
    }
    buf_clear(&out);
}

static inline bool fake_expect(struct fake *f, const char *op)
{
    char *end;
    while (!(end = f->in.len ? memchr(f->in.data, '\n', f->in.len) : NULL)) {
        buf_reserve(&f->in, 65536);
        ssize_t n = recv(f->fd, f->in.data + f->in.len, 65536, 0);
        if (n <= 0)
            return false;
        f->in.len += (size_t)n;
    }
    size_t len = (size_t)(end - f->in.data);
    json_t *request = json_loadb(f->in.data, len, 0, NULL);
    buf_drop(&f->in, len + 1);
    json_array_append_new(f->requests, request);
    const char *got = json_string_value(json_object_get(request, "op"));
    if (got && strcmp(got, op) == 0)
        return true;
    fprintf(stderr, "fake gwd: %s came instead of %s\n", got ? got : "no request", op);
    return false;
}

static inline void fake_flood(struct fake *f)
{
    static char much[1 << 20];
    memset(much, 'x', sizeof much);
    for (int i = 0; i < 17; i++)
        for (size_t sent = 0; sent < sizeof much;) {
            ssize_t n = send(f->fd, much + sent, sizeof much - sent, MSG_NOSIGNAL);
            if (n <= 0)
                return;
            sent += (size_t)n;
        }
}

static inline bool fake_play(struct fake *f, const struct fake_step *s)
{
    switch (s->kind) {
    case FAKE_ACCEPT:
        f->fd = accept(f->listener, NULL, NULL);
        buf_reset(&f->in);
        if (f->fd >= 0)
            fake_send(f, s->text ? s->text : FAKE_HELLO);
        return f->fd >= 0;
    case FAKE_EXPECT:
        return fake_expect(f, s->text);
    case FAKE_SEND:
        fake_send(f, s->text);
        return true;
    case FAKE_FLOOD:
        fake_flood(f);
        return true;
    case FAKE_CLOSE:
        close(f->fd);
        f->fd = -1;
        return true;
    case FAKE_END:
        break;
    }
    return false;
}

static inline void *fake_thread(void *arg)
{
    struct fake *f = arg;
    const struct fake_step *s = f->steps;
    while (s->kind != FAKE_END && fake_play(f, s))
        s++;
    f->is_good = s->kind == FAKE_END;
    if (!f->is_good && f->fd >= 0)
        shutdown(f->fd, SHUT_RDWR);
    return NULL;
}

static inline struct fake *fake_start(const struct fake_step *steps)
{
    struct fake *f = xcalloc(1, sizeof *f);
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    f->dir = tempdir_make("fake-gwd");
    int len = snprintf(f->path, sizeof f->path, "%s/gwd.sock", f->dir);
    if (!f->dir || len >= (int)sizeof f->path)
        abort();
    memcpy(addr.sun_path, f->path, (size_t)len);
    f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    f->fd = -1;
    f->steps = steps;
    f->requests = json_array();
    if (bind(f->listener, (struct sockaddr *)&addr, sizeof addr) < 0 ||
        listen(f->listener, 8) < 0 || pthread_create(&f->thread, NULL, fake_thread, f) != 0)
        abort();
    return f;
}

/* The n-th request, from 0; borrowed. Only when the client has an answer to it, or after fake_stop.
 */
static inline json_t *fake_request(struct fake *f, size_t n)
{
    return json_array_get(f->requests, n);
}

/* Until the script is over. */
static inline void fake_join(struct fake *f)
{
    if (!f->is_joined)
        pthread_join(f->thread, NULL);
    f->is_joined = true;
}

/* End it; true when the client played its part to the end. */
static inline bool fake_stop(struct fake *f)
{
    shutdown(f->listener, SHUT_RDWR);
    fake_join(f);
    bool is_good = f->is_good;
    if (f->fd >= 0)
        close(f->fd);
    close(f->listener);
    tempdir_remove(f->dir);
    buf_clear(&f->in);
    json_decref(f->requests);
    free(f);
    return is_good;
}

#endif
