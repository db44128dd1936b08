/* Proxy certificates, made here: what is read from a file, and what is none. */
#include "wire/proxy.h"

#include "lib/buf.h"
#include "lib/mem.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#define T0 INT64_C(1767225600)

static EVP_PKEY *key; /* one for all: nothing here verifies signatures */

static int make_key(void **state)
{
    (void)state;
    key = EVP_EC_gen("P-256");
    return key ? 0 : -1;
}

static int drop_key(void **state)
{
    (void)state;
    EVP_PKEY_free(key);
    return 0;
}

static void set_name(X509_NAME *name, const char *organisation, const char *cn, const char *cn2)
{
    X509_NAME_add_entry_by_txt(name, "O", MBSTRING_ASC, (const unsigned char *)organisation, -1, -1,
                               0);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)cn, -1, -1, 0);
    if (cn2)
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)cn2, -1, -1, 0);
}

static void put(struct buf *out, BIO *bio)
{
    char *data;
    long n = BIO_get_mem_data(bio, &data);
    buf_put(out, data, (size_t)n);
    BIO_free(bio);
}

/* A certificate from T0 + from to T0 + to; `cn2` and the policy make it a proxy. */
static void put_cert(struct buf *out, const char *cn2, const char *policy, int64_t from, int64_t to)
{
    X509 *cert = X509_new();
    ASN1_TIME_set(X509_getm_notBefore(cert), (time_t)(T0 + from));
    ASN1_TIME_set(X509_getm_notAfter(cert), (time_t)(T0 + to));
    set_name(X509_get_subject_name(cert), "Grid", "Ann", cn2);
    set_name(X509_get_issuer_name(cert), "Grid", "The CA", NULL);
    X509_set_pubkey(cert, key);
    if (policy) {
        PROXY_CERT_INFO_EXTENSION *info = PROXY_CERT_INFO_EXTENSION_new();
        ASN1_OBJECT_free(info->proxyPolicy->policyLanguage);
        info->proxyPolicy->policyLanguage = OBJ_txt2obj(policy, 1);
        X509_add1_ext_i2d(cert, NID_proxyCertInfo, info, 1, 0);
        PROXY_CERT_INFO_EXTENSION_free(info);
    }
    X509_sign(cert, key, EVP_sha256());
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, cert);
    X509_free(cert);
    put(out, bio);
}

static void put_key(struct buf *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
    put(out, bio);
}

#define INHERIT_ALL "1.3.6.1.5.5.7.21.1"
#define LIMITED "1.3.6.1.4.1.3536.1.1.1.9"

static void the_owner_and_the_shortest_life_of_the_chain_are_read(void **state)
{
    static const struct {
        const char *cn2, *policy;
        bool is_limited;
    } cases[] = {{"12345", INHERIT_ALL, false},
                 {"12345", LIMITED, true},
                 {"proxy", NULL, false},
                 {"limited proxy", NULL, true}};
    (void)state;
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        struct buf b = BUF_INIT;
        struct proxy p;
        struct gw_err err;
        put_cert(&b, cases[i].cn2, cases[i].policy, 100, 5000);
        put_key(&b);
        put_cert(&b, NULL, NULL, 0, 9000);
        assert_int_equal(proxy_decode(b.data, b.len, &p, &err), 0);
        assert_string_equal(p.identity, "/O=Grid/CN=Ann");
        assert_string_equal(p.issuer, "/O=Grid/CN=The CA");
        assert_int_equal(p.start_s, T0 + 100);
        assert_int_equal(p.end_s, T0 + 5000);
        assert_int_equal(p.is_limited, cases[i].is_limited);
        proxy_clear(&p);
        buf_clear(&b);
    }
}

static void a_chain_ends_with_its_first_certificate_to_end(void **state)
{
    struct buf b = BUF_INIT;
    struct proxy p;
    struct gw_err err;
    (void)state;
    put_cert(&b, "1", INHERIT_ALL, 0, 9000);
    put_key(&b);
    put_cert(&b, NULL, NULL, 0, 4000);
    assert_int_equal(proxy_decode(b.data, b.len, &p, &err), 0);
    assert_int_equal(p.end_s, T0 + 4000);
    proxy_clear(&p);
    buf_clear(&b);
}

static void what_is_missing_is_named(void **state)
{
    struct buf none = BUF_INIT, no_key = BUF_INIT, no_owner = BUF_INIT;
    (void)state;
    buf_puts(&none, "-----BEGIN CERTIFICATE-----\nbm9uZQ==\n-----END CERTIFICATE-----\n");
    put_cert(&no_key, NULL, NULL, 0, 100);
    put_cert(&no_owner, "1", INHERIT_ALL, 0, 100);
    put_key(&no_owner);
    const struct {
        const struct buf *file;
        const char *word;
    } cases[] = {{&none, "a certificate"}, {&no_key, "private key"}, {&no_owner, "owner's own"}};
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        struct proxy p;
        struct gw_err err = {0};
        assert_int_equal(proxy_decode(cases[i].file->data, cases[i].file->len, &p, &err),
                         -GW_ECORRUPT);
        assert_non_null(strstr(err.text, cases[i].word));
    }
    buf_clear(&none);
    buf_clear(&no_key);
    buf_clear(&no_owner);
}

/* The terminal would be asked for a password, and the daemon would wait for the answer. */
static void an_encrypted_block_asks_nobody(void **state)
{
    static const char file[] = "-----BEGIN CERTIFICATE-----\nProc-Type: 4,ENCRYPTED\n"
                               "DEK-Info: AES-128-CBC,000102030405060708090A0B0C0D0E0F\n\n"
                               "bm9uZW5vbmVub25lbm9uZQ==\n-----END CERTIFICATE-----\n";
    struct proxy p;
    struct gw_err err;
    (void)state;
    assert_int_equal(proxy_decode(file, sizeof file - 1, &p, &err), -GW_ECORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_owner_and_the_shortest_life_of_the_chain_are_read),
        cmocka_unit_test(a_chain_ends_with_its_first_certificate_to_end),
        cmocka_unit_test(what_is_missing_is_named),
        cmocka_unit_test(an_encrypted_block_asks_nobody),
    };
    return cmocka_run_group_tests(tests, make_key, drop_key);
}
