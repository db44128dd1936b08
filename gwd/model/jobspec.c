#include "gwd/model/jobspec.h"

#include "lib/mem.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Length-prefixed, so that no two lists of parts give one key. */
static void key_part(struct buf *key, const char *part)
{
    if (part)
        buf_printf(key, "%zu:%s,", strlen(part), part);
    else
        buf_puts(key, "-,");
}

static char *class_key(const struct template *t, const struct event *ev)
{
    struct buf key = BUF_INIT;
    buf_printf(&key, "%" PRIu64 ",%" PRIu64 ",%u,%d,%d,%u,%" PRIu64 ",", ev->uid, ev->gid, t->np,
               t->is_bare, t->vm_image != NULL, t->vm_cpus, t->vm_memory_mib);
    key_part(&key, ev->credential);
    key_part(&key, t->requirements);
    key_part(&key, t->rank);
    return buf_take(&key);
}

static struct job_class *class_take(struct state *s, const struct template *t,
                                    const struct event *ev)
{
    char *key = class_key(t, ev);
    struct job_class *c;
    HASH_FIND_STR(s->classes, key, c);
    if (c) {
        free(key);
        c->refs++;
        return c;
    }
    struct expr *requirements = NULL, *rank = NULL;
    if (expr_parse(t->requirements, EXPR_REQUIREMENTS, &requirements, NULL, NULL) < 0 ||
        expr_parse(t->rank, EXPR_RANK, &rank, NULL, NULL) < 0) {
        expr_destroy(requirements);
        free(key);
        return NULL;
    }
    c = xcalloc(1, sizeof *c);
    *c = (struct job_class){.key = key,
                            .id = s->next_class++,
                            .uid = ev->uid,
                            .credential = xstrdup(ev->credential),
                            .np = t->np,
                            .needs_vm = t->vm_image != NULL,
                            .is_bare = t->is_bare,
                            .vm_cpus = t->vm_cpus,
                            .vm_memory_mib = t->vm_memory_mib,
                            .requirements_text = xstrdup(t->requirements),
                            .rank_text = xstrdup(t->rank),
                            .requirements = requirements,
                            .rank = rank,
                            .refs = 1};
    HASH_ADD_KEYPTR(hh, s->classes, c->key, strlen(c->key), c);
    return c;
}

static void class_release(struct state *s, struct job_class *c)
{
    if (--c->refs)
        return;
    HASH_DEL(s->classes, c);
    expr_destroy(c->requirements);
    expr_destroy(c->rank);
    free(c->why);
    free(c->credential);
    free(c->requirements_text);
    free(c->rank_text);
    free(c->key);
    free(c);
}

static char *spec_key(const struct event *ev)
{
    struct buf key = BUF_INIT;
    buf_printf(&key, "%" PRIu64 ",%" PRIu64 ",", ev->uid, ev->gid);
    key_part(&key, ev->user);
    key_part(&key, ev->credential);
    key_part(&key, ev->project);
    key_part(&key, ev->home);
    key_part(&key, ev->file);
    key_part(&key, ev->source);
    return buf_take(&key);
}

static int parse(const struct event *ev, struct template **ret, struct gw_err *err)
{
    const char *file = ev->file ? ev->file : "stdin";
    struct diags d;
    diags_init(&d, file, ev->source);
    int r = template_parse(ev->source, strlen(ev->source), file, ret, &d);
    const struct diag *why = diags_first_error(&d);
    if (r < 0)
        gw_err_set(err, GW_ECORRUPT, "the template of job %" PRIu64 " does not parse: line %u: %s",
                   ev->job, why ? why->place.line : 0, why ? why->text : "?");
    diags_clear(&d);
    return r < 0 ? -GW_ECORRUPT : 0;
}

int jobspec_take(struct state *s, const struct event *ev, struct job_spec **ret, struct gw_err *err)
{
    char *key = spec_key(ev);
    struct job_spec *spec;
    HASH_FIND_STR(s->specs, key, spec);
    if (spec) {
        free(key);
        spec->refs++;
        *ret = spec;
        return 0;
    }
    struct template *t;
    if (parse(ev, &t, err) < 0) {
        free(key);
        return -GW_ECORRUPT;
    }
    struct job_class *class = class_take(s, t, ev);
    if (!class) {
        template_destroy(t);
        free(key);
        return gw_err_set(err, GW_ECORRUPT, "the expressions of job %" PRIu64 " do not parse",
                          ev->job);
    }
    spec = xcalloc(1, sizeof *spec);
    *spec = (struct job_spec){.key = key,
                              .source = xstrdup(ev->source),
                              .file = xstrdup(ev->file),
                              .home = xstrdup(ev->home),
                              .owner = {.user = xstrdup(ev->user),
                                        .uid = ev->uid,
                                        .gid = ev->gid,
                                        .credential = xstrdup(ev->credential),
                                        .project = xstrdup(ev->project)},
                              .t = t,
                              .class = class,
                              .refs = 1};
    HASH_ADD_KEYPTR(hh, s->specs, spec->key, strlen(spec->key), spec);
    *ret = spec;
    return 0;
}

void jobspec_release(struct state *s, struct job_spec *spec)
{
    if (--spec->refs)
        return;
    HASH_DEL(s->specs, spec);
    class_release(s, spec->class);
    template_destroy(spec->t);
    free(spec->owner.user);
    free(spec->owner.credential);
    free(spec->owner.project);
    free(spec->source);
    free(spec->file);
    free(spec->home);
    free(spec->key);
    free(spec);
}
