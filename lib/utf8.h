/* UTF-8 from outside. */
#ifndef LIB_UTF8_H
#define LIB_UTF8_H

#include <stddef.h>

/* The length of the character at p, of which `left` bytes are there; 0 when it is none (RFC 3629:
 * shortest form, no surrogates, at most U+10FFFF) or a NUL. */
size_t utf8_length(const char *p, size_t left);

/* The same, and 0 for control characters: C0, DEL, and C1, which some terminals take for escape
 * sequences. */
size_t utf8_harmless_length(const char *p, size_t left);

/* Replace control characters (newline and tab too) and bytes that are not UTF-8 by '?', so that the
 * text is one harmless line. */
void utf8_clean(char *text);

#endif
