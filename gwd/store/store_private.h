/* Shared by the files of gwd/store. */
#ifndef GWD_STORE_STORE_PRIVATE_H
#define GWD_STORE_STORE_PRIVATE_H

#include "gwd/model/rows.h"
#include "gwd/store/store.h"

#include <sqlite3.h>

enum { STORE_FORMAT = 2, STORE_FORMAT_PARTS = 1, SLICE_US = 1000 };

enum statement {
    APPEND,
    PUT_ROW,
    DROP_ROWS,
    PUT_SPEC,
    DROP_SPEC,
    PUT_META,
    OLDEST,
    PRUNE,
    STATEMENT_COUNT
};

/* What a checkpoint does next. */
enum step { STEP_NONE, STEP_ROWS, STEP_PRUNE };

/* Rows for the archive, of finished jobs. */
struct archive_batch {
    struct archive_row *rows;
    size_t n, cap;
    struct buf data;
    int64_t retention_us;
    const struct job_spec *last_spec; /* whose row is the last one of a spec */
    bool is_full;
};

struct store {
    char *dir;
    int lock_fd;
    sqlite3 *state, *archive, *archive_writer;
    struct background *background;
    bool has_thread;
    struct archive_batch batch; /* the next one */
    int64_t archive_retention_us;
    sqlite3_stmt *statements[STATEMENT_COUNT];
    int format;
    bool has_head, has_to_convert;
    uint64_t rows;          /* of the journal since the last checkpoint */
    uint64_t rows_of_round; /* of these, what the one under way replaces */
    enum step step;
    struct buf head; /* of the round under way */
    struct row drop; /* a range of rows that are being dropped: key .. end-1 */
    uint64_t n_rows, n_specs;
    uint64_t prune_to;
    int64_t slice_us;  /* of the loop's time; looked at after each row */
    uint64_t next_seq; /* of the event to come; 0 before store_load */
};

int sql_error(sqlite3 *db, const char *what, struct gw_err *err);
int sql_exec(sqlite3 *db, const char *sql, const char *what, struct gw_err *err);
int sql_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret, struct gw_err *err);

/* Append the CRC of `number` and all bytes of b to b. */
void seal(struct buf *b, uint64_t number);
/* The length without the CRC, or -1 when it does not fit. */
long unseal(const void *data, size_t len, uint64_t number);

/* Write the checkpoint of a state that was read from a store of the first format, and make it one
 * of this. */
int checkpoint_convert(struct store *s, struct state *state, struct gw_err *err);

int store_archive_open(struct store *s, struct gw_err *err);
int store_archive_write_batch(sqlite3 *db, const struct archive_batch *b,
                              struct gw_err *err); /* the worker */
void store_archive_clear(struct archive_batch *b);

int background_start(struct store *s, struct gw_err *err);
void background_stop(struct store *s);
/* SQLite calls it after each commit with the length of the log. */
int background_after_commit(void *ctx, sqlite3 *db, const char *name, int n_pages);

#endif
