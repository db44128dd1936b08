/* gwhost --test: what a site's administrator wants to know, found out the way that jobs go, because
 * only that shows what jobs will meet. Each step is a small job pinned to the host; the first that
 * fails ends the test, for those behind it would fail for the same reason. */
#include "cli/host_test.h"
#include "cli/connect.h"
#include "cli/exit.h"
#include "cli/output.h"
#include "client/reason.h"
#include "lib/file.h"
#include "lib/mem.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum { SAMPLE_BYTES = 70000, REPORT_MAX_BYTES = 65536 };

struct test {
    struct gw *gw;
    const struct host_test_options *o;
    json_t *host;
    char *home; /* a directory of its own: the jobs' home */
    struct host_test_step steps[HOST_TEST_STEPS];
    int code; /* 0; or why the test ends here, said already */
};

static const char *attribute(const struct test *t, const char *name)
{
    return gw_text(gw_object(t->host, "attributes"), name, "");
}

static struct host_test_step *fail(struct host_test_step *s, char *words, const char *advice)
{
    s->verdict = STEP_FAILED;
    s->words = words;
    s->advice = advice;
    return s;
}

/* --- the host, as gwd knows it --- */

/* The driver of the host that is not up, in words; NULL when all are. */
static char *driver_trouble(const struct test *t, const json_t *status)
{
    static const char *const kinds[] = {"im", "tm", "em"};
    size_t i, k;
    json_t *d;
    for (k = 0; k < GW_COUNT(kinds); k++) {
        const char *name = gw_text(t->host, kinds[k], "");
        bool is_up = false;
        const char *why = "gwd has no such driver";
        json_array_foreach(gw_array(status, "drivers"), i, d)
        {
            bool is_it = strcmp(gw_text(d, "kind", ""), kinds[k]) == 0 &&
                         strcmp(gw_text(d, "name", ""), name) == 0;
            is_up |= is_it && strcmp(gw_text(d, "state", ""), "up") == 0;
            if (is_it)
                why = gw_text(d, "reason", gw_text(d, "state", ""));
        }
        if (!is_up)
            return xasprintf("its driver %s %s is not up: %s", kinds[k], name, why);
    }
    return NULL;
}

static void judge_known(struct test *t, const json_t *status)
{
    struct host_test_step *s = &t->steps[HOST_TEST_KNOWN];
    const char *state = gw_text(t->host, "state", "");
    char *driver = driver_trouble(t, status);
    struct buf why = BUF_INIT;
    reason_words(gw_object(t->host, "reason"), &why);
    if (driver)
        fail(s, driver, "gwhost --drivers shows it; gwd's log says why");
    else if (strcmp(state, "drained") == 0)
        fail(s, xstrdup("it is drained: nothing is started there"),
             "an administrator uses it again with gwhost --undrain");
    else if (strcmp(state, "up") != 0)
        fail(s,
             xasprintf("it is not up: %s", why.len ? buf_str(&why) : "nothing was heard of it yet"),
             reason_advice(gw_object(t->host, "reason")));
    else if (!*attribute(t, "LRMS_NAME"))
        fail(s, xstrdup("it does not say which job manager takes jobs (LRMS_NAME)"),
             "publish it (docs/glue.md), or write it in the attribute file (docs/attributes.md)");
    else if (gw_bool(status, "paused", false))
        fail(s, xstrdup("dispatch is paused for the whole daemon"),
             "an administrator goes on with gwhost --resume");
    else
        s->words = xasprintf("%s is up: %s, %s and %s; %s", gw_text(t->host, "name", "?"),
                             gw_text(t->host, "im", "?"), gw_text(t->host, "tm", "?"),
                             gw_text(t->host, "em", "?"), attribute(t, "LRMS_NAME"));
    buf_clear(&why);
}

static int find_host(struct test *t)
{
    json_t *answer, *fields = json_object();
    json_object_set_new(fields, "host", json_string(t->o->host));
    if (gw_is_null(fields, "host")) {
        json_decref(fields);
        output_error("the name of the host is not UTF-8");
        return EXIT_USAGE;
    }
    int code = connect_ask(t->gw, "hosts", fields, &answer);
    if (code)
        return code;
    t->host = json_incref(json_array_get(gw_array(answer, "hosts"), 0));
    json_decref(answer);
    const char *name = gw_text(t->host, "name", "");
    for (const char *p = name; *p; p++)
        if (strchr("\"'\\*?[]${}", *p)) {
            output_error("a host of this name cannot be asked for in a template");
            return EXIT_USAGE;
        }
    return *name ? 0 : EXIT_NOT_FOUND;
}

static void test_known(struct test *t)
{
    json_t *status;
    t->code = connect_ask(t->gw, "status", json_object(), &status);
    if (t->code)
        return;
    judge_known(t, status);
    json_decref(status);
}

/* --- jobs --- */

static char *file_of(const struct test *t, const char *name)
{
    return xasprintf("%s/%s", t->home, name);
}

static bool put_file(struct test *t, const char *name, const void *data, size_t len)
{
    char *path = file_of(t, name);
    struct gw_err err;
    if (file_write(path, data, len, 0600, &err) < 0)
        t->code = output_failure(&err);
    free(path);
    return t->code == 0;
}

static char *get_file(const struct test *t, const char *name, size_t max, size_t *ret_len)
{
    char *path = file_of(t, name);
    struct buf text = BUF_INIT;
    file_read(path, max, &text, NULL);
    free(path);
    *ret_len = text.len;
    if (!text.len)
        buf_puts(&text, "");
    return buf_take(&text);
}

/* A job of /bin/sh SCRIPT ARGUMENTS at the host; `more` are lines of the template. */
static bool run(struct test *t, int step, const char *script, const char *more, int exit_code)
{
    struct host_test_step *s = &t->steps[step];
    struct host_test_end end;
    if (!put_file(t, "test.sh", script, strlen(script)))
        return false;
    char *template = xasprintf("NAME = gwhost-test-%s\nEXECUTABLE = /bin/sh\n"
                               "STDOUT_FILE = stdout\nSTDERR_FILE = stderr\n"
                               "REQUIREMENTS = HOSTNAME = \"%s\"\nNUMBER_OF_RETRIES = 0\n"
                               "RESCHEDULE_ON_FAILURE = no\n%s",
                               s->name, gw_text(t->host, "name", ""), more);
    t->code = host_test_job(t->gw, s->name, template, t->home, t->o->timeout_s, &end);
    free(template);
    if (t->code)
        return false;
    bool is_good = host_test_judge(s, &end, exit_code);
    host_test_end_clear(&end);
    return is_good;
}

/* A file goes there and comes back: through a job, or through a virtual machine. */
static void test_copy(struct test *t, int step, const char *more)
{
    static const char *const words[HOST_TEST_STEPS] = {
        [HOST_TEST_COPY] = "files get there and come home as they were",
        [HOST_TEST_VM] = "a virtual machine boots, and a file comes back out of it"};
    static const char files[] = "ARGUMENTS = test.sh\nINPUT_FILES = test.sh, sample\n"
                                "OUTPUT_FILES = copy\n";
    struct host_test_step *s = &t->steps[step];
    char sample[SAMPLE_BYTES];
    size_t len;
    for (size_t i = 0; i < sizeof sample;) {
        ssize_t n = getrandom(sample + i, sizeof sample - i, 0);
        i += n > 0 ? (size_t)n : 0;
    }
    if (!put_file(t, "sample", sample, sizeof sample))
        return;
    char *before = file_of(t, "copy"), *template = xasprintf("%s%s", files, more);
    unlink(before);
    if (run(t, step, "cat sample >copy\n", template, 0)) {
        char *copy = get_file(t, "copy", sizeof sample, &len);
        if (len == sizeof sample && memcmp(copy, sample, len) == 0)
            s->words = xstrdup(words[step]);
        else
            fail(s, xstrdup("the file that came home is not what was sent"),
                 "the transfer service or the site's disk changes data");
        free(copy);
    }
    free(before);
    free(template);
}

static void test_job(struct test *t)
{
    if (run(t, HOST_TEST_JOB, "exit 7\n", "ARGUMENTS = test.sh\nINPUT_FILES = test.sh\n", 7))
        t->steps[HOST_TEST_JOB].words = xstrdup("exit code 7 comes home as 7");
}

/* --- virtual machines --- */

/* A file that came with gwd, looked for beside this program; the caller's, or NULL. */
static char *installed(const char *const *places, size_t n)
{
    char self[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    if (len < 0)
        return NULL;
    self[len] = '\0';
    *strrchr(self, '/') = '\0';
    for (size_t i = 0; i < n; i++) {
        char *candidate = xasprintf("%s/%s", self, places[i]);
        char *found = access(candidate, R_OK) == 0 ? realpath(candidate, NULL) : NULL;
        free(candidate);
        if (found)
            return found;
    }
    return NULL;
}

static void test_ready(struct test *t)
{
    static const char *const places[] = {"../libexec/gwd/gwvm", "../libexec/gwvm"};
    struct host_test_step *s = &t->steps[HOST_TEST_READY];
    const char *there = attribute(t, "GWVM");
    char *ours = *there ? NULL : installed(places, GW_COUNT(places)), *link = file_of(t, "probe");
    size_t len;
    bool has_ours = ours && symlink(ours, link) == 0;
    char *more = xasprintf("ARGUMENTS = test.sh '%s'\nINPUT_FILES = test.sh%s\n",
                           has_ours              ? "./probe"
                           : strchr(there, '\'') ? ""
                                                 : there,
                           has_ours ? ", probe" : "");
    if (run(t, HOST_TEST_READY, host_test_ready_script, more, 0)) {
        char *report = get_file(t, "stdout", REPORT_MAX_BYTES, &len);
        host_test_judge_ready(s, report);
        free(report);
    }
    free(more);
    free(link);
    free(ours);
}

/* As one word of a list in a quoted value. */
static void put_quoted(struct buf *out, const char *text)
{
    buf_puts(out, "\"'");
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            buf_putc(out, '\\');
        buf_putc(out, *text);
        if (*text == '\'')
            buf_putc(out, '\'');
    }
    buf_puts(out, "'\"");
}

static char *image_of(const struct test *t)
{
    static const char *const places[] = {"../share/gwd/guest/guest.qcow2", "../guest.qcow2"};
    return t->o->image ? realpath(t->o->image, NULL) : installed(places, GW_COUNT(places));
}

static void test_vm(struct test *t)
{
    struct buf more = BUF_INIT;
    char *image = image_of(t);
    buf_puts(&more, "VM_IMAGE = ");
    put_quoted(&more, image);
    buf_printf(&more, "\nVM_MEMORY = %s\n", t->o->image ? "512M" : "128M");
    test_copy(t, HOST_TEST_VM, buf_str(&more));
    buf_clear(&more);
    free(image);
}

static const char *vm_obstacle(const struct test *t, int step)
{
    char *image = step == HOST_TEST_VM ? image_of(t) : NULL;
    bool has_image = image != NULL;
    free(image);
    if (!*attribute(t, "VM_HYPERVISOR"))
        return "the host does not say that it runs virtual machines (VM_HYPERVISOR)";
    if (step == HOST_TEST_VM && !has_image)
        return "no image; give --image";
    return NULL;
}

/* --- all of it --- */

static void skip(struct host_test_step *s, char *words)
{
    s->verdict = STEP_SKIPPED;
    s->words = words;
}

static void test_step(struct test *t, int step)
{
    const char *obstacle = step >= HOST_TEST_READY ? vm_obstacle(t, step) : NULL;
    struct host_test_step *s = &t->steps[step];
    for (int i = 0; i < step; i++)
        if (t->steps[i].verdict == STEP_FAILED) {
            skip(s, xasprintf("because %s failed", t->steps[i].name));
            return;
        }
    if (obstacle && t->o->image)
        fail(s, xstrdup(obstacle), "publish it (docs/glue.md), or write it in the attribute file");
    else if (obstacle)
        skip(s, xstrdup(obstacle));
    else if (step == HOST_TEST_KNOWN)
        test_known(t);
    else if (step == HOST_TEST_COPY)
        test_copy(t, step, "");
    else if (step == HOST_TEST_JOB)
        test_job(t);
    else if (step == HOST_TEST_READY)
        test_ready(t);
    else
        test_vm(t);
}

static int all_steps(struct test *t)
{
    static const char *const names[] = {"known", "copy", "job", "ready", "vm"};
    bool has_failed = false;
    for (int i = 0; i < HOST_TEST_STEPS && t->code == 0; i++) {
        t->steps[i].name = names[i];
        test_step(t, i);
        has_failed |= t->steps[i].verdict == STEP_FAILED;
        if (t->code == 0 && !t->o->is_json)
            host_test_print_step(&t->steps[i]);
        if (host_test_is_interrupted())
            t->code = EXIT_INTERRUPTED;
    }
    if (t->code == 0 && t->o->is_json)
        host_test_print_json(gw_text(t->host, "name", ""), t->steps);
    return t->code ? t->code : has_failed ? EXIT_JOB : 0;
}

/* Where the jobs' files are: gwd has to see it as well. */
static int make_home(struct test *t)
{
    const char *dir = getenv("TMPDIR");
    t->home = xasprintf("%s/gwhost-test.XXXXXX", dir && dir[0] == '/' ? dir : "/tmp");
    if (mkdtemp(t->home))
        return 0;
    output_error("%s: %s", t->home, strerror(errno));
    free(t->home);
    t->home = NULL;
    return EXIT_IO;
}

int host_test(struct gw *gw, const struct host_test_options *o)
{
    struct test t = {.gw = gw, .o = o};
    if (o->image && access(o->image, R_OK) < 0) {
        output_error("%s: %s", o->image, strerror(errno));
        return EXIT_NO_FILE;
    }
    host_test_catch_interrupt();
    int code = find_host(&t);
    if (code == 0)
        code = make_home(&t);
    if (code == 0)
        code = all_steps(&t);
    if (t.home)
        file_remove_tree(t.home, NULL);
    for (int i = 0; i < HOST_TEST_STEPS; i++)
        host_test_step_clear(&t.steps[i]);
    free(t.home);
    json_decref(t.host);
    return code;
}
