/* Job templates: what is accepted keeps its promises.
 *
 * fuzz: max_len=768 slow=1 */
#include "spec/subst.h"
#include "spec/template.h"
#include "tests/fuzz/fuzz.h"

static void check_expression(const char *text, enum expr_kind kind)
{
    struct expr *e = NULL;
    FUZZ_CHECK(expr_parse(text, kind, &e, NULL, NULL) == 0);
    expr_destroy(e);
}

/* Names in the job directory stay there, and are none of ours. */
static void check_files(const struct template *t)
{
    for (size_t i = 0; i < t->n_inputs; i++) {
        const char *to = t->inputs[i].to;
        FUZZ_CHECK(*t->inputs[i].from);
        if (to && t->inputs[i].from[0] != '/')
            FUZZ_CHECK(to[0] != '/' && strncmp(to, "../", 3) != 0 && strncmp(to, ".gw", 3) != 0);
    }
    for (size_t i = 0; i < t->n_outputs; i++) {
        const char *from = t->outputs[i].from;
        FUZZ_CHECK(*from && from[0] != '/' && strncmp(from, "../", 3) != 0 &&
                   !strstr(from, "/../"));
    }
}

static void check(const struct template *t)
{
    char **words;
    size_t n;
    FUZZ_CHECK(t->name && t->executable && *t->executable && t->np);
    FUZZ_CHECK(t->stdin_file && t->stdout_file && t->stderr_file);
    FUZZ_CHECK(t->priority >= 0 && t->priority <= 20 && (!t->vm_image || t->vm_memory_mib));
    FUZZ_CHECK(t->on_lost != ON_LOST_RETRY_AFTER_LEASE || t->lease_s);
    FUZZ_CHECK(subst_words(t->arguments, NULL, NULL, &words, &n, NULL) == 0);
    subst_words_free(words);
    check_expression(t->requirements, EXPR_REQUIREMENTS);
    check_expression(t->rank, EXPR_RANK);
    check_files(t);
    for (size_t i = 0; i < t->n_env; i++)
        for (size_t k = 0; k < i; k++)
            FUZZ_CHECK(strcmp(t->env[i].name, t->env[k].name) != 0);
}

static void take(const char *source, size_t len)
{
    struct diags d;
    struct template *t = NULL;
    diags_init(&d, "f", source);
    int r = template_parse(source, len, "f", &t, &d);
    FUZZ_CHECK((r == 0) == (t != NULL) && (r < 0) == (d.errors > 0));
    if (t)
        check(t);
    fuzz_check_diags(&d, source, len);
    template_destroy(t);
    diags_clear(&d);
}

/* A text that has no executable yet gets one. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf source = BUF_INIT;
    if (!memmem(data, size, "EXECUTABLE", 10))
        buf_puts(&source, "EXECUTABLE = /x\n");
    buf_put(&source, data, size);
    take(source.data, source.len);
    buf_clear(&source);
    return 0;
}
