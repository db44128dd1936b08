/* docs/schema/gw.schema.json, and whether what a command printed fits it: as much of JSON Schema as
 * ours uses. For tests only. */
#ifndef TESTS_UNIT_GW_SCHEMA_H
#define TESTS_UNIT_GW_SCHEMA_H

#include "lib/mem.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static json_t *schema;

static inline const json_t *resolve(const json_t *s)
{
    const char *ref = json_string_value(json_object_get(s, "$ref"));
    return ref ? json_object_get(json_object_get(schema, "$defs"), strrchr(ref, '/') + 1) : s;
}

static inline bool has_type(const json_t *v, const json_t *type)
{
    size_t i;
    json_t *one;
    json_array_foreach(type, i, one) if (has_type(v, one)) return true;
    const char *name = json_string_value(type);
    if (!name)
        return false;
    return (strcmp(name, "object") == 0 && json_is_object(v)) ||
           (strcmp(name, "array") == 0 && json_is_array(v)) ||
           (strcmp(name, "string") == 0 && json_is_string(v)) ||
           (strcmp(name, "integer") == 0 && json_is_integer(v)) ||
           (strcmp(name, "number") == 0 && json_is_number(v)) ||
           (strcmp(name, "boolean") == 0 && json_is_boolean(v)) ||
           (strcmp(name, "null") == 0 && json_is_null(v));
}

static inline bool is_among(const json_t *v, const json_t *list)
{
    size_t i;
    json_t *one;
    json_array_foreach(list, i, one) if (json_equal(v, one)) return true;
    return false;
}

static inline bool fits(const json_t *v, const json_t *s, const char *where);

/* Exactly the keys: stricter than the schema itself, which lets later versions add members. */
static inline bool object_fits(const json_t *v, const json_t *s, const char *where)
{
    const char *name;
    json_t *member, *properties = json_object_get(s, "properties");
    size_t i;
    json_object_foreach((json_t *)v, name, member)
    {
        json_t *p = json_object_get(properties, name);
        if (properties && !p) {
            print_error("%s.%s is not in the schema\n", where, name);
            return false;
        }
        if (p && !fits(member, p, name))
            return false;
    }
    json_array_foreach(json_object_get(s, "required"), i,
                       member) if (!json_object_get(v, json_string_value(member)))
    {
        print_error("%s.%s is missing\n", where, json_string_value(member));
        return false;
    }
    return true;
}

static inline bool fits(const json_t *v, const json_t *s, const char *where)
{
    size_t i;
    json_t *one;
    s = resolve(s);
    if (json_object_get(s, "oneOf")) {
        json_array_foreach(
            json_object_get(s, "oneOf"), i,
            one) if (json_is_null(v) ==
                     (strcmp("null", json_string_value(json_object_get(one, "type"))
                                         ? json_string_value(json_object_get(one, "type"))
                                         : "") == 0)) return fits(v, one, where);
        return false;
    }
    const json_t *type = json_object_get(s, "type"), *list = json_object_get(s, "enum"),
                 *only = json_object_get(s, "const");
    if ((type && !has_type(v, type)) || (list && !is_among(v, list)) ||
        (only && !json_equal(v, only))) {
        print_error("%s has a value that the schema does not allow\n", where);
        return false;
    }
    if (json_is_object(v) && !object_fits(v, s, where))
        return false;
    json_array_foreach(v, i, one) if (!fits(one, json_object_get(s, "items"), where)) return false;
    return true;
}

static inline void check_schema(const char *out, const char *name)
{
    size_t lines = 0;
    char *copy = xstrdup(out), *rest = NULL;
    for (char *line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        json_t *v = json_loads(line, 0, NULL),
               *s = json_object_get(json_object_get(schema, "$defs"), name);
        assert_non_null(v);
        assert_non_null(s);
        assert_true(fits(v, s, name));
        json_decref(v);
        lines++;
    }
    assert_true(lines > 0);
    free(copy);
}

/* The group's setup and teardown. */
static inline int load_schema(void **state)
{
    (void)state;
    schema = json_load_file("docs/schema/gw.schema.json", 0, NULL);
    return schema ? 0 : -1;
}

static inline int drop_schema(void **state)
{
    (void)state;
    json_decref(schema);
    return 0;
}

#endif
