#include "cli/diagnostics.h"
#include "cli/screen.h"
#include "client/gw.h"
#include "lib/mem.h"
#include "lib/utf8.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

static unsigned place_part(const json_t *diag, const char *name)
{
    int64_t v = gw_int(diag, name, 0);
    return v > 0 && v <= INT_MAX ? (unsigned)v : 0;
}

/* The text of a diagnostic is not the source's: made safe before it is printed. */
static char *safe_text(const json_t *diag, const char *name)
{
    struct buf safe = BUF_INIT;
    const char *text = gw_text(diag, name, NULL);
    if (!text)
        return NULL;
    buf_puts(&safe, "");
    screen_escape(&safe, text);
    return buf_take(&safe);
}

void diagnostics_take(struct diags *d, const json_t *list)
{
    size_t i;
    json_t *diag;
    if (json_array_size(list) == 0)
        return; /* which most are */
    screen_init();
    json_array_foreach(list, i, diag)
    {
        struct place at = {place_part(diag, "line"), place_part(diag, "column"),
                           place_part(diag, "length")};
        bool is_warning = strcmp(gw_text(diag, "severity", "error"), "warning") == 0;
        char *text = safe_text(diag, "message"), *hint = safe_text(diag, "hint");
        diags_add(d, is_warning ? DIAG_WARNING : DIAG_ERROR, at, hint, "%s",
                  text ? text : "(no text)");
        free(text);
        free(hint);
    }
}

/* A message may quote bytes of a template that is not UTF-8. */
static json_t *text_json(const char *text)
{
    if (!text)
        return json_null();
    char *clean = xstrdup(text);
    utf8_clean(clean);
    json_t *j = json_string(clean);
    free(clean);
    return j;
}

json_t *diagnostics_json(const struct diags *d)
{
    json_t *list = json_array();
    for (size_t i = 0; i < d->n; i++) {
        const struct diag *g = &d->items[i];
        const char *severity = g->severity == DIAG_WARNING ? "warning" : "error";
        json_array_append_new(list,
                              json_pack("{sI sI sI ss so so}", "line", (json_int_t)g->place.line,
                                        "column", (json_int_t)g->place.column, "length",
                                        (json_int_t)g->place.length, "severity", severity,
                                        "message", text_json(g->text), "hint", text_json(g->hint)));
    }
    return list;
}

void diagnostics_print(struct diags *d)
{
    struct buf text = BUF_INIT;
    if (d->n == 0)
        return;
    diags_sort(d);
    diags_print(d, screen_has_colour(stderr), &text);
    fwrite(buf_str(&text), 1, text.len, stderr);
    buf_clear(&text);
}
