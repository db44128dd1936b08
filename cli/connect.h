/* Connecting, with the answers to what can go wrong. */
#ifndef CLI_CONNECT_H
#define CLI_CONNECT_H

#include "client/gw.h"

enum { PATIENCE_SUBMIT_MS = 10000, PATIENCE_WAIT_MS = 300000 };

/* 0, or the exit code after the error was said. */
int connect_gwd(struct gw **ret);

/* The same without waiting for the greeting (gw_open). */
int connect_open(struct gw **ret);

/* Ask and say what went wrong: 0 and *ret (the caller's), or the exit code. */
int connect_ask(struct gw *gw, const char *op, json_t *fields, json_t **ret);

/* From now on Ctrl-C writes `text` (one line, already safe) to stderr and ends the program with
 * 130. */
void connect_on_interrupt(const char *text);

/* For gw_wait and gw_logs: says that the daemon went away, and that it is back. */
void connect_say_lost(void *ctx, const char *why);
void connect_say_back(void *ctx);

#endif
