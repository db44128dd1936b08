/* Looks at a daemon until its standard input ends, and tells whether it grew.
 *
 *     growth PID STATE_DIR
 *
 * Prints a line for each figure: its name, the median of the second quarter of the time, that of
 * the last, the most. Exits 1 when memory grew by more than 5 % and 4 MiB, descriptors by more than
 * one, or a file of the state by more than 25 % and 8 MiB. */
#include "bench/growth.h"

#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static void look(struct growth *g)
{
    struct pollfd end = {.fd = STDIN_FILENO, .events = POLLIN};
    int pause_ms = 50;
    do {
        if (g->n == GROWTH_SAMPLES) {
            growth_thin(g);
            pause_ms *= 2;
        }
        growth_sample(g);
    } while (poll(&end, 1, pause_ms) == 0);
}

static int tell(const struct growth *g)
{
    static const struct {
        const char *name;
        double percent, least;
    } allowed[GROWTH_FIGURES] = {[RSS_MIB] = {"memory, MiB", 5, 4},
                                 [DESCRIPTORS] = {"descriptors", 0, 1},
                                 [WAL_MIB] = {"log, MiB", 25, 8},
                                 [STATE_MIB] = {"state, MiB", 25, 8},
                                 [ARCHIVE_MIB] = {"archive, MiB", 25, 8}};
    int code = 0;
    for (int f = 0; f < GROWTH_FIGURES; f++) {
        double before = growth_before(g, f), more = growth_after(g, f) - before;
        bool has_grown = more > allowed[f].least && more > before * allowed[f].percent / 100;
        printf("%s: %.6g, then %.6g, at most %.6g%s\n", allowed[f].name, before, before + more,
               growth_largest(g, f), has_grown ? ": IT GROWS" : "");
        code |= has_grown;
    }
    return code;
}

int main(int argc, char **argv)
{
    static struct growth g;
    if (argc != 3) {
        fprintf(stderr, "usage: growth PID STATE_DIR\n");
        return 64;
    }
    g.pid = argv[1];
    g.state_dir = argv[2];
    look(&g);
    return tell(&g);
}
