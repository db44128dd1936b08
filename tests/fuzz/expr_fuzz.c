/* REQUIREMENTS and RANK: what compiles can be evaluated on any host, in bounded space, and says
 * what a second evaluator says, which walks through the text and knows no shortcut.
 *
 * fuzz: max_len=256 */
#include "spec/expr.h"
#include "spec/expr_token.h"
#include "spec/glob.h"
#include "tests/fuzz/fuzz.h"

#include <math.h>

/* --- hosts --- */

static struct value lookup(const void *ctx, const char *name, size_t slot)
{
    unsigned kind = *(const unsigned *)ctx + (unsigned char)name[0];
    static const struct value values[] = {
        {.type = VALUE_UNKNOWN},        {VALUE_NUMBER, 0, "0"},       {VALUE_NUMBER, -1e300, NULL},
        {VALUE_NUMBER, INFINITY, NULL}, {VALUE_STRING, 0, "a.b[c]*"}, {VALUE_STRING, 0, ""},
        {VALUE_NUMBER, 2.5, "2.5"},     {VALUE_NUMBER, 7, "7"}};
    (void)slot;
    return values[kind % GW_COUNT(values)];
}

/* --- the second evaluator --- */

struct walk {
    const char *text;
    const unsigned *host;
    struct token t; /* the next one */
};

static const struct value unknown = {.type = VALUE_UNKNOWN};

static struct value number(double v)
{
    return isfinite(v) ? (struct value){VALUE_NUMBER, v, NULL} : unknown;
}

static struct value truth(bool is_true)
{
    return (struct value){VALUE_BOOL, is_true, NULL};
}

static bool is_number(struct value v)
{
    return v.type == VALUE_NUMBER || v.type == VALUE_BOOL;
}

static enum token_kind take(struct walk *w)
{
    enum token_kind kind = w->t.kind;
    w->t = token_next(w->text, w->t.from + w->t.length);
    return kind;
}

static struct value walk_or(struct walk *w);

static struct value walk_factor(struct walk *w)
{
    struct token t = w->t;
    struct value v;
    switch (take(w)) {
    case T_MINUS:
        v = walk_factor(w);
        return is_number(v) ? number(-v.number) : unknown;
    case T_PLUS:
        return walk_factor(w);
    case T_OPEN:
        v = walk_or(w);
        take(w);
        return v;
    case T_NUMBER:
        return number(strtod(w->text + t.from, NULL));
    default:
        v = lookup(w->host, w->text + t.from, 0);
        return v.type == VALUE_NUMBER && !isfinite(v.number) ? unknown : v;
    }
}

static struct value calculate(enum token_kind op, struct value a, struct value b)
{
    if (!is_number(a) || !is_number(b))
        return unknown;
    switch (op) {
    case T_PLUS:
        return number(a.number + b.number);
    case T_MINUS:
        return number(a.number - b.number);
    case T_TIMES:
        return number(a.number * b.number);
    case T_DIVIDE:
        return b.number != 0 ? number(a.number / b.number) : unknown;
    default: /* of whole parts, where they are exact */
        if (fabs(a.number) > 0x1p53 || fabs(b.number) > 0x1p53 || trunc(b.number) == 0)
            return unknown;
        return number(fmod(trunc(a.number), trunc(b.number)));
    }
}

static struct value walk_term(struct walk *w)
{
    struct value v = walk_factor(w);
    while (w->t.kind == T_TIMES || w->t.kind == T_DIVIDE || w->t.kind == T_REMAINDER) {
        enum token_kind op = take(w);
        v = calculate(op, v, walk_factor(w));
    }
    return v;
}

static struct value walk_sum(struct walk *w)
{
    struct value v = walk_term(w);
    while (w->t.kind == T_PLUS || w->t.kind == T_MINUS) {
        enum token_kind op = take(w);
        v = calculate(op, v, walk_term(w));
    }
    return v;
}

static struct value compare(enum token_kind op, double a, double b)
{
    const bool is[] = {a == b, a != b, a<b, a <= b, a> b, a >= b};
    return truth(is[op - T_EQUAL]);
}

static struct value walk_cmp(struct walk *w)
{
    struct value a = walk_sum(w);
    if (w->t.kind < T_EQUAL || w->t.kind > T_GREATER_EQUAL)
        return a;
    enum token_kind op = take(w);
    if (w->t.kind == T_STRING) {
        char *pattern = xstrndup(w->text + w->t.from + 1, w->t.length - 2);
        bool is_known = a.type != VALUE_UNKNOWN && a.string;
        struct value v =
            is_known ? truth(glob_match(pattern, a.string) == (op == T_EQUAL)) : unknown;
        free(pattern);
        take(w);
        return v;
    }
    struct value b = walk_sum(w);
    if (is_number(a) && is_number(b))
        return compare(op, a.number, b.number);
    if (a.type == VALUE_STRING && b.type == VALUE_STRING && (op == T_EQUAL || op == T_DIFFERENT))
        return truth((strcmp(a.string, b.string) == 0) == (op == T_EQUAL));
    return unknown;
}

static enum expr_truth truth_of(struct value v)
{
    return v.type == VALUE_UNKNOWN ? EXPR_UNKNOWN : v.number != 0 ? EXPR_TRUE : EXPR_FALSE;
}

static struct value of_truth(enum expr_truth t)
{
    return t == EXPR_UNKNOWN ? unknown : truth(t == EXPR_TRUE);
}

static struct value walk_not(struct walk *w)
{
    if (w->t.kind != T_NOT)
        return walk_cmp(w);
    take(w);
    enum expr_truth t = truth_of(walk_not(w));
    return of_truth(t == EXPR_UNKNOWN ? t : t == EXPR_TRUE ? EXPR_FALSE : EXPR_TRUE);
}

/* Operands with `op` between: one that is `deciding` decides; else one that is unknown. */
static struct value walk_chain(struct walk *w, enum token_kind op, enum expr_truth deciding,
                               struct value (*operand)(struct walk *w))
{
    struct value v = operand(w);
    while (w->t.kind == op) {
        take(w);
        enum expr_truth a = truth_of(v), b = truth_of(operand(w));
        v = of_truth(a == deciding || b == deciding           ? deciding
                     : a == EXPR_UNKNOWN || b == EXPR_UNKNOWN ? EXPR_UNKNOWN
                                                              : a);
    }
    return v;
}

static struct value walk_and(struct walk *w)
{
    return walk_chain(w, T_AND, EXPR_FALSE, walk_not);
}

static struct value walk_or(struct walk *w)
{
    return walk_chain(w, T_OR, EXPR_TRUE, walk_and);
}

static struct value walk(const char *text, const unsigned *host)
{
    struct walk w = {text, host, token_next(text, 0)};
    return walk_or(&w);
}

/* --- the target --- */

static void report(void *ctx, enum diag_severity severity, size_t from, size_t length,
                   const char *hint, const char *sentence)
{
    (void)severity;
    (void)hint;
    FUZZ_CHECK(from + length <= strlen(ctx) && *sentence);
}

/* Of a number with more digits the last bit depends on how it is calculated. */
static bool has_long_number(const char *text)
{
    for (size_t n; *text; text += n ? n : 1)
        if ((n = strspn(text, "0123456789.")) > 15)
            return true;
    return false;
}

static void check_requirements(const struct expr *e, const char *text, const unsigned *host)
{
    const struct expr_conjunct *conjuncts;
    size_t n = expr_conjuncts(e, &conjuncts), n_names, first = 0;
    const char *const *names = expr_names(e, &n_names);
    struct value *values = xcalloc(n_names, sizeof *values);
    uint32_t *numbers = xcalloc(n_names, sizeof *numbers);
    for (size_t i = 0; i < n_names; i++) {
        numbers[i] = (uint32_t)(n_names - 1 - i);
        values[numbers[i]] = lookup(host, names[i], i);
    }
    while (first < n && expr_test(e, first, lookup, host) == EXPR_TRUE)
        first++;
    for (size_t i = 0; i < n; i++)
        FUZZ_CHECK(conjuncts[i].from + conjuncts[i].length <= strlen(text));
    FUZZ_CHECK(expr_first_unmatched(e, values, numbers) == first);
    FUZZ_CHECK(expr_holds(e, lookup, host) == (first == n));
    if (n && !has_long_number(text))
        FUZZ_CHECK((first == n) == (truth_of(walk(text, host)) == EXPR_TRUE));
    free(values);
    free(numbers);
}

static void check_rank(const struct expr *e, const char *text, const unsigned *host)
{
    double rank = expr_rank(e, lookup, host);
    FUZZ_CHECK(isfinite(rank));
    if (expr_cost(e) && !has_long_number(text)) {
        struct value v = walk(text, host);
        FUZZ_CHECK(rank == (is_number(v) ? v.number : 0));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = xmemdup0(data, size);
    for (int kind = EXPR_REQUIREMENTS; kind <= EXPR_RANK; kind++) {
        struct expr *e = NULL;
        if (expr_parse(text, (enum expr_kind)kind, &e, report, text) < 0)
            continue;
        for (unsigned host = 0; host < 8; host++)
            (kind == EXPR_RANK ? check_rank : check_requirements)(e, text, &host);
        expr_destroy(e);
    }
    free(text);
    return 0;
}
