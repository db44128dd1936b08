#include "lib/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void text_set(char *text, const char *fmt, va_list ap)
{
    int n = vsnprintf(text, GW_ERR_TEXT_MAX, fmt, ap);
    if (n >= GW_ERR_TEXT_MAX)
        memcpy(text + GW_ERR_TEXT_MAX - 4, "...", 4);
}

int gw_err_set(struct gw_err *err, enum gw_errc code, const char *fmt, ...)
{
    if (err) {
        va_list ap;
        va_start(ap, fmt);
        text_set(err->text, fmt, ap);
        va_end(ap);
        err->code = (int)code;
    }
    return -(int)code;
}

static enum gw_errc code_of_errno(int errnum)
{
    switch (errnum) {
    case ENOENT:
    case ENOTDIR:
        return GW_ENOENT;
    case EEXIST:
        return GW_EEXIST;
    case EACCES:
    case EPERM:
    case EROFS:
        return GW_EPERM;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return GW_ENOSPC;
    case EINVAL:
    case ENAMETOOLONG:
    case EISDIR:
    case ELOOP:
        return GW_EINVAL;
    case ETIMEDOUT:
        return GW_ETIMEDOUT;
    case ECONNREFUSED:
    case ECONNRESET:
    case EPIPE:
        return GW_EUNAVAIL;
    default:
        return GW_EIO;
    }
}

int gw_err_sys(struct gw_err *err, int errnum, const char *fmt, ...)
{
    enum gw_errc code = code_of_errno(errnum);
    if (err) {
        char what[GW_ERR_TEXT_MAX];
        va_list ap;
        va_start(ap, fmt);
        text_set(what, fmt, ap);
        va_end(ap);
        gw_err_set(err, code, "%s: %s", what, strerror(errnum));
    }
    return -(int)code;
}

int gw_err_context(struct gw_err *err, const char *fmt, ...)
{
    if (!err)
        return -(int)GW_EINTERNAL;
    char before[GW_ERR_TEXT_MAX], old[GW_ERR_TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    text_set(before, fmt, ap);
    va_end(ap);
    memcpy(old, err->text, sizeof old);
    return gw_err_set(err, (enum gw_errc)err->code, "%s: %s", before, old);
}

const char *gw_errc_name(enum gw_errc code)
{
    switch (code) {
    case GW_EINVAL:
        return "invalid";
    case GW_ENOENT:
        return "not-found";
    case GW_EEXIST:
        return "exists";
    case GW_EPERM:
        return "not-allowed";
    case GW_ESTATE:
        return "wrong-state";
    case GW_EIO:
        return "io";
    case GW_ENOSPC:
        return "no-space";
    case GW_EPROTO:
        return "protocol";
    case GW_ETIMEDOUT:
        return "timed-out";
    case GW_EUNAVAIL:
        return "unavailable";
    case GW_ECORRUPT:
        return "corrupt";
    case GW_EINTERNAL:
        return "internal";
    }
    return "unknown";
}
