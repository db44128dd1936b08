/* Hosts: what a sample of an information driver says, and what a hostile one must not do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gwd/model/host.h"
#include "lib/buf.h"
#include "lib/mem.h"

#include <stdlib.h>
#include <string.h>

static struct host *example(void)
{
    return host_create(3, "node.example.org", "static", "local", "fork");
}

static bool sample(struct host *h, const char *text)
{
    bool is_changed = false;
    struct gw_err err = {0};
    if (host_sample(h, text, &is_changed, &err) < 0)
        fail_msg("%s", err.text);
    return is_changed;
}

static void a_sample_gives_numbers_texts_and_queues(void **state)
{
    (void)state;
    struct host *h = example();
    assert_true(sample(
        h, "ARCH=\"x86_64\" CPU_SMP=8  LOAD=0.25\tEMPTY=\"\" NODECOUNT=4 QUEUE_NAME[0]=\"short\" "
           "QUEUE_NODECOUNT[0]=2 QUEUE_NAME[1]=\"long one\" QUEUE_NODECOUNT[1]=7 "
           "QUEUE_MAXJOBSINQUEUE[1]=5 LRMS_NAME=\"fork\" "));
    assert_true(h->is_up);
    assert_string_equal(host_text(h, "ARCH"), "x86_64");
    assert_false(host_attr(h, 0, "ARCH")->is_number);
    assert_int_equal(host_number(h, "CPU_SMP"), 8);
    assert_true(host_attr(h, 0, "LOAD")->number > 0.24 && host_attr(h, 0, "LOAD")->number < 0.26);
    assert_string_equal(host_attr(h, 0, "EMPTY")->text, "");
    assert_null(host_attr(h, 0, "NOT_THERE"));
    assert_int_equal(h->n_queues, 2);
    assert_string_equal(h->queues[1].name, "long one");
    assert_int_equal(host_free(h, 0), 2);
    assert_int_equal(host_free(h, 1), 5);
    assert_string_equal(host_attr(h, 1, "QUEUE_NAME")->text, "long one");
    assert_ptr_equal(host_queue(h, "short"), &h->queues[0]);
    assert_null(host_queue(h, "none"));
    host_destroy(h);
}

static void a_host_without_queues_has_one_of_all_its_nodes(void **state)
{
    (void)state;
    struct host *h = example();
    sample(h, "NODECOUNT=3");
    assert_int_equal(h->n_queues, 1);
    assert_string_equal(h->queues[0].name, "");
    assert_int_equal(host_free(h, 0), 3);
    h->queues[0].used = 5;
    assert_int_equal(host_free(h, 0), 0);
    host_destroy(h);
}

static void a_queue_whose_name_is_not_reported_takes_no_job(void **state)
{
    (void)state;
    struct host *h = example();
    sample(h, "NODECOUNT=3 QUEUE_NAME[2]=\"c\"");
    assert_int_equal(h->n_queues, 3);
    assert_int_equal(host_free(h, 0), 0);
    assert_int_equal(host_free(h, 1), 0);
    assert_int_equal(host_free(h, 2), 3);
    host_destroy(h);
}

static void only_a_value_that_differs_counts_as_a_change(void **state)
{
    (void)state;
    struct host *h = example();
    assert_true(sample(h, ""));
    assert_false(sample(h, ""));
    assert_true(sample(h, "A=1 B=\"x\""));
    assert_false(sample(h, "B=\"x\" A=1"));
    assert_false(sample(h, "A=1"));
    assert_true(sample(h, "A=2"));
    assert_true(sample(h, "A=\"2\""));
    assert_false(host_attr(h, 0, "A")->is_number);
    assert_true(sample(h, "A= B=\"\""));
    assert_null(host_attr(h, 0, "A"));
    assert_string_equal(host_text(h, "B"), "");
    assert_false(sample(h, "A="));
    h->is_up = false;
    assert_true(sample(h, "A="));
    assert_true(h->is_up);
    host_destroy(h);
}

static void the_name_is_ours_to_give(void **state)
{
    (void)state;
    struct host *h = example();
    assert_string_equal(host_text(h, "HOSTNAME"), "node.example.org");
    sample(h, "HOSTNAME=\"evil\" A=1");
    assert_string_equal(host_text(h, "HOSTNAME"), "node.example.org");
    sample(h, "HOSTNAME=");
    assert_string_equal(host_text(h, "HOSTNAME"), "node.example.org");
    host_destroy(h);
}

static void what_is_used_stays_with_the_queue_of_that_name(void **state)
{
    (void)state;
    struct host *h = example();
    sample(h, "NODECOUNT=9 QUEUE_NAME[0]=\"a\" QUEUE_NAME[1]=\"b\"");
    h->queues[0].used = 2;
    h->queues[1].used = 3;
    sample(h, "QUEUE_NAME[0]=\"b\" QUEUE_NAME[1]=\"a\" QUEUE_NAME[2]=\"c\"");
    assert_int_equal(host_queue(h, "a")->used, 2);
    assert_int_equal(host_queue(h, "b")->used, 3);
    assert_int_equal(host_queue(h, "c")->used, 0);
    sample(h, "QUEUE_NAME[0]=\"d\" QUEUE_NAME[1]= QUEUE_NAME[2]=");
    assert_int_equal(h->n_queues, 1);
    assert_int_equal(h->queues[0].used, 5);
    host_destroy(h);
}

static void a_malformed_sample_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "A",           "A B=1",         "=1",
        "1A=1",        "A-B=1",         "A=\"x",
        "A=\"x\"y",    "A[=1",          "A[]=1",
        "A[-1]=1",     "A[x]=1",        "A[1=1",
        "A[1]",        "A[1024]=1",     "A[99999999999999999999]=1",
        "B=5 A[1]x=1", "B=5 \x01=1",    "B=5 A = 1",
        "\xff=1",      "B=5 A=\"1\" =", "B=5 QUEUE_NAME[4]=\"x\" !",
    };
    struct host *h = example();
    sample(h, "B=1 NODECOUNT=2");
    for (size_t i = 0; i < GW_COUNT(bad); i++) {
        struct gw_err err = {0};
        bool is_changed = false;
        if (host_sample(h, bad[i], &is_changed, &err) != -GW_EPROTO)
            fail_msg("taken: %s", bad[i]);
        assert_true(err.text[0]);
        assert_false(is_changed);
        assert_int_equal(host_number(h, "B"), 1);
        assert_int_equal(h->n_queues, 1);
    }
    host_destroy(h);
}

static void a_number_that_is_none_or_too_great_counts_as_none(void **state)
{
    (void)state;
    static const char *const none[] = {"N=-1",   "N=1e300", "N=inf",   "N=nan", "N=-inf",
                                       "N=1e15", "N=abc",   "N=\"7\"", "N=7x",  "N=1e999"};
    struct host *h = example();
    for (size_t i = 0; i < GW_COUNT(none); i++) {
        sample(h, none[i]);
        if (host_number(h, "N") != 0)
            fail_msg("%s counts %lu", none[i], (unsigned long)host_number(h, "N"));
    }
    /* Comparing with an infinity or with none would make a rank that cannot be sorted. */
    static const char *const no_numbers[] = {"N=inf", "N=nan", "N=1e999", "N=-inf"};
    for (size_t i = 0; i < GW_COUNT(no_numbers); i++) {
        sample(h, no_numbers[i]);
        assert_false(host_attr(h, 0, "N")->is_number);
    }
    host_destroy(h);
}

static void a_sample_of_too_many_attributes_is_refused_whole(void **state)
{
    (void)state;
    struct host *h = example();
    struct buf b = BUF_INIT;
    bool is_changed;
    for (int i = 1; i < HOST_ATTRS_MAX; i++) /* HOSTNAME is one more */
        buf_printf(&b, "A%d=%d ", i, i);
    assert_true(sample(h, b.data));
    buf_puts(&b, "ONE_MORE=1");
    assert_int_equal(host_sample(h, b.data, &is_changed, NULL), -GW_EPROTO);
    assert_null(host_attr(h, 0, "ONE_MORE"));
    buf_clear(&b);
    host_destroy(h);
}

static void samples_sent_for_ever_do_not_grow_a_host_without_bound(void **state)
{
    (void)state;
    struct host *h = example();
    size_t n_refused = 0;
    for (int round = 0; round < 30; round++) {
        struct buf b = BUF_INIT;
        bool is_changed;
        for (int i = 0; i < 1000; i++)
            buf_printf(&b, "R%d_%d=1 ", round, i);
        n_refused += host_sample(h, b.data, &is_changed, NULL) < 0;
        buf_clear(&b);
    }
    assert_true(HASH_COUNT(h->attrs) <= HOST_ATTRS_MAX);
    assert_true(n_refused > 0);
    host_destroy(h);
}

static void a_long_name_asked_for_is_not_cut_to_another(void **state)
{
    (void)state;
    char name[200], cut[128];
    memset(name, 'X', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    memcpy(name, "QUEUE_", 6);
    memcpy(cut, name, sizeof cut - 1);
    cut[sizeof cut - 1] = '\0';
    struct host *h = example();
    struct buf b = BUF_INIT;
    buf_printf(&b, "%s=5", cut);
    sample(h, b.data);
    assert_null(host_attr(h, 0, name));
    assert_non_null(host_attr(h, 0, cut));
    buf_clear(&b);
    host_destroy(h);
}

static void an_attribute_of_the_queue_goes_before_one_of_the_host(void **state)
{
    (void)state;
    struct host *h = example();
    sample(h, "QUEUE_NAME[0]=\"a\" QUEUE_NAME[1]=\"b\" QUEUE_MAXTIME[1]=60 QUEUE_MAXTIME=10 "
              "CPU_MHZ[1]=5 CPU_MHZ=9");
    assert_int_equal(host_attr(h, 0, "QUEUE_MAXTIME")->number, 10);
    assert_int_equal(host_attr(h, 1, "QUEUE_MAXTIME")->number, 60);
    assert_int_equal(host_attr(h, 1, "CPU_MHZ")->number, 9);
    host_destroy(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sample_gives_numbers_texts_and_queues),
        cmocka_unit_test(a_host_without_queues_has_one_of_all_its_nodes),
        cmocka_unit_test(a_queue_whose_name_is_not_reported_takes_no_job),
        cmocka_unit_test(only_a_value_that_differs_counts_as_a_change),
        cmocka_unit_test(the_name_is_ours_to_give),
        cmocka_unit_test(what_is_used_stays_with_the_queue_of_that_name),
        cmocka_unit_test(a_malformed_sample_is_refused_and_changes_nothing),
        cmocka_unit_test(a_number_that_is_none_or_too_great_counts_as_none),
        cmocka_unit_test(a_sample_of_too_many_attributes_is_refused_whole),
        cmocka_unit_test(samples_sent_for_ever_do_not_grow_a_host_without_bound),
        cmocka_unit_test(a_long_name_asked_for_is_not_cut_to_another),
        cmocka_unit_test(an_attribute_of_the_queue_goes_before_one_of_the_host),
    };
    return cmocka_run_group_tests_name("host", tests, NULL, NULL);
}
