/* How long a command takes, as a process: median over some runs, after one that does not count.
 *
 *     time NAME RUNS COMMAND [ARGUMENT ...]      its output goes nowhere; it has to succeed */
#include "bench/report.h"
#include "lib/mem.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static double run_ms(char **argv)
{
    posix_spawn_file_actions_t actions;
    pid_t pid;
    int status;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    double start = report_now_s();
    if (posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ) != 0 ||
        waitpid(pid, &status, 0) != pid || status != 0) {
        fprintf(stderr, "time: %s failed\n", argv[0]);
        exit(1);
    }
    posix_spawn_file_actions_destroy(&actions);
    return (report_now_s() - start) * 1e3;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
    long runs = argc > 3 ? strtol(argv[2], NULL, 10) : 0;
    if (runs < 1) {
        fprintf(stderr, "usage: time NAME RUNS COMMAND [ARGUMENT ...]\n");
        return 64;
    }
    double *ms = xcalloc((size_t)runs, sizeof *ms);
    run_ms(argv + 3);
    for (long i = 0; i < runs; i++)
        ms[i] = run_ms(argv + 3);
    qsort(ms, (size_t)runs, sizeof *ms, by_size);
    report(argv[1], ms[runs / 2], "ms");
    free(ms);
    return 0;
}
