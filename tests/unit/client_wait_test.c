/* Waiting: no end is missed and none is told twice, whatever the daemon does meanwhile. */
#include "client/gw.h"
#include "tests/unit/fake_gwd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define RUNNING(id) "{\"id\":" #id ",\"phase\":\"WRAPPER\"}"
#define DONE(id) "{\"id\":" #id ",\"phase\":\"DONE\",\"exit_code\":0}"
#define JOBS(list) "{\"id\":@jobs,\"ok\":true,\"seq\":10,\"jobs\":[" list "]}"
#define WATCHING "{\"id\":@watch,\"ok\":true,\"seq\":10}"
#define UNWATCHED "{\"id\":@unwatch,\"ok\":true}"
#define EVENT(seq, id)                                                                             \
    "{\"id\":@watch,\"event\":{\"seq\":" #seq ",\"kind\":\"attempt-ended\",\"id\":" #id "}}"

struct told {
    char ends[64]; /* "12 13 " */
    int events, lost, back;
};

static void on_end(void *ctx, const json_t *job)
{
    struct told *t = ctx;
    snprintf(t->ends + strlen(t->ends), sizeof t->ends - strlen(t->ends), "%d ",
             (int)gw_int(job, "id", 0));
}

static void on_event(void *ctx, const json_t *event)
{
    (void)event;
    ((struct told *)ctx)->events++;
}

static void on_lost(void *ctx, const char *why)
{
    assert_non_null(strstr(why, "lost"));
    ((struct told *)ctx)->lost++;
}

static void on_back(void *ctx)
{
    ((struct told *)ctx)->back++;
}

struct scenario {
    const char *name;
    struct fake_step steps[24];
    uint64_t ids[3];
    size_t n;
    uint64_t array;
    bool is_any;
    int64_t timeout_ms;
    int result;
    const char *ends, *error;
    int lost, back;
};

static const struct scenario scenarios[] = {
    {.name = "what has ended already is told at once",
     .steps = {{FAKE_ACCEPT, NULL}, {FAKE_EXPECT, "jobs"}, {FAKE_SEND, JOBS(DONE(12))}, {0}},
     .ids = {12},
     .n = 1,
     .timeout_ms = -1,
     .ends = "12 "},
    {.name = "an event makes the client ask, and the answer decides",
     .steps = {{FAKE_ACCEPT, NULL},
               {FAKE_EXPECT, "jobs"},
               {FAKE_SEND, JOBS(RUNNING(12) "," RUNNING(13))},
               {FAKE_EXPECT, "watch"},
               {FAKE_SEND, WATCHING},
               {FAKE_SEND, EVENT(11, 13)},
               {FAKE_EXPECT, "jobs"},
               {FAKE_SEND, JOBS(RUNNING(13))},
               {FAKE_SEND, EVENT(12, 13)},
               {FAKE_EXPECT, "jobs"},
               {FAKE_SEND, JOBS(DONE(13))},
               {FAKE_SEND, EVENT(13, 12)},
               {FAKE_EXPECT, "jobs"},
               {FAKE_SEND, JOBS(DONE(12))},
               {FAKE_EXPECT, "unwatch"},
               {FAKE_SEND, UNWATCHED},
               {0}},
     .ids = {13, 12, 12},
     .n = 3,
     .timeout_ms = -1,
     .ends = "13 12 "},
    {.name = "with any the first end is enough",
     .steps = {{FAKE_ACCEPT, NULL},
               {FAKE_EXPECT, "jobs"},
               {FAKE_SEND, JOBS(RUNNING(12) "," DONE(13) "," DONE(14))},
               {0}},
     .ids = {12, 13, 14},
     .n = 3,
     .is_any = true,
     .timeout_ms = -1,
     .ends = "13 "},
    {.name = "an array is waited for by its tasks, and an event without id concerns them all",
     .steps = {{FAKE_ACCEPT, NULL},
               {FAKE_EXPECT, "jobs"},
               {FAKE_SEND, JOBS(DONE(20) "," RUNNING(21) "," RUNNING(22))},
               {FAKE_EXPECT, "jobs"},
               {FAKE_SEND, JOBS(DONE(20))},
               {FAKE_EXPECT, "watch"},
               {FAKE_SEND, WATCHING},
               {FAKE_SEND, "{\"id\":@watch,\"event\":{\"seq\":11,\"kind\":\"task-ended\",\"job\":"
                           "20,\"task\":null}}"},
               {FAKE_EXPECT, "jobs"},
               {FAKE_SEND, JOBS(DONE(21) "," DONE(22))},
               {FAKE_EXPECT, "unwatch"},
               {FAKE_SEND, UNWATCHED},
               {0}},
     .array = 3,
     .timeout_ms = -1,
     .ends = "20 21 22 "},
    {.name = "when the time is over the count of the others is said",
     .steps = {{FAKE_ACCEPT, NULL},
               {FAKE_EXPECT, "jobs"},
               {FAKE_SEND, JOBS(DONE(12) "," RUNNING(13))},
               {FAKE_EXPECT, "watch"},
               {FAKE_SEND, WATCHING},
               {FAKE_EXPECT, "unwatch"},
               {FAKE_SEND, UNWATCHED},
               {0}},
     .ids = {12, 13},
     .n = 2,
     .timeout_ms = 30,
     .result = -GW_ETIMEDOUT,
     .error = "1 of 2",
     .ends = "12 "},
    {.name = "a job that does not exist is an error",
     .steps = {{FAKE_ACCEPT, NULL},
               {FAKE_EXPECT, "jobs"},
               {FAKE_SEND, "{\"id\":@jobs,\"ok\":false,\"error\":{\"code\":\"not-found\","
                           "\"message\":\"no job 99\"}}"},
               {0}},
     .ids = {99},
     .n = 1,
     .timeout_ms = -1,
     .result = -GW_ENOENT,
     .error = "no job 99",
     .ends = ""},
    {.name = "a restart of the daemon is waited for, and what ended meanwhile is told",
     .steps = {{FAKE_ACCEPT, NULL},
               {FAKE_EXPECT, "jobs"},
               {FAKE_SEND, JOBS(RUNNING(12) "," RUNNING(13))},
               {FAKE_EXPECT, "watch"},
               {FAKE_SEND, WATCHING},
               {FAKE_CLOSE, NULL},
               {FAKE_ACCEPT, NULL},
               {FAKE_EXPECT, "jobs"},
               {FAKE_SEND, JOBS(DONE(12) "," RUNNING(13))},
               {FAKE_EXPECT, "watch"},
               {FAKE_CLOSE, NULL},
               {FAKE_ACCEPT, NULL},
               {FAKE_EXPECT, "jobs"},
               {FAKE_SEND, JOBS(DONE(13))},
               {0}},
     .ids = {12, 13},
     .n = 2,
     .timeout_ms = -1,
     .lost = 2,
     .back = 2,
     .ends = "12 13 "},
    {.name = "events that are no longer kept make the client look at all jobs anew",
     .steps = {{FAKE_ACCEPT, NULL},
               {FAKE_EXPECT, "jobs"},
               {FAKE_SEND, JOBS(RUNNING(12))},
               {FAKE_EXPECT, "watch"},
               {FAKE_SEND, WATCHING},
               {FAKE_SEND, "{\"id\":@watch,\"ok\":false,\"oldest\":90,\"error\":{\"code\":\"not-"
                           "found\",\"message\":\"old\"}}"},
               {FAKE_EXPECT, "jobs"},
               {FAKE_SEND, "{\"id\":@jobs,\"ok\":true,\"seq\":95,\"jobs\":[" RUNNING(12) "]}"},
               {FAKE_EXPECT, "watch"},
               {FAKE_SEND, WATCHING},
               {FAKE_SEND, EVENT(96, 12)},
               {FAKE_EXPECT, "jobs"},
               {FAKE_SEND, JOBS(DONE(12))},
               {FAKE_EXPECT, "unwatch"},
               {FAKE_SEND, UNWATCHED},
               {0}},
     .ids = {12},
     .n = 1,
     .timeout_ms = -1,
     .ends = "12 "},
    {.name = "a job that vanishes under the wait is an error, not a loop",
     .steps = {{FAKE_ACCEPT, NULL},
               {FAKE_EXPECT, "jobs"},
               {FAKE_SEND, JOBS(RUNNING(12))},
               {FAKE_EXPECT, "watch"},
               {FAKE_SEND, WATCHING},
               {FAKE_SEND, EVENT(11, 12)},
               {FAKE_EXPECT, "jobs"},
               {FAKE_SEND, "{\"id\":@jobs,\"ok\":false,\"error\":{\"code\":\"not-found\","
                           "\"message\":\"no job 12\"}}"},
               {FAKE_EXPECT, "unwatch"},
               {FAKE_SEND, UNWATCHED},
               {0}},
     .ids = {12},
     .n = 1,
     .timeout_ms = -1,
     .result = -GW_ENOENT,
     .error = "no job 12",
     .ends = ""},
    {.name = "another instance after a restart is not asked about our jobs",
     .steps = {{FAKE_ACCEPT, NULL},
               {FAKE_EXPECT, "jobs"},
               {FAKE_SEND, JOBS(RUNNING(12))},
               {FAKE_EXPECT, "watch"},
               {FAKE_CLOSE, NULL},
               {FAKE_ACCEPT, "{\"protocol\":1,\"instance\":\"other\"}"},
               {0}},
     .ids = {12},
     .n = 1,
     .timeout_ms = -1,
     .result = -GW_ESTATE,
     .error = "another instance",
     .lost = 1,
     .ends = ""},
};

static void every_end_is_told_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < GW_COUNT(scenarios); i++) {
        const struct scenario *s = &scenarios[i];
        struct fake *f = fake_start(s->steps);
        struct told told = {0};
        struct gw *gw;
        struct gw_err err = {0};
        struct gw_wait w = {.ids = s->ids,
                            .n = s->n,
                            .array = s->array,
                            .is_any = s->is_any,
                            .timeout_ms = s->timeout_ms,
                            .patience_ms = 2000,
                            .on_event = on_event,
                            .on_end = on_end,
                            .on_lost = on_lost,
                            .on_back = on_back,
                            .ctx = &told};
        print_message("%s\n", s->name);
        assert_int_equal(gw_connect(f->path, &gw, NULL), 0);
        assert_int_equal(gw_wait(gw, &w, &err), s->result);
        assert_string_equal(told.ends, s->ends);
        assert_true(!s->error || strstr(err.text, s->error));
        assert_int_equal(told.lost, s->lost);
        assert_int_equal(told.back, s->back);
        gw_close(gw);
        assert_true(fake_stop(f));
    }
}

static void a_long_listing_comes_in_portions(void **state)
{
    static const struct fake_step steps[] = {
        {FAKE_ACCEPT, NULL},
        {FAKE_EXPECT, "jobs"},
        {FAKE_SEND,
         "{\"id\":@jobs,\"ok\":true,\"seq\":41,\"more\":true,\"jobs\":[" DONE(3) "," DONE(7) "]}"},
        {FAKE_EXPECT, "jobs"},
        {FAKE_SEND, "{\"id\":@jobs,\"ok\":true,\"seq\":43,\"more\":true,\"next\":8,\"jobs\":[]}"},
        {FAKE_EXPECT, "jobs"},
        {FAKE_SEND, "{\"id\":@jobs,\"ok\":true,\"seq\":44,\"more\":false,\"jobs\":[" DONE(9) "]}"},
        {FAKE_EXPECT, "jobs"},
        {FAKE_SEND, "{\"id\":@jobs,\"ok\":true,\"more\":true,\"jobs\":[" DONE(0) "]}"},
        {FAKE_EXPECT, "jobs"},
        {FAKE_SEND, "{\"id\":@jobs,\"ok\":true}"},
        {0}};
    struct fake *f = fake_start(steps);
    struct gw *gw;
    json_t *filter = json_pack("{ss}", "user", "ann"), *jobs;
    int64_t seq = 0;
    struct gw_err err = {0};
    (void)state;
    assert_int_equal(gw_connect(f->path, &gw, NULL), 0);
    assert_int_equal(gw_jobs(gw, filter, &jobs, &seq, NULL), 0);
    assert_int_equal(json_array_size(jobs), 3);
    assert_int_equal(seq, 41);
    assert_int_equal(gw_int(fake_request(f, 1), "after", -1), 7);
    assert_int_equal(gw_int(fake_request(f, 2), "after", -1), 8);
    assert_string_equal(gw_text(fake_request(f, 1), "user", ""), "ann");
    json_decref(jobs);
    assert_int_equal(gw_jobs(gw, filter, &jobs, &seq, &err), -GW_EPROTO);
    assert_non_null(strstr(err.text, "by id"));
    assert_int_equal(gw_jobs(gw, filter, &jobs, &seq, &err), -GW_EPROTO);
    json_decref(filter);
    gw_close(gw);
    assert_true(fake_stop(f));
}

static void the_watch_begins_where_the_listing_ended(void **state)
{
    static const struct fake_step steps[] = {
        {FAKE_ACCEPT, NULL},
        {FAKE_EXPECT, "jobs"},
        {FAKE_SEND, "{\"id\":@jobs,\"ok\":true,\"seq\":41,\"jobs\":[" RUNNING(12) "]}"},
        {FAKE_EXPECT, "watch"},
        {FAKE_SEND, WATCHING},
        {FAKE_SEND, EVENT(50, 12)},
        {FAKE_EXPECT, "jobs"},
        {FAKE_CLOSE, NULL},
        {FAKE_ACCEPT, NULL},
        {FAKE_EXPECT, "jobs"},
        {FAKE_SEND, JOBS(RUNNING(12))},
        {FAKE_EXPECT, "watch"},
        {FAKE_SEND, WATCHING},
        {FAKE_SEND, EVENT(51, 12)},
        {FAKE_EXPECT, "jobs"},
        {FAKE_SEND, JOBS(DONE(12))},
        {0}};
    struct fake *f = fake_start(steps);
    struct gw *gw;
    struct gw_wait w = {.ids = (uint64_t[]){12}, .n = 1, .timeout_ms = -1, .patience_ms = 1000};
    (void)state;
    assert_int_equal(gw_connect(f->path, &gw, NULL), 0);
    assert_int_equal(gw_wait(gw, &w, NULL), 0);
    assert_int_equal(gw_int(fake_request(f, 1), "from", 0), 42);
    assert_int_equal(gw_int(fake_request(f, 4), "from", 0), 51);
    gw_close(gw);
    assert_true(fake_stop(f));
}

static void an_ended_job_has_what_on_end_needs_or_all_members(void **state)
{
    static const struct fake_step steps[] = {{FAKE_ACCEPT, NULL},         {FAKE_EXPECT, "jobs"},
                                             {FAKE_SEND, JOBS(DONE(12))}, {FAKE_EXPECT, "jobs"},
                                             {FAKE_SEND, JOBS(DONE(12))}, {0}};
    struct fake *f = fake_start(steps);
    struct gw *gw;
    struct gw_wait w = {.ids = (uint64_t[]){12}, .n = 1, .timeout_ms = -1};
    (void)state;
    assert_int_equal(gw_connect(f->path, &gw, NULL), 0);
    assert_int_equal(gw_wait(gw, &w, NULL), 0);
    w.is_whole = true;
    assert_int_equal(gw_wait(gw, &w, NULL), 0);
    char *fields = json_dumps(json_object_get(fake_request(f, 0), "fields"), JSON_COMPACT);
    assert_string_equal(fields, "[\"id\",\"phase\",\"ended\",\"exit_code\",\"signal\",\"reason\"]");
    assert_null(json_object_get(fake_request(f, 1), "fields"));
    free(fields);
    gw_close(gw);
    assert_true(fake_stop(f));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_end_is_told_once),
        cmocka_unit_test(a_long_listing_comes_in_portions),
        cmocka_unit_test(the_watch_begins_where_the_listing_ended),
        cmocka_unit_test(an_ended_job_has_what_on_end_needs_or_all_members),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
