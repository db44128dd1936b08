/* A growing byte buffer. `data` is always followed by a NUL that `len` does not count, so text in
 * it can be read as a string. Zero-initialised is empty and valid. */
#ifndef LIB_BUF_H
#define LIB_BUF_H

#include <stdarg.h>
#include <stddef.h>

struct buf {
    char *data; /* NULL while nothing was ever added */
    size_t len;
    size_t cap;
};

#define BUF_INIT ((struct buf){0})

void buf_clear(struct buf *b);             /* release the memory; empty and valid again */
void buf_wipe(struct buf *b);              /* the same for secrets: overwritten first */
void buf_reset(struct buf *b);             /* empty, memory kept */
void buf_reserve(struct buf *b, size_t n); /* room for n more bytes */
void buf_put(struct buf *b, const void *data, size_t n);
void buf_puts(struct buf *b, const char *s);
void buf_putc(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *b, const char *fmt, va_list ap);
void buf_drop(struct buf *b, size_t n);   /* remove the first n bytes */
void buf_cut(struct buf *b, size_t len);  /* keep only the first len bytes */
const char *buf_str(const struct buf *b); /* the text; "" while empty */
char *buf_take(struct buf *b);            /* the text is the caller's; the buffer is empty */

#endif
