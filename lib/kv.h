/* KEY = VALUE texts: job templates, gwd.conf, vm.conf. One parser for all of them.
 *
 *   # a comment: at the start of a line, or after a blank that follows the value
 *   NAME = value to the end of the line            (blanks around it are not part of it)
 *   NAME = "quoted value, which may span
 *           lines and hold # and blanks; \" \\ \n \t are the escapes"
 *   NAME[index] = value                            (where the schema allows an index)
 *   NAME += more                                   (a list is continued: kv_join)
 *
 * GridWay's rules, extended by escapes, [index] and +=; the last line may lack its newline; CRLF
 * ends a line too. Any other backslash in a quoted value stands for itself. A NUL byte or a byte
 * sequence that is not UTF-8 is an error at its place; a byte order mark at the beginning is
 * skipped. */
#ifndef LIB_KV_H
#define LIB_KV_H

#include "lib/diag.h"

#include <stddef.h>

enum { KV_SOURCE_MAX = 16 << 20 };

struct kv {
    char *key;
    char *index; /* text between [ ], or NULL */
    char *value; /* unquoted */
    struct place key_at;
    struct place value_at; /* of the first character of the unquoted value; spans its line's part */
    bool is_append;        /* += */
    unsigned
        *value_offset; /* for byte i of value: its offset in the source; value_len + 1 of them */
    size_t value_len;
};

struct kv_list {
    struct kv *items;
    size_t n;
};

/* Parse `source` (len bytes, at most KV_SOURCE_MAX) into `ret`, which is overwritten; every syntax
 * error goes to `d` with its place. The entries that were understood are returned in any case; what
 * comes after DIAGS_MAX errors is not looked at. Returns 0, or -GW_EINVAL when d got errors. */
int kv_parse(const char *source, size_t len, struct kv_list *ret, struct diags *d);
void kv_clear(struct kv_list *list);

/* The place in the source of bytes [from, from+length) of a value: for errors inside it. A stretch
 * that goes over the end of a line ends there. Without a source in `d`: where the value begins. */
struct place kv_place(const struct diags *d, const struct kv *kv, size_t from, size_t length);

/* Continue the value of `kv` with that of a later entry, ", " between them unless one is empty;
 * places in the joined value stay true. */
void kv_join(struct kv *kv, const struct kv *more);

#endif
