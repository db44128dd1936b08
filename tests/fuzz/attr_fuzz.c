/* Host lists and attribute files of the static information driver: the line that is made of a file
 * is one that gwd takes, and clearing what is gone leaves nothing of it.
 *
 * fuzz: max_len=1024 */
#include "gwd/model/host.h"
#include "im/attributes.h"
#include "im/hostlist.h"
#include "im/self.h"
#include "tests/fuzz/fuzz.h"

static unsigned n_reports;

static void report(const char *message)
{
    FUZZ_CHECK(*message);
    n_reports++;
}

static void check_list(const char *text, size_t len)
{
    struct hostlist l = {0};
    n_reports = 0;
    hostlist_parse(text, len, "/etc/hosts.list", &l, report);
    for (size_t i = 0; i < l.n; i++) {
        FUZZ_CHECK(attributes_is_host_name(l.items[i].host) && l.items[i].file[0] == '/');
        for (size_t k = 0; k < i; k++)
            FUZZ_CHECK(strcmp(l.items[i].host, l.items[k].host) != 0);
    }
    hostlist_clear(&l);
}

static unsigned known(struct host *h, const char *line)
{
    bool is_changed;
    FUZZ_CHECK(host_sample(h, line, &is_changed, NULL) == 0);
    return HASH_COUNT(h->attrs);
}

static void check_attributes(const char *text, size_t len, const char *later, size_t later_len)
{
    struct buf first = BUF_INIT, second = BUF_INIT;
    struct gw_err err = {0};
    if (attributes_parse(text, len, "f", &first, &err) < 0)
        FUZZ_CHECK(*err.text && first.len == 0);
    if (attributes_parse(later, later_len, "f", &second, &err) < 0)
        FUZZ_CHECK(*err.text && second.len == 0);
    FUZZ_CHECK(!strchr(buf_str(&first), '\n') && !strchr(buf_str(&second), '\n'));
    struct host *h = host_create(1, "h", "i", "t", "e"),
                *fresh = host_create(1, "h", "i", "t", "e");
    if (!memchr(text, '[', len) &&
        !memchr(later, '[', later_len)) { /* an index may be written in two ways */
        unsigned alone = known(fresh, buf_str(&second));
        known(h, buf_str(&first));
        attributes_clear_gone(buf_str(&first), &second);
        FUZZ_CHECK(known(h, buf_str(&second)) == alone);
    }
    host_destroy(h);
    host_destroy(fresh);
    buf_clear(&first);
    buf_clear(&second);
}

static void check_self(const char *text)
{
    struct self_host s = {0};
    struct gw_err err = {0};
    if (self_parse(text, &s, &err) < 0) {
        FUZZ_CHECK(*err.text);
        return;
    }
    struct buf line = BUF_INIT;
    bool is_changed;
    struct host *h = host_create(1, "h", "i", "t", "e");
    attributes_put_text(&line, "STAGE_URL", s.stage_url);
    attributes_put_number(&line, "NODECOUNT", s.slots);
    FUZZ_CHECK(attributes_is_host_name(s.name) && s.slots > 0);
    FUZZ_CHECK(host_sample(h, buf_str(&line), &is_changed, NULL) == 0);
    FUZZ_CHECK(host_number(h, "NODECOUNT") == s.slots);
    host_destroy(h);
    buf_clear(&line);
    self_clear(&s);
}

/* The input's parts end at bytes of the value 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    size_t len = 0, later_len = 0;
    char *text = fuzz_part(&in, '\0', &len), *later = fuzz_part(&in, '\0', &later_len);
    if (text) {
        check_list(text, len);
        check_attributes(text, len, later ? later : "", later_len);
        check_self(text);
    }
    free(text);
    free(later);
    return 0;
}
