#include "gwd/daemon/request.h"

enum {
    LINE_PLAIN_BYTES = 4096, /* too short for what_is_too_much() */
    VALUES_MAX = 500000,     /* in a line; and so many arrays and objects, which take much memory */
    CONTAINERS_MAX = 64,
};

/* Would it take too much memory and time to read this line? NULL: no; else why. Strings count by
 * their bytes alone. */
static const char *what_is_too_much(const char *line, size_t len)
{
    size_t values = 0, containers = 0;
    bool is_text = false;
    for (size_t i = 0; i < len; i++) {
        if (is_text && line[i] == '\\')
            i++;
        else if (line[i] == '"')
            is_text = !is_text;
        else if (!is_text && line[i] == ',')
            values++;
        else if (!is_text && (line[i] == '[' || line[i] == '{'))
            containers++;
    }
    return values > VALUES_MAX           ? "a request has more than 500,000 values"
           : containers > CONTAINERS_MAX ? "a request has more than 64 arrays and objects"
                                         : NULL;
}

int request_read(const char *line, size_t len, json_t **ret, struct gw_err *err)
{
    json_error_t error;
    const char *refusal = len > LINE_PLAIN_BYTES ? what_is_too_much(line, len) : NULL;
    if (refusal)
        return gw_err_set(err, GW_EPROTO, "%s", refusal);
    json_t *request = json_loadb(line, len, JSON_REJECT_DUPLICATES, &error);
    json_t *id = json_object_get(request, "id");
    int r = 0;
    if (!request)
        r = gw_err_set(err, GW_EPROTO, "not a JSON object: %s at byte %d", error.text,
                       error.position);
    else if (!json_is_object(request))
        r = gw_err_set(err, GW_EPROTO, "not a JSON object");
    else if (!json_is_integer(id) || json_integer_value(id) < 1 || json_integer_value(id) >> 53)
        r = gw_err_set(err, GW_EPROTO, "a request needs an id, an integer from 1 to 2^53-1");
    if (r < 0)
        json_decref(request);
    else
        *ret = request;
    return r;
}
