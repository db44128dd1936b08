#include "gwd/model/jobspec.h"

#include "gwd/model/state_private.h"
#include "lib/mem.h"
#include "lib/num.h"

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

/* --- credentials, of which each class has one or none --- */

static char *use_key(uint64_t uid, const char *path)
{
    return xasprintf("%" PRIu64 " %s", uid, path);
}

static struct credential_use *use_take(struct state *s, uint64_t uid, const char *path)
{
    struct credential_use *use = NULL;
    char *key = path ? use_key(uid, path) : NULL;
    if (!path)
        return NULL;
    HASH_FIND_STR(s->uses, key, use);
    if (!use) {
        size_t size = strlen(key) + 1;
        use = xcalloc(1, sizeof *use + size);
        use->uid = uid;
        memcpy(use->key, key, size);
        use->path = strchr(use->key, ' ') + 1;
        HASH_ADD_STR(s->uses, key, use);
    }
    free(key);
    use->refs++;
    return use;
}

static void use_release(struct state *s, struct credential_use *use)
{
    if (!use || --use->refs)
        return;
    HASH_DEL(s->uses, use);
    free(use);
}

uint64_t state_credential_use(const struct state *s, const uint64_t *uid, const char *path)
{
    struct credential_use *use;
    uint64_t n = 0;
    if (uid) {
        char *key = use_key(*uid, path);
        HASH_FIND_STR(s->uses, key, use);
        free(key);
        return use ? use->unfinished : 0;
    }
    for (use = s->uses; use; use = use->hh.next)
        n += strcmp(use->path, path) == 0 ? use->unfinished : 0;
    return n;
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
                            .use = use_take(s, ev->uid, ev->credential),
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
    state_add_class(s, c);
    return c;
}

static void class_release(struct state *s, struct job_class *c)
{
    if (--c->refs)
        return;
    HASH_DEL(s->classes, c);
    state_remove_class(s, c);
    use_release(s, c->use);
    expr_destroy(c->requirements);
    expr_destroy(c->rank);
    free(c->credential);
    free(c->requirements_text);
    free(c->rank_text);
    free(c->key);
    free(c);
}

/* --- specs: found by a hash of their parts, compared part by part --- */

static uint64_t mix(uint64_t h, const char *part)
{
    /* The length keeps one part's end from being taken for the next one's beginning. */
    size_t len = part ? strlen(part) : SIZE_MAX;
    h = (h ^ len) * UINT64_C(0x9e3779b97f4a7c15);
    return part ? h ^ num_fnv64(part, len) : h;
}

static uint64_t spec_hash(const struct event *ev)
{
    uint64_t h = ev->uid * 31 + ev->gid;
    h = mix(h, ev->user);
    h = mix(h, ev->credential);
    h = mix(h, ev->project);
    h = mix(h, ev->home);
    h = mix(h, ev->file);
    return mix(h, ev->source);
}

static bool spec_is(const struct job_spec *spec, const struct event *ev)
{
    return spec->owner.uid == ev->uid && spec->owner.gid == ev->gid &&
           strcmp(spec->source, ev->source) == 0 && strcmp(spec->home, ev->home) == 0 &&
           strcmp(spec->owner.user, ev->user) == 0 && texts_are_equal(spec->file, ev->file) &&
           texts_are_equal(spec->owner.credential, ev->credential) &&
           texts_are_equal(spec->owner.project, ev->project);
}

static struct job_spec **chain_of(const struct state *s, uint64_t hash)
{
    return &s->specs.chains[(hash ^ hash >> 32) & (s->specs.n_chains - 1)];
}

static struct job_spec *spec_find(const struct state *s, const struct event *ev, uint64_t hash)
{
    struct job_spec *spec = s->specs.n_chains ? *chain_of(s, hash) : NULL;
    while (spec && (spec->hash != hash || !spec_is(spec, ev)))
        spec = spec->next;
    return spec;
}

static void spec_add(struct state *s, struct job_spec *spec)
{
    if (s->specs.n >= s->specs.n_chains) {
        struct job_spec **old = s->specs.chains;
        size_t n_old = s->specs.n_chains;
        s->specs.n_chains = n_old ? 2 * n_old : 16;
        s->specs.chains = xcalloc(s->specs.n_chains, sizeof(struct job_spec *));
        for (size_t i = 0; i < n_old; i++)
            for (struct job_spec *p = old[i], *next; p; p = next) {
                next = p->next;
                p->next = *chain_of(s, p->hash);
                *chain_of(s, p->hash) = p;
            }
        free(old);
    }
    struct job_spec **chain = chain_of(s, spec->hash);
    spec->next = *chain;
    *chain = spec;
    s->specs.n++;
}

static void spec_remove(struct state *s, struct job_spec *spec)
{
    struct job_spec **at = chain_of(s, spec->hash);
    while (*at != spec)
        at = &(*at)->next;
    *at = spec->next;
    s->specs.n--;
    if (s->specs.last == spec)
        s->specs.last = NULL;
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

uint64_t jobspec_bytes(const struct job_spec *spec)
{
    enum { RECORDS_BYTES = 1024, KEY_GROWTH = 2 };
    const struct principal *owner = &spec->owner;
    const struct job_class *class = spec->class;
    return RECORDS_BYTES + text_bytes(spec->source) + text_bytes(spec->file) +
           text_bytes(spec->home) + text_bytes(owner->user) + text_bytes(owner->credential) +
           text_bytes(owner->project) + template_bytes(spec->t) +
           KEY_GROWTH * text_bytes(class->key) + 2 * text_bytes(class->credential) +
           text_bytes(class->requirements_text) + text_bytes(class->rank_text) +
           expr_bytes(class->requirements) + expr_bytes(class->rank);
}

int jobspec_take(struct state *s, const struct event *ev, struct job_spec **ret, struct gw_err *err)
{
    struct job_spec *spec = s->specs.last;
    if (spec && spec_is(spec, ev)) {
        spec->refs++;
        *ret = spec;
        return 0;
    }
    uint64_t hash = spec_hash(ev);
    spec = spec_find(s, ev, hash);
    if (spec) {
        s->specs.last = spec;
        spec->refs++;
        *ret = spec;
        return 0;
    }
    struct template *t;
    if (parse(ev, &t, err) < 0)
        return -GW_ECORRUPT;
    struct job_class *class = class_take(s, t, ev);
    if (!class) {
        template_destroy(t);
        return gw_err_set(err, GW_ECORRUPT, "the expressions of job %" PRIu64 " do not parse",
                          ev->job);
    }
    spec = xcalloc(1, sizeof *spec);
    *spec = (struct job_spec){.hash = hash,
                              .id = s->next_spec++,
                              .user = state_take_user(s, ev->user),
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
    spec->user->template_bytes += jobspec_bytes(spec);
    spec_add(s, spec);
    s->specs.last = spec;
    *ret = spec;
    return 0;
}

void jobspec_release(struct state *s, struct job_spec *spec)
{
    if (--spec->refs)
        return;
    spec->user->template_bytes -= jobspec_bytes(spec);
    spec_remove(s, spec);
    rows_forget_spec(s, spec);
    class_release(s, spec->class);
    template_destroy(spec->t);
    free(spec->owner.user);
    free(spec->owner.credential);
    free(spec->owner.project);
    free(spec->source);
    free(spec->file);
    free(spec->home);
    free(spec);
}
