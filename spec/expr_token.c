#include "spec/expr_token.h"

#include "lib/mem.h"

#include <stdbool.h>
#include <string.h>

static bool is_letter(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static size_t digits(const char *s)
{
    size_t n = 0;
    while (is_digit(s[n]))
        n++;
    return n;
}

static struct token number_token(const char *s)
{
    size_t n = digits(s);
    if (s[n] == '.' && is_digit(s[n + 1]))
        n += 1 + digits(s + n + 1);
    return (struct token){.kind = T_NUMBER, .length = n};
}

static struct token word_token(const char *s)
{
    size_t n = 0;
    if (is_digit(*s))
        return number_token(s);
    if (is_letter(*s)) {
        while (is_letter(s[n]) || is_digit(s[n]))
            n++;
        return (struct token){.kind = T_NAME, .length = n};
    }
    if (*s == '"') {
        const char *end = strchr(s + 1, '"');
        return end ? (struct token){.kind = T_STRING, .length = (size_t)(end + 1 - s)}
                   : (struct token){.kind = T_OPEN_STRING, .length = 1};
    }
    return (struct token){.kind = T_STRANGE, .length = 1};
}

static struct token token_at(const char *s)
{
    static const struct {
        char text[3];
        enum token_kind kind;
    } operators[] = {
        {"||", T_OR},         {"&&", T_AND},           {"==", T_EQUAL},    {"!=", T_DIFFERENT},
        {"<=", T_LESS_EQUAL}, {">=", T_GREATER_EQUAL}, {"|", T_OR},        {"&", T_AND},
        {"=", T_EQUAL},       {"<", T_LESS},           {">", T_GREATER},   {"!", T_NOT},
        {"(", T_OPEN},        {")", T_CLOSE},          {"+", T_PLUS},      {"-", T_MINUS},
        {"*", T_TIMES},       {"/", T_DIVIDE},         {"%", T_REMAINDER}, {";", T_SEMICOLON}};
    for (size_t i = 0; i < GW_COUNT(operators); i++) {
        size_t n = strlen(operators[i].text);
        if (strncmp(s, operators[i].text, n) == 0)
            return (struct token){.kind = operators[i].kind, .length = n};
    }
    return word_token(s);
}

struct token token_next(const char *text, size_t from)
{
    from += strspn(text + from, " \t\r\n\f\v");
    struct token t = text[from] ? token_at(text + from) : (struct token){.kind = T_END};
    t.from = from;
    return t;
}
