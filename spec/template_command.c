#include "lib/buf.h"
#include "spec/subst.h"
#include "spec/template.h"

#include <string.h>

/* In the double quotes of a KEY = VALUE text. */
static void put_value(struct buf *out, const char *name, const char *value)
{
    buf_printf(out, "%s = \"", name);
    for (; *value; value++) {
        if (*value == '"' || *value == '\\')
            buf_putc(out, '\\');
        buf_putc(out, *value);
    }
    buf_puts(out, "\"\n");
}

/* EXECUTABLE is substituted, but not split. */
static void put_executable(struct buf *out, const char *name)
{
    struct buf value = BUF_INIT;
    for (; *name; name++) {
        if (*name == '$')
            buf_putc(&value, '\\');
        buf_putc(&value, *name);
    }
    put_value(out, "EXECUTABLE", buf_str(&value));
    buf_clear(&value);
}

char *template_from_command(char *const argv[], size_t argc)
{
    struct buf out = BUF_INIT, line = BUF_INIT;
    put_executable(&out, argv[0]);
    for (size_t i = 1; i < argc; i++) {
        if (i > 1)
            buf_putc(&line, ' ');
        subst_shell_quote(&line, argv[i]);
    }
    if (argc > 1)
        put_value(&out, "ARGUMENTS", buf_str(&line));
    buf_clear(&line);
    return buf_take(&out);
}
