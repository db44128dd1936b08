/* Sites whose worker nodes do not have the account's home. */
#include "tests/unit/world.h"

static const char with_outputs[] = "EXECUTABLE = run.sh\nOUTPUT_FILES = result, 'it''s' here\n";
static const char vm[] = "EXECUTABLE = run.sh\nOUTPUT_FILES = result\nVM_IMAGE = "
                         "/images/debian.qcow2\nVM_MEMORY = 256\nWALLTIME = 1h\n";

static struct world *new_world(void)
{
    struct world *w = world_create();
    w->im.has_no_home = true;
    world_start(w);
    world_listen(w);
    return w;
}

static struct rsl description(struct world *w)
{
    struct rsl rsl;
    struct gw_err err;
    const char *text = world_file(w, "file:///spool/1.0.1/job.rsl")->text;
    if (rsl_decode(text, strlen(text), &rsl, &err) < 0)
        fail_msg("%s", err.text);
    return rsl;
}

static void the_description_starts_a_script_that_it_carries(void **state)
{
    (void)state;
    struct world *w = new_world();
    uint64_t id = world_submit(w, "EXECUTABLE = run.sh\nOUTPUT_FILES = result\n");
    world_pass(w, 5);
    struct rsl rsl = description(w);
    const struct rsl_relation *arguments = rsl_find(&rsl, "arguments");
    assert_string_equal(rsl_get(&rsl, "executable"), "/bin/sh");
    assert_int_equal(arguments->n, 5);
    assert_string_equal(arguments->values[0], "-c");
    assert_string_equal(arguments->values[3], "file:///site/.gw_i.1.1.0.1");
    assert_string_equal(arguments->values[4], "i.1.1.0.1");
    assert_string_equal(rsl_getenv(&rsl, "GW_TOKEN"), "i.1.1.0.1");
    assert_null(rsl_get(&rsl, "directory"));
    assert_null(rsl_get(&rsl, "stdout"));
    /* An empty line would end the description for GRAM's scripts. */
    const char *script = arguments->values[1];
    assert_null(strstr(script, "\n\n"));
    assert_null(strstr(script, "\n#"));
    assert_non_null(strstr(script, "bring_back\n"));
    assert_int_equal(world_task(w, id)->phase, PHASE_DONE);
    rsl_clear(&rsl);
    world_destroy(w);
}

static void the_names_of_outputs_are_told(void **state)
{
    (void)state;
    static const struct {
        const char *template, *line;
    } cases[] = {{with_outputs, "GW_OUTPUTS='result\nit'\\''s\n'\n"},
                 {vm, "GW_OUTPUTS='out/result\n'\n"},
                 {"EXECUTABLE = run.sh\n", "GW_OUTPUTS=''\n"}};
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        struct world *w = new_world();
        world_submit(w, cases[i].template);
        world_pass(w, 5);
        const char *ctl = world_file(w, "file:///spool/1.0.1/job.ctl")->text;
        if (!strstr(ctl, cases[i].line))
            fail_msg("%s", ctl);
        world_destroy(w);
    }
}

static void an_image_goes_with_the_job_and_copies_have_time(void **state)
{
    (void)state;
    struct world *w = new_world();
    world_submit(w, vm);
    world_pass(w, 5);
    unsigned written;
    world_count(w, "/site/.gw_i.1.1.0.1/image", &written);
    assert_int_equal(written, 1);
    assert_int_equal(world_count(w, "/.gw_cache/", &written), 0);
    assert_non_null(
        strstr(world_file(w, "file:///spool/1.0.1/vm.conf")->text, "IMAGE = \"image\"\n"));
    struct rsl rsl = description(w);
    assert_string_equal(rsl_get(&rsl, "maxWallTime"), "90");
    rsl_clear(&rsl);
    world_destroy(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_description_starts_a_script_that_it_carries),
        cmocka_unit_test(the_names_of_outputs_are_told),
        cmocka_unit_test(an_image_goes_with_the_job_and_copies_have_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
