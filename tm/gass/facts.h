/* What a server says of a file: a line of MLST or MLSD (RFC 3659), "Type=file;Size=5; name". Pure;
 * the line is hostile, for names are chosen by payloads. */
#ifndef TM_GASS_FACTS_H
#define TM_GASS_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum facts_type { FACTS_OTHER, FACTS_FILE, FACTS_DIR, FACTS_SELF }; /* SELF: "." or ".." */

struct facts {
    enum facts_type type; /* of a symbolic link: of what it leads to */
    bool is_link;
    bool is_forbidden; /* the server says that it may not be read */
    bool has_size, has_mtime, has_mode;
    uint64_t size;
    int64_t mtime; /* s since 1970 UTC */
    mode_t mode;   /* 0777 of it */
    const char *name;
    size_t name_len; /* in the line; 0: none that could be one name */
};

/* false for what is no such line. */
bool facts_parse(const char *line, size_t len, struct facts *ret);

#endif
