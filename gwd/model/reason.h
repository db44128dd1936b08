/* Why something is as it is: a code, whom to ask, and a message that carries the particulars. Put
 * into words for people only by clients (client/reason.c). */
#ifndef GWD_MODEL_REASON_H
#define GWD_MODEL_REASON_H

#include <stdbool.h>

/* Stored: keep the numbers. */
enum blame { BLAME_NONE = 0, BLAME_JOB = 1, BLAME_SITE = 2, BLAME_US = 3 };

struct reason {
    char *code; /* "no-input", ...: [a-z0-9-], at most 40 bytes; NULL when there is none */
    enum blame blame;
    char *text; /* or NULL */
};

void reason_set(struct reason *r, const char *code, enum blame blame, const char *text);
void reason_clear(struct reason *r);
bool reason_code_is_valid(const char *code);
const char *blame_name(enum blame blame); /* "none", "job", "site", "us" */
bool blame_of_name(const char *name, enum blame *ret);

/* Split a driver's failure text "code:blame sentence" (docs/PROTOCOL section 5). A text that is not
 * of this form, as GridWay's drivers send it, is `site-failure`, blame site, and the whole text. */
void reason_from_driver(struct reason *ret, const char *text);

#endif
