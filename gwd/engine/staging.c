/* Names: where the files of an attempt come from and go to. */
#include "gwd/engine/engine_private.h"
#include "lib/mem.h"
#include "spec/subst.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *staging_token(const struct engine *e, const struct flight *f)
{
    return attempt_token(e->state.instance, f->job, f->task, flight_attempt(f));
}

char *staging_dir_url(const struct engine *e, const struct job *j, const struct task *t,
                      const struct attempt *a)
{
    char *token = attempt_token(e->state.instance, j, t, a);
    char *url = xasprintf("%s/.gw_%s", a->stage_url, token);
    free(token);
    return url;
}

char *engine_job_url(const struct engine *e, const struct job *j, const struct task *t,
                     const struct attempt *a, const char *name)
{
    char *dir = staging_dir_url(e, j, t, a);
    char *url = xasprintf("%s/%s", dir, name);
    free(dir);
    return url;
}

char *staging_site_path(const char *url)
{
    const char *authority = strstr(url, "://");
    const char *path = authority ? strchr(authority + 3, '/') : url;
    if (!path)
        return xstrdup(".");
    if (strncmp(path, "/~/", 3) == 0)
        return xstrdup(path + 3);
    return xstrdup(path);
}

char *staging_spool(const struct engine *e, const struct flight *f, const char *name)
{
    return xasprintf("%s/%" PRIu64 ".%" PRIu64 ".%" PRIu64 "%s%s", e->config->spool, f->ref.job,
                     f->ref.task, f->ref.attempt, *name ? "/" : "", name);
}

/* What ${NAME} may ask for. The text of a number lives until the next one is asked for. */
struct names {
    const struct engine *e;
    const struct job *job;
    uint64_t index;
    char number[32];
};

static const char *unsigned_text(struct names *n, uint64_t v)
{
    snprintf(n->number, sizeof n->number, "%" PRIu64, v);
    return n->number;
}

static const char *signed_text(struct names *n, int64_t v)
{
    snprintf(n->number, sizeof n->number, "%" PRId64, v);
    return n->number;
}

/* A host's word goes into file names: only a plain one is taken. (Of none "${ARCH}/x" would become
 * "/x".) */
static const char *arch(const struct names *n)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    const struct task *t = job_task(n->job, n->index);
    const struct attempt *a = t ? task_attempt(t) : NULL;
    const struct host *h = a ? engine_host(n->e, a->host) : NULL;
    const char *text = h ? host_text(h, "ARCH") : "";
    return *text && strspn(text, plain) == strlen(text) ? text : "unknown";
}

static const char *lookup_name(const void *ctx, const char *name)
{
    struct names *n = (struct names *)ctx;
    const struct job *j = n->job;
    if (strncmp(name, "GW_", 3) == 0)
        name += 3;
    if (strcmp(name, "JOB_ID") == 0)
        return unsigned_text(n, j->id + n->index);
    if (strcmp(name, "ARRAY_ID") == 0)
        return j->array_id ? unsigned_text(n, j->array_id) : "-1";
    if (strcmp(name, "TASK_ID") == 0)
        return unsigned_text(n, n->index);
    if (strcmp(name, "TOTAL_TASKS") == 0)
        return unsigned_text(n, j->tasks);
    if (strcmp(name, "PARAM") == 0)
        return signed_text(n, j->array_id ? j->array_start + j->array_increment * (int64_t)n->index
                                          : 0);
    if (strcmp(name, "MAX_PARAM") == 0)
        return signed_text(
            n, j->array_id ? j->array_start + j->array_increment * (int64_t)(j->tasks - 1) : 0);
    if (strcmp(name, "ARCH") == 0)
        return arch(n);
    const struct template *t = j->spec->t;
    for (size_t i = 0; i < t->n_env; i++)
        if (strcmp(t->env[i].name, name) == 0)
            return t->env[i].value;
    return NULL;
}

char *staging_expand(const struct engine *e, const struct job *j, uint64_t index, const char *text)
{
    struct names n = {.e = e, .job = j, .index = index};
    return subst_expand(text, lookup_name, &n);
}

int staging_words(const struct engine *e, const struct job *j, uint64_t index, const char *line,
                  char ***ret_words, size_t *ret_n)
{
    struct names n = {.e = e, .job = j, .index = index};
    return subst_words(line, lookup_name, &n, ret_words, ret_n, NULL);
}

static bool is_url(const char *name)
{
    return strstr(name, "://") != NULL;
}

/* The directory above, by its name: a job's home is where gwsubmit was called, without links. */
static size_t above(const char *dir, size_t len)
{
    while (len && dir[len - 1] == '/')
        len--;
    while (len && dir[len - 1] != '/')
        len--;
    return len;
}

/* A name of the submitting side as a URL: relative names start at the job's home. */
static char *home_url(const struct job *j, const char *name)
{
    if (is_url(name))
        return xstrdup(name);
    if (name[0] == '/')
        return xasprintf("file://%s", name);
    const char *home = j->spec->home;
    size_t len = strlen(home);
    for (bool is_above; (is_above = strncmp(name, "../", 3) == 0) || strncmp(name, "./", 2) == 0;) {
        len = is_above ? above(home, len) : len;
        name += is_above ? 3 : 2;
        name += strspn(name, "/");
    }
    while (len && home[len - 1] == '/')
        len--;
    return xasprintf("file://%.*s/%s", (int)len, home, name);
}

static const char *base_name(const char *name)
{
    const char *slash = strrchr(name, '/');
    return slash ? slash + 1 : name;
}

char *staging_image_url(const struct flight *f)
{
    return home_url(f->job, f->job->spec->t->vm_image);
}

static void add_input(struct engine *e, struct flight *f, char *from, const char *name,
                      bool is_executable)
{
    copies_add(&f->copies, from, engine_job_url(e, f->job, f->task, flight_attempt(f), name),
               is_executable, false);
}

static void add_user_file(struct engine *e, struct flight *f, const char *from, const char *to,
                          bool is_executable)
{
    char *source = staging_expand(e, f->job, f->ref.task, from);
    char *name = to ? staging_expand(e, f->job, f->ref.task, to) : xstrdup(base_name(source));
    add_input(e, f, home_url(f->job, source), name, is_executable);
    free(source);
    free(name);
}

/* GridWay's rule: an absolute path is on the host already. */
bool staging_is_staged(const char *name)
{
    return name[0] != '/';
}

bool staging_has_stdin(const struct template *t)
{
    return t->stdin_file && *t->stdin_file && strcmp(t->stdin_file, "/dev/null") != 0;
}

void staging_inputs(struct engine *e, struct flight *f)
{
    const struct template *t = f->job->spec->t;
    const struct attempt *a = flight_attempt(f);
    if (!jobfiles_has_program(e, f))
        add_input(e, f,
                  t->wrapper ? home_url(f->job, t->wrapper)
                             : xasprintf("file://%s", e->config->wrapper),
                  ".wrapper", true);
    jobfiles_stage(e, f);
    if (staging_is_staged(t->executable))
        add_user_file(e, f, t->executable, NULL, true);
    for (size_t i = 0; i < t->n_inputs; i++)
        if (staging_is_staged(t->inputs[i].from))
            add_user_file(e, f, t->inputs[i].from, t->inputs[i].to, false);
    if (staging_has_stdin(t))
        add_user_file(e, f, t->stdin_file, "stdin.execution", false);
    if (!t->vm_image)
        return;
    if (!a->gwvm || !*a->gwvm)
        add_input(e, f, xasprintf("file://%s", e->config->gwvm), "gwvm", true);
    if (f->image_key && !*f->image_key)
        add_input(e, f, staging_image_url(f), "image", false);
}

static char *stream_url(const struct engine *e, const struct job *j, uint64_t index,
                        enum stream stream)
{
    const struct template *t = j->spec->t;
    const char *name = stream == STREAM_STDOUT ? t->stdout_file : t->stderr_file;
    char *expanded = staging_expand(e, j, index, name);
    char *url = home_url(j, expanded);
    free(expanded);
    return url;
}

char *engine_stream_url(const struct engine *e, const struct job *j, uint64_t index,
                        enum stream stream)
{
    return stream_url(e, j, index, stream);
}

void staging_outputs(struct engine *e, struct flight *f, bool is_streams_only)
{
    const struct template *t = f->job->spec->t;
    struct attempt *a = flight_attempt(f);
    static const char *const streams[] = {"stdout.execution", "stderr.execution"};
    for (size_t i = 0; i < GW_COUNT(streams); i++) {
        char *to = stream_url(e, f->job, f->ref.task, (enum stream)i);
        if (strcmp(to, "file:///dev/null") == 0) /* a copy there would replace the device */
            free(to);
        else
            copies_add(&f->copies, engine_job_url(e, f->job, f->task, a, streams[i]), to, false,
                       is_streams_only);
    }
    for (size_t i = 0; !is_streams_only && i < t->n_outputs; i++) {
        char *remote = staging_expand(e, f->job, f->ref.task, t->outputs[i].from);
        char *local = staging_expand(e, f->job, f->ref.task,
                                     t->outputs[i].to ? t->outputs[i].to : t->outputs[i].from);
        char *path = xasprintf("%s%s", t->vm_image ? "out/" : "", remote);
        copies_add(&f->copies, engine_job_url(e, f->job, f->task, a, path), home_url(f->job, local),
                   false, false);
        free(remote);
        free(local);
        free(path);
    }
}
