#include "tm/gass/reply.h"

#include "lib/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_SHOWN = 300 };

static const struct {
    int errnum;
    const char *phrase;
} phrases[] = {
    {ENOENT, "No such file or directory"},
    {EACCES, "Permission denied"},
    {EPERM, "Operation not permitted"},
    {ENOSPC, "No space left on device"},
    {EDQUOT, "Disk quota exceeded"},
    {EEXIST, "File exists"},
    {ENOTDIR, "Not a directory"},
    {EISDIR, "Is a directory"},
    {ENOTEMPTY, "Directory not empty"},
    {EROFS, "Read-only file system"},
    {EFBIG, "File too large"},
    {ELOOP, "Too many levels of symbolic links"},
    {ENAMETOOLONG, "File name too long"},
    {EINVAL, "Invalid argument"},
    {EIO, "Input/output error"},
    {EACCES, "Path not allowed"},
    {ENOENT, "File not found"},
    {ENOENT, "No such file"},
    {ECONNRESET, "Connection reset by peer"},
    {EPIPE, "Broken pipe"},
    {ETIMEDOUT, "Connection timed out"},
    {ECONNREFUSED, "Connection refused"},
    {EHOSTUNREACH, "No route to host"},
    {ENETUNREACH, "Network is unreachable"},
};

/* At the end of a line, where strerror(3) stands: a file's name may hold the words as well. */
static int errno_at_line_end(const char *text)
{
    for (const char *line = text; *line;) {
        size_t len = strcspn(line, "\r\n");
        for (size_t i = 0; i < GW_COUNT(phrases); i++) {
            size_t n = strlen(phrases[i].phrase);
            size_t end = len && line[len - 1] == '.' ? len - 1 : len;
            if (end >= n + 2 && strncmp(line + end - n, phrases[i].phrase, n) == 0 &&
                strncmp(line + end - n - 2, ": ", 2) == 0)
                return phrases[i].errnum;
        }
        line += len;
        line += strspn(line, "\r\n");
    }
    return 0;
}

int reply_errno(const char *text)
{
    static const char key[] = "GridFTP-Errno: ";
    const char *p = strstr(text, key);
    long number = p ? strtol(p + sizeof key - 1, NULL, 10) : 0;
    if (number > 0 && number < 134)
        return (int)number;
    int n = errno_at_line_end(text);
    for (size_t i = 0; n == 0 && i < GW_COUNT(phrases); i++)
        if (strstr(text, phrases[i].phrase))
            n = phrases[i].errnum;
    return n;
}

int trouble_set(struct trouble *t, enum gw_errc code, const char *reason, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char text[GW_ERR_TEXT_MAX];
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    *t = (struct trouble){.reason = reason};
    return gw_err_set(&t->err, code, "%s", text);
}

/* Of the connection between two servers one of them tells. */
static bool is_link_errno(int errnum)
{
    return errnum == ECONNRESET || errnum == EPIPE || errnum == ETIMEDOUT ||
           errnum == ECONNREFUSED || errnum == EHOSTUNREACH || errnum == ENETUNREACH;
}

static int with_text(struct trouble *t, enum gw_errc code, const char *reason, const char *what,
                     const char *text)
{
    char *line = explain_one_line(text, LINE_SHOWN);
    int r = trouble_set(t, code, reason, "%s: %s", what, line);
    free(line);
    return r;
}

/* Until the login is done, and when the connection is lost. */
static int connection_trouble(int code, const char *text, const struct explain_about *about,
                              struct trouble *t)
{
    struct explanation e;
    if (!explain_text(text, code != 0, about, &e))
        return with_text(t, code == 530 ? GW_EPERM : GW_EUNAVAIL,
                         code == 530 ? "not-authorized:site" : "unreachable:site", about->host,
                         text);
    return trouble_set(t, strcmp(e.reason, "unreachable:site") == 0 ? GW_EUNAVAIL : GW_EPERM,
                       e.reason, "%s", e.text);
}

int reply_explain(int code, const char *text, const char *url, const struct explain_about *about,
                  struct trouble *t)
{
    /* 421, 425, 426: the server closes, or the data connection failed; 0: it is gone. */
    if (code == 0 || code == 530 || code == 421 || code == 425 || code == 426) {
        connection_trouble(code, text, about, t);
        t->is_link = t->err.code == GW_EUNAVAIL;
        return -t->err.code;
    }
    int errnum = reply_errno(text);
    if (is_link_errno(errnum) || strstr(text, "an end-of-file was reached")) {
        with_text(t, GW_EUNAVAIL, "unreachable:site", about->host, text);
        t->is_link = true;
        return -t->err.code;
    }
    if (errnum == 0)
        return with_text(t, code == 552 ? GW_ENOSPC : GW_EIO, NULL, url, text);
    gw_err_sys(&t->err, errnum, "%s", url);
    *t = (struct trouble){.err = t->err, .errnum = errnum};
    return -t->err.code;
}
