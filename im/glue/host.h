/* Hosts and queues as the mapping finds them, and the line of docs/PROTOCOL section 4 that they
 * become. What is told first about something counts; what is not known is not said. */
#ifndef IM_GLUE_HOST_H
#define IM_GLUE_HOST_H

#include "im/glue/entry.h"
#include "lib/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <uthash.h>

enum {
    GLUE_QUEUES_MAX = 128,       /* of a host: with all their attributes they fit a line */
    GLUE_LINE_MAX_BYTES = 59000, /* leaves room for what a later line has to clear */
    GLUE_HOSTS_MAX = 10000,
};

struct fact {
    const char *name; /* an attribute of docs/attributes.md */
    char *text;       /* NULL: a number */
    long long number;
};

struct facts {
    struct fact *items;
    size_t n;
};

/* "" and negative numbers are not taken. */
void facts_text(struct facts *f, const char *name, const char *text);
void facts_number(struct facts *f, const char *name, long long number);
const struct fact *facts_find(const struct facts *f, const char *name); /* or NULL */

/* Attributes of an entry under our names; numbers are divided by `divisor`. */
struct fact_row {
    const char *attribute, *name;
    unsigned divisor; /* 0: a text */
};
void facts_take(struct facts *f, const struct entry *e, const struct fact_row *rows, size_t n);

struct glue_queue {
    char *name;
    struct facts facts;
    struct buf access; /* rules, framed by commas */
};

struct glue_host {
    char *name;
    char *lrms;        /* of which its queues are; "" when nothing is known that takes jobs */
    bool has_machines; /* of what kind they are is known */
    struct facts facts;
    struct glue_queue *queues;
    size_t n_queues;
    const struct fact *leads_out; /* of its facts; NULL: none does (im/glue/realm.h) */
    UT_hash_handle hh;
};

/* By name (letters small); made when it is new. NULL: not a host name, or too many. */
struct glue_host *glue_host_add(struct glue_host **hosts, const char *name);
void glue_hosts_clear(struct glue_host **hosts);

/* One of the job managers of the host. A batch system is preferred to fork, the first to the
 * second; only the queues of the chosen one are reported. */
void glue_host_offer_lrms(struct glue_host *h, const char *lrms);

/* The queue of that name, new or not; NULL when the host has too many, or it has no name. */
struct glue_queue *glue_host_queue(struct glue_host *h, const char *name);
void glue_queue_allow(struct glue_queue *q, const char *rule);

/* What a site says in the free words that GLUE gives it (run time environments, application names,
 * "key=value" in OtherInfo): VM_HYPERVISOR, GWVM, STAGE_URL, SE_HOSTNAME. docs/glue.md has them. */
void glue_host_tag(struct glue_host *h, const char *tag);

bool glue_is_lrms(const char *name); /* may stand in SUBMIT behind the slash */

/* "front.example.org" of "gsiftp://front.example.org:2811/x" or of "front.example.org:2119/...",
 * "[::1]" of "gsiftp://[::1]:2811/x"; the caller's. */
char *glue_host_of(const char *contact);
char *glue_small(const char *name); /* in small letters; the caller's */

void glue_host_line(const struct glue_host *h, struct buf *out);

#endif
