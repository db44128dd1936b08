/* Jobs of sites whose worker nodes do not have the account's home, where the job directory is
 * (EM_MAD's language rsl_nsh): the job description starts wrappers/gw_nsh.sh, which it carries as
 * text, and that fetches the directory. */
#include "gwd/engine/engine_private.h"
#include "lib/mem.h"
#include "spec/rsl.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* The assembler reads the file itself (relative to the tree's root), so there is no second copy to
 * keep in step. */
__asm__(".section .rodata\n"
        ".global nsh_script\n"
        "nsh_script:\n"
        ".incbin \"wrappers/gw_nsh.sh\"\n"
        ".byte 0\n"
        ".previous\n");

extern const char nsh_script[];

bool nsh_is_wanted(const struct engine *e, const struct flight *f)
{
    const char *em = flight_attempt(f)->em;
    for (size_t i = 0; i < e->n_ims; i++)
        if (strcmp(e->ims[i].em, em) == 0)
            return e->ims[i].has_no_home;
    return false;
}

/* Without the lines that are comments, since some batch systems have little room for a job, and
 * without empty ones: the first ends the description for GRAM's scripts, and spoils the next ones.
 */
static char *script_text(void)
{
    struct buf b = BUF_INIT;
    for (const char *line = nsh_script; *line;) {
        size_t n = strcspn(line, "\n");
        const char *first = line + strspn(line, " ");
        if (*first != '#' && *first != '\n') {
            buf_put(&b, line, n);
            buf_putc(&b, '\n');
        }
        line += n + (line[n] == '\n');
    }
    return buf_take(&b);
}

void nsh_describe(const struct engine *e, const struct flight *f, struct rsl *rsl)
{
    char *script = script_text(), *token = staging_token(e, f);
    char *url = staging_dir_url(e, f->job, f->task, flight_attempt(f));
    const char *arguments[] = {"-c", script, "gw_nsh", url, token};
    rsl_add_one(rsl, "executable", "/bin/sh");
    rsl_add(rsl, "arguments", arguments, GW_COUNT(arguments));
    free(script);
    free(token);
    free(url);
}

char *nsh_outputs(const struct engine *e, const struct flight *f)
{
    const struct template *t = f->job->spec->t;
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < t->n_outputs; i++) {
        char *name = staging_expand(e, f->job, f->ref.task, t->outputs[i].from);
        if (!strchr(name, '\n'))
            buf_printf(&b, "%s%s\n", t->vm_image ? "out/" : "", name);
        free(name);
    }
    return b.data ? buf_take(&b) : xstrdup("");
}
