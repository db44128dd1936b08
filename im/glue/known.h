/* The hosts that were ever heard of, over all servers: what is said of each now, and by whom. */
#ifndef IM_GLUE_KNOWN_H
#define IM_GLUE_KNOWN_H

#include <stdbool.h>
#include <stddef.h>
#include <uthash.h>

enum { KNOWN_MAX = 100000 };

struct server;

struct known {
    char *name;
    struct server *by;  /* who publishes it; NULL: asked for, and not heard of yet */
    char *attributes;   /* as they were told last, with what had to be cleared; NULL: never */
    char *mistake;      /* why that does not hold now, or NULL */
    const char *reason; /* of a mistake: docs/PROTOCOL section 5 */
    char *handle;       /* MONITOR's last for it, or NULL */
    bool is_waiting;    /* that MONITOR was not answered yet */
    bool is_new;        /* not told by DISCOVER */
    bool is_changed;    /* not told by MONITOR */
    unsigned long seen; /* round of its server in which it was published last */
    UT_hash_handle hh;
};

/* NULL: too many. */
struct known *known_add(struct known **all, const char *name);
struct known *known_find(struct known *all, const char *name); /* or NULL */

/* What its server publishes: a line of docs/PROTOCOL section 4. */
void known_publish(struct known *k, const char *attributes);
void known_fail(struct known *k, const char *reason, const char *mistake); /* reason: a constant */
void known_clear(struct known **all);

#endif
