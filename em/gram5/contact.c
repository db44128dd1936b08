#include "em/gram5/contact.h"

#include "lib/mem.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const char scheme[] = "https://";
enum { SCHEME_LENGTH = sizeof scheme - 1, GATEKEEPER_PORT = 2119 };

static const char *behind_scheme(const char *text)
{
    return strncmp(text, scheme, SCHEME_LENGTH) == 0 ? text + SCHEME_LENGTH : text;
}

char *contact_host(const char *text)
{
    const char *host = behind_scheme(text);
    return xstrndup(host, strcspn(host, ":/"));
}

uint16_t contact_port(const char *gatekeeper)
{
    const char *host = behind_scheme(gatekeeper), *end = host + strcspn(host, ":/");
    unsigned long port = *end == ':' ? strtoul(end + 1, NULL, 10) : 0;
    return port > 0 && port <= UINT16_MAX ? (uint16_t)port : GATEKEEPER_PORT;
}

static const char *path_of(const char *job)
{
    const char *host = behind_scheme(job);
    return host + strcspn(host, "/");
}

char *contact_key(const char *job)
{
    char *host = contact_host(job), *key = xasprintf("%s%s", host, path_of(job));
    free(host);
    return key;
}

char *contact_base(const char *job)
{
    return xstrndup(job, (size_t)(path_of(job) - job));
}

char *contact_encode(const char *job, const char *gatekeeper)
{
    return xasprintf("%s#%s", job, gatekeeper);
}

/* https://host:port/ and a path of digits: it is put into an RSL and into requests. */
static bool is_job(const char *text, size_t len)
{
    if (len <= SCHEME_LENGTH || strncmp(text, scheme, SCHEME_LENGTH) != 0)
        return false;
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)text[i]) && !strchr("-._:/", text[i]))
            return false;
    const char *host = text + SCHEME_LENGTH;
    size_t n = strcspn(host, ":/#");
    return n > 0 && host[n] == ':' && memchr(host + n, '/', len - SCHEME_LENGTH - n);
}

int contact_decode(const char *text, struct contact *ret, struct gw_err *err)
{
    size_t len = strcspn(text, "#");
    if (!is_job(text, len) || text[len] != '#' || !text[len + 1])
        return gw_err_set(err, GW_EINVAL,
                          "the contact \"%.200s\" is not https://host:port/...#gatekeeper", text);
    ret->job = xstrndup(text, len);
    ret->gatekeeper = xstrdup(text + len + 1);
    return 0;
}

void contact_clear(struct contact *c)
{
    free(c->job);
    free(c->gatekeeper);
    *c = (struct contact){0};
}
