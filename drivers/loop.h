/* A small epoll loop: descriptors, one-shot timers, nothing else. One thread; callbacks may add
 * and remove anything, also themselves. */
#ifndef DRIVERS_LOOP_H
#define DRIVERS_LOOP_H

#include <stdint.h>

struct loop;
struct loop_timer;

typedef void loop_fd_fn(void *ctx, int fd, short revents);
typedef void loop_timer_fn(void *ctx);

struct loop *loop_create(void);
void loop_destroy(struct loop *l);

/* Call fn when the kernel reports `events` (POLLIN, POLLOUT; or an error) for fd. A descriptor is
 * watched once at most; watching it again changes its events and function. The descriptor stays the
 * caller's, who unwatches before closing it. */
void loop_watch(struct loop *l, int fd, short events, loop_fd_fn *fn, void *ctx);
void loop_unwatch(struct loop *l, int fd);

/* Call fn once, `after_ms` from now (CLOCK_MONOTONIC). The timer is gone when fn is called. */
struct loop_timer *loop_timer_add(struct loop *l, uint64_t after_ms, loop_timer_fn *fn, void *ctx);
void loop_timer_cancel(struct loop *l, struct loop_timer *t); /* NULL is fine */

void loop_turn(struct loop *l); /* wait for something and call what is due */

#endif
