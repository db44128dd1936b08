#include "spec/expr_private.h"
#include "spec/glob.h"

#include <math.h>
#include <string.h>

static struct value number(double v)
{
    return (struct value){isfinite(v) ? VALUE_NUMBER : VALUE_UNKNOWN, v, NULL};
}

static struct value truth(bool is_true)
{
    return (struct value){VALUE_BOOL, is_true, NULL};
}

static struct value unknown(void)
{
    return (struct value){.type = VALUE_UNKNOWN};
}

static bool is_number(const struct value *v)
{
    return v->type == VALUE_NUMBER || v->type == VALUE_BOOL;
}

/* Of whole numbers; what is not exact any more has no remainder. */
static struct value remainder_of(double a, double b)
{
    const double exact = 9007199254740992; /* 2^53 */
    if (a > exact || a < -exact || b > exact || b < -exact || (int64_t)b == 0)
        return unknown();
    return number((double)((int64_t)a % (int64_t)b));
}

static struct value calculate(enum op op, const struct value *a, const struct value *b)
{
    if (!is_number(a) || !is_number(b))
        return unknown();
    switch (op) {
    case OP_ADD:
        return number(a->number + b->number);
    case OP_SUBTRACT:
        return number(a->number - b->number);
    case OP_MULTIPLY:
        return number(a->number * b->number);
    case OP_DIVIDE:
        return b->number == 0 ? unknown() : number(a->number / b->number);
    default:
        return remainder_of(a->number, b->number);
    }
}

static struct value compare(enum op op, double a, double b)
{
    switch (op) {
    case OP_EQUAL:
        return truth(a == b);
    case OP_DIFFERENT:
        return truth(a != b);
    case OP_LESS:
        return truth(a < b);
    case OP_LESS_EQUAL:
        return truth(a <= b);
    case OP_GREATER:
        return truth(a > b);
    default:
        return truth(a >= b);
    }
}

static struct value compare_values(enum op op, const struct value *a, const struct value *b)
{
    if (is_number(a) && is_number(b))
        return compare(op, a->number, b->number);
    if (a->type == VALUE_STRING && b->type == VALUE_STRING &&
        (op == OP_EQUAL || op == OP_DIFFERENT))
        return truth((strcmp(a->string, b->string) == 0) == (op == OP_EQUAL));
    return unknown();
}

static struct value match(const struct value *v, const struct pattern *p, bool is_wanted)
{
    if (v->type == VALUE_UNKNOWN || !v->string)
        return unknown();
    bool is_match = p->is_plain ? strcmp(v->string, p->text) == 0 : glob_match(p->text, v->string);
    return truth(is_match == is_wanted);
}

static enum expr_truth truth_of(const struct value *v)
{
    return v->type == VALUE_UNKNOWN ? EXPR_UNKNOWN : v->number != 0 ? EXPR_TRUE : EXPR_FALSE;
}

static struct value both(const struct value *a, const struct value *b)
{
    enum expr_truth x = truth_of(a), y = truth_of(b);
    if (x == EXPR_FALSE || y == EXPR_FALSE)
        return truth(false);
    return x == EXPR_TRUE && y == EXPR_TRUE ? truth(true) : unknown();
}

static struct value either(const struct value *a, const struct value *b)
{
    enum expr_truth x = truth_of(a), y = truth_of(b);
    if (x == EXPR_TRUE || y == EXPR_TRUE)
        return truth(true);
    return x == EXPR_FALSE && y == EXPR_FALSE ? truth(false) : unknown();
}

static struct value attribute(const struct expr *e, size_t slot, expr_lookup lookup,
                              const void *ctx)
{
    struct value v = lookup(ctx, e->names[slot], slot);
    return v.type == VALUE_NUMBER && !isfinite(v.number) ? unknown() : v;
}

static struct value run(const struct expr *e, size_t from, size_t to, expr_lookup lookup,
                        const void *ctx)
{
    struct value stack[EXPR_STACK_MAX + 1], *top = stack;
    *top = unknown(); /* below the first operand */
    for (size_t i = from; i < to; i++) {
        const struct step *s = &e->steps[i];
        switch (s->op) {
        case OP_NUMBER:
            *++top = number(s->number);
            break;
        case OP_ATTRIBUTE:
            *++top = attribute(e, s->at, lookup, ctx);
            break;
        case OP_NEGATE:
            *top = is_number(top) ? number(-top->number) : unknown();
            break;
        case OP_ADD:
        case OP_SUBTRACT:
        case OP_MULTIPLY:
        case OP_DIVIDE:
        case OP_REMAINDER:
            top--;
            *top = calculate(s->op, top, top + 1);
            break;
        case OP_EQUAL:
        case OP_DIFFERENT:
        case OP_LESS:
        case OP_LESS_EQUAL:
        case OP_GREATER:
        case OP_GREATER_EQUAL:
            top--;
            *top = compare_values(s->op, top, top + 1);
            break;
        case OP_EQUAL_NUMBER:
        case OP_DIFFERENT_NUMBER:
        case OP_LESS_NUMBER:
        case OP_LESS_EQUAL_NUMBER:
        case OP_GREATER_NUMBER:
        case OP_GREATER_EQUAL_NUMBER:
            *top = is_number(top)
                       ? compare(s->op - OP_EQUAL_NUMBER + OP_EQUAL, top->number, s->number)
                       : unknown();
            break;
        case OP_MATCH:
        case OP_NO_MATCH:
            *top = match(top, &e->strings[s->at], s->op == OP_MATCH);
            break;
        case OP_NOT:
            *top = top->type == VALUE_UNKNOWN ? unknown() : truth(top->number == 0);
            break;
        case OP_AND:
            top--;
            *top = both(top, top + 1);
            break;
        case OP_OR:
            top--;
            *top = either(top, top + 1);
            break;
        case OP_IF_FALSE:
            if (truth_of(top) == EXPR_FALSE)
                i = s->at - 1u;
            break;
        case OP_IF_TRUE:
            if (truth_of(top) == EXPR_TRUE)
                i = s->at - 1u;
            break;
        }
    }
    return *top;
}

enum expr_truth expr_test(const struct expr *e, size_t conjunct, expr_lookup lookup,
                          const void *ctx)
{
    const struct conjunct_steps *c = &e->conjunct_steps[conjunct];
    struct value v = run(e, c->from, c->to, lookup, ctx);
    return truth_of(&v);
}

bool expr_holds(const struct expr *e, expr_lookup lookup, const void *ctx)
{
    for (size_t i = 0; i < e->n_conjuncts; i++)
        if (expr_test(e, i, lookup, ctx) != EXPR_TRUE)
            return false;
    return true;
}

double expr_rank(const struct expr *e, expr_lookup lookup, const void *ctx)
{
    if (!e->n_steps)
        return 0;
    struct value v = run(e, 0, e->n_steps, lookup, ctx);
    return is_number(&v) ? v.number : 0;
}

struct numbered {
    const struct value *values;
    const uint32_t *numbers;
};

static struct value lookup_numbered(const void *ctx, const char *name, size_t slot)
{
    const struct numbered *n = ctx;
    (void)name;
    return n->values[n->numbers[slot]];
}

/* Most conditions compare an attribute with something fixed: these need no stack. */
static bool is_true_at_once(const struct expr *e, const struct step *s, const struct value *v)
{
    if (s->op == OP_MATCH || s->op == OP_NO_MATCH) {
        struct value r = match(v, &e->strings[s->at], s->op == OP_MATCH);
        return truth_of(&r) == EXPR_TRUE;
    }
    return is_number(v) && isfinite(v->number) &&
           compare(s->op - OP_EQUAL_NUMBER + OP_EQUAL, v->number, s->number).number != 0;
}

size_t expr_first_unmatched(const struct expr *e, const struct value *values,
                            const uint32_t *numbers)
{
    struct numbered ctx = {values, numbers};
    size_t i = 0;
    for (; i < e->n_conjuncts; i++) {
        const struct conjunct_steps *c = &e->conjunct_steps[i];
        const struct step *s = &e->steps[c->from];
        bool is_simple = c->to == c->from + 2 && s[0].op == OP_ATTRIBUTE &&
                         s[1].op >= OP_EQUAL_NUMBER && s[1].op <= OP_NO_MATCH;
        bool is_true = is_simple ? is_true_at_once(e, &s[1], &values[numbers[s[0].at]])
                                 : expr_test(e, i, lookup_numbered, &ctx) == EXPR_TRUE;
        if (!is_true)
            return i;
    }
    return i;
}
