#include "gwd/daemon/driver_line.h"

#include "lib/mem.h"
#include "lib/num.h"
#include "wire/pct.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    enum driver_feature bit;
    unsigned kinds; /* bits of enum driver_kind */
} features[] = {
    {"pct", FEATURE_PCT, 7},
    {"handles", FEATURE_HANDLES, 1 << DRIVER_TM | 1 << DRIVER_EM},
    {"recover-token", FEATURE_RECOVER_TOKEN, 1 << DRIVER_EM},
    {"idempotent", FEATURE_IDEMPOTENT, 1 << DRIVER_EM},
    {"commit", FEATURE_COMMIT, 1 << DRIVER_EM},
    {"poll-all", FEATURE_POLL_ALL, 1 << DRIVER_EM},
    {"blame", FEATURE_BLAME, 7},
    {"stat", FEATURE_STAT, 1 << DRIVER_TM},
    {"atomic", FEATURE_ATOMIC, 1 << DRIVER_TM},
    {"tail", FEATURE_TAIL, 1 << DRIVER_TM},
    {"progress", FEATURE_PROGRESS, 1 << DRIVER_TM},
    {"credential", FEATURE_CREDENTIAL, 1 << DRIVER_TM | 1 << DRIVER_EM},
    {"bare", FEATURE_BARE, 1 << DRIVER_EM},
    {"inline", FEATURE_INLINE, 1 << DRIVER_EM},
    {"small", FEATURE_SMALL, 1 << DRIVER_TM},
    {"tail-inline", FEATURE_TAIL_INLINE, 1 << DRIVER_TM},
};

const char *driver_kind_name(enum driver_kind kind)
{
    static const char *const names[] = {"im", "tm", "em"};
    return names[kind];
}

void driver_line_offer(enum driver_kind kind, struct buf *out)
{
    const char *sep = "gw1:";
    for (size_t i = 0; i < GW_COUNT(features); i++)
        if (features[i].kinds & 1u << kind) {
            buf_printf(out, "%s%s", sep, features[i].name);
            sep = ",";
        }
}

unsigned driver_line_features(const char *text)
{
    const char *last = strrchr(text, ' ');
    const char *word = last ? last + 1 : text;
    unsigned bits = 0;
    if (strncmp(word, "gw1:", 4) != 0)
        return 0;
    for (word += 4; *word;) {
        size_t len = strcspn(word, ",");
        for (size_t i = 0; i < GW_COUNT(features); i++)
            if (strlen(features[i].name) == len && strncmp(features[i].name, word, len) == 0)
                bits |= features[i].bit;
        word += len + (word[len] == ',');
    }
    return bits;
}

static int put_field(struct buf *out, const char *field, bool has_pct, struct gw_err *err)
{
    buf_putc(out, ' ');
    if (!field || !*field) {
        buf_putc(out, '-');
        return 0;
    }
    if (has_pct) {
        pct_encode(out, field);
        return 0;
    }
    for (const unsigned char *p = (const unsigned char *)field; *p; p++)
        if (*p <= ' ' || *p == 0x7f)
            return gw_err_set(
                err, GW_EINVAL,
                "\"%s\" has a blank or control character, which this driver cannot take", field);
    buf_puts(out, field);
    return 0;
}

int driver_line_encode(enum driver_kind kind, const char *verb, const char *handle, uint64_t number,
                       char *const args[3], bool has_pct, struct buf *out, struct gw_err *err)
{
    size_t start = out->len, n_args = kind == DRIVER_TM ? 3 : 2;
    static const char *const numbered[] = {"CP", "STAT", "TAIL", "PUT", "GET"};
    bool has_number = false;
    for (size_t i = 0; i < GW_COUNT(numbered); i++)
        has_number = has_number || strcmp(verb, numbered[i]) == 0;
    int r = 0;
    buf_printf(out, "%s %s", verb, handle);
    if (kind == DRIVER_TM && has_number)
        buf_printf(out, " %" PRIu64, number);
    else if (kind == DRIVER_TM)
        buf_puts(out, " -");
    for (size_t i = 0; r == 0 && i < n_args; i++)
        r = put_field(out, args[i], has_pct, err);
    buf_putc(out, '\n');
    if (r == 0 && out->len - start > DRIVER_LINE_MAX)
        r = gw_err_set(err, GW_EINVAL, "a %s request is longer than a line may be", verb);
    if (r < 0) {
        out->len = start;
        out->data[start] = '\0';
    }
    return r;
}

/* The next blank-separated field; NULL at the end. */
static char *field(char **rest)
{
    char *p = *rest + strspn(*rest, " ");
    if (!*p)
        return NULL;
    char *end = p + strcspn(p, " ");
    *rest = *end ? end + 1 : end;
    *end = '\0';
    return p;
}

int driver_line_decode(enum driver_kind kind, char *line, struct driver_line *ret,
                       struct gw_err *err)
{
    char *rest = line;
    char *verb = field(&rest), *handle = field(&rest);
    char *number = kind == DRIVER_TM ? field(&rest) : NULL;
    char *result = field(&rest);
    if (!verb || !handle || !result || (kind == DRIVER_TM && !number))
        return gw_err_set(err, GW_EPROTO, "too few fields");
    bool is_success = strcmp(result, "SUCCESS") == 0;
    if (!is_success && strcmp(result, "FAILURE") != 0)
        return gw_err_set(err, GW_EPROTO, "\"%.40s\" is neither SUCCESS nor FAILURE", result);
    uint64_t n = 0;
    if (number && strcmp(number, "-") != 0 && num_parse_u64(number, 0, UINT32_MAX, &n, NULL) < 0)
        return gw_err_set(err, GW_EPROTO, "\"%.40s\" is not the number of a transfer", number);
    size_t len = strlen(rest);
    while (len && rest[len - 1] == ' ')
        rest[--len] = '\0';
    *ret = (struct driver_line){verb, handle, n, is_success, rest};
    return 0;
}
