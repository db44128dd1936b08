#include "lib/err.h"
#include "lib/file.h"
#include "lib/mem.h"
#include "spec/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DRIVERS "IM_MAD = i:im::t:e\nTM_MAD = t:tm:\nEM_MAD = e:em::rsl\n"

/* Parse; what was said, as "line:column severity: text; hint|", goes to *ret_said. NULL when
 * refused. */
static struct config *parse(const char *source, char **ret_said)
{
    struct diags d;
    struct config *c = NULL;
    struct buf said = BUF_INIT;
    diags_init(&d, "gwd.conf", source);
    int r = config_parse(source, strlen(source), &c, &d);
    assert_int_equal(r, d.errors ? -GW_EINVAL : 0);
    for (size_t i = 0; i < d.n; i++) {
        const struct diag *g = &d.items[i];
        buf_printf(&said, "%u:%u %s%s%s%s|", g->place.line, g->place.column,
                   g->severity == DIAG_WARNING ? "warning: " : "", g->text, g->hint ? "; " : "",
                   g->hint ? g->hint : "");
    }
    diags_clear(&d);
    *ret_said = buf_take(&said);
    return c;
}

static struct config *parsed(const char *source)
{
    char *said;
    struct config *c = parse(source, &said);
    if (!c || *said)
        fail_msg("%s\n%s", source, said);
    free(said);
    return c;
}

static void what_is_not_written_has_the_defaults(void **state)
{
    (void)state;
    struct config *c = parsed(DRIVERS "STATE_DIR =\nLOG_LEVEL =\n");
    assert_string_equal(c->state_dir, "/var/lib/gwd");
    assert_string_equal(c->socket, "/run/gwd/gwd.sock");
    assert_string_equal(c->log_level, "info");
    assert_string_equal(c->dm_sched, "builtin");
    assert_null(c->wrapper);
    assert_null(c->admin_group);
    assert_int_equal(c->socket_mode, 0600);
    assert_int_equal(
        c->jobs_max + c->dispatch_chunk + c->max_dispatch_resource + c->max_running_user, 0);
    assert_int_equal(c->attempts_max, 5);
    assert_int_equal(c->retention_s, 3600);
    assert_int_equal(c->backoff_max_s, 600);
    assert_int_equal(c->vm_cache_bytes, UINT64_C(50) << 30);
    assert_int_equal(c->vm_cache_age_s, 30 * 86400);
    assert_int_equal(c->min_free_bytes, 64 << 20);
    config_destroy(c);
}

static void drivers_have_parts_with_escaped_colons(void **state)
{
    (void)state;
    struct config *c = parsed("TM_MAD = t:/opt/tm:-u file\\:///x 'a b'\nTM_MAD = u:tm\n"
                              "IM_MAD = i:im:-l \\:x:t:e\nIM_MAD = j:im::u:e\nEM_MAD = "
                              "e:em:-v:rsl\nEM_MAD = n:em::rsl_nsh");
    assert_int_equal(c->n_tms, 2);
    assert_int_equal(c->n_ims, 2);
    assert_string_equal(c->tms[0].path, "/opt/tm");
    assert_string_equal(c->tms[0].arguments, "-u file:///x 'a b'");
    assert_string_equal(c->tms[1].arguments, "");
    assert_string_equal(c->ims[0].arguments, "-l :x");
    assert_string_equal(c->ims[1].tm, "u");
    assert_string_equal(c->ims[1].em, "e");
    assert_string_equal(c->ems[0].mode, "rsl");
    assert_false(config_has_no_home(c, "e"));
    assert_true(config_has_no_home(c, "n"));
    assert_false(config_has_no_home(c, "x"));
    config_destroy(c);
}

static void each_mistake_is_told_at_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *source, *said;
    } cases[] = {
        {"", "0:0 there must be at least one IM_MAD, one TM_MAD and one EM_MAD|"},
        {DRIVERS "POLL_INTERVALL = 5",
         "4:1 POLL_INTERVALL is not a variable of the configuration; did you mean POLL_INTERVAL?|"},
        {DRIVERS "POLL_INTERVAL = 0",
         "4:17 POLL_INTERVAL: \"0\" is not a duration of at least 1 s|"},
        {DRIVERS "POLL_INTERVAL = 1\nPOLL_INTERVAL = 2",
         "5:1 POLL_INTERVAL stands in line 4 already|"},
        {DRIVERS "POLL_INTERVAL += 1", "4:1 POLL_INTERVAL takes neither an index nor +=|"},
        {DRIVERS "STATE_DIR = var", "4:13 STATE_DIR: \"var\" is not an absolute path|"},
        {DRIVERS "SOCKET_MODE = 888",
         "4:15 SOCKET_MODE: \"888\" is not an octal mode from 0 to 0777|"},
        {DRIVERS "LOG_LEVEL = loud",
         "4:13 LOG_LEVEL: \"loud\" is not one of debug, info, warn, error|"},
        {DRIVERS "DM_SCHED = sched:gw_sched:",
         "4:12 DM_SCHED: \"sched:gw_sched:\" is not a scheduler; builtin is the only one|"},
        {DRIVERS "VM_CACHE_MAX = much",
         "4:16 VM_CACHE_MAX: \"much\" is not a size; write an integer and K, M, G or T|"},
        {DRIVERS "GWD_PORT = 6725",
         "4:1 warning: GWD_PORT has no meaning here: GridWay's; clients use SOCKET|"},
        {DRIVERS "IM_MAD = i:im::x:y", "4:10 a second IM_MAD is named i|4:10 no TM_MAD is named "
                                       "\"x\"|4:10 no EM_MAD is named \"y\"|"},
        {DRIVERS "TM_MAD = u", "4:10 \"u\" is not of the form name:program:arguments; a colon "
                               "inside a part is written \\:|"},
        {DRIVERS "TM_MAD = a b:tm:", "4:10 \"a b:tm:\" is not of the form name:program:arguments; "
                                     "a colon inside a part is written \\:|"},
        {DRIVERS "TM_MAD = u:tm:a:b:c:d:e:f:g",
         "4:10 \"u:tm:a:b:c:d:e:f:g\" is not of the form name:program:arguments; a colon inside a "
         "part is written \\:|"},
        {DRIVERS "TM_MAD = u:tm:'a", "4:10 in the arguments \"'a\" a quote is not closed|"},
        {DRIVERS "EM_MAD = f:em::jdl",
         "4:10 \"jdl\" is not a language of job descriptions; rsl and rsl_nsh are|"},
        {"X = 1\nIM_MAD = i:im::x:e\nTM_MAD = t:tm:\nEM_MAD = e:em::rsl\nY = 2\n",
         "1:1 X is not a variable of the configuration|2:10 no TM_MAD is named \"x\"|5:1 Y is not "
         "a variable of the configuration|"},
        {DRIVERS "WRAPPER", "4:8 expected = after WRAPPER|"},
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        char *said;
        config_destroy(parse(cases[i].source, &said));
        assert_string_equal(said, cases[i].said);
        free(said);
    }
}

static char *read_text(const char *path)
{
    struct buf b = BUF_INIT;
    struct gw_err err;
    if (file_read(path, 1 << 20, &b, &err) < 0)
        fail_msg("%s", err.text);
    return buf_take(&b);
}

/* "#NAME = value" becomes "NAME = value". */
static char *with_defaults_written(const char *text)
{
    struct buf b = BUF_INIT;
    for (const char *p = text; *p;) {
        size_t n = strcspn(p, "\n") + 1;
        bool is_setting = p[0] == '#' && p[1] >= 'A' && p[1] <= 'Z';
        buf_put(&b, p + is_setting, n - is_setting);
        p += n;
    }
    return buf_take(&b);
}

static void the_installed_file_shows_every_variable_with_its_default(void **state)
{
    (void)state;
    char *text = read_text("etc/gwd.conf"), *all = with_defaults_written(text);
    size_t n;
    const struct config_variable *v = config_variables(&n);
    config_destroy(parsed(text));
    config_destroy(parsed(all));
    for (size_t i = 0; i < n; i++) {
        bool is_driver = strcmp(v[i].kind, "driver") == 0;
        char *line = !v[i].is_acted_upon ? xasprintf("\n#   %s\n", v[i].name)
                     : is_driver         ? xasprintf("\n%s = ", v[i].name)
                     : *v[i].otherwise   ? xasprintf("\n#%s = %s\n", v[i].name, v[i].otherwise)
                                         : xasprintf("\n#%s =\n", v[i].name);
        if (!strstr(text, line))
            fail_msg("etc/gwd.conf lacks: %s", line);
        free(line);
    }
    free(text);
    free(all);
}

static void the_manual_has_every_variable_as_the_table_has_it(void **state)
{
    (void)state;
    char *page = read_text("docs/man/gwd.conf.5");
    size_t n;
    const struct config_variable *v = config_variables(&n);
    for (size_t i = 0; i < n; i++) {
        struct buf want = BUF_INIT;
        buf_printf(&want, ".TP\n.BR %s\n", v[i].name);
        for (const char *p = v[i].meaning; *p; p++)
            buf_printf(&want, *p == '-' || *p == '\\' ? "\\%c" : "%c",
                       p == v[i].meaning && *p >= 'a' && *p <= 'z' ? *p - 'a' + 'A' : *p);
        if (v[i].is_acted_upon && *v[i].otherwise)
            buf_printf(&want, " (%s; default: %s)\n", v[i].kind, v[i].otherwise);
        else
            buf_puts(&want, v[i].is_acted_upon ? " (" : "\n");
        if (!strstr(page, want.data))
            fail_msg("docs/man/gwd.conf.5 lacks: %s", want.data);
        buf_clear(&want);
    }
    free(page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_written_has_the_defaults),
        cmocka_unit_test(drivers_have_parts_with_escaped_colons),
        cmocka_unit_test(each_mistake_is_told_at_its_place),
        cmocka_unit_test(the_installed_file_shows_every_variable_with_its_default),
        cmocka_unit_test(the_manual_has_every_variable_as_the_table_has_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
