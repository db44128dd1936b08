/* REQUIREMENTS and RANK: what compiles can be evaluated on any host, in bounded space. */
#include "lib/mem.h"
#include "spec/expr.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct value lookup(const void *ctx, const char *name, size_t slot)
{
    unsigned kind = *(const unsigned *)ctx + (unsigned)slot + (unsigned char)name[0];
    static const struct value values[] = {
        {.type = VALUE_UNKNOWN},        {VALUE_NUMBER, 0, "0"},       {VALUE_NUMBER, -1e300, NULL},
        {VALUE_NUMBER, INFINITY, NULL}, {VALUE_STRING, 0, "a.b[c]*"}, {VALUE_STRING, 0, ""}};
    return values[kind % GW_COUNT(values)];
}

static void report(void *ctx, enum diag_severity severity, size_t from, size_t length,
                   const char *hint, const char *sentence)
{
    (void)severity;
    (void)hint;
    if (from + length > strlen(ctx) || !*sentence)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = xmemdup0(data, size);
    for (int kind = EXPR_REQUIREMENTS; kind <= EXPR_RANK; kind++) {
        struct expr *e = NULL;
        if (expr_parse(text, (enum expr_kind)kind, &e, report, text) < 0)
            continue;
        const struct expr_conjunct *conjuncts;
        size_t n = expr_conjuncts(e, &conjuncts);
        for (unsigned host = 0; host < 6; host++) {
            bool holds = true;
            for (size_t i = 0; i < n; i++) {
                if (conjuncts[i].from + conjuncts[i].length > strlen(text))
                    abort();
                holds &= expr_test(e, i, lookup, &host) == EXPR_TRUE;
            }
            if (holds != expr_holds(e, lookup, &host) || !isfinite(expr_rank(e, lookup, &host)))
                abort();
        }
        expr_destroy(e);
    }
    free(text);
    return 0;
}
