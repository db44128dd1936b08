/* The drivers' loop: what is watched is called, what is not any more is not. */
#include "drivers/loop.h"
#include "lib/mem.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

struct end {
    struct loop *loop;
    int in, out; /* of a pipe */
    unsigned n_called;
    struct end *other; /* unwatched when this one is called */
};

static void on_readable(void *ctx, int fd, short revents)
{
    struct end *e = ctx;
    char c;
    assert_int_equal(fd, e->in);
    assert_true(revents & POLLIN);
    assert_int_equal(read(fd, &c, 1), 1);
    e->n_called++;
    if (e->other)
        loop_unwatch(e->loop, e->other->in);
}

static struct end end_create(struct loop *l)
{
    int fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    return (struct end){.loop = l, .in = fds[0], .out = fds[1]};
}

static void end_ring(struct end *e)
{
    assert_int_equal(write(e->out, "x", 1), 1);
}

static void end_close(struct end *e)
{
    loop_unwatch(e->loop, e->in);
    close(e->in);
    close(e->out);
}

static void one_that_is_unwatched_in_the_same_turn_is_not_called(void **state)
{
    (void)state;
    struct loop *l = loop_create();
    struct end a = end_create(l), b = end_create(l);
    a.other = &b;
    b.other = &a;
    loop_watch(l, a.in, POLLIN, on_readable, &a);
    loop_watch(l, b.in, POLLIN, on_readable, &b);
    end_ring(&a);
    end_ring(&b);
    loop_turn(l);
    assert_int_equal(a.n_called + b.n_called, 1);
    end_close(&a);
    end_close(&b);
    loop_destroy(l);
}

struct replaced {
    struct end old, new;
};

static void on_first(void *ctx, int fd, short revents)
{
    struct replaced *r = ctx;
    (void)revents;
    (void)fd;
    /* The old one, which is ready too, is closed, and its number given to the new, which is not. */
    loop_unwatch(r->old.loop, r->old.in);
    assert_int_equal(dup2(r->new.in, r->old.in), r->old.in);
    close(r->new.in);
    r->new.in = r->old.in;
    loop_watch(r->old.loop, r->new.in, POLLIN, on_readable, &r->new);
}

static void what_was_reported_for_a_number_is_not_for_its_next_owner(void **state)
{
    (void)state;
    struct loop *l = loop_create();
    struct end first = end_create(l);
    struct replaced r = {end_create(l), end_create(l)};
    loop_watch(l, first.in, POLLIN, on_first, &r);
    loop_watch(l, r.old.in, POLLIN, on_readable, &r.old);
    end_ring(&first);
    end_ring(&r.old);
    loop_turn(l);
    assert_int_equal(r.new.n_called, 0);
    end_ring(&r.new);
    loop_unwatch(l, first.in);
    loop_turn(l);
    assert_int_equal(r.new.n_called, 1);
    loop_destroy(l);
}

static void events_and_function_of_a_descriptor_can_be_changed(void **state)
{
    (void)state;
    struct loop *l = loop_create();
    struct end a = end_create(l), b = a;
    loop_watch(l, a.in, POLLOUT, on_readable, &a);
    loop_watch(l, a.in, POLLIN, on_readable, &b);
    end_ring(&a);
    loop_turn(l);
    assert_int_equal(a.n_called, 0);
    assert_int_equal(b.n_called, 1);
    end_close(&b);
    loop_destroy(l);
}

static void on_file(void *ctx, int fd, short revents)
{
    unsigned *n = ctx;
    char c;
    assert_true(revents & POLLIN);
    assert_true(read(fd, &c, 1) >= 0);
    ++*n;
}

static void a_regular_file_is_always_ready(void **state)
{
    (void)state;
    struct loop *l = loop_create();
    FILE *f = tmpfile();
    unsigned n = 0;
    loop_watch(l, fileno(f), POLLIN, on_file, &n);
    loop_turn(l);
    loop_turn(l);
    assert_int_equal(n, 2);
    loop_unwatch(l, fileno(f));
    fclose(f);
    loop_destroy(l);
}

static char order[8];
static size_t n_order;

static void on_time(void *ctx)
{
    order[n_order++] = *(const char *)ctx;
}

static void timers_come_by_time_and_those_of_one_time_in_the_order_they_were_set(void **state)
{
    (void)state;
    struct loop *l = loop_create();
    static const char *const names = "abcdef";
    loop_timer_add(l, 30, on_time, (void *)&names[4]);
    loop_timer_add(l, 0, on_time, (void *)&names[0]);
    loop_timer_add(l, 20, on_time, (void *)&names[3]);
    loop_timer_add(l, 0, on_time, (void *)&names[1]);
    loop_timer_cancel(l, loop_timer_add(l, 10, on_time, (void *)&names[5]));
    loop_timer_add(l, 0, on_time, (void *)&names[2]);
    while (n_order < 5)
        loop_turn(l);
    assert_string_equal(order, "abcde");
    loop_destroy(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_is_unwatched_in_the_same_turn_is_not_called),
        cmocka_unit_test(what_was_reported_for_a_number_is_not_for_its_next_owner),
        cmocka_unit_test(events_and_function_of_a_descriptor_can_be_changed),
        cmocka_unit_test(a_regular_file_is_always_ready),
        cmocka_unit_test(timers_come_by_time_and_those_of_one_time_in_the_order_they_were_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
