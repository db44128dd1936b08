/* Who is at the other end of a connection: the kernel says, as of its connect(). A process that has
 * dropped the administrators' group is none of them, whatever the group database says of its user.
 */
#include "gwd/daemon/server_private.h"
#include "gwd/daemon/settings.h"
#include "lib/mem.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { NAME_AGE_MS = 60000 };

static struct user *user_of(struct daemon *d, uid_t uid)
{
    struct user *u;
    HASH_FIND(hh, d->users, &uid, sizeof uid, u);
    if (u)
        return u;
    u = xcalloc(1, sizeof *u);
    u->uid = uid;
    HASH_ADD(hh, d->users, uid, sizeof u->uid, u);
    return u;
}

/* Looked up once in a while: one who connects again and again must not make us read files. */
static bool admin_group(struct daemon *d, gid_t *ret)
{
    static uint64_t looked_up_ms;
    static bool is_known, is_there;
    static gid_t gid;
    const char *name = settings_admin_group(d->settings);
    uint64_t now_ms = uv_now(d->loop);
    if (name && (!is_known || now_ms - looked_up_ms >= NAME_AGE_MS)) {
        const struct group *g = getgrnam(name);
        is_known = true;
        is_there = g != NULL;
        gid = g ? g->gr_gid : 0;
        looked_up_ms = now_ms;
    }
    *ret = gid;
    return name && is_there;
}

/* Those of the process, not those that the group database gives its user. */
static bool has_group(int fd, gid_t wanted)
{
    gid_t few[64], *groups = few;
    socklen_t len = sizeof few;
    bool has = false;
    int r = getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len);
    if (r < 0 && errno == ERANGE) { /* len says how much room it takes */
        groups = xmalloc(len);
        r = getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len);
    }
    for (size_t i = 0; r == 0 && i < len / sizeof *groups; i++)
        has |= groups[i] == wanted;
    if (groups != few)
        free(groups);
    return has;
}

bool peer_learn(struct connection *c)
{
    struct ucred cred;
    socklen_t len = sizeof cred;
    uv_os_fd_t fd;
    gid_t admins;
    if (uv_fileno((uv_handle_t *)&c->pipe, &fd) < 0 ||
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
        return false;
    c->user = user_of(c->daemon, cred.uid);
    c->user->n_connections++;
    c->gid = cred.gid;
    c->is_admin =
        cred.uid == 0 || cred.uid == geteuid() ||
        (admin_group(c->daemon, &admins) && (cred.gid == admins || has_group(fd, admins)));
    return true;
}

const char *connection_user(const struct connection *c)
{
    struct user *u = c->user;
    uint64_t now_ms = uv_now(c->daemon->loop);
    if (u->name && now_ms - u->looked_up_ms < NAME_AGE_MS)
        return u->name;
    struct passwd *pw = getpwuid(u->uid);
    free(u->name);
    u->name = pw ? xstrdup(pw->pw_name) : xasprintf("%ld", (long)u->uid);
    u->looked_up_ms = now_ms;
    return u->name;
}

void server_free(struct daemon *d)
{
    struct user *u, *tmp;
    HASH_ITER (hh, d->users, u, tmp) {
        HASH_DELETE(hh, d->users, u);
        free(u->name);
        free(u);
    }
}
