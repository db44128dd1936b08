/* The disk is a log of transactions. What is not synced is in it, and a crash takes it from some
 * byte on; a transaction that is not whole does not count. Loading reads the log as gwd/store reads
 * its tables: the rows of the checkpoint that were written last, then the turns after its head. */
#include "sim/sim_private.h"

#include "gwd/model/rows.h"
#include "lib/mem.h"
#include "lib/num.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum op { OP_TURN, OP_HEAD, OP_SPEC, OP_ROW, OP_DROP_SPEC, OP_DROP_ROWS };

struct op_head {
    uint64_t op, key, n, len; /* a turn: its first event, their number */
};

struct record_head {
    uint64_t len, sum;
};

static void put_op(struct buf *b, enum op op, uint64_t key, uint64_t n, const struct buf *data)
{
    const struct op_head head = {op, key, n, data ? data->len : 0};
    buf_put(b, &head, sizeof head);
    if (data && data->len)
        buf_put(b, data->data, data->len);
}

static void put_record(struct disk *d, const struct buf *ops)
{
    const struct record_head head = {ops->len, num_fnv64(ops->data, ops->len)};
    buf_put(&d->log, &head, sizeof head);
    buf_put(&d->log, ops->data, ops->len);
}

void disk_append(struct disk *d, uint64_t first_seq, uint64_t n, const struct buf *events)
{
    struct buf ops = BUF_INIT;
    put_op(&ops, OP_TURN, first_seq, n, events);
    put_record(d, &ops);
    buf_clear(&ops);
    d->n_turns++;
}

void disk_sync(struct disk *d)
{
    if (!d->is_lying)
        d->n_synced = d->log.len;
}

static void put_row(struct buf *ops, const struct row *row, const struct buf *data)
{
    static const enum op of[] = {[ROW_SPEC] = OP_SPEC,
                                 [ROW_PUT] = OP_ROW,
                                 [ROW_DROP] = OP_DROP_ROWS,
                                 [ROW_DROP_SPEC] = OP_DROP_SPEC};
    put_op(ops, of[row->kind], row->key, row->end, data);
}

void disk_checkpoint(struct disk *d, struct state *s, struct rng *r)
{
    if (!d->has_round && d->n_turns - d->rows_at < 4 + rng_below(r, 60))
        return;
    if (!d->has_round) {
        buf_reset(&d->round);
        rows_round_begin(s, &d->round);
        d->has_round = true;
        d->rows_at = d->n_turns;
    }
    struct buf ops = BUF_INIT, data = BUF_INIT;
    struct row row;
    /* The first one is one transaction: rows without a head mean nothing. */
    uint64_t n = d->has_head ? 1 + rng_below(r, 6) : UINT64_MAX;
    bool has_more = true;
    for (; n > 0 && (has_more = rows_next(s, &row, &data)); n--) {
        put_row(&ops, &row, &data);
        buf_reset(&data);
    }
    if (!has_more) {
        put_op(&ops, OP_HEAD, 0, 0, &d->round);
        rows_round_end(s);
        d->has_round = false;
        d->has_head = true;
    }
    put_record(d, &ops);
    buf_clear(&ops);
    buf_clear(&data);
}

void disk_crash(struct disk *d, struct rng *r)
{
    buf_cut(&d->log, d->n_synced + rng_below(r, d->log.len - d->n_synced + 1));
    d->has_round = false;
    d->rows_at = d->n_turns;
}

void disk_copy(struct disk *to, const struct disk *from)
{
    *to = (struct disk){.is_lying = from->is_lying};
    buf_put(&to->log, from->log.data, from->log.len);
    to->n_synced = to->log.len;
}

/* --- loading --- */

/* What one transaction has; NULL at the end of the log or where it is torn. */
static const char *next_record(const struct disk *d, size_t *at, size_t *ret_len)
{
    struct record_head head;
    if (d->log.len - *at < sizeof head)
        return NULL;
    memcpy(&head, d->log.data + *at, sizeof head);
    const char *data = d->log.data + *at + sizeof head;
    if (head.len > d->log.len - *at - sizeof head || num_fnv64(data, head.len) != head.sum)
        return NULL;
    *at += sizeof head + head.len;
    *ret_len = head.len;
    return data;
}

struct item {
    uint64_t key, n;
    const char *data;
    size_t len;
};
struct items {
    struct item *items;
    size_t n, cap;
};
struct tables {
    struct items turns, specs, rows;
    struct item head;
};

/* In the order of their keys; one of a key that is there takes its place. */
static void items_put(struct items *t, struct item item)
{
    size_t i = t->n;
    while (i > 0 && t->items[i - 1].key > item.key)
        i--;
    if (i > 0 && t->items[i - 1].key == item.key) {
        t->items[i - 1] = item;
        return;
    }
    if (t->n == t->cap) {
        t->cap = t->cap ? 2 * t->cap : 64;
        t->items = xreallocarray(t->items, t->cap, sizeof item);
    }
    memmove(t->items + i + 1, t->items + i, (t->n - i) * sizeof item);
    t->items[i] = item;
    t->n++;
}

static void items_drop(struct items *t, uint64_t from, uint64_t end)
{
    size_t n = 0;
    for (size_t i = 0; i < t->n; i++)
        if (t->items[i].key < from || t->items[i].key >= end)
            t->items[n++] = t->items[i];
    t->n = n;
}

static void take_op(struct tables *t, const struct op_head *head, const char *data)
{
    const struct item item = {head->key, head->n, data, head->len};
    switch ((enum op)head->op) {
    case OP_TURN:
        items_put(&t->turns, item);
        break;
    case OP_HEAD:
        t->head = item;
        break;
    case OP_SPEC:
        items_put(&t->specs, item);
        break;
    case OP_ROW:
        items_put(&t->rows, item);
        break;
    case OP_DROP_SPEC:
        items_drop(&t->specs, head->key, head->key + 1);
        break;
    case OP_DROP_ROWS:
        items_drop(&t->rows, head->key, head->n);
        break;
    }
}

/* Returns the bytes of the log that count. */
static size_t read_log(const struct disk *d, struct tables *t)
{
    size_t at = 0, len;
    for (const char *data; (data = next_record(d, &at, &len));)
        for (size_t i = 0; i < len;) {
            struct op_head head;
            memcpy(&head, data + i, sizeof head);
            take_op(t, &head, data + i + sizeof head);
            i += sizeof head + head.len;
        }
    return at;
}

static void tables_clear(struct tables *t)
{
    free(t->turns.items);
    free(t->specs.items);
    free(t->rows.items);
}

typedef int take_event(void *ctx, struct event *ev, struct gw_err *err);

static int each_event(const struct item *turn, take_event *take, void *ctx, struct gw_err *err)
{
    struct event_arena arena = {0};
    int r = 0;
    uint64_t seq = turn->key;
    for (size_t at = 0; at < turn->len && r == 0; seq++) {
        struct event ev;
        long used = event_decode(turn->data + at, turn->len - at, &ev, &arena, err);
        ev.seq = seq;
        r = used < 0 ? (int)used : take(ctx, &ev, err);
        at += used > 0 ? (size_t)used : 0;
        event_arena_reset(&arena);
    }
    event_arena_clear(&arena);
    return r;
}

struct folding {
    struct state *state;
    enum sim_flaw flaw;
};

static int fold(void *ctx, struct event *ev, struct gw_err *err)
{
    struct folding *f = ctx;
    bool is_forgotten =
        f->flaw == FLAW_CANCEL_FORGOTTEN && ev->kind == EV_WISHED && ev->wish == WISH_GONE;
    return is_forgotten ? 0 : rows_replay(f->state, ev, err);
}

static int load_rows(const struct tables *t, struct state *s, struct gw_err *err)
{
    int r = rows_load_head(s, t->head.data, t->head.len, err);
    for (size_t i = 0; i < t->specs.n && r == 0; i++)
        r = rows_load_spec(s, t->specs.items[i].key, t->specs.items[i].data, t->specs.items[i].len,
                           err);
    for (size_t i = 0; i < t->rows.n && r == 0; i++)
        r = rows_load(s, t->rows.items[i].key, t->rows.items[i].data, t->rows.items[i].len, err);
    return r;
}

int disk_load(struct disk *d, struct state *s, enum sim_flaw flaw, struct gw_err *err)
{
    struct tables t = {0};
    struct folding f = {s, flaw};
    /* What is torn is overwritten by what comes next. */
    buf_cut(&d->log, read_log(d, &t));
    d->n_synced = d->log.len;
    d->has_head = t.head.data;
    int r = t.head.data ? load_rows(&t, s, err) : 0;
    uint64_t from = s->seq;
    for (size_t i = 0; i < t.turns.n && r == 0; i++) {
        const struct item *turn = &t.turns.items[i];
        if (turn->key <= from)
            continue;
        if (turn->key != s->seq + 1 && flaw == FLAW_NONE)
            r = gw_err_set(err, GW_ECORRUPT, "events before %" PRIu64 " are missing", turn->key);
        else
            r = each_event(turn, fold, &f, err);
    }
    if (r == 0)
        r = rows_load_end(s, err);
    if (r == 0 && !s->rows.are_tracked)
        rows_track(s);
    tables_clear(&t);
    return r;
}

struct each {
    void (*each)(void *ctx, const struct event *ev);
    void *ctx;
};

static int pass_on(void *ctx, struct event *ev, struct gw_err *err)
{
    struct each *e = ctx;
    (void)err;
    e->each(e->ctx, ev);
    return 0;
}

void disk_each(const struct disk *d, void (*each)(void *ctx, const struct event *ev), void *ctx)
{
    struct tables t = {0};
    struct each e = {each, ctx};
    read_log(d, &t);
    for (size_t i = 0; i < t.turns.n; i++)
        each_event(&t.turns.items[i], pass_on, &e, NULL);
    tables_clear(&t);
}

void disk_clear(struct disk *d)
{
    buf_clear(&d->log);
    buf_clear(&d->round);
    *d = (struct disk){0};
}
