/* URLs that gw_tm_gass serves: file:, gsiftp: and https:. Pure.
 *
 * A path is taken literally: a percent sign in it is a percent sign, as in the names that gwd joins
 * to a staging URL. What could end an FTP command (CR, LF, NUL) or leave the path ("..") is
 * refused. Of https: the path and query are the user's, escapes and all. */
#ifndef TM_GASS_URL_H
#define TM_GASS_URL_H

#include "lib/err.h"

#include <stdbool.h>

enum url_scheme { URL_FILE, URL_GSIFTP, URL_HTTPS };

struct url {
    enum url_scheme scheme;
    char *host; /* "host:port" in lower case: what connections are kept by; "" for file: */
    char
        *path; /* literal, "/a/b" or "/~/a/b"; https: with its query. NULL for file: (tm/place.h) */
    char *text; /* the URL as Globus reads it, escaped; file: as it was given */
};

/* -GW_EINVAL for what is not served. */
int url_parse(const char *text, struct url *ret, struct gw_err *err);
void url_clear(struct url *u);

/* Of a gsiftp: URL that was parsed, another path; the result is one of url_parse's. */
void url_with_path(const struct url *u, const char *path, struct url *ret);

/* The path's directory ("/~" and "/" have none: NULL) and its last name. */
char *url_parent(const char *path);
const char *url_name(const char *path);

/* A name of the path begins with ".gw_". */
bool url_is_in_job(const char *path);

#endif
