#include "gwd/model/event.h"

#include "lib/mem.h"

#include <stdlib.h>
#include <string.h>

static const struct event_field fields[] = {
#define ROW(id, member, type) {id, #member, EVENT_##type, offsetof(struct event, member)},
    EVENT_FIELDS(ROW)
#undef ROW
};

/* Bits by name, so that the table below reads as a list of fields. */
enum {
#define ID(id, member, type) ID_##member = id,
    EVENT_FIELDS(ID)
#undef ID
};
#define F(member) (UINT64_C(1) << (ID_##member - 1))
#define F_TASK (F(job) | F(task))
#define F_ATTEMPT (F_TASK | F(attempt))
#define F_REASON (F(reason) | F(blame) | F(text))
#define F_PRINCIPAL (F(user) | F(uid) | F(gid) | F(credential) | F(project))
#define F_PLACE                                                                                    \
    (F(host) | F(queue) | F(lrms) | F(im) | F(tm) | F(em) | F(stage_url) | F(gwvm) | F(match_rank))
#define F_RESULT (F(exit_code) | F(signal))
#define F_JOB                                                                                      \
    (F(job) | F(tasks) | F(array_id) | F(array_start) | F(array_increment) | F(wish) | F(source) | \
     F(file) | F(home) | F_PRINCIPAL | F(key) | F(priority))

static const struct event_kind_info kinds[] = {
    [EV_STATE_CREATED] = {EV_STATE_CREATED, "state-created", F(instance) | F(epoch)},
    [EV_EPOCH_RAISED] = {EV_EPOCH_RAISED, "epoch-raised", F(epoch) | F(fence)},
    [EV_JOB_SUBMITTED] = {EV_JOB_SUBMITTED, "job-submitted", F_JOB},
    [EV_WISHED] = {EV_WISHED, "wished", F_TASK | F(wish)},
    [EV_ATTEMPT_STARTED] = {EV_ATTEMPT_STARTED, "attempt-started",
                            F_ATTEMPT | F(epoch) | F_PLACE | F(uuid)},
    [EV_ATTEMPT_STAGED] = {EV_ATTEMPT_STAGED, "attempt-staged", F_ATTEMPT},
    [EV_ATTEMPT_SUBMITTED] = {EV_ATTEMPT_SUBMITTED, "attempt-submitted", F_ATTEMPT | F(contact)},
    [EV_ATTEMPT_ACTIVE] = {EV_ATTEMPT_ACTIVE, "attempt-active", F_ATTEMPT},
    [EV_ATTEMPT_EXITED] = {EV_ATTEMPT_EXITED, "attempt-exited", F_ATTEMPT | F_REASON},
    [EV_RESULTS_ACCEPTED] = {EV_RESULTS_ACCEPTED, "results-accepted", F_ATTEMPT | F_RESULT},
    [EV_ATTEMPT_ENDED] = {EV_ATTEMPT_ENDED, "attempt-ended",
                          F_ATTEMPT | F(outcome) | F_REASON | F_RESULT | F(not_before_us) |
                              F(left)},
    [EV_ATTEMPT_LOST] = {EV_ATTEMPT_LOST, "attempt-lost", F_ATTEMPT | F_REASON},
    [EV_ATTEMPT_FOUND] = {EV_ATTEMPT_FOUND, "attempt-found", F_ATTEMPT},
    [EV_VM_CHANGED] = {EV_VM_CHANGED, "vm-changed",
                       F_ATTEMPT | F(vm_rank) | F(node) | F(uuid) | F(vm_state)},
    [EV_REQUESTED] = {EV_REQUESTED, "requested", F_TASK | F(number) | F(request)},
    [EV_REQUEST_ENDED] = {EV_REQUEST_ENDED, "request-ended", F_TASK | F(number) | F_REASON},
    [EV_TASK_ENDED] = {EV_TASK_ENDED, "task-ended", F_TASK | F(outcome) | F_REASON},
    [EV_JOB_FORGOTTEN] = {EV_JOB_FORGOTTEN, "job-forgotten", F(job)},
    [EV_SITE_DRAINED] = {EV_SITE_DRAINED, "site-drained", F(host) | F(flag)},
    [EV_DISPATCH_PAUSED] = {EV_DISPATCH_PAUSED, "dispatch-paused", F(flag)},
    [EV_ATTEMPT_FAILED] = {EV_ATTEMPT_FAILED, "attempt-failed", F_ATTEMPT | F_REASON},
    [EV_CK_STATE] = {EV_CK_STATE, "ck-state",
                     F(instance) | F(epoch) | F(number) | F(array_number) | F(flag) | F(seq_next) |
                         F(fence)},
    [EV_CK_JOB] = {EV_CK_JOB, "ck-job", F_JOB | F(flag) | F(ended_us) | F(row_seq) | F(spec)},
    [EV_CK_TASK] = {EV_CK_TASK, "ck-task",
                    F_TASK | F(phase) | F(wish) | F_REASON | F(not_before_us) | F(ended_us) |
                        F(number) | F(row_seq)},
    [EV_CK_ATTEMPT] = {EV_CK_ATTEMPT, "ck-attempt",
                       F_ATTEMPT | F(epoch) | F_PLACE | F(contact) | F_REASON | F_RESULT | F(flag) |
                           F(started_us) | F(staged_us) | F(active_us) | F(exited_us) |
                           F(ended_us) | F(unknown_since_us) | F(left)},
    [EV_CK_END] = {EV_CK_END, "ck-end", 0},
    [EV_CK_SPEC] = {EV_CK_SPEC, "ck-spec", F(spec) | F(source) | F(file) | F(home) | F_PRINCIPAL},
    [EV_CK_ALL] = {EV_CK_ALL, "ck-all", F(job) | F(wish) | F(flag) | F(ended_us) | F(row_seq)},
};

const struct event_kind_info *event_kind_info(unsigned kind)
{
    return kind < GW_COUNT(kinds) && kinds[kind].name ? &kinds[kind] : NULL;
}

const struct event_field *event_fields(size_t *ret_n)
{
    *ret_n = GW_COUNT(fields);
    return fields;
}

enum { VARINT_MAX = 10 };

/* There is room for it. */
static char *put_varint(char *p, uint64_t v)
{
    while (v >= 0x80) {
        *p++ = (char)(v | 0x80);
        v >>= 7;
    }
    *p++ = (char)v;
    return p;
}

static uint64_t zigzag(int64_t v)
{
    return ((uint64_t)v << 1) ^ (v < 0 ? UINT64_MAX : 0);
}

static int64_t unzigzag(uint64_t v)
{
    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

static char *put_field(struct buf *out, char *p, const struct event_field *f, const void *value)
{
    if (f->type == EVENT_S) {
        const char *s = *(const char *const *)value;
        if (!s)
            return p;
        size_t len = strlen(s);
        out->len = (size_t)(p - out->data);
        buf_reserve(out, len + 2 * VARINT_MAX);
        p = put_varint(out->data + out->len, f->id);
        p = put_varint(p, len);
        memcpy(p, s, len);
        return p + len;
    }
    uint64_t v = f->type == EVENT_U ? *(const uint64_t *)value : zigzag(*(const int64_t *)value);
    return v ? put_varint(put_varint(p, f->id), v) : p;
}

void event_encode(const struct event *ev, struct buf *out)
{
    const struct event_kind_info *info = event_kind_info((unsigned)ev->kind);
    buf_reserve(out, 4 * VARINT_MAX);
    char *p = put_varint(out->data + out->len, (uint64_t)ev->kind);
    p = put_varint(p, zigzag(ev->at_us));
    /* By the bits that are set: a field's number is its place in the table. */
    for (uint64_t rest = info->fields; rest; rest &= rest - 1) {
        const struct event_field *f = &fields[__builtin_ctzll(rest)];
        out->len = (size_t)(p - out->data);
        buf_reserve(out, 3 * VARINT_MAX);
        p = put_field(out, out->data + out->len, f, (const char *)ev + f->offset);
    }
    *p++ = 0;
    *p = '\0'; /* as after all that is in a buffer */
    out->len = (size_t)(p - out->data);
}

struct reader {
    const unsigned char *p, *end;
};

static int get_varint(struct reader *r, uint64_t *ret)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (r->p == r->end)
            return -1;
        unsigned char c = *r->p++;
        if (shift == 63 && c > 1)
            return -1;
        v |= (uint64_t)(c & 0x7f) << shift;
        if (!(c & 0x80)) {
            *ret = v;
            return 0;
        }
    }
    return -1;
}

struct event_chunk {
    struct event_chunk *next;
    size_t used, size;
    char bytes[];
};

static const char *arena_string(struct event_arena *arena, const void *p, size_t n)
{
    enum { CHUNK = 4000 };
    struct event_chunk *c = arena->chunks;
    if (!c || c->size - c->used < n + 1) {
        size_t size = n + 1 > CHUNK ? n + 1 : CHUNK;
        c = xmalloc(sizeof *c + size);
        *c = (struct event_chunk){.next = arena->chunks, .size = size};
        arena->chunks = c;
    }
    char *s = c->bytes + c->used;
    memcpy(s, p, n);
    s[n] = '\0';
    c->used += n + 1;
    return s;
}

void event_arena_clear(struct event_arena *arena)
{
    while (arena->chunks) {
        struct event_chunk *c = arena->chunks;
        arena->chunks = c->next;
        free(c);
    }
}

void event_arena_reset(struct event_arena *arena)
{
    struct event_chunk *c = arena->chunks;
    if (!c)
        return;
    if (c->next) {
        event_arena_clear(arena);
        return;
    }
    c->used = 0;
}

static int get_field(struct reader *r, const struct event_field *f, void *value,
                     struct event_arena *arena)
{
    uint64_t v;
    if (get_varint(r, &v) < 0)
        return -1;
    switch (f->type) {
    case EVENT_U:
        *(uint64_t *)value = v;
        return 0;
    case EVENT_I:
        *(int64_t *)value = unzigzag(v);
        return 0;
    case EVENT_S:
        if (v > (uint64_t)(r->end - r->p) || memchr(r->p, 0, v))
            return -1;
        *(const char **)value = arena_string(arena, r->p, v);
        r->p += v;
        return 0;
    }
    return -1;
}

long event_decode(const void *data, size_t len, struct event *ret_ev, struct event_arena *arena,
                  struct gw_err *err)
{
    struct reader r = {data, (const unsigned char *)data + len};
    struct event ev = {0};
    uint64_t kind, at, id, last = 0;
    if (get_varint(&r, &kind) < 0 || get_varint(&r, &at) < 0)
        return gw_err_set(err, GW_ECORRUPT, "an event ends in its head");
    const struct event_kind_info *info = kind < 256 ? event_kind_info((unsigned)kind) : NULL;
    if (!info)
        return gw_err_set(err, GW_ECORRUPT, "event kind %llu is not known to this version",
                          (unsigned long long)kind);
    ev.kind = info->kind;
    ev.at_us = unzigzag(at);
    for (;;) {
        if (get_varint(&r, &id) < 0)
            return gw_err_set(err, GW_ECORRUPT, "a %s event ends in a field", info->name);
        if (id == 0)
            break;
        if (id <= last || id > GW_COUNT(fields) || !(info->fields & UINT64_C(1) << (id - 1)))
            return gw_err_set(err, GW_ECORRUPT, "a %s event has field %llu, which it cannot have",
                              info->name, (unsigned long long)id);
        last = id;
        const struct event_field *f = &fields[id - 1];
        if (get_field(&r, f, (char *)&ev + f->offset, arena) < 0)
            return gw_err_set(err, GW_ECORRUPT, "field %s of a %s event is malformed", f->name,
                              info->name);
    }
    *ret_ev = ev;
    return (long)(r.p - (const unsigned char *)data);
}
