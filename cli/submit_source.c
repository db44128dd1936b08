/* The template of a submission: from a file, standard input, or a command line. */
#include "cli/diagnostics.h"
#include "cli/exit.h"
#include "cli/output.h"
#include "cli/submit.h"
#include "lib/file.h"
#include "lib/mem.h"
#include "spec/template.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *base_of(const char *name)
{
    const char *slash = strrchr(name, '/');
    return slash && slash[1] ? slash + 1 : name;
}

static int read_named(const char *file, struct buf *b)
{
    struct gw_err err;
    if (file_read(file, TEMPLATE_MAX_BYTES, b, &err) == 0)
        return 0;
    output_error("%s", err.text);
    return err.code == GW_ENOSPC ? EXIT_TEMPLATE : EXIT_NO_FILE;
}

/* A bare name is a program, as in a shell: found in PATH here, and expected at the same place
 * there. What is to be copied has a slash in its name. */
static char *find_program(const char *name)
{
    const char *path = getenv("PATH");
    if (strchr(name, '/'))
        return xstrdup(name);
    for (const char *p = path ? path : "/usr/bin:/bin"; *p;) {
        size_t len = strcspn(p, ":");
        char *full = xasprintf("%.*s/%s", (int)len, p, name);
        if (*p == '/' && access(full, X_OK) == 0)
            return full;
        free(full);
        p += len + (p[len] == ':');
    }
    return NULL;
}

static int read_command(const struct submit_options *o, struct source *s)
{
    char *program = find_program(o->command[0]);
    if (!program) {
        output_error(
            "%s: no such program in PATH; ./%s is a file of this directory, which is copied",
            o->command[0], o->command[0]);
        return EXIT_NO_FILE;
    }
    char **argv = xcalloc(o->command_n + 1, sizeof *argv);
    memcpy(argv, o->command, o->command_n * sizeof *argv);
    argv[0] = program;
    char *text = template_from_command(argv, o->command_n);
    buf_puts(&s->text, text);
    if (o->is_bare)
        buf_puts(&s->text, "STAGING = no\n");
    s->shown = xstrdup("command line");
    s->name = xstrdup(base_of(program));
    free(text);
    free(argv);
    free(program);
    return 0;
}

static int read_stdin(struct source *ret, struct stream **ret_rest)
{
    struct stream *stream = stream_open();
    int r = stream_next(stream, ret);
    if (r == 0) /* nothing but blanks: gwd says what is missing */
        *ret = (struct source){.shown = xstrdup("stdin"), .name = xstrdup("stdin")};
    if (r > 0 && stream_has_more(stream))
        *ret_rest = stream;
    else
        stream_close(stream);
    return r < 0 ? -r : 0;
}

int source_read(const struct submit_options *o, struct source *ret, struct stream **ret_rest)
{
    struct source s = {0};
    int code = 0;
    *ret_rest = NULL;
    if (o->command) {
        code = read_command(o, &s);
    } else if (strcmp(o->file, "-") == 0) {
        return read_stdin(ret, ret_rest);
    } else {
        code = read_named(o->file, &s.text);
        s.shown = xstrdup(o->file);
        s.name = xstrdup(base_of(o->file));
    }
    if (code == 0)
        *ret = s;
    else
        source_clear(&s);
    return code;
}

void source_clear(struct source *s)
{
    buf_clear(&s->text);
    free(s->shown);
    free(s->name);
    *s = (struct source){0};
}

int source_check(const struct source *s, bool is_json)
{
    struct diags d;
    struct template *t = NULL;
    diags_init(&d, s->shown, buf_str(&s->text));
    int r = template_parse(buf_str(&s->text), s->text.len, s->name, &t, &d);
    diags_sort(&d);
    if (is_json)
        output_json("diagnostics", diagnostics_json(&d));
    else
        diagnostics_print(&d);
    template_destroy(t);
    diags_clear(&d);
    return r < 0 ? EXIT_TEMPLATE : 0;
}

size_t source_diagnose(const struct source *s, const json_t *list)
{
    struct diags d;
    diags_init(&d, s->shown, buf_str(&s->text));
    diagnostics_take(&d, list);
    diagnostics_print(&d);
    size_t errors = d.errors;
    diags_clear(&d);
    return errors;
}
