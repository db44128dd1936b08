/* Hosts as the information drivers report them. Not journalled: after a restart they are learnt
 * again. */
#ifndef GWD_MODEL_HOST_H
#define GWD_MODEL_HOST_H

#include "gwd/model/reason.h"
#include "lib/err.h"

#include <stddef.h>
#include <stdint.h>
#include <uthash.h>

enum { HOST_QUEUES_MAX = 1024, HOST_ATTRS_MAX = 16384 };

/* One NAME=value or NAME[index]=value. */
struct attr {
    char *key;  /* "NAME" or "NAME[index]" */
    long index; /* -1: none */
    bool is_number;
    double number;
    char *text; /* as it was written, without quotes */
    UT_hash_handle hh;
};

struct host_queue {
    char *name;
    uint64_t nodes; /* how many jobs of ours it may hold */
    uint64_t used;  /* slots that our attempts hold */
};

struct host {
    uint64_t id;
    char *name;
    char *im, *tm, *em;
    bool is_up;           /* the last sample came through */
    struct reason reason; /* when it is not */
    struct attr *attrs;
    struct host_queue *queues; /* at least one while up */
    size_t n_queues;
    uint64_t n_queue_lists; /* raised when queues come, go or are renamed */
    uint64_t running;       /* our attempts here */
    uint64_t vm_memory_mib; /* that our VMs here hold */
    int64_t sampled_us;
};

struct host *host_create(uint64_t id, const char *name, const char *im, const char *tm,
                         const char *em);
void host_destroy(struct host *h);

/* Take over a sample: blank-separated NAME=integer, NAME="text", NAME[i]=..., NAME= (clears). A
 * malformed sample is refused with -GW_EPROTO and changes nothing. *ret_changed says whether a
 * value differs. */
int host_sample(struct host *h, const char *text, bool *ret_changed, struct gw_err *err);

/* A value by name; of the queue when it has one of that name, else of the host. NULL if not
 * reported. */
const struct attr *host_attr(const struct host *h, size_t queue, const char *name);
const char *host_text(const struct host *h, const char *name); /* "" if not reported */
uint64_t host_number(const struct host *h,
                     const char *name); /* 0 if not reported or not a number >= 0 */

/* Slots that are free for us in a queue. */
uint64_t host_free(const struct host *h, size_t queue);
struct host_queue *host_queue(struct host *h, const char *name); /* or NULL */

#endif
