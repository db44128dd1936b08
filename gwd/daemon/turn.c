/* The turn: inputs are stepped as they arrive; once in each round of the loop, after its poll, what
 * they gave is put on disk with one sync, and then done. No reply and no effect before its cause is
 * on disk. */
#include "gwd/daemon/daemon.h"
#include "gwd/daemon/effects.h"
#include "gwd/daemon/settings.h"
#include "gwd/daemon/statedir.h"
#include "lib/crash.h"
#include "lib/log.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

enum {
    GATHER_US = 2000,        /* between two turns while drivers say more than */
    GATHER_ANSWERS_S = 3000, /* so many lines a second, */
    GATHER_LOOK_US = 10000,  /* as counted over so long */
};

static int64_t clock_us(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t clock_wall_us(void)
{
    return clock_us(CLOCK_REALTIME);
}

int64_t clock_mono_us(void)
{
    return clock_us(CLOCK_BOOTTIME);
}

void turn_input(struct daemon *d, struct input *in)
{
    in->now_us = clock_wall_us();
    in->mono_us = clock_mono_us();
    engine_step(d->engine, in, &d->outputs[d->current]);
}

/* A full disk is waited for, in which nothing is answered or done. What stops the daemon ends it.
 */
static int append_when_there_is_space(struct daemon *d, struct output *out, struct gw_err *err)
{
    const struct timespec second = {.tv_sec = 1};
    bool was_full = false, is_told = false;
    sigset_t stops, before;
    int r;
    sigemptyset(&stops);
    sigaddset(&stops, SIGTERM);
    sigaddset(&stops, SIGINT);
    sigaddset(&stops, SIGHUP);
    while (!is_told && (r = store_append(d->store, out->first_seq, out->n_events, &out->events,
                                         err)) == -GW_ENOSPC) {
        if (!was_full) {
            log_error("%s; going on when there is space", err->text);
            sigprocmask(SIG_BLOCK, &stops, &before);
        }
        was_full = true;
        is_told = sigtimedwait(&stops, NULL, &second) > 0;
    }
    if (was_full)
        sigprocmask(SIG_SETMASK, &before, NULL);
    if (was_full && r == 0)
        log_info("there is space again");
    return r;
}

/* What cannot be put on disk did not happen: the daemon goes down and its successor replays. */
static void append(struct daemon *d, struct output *out)
{
    struct gw_err err;
    if (out->n_events == 0)
        return;
    crash_point("append");
    int r = append_when_there_is_space(d, out, &err);
    if (r == -GW_ENOSPC) { /* told to stop: what was acknowledged is on disk */
        log_info("stopped while there is no space");
        _exit(0);
    }
    if (r < 0) {
        log_error("%s; stopping", err.text);
        _exit(74);
    }
    crash_point("sync");
}

/* Before the effects: they may give inputs, and then the state is ahead of the disk. */
static void checkpoint_when_due(struct daemon *d)
{
    struct gw_err err;
    /* It can wait, and when it runs out of space in the middle it cannot be gone on with. */
    if (statedir_free_bytes(d) < settings_min_free_bytes(d->settings) / 2)
        return;
    if (store_checkpoint_some(d->store, engine_state(d->engine),
                              settings_checkpoint_rows(d->settings),
                              settings_keep_events(d->settings), &err) < 0) {
        log_error("%s; stopping", err.text);
        _exit(74);
    }
}

static void on_engine_time(uv_timer_t *timer)
{
    struct daemon *d = timer->data;
    struct input in = {.kind = IN_TIME};
    turn_input(d, &in);
}

static void arm(struct daemon *d)
{
    int64_t next = engine_next_time(d->engine);
    if (next == INT64_MAX) {
        uv_timer_stop(&d->engine_timer);
        return;
    }
    int64_t rest_us = next - clock_mono_us();
    uv_timer_start(&d->engine_timer, on_engine_time,
                   rest_us > 0 ? (uint64_t)(rest_us + 999) / 1000 : 0, 0);
}

static bool turn_is_due(const struct daemon *d)
{
    const struct output *out = &d->outputs[d->current];
    return out->n_events || out->n_effects;
}

/* What the effects give as inputs waits for the next turn, with what else has come by then. */
static void turn(struct daemon *d)
{
    struct output *out = &d->outputs[d->current];
    if (turn_is_due(d)) {
        append(d, out);
        checkpoint_when_due(d);
        d->current ^= 1;
        watch_turn(d, out);
        for (size_t i = 0; i < out->n_effects; i++) {
            crash_point(out->effects[i].kind == EFFECT_REPLY ? "reply" : "effect");
            effect_perform(d, &out->effects[i]);
        }
        output_reset(out);
        d->turn_us = clock_mono_us();
    }
    drivers_flush(d);
    server_flush(d);
}

void turn_end(struct daemon *d)
{
    do
        turn(d);
    while (turn_is_due(d));
}

/* When drivers say much, waiting for a moment makes one turn of what would be many, each with its
 * own sync and its own waking of everybody. A lone job is not kept waiting: its drivers say little.
 */
static void gather(struct daemon *d)
{
    int64_t now_us = clock_mono_us(), since_us = now_us - d->counted_us;
    if (since_us >= GATHER_LOOK_US) {
        d->is_busy = d->n_answers * 1000000 >= GATHER_ANSWERS_S * (uint64_t)since_us;
        d->n_answers = 0;
        d->counted_us = now_us;
    }
    int64_t rest_us = d->turn_us + GATHER_US - now_us;
    if (d->is_busy && rest_us > 0)
        nanosleep(&(struct timespec){.tv_nsec = (long)rest_us * 1000}, NULL);
}

static void on_idle(uv_idle_t *handle)
{
    (void)handle;
}

/* A poll that has something to do after it does not wait. */
static void on_prepare(uv_prepare_t *handle)
{
    struct daemon *d = handle->data;
    drivers_flush(d);
    server_flush(d);
    arm(d);
    if (turn_is_due(d) || server_has_more(d))
        uv_idle_start(&d->no_wait, on_idle);
    else
        uv_idle_stop(&d->no_wait);
    gather(d);
}

static void on_check(uv_check_t *handle)
{
    server_go_on(handle->data);
    turn(handle->data);
}

void turn_init(struct daemon *d)
{
    uv_timer_init(d->loop, &d->engine_timer);
    uv_prepare_init(d->loop, &d->before_poll);
    uv_check_init(d->loop, &d->after_poll);
    uv_idle_init(d->loop, &d->no_wait);
    d->engine_timer.data = d->before_poll.data = d->after_poll.data = d;
    uv_prepare_start(&d->before_poll, on_prepare);
    uv_check_start(&d->after_poll, on_check);
}

void turn_close(struct daemon *d)
{
    output_clear(&d->outputs[0]);
    output_clear(&d->outputs[1]);
}
