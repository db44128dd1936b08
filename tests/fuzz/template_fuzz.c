/* Job templates: what is accepted keeps its promises. */
#include "lib/mem.h"
#include "spec/subst.h"
#include "spec/template.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct template *t)
{
    char **words;
    size_t n;
    struct expr *e = NULL;
    if (!t->name || !t->executable || !*t->executable || !t->stdin_file || !t->stdout_file ||
        !t->stderr_file || !t->np)
        abort();
    if (subst_words(t->arguments, NULL, NULL, &words, &n, NULL) < 0)
        abort();
    subst_words_free(words);
    if (expr_parse(t->requirements, EXPR_REQUIREMENTS, &e, NULL, NULL) < 0)
        abort();
    expr_destroy(e);
    if (expr_parse(t->rank, EXPR_RANK, &e, NULL, NULL) < 0)
        abort();
    expr_destroy(e);
    for (size_t i = 0; i < t->n_inputs; i++) {
        const char *to = t->inputs[i].to;
        if (to && t->inputs[i].from[0] != '/' &&
            (to[0] == '/' || strncmp(to, "../", 3) == 0 || strncmp(to, ".gw", 3) == 0))
            abort();
    }
}

/* The text as it is, and as one that has an executable. */
static void parse(const char *source, size_t len)
{
    struct diags d;
    struct template *t = NULL;
    struct buf out = BUF_INIT;
    diags_init(&d, "f", source);
    if (template_parse(source, len, "f", &t, &d) == 0)
        check(t);
    diags_print(&d, true, &out);
    template_destroy(t);
    diags_clear(&d);
    buf_clear(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf source = BUF_INIT;
    buf_puts(&source, "EXECUTABLE = /x\n");
    size_t head = source.len;
    buf_put(&source, data, size);
    parse(source.data, source.len);
    parse(source.data + head, size);
    buf_clear(&source);
    return 0;
}
