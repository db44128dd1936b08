/* Where outputs and streams go. */
#include "tests/unit/world.h"

static void a_stream_that_goes_to_dev_null_is_not_copied(void **state)
{
    (void)state;
    static const struct {
        const char *template, *trace;
    } cases[] = {
        {"EXECUTABLE = /bin/true\nSTDOUT_FILE = /dev/null\n",
         "START MKDIR CP CP CP END SUBMIT START CP CP RMDIR END"},
        {"EXECUTABLE = /bin/true\nSTDOUT_FILE = /dev/null\nSTDERR_FILE = /dev/null\n",
         "START MKDIR CP CP CP END SUBMIT START CP RMDIR END"},
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        struct world *w = world_create();
        world_start(w);
        world_listen(w);
        uint64_t id = world_submit(w, cases[i].template);
        world_pass(w, 5);
        assert_int_equal(world_task(w, id)->phase, PHASE_DONE);
        assert_string_equal(buf_str(&w->trace), cases[i].trace);
        assert_false(world_has(w, "file:///dev/null"));
        world_destroy(w);
    }
}

static void a_name_may_begin_above_the_jobs_home(void **state)
{
    (void)state;
    struct world *w = world_create();
    world_start(w);
    world_listen(w);
    uint64_t id = world_submit(w, "EXECUTABLE = /bin/true\nSTDOUT_FILE = ../../../../top\n"
                                  "STDERR_FILE = ./.././/beside\nOUTPUT_FILES = result ../bob/r\n");
    world_pass(w, 5);
    assert_int_equal(world_task(w, id)->phase, PHASE_DONE);
    assert_true(world_has(w, "file:///top"));
    assert_true(world_has(w, "file:///home/beside"));
    assert_true(world_has(w, "file:///home/bob/r"));
    world_destroy(w);
}

/* What a site says of itself goes into names on the user's side. */
static void a_site_does_not_choose_where_outputs_go(void **state)
{
    (void)state;
    struct world *w = world_create();
    w->samples[0] = "LRMS_NAME=\"fork\" NODECOUNT=4 ARCH=\"/home/ann/.ssh\" "
                    "STAGE_URL=\"file:///site/\" QUEUE_NAME[0]=\"default\" QUEUE_NODECOUNT[0]=4";
    world_start(w);
    world_listen(w);
    uint64_t id = world_submit(w, "EXECUTABLE = /bin/true\nOUTPUT_FILES = result ${ARCH}/r\n"
                                  "STDOUT_FILE = out.${ARCH}\n");
    world_pass(w, 5);
    assert_int_equal(world_task(w, id)->phase, PHASE_DONE);
    assert_false(world_has(w, "file:///home/ann/.ssh/r"));
    assert_true(world_has(w, "file:///home/ann/unknown/r"));
    assert_true(world_has(w, "file:///home/ann/out.unknown"));
    world_destroy(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_that_goes_to_dev_null_is_not_copied),
        cmocka_unit_test(a_name_may_begin_above_the_jobs_home),
        cmocka_unit_test(a_site_does_not_choose_where_outputs_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
