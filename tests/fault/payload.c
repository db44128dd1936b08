/* The program of the jobs of the fault matrix, which keeps a site's own account of what it runs.
 *
 *     payload LEDGER CODE MS [FILE]
 *
 * Appends "start TOKEN" to LEDGER, works for MS milliseconds, appends "end TOKEN CODE" and exits
 * with CODE; the token also goes into FILE. Each line is a record (record.h), one write to a file
 * opened for appending: it is there when the process or anybody else is killed, and lines of all
 * processes have one order. */
#include "tests/fault/record.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

/* In a job directory it is the name of the claim; without one the environment tells it. */
static const char *token(void)
{
    static char name[256];
    const char *told = getenv("GW_TOKEN");
    DIR *here = opendir(".");
    for (const struct dirent *e; here && (e = readdir(here));)
        if (strncmp(e->d_name, "claim.", 6) == 0)
            snprintf(name, sizeof name, "%s", e->d_name + 6);
    if (here)
        closedir(here);
    return name[0] ? name : told ? told : "none";
}

static void append(const char *path, const char *line)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0 || !record_write(fd, line))
        exit(EX_IOERR);
    close(fd);
}

static void put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        exit(EX_IOERR);
    close(fd);
}

static void work(long ms)
{
    struct timespec rest = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&rest, &rest) < 0 && errno == EINTR)
        ;
}

int main(int argc, char **argv)
{
    char line[512];
    if (argc < 4)
        return EX_USAGE;
    const char *name = token();
    snprintf(line, sizeof line, "start %s", name);
    append(argv[1], line);
    if (argc > 4)
        put(argv[4], name);
    work(strtol(argv[3], NULL, 10));
    snprintf(line, sizeof line, "end %s %s", name, argv[2]);
    append(argv[1], line);
    return (int)strtol(argv[2], NULL, 10);
}
