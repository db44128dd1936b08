#include "cli/exit.h"
#include "lib/err.h"

#include <stdlib.h>

int exit_of_error(int code)
{
    switch ((enum gw_errc)abs(code)) {
    case GW_EINVAL:
        return EXIT_USAGE;
    case GW_ENOENT:
        return EXIT_NOT_FOUND;
    case GW_EEXIST:
    case GW_ESTATE:
        return EXIT_JOB;
    case GW_EPERM:
        return EXIT_NOT_ALLOWED;
    case GW_EIO:
        return EXIT_IO;
    case GW_ENOSPC:
    case GW_ETIMEDOUT:
        return EXIT_TRY_AGAIN;
    case GW_EPROTO:
        return EXIT_PROTOCOL;
    case GW_EUNAVAIL:
        return EXIT_UNAVAILABLE;
    case GW_ECORRUPT:
    case GW_EINTERNAL:
        break;
    }
    return EXIT_INTERNAL;
}
