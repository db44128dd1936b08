/* Shared by the files of gwd/store. */
#ifndef GWD_STORE_STORE_PRIVATE_H
#define GWD_STORE_STORE_PRIVATE_H

#include "gwd/store/store.h"

#include <sqlite3.h>

enum { STORE_FORMAT = 1 };

struct store {
    char *dir;
    int lock_fd;
    sqlite3 *state, *archive;
    sqlite3_stmt *append;
    uint64_t rows;     /* of the journal since the last checkpoint */
    uint64_t next_seq; /* of the event to come; 0 before store_load */
};

int sql_error(sqlite3 *db, const char *what, struct gw_err *err);
int sql_exec(sqlite3 *db, const char *sql, const char *what, struct gw_err *err);
int sql_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret, struct gw_err *err);

/* Append the CRC of `number` and all bytes of b to b. */
void seal(struct buf *b, uint64_t number);
/* The length without the CRC, or -1 when it does not fit. */
long unseal(const void *data, size_t len, uint64_t number);

int archive_open(struct store *s, struct gw_err *err);

#endif
