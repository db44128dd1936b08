/* REQUIREMENTS and RANK: compiled once, evaluated for every host and queue.
 *
 * Grammar (GridWay's is a subset; precedence is the conventional one):
 *   or   := and { ("|" | "||") and }          and := not { ("&" | "&&") not }      not := "!" not | cmp
 *   cmp  := sum [ ("=" | "==" | "!=" | "<" | "<=" | ">" | ">=") sum ]
 *   sum  := term { ("+" | "-") term }         term := factor { ("*" | "/" | "%") factor }
 *   factor := ["-" | "+"] factor | integer | decimal | "string" | NAME | "(" or ")"
 * Optional final ";". A string comparison is a shell glob (fnmatch, case-sensitive) with the pattern on the right.
 * Numbers are doubles. Three values: an attribute that a host does not report is UNKNOWN, comparing it is unknown, unknown & false is false,
 * unknown | true is true, !unknown is unknown; a requirement holds only when it is true. A rank that is unknown, or
 * divides by zero, is 0. An empty text is true (requirements) or 0 (rank). Pure; bounded depth (200) and no recursion over it in evaluation. */
#ifndef SPEC_EXPR_H
#define SPEC_EXPR_H

#include "lib/diag.h"

#include <stdbool.h>
#include <stddef.h>

enum expr_kind { EXPR_REQUIREMENTS, EXPR_RANK };

enum value_type { VALUE_UNKNOWN, VALUE_NUMBER, VALUE_STRING, VALUE_BOOL };

struct value {
    enum value_type type;
    double number;      /* VALUE_NUMBER; VALUE_BOOL: 0 or 1 */
    const char *string; /* VALUE_STRING, borrowed */
};

/* What the evaluator asks for an attribute. `slot` is the index of the name in expr_names(). */
typedef struct value (*expr_lookup)(const void *ctx, const char *name, size_t slot);

struct expr;

/* A top-level conjunct of a requirement: operands of the outermost "&"s, so that "which condition removed how many hosts" has an
 * answer. An expression without "&" at the top is one conjunct. */
struct expr_conjunct {
    size_t from, length; /* bytes of the text */
};

/* Compile `text`. On a syntax error returns -GW_EINVAL and reports through `report` (may be NULL) the bytes concerned and a sentence. */
int expr_parse(const char *text, enum expr_kind kind, struct expr **ret,
               void (*report)(void *ctx, size_t from, size_t length, const char *hint, const char *sentence), void *ctx);
void expr_destroy(struct expr *e);

const char *const *expr_names(const struct expr *e, size_t *ret_n); /* attributes it asks for, each once */
size_t expr_conjuncts(const struct expr *e, const struct expr_conjunct **ret);

/* True, false or unknown for one conjunct; for all: true only if each is true. */
enum expr_truth { EXPR_FALSE, EXPR_TRUE, EXPR_UNKNOWN };
enum expr_truth expr_test(const struct expr *e, size_t conjunct, expr_lookup lookup, const void *ctx);
bool expr_holds(const struct expr *e, expr_lookup lookup, const void *ctx);
double expr_rank(const struct expr *e, expr_lookup lookup, const void *ctx); /* finite */

#endif
