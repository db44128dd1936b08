/* One process per credential, for drivers whose libraries keep the credential in globals of the
 * process, have calls that never return, or stay unusable once they began badly.
 *
 * The program that gwd starts is a router: it answers INIT itself, starts for each credential a
 * worker (the same program, on pipes), passes a handle's requests on to the worker of its
 * credential (docs/PROTOCOL: CREDENTIAL; without one: the default worker) and the answers back. A
 * worker is an ordinary driver for one credential: X509_USER_PROXY, as the router itself had it in
 * the default worker's case. It gets CREDENTIAL too: at the first of a handle nothing is new to it,
 * any other one means that the file was renewed. Other workers' handles it never sees.
 *
 * What the router promises: it never waits for a worker; one that ends, babbles or does not answer
 * INIT has its requests answered FAILURE internal:us and its jobs reported by CALLBACK FAILURE, and
 * comes back after a growing pause at the next request, with the transfers' handles that were open;
 * a worker without open handles ends after a while. A worker that is only silent is waited for:
 * timing out its site is its own business. */
#ifndef DRIVERS_WORKERS_H
#define DRIVERS_WORKERS_H

#include "drivers/kit.h"

#include <stddef.h>
#include <stdint.h>

struct workers {
    const char *name; /* in the router's log */
    enum kit_kind kind;
    unsigned features; /* of the worker; the router adds nothing */
    /* In a worker: be the driver for the credential of this process, kit_create to kit_run. Returns
     * the exit code. Nothing of the router runs in that process, and no library was touched. */
    int (*serve)(void);

    /* 0 is the default. Shorter times are for tests. */
    size_t workers_max; /* 64 */
    uint64_t idle_ms;   /* 600,000: a worker without open handles ends after it */
    uint64_t init_ms;   /* 10,000: for the answer to INIT */
    uint64_t pause_ms;  /* 1,000: after the first bad end; doubled each time, up to 60-fold */
};

/* main() returns what this returns: the router's exit code or, in a worker, serve's. A worker has
 * the router's arguments behind "--worker". */
int workers_run(const struct workers *w, int argc, char **argv);

#endif
