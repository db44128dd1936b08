/* How users and programs write their accounts, so that what is written is there whole or not at all
 * when its writer is killed.
 *
 * A write to a file is ended by SIGKILL at the border of a page. Records of one size, which divides
 * that of a page, have no such border in them. */
#ifndef TESTS_FAULT_RECORD_H
#define TESTS_FAULT_RECORD_H

#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

enum { RECORD_BYTES = 128 };

/* Append a line, filled up with blanks, to a file that has records only. False: it does not fit, or
 * cannot be written. */
static inline bool record_write(int fd, const char *line)
{
    char record[RECORD_BYTES + 1];
    int n = snprintf(record, sizeof record, "%-*s\n", RECORD_BYTES - 1, line);
    return n == RECORD_BYTES && write(fd, record, RECORD_BYTES) == RECORD_BYTES;
}

#endif
