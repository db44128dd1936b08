/* Shared by the files of gwd/store. */
#ifndef GWD_STORE_STORE_PRIVATE_H
#define GWD_STORE_STORE_PRIVATE_H

#include "gwd/model/rows.h"
#include "gwd/store/store.h"

#include <sqlite3.h>

/* 1: the state whole, in parts. 2: in rows. 3: with the sum of all rows, and a mark beside it. */
enum { STORE_FORMAT = 3, STORE_FORMAT_ROWS = 2, STORE_FORMAT_PARTS = 1, SLICE_US = 1000 };

enum statement {
    APPEND,
    GET_ROW,
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

enum { ARCHIVE_SPEC = 1 }; /* in a row of the archive: the spec that its column names */

/* Rows for the archive, of finished jobs. */
struct archive_batch {
    struct archive_row *rows;
    size_t n, cap;
    struct buf data;
    int64_t at_us, retention_us;
    const struct job_spec *last_spec; /* whose row is the last one of a spec */
    bool is_full;
};

/* What stands in state.mark (mark.c). */
struct mark {
    char instance[40]; /* "-": not known yet */
    uint64_t seq;      /* the last event that was acknowledged */
    uint64_t batch;    /* the last of the archive */
    uint64_t file;     /* which one state.db is: another one is a copy */
    bool is_there;
};

struct store {
    char *dir;
    int lock_fd, mark_fd;
    struct mark mark;
    size_t mark_slot; /* that holds it */
    bool is_read_only;
    bool is_adopted; /* being restored, or a backup: there is no mark */
    bool was_copied;
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
    struct buf head;               /* of the round under way */
    struct row drop;               /* a range of rows that are being dropped: key .. end-1 */
    uint64_t n_rows, n_specs, sum; /* of the checkpoint; sum: row_hash() of all its rows */
    uint64_t prune_to;
    int64_t slice_us;  /* of the loop's time; looked at after each row */
    uint64_t next_seq; /* of the event to come; 0 before store_load */
    struct state past; /* the last job that was looked for in the archive */
};

int sql_error(sqlite3 *db, const char *what, struct gw_err *err);
int sql_exec(sqlite3 *db, const char *sql, const char *what, struct gw_err *err);
int sql_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret, struct gw_err *err);

/* Append the CRC of `number` and all bytes of b to b. */
void seal(struct buf *b, uint64_t number);
/* The length without the CRC, or -1 when it does not fit. */
long unseal(const void *data, size_t len, uint64_t number);

/* What one row adds to the sum of a checkpoint's rows: one that is gone, or taken back to what it
 * once was, is missed. */
uint64_t row_hash(bool is_spec, uint64_t key, const void *data, size_t len);

/* A state that was read from a store of an earlier format becomes one of this. */
int checkpoint_convert(struct store *s, struct state *state, struct gw_err *err);

/* mark.c. Read it where there is one; make it where there is none yet, and look whether state.db is
 * still the same file. */
int mark_open(struct store *s, struct gw_err *err);
int mark_begin(struct store *s, struct gw_err *err);
void mark_name(struct store *s, const char *instance); /* NULL: not known yet */
int mark_write(struct store *s, struct gw_err *err);
/* Is the state that was read at least what was acknowledged? */
int mark_check(const struct store *s, const struct state *state, struct gw_err *err);

int store_lock(struct store *s, struct gw_err *err);
/* -GW_ECORRUPT: a restore into `dir` was interrupted while it put files in their places. */
int store_check_restored(const char *dir, struct gw_err *err);
/* -GW_ECORRUPT: there is no state.db in `dir`. */
int store_check_there(const char *dir, struct gw_err *err);
/* As store_open, of a state that was put there just now. */
int store_open_adopted(const char *dir, struct store **ret, struct gw_err *err);
/* For store_load alone, without the lock: the state as it is now, whoever writes to it meanwhile.
 */
int store_open_reader(const char *dir, bool is_backup, struct store **ret, struct gw_err *err);

/* A state that was read and is good: its tables as they are now, its statements, its thread. Those
 * of the archive come first (store_archive_begin). */
int store_begin(struct store *s, struct gw_err *err);

/* Open a database; nothing in it or of its log is changed by that, nor by closing it. */
int store_open_database(const char *path, int flags, sqlite3 **ret, struct gw_err *err);

/* Opened and looked at; then, when the state is known to be good, made ready to be written to. */
int store_archive_open(struct store *s, struct gw_err *err);
int store_archive_begin(struct store *s, struct gw_err *err);
/* By the worker; *ret_batch is the number it got, and stays when there is nothing in it.
 * *ret_next_us: store_archive_next_us(). */
int store_archive_write_batch(sqlite3 *db, const struct archive_batch *b, uint64_t *ret_batch,
                              int64_t *ret_next_us, struct gw_err *err);
void store_archive_clear(struct archive_batch *b);

int background_start(struct store *s, struct gw_err *err);
void background_stop(struct store *s);
/* A log that could not be copied for a reason that more space does not mend. */
int background_error(struct store *s, struct gw_err *err);
/* SQLite calls it after each commit with the length of the log. */
int background_after_commit(void *ctx, sqlite3 *db, const char *name, int n_pages);

#endif
