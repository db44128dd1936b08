/* The fuzz targets without libFuzzer: as a unit test, each takes the inputs that are kept, those
 * that once broke something among them. With FUZZ_N=n in the environment each also takes n inputs
 * that are made of them by chance, FUZZ_SEED says which (1); what breaks a target is left in
 * fuzz-TARGET.input in $FUZZ_LEFT, or in build/. FUZZ_ONLY=rsl: this target alone. */
#include "tests/fuzz/fuzz.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <archive.h>
#include <archive_entry.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/file.h"
#include "tests/unit/core.h"

enum { KEPT_MAX_BYTES = 1 << 20, MADE_MAX_BYTES = 4096, HANG_S = 60 };

#define X(name) int fuzz_##name(const uint8_t *data, size_t size);
FUZZ_TARGETS
#undef X

struct target {
    const char *name;
    int (*take)(const uint8_t *data, size_t size);
};

static const struct target targets[] = {
#define X(name) {#name, fuzz_##name},
    FUZZ_TARGETS
#undef X
};

struct texts {
    struct buf *items;
    size_t n;
};

/* --- what breaks a target is kept --- */

static const int deadly[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGALRM};
static const struct target *running;
static const void *input;
static size_t input_len;

extern void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static void keep_input(void)
{
    char path[PATH_MAX];
    const char *dir = getenv("FUZZ_LEFT");
    snprintf(path, sizeof path, "%s/fuzz-%s.input", dir ? dir : "build", running->name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return;
    file_write_all(fd, input, input_len);
    close(fd);
    fprintf(stderr, "fuzz: %s is broken by %s (%zu bytes)\n", running->name, path, input_len);
}

static void on_signal(int number)
{
    keep_input();
    signal(number, SIG_DFL);
    raise(number);
}

static void take(const struct target *t, const struct buf *b)
{
    void *copy = xmemdup0(buf_str(b), b->len); /* its end is the end of what may be read */
    running = t;
    input = copy;
    input_len = b->len;
    alarm(HANG_S);
    t->take(copy, b->len);
    alarm(0);
    free(copy);
}

/* --- kept inputs --- */

static void texts_add(struct texts *l, const struct buf *b)
{
    l->items = xreallocarray(l->items, l->n + 1, sizeof *l->items);
    l->items[l->n++] = *b;
}

static void texts_clear(struct texts *l)
{
    for (size_t i = 0; i < l->n; i++)
        buf_clear(&l->items[i]);
    free(l->items);
    *l = (struct texts){0};
}

/* What libFuzzer found worth keeping, thousands of them: in one file. */
static void read_grown(const char *name, struct texts *ret)
{
    char *path = xasprintf("tests/fuzz/grown/%s.tar.gz", name);
    struct archive *a = archive_read_new();
    struct archive_entry *entry;
    archive_read_support_format_tar(a);
    archive_read_support_filter_gzip(a);
    if (archive_read_open_filename(a, path, 65536) != ARCHIVE_OK)
        assert_int_equal(archive_errno(a), ENOENT);
    else
        while (archive_read_next_header(a, &entry) == ARCHIVE_OK) {
            size_t len = (size_t)archive_entry_size(entry);
            char *data = xmalloc(len + 1);
            struct buf b = BUF_INIT;
            assert_true(len <= KEPT_MAX_BYTES);
            assert_int_equal(archive_read_data(a, data, len), len);
            buf_put(&b, data, len);
            texts_add(ret, &b);
            free(data);
        }
    archive_read_free(a);
    free(path);
}

static void read_inputs(const char *kind, const char *name, struct texts *ret)
{
    struct dirent **files;
    char *dir = xasprintf("tests/fuzz/%s/%s", kind, name);
    int n = scandir(dir, &files, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        char *path = xasprintf("%s/%s", dir, files[i]->d_name);
        struct buf b = BUF_INIT;
        if (files[i]->d_name[0] != '.') {
            assert_int_equal(file_read(path, KEPT_MAX_BYTES, &b, NULL), 0);
            texts_add(ret, &b);
        }
        free(path);
        free(files[i]);
    }
    if (n >= 0)
        free(files);
    free(dir);
}

/* Lines "word" with the escapes \\, \" and \xNN, as libFuzzer reads them. */
static void read_words(const char *name, struct texts *ret)
{
    char *path = xasprintf("tests/fuzz/%s.dict", name);
    struct buf file = BUF_INIT;
    file_read(path, KEPT_MAX_BYTES, &file, NULL);
    char *save = NULL, *line = file.data ? strtok_r(file.data, "\n", &save) : NULL;
    for (; line; line = strtok_r(NULL, "\n", &save)) {
        struct buf word = BUF_INIT;
        const char *p = *line == '#' ? NULL : strchr(line, '"');
        for (p = p ? p + 1 : NULL; p && *p && *p != '"'; p++) {
            if (*p == '\\' && p[1] == 'x' && p[2] && p[3]) {
                buf_putc(&word, (char)strtoul((char[]){p[2], p[3], 0}, NULL, 16));
                p += 3;
            } else {
                p += *p == '\\';
                buf_putc(&word, *p);
            }
        }
        if (word.len)
            texts_add(ret, &word);
    }
    buf_clear(&file);
    free(path);
}

/* --- inputs made of them --- */

static const struct buf *some(struct rng *r, const struct texts *l)
{
    static const struct buf nothing;
    return l->n ? &l->items[rng_below(r, l->n)] : &nothing;
}

static void insert(struct buf *b, size_t at, const void *data, size_t n)
{
    struct buf out = BUF_INIT;
    buf_put(&out, b->data, at);
    buf_put(&out, data, n);
    buf_put(&out, b->data + at, b->len - at);
    buf_clear(b);
    *b = out;
}

static void change(struct rng *r, struct buf *b, const struct texts *kept,
                   const struct texts *words)
{
    static const char odd[] = {0,   1,    0x7f, (char)0x80, (char)0xff, '\n', ' ',
                               '"', '\\', '\'', '%',        '-',        '0',  '9'};
    size_t at = rng_below(r, b->len + 1), n = 1 + rng_below(r, 16);
    const struct buf *other;
    switch (rng_below(r, 7)) {
    case 0:
        if (at < b->len)
            b->data[at] = (char)(b->data[at] ^ 1 << rng_below(r, 8));
        break;
    case 1:
        if (at < b->len)
            b->data[at] = odd[rng_below(r, sizeof odd)];
        break;
    case 2: /* take some away */
        n = n < b->len - at ? n : b->len - at;
        memmove(b->data + at, b->data + at + n, b->len - at - n);
        b->len -= n;
        break;
    case 3: /* something out of it a second time */
        other = b;
        n = n < b->len - at ? n : b->len - at;
        char *again = xmemdup0(b->data + at, n);
        insert(b, rng_below(r, b->len + 1), again, n);
        free(again);
        break;
    case 4: /* the end of another one */
        other = some(r, kept);
        b->len = at;
        at = rng_below(r, other->len + 1);
        if (other->len > at)
            buf_put(b, other->data + at, other->len - at);
        break;
    case 5:
        insert(b, at, &odd[rng_below(r, sizeof odd)], 1);
        break;
    default:
        other = some(r, words);
        insert(b, at, buf_str(other), other->len);
    }
}

static void take_made(const struct target *t, const struct texts *kept, uint64_t n, uint64_t seed)
{
    struct texts words = {0};
    struct rng r = rng_of_seed(seed ^ (uint64_t)(t - targets) << 32);
    read_words(t->name, &words);
    for (uint64_t i = 0; i < n; i++) {
        struct buf b = BUF_INIT;
        const struct buf *base = some(&r, kept);
        buf_put(&b, buf_str(base), base->len < MADE_MAX_BYTES ? base->len : MADE_MAX_BYTES);
        for (uint64_t changes = 1 + rng_below(&r, 8); changes; changes--)
            change(&r, &b, kept, &words);
        take(t, &b);
        buf_clear(&b);
    }
    texts_clear(&words);
}

static void target_keeps_its_promises(void **ctx)
{
    const struct target *t = *ctx;
    const char *wish = getenv("FUZZ_N"), *seed = getenv("FUZZ_SEED");
    struct texts kept = {0};
    /* cmocka has its own for some of them, and sets them before each test. */
    for (size_t i = 0; i < GW_COUNT(deadly); i++)
        signal(deadly[i], on_signal);
    read_inputs("seeds", t->name, &kept);
    read_inputs("found", t->name, &kept);
    read_grown(t->name, &kept);
    assert_true(kept.n > 0);
    for (size_t i = 0; i < kept.n; i++)
        take(t, &kept.items[i]);
    take_made(t, &kept, wish ? strtoull(wish, NULL, 10) : 0, seed ? strtoull(seed, NULL, 10) : 1);
    texts_clear(&kept);
}

enum {
#define X(name) TARGET_##name,
    FUZZ_TARGETS
#undef X
};

int main(void)
{
    const struct CMUnitTest tests[] = {
#define X(name)                                                                                    \
    {"what is kept for " #name " breaks nothing", target_keeps_its_promises, NULL, NULL,           \
     (void *)&targets[TARGET_##name]},
        FUZZ_TARGETS
#undef X
    };
    if (__sanitizer_set_death_callback)
        __sanitizer_set_death_callback(keep_input);
    const char *only = getenv("FUZZ_ONLY");
    char *filter = only ? xasprintf("what is kept for %s *", only) : NULL;
    cmocka_set_test_filter(filter);
    int n_failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(filter);
    return n_failed;
}
