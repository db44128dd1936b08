/* Recursive descent that emits the program while it reads: no tree, so a long chain of operators
 * costs no depth. Types are known as far as the text tells them; those of attributes are not. */
#include "lib/err.h"
#include "lib/mem.h"
#include "spec/expr_private.h"
#include "spec/expr_token.h"
#include "spec/glob.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum type { TYPE_NUMBER, TYPE_STRING, TYPE_CONDITION, TYPE_ATTRIBUTE };

struct operand {
    enum type type;
    size_t from, to;                   /* bytes of the text */
    size_t string_from, string_length; /* TYPE_STRING: without the quotes */
};

struct parser {
    const char *text;
    struct token token; /* the one looked at */
    size_t end;         /* of the last token that was taken */
    struct expr *e;
    size_t cap_steps, cap_strings, cap_conjuncts;
    unsigned depth;
    bool has_failed;  /* some mistake was reported */
    bool has_stopped; /* by one after which the rest cannot be understood */
    bool has_warned;
    diag_report report;
    void *ctx;
};

/* --- mistakes --- */

static void report(struct parser *p, enum diag_severity severity, size_t from, size_t to,
                   const char *hint, const char *sentence)
{
    p->has_failed |= severity == DIAG_ERROR;
    if (p->report)
        p->report(p->ctx, severity, from, to - from, hint, sentence);
}

static void stop(struct parser *p, size_t from, size_t to, const char *hint, const char *sentence)
{
    if (!p->has_stopped)
        report(p, DIAG_ERROR, from, to, hint, sentence);
    p->has_stopped = true;
}

static void stop_at_token(struct parser *p, const char *hint, const char *sentence)
{
    const struct token *t = &p->token;
    if (t->kind == T_OPEN_STRING) {
        stop(p, t->from, t->from + t->length, NULL, "this string is not closed");
    } else if (t->kind == T_STRANGE) {
        char text[64];
        unsigned char c = (unsigned char)p->text[t->from];
        snprintf(text, sizeof text,
                 c < 0x80 ? "%c has no meaning in an expression"
                          : "this character has no meaning in an expression",
                 c);
        stop(p, t->from, t->from + t->length, hint, text);
    } else {
        stop(p, t->from, t->from + t->length, hint, sentence);
    }
}

/* --- words --- */

/* Look at the next token. */
static void next(struct parser *p)
{
    p->end = p->token.from + p->token.length;
    p->token = token_next(p->text, p->end);
}

static bool is_at(const struct parser *p, enum token_kind kind)
{
    return !p->has_stopped && p->token.kind == kind;
}

static bool is_at_range(const struct parser *p, enum token_kind first, enum token_kind last)
{
    return !p->has_stopped && p->token.kind >= first && p->token.kind <= last;
}

static bool take(struct parser *p, enum token_kind kind)
{
    if (!is_at(p, kind))
        return false;
    next(p);
    return true;
}

/* --- the program --- */

static size_t emit(struct parser *p, struct step step)
{
    struct expr *e = p->e;
    if (e->n_steps == EXPR_STEPS_MAX) {
        stop(p, p->token.from, p->token.from + p->token.length, NULL,
             "the expression is too long from here on");
        return 0;
    }
    if (e->n_steps == p->cap_steps) {
        p->cap_steps = p->cap_steps ? 2 * p->cap_steps : 16;
        e->steps = xreallocarray(e->steps, p->cap_steps, sizeof *e->steps);
    }
    e->steps[e->n_steps] = step;
    return e->n_steps++;
}

static size_t slot_of(struct parser *p, const char *name, size_t n)
{
    struct expr *e = p->e;
    for (size_t i = 0; i < e->n_names; i++)
        if (strlen(e->names[i]) == n && memcmp(e->names[i], name, n) == 0)
            return i;
    if (e->n_names == EXPR_NAMES_MAX) {
        stop_at_token(p, NULL, "there are too many different attributes");
        return 0;
    }
    e->names = xreallocarray(e->names, e->n_names + 1, sizeof *e->names);
    e->names[e->n_names] = xmemdup0(name, n);
    return e->n_names++;
}

static size_t add_string(struct parser *p, const struct operand *o)
{
    struct expr *e = p->e;
    if (e->n_strings == p->cap_strings) {
        p->cap_strings = p->cap_strings ? 2 * p->cap_strings : 8;
        e->strings = xreallocarray(e->strings, p->cap_strings, sizeof *e->strings);
    }
    char *text = xmemdup0(p->text + o->string_from, o->string_length);
    e->strings[e->n_strings] = (struct pattern){text, glob_is_plain(text)};
    return e->n_strings++;
}

/* --- the grammar, from the inside out --- */

static struct operand operand(enum type type, size_t from, size_t to)
{
    return (struct operand){.type = type, .from = from, .to = to};
}

static struct operand parse_or(struct parser *p);

/* Not strtod: it would follow the locale's decimal point. */
static double number_value(const char *s, size_t n)
{
    double value = 0, scale = 1;
    bool is_fraction = false;
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '.') {
            is_fraction = true;
            continue;
        }
        value = value * 10 + (s[i] - '0');
        scale *= is_fraction ? 10 : 1;
    }
    return value / scale;
}

static struct operand parse_number(struct parser *p)
{
    struct token t = p->token;
    double v = number_value(p->text + t.from, t.length);
    if (!isfinite(v))
        stop_at_token(p, NULL, "this number is too large");
    next(p);
    if (is_at(p, T_NAME) && p->token.from == t.from + t.length)
        stop_at_token(p, NULL, "a number ends in a letter here");
    emit(p, (struct step){.op = OP_NUMBER, .number = v});
    return operand(TYPE_NUMBER, t.from, p->end);
}

static struct operand parse_name(struct parser *p)
{
    struct token t = p->token;
    size_t slot = slot_of(p, p->text + t.from, t.length);
    next(p);
    emit(p, (struct step){.op = OP_ATTRIBUTE, .at = (uint32_t)slot});
    return operand(TYPE_ATTRIBUTE, t.from, p->end);
}

static struct operand parse_string(struct parser *p)
{
    struct token t = p->token;
    if (t.length - 2 > EXPR_STRING_MAX)
        stop_at_token(p, NULL, "this string is too long");
    next(p);
    return (struct operand){TYPE_STRING, t.from, p->end, t.from + 1, t.length - 2};
}

static struct operand parse_parenthesis(struct parser *p)
{
    struct token open = p->token;
    if (p->depth == EXPR_DEPTH_MAX) {
        stop_at_token(p, NULL, "parentheses are nested too deeply here");
        return operand(TYPE_NUMBER, open.from, p->end);
    }
    p->depth++;
    next(p);
    struct operand o = parse_or(p);
    p->depth--;
    if (is_at(p, T_END))
        stop(p, open.from, open.from + 1, NULL, "this parenthesis is not closed");
    else if (!take(p, T_CLOSE))
        stop_at_token(p, NULL, "an operator or ) is expected here");
    o.from = open.from;
    o.to = p->end;
    return o;
}

static struct operand parse_primary(struct parser *p)
{
    switch (p->token.kind) {
    case T_NUMBER:
        return parse_number(p);
    case T_NAME:
        return parse_name(p);
    case T_STRING:
        return parse_string(p);
    case T_OPEN:
        return parse_parenthesis(p);
    case T_END:
        stop_at_token(p, NULL, "the expression ends where a value is expected");
        break;
    default:
        stop_at_token(p, NULL, "an attribute, a number, a \"text\" or ( is expected here");
    }
    return operand(TYPE_NUMBER, p->token.from, p->token.from + p->token.length);
}

static bool must_be_number(struct parser *p, const struct operand *o)
{
    if (p->has_stopped || o->type != TYPE_STRING)
        return true;
    report(p, DIAG_ERROR, o->from, o->to, NULL,
           "a text can only stand on the right of = and !=, after an attribute");
    return false;
}

static void must_be_condition(struct parser *p, const struct operand *o)
{
    if (p->has_stopped || o->type == TYPE_CONDITION || !must_be_number(p, o))
        return;
    report(p, DIAG_ERROR, o->from, o->to,
           o->type == TYPE_ATTRIBUTE
               ? "compare the attribute with something, such as CPU_MHZ > 1000"
               : NULL,
           "a condition is expected here");
}

static struct operand parse_factor(struct parser *p)
{
    size_t from = p->token.from;
    unsigned minus = 0, signs = 0;
    for (; is_at(p, T_MINUS) || is_at(p, T_PLUS); signs++, next(p))
        minus += is_at(p, T_MINUS);
    struct operand o = parse_primary(p);
    if (!signs)
        return o;
    must_be_number(p, &o);
    struct step *last = p->e->n_steps ? &p->e->steps[p->e->n_steps - 1] : NULL;
    if (o.type == TYPE_NUMBER && last && last->op == OP_NUMBER &&
        strchr("0123456789", p->text[o.from])) {
        last->number = minus % 2 ? -last->number : last->number; /* X > -5 compares with a number */
    } else if (minus) {
        emit(p, (struct step){.op = OP_NEGATE});
        if (minus % 2 == 0) /* of a text there is no negative, nor of that again */
            emit(p, (struct step){.op = OP_NEGATE});
    }
    return operand(TYPE_NUMBER, from, o.to);
}

/* left { op right } for operators of one precedence; `ops` are those of the tokens first ... last.
 */
static struct operand parse_chain(struct parser *p, struct operand (*parse_part)(struct parser *p),
                                  enum token_kind first, enum token_kind last, enum op op_first)
{
    struct operand left = parse_part(p);
    while (is_at_range(p, first, last)) {
        enum op op = op_first + (p->token.kind - first);
        next(p);
        struct operand right = parse_part(p);
        must_be_number(p, &left);
        must_be_number(p, &right);
        emit(p, (struct step){.op = op});
        left = operand(TYPE_NUMBER, left.from, right.to);
    }
    return left;
}

static struct operand parse_term(struct parser *p)
{
    return parse_chain(p, parse_factor, T_TIMES, T_REMAINDER, OP_MULTIPLY);
}

static struct operand parse_sum(struct parser *p)
{
    return parse_chain(p, parse_term, T_PLUS, T_MINUS, OP_ADD);
}

static void emit_text_comparison(struct parser *p, enum op op, const struct operand *left,
                                 const struct operand *right)
{
    if (left->type == TYPE_NUMBER || left->type == TYPE_CONDITION)
        report(p, DIAG_ERROR, right->from, right->to, NULL,
               "a text can only be compared with an attribute");
    else if (op != OP_EQUAL && op != OP_DIFFERENT)
        report(p, DIAG_ERROR, right->from, right->to, NULL,
               "a text can only be compared with = and !=");
    else if (!p->has_stopped)
        emit(p, (struct step){.op = op == OP_EQUAL ? OP_MATCH : OP_NO_MATCH,
                              .at = (uint32_t)add_string(p, right)});
}

static void emit_comparison(struct parser *p, enum op op, const struct operand *right,
                            size_t right_step)
{
    struct expr *e = p->e;
    bool is_constant = right->type == TYPE_NUMBER && e->n_steps == right_step + 1 &&
                       e->steps[right_step].op == OP_NUMBER;
    if (is_constant)
        e->steps[right_step].op = op - OP_EQUAL + OP_EQUAL_NUMBER;
    else
        emit(p, (struct step){.op = op});
}

static struct operand parse_comparison(struct parser *p)
{
    struct operand left = parse_sum(p);
    if (!is_at_range(p, T_EQUAL, T_GREATER_EQUAL))
        return left;
    enum op op = OP_EQUAL + (p->token.kind - T_EQUAL);
    next(p);
    size_t right_step = p->e->n_steps;
    struct operand right = parse_sum(p);
    bool is_good = must_be_number(p, &left);
    if (is_good && right.type == TYPE_STRING)
        emit_text_comparison(p, op, &left, &right);
    else if (is_good)
        emit_comparison(p, op, &right, right_step);
    if (is_at_range(p, T_EQUAL, T_GREATER_EQUAL))
        stop_at_token(p, "join two comparisons by &", "a comparison cannot be compared again");
    return operand(TYPE_CONDITION, left.from, right.to);
}

static struct operand parse_not(struct parser *p)
{
    size_t from = p->token.from;
    unsigned n = 0;
    for (; take(p, T_NOT); n++)
        ;
    struct operand o = parse_comparison(p);
    if (!n)
        return o;
    must_be_condition(p, &o);
    if (n % 2)
        emit(p, (struct step){.op = OP_NOT});
    return operand(TYPE_CONDITION, from, o.to);
}

static void add_conjunct(struct parser *p, const struct operand *o, size_t from_step)
{
    struct expr *e = p->e;
    if (e->n_conjuncts == p->cap_conjuncts) {
        p->cap_conjuncts = p->cap_conjuncts ? 2 * p->cap_conjuncts : 4;
        e->conjuncts = xreallocarray(e->conjuncts, p->cap_conjuncts, sizeof *e->conjuncts);
        e->conjunct_steps =
            xreallocarray(e->conjunct_steps, p->cap_conjuncts, sizeof *e->conjunct_steps);
    }
    e->conjuncts[e->n_conjuncts] = (struct expr_conjunct){o->from, o->to - o->from};
    e->conjunct_steps[e->n_conjuncts++] =
        (struct conjunct_steps){(uint32_t)from_step, (uint32_t)e->n_steps};
}

static struct operand parse_and(struct parser *p, bool *ret_has_and)
{
    bool is_top = p->depth == 0;
    size_t from_step = p->e->n_steps;
    struct operand left = parse_not(p);
    if (is_top)
        add_conjunct(p, &left, from_step);
    while (take(p, T_AND)) {
        *ret_has_and = true;
        must_be_condition(p, &left);
        size_t jump = emit(p, (struct step){.op = OP_IF_FALSE});
        from_step = p->e->n_steps;
        struct operand right = parse_not(p);
        must_be_condition(p, &right);
        if (is_top)
            add_conjunct(p, &right, from_step);
        emit(p, (struct step){.op = OP_AND});
        p->e->steps[jump].at = (uint32_t)p->e->n_steps;
        left = operand(TYPE_CONDITION, left.from, right.to);
    }
    return left;
}

static void warn_of_precedence(struct parser *p, size_t from, size_t to)
{
    if (!p->has_warned)
        report(p, DIAG_WARNING, from, to, "write parentheses to say which is meant",
               "here & binds more closely than |; GridWay takes both from left to right");
    p->has_warned = true;
}

static struct operand parse_or(struct parser *p)
{
    bool has_and = false;
    size_t from_step = p->e->n_steps;
    struct operand left = parse_and(p, &has_and);
    bool has_or = false;
    while (take(p, T_OR)) {
        has_or = true;
        must_be_condition(p, &left);
        size_t jump = emit(p, (struct step){.op = OP_IF_TRUE});
        has_and = false;
        struct operand right = parse_and(p, &has_and);
        must_be_condition(p, &right);
        if (has_and && !p->has_stopped)
            warn_of_precedence(p, left.from, right.to);
        emit(p, (struct step){.op = OP_OR});
        p->e->steps[jump].at = (uint32_t)p->e->n_steps;
        left = operand(TYPE_CONDITION, left.from, right.to);
    }
    if (has_or && p->depth == 0) {
        p->e->n_conjuncts = 0;
        add_conjunct(p, &left, from_step);
    }
    return left;
}

/* What people write who come from other languages. */
static const char *hint_for_rest(const struct parser *p)
{
    static const struct {
        const char *word, *hint;
    } words[] = {{"and", "write & for \"and\""},
                 {"or", "write | for \"or\""},
                 {"not", "write ! for \"not\""}};
    for (size_t i = 0; p->token.kind == T_NAME && i < GW_COUNT(words); i++)
        if (strlen(words[i].word) == p->token.length &&
            strncasecmp(words[i].word, p->text + p->token.from, p->token.length) == 0)
            return words[i].hint;
    return NULL;
}

static void parse_all(struct parser *p, enum expr_kind kind)
{
    next(p);
    if (!is_at(p, T_END) && !is_at(p, T_SEMICOLON)) {
        struct operand o = parse_or(p);
        if (kind == EXPR_REQUIREMENTS)
            must_be_condition(p, &o);
        else
            must_be_number(p, &o);
    }
    take(p, T_SEMICOLON);
    if (!p->has_stopped && !is_at(p, T_END))
        stop_at_token(p, hint_for_rest(p), "an operator or the end is expected here");
}

int expr_parse(const char *text, enum expr_kind kind, struct expr **ret, diag_report report_to,
               void *ctx)
{
    struct parser p = {.text = text, .e = xcalloc(1, sizeof *p.e), .report = report_to, .ctx = ctx};
    parse_all(&p, kind);
    if (p.has_failed) {
        expr_destroy(p.e);
        return -GW_EINVAL;
    }
    *ret = p.e;
    return 0;
}

void expr_destroy(struct expr *e)
{
    if (!e)
        return;
    for (size_t i = 0; i < e->n_names; i++)
        free(e->names[i]);
    for (size_t i = 0; i < e->n_strings; i++)
        free(e->strings[i].text);
    free(e->names);
    free(e->strings);
    free(e->steps);
    free(e->conjuncts);
    free(e->conjunct_steps);
    free(e);
}

const char *const *expr_names(const struct expr *e, size_t *ret_n)
{
    *ret_n = e->n_names;
    return (const char *const *)e->names;
}

size_t expr_cost(const struct expr *e)
{
    return e->n_steps + 8 * e->n_strings;
}

size_t expr_bytes(const struct expr *e)
{
    enum { GROWTH = 2, SMALL = 512 }; /* arrays grow by doubling; the first ones have a size */
    size_t bytes =
        SMALL + GROWTH * (e->n_steps * sizeof *e->steps + e->n_names * sizeof *e->names +
                          e->n_strings * sizeof *e->strings +
                          e->n_conjuncts * (sizeof *e->conjuncts + sizeof *e->conjunct_steps));
    for (size_t i = 0; i < e->n_names; i++)
        bytes += text_bytes(e->names[i]);
    for (size_t i = 0; i < e->n_strings; i++)
        bytes += text_bytes(e->strings[i].text);
    return bytes;
}

size_t expr_conjuncts(const struct expr *e, const struct expr_conjunct **ret)
{
    if (ret)
        *ret = e->conjuncts;
    return e->n_conjuncts;
}
