/* Exit codes of all commands; the manual page gw-exit-codes(7) has the same table. The numbers are
 * those of <sysexits.h> where it has one. */
#ifndef CLI_EXIT_H
#define CLI_EXIT_H

enum {
    EXIT_JOB = 1,          /* a job or a test failed, or was killed; a wish was refused */
    EXIT_USAGE = 64,       /* the command line */
    EXIT_TEMPLATE = 65,    /* the job template has errors */
    EXIT_NO_FILE = 66,     /* a file named on the command line cannot be read */
    EXIT_NOT_FOUND = 68,   /* no such job, array or host */
    EXIT_UNAVAILABLE = 69, /* gwd cannot be reached, or the connection was lost */
    EXIT_INTERNAL = 70,    /* a fault of gwd or of the command */
    EXIT_IO = 74,          /* reading or writing failed */
    EXIT_TRY_AGAIN = 75,   /* the time was over; a limit is reached */
    EXIT_PROTOCOL = 76,    /* gwd answered nonsense, or speaks another version */
    EXIT_NOT_ALLOWED = 77,
    EXIT_CONFIG = 78,      /* GW_SOCKET makes no sense */
    EXIT_INTERRUPTED = 130 /* Ctrl-C */
};

int exit_of_error(int code); /* of a gw_errc, positive or negative */

#endif
