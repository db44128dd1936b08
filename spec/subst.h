/* Substitution of ${NAME} in template values, and the splitting of ARGUMENTS into words. Pure.
 *
 * ${NAME} is replaced when lookup knows NAME, and left as it is when not (GridWay's rule). Not
 * recursive: what was put in is not looked at again. A backslash before $ is taken away and keeps
 * the $. What is put in has SUBST_MAX bytes at most in all; references beyond that stay as they
 * are, so that a short text cannot fill the memory. */
#ifndef SPEC_SUBST_H
#define SPEC_SUBST_H

#include "lib/err.h"

#include <stddef.h>

enum { SUBST_MAX = 4 << 20 };

/* The value of a name, or NULL when it is not known; it has to live until the next call. */
typedef const char *(*subst_lookup)(const void *ctx, const char *name);

char *subst_expand(const char *text, subst_lookup lookup, const void *ctx);

/* Split an argument line into words as a shell does without doing anything else: blanks separate;
 * '...' literal; "..." with \" and \\ and \$; backslash keeps the next character. ${NAME}, and
 * $NAME for names that lookup knows (users of GridWay rely on $GW_TASK_ID there), are replaced
 * outside single quotes; a replacement is never split. Returns 0 and a NULL-terminated vector (free
 * with subst_words_free), or -GW_EINVAL naming the column of an unclosed quote. */
int subst_words(const char *line, subst_lookup lookup, const void *ctx, char ***ret_words,
                size_t *ret_n, struct gw_err *err);
void subst_words_free(char **words);

/* Would subst_words take this line? -GW_EINVAL, and *ret_from is the byte where the unclosed quote
 * is. */
int subst_words_check(const char *line, size_t *ret_from);

/* Append `text` as one shell word in single quotes. */
struct buf;
void subst_shell_quote(struct buf *out, const char *text);

#endif
