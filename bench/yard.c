/* What this machine does without us, to compare with: processes spawned one after another, rows
 * committed one by one, blocks synced. Prints a JSON line each.
 *
 *     yard DIR [SECONDS]      DIR: where the files go; SECONDS for each, 1 by default */
#include "bench/report.h"
#include "lib/mem.h"

#include <fcntl.h>
#include <spawn.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static bool spawn_one(void *ctx)
{
    static char *argv[] = {(char *)"/bin/true", NULL}, *env[] = {NULL};
    pid_t pid;
    int status;
    (void)ctx;
    return posix_spawn(&pid, argv[0], NULL, NULL, argv, env) == 0 &&
           waitpid(pid, &status, 0) == pid && status == 0;
}

static bool commit_one(void *ctx)
{
    sqlite3_stmt *insert = ctx;
    bool is_done = sqlite3_step(insert) == SQLITE_DONE;
    sqlite3_reset(insert);
    return is_done;
}

static bool sync_one(void *ctx)
{
    static const char block[4096];
    int fd = *(int *)ctx;
    return pwrite(fd, block, sizeof block, 0) == sizeof block && fdatasync(fd) == 0;
}

static void measure(const char *name, bool (*one)(void *ctx), void *ctx, double seconds)
{
    double start = report_now_s(), end;
    long n = 0;
    do {
        if (!one(ctx))
            die(name);
        n++;
    } while ((end = report_now_s()) - start < seconds);
    report(name, (double)n / (end - start), "1/s");
}

static sqlite3 *open_database(const char *dir, sqlite3_stmt **ret_insert)
{
    char *path = xasprintf("%s/yard.db", dir);
    sqlite3 *db;
    if (sqlite3_open(path, &db) != SQLITE_OK ||
        sqlite3_exec(db,
                     "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                     "CREATE TABLE row(id INTEGER PRIMARY KEY, data BLOB NOT NULL);",
                     NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(db, "INSERT INTO row(data) VALUES(zeroblob(200))", -1, ret_insert,
                           NULL) != SQLITE_OK) {
        fprintf(stderr, "%s: %s\n", path, sqlite3_errmsg(db));
        exit(1);
    }
    free(path);
    return db;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: yard DIR [SECONDS]\n");
        return 64;
    }
    double seconds = argc > 2 ? strtod(argv[2], NULL) : 1;
    sqlite3_stmt *insert;
    sqlite3 *db = open_database(argv[1], &insert);
    char *path = xasprintf("%s/yard.file", argv[1]);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        die(path);
    measure("yard.spawn", spawn_one, NULL, seconds);
    measure("yard.commit", commit_one, insert, seconds);
    measure("yard.fdatasync", sync_one, &fd, seconds);
    sqlite3_finalize(insert);
    sqlite3_close(db);
    close(fd);
    free(path);
    return 0;
}
