/* The state as rows, loaded from anything: refused, or a state that agrees with itself and whose
 * own rows make the same one. The input is a sequence of pieces: kind (H head, S spec, R row, J
 * event of the journal), key, length, data; a row of the archive (A) is loaded without an end.
 *
 * fuzz: max_len=1024 slow=1 */
#include "gwd/model/rows.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/history.h"

struct piece {
    unsigned kind;
    uint64_t key;
    const uint8_t *data;
    size_t len;
};

static bool next_piece(struct fuzz_input *in, struct piece *ret)
{
    if (in->left < 4)
        return false;
    *ret = (struct piece){.kind = fuzz_byte(in), .key = fuzz_byte(in)};
    for (int i = 0; ret->key == 255 && i < 8 && in->left; i++)
        ret->key = i ? ret->key << 8 | fuzz_byte(in) : fuzz_byte(in) | 1u << 31;
    ret->len = fuzz_byte(in);
    ret->len |= fuzz_byte(in) << 8;
    ret->len = ret->len < in->left ? ret->len : in->left;
    ret->data = in->p;
    in->p += ret->len;
    in->left -= ret->len;
    return true;
}

static int replay(struct state *s, const struct piece *p)
{
    struct event_arena arena = {0};
    struct event ev;
    struct gw_err err = {0};
    long r = event_decode(p->data, p->len, &ev, &arena, &err);
    if (r > 0) {
        ev.seq = s->seq + 1;
        ev.at_us = ev.at_us > 0 ? ev.at_us : 1;
        r = rows_replay(s, &ev, &err);
    }
    event_arena_clear(&arena);
    return r < 0 ? -1 : 0;
}

static int load(struct state *s, const struct piece *p)
{
    struct gw_err err = {0};
    switch (p->kind) {
    case 'S':
        return rows_load_spec(s, p->key, p->data, p->len, &err);
    case 'R':
        return rows_load(s, p->key, p->data, p->len, &err);
    default:
        return replay(s, p);
    }
}

/* --- what is there, written whole and loaded again --- */

struct written {
    uint64_t key;
    struct buf data;
};

struct table {
    struct written *items;
    size_t n;
};

static struct buf *table_add(struct table *t, uint64_t key)
{
    for (size_t i = 0; i < t->n; i++)
        if (t->items[i].key == key)
            return NULL;
    t->items = xreallocarray(t->items, t->n + 1, sizeof *t->items);
    t->items[t->n] = (struct written){.key = key};
    return &t->items[t->n++].data;
}

static int by_key(const void *a, const void *b)
{
    const struct written *x = a, *y = b;
    return x->key < y->key ? -1 : x->key > y->key;
}

/* In the order of the keys; cleared. */
static void table_load(struct table *t, struct state *into,
                       int (*load_one)(struct state *s, uint64_t key, const void *data, size_t len,
                                       struct gw_err *err))
{
    struct gw_err err = {0};
    if (t->n)
        qsort(t->items, t->n, sizeof *t->items, by_key);
    for (size_t i = 0; i < t->n; i++) {
        struct buf *b = &t->items[i].data;
        if (load_one(into, t->items[i].key, b->data, b->len, &err) < 0)
            fuzz_broken(__FILE__, __LINE__, err.text);
        buf_clear(b);
    }
    free(t->items);
}

static void check_written(struct state *s)
{
    struct table specs = {0}, rows = {0};
    struct buf head = BUF_INIT, data = BUF_INIT;
    struct row row;
    struct state again;
    struct gw_err err = {0};
    size_t it = 0;
    for (const struct job *j; (j = state_next_job(s, &it));) {
        struct buf *spec = table_add(&specs, j->spec->id);
        if (spec)
            rows_encode_spec(j->spec, j->spec->id, spec);
    }
    rows_track(s);
    rows_round_begin(s, &head);
    for (; rows_next(s, &row, &data); buf_reset(&data)) {
        if (row.kind != ROW_PUT)
            continue;
        struct buf *b = table_add(&rows, row.key);
        FUZZ_CHECK(b);
        buf_put(b, data.data, data.len);
    }
    rows_round_end(s);
    state_init(&again);
    FUZZ_CHECK(rows_load_head(&again, head.data, head.len, &err) == 0);
    table_load(&specs, &again, rows_load_spec);
    table_load(&rows, &again, rows_load);
    FUZZ_CHECK(rows_load_end(&again, &err) == 0);
    FUZZ_CHECK(!recount(&again) && jobs_are_equal(s, &again) && jobs_are_equal(&again, s));
    state_clear(&again);
    buf_clear(&head);
    buf_clear(&data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    struct state s;
    struct piece p;
    struct gw_err err = {0};
    state_init(&s);
    int r = next_piece(&in, &p) ? rows_load_head(&s, p.data, p.len, &err) : -1;
    bool is_archive = r == 0 && p.kind == 'A';
    while (r == 0 && next_piece(&in, &p))
        r = load(&s, &p);
    if (r == 0 && !is_archive && rows_load_end(&s, &err) == 0) {
        const char *wrong = recount(&s);
        if (wrong)
            fprintf(stderr, "%s\n", wrong);
        FUZZ_CHECK(!wrong && !s.loading);
        check_written(&s);
    }
    state_clear(&s);
    return 0;
}
