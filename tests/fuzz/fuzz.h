/* What the fuzz targets share. A target is one file NAME_fuzz.c, whose only external function is
 * LLVMFuzzerTestOneInput(): it takes any bytes, and a broken promise ends the program. Beside it
 * may stand NAME.dict (words of the language), and below seeds/NAME/ and found/NAME/ inputs to
 * begin with and those that once broke something; grown/NAME.tar.gz has what libFuzzer found on
 * the way (tar -C build-fuzz/corpus/NAME -czf tests/fuzz/grown/NAME.tar.gz .). In a target's head
 * "fuzz: max_len=N" says how long an input may be. tests/fuzz/run runs them; tests/fuzz/replay.c is
 * the unit test. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include "lib/diag.h"
#include "lib/mem.h"
#include "lib/utf8.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An oracle: a claim about what the program made of the input. */
#define FUZZ_CHECK(claim) ((claim) ? (void)0 : fuzz_broken(__FILE__, __LINE__, #claim))

static inline void fuzz_broken(const char *file, int line, const char *claim)
{
    fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, claim);
    abort();
}

/* The input, taken piece by piece. */
struct fuzz_input {
    const uint8_t *p;
    size_t left;
};

static inline unsigned fuzz_byte(struct fuzz_input *in)
{
    if (in->left == 0)
        return 0;
    in->left--;
    return *in->p++;
}

/* The bytes up to the next `end`, which is passed over, as a text; the caller's to free. Bytes of
 * the value 0 end it for those who read texts. NULL when nothing is left. */
static inline char *fuzz_part(struct fuzz_input *in, char end, size_t *ret_len)
{
    if (in->left == 0)
        return NULL;
    const uint8_t *at = memchr(in->p, end, in->left);
    size_t len = at ? (size_t)(at - in->p) : in->left;
    char *part = xmemdup0(in->p, len);
    in->p += len + (at != NULL);
    in->left -= len + (at != NULL);
    if (ret_len)
        *ret_len = len;
    return part;
}

static inline bool fuzz_is_utf8(const char *p, size_t len)
{
    for (size_t at = 0, n; at < len; at += n)
        if ((n = utf8_length(p + at, len - at)) == 0)
            return false;
    return true;
}

/* No control character but those that are asked for, and all of it UTF-8: safe to be shown. */
static inline bool fuzz_is_clean(const char *p, size_t len, const char *but)
{
    for (size_t i = 0; i < len; i++)
        if (((unsigned char)p[i] < 0x20 && (!p[i] || !strchr(but, p[i]))) || p[i] == 0x7f)
            return false;
    return fuzz_is_utf8(p, len);
}

/* Every diagnostic has a place inside its text and a sentence, and what is printed of all is
 * harmless. */
static inline void fuzz_check_diags(struct diags *d, const char *source, size_t len)
{
    struct buf out = BUF_INIT;
    const char *line = source, *end = source + len;
    unsigned at = 1;
    diags_sort(d);
    for (size_t i = 0; i < d->n; i++) {
        const struct diag *g = &d->items[i];
        for (; at < g->place.line; at++) {
            line = memchr(line, '\n', (size_t)(end - line));
            FUZZ_CHECK(line != NULL);
            line++;
        }
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        size_t n = (size_t)((newline ? newline : end) - line);
        FUZZ_CHECK(g->place.line == 0 || g->place.column >= 1);
        FUZZ_CHECK(g->place.line == 0 || g->place.column - 1 + g->place.length <= n + 1);
        FUZZ_CHECK(*g->text && fuzz_is_clean(g->text, strlen(g->text), ""));
        FUZZ_CHECK(!g->hint || fuzz_is_clean(g->hint, strlen(g->hint), ""));
    }
    FUZZ_CHECK(d->n <= DIAGS_MAX && d->errors <= d->n + d->dropped);
    diags_print(d, false, &out);
    FUZZ_CHECK(out.len == 0 || fuzz_is_clean(out.data, out.len, "\n\t"));
    buf_clear(&out);
}

#endif
