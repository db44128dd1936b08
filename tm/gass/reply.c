#include "tm/gass/reply.h"

#include "lib/mem.h"
#include "lib/utf8.h"

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
    int n = p ? atoi(p + sizeof key - 1) : 0;
    if (n > 0 && n < 134)
        return n;
    n = errno_at_line_end(text);
    for (size_t i = 0; n == 0 && i < GW_COUNT(phrases); i++)
        if (strstr(text, phrases[i].phrase))
            n = phrases[i].errnum;
    return n;
}

/* The texts of Globus about who may speak with whom. The first that occurs decides. */
static const struct {
    const char *part, *reason;
} logins[] = {
    {"Could not map", "not-authorized:site"},
    {"Gridmap lookup failure", "not-authorized:site"},
    {"No local mapping", "not-authorized:site"},
    {"unknown user", "not-authorized:site"},
    {"Login incorrect", "not-authorized:site"},
    {"do not match", "untrusted:site"},
    {"Unexpected Gatekeeper or Service Name", "untrusted:site"},
    {"Could not find a valid trusted CA certificates directory", "untrusted:site"},
    {"certificate search order", "credential:job"},
    {"credential search order", "credential:job"},
    {"roxy certificate has expired", "credential:job"},
    {"credential has expired", "credential:job"},
    {"Error with gss credential handle", "credential:job"},
    {"The certificate has expired", "untrusted:site"},
    {"certificate verify failed", "untrusted:site"},
    {"Can't get the local trusted CA certificate", "untrusted:site"},
    {"Cannot find trusted CA certificate", "untrusted:site"},
    {"GSS Major Status", "untrusted:site"},
    {"530 ", "not-authorized:site"},
};

static const char *login_reason(int code, const char *text)
{
    /* A 530 is the server's: it cannot tell of our own side. */
    for (size_t i = 0; i < GW_COUNT(logins); i++)
        if (strstr(text, logins[i].part))
            return code == 530 ? "not-authorized:site" : logins[i].reason;
    return NULL;
}

/* The lines of a text that say something, on one line. */
static char *one_line(const char *text)
{
    char *out = xcalloc(1, LINE_SHOWN + 8);
    size_t len = 0;
    for (const char *line = text; *line;) {
        size_t n = strcspn(line, "\r\n");
        const char *p = line;
        line += n;
        line += strspn(line, "\r\n");
        /* "550-", "500 End.": the frame of a reply. */
        while (n >= 4 && strspn(p, "0123456789") == 3 && (p[3] == '-' || p[3] == ' ')) {
            p += 4;
            n -= 4;
        }
        if (n == 0 || (n == 4 && strncmp(p, "End.", 4) == 0))
            continue;
        if (len + n + 2 > LINE_SHOWN)
            n = LINE_SHOWN - len > 2 ? LINE_SHOWN - len - 2 : 0;
        if (n == 0)
            break;
        len += (size_t)sprintf(out + len, "%s%.*s", len ? "; " : "", (int)n, p);
    }
    utf8_clean(out);
    return out;
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

static int link_trouble(const char *text, const char *host, struct trouble *t)
{
    char *line = one_line(text);
    int r = trouble_set(t, GW_EUNAVAIL, "unreachable:site", "%s: %s", host, line);
    t->is_link = true;
    free(line);
    return r;
}

int reply_explain(int code, const char *text, const char *url, const char *host, struct trouble *t)
{
    const char *reason = code == 0 || code == 530 ? login_reason(code, text) : NULL;
    if (reason) {
        char *line = one_line(text);
        int r = trouble_set(t, GW_EPERM, reason, "%s: %s", host, line);
        free(line);
        return r;
    }
    /* 421, 425, 426: the server closes, or the data connection failed; 0: it is gone. */
    if (code == 0 || code == 421 || code == 425 || code == 426)
        return link_trouble(text, host, t);
    *t = (struct trouble){.errnum = reply_errno(text)};
    if (t->errnum)
        return gw_err_sys(&t->err, t->errnum, "%s", url);
    char *line = one_line(text);
    gw_err_set(&t->err, code == 552 ? GW_ENOSPC : GW_EIO, "%s: %s", url, line);
    free(line);
    return -t->err.code;
}
