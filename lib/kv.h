/* KEY = VALUE texts: job templates, gwd.conf, vm.conf. One parser for all of them.
 *
 *   # a comment: at the start of a line, or after a blank that follows the value
 *   NAME = value to the end of the line            (blanks around it are not part of it)
 *   NAME = "quoted value, which may span
 *           lines and hold # and blanks; \" \\ \n \t are the escapes"
 *   NAME[index] = value                            (where the schema allows an index)
 *   NAME += more                                   (a list is continued: ", " goes between)
 *
 * GridWay's rules, extended by escapes, [index] and +=; the last line may lack its newline; CRLF ends a
 * line too. A NUL byte or a byte sequence that is not UTF-8 is an error at its place. */
#ifndef LIB_KV_H
#define LIB_KV_H

#include "lib/diag.h"

#include <stddef.h>

struct kv {
    char *key;
    char *index; /* text between [ ], or NULL */
    char *value; /* unquoted */
    struct place key_at;
    struct place value_at;   /* of the first character of the unquoted value */
    bool is_append;          /* += */
    unsigned *value_offset;  /* for byte i of value: its offset in the source; value_len + 1 of them */
    size_t value_len;
};

struct kv_list {
    struct kv *items;
    size_t n;
};

/* Parse `source` (len bytes) into `ret`; every syntax error goes to `d` with its place. The entries that
 * were understood are returned in any case. Returns 0, or -GW_EINVAL when d got errors. */
int kv_parse(const char *source, size_t len, struct kv_list *ret, struct diags *d);
void kv_clear(struct kv_list *list);

/* The place in the source of bytes [from, from+length) of a value: for errors inside it. */
struct place kv_place(const struct diags *d, const struct kv *kv, size_t from, size_t length);

#endif
