/* Typed access to what came from outside. */
#include "client/gw.h"

#include <string.h>

const char *gw_text(const json_t *object, const char *name, const char *otherwise)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : otherwise;
}

int64_t gw_int(const json_t *object, const char *name, int64_t otherwise)
{
    const json_t *v = json_object_get(object, name);
    return json_is_integer(v) ? json_integer_value(v) : otherwise;
}

double gw_number(const json_t *object, const char *name, double otherwise)
{
    const json_t *v = json_object_get(object, name);
    return json_is_number(v) ? json_number_value(v) : otherwise;
}

bool gw_bool(const json_t *object, const char *name, bool otherwise)
{
    const json_t *v = json_object_get(object, name);
    return json_is_boolean(v) ? json_is_true(v) : otherwise;
}

bool gw_is_null(const json_t *object, const char *name)
{
    const json_t *v = json_object_get(object, name);
    return !v || json_is_null(v);
}

const json_t *gw_object(const json_t *object, const char *name)
{
    const json_t *v = json_object_get(object, name);
    return json_is_object(v) ? v : NULL;
}

const json_t *gw_array(const json_t *object, const char *name)
{
    const json_t *v = json_object_get(object, name);
    return json_is_array(v) ? v : NULL;
}

bool gw_job_has_ended(const json_t *job)
{
    const char *phase = gw_text(job, "phase", "");
    return strcmp(phase, "DONE") == 0 || strcmp(phase, "FAILED") == 0;
}

json_t *gw_ids(const uint64_t *ids, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_integer((json_int_t)ids[i]));
    return list;
}
