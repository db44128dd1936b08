/* Memory: out of memory ends the program (the journal makes a crash a tested path), so no caller
 * tests a result. Everything is released with free(). */
#ifndef LIB_MEM_H
#define LIB_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

void *xmalloc(size_t size);
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t size);
void *xreallocarray(void *p, size_t n, size_t size);
char *xstrdup(const char *s); /* NULL gives NULL */
char *xstrndup(const char *s, size_t n);
char *xmemdup0(const void *p, size_t n); /* a copy with a NUL after it */
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Texts of which each may be NULL, as xstrdup() takes them. */
static inline bool texts_are_equal(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

/* What a text that is kept takes, with the allocator's part, at most; NULL: nothing. */
static inline size_t text_bytes(const char *s)
{
    enum { ALLOCATION_BYTES = 32 };
    return s ? strlen(s) + ALLOCATION_BYTES : 0;
}

#define GW_COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
