#include "cli/owner.h"
#include "cli/output.h"
#include "client/gw.h"
#include "lib/buf.h"
#include "lib/file.h"
#include "lib/mem.h"
#include "wire/proxy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

char *owner_credential_path(void)
{
    const char *name = getenv("X509_USER_PROXY");
    if (!name || !*name)
        return NULL;
    if (*name == '/')
        return xstrdup(name);
    char *here = getcwd(NULL, 0), *path = here ? xasprintf("%s/%s", here, name) : xstrdup(name);
    free(here);
    return path;
}

const char *owner_credential_left(const json_t *credential, char text[MOMENT_MAX])
{
    const char *state = gw_text(credential, "state", "none");
    double left = gw_number(credential, "expires", 0) - (double)time(NULL);
    bool is_usable = strcmp(state, "valid") == 0 || strcmp(state, "short") == 0;
    if (is_usable && left > 0)
        return moment_span(left, text);
    snprintf(text, MOMENT_MAX, "%s", is_usable ? "expired" : state);
    return text;
}

static int read_credential(const char *path, struct proxy *ret, struct gw_err *err)
{
    struct buf data = BUF_INIT;
    int r = file_read(path, PROXY_FILE_MAX, &data, err);
    if (r == 0 && (r = proxy_decode(data.data, data.len, ret, err)) < 0)
        gw_err_context(err, "%s", path);
    if (data.len)
        explicit_bzero(data.data, data.len);
    buf_clear(&data);
    return r;
}

void owner_warn(const char *path)
{
    struct proxy proxy = {0};
    struct gw_err err = {0};
    if (read_credential(path, &proxy, &err) < 0)
        output_error("the credential %s; the job will wait for it where a site asks for one",
                     err.text);
    else if (proxy.end_s <= time(NULL))
        output_error("the credential %s has expired; the job will wait for it where a site asks "
                     "for one",
                     path);
    proxy_clear(&proxy);
}

void owner_print_credential(void)
{
    char *given = owner_credential_path();
    char *path = given ? xstrdup(given) : xasprintf("/tmp/x509up_u%lu", (unsigned long)getuid());
    struct proxy proxy = {0};
    struct gw_err err = {0};
    char text[MOMENT_MAX];
    int r = read_credential(path, &proxy, &err);
    double left = (double)(proxy.end_s - time(NULL));
    if (r < 0)
        output_line("your credential: none (%s); grid-proxy-init makes one", err.text);
    else if (left <= 0)
        output_line("your credential: %s (%s), expired; grid-proxy-init makes a new one",
                    proxy.identity, path);
    else
        output_line("your credential: %s (%s), %s left", proxy.identity, path,
                    moment_span(left, text));
    proxy_clear(&proxy);
    free(path);
    free(given);
}
