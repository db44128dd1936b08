/* The words of REQUIREMENTS and RANK. */
#ifndef SPEC_EXPR_TOKEN_H
#define SPEC_EXPR_TOKEN_H

#include <stddef.h>

enum token_kind {
    T_END,
    T_NUMBER,
    T_STRING,
    T_NAME,
    T_OPEN,
    T_CLOSE,
    T_OR,
    T_AND,
    T_NOT,
    T_PLUS,
    T_MINUS,
    T_TIMES,
    T_DIVIDE,
    T_REMAINDER,
    T_EQUAL, /* the six comparisons in the order of enum op */
    T_DIFFERENT,
    T_LESS,
    T_LESS_EQUAL,
    T_GREATER,
    T_GREATER_EQUAL,
    T_SEMICOLON,
    T_OPEN_STRING,
    T_STRANGE,
};

struct token {
    enum token_kind kind;
    size_t from, length;
};

/* The token at byte `from` of the text or after the blanks there; T_END at the end, T_STRANGE (one
 * byte) for what is none. */
struct token token_next(const char *text, size_t from);

#endif
