/* REQUIREMENTS and RANK: compiled once, evaluated for every host and queue.
 *
 * Grammar (GridWay's is a subset; precedence is the conventional one):
 *   or     := and { ("|" | "||") and }          and  := not { ("&" | "&&") not }
 *   not    := "!" not | cmp
 *   cmp    := sum [ ("=" | "==" | "!=" | "<" | "<=" | ">" | ">=") sum ]
 *   sum    := term { ("+" | "-") term }         term := factor { ("*" | "/" | "%") factor }
 *   factor := ("-" | "+") factor | integer | decimal | "string" | NAME | "(" or ")"
 * Optional final ";". A string stands only on the right of = and !=, and is a shell pattern there
 * (spec/glob.h, case-sensitive) for the text of what is on the left; two attributes that are both
 * texts are equal when they are the same. Numbers are doubles: integers are exact to 2^53. A
 * comparison counts as 1 or 0 in arithmetic.
 *
 * Three values: an attribute that a host does not report is UNKNOWN, and so is what is calculated
 * from it or divides by zero, and a comparison of a text with a number; unknown & false is false,
 * unknown | true is true, !unknown is unknown; a requirement holds only when it is true. A rank
 * that is unknown is 0. An empty text is true (requirements) or 0 (rank).
 *
 * Pure. Parentheses nest at most 200 deep; evaluation neither recurses nor allocates. */
#ifndef SPEC_EXPR_H
#define SPEC_EXPR_H

#include "lib/diag.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Limits of one expression: parentheses, attributes, steps of evaluation, bytes of a string. */
enum { EXPR_DEPTH_MAX = 200, EXPR_NAMES_MAX = 256, EXPR_STEPS_MAX = 20000, EXPR_STRING_MAX = 1024 };

enum expr_kind { EXPR_REQUIREMENTS, EXPR_RANK };

enum value_type { VALUE_UNKNOWN, VALUE_NUMBER, VALUE_STRING, VALUE_BOOL };

struct value {
    enum value_type type;
    double number;      /* VALUE_NUMBER; VALUE_BOOL: 0 or 1 */
    const char *string; /* VALUE_STRING, borrowed; VALUE_NUMBER: how it was written, or NULL */
};

/* What the evaluator asks for an attribute. `slot` is the index of the name in expr_names(). */
typedef struct value (*expr_lookup)(const void *ctx, const char *name, size_t slot);

struct expr;

/* A top-level conjunct of a requirement: operands of the outermost "&"s, so that "which condition
 * removed how many hosts" has an answer. An expression without "&" at the top is one conjunct; an
 * empty one has none. */
struct expr_conjunct {
    size_t from, length; /* bytes of the text */
};

/* Compile `text`. -GW_EINVAL when it is not an expression of the kind: each mistake is reported
 * (may be NULL). A warning, which is not an error, is reported where GridWay, whose !, & and | have
 * one common precedence, would read the expression in another way. */
int expr_parse(const char *text, enum expr_kind kind, struct expr **ret, diag_report report,
               void *ctx);
void expr_destroy(struct expr *e);

const char *const *expr_names(const struct expr *e,
                              size_t *ret_n); /* attributes it asks for, each once */
size_t expr_conjuncts(const struct expr *e, const struct expr_conjunct **ret); /* ret may be NULL */

/* Steps of an evaluation, at most; a comparison of texts counts as several. */
size_t expr_cost(const struct expr *e);

/* What it takes in memory, at most. */
size_t expr_bytes(const struct expr *e);

/* True, false or unknown for one conjunct; for all: true only if each is true. */
enum expr_truth { EXPR_FALSE, EXPR_TRUE, EXPR_UNKNOWN };
enum expr_truth expr_test(const struct expr *e, size_t conjunct, expr_lookup lookup,
                          const void *ctx);
bool expr_holds(const struct expr *e, expr_lookup lookup, const void *ctx);
/* As expr_test() for each conjunct in turn, where attribute i of expr_names() has the value
 * values[numbers[i]]: the first one that is not true, their number when all are. */
size_t expr_first_unmatched(const struct expr *e, const struct value *values,
                            const uint32_t *numbers);
double expr_rank(const struct expr *e, expr_lookup lookup, const void *ctx); /* finite */

#endif
