#include "cli/output.h"
#include "cli/exit.h"
#include "cli/screen.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static void put(FILE *to, const char *before, const char *fmt, va_list ap)
{
    struct buf raw = BUF_INIT, safe = BUF_INIT;
    screen_init();
    buf_vprintf(&raw, fmt, ap);
    if (before)
        buf_printf(&safe, "%s: ", before);
    screen_escape(&safe, buf_str(&raw));
    buf_putc(&safe, '\n');
    fwrite(safe.data, 1, safe.len, to);
    buf_clear(&raw);
    buf_clear(&safe);
}

void output_error(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    put(stderr, program_invocation_short_name, fmt, ap);
    va_end(ap);
}

int output_failure(const struct gw_err *err)
{
    output_error("%s", err->text);
    return exit_of_error(err->code);
}

void output_note(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    put(stderr, NULL, fmt, ap);
    va_end(ap);
}

void output_line(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    put(stdout, NULL, fmt, ap);
    va_end(ap);
}

void output_json_object(json_t *object)
{
    json_t *whole = json_pack("{si}", "schema", OUTPUT_SCHEMA);
    json_object_update(whole, object);
    json_dumpf(whole, stdout, isatty(STDOUT_FILENO) ? JSON_INDENT(2) : JSON_COMPACT);
    putchar('\n');
    json_decref(whole);
    json_decref(object);
}

void output_json(const char *name, json_t *value)
{
    json_t *object = json_object();
    json_object_set_new(object, name, value);
    output_json_object(object);
}
