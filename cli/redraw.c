#include "cli/redraw.h"
#include "cli/connect.h"
#include "cli/output.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

static int64_t now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int64_t start_watch(struct gw *gw, int64_t seq, struct gw_err *err)
{
    int64_t id = gw_start(gw, "watch", json_pack("{sI}", "from", (json_int_t)seq + 1), err);
    int r = id < 0 ? (int)id : gw_answer(gw, id, NULL, err);
    return r < 0 ? r : id;
}

/* Until something changed and the delay is over. */
static int await_change(struct gw *gw, int64_t watch, int64_t shown_ms, int64_t delay_ms,
                        bool is_periodic, struct gw_err *err)
{
    json_t *line;
    int64_t due = shown_ms + delay_ms;
    int64_t first = is_periodic ? due - now_ms() : -1;
    int r = gw_next(gw, watch, is_periodic && first < 0 ? 0 : first, &line, err);
    while (r > 0) {
        json_decref(line);
        int64_t left = due - now_ms();
        r = gw_next(gw, watch, left > 0 ? left : 0, &line, err);
    }
    return r;
}

static void clear_screen(bool is_first)
{
    if (isatty(STDOUT_FILENO))
        fputs("\033[H\033[2J", stdout);
    else if (!is_first)
        putchar('\n');
}

int redraw(struct gw *gw, int64_t delay_ms, bool is_periodic, redraw_show show, const void *ctx)
{
    struct gw_err err = {0};
    int64_t watch = 0;
    for (bool is_first = true;; is_first = false) {
        int64_t seq = 0, shown_ms = now_ms();
        clear_screen(is_first);
        int code = show(gw, ctx, &seq);
        if (code)
            return code;
        if (fflush(stdout) != 0)
            return 0; /* said by main */
        if (!watch)
            watch = start_watch(gw, seq, &err);
        int r =
            watch < 0 ? (int)watch : await_change(gw, watch, shown_ms, delay_ms, is_periodic, &err);
        if (r == 0)
            continue;
        watch = 0;
        if (r == -GW_ENOENT) /* it was too slow for what the daemon keeps: look anew */
            continue;
        if (r != -GW_EUNAVAIL)
            return output_failure(&err);
        connect_say_lost(NULL, err.text);
        if (gw_reconnect(gw, PATIENCE_WAIT_MS, &err) < 0)
            return output_failure(&err);
    }
}
