/* What an LDAP server sent, cut down to the classes and attributes of GLUE that are read here.
 *
 * A server is hostile: entries, values and their lengths are bounded before they are kept, and what
 * is kept holds neither control characters nor bytes that are not UTF-8. */
#ifndef IM_GLUE_ENTRY_H
#define IM_GLUE_ENTRY_H

#include "lib/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <uthash.h>

enum glue_class {
    GLUE1_CE,
    GLUE1_SUBCLUSTER,
    GLUE2_ENDPOINT,
    GLUE2_SHARE,
    GLUE2_MANAGER,
    GLUE2_ENVIRONMENT,
    GLUE2_APPLICATION,
    GLUE2_POLICY, /* of a share: MappingPolicy */
    GLUE_CLASSES,
};

enum {
    ENTRIES_MAX = 100000,
    ENTRIES_MAX_BYTES = 64 << 20,
    ENTRY_MAX_VALUES = 512,
    VALUE_MAX_BYTES = 1024,
};

struct entry_value {
    const char *name; /* one of entry_attributes, in its spelling */
    char *text;
};

struct entry {
    enum glue_class class;
    char *dn;
    struct entry_value *values;
    size_t n;
};

struct entries {
    struct entry *items;
    size_t n;
    size_t bytes;
};

/* All attributes that are read, NULL at the end, as ldap_search_ext() takes them. */
extern const char *const entry_attributes[];
extern const char *const entry_classes[GLUE_CLASSES]; /* LDAP's names of them */

/* A new entry, for entry_add; NULL when there are too many of them. */
struct entry *entries_add(struct entries *l, const char *dn, struct gw_err *err);
void entries_drop_last(struct entries *l);
void entries_clear(struct entries *l);

/* By name, that one server's order does not number a site's queues anew each time. */
void entries_sort(struct entries *l);

/* A value of the last entry added. Attributes that nobody reads, values that are too long and more
 * values than an entry may have are left out. */
void entry_add(struct entries *l, const char *name, const char *value, size_t len);

/* Set the entry's class by its objectClass values; false: none of ours. */
bool entry_classify(struct entry *e);

/* The values called `name`: the first, or "" ; the one at or after *pos, which moves on, or NULL.
 */
const char *entry_text(const struct entry *e, const char *name);
const char *entry_next(const struct entry *e, const char *name, size_t *pos);

/* A number that means something: GLUE's publishers write 999999999, 444444 and the like for "not
 * known" and "no limit". -1 for those, for none, and for what is no number. */
long long entry_number(const struct entry *e, const char *name);

/* Entries of one class by the values of an attribute: the joins of GLUE's foreign keys. */
struct entry_link {
    char *key;
    const struct entry **items;
    size_t n;
    UT_hash_handle hh;
};

enum { LINKS_MAX = 1000 }; /* entries under one key, so that a join is never quadratic */

void links_add(struct entry_link **map, const char *key, const struct entry *e);
void links_build(struct entry_link **map, const struct entries *l, enum glue_class class,
                 const char *attribute);
const struct entry_link *links_find(const struct entry_link *map, const char *key); /* or NULL */
void links_clear(struct entry_link **map);

#endif
