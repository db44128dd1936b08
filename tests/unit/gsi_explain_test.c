/* What Globus and its servers say, as reasons and sentences. The texts are those that real sites
 * gave (GCT 6.2). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gsi/explain.h"
#include "lib/mem.h"

#include <stdlib.h>
#include <string.h>

static const struct explain_about about = {.host = "site.example:2119",
                                           .identity = "/O=Grid/CN=Ann",
                                           .issuer = "/O=Grid/CN=CA",
                                           .path = "/tmp/x509up_u7"};

static void set_up_dir(void)
{
    setenv("X509_CERT_DIR", "/the/cas", 1);
}

static void texts_of_our_side_and_theirs_are_understood(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_theirs;
        const char *reason, *part;
    } cases[] = {
        {"globus_ftp_control: gss_init_sec_context failed\nGSS failure: \nGSS Major Status: "
         "Unexpected Gatekeeper or Service Name\nGSS Minor Status Error Chain:\nglobus_gsi_gssapi: "
         "Authorization denied: The name of the remote entity (/O=GridTest/CN=x (y) z), and the "
         "expected name for the remote entity (/CN=10.77.0.2) do not match\n\n",
         false, "untrusted:site",
         "site.example:2119 shows a certificate of /O=GridTest/CN=x (y) z, "},
        {"GSS Major Status: Authentication Failed\nGSS Minor Status Error Chain:\n"
         "globus_gsi_gssapi: SSL handshake problems\nOpenSSL Error: ../ssl/statem/statem_clnt.c:"
         "1889: in library: SSL routines, function (null): certificate verify failed\n"
         "globus_gsi_callback_module: Could not verify credential\nglobus_gsi_callback_module: "
         "Can't get the local trusted CA certificate: Untrusted self-signed certificate in chain "
         "with hash 6ee21bf2\n",
         false, "untrusted:site",
         "(hash 6ee21bf2) is not among those trusted here: put its "
         "certificate and signing policy into /the/cas"},
        {"globus_gsi_callback_module: Can't get the local trusted CA certificate: Cannot find "
         "trusted CA certificate with hash 77b51c63 in /etc/grid-security/certificates\n",
         false, "untrusted:site", "(hash 77b51c63)"},
        {"globus_gsi_callback_module: Error with signing policy\nglobus_sysconfig: Error getting "
         "signing policy file\nglobus_sysconfig: File does not exist: /x.signing_policy",
         false, "untrusted:site", "signing policy, in /the/cas"},
        {"globus_gsi_callback_module: Invalid CRL: The available CRL has expired", false,
         "untrusted:site", "fetch a new one"},
        {"globus_gsi_callback_module: Invalid CRL: Couldn't verify that the available CRL is valid",
         false, "untrusted:site", "cannot be used"},
        {"The certificate has been revoked: Serial number = 3", false, "untrusted:site", "revoked"},
        {"The certificate has expired: Credential with subject: /CN=h has expired.", false,
         "untrusted:site", "certificate of site.example:2119 has expired"},
        {"globus_credential: Error with credential: The proxy credential: /tmp/expired.pem\n      "
         "with subject: /O=GridTest/CN=Grid User/CN=1\n      expired 4 minutes ago.\n",
         false, "credential:job", "/tmp/x509up_u7 of /O=Grid/CN=Ann has expired: renew it"},
        {"globus_credential: Valid credentials could not be found in any of the possible locations "
         "specified by the credential search order.",
         false, "credential:job", "cannot be used"},
        {"OpenSSL Error: ssl/record/rec_layer_s3.c:1593: in library: SSL routines, function "
         "(null): "
         "tlsv1 alert unknown ca",
         false, "not-authorized:site", "does not trust the CA /O=Grid/CN=CA"},
        {"globus_gsi_gssapi: internal problem with SSL BIO: SSL failed wrapping entire message: "
         "SSL_write wrote -1 bytes, should be 117 bytes",
         false, "not-authorized:site", "does not accept the certificate of /O=Grid/CN=Ann"},
        {"globus_xio: Unable to connect to site:9\nglobus_xio: System error in connect: Connection "
         "refused\nglobus_xio: A system call failed: Connection refused",
         false, "unreachable:site", "refuses the connection"},
        {"globus_xio: globus_libc_getaddrinfo failed.\nglobus_common: Name or service not known",
         false, "unreachable:site", "no host has this name"},
        {"globus_xio: An end-of-file was reached\nglobus_xio: An end of file occurred: an "
         "end-of-file was reached",
         false, "unreachable:site", "closed the connection"},
        {"globus_xio: Operation timed out", false, "unreachable:site", "does not answer"},
        {"530 530-Login incorrect. : globus_gss_assist: Gridmap lookup failure: Could not map "
         "/O=GridTest/CN=Nobody\r\n530-\r\n530 End.",
         true, "not-authorized:site", "does not know /O=GridTest/CN=Nobody: ask its administrator"},
        {"530 Login incorrect. : Mapped user 'griduser' is invalid.", true, "not-authorized:site",
         "does not exist there"},
        {"530 530-globus_xio: Authentication Error\n530-OpenSSL Error: statem_srvr.c:3530: in "
         "library: SSL routines, function (null): certificate verify "
         "failed\n530-globus_gsi_callback"
         "_module: Can't get the local trusted CA certificate: Cannot find trusted CA certificate "
         "with hash 77b51c63 in /etc/grid-security/certificates\n530 End.",
         true, "not-authorized:site", "does not trust the CA /O=Grid/CN=CA, which issued"},
        {"530 530-globus_gsi_callback_module: The certificate has expired: Credential with "
         "subject: "
         "/O=Grid/CN=Ann/CN=1 has expired.",
         true, "credential:job", "finds the certificate of /O=Grid/CN=Ann expired: renew"},
        {"421 Service busy: Connection limit exceeded. Please try again later.", true, "busy:site",
         "no more connections"},
        {"530 Login incorrect. : somehow", true, "not-authorized:site", ": somehow;"},
    };
    set_up_dir();
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        struct explanation e = {0};
        assert_true(explain_text(cases[i].text, cases[i].is_theirs, &about, &e));
        if (strcmp(e.reason, cases[i].reason) != 0 || !strstr(e.text, cases[i].part))
            fail_msg("case %zu: %s %s", i, e.reason, e.text);
        assert_null(strchr(e.text, '\n'));
        assert_null(strchr(e.text, '{'));
    }
}

static void what_is_not_known_is_left_to_others(void **state)
{
    (void)state;
    struct explanation e = {.reason = "kept", .text = "kept"};
    assert_false(explain_text("550 No such file or directory", true, &about, &e));
    assert_false(explain_text("", false, &about, &e));
    assert_string_equal(e.reason, "kept");
}

static void a_sites_words_cannot_break_the_line(void **state)
{
    (void)state;
    struct explanation e;
    char many[3001] = "", text[5000];
    memset(many, 'A', sizeof many - 1);
    snprintf(text, sizeof text, "The name of the remote entity (%s\x01\xff), and the expected",
             many);
    assert_true(explain_text(text, false, &about, &e));
    assert_true(strlen(e.text) < 700);
    assert_true(explain_text("Could not map Gridmap lookup failure: Could not map /CN=\x1b[1m\xc3",
                             true, &about, &e));
    assert_non_null(strstr(e.text, "/CN=?[1m?"));
    /* What a site says is not a place to fill in. */
    assert_true(explain_text("Gridmap lookup failure: Could not map {file}", true, &about, &e));
    assert_non_null(strstr(e.text, "{file}"));
}

static void what_is_not_given_has_a_word_too(void **state)
{
    (void)state;
    struct explanation e;
    const struct explain_about nothing = {0};
    assert_true(explain_text("alert unknown ca", false, &nothing, &e));
    assert_null(strstr(e.text, "(null)"));
    assert_non_null(strstr(e.text, "the site does not trust"));
}

static void codes_of_gram_are_explained_or_left(void **state)
{
    (void)state;
    static const struct {
        int code;
        const char *reason;
        bool is_ambiguous;
    } cases[] = {
        {7, "not-authorized:site", true},    {10, "unreachable:site", true},
        {12, "unreachable:site", true},      {79, "unreachable:site", true},
        {47, "not-authorized:site", false},  {93, "refused:job", false},
        {131, "credential:job", false},      {157, "credential:job", false},
        {162, "not-authorized:site", false}, {165, "not-allowed:site", false},
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        struct explanation e;
        explain_gram(cases[i].code, &about, &e);
        assert_non_null(e.reason);
        assert_string_equal(e.reason, cases[i].reason);
        assert_int_equal(explain_is_ambiguous(cases[i].code), cases[i].is_ambiguous);
    }
    struct explanation e;
    explain_gram(5, &about, &e);
    assert_null(e.reason);
    assert_false(explain_is_ambiguous(5));
}

static void a_chain_becomes_one_line(void **state)
{
    (void)state;
    char *line = explain_one_line("  one \n\n550-two\r\n550 End.\nthree", 100);
    assert_string_equal(line, "one; two; three");
    free(line);
    line = explain_one_line("abcdef", 3);
    assert_string_equal(line, "abc");
    free(line);
    line = explain_one_line("", 3);
    assert_string_equal(line, "");
    free(line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_of_our_side_and_theirs_are_understood),
        cmocka_unit_test(what_is_not_known_is_left_to_others),
        cmocka_unit_test(a_sites_words_cannot_break_the_line),
        cmocka_unit_test(what_is_not_given_has_a_word_too),
        cmocka_unit_test(codes_of_gram_are_explained_or_left),
        cmocka_unit_test(a_chain_becomes_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
