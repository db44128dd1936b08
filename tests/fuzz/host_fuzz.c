/* Samples of hosts, as information drivers send them: all or nothing, bounded, and a host's name is
 * its own.
 *
 * fuzz: max_len=1024 */
#include "gwd/model/host.h"
#include "tests/fuzz/fuzz.h"

static void check(const struct host *h)
{
    size_t n = 0;
    uint64_t free_slots = 0;
    FUZZ_CHECK(strcmp(host_text(h, "HOSTNAME"), "h.example.org") == 0);
    FUZZ_CHECK(HASH_COUNT(h->attrs) <= HOST_ATTRS_MAX && h->n_queues <= HOST_QUEUES_MAX);
    FUZZ_CHECK(!h->is_up || h->n_queues > 0);
    for (const struct attr *a = h->attrs; a; a = a->hh.next) {
        n++;
        FUZZ_CHECK(*a->key && !strpbrk(a->key, " \t\"=") && a->index < HOST_QUEUES_MAX);
        FUZZ_CHECK(!a->is_number || a->number == a->number);
        FUZZ_CHECK(host_number(h, a->key) < UINT64_C(1000000000000000));
    }
    for (size_t i = 0; i < h->n_queues; i++) {
        FUZZ_CHECK(h->queues[i].name);
        free_slots += host_free(h, i);
        host_attr(h, i, "QUEUE_STATUS");
    }
    FUZZ_CHECK(free_slots <= UINT64_C(1024) * UINT64_C(1000000000000000));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    struct host *h = host_create(1, "h.example.org", "i", "t", "e");
    uint64_t held = 0;
    for (char *text; (text = fuzz_part(&in, '\n', NULL));) {
        struct gw_err err = {0};
        bool is_changed = false;
        unsigned n_before = HASH_COUNT(h->attrs);
        if (host_sample(h, text, &is_changed, &err) < 0) {
            FUZZ_CHECK(*err.text && HASH_COUNT(h->attrs) == n_before);
        } else {
            /* The same a second time changes nothing, unless it says two things of one attribute.
             */
            bool is_again = false;
            unsigned n = HASH_COUNT(h->attrs);
            FUZZ_CHECK(host_sample(h, text, &is_again, &err) == 0);
            FUZZ_CHECK(HASH_COUNT(h->attrs) == n);
        }
        /* Slots that our jobs hold stay held, whatever becomes of the queues. */
        uint64_t used = 0;
        for (size_t i = 0; i < h->n_queues; i++)
            used += h->queues[i].used;
        FUZZ_CHECK(used == held);
        if (h->n_queues && !held)
            h->queues[h->n_queues - 1].used = held = 3;
        check(h);
        free(text);
    }
    host_destroy(h);
    return 0;
}
