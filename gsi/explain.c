#include "gsi/explain.h"

#include "lib/buf.h"
#include "lib/mem.h"
#include "lib/utf8.h"

#include <globus_error_gssapi.h>
#include <globus_gram_protocol.h>
#include <globus_gss_assist.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_SHOWN = 300 };

/* `part` occurs in the text. In a sentence {host}, {identity}, {issuer}, {file}, {dir} (of trusted
 * CAs) and {rest} (what follows `part`, up to `until` or the end of the line) are filled in. */
struct row {
    const char *part, *until;
    const char *reason, *sentence;
};

#define CA_UNKNOWN                                                                                 \
    "the CA that issued the certificate of {host} (hash {rest}) is not among those trusted here: " \
    "put its certificate and signing policy into {dir} if you trust it"
#define NOT_REACHED "{host} cannot be reached: "

/* What this side of a connection found. The first row that applies counts. */
static const struct row ours[] = {
    {"The name of the remote entity (", "), and the expected", "untrusted:site",
     "{host} shows a certificate of {rest}, which is not its name: its administrator has to give "
     "it "
     "a certificate of its own, or it has to be addressed by the name in the certificate"},
    {"Unexpected Gatekeeper or Service Name", NULL, "untrusted:site",
     "{host} shows a certificate of another name than its own: its administrator has to mend it"},
    {"Untrusted self-signed certificate in chain with hash ", NULL, "untrusted:site", CA_UNKNOWN},
    {"Cannot find trusted CA certificate with hash ", " in ", "untrusted:site", CA_UNKNOWN},
    {"Could not find a valid trusted CA certificates directory", NULL, "untrusted:site",
     "there is no directory of trusted CAs, {dir}, by which the certificate of {host} could be "
     "checked"},
    {"igning policy", NULL, "untrusted:site",
     "the signing policy, in {dir}, of the CA that issued the certificate of {host} is missing or "
     "does not allow that name"},
    {"CRL has expired", NULL, "untrusted:site",
     "the list of revoked certificates, in {dir}, of the CA that issued the certificate of {host} "
     "has expired: fetch a new one"},
    {"Invalid CRL", NULL, "untrusted:site",
     "the list of revoked certificates, in {dir}, of the CA that issued the certificate of {host} "
     "cannot be used: fetch a new one"},
    {"revoked", NULL, "untrusted:site", "the certificate of {host} has been revoked"},
    {"The proxy credential: ", NULL, "credential:job",
     "the credential {file} of {identity} has expired: renew it with grid-proxy-init"},
    {"credential search order", NULL, "credential:job",
     "the credential {file} cannot be used: make it anew with grid-proxy-init"},
    {"Error with gss credential handle", NULL, "credential:job",
     "the credential {file} cannot be used: make it anew with grid-proxy-init"},
    {"ertificate has expired", NULL, "untrusted:site", "the certificate of {host} has expired"},
    {"ertificate is not yet valid", NULL, "untrusted:site",
     "the certificate of {host} is not valid yet: is this machine's clock right?"},
    {"alert unknown ca", NULL, "not-authorized:site",
     "{host} does not trust the CA {issuer}, which issued {identity}: ask its administrator to "
     "accept it"},
    {"alert certificate expired", NULL, "credential:job",
     "{host} finds the certificate of {identity} expired: renew it with grid-proxy-init"},
    {"alert certificate revoked", NULL, "not-authorized:site",
     "{host} finds the certificate of {identity} revoked"},
    {" alert ", NULL, "not-authorized:site",
     "{host} does not accept the certificate of {identity}: it may not trust its CA, {issuer}"},
    {"SSL failed wrapping", NULL, "not-authorized:site",
     "{host} does not accept the certificate of {identity}: it may not trust its CA, {issuer}"},
    {"certificate verify failed", NULL, "untrusted:site",
     "the certificate of {host} cannot be verified with the CAs in {dir}"},
    {"Connection refused", NULL, "unreachable:site",
     NOT_REACHED "it refuses the connection, so the service is not running or is elsewhere"},
    {"Name or service not known", NULL, "unreachable:site",
     NOT_REACHED "no host has this name; is it misspelt?"},
    {"No address associated", NULL, "unreachable:site", NOT_REACHED "its name has no address"},
    {"Temporary failure in name resolution", NULL, "unreachable:site",
     NOT_REACHED "its name cannot be looked up now"},
    {"No route to host", NULL, "unreachable:site", NOT_REACHED "there is no route to it"},
    {"Network is unreachable", NULL, "unreachable:site", NOT_REACHED "its network is unreachable"},
    {"timed out", NULL, "unreachable:site", NOT_REACHED "it does not answer"},
    {"Connection reset by peer", NULL, "unreachable:site",
     "{host} broke the connection off: its service may have been stopped"},
    {"Broken pipe", NULL, "unreachable:site",
     "{host} broke the connection off: its service may have been stopped"},
    {"end-of-file was reached", NULL, "unreachable:site",
     "{host} closed the connection: its service may have been stopped"},
};

/* What the other side answered: its "we" and "remote" are the other way round. */
static const struct row theirs[] = {
    {"Gridmap lookup failure: Could not map ", NULL, "not-authorized:site",
     "{host} does not know {rest}: ask its administrator for a line in its grid-mapfile"},
    {"Gridmap lookup failure", NULL, "not-authorized:site",
     "{host} does not know {identity}: ask its administrator for a line in its grid-mapfile"},
    {"No local mapping", NULL, "not-authorized:site",
     "{host} does not know {identity}: ask its administrator for a line in its grid-mapfile"},
    {"Mapped user ", NULL, "not-authorized:site",
     "the account to which {host} maps {identity} does not exist there: tell its administrator"},
    {"trusted CA certificate", NULL, "not-authorized:site",
     "{host} does not trust the CA {issuer}, which issued {identity}: ask its administrator to "
     "accept it"},
    {"igning policy", NULL, "not-authorized:site",
     "{host} does not accept {identity}: the signing policy of its CA is missing there, or does "
     "not "
     "allow the name"},
    {"CRL has expired", NULL, "not-authorized:site",
     "{host} accepts nobody of the CA {issuer}: its list of revoked certificates has "
     "expired; tell its administrator"},
    {"revoked", NULL, "not-authorized:site", "{host} finds the certificate of {identity} revoked"},
    {"expired", NULL, "credential:job",
     "{host} finds the certificate of {identity} expired: renew it with grid-proxy-init"},
    {"not yet valid", NULL, "credential:job",
     "{host} finds the certificate of {identity} not valid yet: are the clocks right?"},
    {"certificate verify failed", NULL, "not-authorized:site",
     "{host} does not accept the certificate of {identity}"},
    {"Service busy", NULL, "busy:site", "{host} takes no more connections now"},
    {"Login incorrect", NULL, "not-authorized:site",
     "{host} lets {identity} not in: {rest}; ask its administrator"},
};

/* --- sentences --- */

const char *explain_trusted_dir(void)
{
    const char *dir = getenv("X509_CERT_DIR");
    return dir && *dir ? dir : "/etc/grid-security/certificates";
}

static void put_rest(struct buf *out, const struct row *r, const char *text)
{
    const char *at = text ? strstr(text, r->part) : NULL;
    at += at ? strlen(r->part) : 0;
    size_t n = at ? strcspn(at, "\r\n") : 0;
    const char *stop = at && r->until ? strstr(at, r->until) : NULL;
    if (stop && stop < at + n)
        n = (size_t)(stop - at);
    buf_put(out, at ? at : "?", at ? (n < LINE_SHOWN ? n : LINE_SHOWN) : 1);
}

static void fill(const struct row *r, const char *text, const struct explain_about *a,
                 struct explanation *ret)
{
    const char *const names[] = {"host", "identity", "issuer", "file", "dir"};
    const char *const values[] = {a->host ? a->host : "the site",
                                  a->identity ? a->identity : "the credential's owner",
                                  a->issuer ? a->issuer : "of unknown name",
                                  a->path ? a->path : "of the job", explain_trusted_dir()};
    struct buf out = BUF_INIT;
    for (const char *p = r->sentence; *p; p++) {
        size_t len = *p == '{' ? strcspn(p, "}") : 0;
        if (!len) {
            buf_putc(&out, *p);
            continue;
        }
        for (size_t i = 0; i < GW_COUNT(names); i++)
            if (strncmp(names[i], p + 1, len - 1) == 0)
                buf_puts(&out, values[i]);
        if (strncmp("rest", p + 1, len - 1) == 0)
            put_rest(&out, r, text);
        p += len;
    }
    ret->reason = r->reason;
    snprintf(ret->text, sizeof ret->text, "%s", buf_str(&out));
    utf8_clean(ret->text);
    buf_clear(&out);
}

bool explain_text(const char *text, bool is_theirs, const struct explain_about *a,
                  struct explanation *ret)
{
    const struct row *rows = is_theirs ? theirs : ours;
    size_t n = is_theirs ? GW_COUNT(theirs) : GW_COUNT(ours);
    for (size_t i = 0; i < n; i++)
        if (strstr(text, rows[i].part)) {
            fill(&rows[i], text, a, ret);
            return true;
        }
    return false;
}

/* --- Globus' errors --- */

/* "550-", "500 End.": the frame of an FTP reply. */
static const char *skip_frame(const char *line, size_t *n)
{
    while (*n >= 4 && strspn(line, "0123456789") == 3 && (line[3] == '-' || line[3] == ' ')) {
        line += 4;
        *n -= 4;
    }
    if (*n == 4 && strncmp(line, "End.", 4) == 0)
        *n = 0;
    return line;
}

char *explain_one_line(const char *text, size_t max)
{
    struct buf out = BUF_INIT;
    while (*text) {
        size_t n = strcspn(text, "\r\n");
        const char *next = text + n + strspn(text + n, "\r\n");
        text += strspn(text, " \t") < n ? strspn(text, " \t") : n;
        n = strcspn(text, "\r\n");
        text = skip_frame(text, &n);
        while (n && text[n - 1] == ' ')
            n--;
        if (n) {
            buf_puts(&out, out.len ? "; " : "");
            buf_put(&out, text, n);
        }
        text = next;
    }
    if (out.len > max) {
        out.len = max;
        out.data[max] = '\0';
    }
    char *line = xstrdup(buf_str(&out));
    buf_clear(&out);
    utf8_clean(line);
    return line;
}

void explain_error(globus_object_t *error, const struct explain_about *a, struct explanation *ret)
{
    char *text = globus_error_print_friendly(error);
    const char *words = text ? text : "an error that Globus has no words for";
    bool is_theirs = strstr(words, "the server responded with an error") != NULL;
    if (!explain_text(words, is_theirs, a, ret)) {
        char *line = explain_one_line(words, LINE_SHOWN);
        ret->reason = "io:site";
        snprintf(ret->text, sizeof ret->text, "%s: %s", a->host ? a->host : "the site", line);
        free(line);
    }
    free(text);
}

char *explain_gss(OM_uint32 major, OM_uint32 minor)
{
    char *text = NULL;
    globus_gss_assist_display_status_str(&text, NULL, major, minor, 0);
    char *line = explain_one_line(text ? text : "GSSAPI gives no reason", LINE_SHOWN);
    free(text);
    return line;
}

/* --- GRAM's codes --- */

static const struct {
    int code;
    struct row row;
} gram[] = {
    {GLOBUS_GRAM_PROTOCOL_ERROR_AUTHORIZATION,
     {.reason = "not-authorized:site",
      .sentence = "{host} and {identity} do not accept each other"}},
    {GLOBUS_GRAM_PROTOCOL_ERROR_PROTOCOL_FAILED,
     {.reason = "unreachable:site", .sentence = "the connection to {host} broke"}},
    {GLOBUS_GRAM_PROTOCOL_ERROR_CONNECTION_FAILED,
     {.reason = "unreachable:site", .sentence = NOT_REACHED "the gatekeeper does not answer"}},
    {GLOBUS_GRAM_PROTOCOL_ERROR_CONTACTING_JOB_MANAGER,
     {.reason = "unreachable:site", .sentence = NOT_REACHED "nobody listens there"}},
    {GLOBUS_GRAM_PROTOCOL_ERROR_USER_PROXY_NOT_FOUND,
     {.reason = "credential:job",
      .sentence = "the job manager of {host} has no credential of {identity}"}},
    {GLOBUS_GRAM_PROTOCOL_ERROR_OPENING_USER_PROXY,
     {.reason = "credential:job",
      .sentence = "the job manager of {host} cannot read the credential of {identity} there"}},
    {GLOBUS_GRAM_PROTOCOL_ERROR_GATEKEEPER_MISCONFIGURED,
     {.reason = "not-authorized:site",
      .sentence = "the gatekeeper of {host} cannot start a job manager for {identity}: the account "
                  "that its grid-mapfile names may not exist there; tell its administrator"}},
    {GLOBUS_GRAM_PROTOCOL_ERROR_SERVICE_NOT_FOUND,
     {.reason = "refused:job",
      .sentence = "{host} has no such job manager: see its LRMS_NAME in gwhost"}},
    {GLOBUS_GRAM_PROTOCOL_ERROR_USER_PROXY_EXPIRED,
     {.reason = "credential:job",
      .sentence =
          "the credential {file} of {identity} has not enough time left for {host}: renew it "
          "with grid-proxy-init"}},
    {GLOBUS_GRAM_PROTOCOL_ERROR_DELEGATION_FAILED,
     {.reason = "credential:job",
      .sentence = "the credential {file} of {identity} could not be delegated to {host}"}},
    {GLOBUS_GRAM_PROTOCOL_ERROR_AUTHORIZATION_DENIED,
     {.reason = "not-authorized:site",
      .sentence = "the rules of {host} do not let {identity} do this"}},
    {GLOBUS_GRAM_PROTOCOL_ERROR_AUTHORIZATION_SYSTEM_FAILURE,
     {.reason = "busy:site", .sentence = "the authorization service of {host} does not work now"}},
    {GLOBUS_GRAM_PROTOCOL_ERROR_AUTHORIZATION_DENIED_JOB_ID,
     {.reason = "not-authorized:site",
      .sentence = "the rules of {host} do not let {identity} act on this job"}},
    {GLOBUS_GRAM_PROTOCOL_ERROR_AUTHORIZATION_DENIED_EXECUTABLE,
     {.reason = "not-allowed:site",
      .sentence = "the rules of {host} do not let {identity} run this program"}},
};

void explain_gram(int code, const struct explain_about *a, struct explanation *ret)
{
    *ret = (struct explanation){0};
    for (size_t i = 0; i < GW_COUNT(gram); i++)
        if (gram[i].code == code)
            fill(&gram[i].row, NULL, a, ret);
}

bool explain_is_ambiguous(int gram_code)
{
    return gram_code == GLOBUS_GRAM_PROTOCOL_ERROR_AUTHORIZATION ||
           gram_code == GLOBUS_GRAM_PROTOCOL_ERROR_PROTOCOL_FAILED ||
           gram_code == GLOBUS_GRAM_PROTOCOL_ERROR_CONNECTION_FAILED ||
           gram_code == GLOBUS_GRAM_PROTOCOL_ERROR_CONTACTING_JOB_MANAGER;
}
