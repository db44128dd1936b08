/* Multi-user mode: does gw_launch serve this user at all? It is asked beside his submissions, once
 * in a while, and they do not wait for its answer: who is new is believed until it is there. One
 * whom it refuses may try a few jobs, each of which tells him why; what he submits beyond that is
 * refused before it costs anybody memory, disk or processes. */
#include "gwd/daemon/server_private.h"
#include "gwd/daemon/settings.h"
#include "lib/mem.h"

#include <stdlib.h>
#include <sysexits.h>

enum {
    ASK_MS = 60000,
    ASK_REFUSED_MS = 2000, /* he may be in the list by now */
    ASK_LIMIT_S = 20,
    TRIES = 10, /* tasks in TRIES_MS of a user who is refused */
    TRIES_MS = 60000,
};

static void on_answer(void *ctx, int status, const char *said)
{
    struct user *u = ctx;
    (void)said;
    u->admission.is_asked = false;
    if (status >= 0) /* else nobody knows, and what was known stands */
        u->admission.is_refused = status == EX_NOUSER;
}

/* Whatever the program, gw_launch looks at the user first; this one ends at once. */
static void ask(struct daemon *d, struct user *u)
{
    struct admission *a = &u->admission;
    uint64_t age_ms = a->is_refused ? ASK_REFUSED_MS : ASK_MS, now_ms = uv_now(d->loop);
    if (a->is_asked || (a->asked_ms && now_ms - a->asked_ms < age_ms))
        return;
    char *libexec = settings_libexec(), *program = xasprintf("%s/gw_credential", libexec);
    a->is_asked = true;
    a->asked_ms = now_ms;
    helper_run(d, u->uid, (char *[]){program, NULL}, ASK_LIMIT_S, on_answer, u);
    free(program);
    free(libexec);
}

bool connection_is_admitted(struct connection *c, uint64_t tasks)
{
    struct daemon *d = c->daemon;
    struct admission *a = &c->user->admission;
    uint64_t now_ms = uv_now(d->loop);
    if (!settings_launcher(d->settings))
        return true;
    ask(d, c->user);
    if (!a->is_refused)
        return true;
    if (now_ms - a->tries_since_ms >= TRIES_MS) {
        a->tries_since_ms = now_ms;
        a->tries = 0;
    }
    if (tasks > TRIES - a->tries)
        return false;
    a->tries += tasks;
    return true;
}
