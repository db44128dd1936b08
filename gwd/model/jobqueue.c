#include "gwd/model/jobqueue.h"

bool job_goes_before(const struct job *a, const struct job *b)
{
    return a->priority != b->priority ? a->priority > b->priority : a->id < b->id;
}

/* Ids follow each other, or skip: mixed (splitmix64), no order of theirs makes a deep tree. */
static uint64_t weight(const struct job *j)
{
    uint64_t x = j->id + UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

void jobqueue_add(struct job **root, struct job *j)
{
    struct job **at = root, **before = &j->queue_before, **after = &j->queue_after;
    uint64_t w = weight(j);
    while (*at && weight(*at) >= w)
        at = job_goes_before(j, *at) ? &(*at)->queue_before : &(*at)->queue_after;
    struct job *rest = *at;
    *at = j;
    while (rest) {
        struct job ***side = job_goes_before(rest, j) ? &before : &after;
        **side = rest;
        *side = side == &before ? &rest->queue_after : &rest->queue_before;
        rest = **side;
    }
    *before = *after = NULL;
}

void jobqueue_remove(struct job **root, struct job *j)
{
    struct job **at = root, *before = j->queue_before, *after = j->queue_after;
    while (*at != j)
        at = job_goes_before(j, *at) ? &(*at)->queue_before : &(*at)->queue_after;
    while (before && after) {
        bool is_before = weight(before) >= weight(after);
        *at = is_before ? before : after;
        at = is_before ? &before->queue_after : &after->queue_before;
        before = is_before ? *at : before;
        after = is_before ? after : *at;
    }
    *at = before ? before : after;
    j->queue_before = j->queue_after = NULL;
}

struct job *jobqueue_first(struct job *root)
{
    while (root && root->queue_before)
        root = root->queue_before;
    return root;
}

struct job *jobqueue_after(struct job *root, const struct job *j)
{
    struct job *best = NULL;
    while (root)
        if (job_goes_before(j, root)) {
            best = root;
            root = root->queue_before;
        } else {
            root = root->queue_after;
        }
    return best;
}
