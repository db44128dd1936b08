/* The compiled form: a program for a stack machine, in the order of evaluation. */
#ifndef SPEC_EXPR_PRIVATE_H
#define SPEC_EXPR_PRIVATE_H

#include "spec/expr.h"

#include <stdint.h>

enum op {
    OP_NUMBER,    /* push number */
    OP_ATTRIBUTE, /* push the value of names[at] */
    OP_NEGATE,
    OP_ADD,
    OP_SUBTRACT,
    OP_MULTIPLY,
    OP_DIVIDE,
    OP_REMAINDER,
    OP_EQUAL, /* the six comparisons, in the order of the next six */
    OP_DIFFERENT,
    OP_LESS,
    OP_LESS_EQUAL,
    OP_GREATER,
    OP_GREATER_EQUAL,
    OP_EQUAL_NUMBER, /* compare the top with number: most conditions are of this form */
    OP_DIFFERENT_NUMBER,
    OP_LESS_NUMBER,
    OP_LESS_EQUAL_NUMBER,
    OP_GREATER_NUMBER,
    OP_GREATER_EQUAL_NUMBER,
    OP_MATCH, /* the top's text and strings[at] */
    OP_NO_MATCH,
    OP_NOT,
    OP_AND,
    OP_OR,
    OP_IF_FALSE, /* go on at step `at` when the top is false, and leave it */
    OP_IF_TRUE,
};

struct step {
    enum op op;
    uint32_t at;
    double number;
};

struct pattern {
    char *text;
    bool is_plain;
};

struct conjunct_steps {
    uint32_t from, to;
};

struct expr {
    struct step *steps;
    size_t n_steps;
    char **names;
    size_t n_names;
    struct pattern *strings;
    size_t n_strings;
    struct expr_conjunct *conjuncts;
    struct conjunct_steps *conjunct_steps;
    size_t n_conjuncts;
};

/* Operands that can wait on the stack: one of each of or, and, cmp, sum and term for every
 * parenthesis. */
enum { EXPR_STACK_MAX = 5 * (EXPR_DEPTH_MAX + 1) + 1 };

#endif
