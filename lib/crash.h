/* A crash at a chosen place, for the fault tests: GW_CRASH=NAME:N in the environment ends the
 * process as kill -9 does, the N-th time that it comes to the point NAME. */
#ifndef LIB_CRASH_H
#define LIB_CRASH_H

/* From any thread. Nothing happens unless GW_CRASH names this point. */
void crash_point(const char *name);

#endif
