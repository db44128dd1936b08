/* Shell patterns as fnmatch(3) has them with no flags in the C locale: * ? [...] \. Not fnmatch
 * itself, whose time grows exponentially with the stars of a pattern, and whose answer depends on
 * the locale; here the time is at most the product of the lengths. */
#ifndef SPEC_GLOB_H
#define SPEC_GLOB_H

#include <stdbool.h>

bool glob_match(const char *pattern, const char *text);
bool glob_is_plain(const char *pattern); /* it matches its own text and nothing else */

#endif
