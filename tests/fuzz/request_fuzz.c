/* What clients send: a line is a request or it is refused, the same whether or not it is long
 * enough to be counted first; of a request each field is one that its operation takes, and what was
 * found good is good again, whoever has written it. (daemon_fuzz.c sends such lines to a daemon.)
 *
 * fuzz: max_len=512 */
#include "gwd/daemon/request.h"
#include "tests/fuzz/fuzz.h"

#include <limits.h>

enum { COUNTED_BYTES = 4097, CONTAINERS_MAX = 64 };

static size_t containers(const char *line, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++)
        n += line[i] == '[' || line[i] == '{';
    return n;
}

/* The text with blanks behind it, so that it is counted before it is read. */
static json_t *read_counted(const char *line, size_t len)
{
    json_t *request = NULL;
    char *copy = xmalloc(len + COUNTED_BYTES);
    memcpy(copy, line, len);
    memset(copy + len, ' ', COUNTED_BYTES);
    request_read(copy, len + COUNTED_BYTES, &request, NULL);
    free(copy);
    return request;
}

static void check_value(const json_t *v)
{
    size_t i;
    json_t *item;
    FUZZ_CHECK(json_is_string(v) || json_is_integer(v) || json_is_boolean(v) || json_is_array(v));
    if (json_is_string(v))
        FUZZ_CHECK(strlen(json_string_value(v)) == json_string_length(v));
    json_array_foreach(v, i, item)
    {
        FUZZ_CHECK(json_is_string(item) ||
                   (json_is_integer(item) && json_integer_value(item) >= 0));
    }
}

/* Good as a client's library would write it, too. */
static void check_again(json_t *request)
{
    char *text = json_dumps(request, JSON_COMPACT);
    json_t *again = NULL;
    FUZZ_CHECK(request_read(text, strlen(text), &again, NULL) == 0 && json_equal(request, again));
    FUZZ_CHECK(ops_check(again, NULL) == 0 && json_equal(request, again));
    json_decref(again);
    free(text);
}

static void check_submission(json_t *request)
{
    struct gw_err err = {0};
    bool is_good = ops_check_submit(request, false, &err) == 0;
    const char *home = json_string_value(json_object_get(request, "home"));
    json_int_t priority = json_integer_value(json_object_get(request, "priority"));
    FUZZ_CHECK(is_good ? home && *home == '/' && strlen(home) <= PATH_MAX && priority < 20
                       : *err.text != '\0');
    if (is_good) /* an administrator may do more */
        FUZZ_CHECK(ops_check_submit(request, true, NULL) == 0);
}

static void check_request(json_t *request)
{
    const char *name;
    json_t *v;
    struct gw_err err = {0};
    if (ops_check(request, &err) < 0) {
        FUZZ_CHECK(*err.text && strlen(err.text) < 200);
        return;
    }
    const char *op = json_string_value(json_object_get(request, "op"));
    FUZZ_CHECK(op && json_object_size(request) <= 16);
    json_object_foreach(request, name, v)
    {
        check_value(v);
    }
    check_again(request);
    if (strcmp(op, "submit") == 0)
        check_submission(request);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *line = (const char *)data;
    struct gw_err err = {0};
    json_t *request = NULL, *counted = read_counted(line, size);
    int r = request_read(line, size, &request, &err);
    FUZZ_CHECK((r == 0) == (request != NULL) && (r == 0 || *err.text));
    if (counted)
        FUZZ_CHECK(request && json_equal(request, counted));
    else
        FUZZ_CHECK(!request || containers(line, size) > CONTAINERS_MAX);
    json_decref(counted);
    if (request)
        check_request(request);
    json_decref(request);
    return 0;
}
