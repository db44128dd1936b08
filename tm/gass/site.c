/* Directories at a site: made with their parents, removed with all that is in them. */
#include "lib/log.h"
#include "lib/mem.h"
#include "tm/gass/gass.h"
#include "tm/gass/raw.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    LIST_MAX = 64 << 20,
    DEPTH_MAX = 16,
    ROUNDS = 200, /* each brings up sixteen levels, or finds that something still appears */
    PAUSE_MS = 20,
};

/* ---- making */

static int make_one(struct ftp *f, const struct url *u, struct trouble *t)
{
    int r = ftp_mkdir(f, u->text, t);
    struct facts facts;
    struct trouble other;
    if (r == 0 && strncmp(url_name(u->path), ".gw_", 4) == 0)
        return ftp_chmod(f, u->text, 0700, t);
    if (r == 0 || t->is_link || t->reason || t->errnum == ENOENT)
        return r;
    /* It may have been there before; servers have different words for that. */
    if (ftp_facts(f, u->text, &facts, &other) < 0)
        return r;
    if (facts.type == FACTS_DIR)
        return 0;
    return trouble_set(t, GW_EINVAL, NULL, "%s exists and is not a directory", u->path);
}

int site_mkdirs(struct ftp *f, const struct url *u, struct trouble *t)
{
    int r = make_one(f, u, t);
    char *parent = r < 0 && t->errnum == ENOENT ? url_parent(u->path) : NULL;
    if (!parent)
        return r;
    struct url up;
    url_with_path(u, parent, &up);
    r = site_mkdirs(f, &up, t);
    if (r == 0)
        r = make_one(f, u, t);
    url_clear(&up);
    free(parent);
    return r;
}

/* ---- removing */

static int empty(struct removal *r, struct ftp *f, const struct url *dir, unsigned depth,
                 struct trouble *t);

/* What vanished meanwhile is what was wanted. */
static int unless_absent(int r, const struct trouble *t)
{
    return r < 0 && t->err.code == GW_ENOENT ? 0 : r;
}

static int count(struct removal *r, int result, const struct trouble *t)
{
    if (result == 0)
        r->removed++;
    return unless_absent(result, t);
}

/* Instead of going ever deeper, which takes a listing for each level: the server shall do it; where
 * it cannot, what hangs below becomes an entry of the top, for the next round. */
static int bring_up(struct removal *r, struct ftp *f, const struct url *dir, struct trouble *t)
{
    r->is_deep = true;
    if (!r->has_asked_server)
        return 0;
    char *path = xasprintf("%s/.gw_rm_%ld_%lu", r->top->path, (long)getpid(), r->brought++);
    struct url to;
    url_with_path(dir, path, &to);
    int result = ftp_move(f, dir->text, to.text, t);
    url_clear(&to);
    free(path);
    return count(r, result, t);
}

/* Its owner may have no rights to it; a listing that is refused would cost the session. */
static void open_up(struct ftp *f, const struct url *dir, const struct facts *facts)
{
    struct trouble t;
    if (facts->has_mode && (facts->mode & 0700) != 0700)
        (void)ftp_chmod(f, dir->text, 0700, &t);
}

static int remove_dir(struct removal *r, struct ftp *f, const struct url *dir,
                      const struct facts *facts, unsigned depth, struct trouble *t)
{
    int result = ftp_rmdir(f, dir->text, t);
    if (result == 0 || t->is_link || t->err.code == GW_ENOENT)
        return count(r, result, t);
    open_up(f, dir, facts);
    if (depth >= DEPTH_MAX)
        return bring_up(r, f, dir, t);
    result = empty(r, f, dir, depth + 1, t);
    if (result < 0)
        return result;
    /* Not empty: it has what a listing does not show, or something appeared. */
    result = ftp_rmdir(f, dir->text, t);
    return result < 0 && t->errnum == ENOTEMPTY ? 0 : count(r, result, t);
}

static int remove_entry(struct removal *r, struct ftp *f, const struct url *dir,
                        const struct facts *facts, unsigned depth, struct trouble *t)
{
    char *path = xasprintf("%s/%.*s", dir->path, (int)facts->name_len, facts->name);
    struct url u;
    url_with_path(dir, path, &u);
    free(path);
    /* A link is removed as such, wherever it leads. */
    int result = facts->type == FACTS_DIR && !facts->is_link
                     ? remove_dir(r, f, &u, facts, depth, t)
                     : count(r, ftp_delete(f, u.text, t), t);
    url_clear(&u);
    return result;
}

/* A name that cannot be in an FTP command is left to the server. */
static bool is_usable(const struct facts *f)
{
    for (size_t i = 0; i < f->name_len; i++)
        if ((unsigned char)f->name[i] < 0x20 || f->name[i] == 0x7f)
            return false;
    return f->type != FACTS_SELF && f->name_len > 0;
}

/* All that the server shows of a directory. */
static int empty(struct removal *r, struct ftp *f, const struct url *dir, unsigned depth,
                 struct trouble *t)
{
    struct buf lines = BUF_INIT;
    int result = ftp_list(f, dir->text, LIST_MAX, &lines, t);
    char *save = NULL;
    for (char *line = result == 0 && lines.len ? strtok_r(lines.data, "\r\n", &save) : NULL;
         line && result == 0; line = strtok_r(NULL, "\r\n", &save)) {
        struct facts facts;
        if (facts_parse(line, strlen(line), &facts) && is_usable(&facts))
            result = remove_entry(r, f, dir, &facts, depth, t);
    }
    buf_clear(&lines);
    /* A directory that vanished under the listing takes the session with it. */
    if (result < 0 && t->err.code == GW_ENOENT)
        result = ftp_is_spoiled(f) ? STEP_AGAIN : 0;
    return result;
}

/* 1: not yet. */
static int remove_round(struct removal *r, struct ftp *f, struct trouble *t)
{
    struct facts facts;
    const struct url *u = r->top;
    int result = ftp_facts(f, u->text, &facts, t);
    /* A link that leads nowhere seems absent, or strange. */
    if (result < 0 && !t->is_link && !t->reason)
        return unless_absent(ftp_delete(f, u->text, t), t);
    if (result < 0)
        return result;
    if (facts.type != FACTS_DIR || facts.is_link)
        return unless_absent(ftp_delete(f, u->text, t), t);
    r->removed = 0;
    result = remove_dir(r, f, u, &facts, 0, t);
    if (result != 0)
        return result;
    if (ftp_facts(f, u->text, &facts, t) < 0)
        return unless_absent(-t->err.code, t);
    /* What is left is not shown, or deep, or comes faster than we remove it. */
    if (r->removed && (!r->is_deep || r->has_asked_server))
        return 1;
    r->has_asked_server = true;
    result = unless_absent(raw_remove_tree(f, u->host, u->path, t), t);
    if (result < 0)
        log_info("%s: the server does not remove it by itself: %s", u->path, t->err.text);
    return result < 0 && r->is_deep && !t->is_link ? 1 : result;
}

int site_remove(struct removal *r, struct ftp *f, struct trouble *t)
{
    while (r->rounds++ < ROUNDS) {
        int result = remove_round(r, f, t);
        if (result == STEP_AGAIN && ftp_is_spoiled(f))
            return STEP_AGAIN;
        if (result < 0 && t->errnum == ENOTEMPTY)
            result = 1;
        if (result != 1)
            return result;
        struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000L};
        nanosleep(&pause, NULL);
    }
    return trouble_set(t, GW_EIO, NULL, "%s: something keeps writing into it", r->top->path);
}
