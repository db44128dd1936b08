/* An array: how long until it is acknowledged, and how long then until its first task has started.
 *
 *     array SOCKET TASKS TEMPLATE */
#include "bench/report.h"
#include "client/gw.h"
#include "lib/buf.h"
#include "lib/file.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int fail(const struct gw_err *err)
{
    fprintf(stderr, "array: %s\n", err->text);
    return 1;
}

/* 1 when a program runs: the driver has its exec's word for it. */
static int next_start(struct gw *gw, int64_t watch, struct gw_err *err)
{
    json_t *line;
    int r = gw_next(gw, watch, 60000, &line, err);
    if (r <= 0)
        return r == 0 ? gw_err_set(err, GW_ETIMEDOUT, "no task started in a minute") : r;
    const char *kind = gw_text(gw_object(line, "event"), "kind", "");
    bool is_running = strcmp(kind, "attempt-submitted") == 0;
    json_decref(line);
    return is_running;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: array SOCKET TASKS TEMPLATE\n");
        return 64;
    }
    struct gw *gw, *watching;
    struct gw_err err = {0};
    struct buf template = BUF_INIT;
    if (file_read(argv[3], 1 << 16, &template, &err) < 0 || gw_connect(argv[1], &gw, &err) < 0 ||
        gw_connect(argv[1], &watching, &err) < 0)
        return fail(&err);
    int64_t watch = gw_start(watching, "watch", json_object(), &err);
    if (watch < 0 || gw_answer(watching, watch, NULL, &err) < 0)
        return fail(&err);
    double start = report_now_s();
    json_t *fields = json_pack("{ss ss sI sb}", "template", buf_str(&template), "home", "/tmp",
                               "tasks", (json_int_t)strtoll(argv[2], NULL, 10), "array", 1);
    if (gw_request(gw, "submit", fields, NULL, &err) < 0)
        return fail(&err);
    double acknowledged = report_now_s();
    int r;
    while ((r = next_start(watching, watch, &err)) == 0)
        ;
    if (r < 0)
        return fail(&err);
    report("array.ack", (acknowledged - start) * 1e3, "ms");
    report("array.start", (report_now_s() - acknowledged) * 1e3, "ms");
    gw_close(gw);
    gw_close(watching);
    buf_clear(&template);
    return 0;
}
