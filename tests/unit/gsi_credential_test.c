/* The credential of a process, from files that are good or not, and what a probe says where no site
 * is. Certificates are made here; real sites are in the system tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gsi/credential.h"
#include "gsi/probe.h"
#include "lib/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <globus_common.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char path[64];

enum parts { CERTIFICATE = 1, KEY = 2 };

/* A certificate that signs itself, from start_s to end_s after now. */
static void make(const char *name, long start_s, long end_s, int parts, mode_t mode)
{
    EVP_PKEY *key = EVP_RSA_gen(2048);
    X509 *cert = X509_new();
    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 7);
    X509_gmtime_adj(X509_getm_notBefore(cert), start_s);
    X509_gmtime_adj(X509_getm_notAfter(cert), end_s);
    X509_set_pubkey(cert, key);
    X509_NAME *subject = X509_get_subject_name(cert);
    X509_NAME_add_entry_by_txt(subject, "O", MBSTRING_ASC, (const unsigned char *)"Grid", -1, -1,
                               0);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(cert, subject);
    X509_sign(cert, key, EVP_sha256());
    unlink(path);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    if (parts & CERTIFICATE)
        PEM_write_X509(f, cert);
    if (parts & KEY)
        PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
    fclose(f);
    chmod(path, mode);
    X509_free(cert);
    EVP_PKEY_free(key);
}

static void refused(int code, const char *part)
{
    struct gw_err err;
    struct credential c = {.path = (char *)"kept"};
    assert_int_equal(credential_acquire(&c, &err), -code);
    assert_string_equal(c.path, "kept");
    if (!strstr(err.text, path) || !strstr(err.text, part))
        fail_msg("%s", err.text);
}

static void a_file_that_is_no_credential_is_refused_in_words(void **state)
{
    (void)state;
    unlink(path);
    refused(GW_ENOENT, "does not exist: make it with grid-proxy-init");
    mkdir(path, 0700);
    refused(GW_EPERM, "no regular file");
    rmdir(path);
    mkfifo(path, 0600);
    refused(GW_EPERM, "no regular file");
    make("Ann", 0, 3600, CERTIFICATE | KEY, 0644);
    refused(GW_EPERM, "mode 644, 600 or 400 is expected: chmod 600");
    make("Ann", 0, 3600, CERTIFICATE | KEY, 0700);
    refused(GW_EPERM, "mode 700");
    make("Ann", 0, 3600, 0, 0600);
    refused(GW_ECORRUPT, "grid-proxy-init");
    make("Ann", 0, 3600, CERTIFICATE, 0600);
    refused(GW_ECORRUPT, "grid-proxy-init");
    make("Ann", 0, 3600, KEY, 0600);
    refused(GW_ECORRUPT, "grid-proxy-init");
    make("Ann", -7200, -600, CERTIFICATE | KEY, 0600);
    refused(GW_ESTATE, "of /O=Grid/CN=Ann expired at 20");
    refused(GW_ESTATE, "10 min ago: renew it");
    make("Ann", 7200, 14400, CERTIFICATE | KEY, 0600);
    refused(GW_ESTATE, "is not valid before 20");
    assert_int_equal(truncate(path, 2 << 20), 0);
    refused(GW_ECORRUPT, "too large");
}

static void a_good_one_is_given_to_globus_as_a_copy(void **state)
{
    (void)state;
    struct credential c, renewed;
    struct gw_err err;
    make("Ann", 0, 3600, CERTIFICATE | KEY, 0400);
    if (credential_acquire(&c, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(c.identity, "/O=Grid/CN=Ann");
    assert_string_equal(c.path, path);
    assert_in_range(credential_life_s(&c), 3500, 3600);
    assert_string_equal(credential_path(), path);
    char *seen = xstrdup(getenv("X509_USER_PROXY"));
    assert_string_not_equal(seen, path);
    /* The file goes: those who read it again do not notice. */
    unlink(path);
    gss_cred_id_t again;
    OM_uint32 minor;
    assert_int_equal(credential_again(&again, &err), 0);
    gss_release_cred(&minor, &again);
    make("Ann", 0, 7200, CERTIFICATE | KEY, 0600);
    assert_int_equal(credential_acquire(&renewed, &err), 0);
    assert_in_range(credential_life_s(&renewed), 7100, 7200);
    assert_string_equal(getenv("X509_USER_PROXY"), seen);
    OM_uint32 life;
    assert_int_equal(credential_again(&again, &err), 0);
    gss_inquire_cred(&minor, again, NULL, &life, NULL, NULL);
    assert_in_range(life, 7000, 7200);
    gss_release_cred(&minor, &again);
    free(seen);
    credential_clear(&c);
    credential_clear(&renewed);
}

static void without_trusted_cas_the_machine_is_to_blame(void **state)
{
    (void)state;
    struct credential c;
    struct gw_err err;
    char *dir = xstrdup(getenv("X509_CERT_DIR"));
    setenv("X509_CERT_DIR", "/nowhere", 1);
    make("Ann", 0, 3600, CERTIFICATE | KEY, 0600);
    assert_int_equal(credential_acquire(&c, &err), -GW_EUNAVAIL);
    assert_non_null(strstr(err.text, "no trusted CAs in /nowhere"));
    setenv("X509_CERT_DIR", dir, 1);
    free(dir);
}

/* --- probes --- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t told = PTHREAD_COND_INITIALIZER;
static int n_told;
static struct explanation last;

static void tell(void *ctx, const struct explanation *e)
{
    (void)ctx;
    pthread_mutex_lock(&lock);
    last = *e;
    n_told++;
    pthread_cond_signal(&told);
    pthread_mutex_unlock(&lock);
}

static void await(int n)
{
    pthread_mutex_lock(&lock);
    while (n_told < n)
        pthread_cond_wait(&told, &lock);
    n_told = 0;
    pthread_mutex_unlock(&lock);
}

static int listen_on(uint16_t *ret_port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(fd, 8), 0);
    getsockname(fd, (struct sockaddr *)&a, &len);
    *ret_port = ntohs(a.sin_port);
    return fd;
}

static void expect(const char *reason, const char *part)
{
    if (!last.reason || strcmp(last.reason, reason) != 0 || !strstr(last.text, part))
        fail_msg("%s %s", last.reason ? last.reason : "(none)", last.text);
}

static void probes_end_whatever_the_other_side_does(void **state)
{
    (void)state;
    struct credential c;
    struct gw_err err;
    uint16_t port;
    char banner[] = "220 this is not TLS at all\r\n";
    make("Ann", 0, 3600, CERTIFICATE | KEY, 0600);
    if (credential_acquire(&c, &err) < 0)
        fail_msg("%s", err.text);
    int fd = listen_on(&port);

    /* Says nothing. Those who ask meanwhile wait for the same answer. */
    for (int i = 0; i < 3; i++)
        assert_int_equal(probe_begin("127.0.0.1", port, &c, 300, tell, NULL, &err), 0);
    await(3);
    expect("unreachable:site", "does not answer");
    close(accept(fd, NULL, NULL));
    assert_int_equal(poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 0), 0);

    assert_int_equal(probe_begin("127.0.0.1", port, &c, 5000, tell, NULL, &err), 0);
    int peer = accept(fd, NULL, NULL);
    assert_int_equal(write(peer, banner, sizeof banner), sizeof banner);
    await(1);
    expect("io:site", "does not speak TLS");
    close(peer);

    assert_int_equal(probe_begin("127.0.0.1", port, &c, 5000, tell, NULL, &err), 0);
    close(accept(fd, NULL, NULL));
    await(1);
    expect("unreachable:site", "");
    close(fd);

    assert_int_equal(probe_begin("127.0.0.1", port, &c, 5000, tell, NULL, &err), 0);
    await(1);
    expect("unreachable:site", "refuses the connection");
    credential_clear(&c);
}

int main(void)
{
    snprintf(path, sizeof path, "/tmp/gsi-credential-test.%d", (int)getpid());
    unsetenv("X509_USER_CERT");
    unsetenv("X509_USER_KEY");
    setenv("X509_USER_PROXY", path, 1);
    char dir[] = "/tmp/gsi-credential-test.XXXXXX";
    if (!mkdtemp(dir))
        return 1;
    setenv("X509_CERT_DIR", dir, 1);
    alarm(120);
    globus_thread_set_model("pthread");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_that_is_no_credential_is_refused_in_words),
        cmocka_unit_test(a_good_one_is_given_to_globus_as_a_copy),
        cmocka_unit_test(without_trusted_cas_the_machine_is_to_blame),
        cmocka_unit_test(probes_end_whatever_the_other_side_does),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    rmdir(dir);
    fflush(NULL);
    _exit(failed); /* no deactivation: threads of Globus are there */
}
