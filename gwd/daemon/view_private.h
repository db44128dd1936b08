/* What the files that show jobs share. Only they include this. */
#ifndef GWD_DAEMON_VIEW_PRIVATE_H
#define GWD_DAEMON_VIEW_PRIVATE_H

#include "gwd/daemon/daemon.h"

/* One task, as somebody sees it. */
struct show {
    const struct daemon *d;
    const struct job *j;
    uint64_t index;
    const struct template *t;
    const struct task *task;       /* or NULL */
    const struct attempt *attempt; /* the last, or NULL */
    enum sight sight;
    int64_t now_us;
    struct buf *out;
};

/* view_why.c */
void view_why(const struct show *s); /* "reason":{...}|null: as of now */
/* "left":[...]: what its attempts left at sites, and why nothing is cleaned there */
void view_left(const struct show *s, const char *name);
/* "credential":{...}|null: of an owner */
void view_credential(struct buf *out, const struct daemon *d, uint64_t uid, const char *path);

/* view.c */
void view_vms(struct buf *out, const char *name, const struct attempt *a);
void view_token(struct buf *out, const struct daemon *d, const struct job *j, const struct task *t,
                const struct attempt *a);
double view_wrapper_s(const struct attempt *a, int64_t now_us);
double view_transfer_s(const struct attempt *a, int64_t now_us);
void view_optional(struct buf *out, const char *name, bool is_there, int64_t value);

#endif
