#include "wire/proxy.h"

#include "lib/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Policy of a limited proxy (Globus): it may move files, but start nothing. */
#define LIMITED_OID "1.3.6.1.4.1.3536.1.1.1.9"

static int64_t seconds_of(const ASN1_TIME *t)
{
    struct tm tm;
    return t && ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

static char *name_of(const X509_NAME *name)
{
    char *line = X509_NAME_oneline(name, NULL, 0), *copy = xstrdup(line);
    OPENSSL_free(line);
    return copy;
}

/* The last CN of a subject: "proxy" and "limited proxy" mark proxies older than RFC 3820. */
static bool last_name_is(X509 *cert, const char *text)
{
    X509_NAME *name = X509_get_subject_name(cert);
    X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, X509_NAME_entry_count(name) - 1);
    ASN1_STRING *value = entry ? X509_NAME_ENTRY_get_data(entry) : NULL;
    return value && (size_t)ASN1_STRING_length(value) == strlen(text) &&
           memcmp(ASN1_STRING_get0_data(value), text, strlen(text)) == 0;
}

static bool policy_is_limited(X509 *cert)
{
    char oid[80] = "";
    PROXY_CERT_INFO_EXTENSION *info = X509_get_ext_d2i(cert, NID_proxyCertInfo, NULL, NULL);
    if (info && info->proxyPolicy && info->proxyPolicy->policyLanguage)
        OBJ_obj2txt(oid, sizeof oid, info->proxyPolicy->policyLanguage, 1);
    PROXY_CERT_INFO_EXTENSION_free(info);
    return strcmp(oid, LIMITED_OID) == 0;
}

static bool is_proxy(X509 *cert, bool *is_limited)
{
    bool is_old_limited = last_name_is(cert, "limited proxy");
    if (is_old_limited || policy_is_limited(cert))
        *is_limited = true;
    return is_old_limited || last_name_is(cert, "proxy") ||
           X509_get_ext_by_NID(cert, NID_proxyCertInfo, -1) >= 0;
}

static void take(struct proxy *p, X509 *cert)
{
    int64_t start = seconds_of(X509_get0_notBefore(cert));
    int64_t end = seconds_of(X509_get0_notAfter(cert));
    bool is_first = p->end_s == 0;
    p->start_s = is_first || start > p->start_s ? start : p->start_s;
    p->end_s = is_first || end < p->end_s ? end : p->end_s;
    if (p->identity || is_proxy(cert, &p->is_limited))
        return;
    p->identity = name_of(X509_get_subject_name(cert));
    p->issuer = name_of(X509_get_issuer_name(cert));
}

static bool has_key(const void *data, size_t len)
{
    static const char *const marks[] = {"-----BEGIN PRIVATE KEY", "-----BEGIN RSA PRIVATE KEY",
                                        "-----BEGIN EC PRIVATE KEY"};
    for (size_t i = 0; i < GW_COUNT(marks); i++)
        if (memmem(data, len, marks[i], strlen(marks[i])))
            return true;
    return false;
}

/* Or OpenSSL would ask on the terminal. */
static int no_password(char *buf, int size, int is_writing, void *ctx)
{
    (void)buf, (void)size, (void)is_writing, (void)ctx;
    return -1;
}

int proxy_decode(const void *data, size_t len, struct proxy *ret, struct gw_err *err)
{
    struct proxy p = {0};
    size_t n = 0;
    BIO *bio = len <= PROXY_FILE_MAX ? BIO_new_mem_buf(data, (int)len) : NULL;
    for (X509 *cert; bio && (cert = PEM_read_bio_X509(bio, NULL, no_password, NULL)); n++) {
        take(&p, cert);
        X509_free(cert);
    }
    BIO_free(bio);
    const char *missing = n == 0                ? "a certificate"
                          : !has_key(data, len) ? "an unencrypted private key"
                          : !p.identity         ? "its owner's own certificate"
                                                : NULL;
    if (missing) {
        proxy_clear(&p);
        return gw_err_set(err, GW_ECORRUPT, "%s is missing in it", missing);
    }
    *ret = p;
    return 0;
}

void proxy_clear(struct proxy *p)
{
    free(p->identity);
    free(p->issuer);
    *p = (struct proxy){0};
}

/* --- the file --- */

static int check_stat(const char *path, const struct stat *st, struct gw_err *err)
{
    if (!S_ISREG(st->st_mode))
        return gw_err_set(err, GW_EPERM, "the credential %s is no regular file", path);
    if (geteuid() != 0 && st->st_uid != geteuid())
        return gw_err_set(err, GW_EPERM,
                          "the credential %s belongs to the user with the number %lu, and is used "
                          "by %lu: make one for this account",
                          path, (unsigned long)st->st_uid, (unsigned long)geteuid());
    if (st->st_mode & 07177) /* as Globus has it */
        return gw_err_set(err, GW_EPERM,
                          "the credential %s has mode %03o, 600 or 400 is expected: chmod 600 %s",
                          path, (unsigned)(st->st_mode & 07777), path);
    if (st->st_size > PROXY_FILE_MAX)
        return gw_err_set(err, GW_ECORRUPT, "the credential %s is too large for one", path);
    return 0;
}

static int unreadable(const char *path, int error, struct gw_err *err)
{
    if (error == ENOENT || error == ENOTDIR)
        return gw_err_set(err, GW_ENOENT,
                          "the credential %s does not exist: make it with grid-proxy-init", path);
    return gw_err_set(err, GW_EPERM, "the credential %s cannot be read: %s", path, strerror(error));
}

static int read_all(const char *path, int fd, struct buf *out, struct gw_err *err)
{
    buf_reserve(out, PROXY_FILE_MAX); /* so that it does not move, leaving a copy of the key */
    while (out->len < PROXY_FILE_MAX) {
        ssize_t n = read(fd, out->data + out->len, PROXY_FILE_MAX - out->len);
        if (n < 0)
            return unreadable(path, errno, err);
        if (n == 0)
            break;
        out->len += (size_t)n;
    }
    out->data[out->len] = '\0';
    return 0;
}

int proxy_read(const char *path, struct buf *out, struct stat *ret_st, struct gw_err *err)
{
    struct stat st = {0};
    /* Not blocking: somebody may have put a pipe there. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    int r =
        fd < 0 || fstat(fd, &st) < 0 ? unreadable(path, errno, err) : check_stat(path, &st, err);
    if (r == 0)
        r = read_all(path, fd, out, err);
    if (fd >= 0)
        close(fd);
    if (ret_st)
        *ret_st = st;
    return r;
}
