/* The client's end of the socket: whatever a daemon says, a call ends, with a result that holds or
 * an error that has words. The first byte chooses the call; the rest is what the daemon says, who
 * then hangs up.
 *
 * fuzz: max_len=1024 */
#include "client/client_private.h"
#include "client/reason.h"
#include "tests/fuzz/fuzz.h"

#include <sys/socket.h>
#include <unistd.h>

static void check_err(int r, const struct gw_err *err)
{
    FUZZ_CHECK(r >= 0 || (r == -err->code && *err->text));
}

static void show_reason(const json_t *job)
{
    struct buf out = BUF_INIT;
    const json_t *reason = json_object_get(job, "reason");
    reason_words(reason, &out);
    FUZZ_CHECK(!reason_advice(reason) || *reason_advice(reason));
    FUZZ_CHECK(!reason_blame(reason) || *reason_blame(reason));
    gw_job_has_ended(job);
    buf_clear(&out);
}

static int take_page(void *ctx, const json_t *jobs, const char *text, size_t len,
                     struct gw_err *err)
{
    size_t i;
    const json_t *job;
    (void)err;
    ++*(size_t *)ctx;
    json_array_foreach(jobs, i, job) show_reason(job);
    char *copy = text ? xmemdup0(text, len) : NULL; /* all of it may be read */
    free(copy);
    return 0;
}

/* Each job ends once. */
struct ends {
    size_t n;
    int64_t ids[4];
};

static void on_end(void *ctx, const json_t *job)
{
    struct ends *e = ctx;
    for (size_t i = 0; i < e->n; i++)
        FUZZ_CHECK(e->ids[i] != gw_int(job, "id", 0));
    FUZZ_CHECK(e->n < GW_COUNT(e->ids));
    e->ids[e->n++] = gw_int(job, "id", 0);
    show_reason(job);
}

static int on_data(void *ctx, uint64_t offset, const void *data, size_t len, struct gw_err *err)
{
    (void)offset;
    (void)err;
    char *copy = xmemdup0(data, len);
    free(copy);
    ++*(size_t *)ctx;
    return 0;
}

static void call_submit(struct gw *gw)
{
    struct gw_submission s = {
        .template = "EXECUTABLE = x\n", .home = "/", .key = "k", .tasks = 1, .priority = -1};
    struct gw_submitted got = {0};
    struct gw_err err = {0};
    int r = gw_submit(gw, &s, 0, &got, &err);
    check_err(r, &err);
    FUZZ_CHECK(r < 0 || (got.job && got.tasks && strcmp(got.key, "k") == 0));
    json_decref(got.warnings);
}

static void call_wait(struct gw *gw)
{
    static const uint64_t ids[] = {2, 1, 2, UINT64_C(1) << 53};
    struct ends e = {0};
    struct gw_err err = {0};
    struct gw_wait w = {
        .ids = ids, .n = GW_COUNT(ids), .timeout_ms = 0, .on_end = on_end, .ctx = &e};
    int r = gw_wait(gw, &w, &err);
    check_err(r, &err);
    FUZZ_CHECK(e.n <= 3 && (r < 0 || e.n == 3));
}

static void call_wait_for_array(struct gw *gw)
{
    struct ends e = {0};
    struct gw_err err = {0};
    struct gw_wait w = {
        .array = 1, .timeout_ms = 0, .is_any = true, .is_whole = true, .on_end = on_end, .ctx = &e};
    check_err(gw_wait(gw, &w, &err), &err);
}

static void call_list(struct gw *gw, bool is_text)
{
    size_t n = 0;
    int64_t seq = 0;
    struct gw_err err = {0};
    json_t *filter = json_object();
    struct gw_listing l = {.filter = filter, .is_text = is_text, .on_page = take_page, .ctx = &n};
    check_err(gw_list(gw, &l, &seq, &err), &err);
    json_decref(filter);
}

static void call_logs(struct gw *gw)
{
    size_t n = 0;
    struct gw_err err = {0};
    struct gw_logs l = {.job = 1, .stream = "stdout", .on_data = on_data, .ctx = &n};
    check_err(gw_logs(gw, &l, &err), &err);
}

static void call_requests(struct gw *gw)
{
    static const uint64_t ids[] = {1, 2};
    struct gw_err err = {0};
    json_t *answer = NULL;
    int r = gw_wish(gw, "gone", ids, 2, 0, false, &answer, &err);
    check_err(r, &err);
    if (r == 0)
        json_decref(answer);
    r = gw_request(gw, "status", json_object(), &answer, &err);
    check_err(r, &err);
    if (r == 0)
        json_decref(answer);
    FUZZ_CHECK(!gw_refusal(gw) || json_is_object(gw_refusal(gw)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int ends[2];
    struct gw_err err = {0};
    struct gw *gw = xcalloc(1, sizeof *gw);
    unsigned call = size ? data[0] % 7 : 0;
    FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    *gw = (struct gw){
        .socket = xstrdup("/nowhere/s"), .fd = ends[0], .last = &gw->first, .timeout_ms = 1000};
    FUZZ_CHECK(size < 2 || send(ends[1], data + 1, size - 1, MSG_NOSIGNAL) == (ssize_t)size - 1);
    shutdown(ends[1], SHUT_WR);
    if (call == 0)
        check_err(connection_greet(gw, &err), &err);
    else if (call == 1)
        call_submit(gw);
    else if (call == 2)
        call_wait(gw);
    else if (call == 3)
        call_wait_for_array(gw);
    else if (call < 6)
        call_list(gw, call == 4);
    else
        call_logs(gw);
    if (call == 0)
        call_requests(gw);
    gw_close(gw);
    close(ends[1]);
    return 0;
}
