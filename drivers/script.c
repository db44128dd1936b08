#include "drivers/script.h"

#include "lib/mem.h"
#include "lib/num.h"

#include <stdlib.h>
#include <string.h>

static const uint64_t DELAY_MAX_MS = 3600000, BYTES_MAX = UINT64_C(1) << 32;

static char *trim(char *text)
{
    text += strspn(text, " \t");
    for (size_t n = strlen(text); n && strchr(" \t\r", text[n - 1]); n--)
        text[n - 1] = '\0';
    return text;
}

/* The word at *text, cut off; *text is moved behind it. */
static char *word(char **text)
{
    char *w = *text + strspn(*text, " \t");
    char *end = w + strcspn(w, " \t");
    *text = *end ? end + 1 : end;
    *end = '\0';
    return w;
}

static int parse_special(char *text, struct script_action *a, struct gw_err *err)
{
    static const struct {
        const char *name;
        enum script_what what;
        bool has_text;
    } table[] = {{"!default", SCRIPT_DEFAULT, false}, {"!hang", SCRIPT_HANG, false},
                 {"!close", SCRIPT_CLOSE, false},     {"!part", SCRIPT_PART, true},
                 {"!raw", SCRIPT_RAW, true},          {"!flood", SCRIPT_FLOOD, true},
                 {"!complain", SCRIPT_COMPLAIN, true}};
    char *name = word(&text);
    for (size_t i = 0; i < GW_COUNT(table); i++)
        if (strcmp(name, table[i].name) == 0) {
            a->what = table[i].what;
            a->text = table[i].has_text ? xstrdup(text) : NULL;
            return 0;
        }
    if (strcmp(name, "!exit") == 0) {
        a->what = SCRIPT_EXIT;
        return num_parse_u64(trim(text), 0, 255, &a->n, err);
    }
    if (strcmp(name, "!bytes") == 0) {
        a->what = SCRIPT_BYTES;
        return num_parse_u64(trim(text), 1, BYTES_MAX, &a->n, err);
    }
    return gw_err_set(
        err, GW_EINVAL,
        "\"%s\" is none of !none !default !part !raw !flood !complain !bytes !exit !hang !close",
        name);
}

/* [@MS] answer */
static int parse_action(char *text, struct script_rule *rule, struct gw_err *err)
{
    struct script_action a = {.what = SCRIPT_LINE};
    text = trim(text);
    int r = 0;
    if (text[0] == '@')
        r = num_parse_u64(word(&text) + 1, 0, DELAY_MAX_MS, &a.after_ms, err);
    text = trim(text);
    if (r == 0 && strcmp(text, "!none") == 0)
        return 0;
    if (r == 0 && text[0] == '!')
        r = parse_special(text, &a, err);
    else if (r == 0)
        a.text = xstrdup(text);
    if (r < 0)
        return r;
    rule->actions = xreallocarray(rule->actions, rule->n_actions + 1, sizeof *rule->actions);
    rule->actions[rule->n_actions++] = a;
    return 0;
}

static void rule_clear(struct script_rule *r)
{
    if (!r->verb)
        regfree(&r->regex);
    free(r->verb);
    for (size_t i = 0; i < r->n_actions; i++)
        free(r->actions[i].text);
    free(r->actions);
}

static int parse_pattern(char *text, struct script_rule *rule, struct gw_err *err)
{
    text = trim(text);
    size_t n = strlen(text);
    if (n > 2 && text[0] == '/' && text[n - 1] == '/') {
        text[n - 1] = '\0';
        int e = regcomp(&rule->regex, text + 1, REG_EXTENDED | REG_NOSUB);
        return e ? gw_err_set(err, GW_EINVAL, "\"%s\" is not a regular expression", text + 1) : 0;
    }
    if (!n || strpbrk(text, " \t/"))
        return gw_err_set(err, GW_EINVAL, "\"%s\" is neither a verb nor /regexp/", text);
    rule->verb = xstrdup(text);
    return 0;
}

/* pattern [xN] -> action */
static int parse_rule(char *line, struct script *s, struct gw_err *err)
{
    struct script_rule rule = {0};
    char *arrow = strstr(line, "->");
    if (!arrow)
        return gw_err_set(err, GW_EINVAL, "\"%.60s\": PATTERN -> ANSWER was expected", line);
    *arrow = '\0';
    char *pattern = trim(line), *last = strrchr(pattern, ' ');
    if (last && last[1] == 'x' && last[2] >= '0' && last[2] <= '9') {
        int r = num_parse_u64(last + 2, 1, UINT64_MAX, &rule.left, err);
        if (r < 0)
            return r;
        rule.is_limited = true;
        *last = '\0';
    }
    int r = parse_pattern(pattern, &rule, err);
    if (r < 0)
        return r;
    r = parse_action(arrow + 2, &rule, err);
    if (r < 0) {
        rule_clear(&rule);
        return r;
    }
    s->rules = xreallocarray(s->rules, s->n + 1, sizeof *s->rules);
    s->rules[s->n++] = rule;
    return 0;
}

static int parse_line(char *line, struct script *s, struct gw_err *err)
{
    bool is_more = line[0] == ' ' || line[0] == '\t';
    const char *content = line + strspn(line, " \t\r");
    if (!*content || *content == '#')
        return 0;
    if (!is_more)
        return parse_rule(line, s, err);
    if (!s->n)
        return gw_err_set(err, GW_EINVAL, "an answer stands before the first rule");
    return parse_action(line, &s->rules[s->n - 1], err);
}

int script_parse(const char *text, size_t len, const char *file, struct script *ret,
                 struct gw_err *err)
{
    struct script s = {0};
    struct gw_err why = {0};
    char *copy = xmemdup0(text, len);
    unsigned number = 0;
    int r = 0;
    for (char *line = copy, *next; r == 0 && line; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        number++;
        r = parse_line(line, &s, &why);
    }
    free(copy);
    if (r < 0) {
        script_clear(&s);
        return gw_err_set(err, GW_EINVAL, "%s:%u: %s", file, number, why.text);
    }
    *ret = s;
    return 0;
}

void script_clear(struct script *s)
{
    for (size_t i = 0; i < s->n; i++)
        rule_clear(&s->rules[i]);
    free(s->rules);
    *s = (struct script){0};
}

static bool applies(const struct script_rule *r, const char *line)
{
    size_t n = r->verb ? strlen(r->verb) : 0;
    if (r->is_limited && r->left == 0)
        return false;
    if (!r->verb)
        return regexec(&r->regex, line, 0, NULL, 0) == 0;
    return strncmp(line, r->verb, n) == 0 && (line[n] == ' ' || !line[n]);
}

struct script_rule *script_match(struct script *s, const char *line)
{
    for (size_t i = 0; i < s->n; i++)
        if (applies(&s->rules[i], line)) {
            s->rules[i].left -= s->rules[i].is_limited;
            return &s->rules[i];
        }
    return NULL;
}
