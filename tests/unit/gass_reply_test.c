#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/mem.h"
#include "tm/gass/reply.h"

#include <errno.h>
#include <string.h>

#define STAT_REPLY(n, text)                                                                        \
    "550-GlobusError: v=1 c=X\r\n550-GridFTP-Errno: " #n                                           \
    "\r\n550-GridFTP-Reason: System error in stat\r\n550-GridFTP-Error-String: " text              \
    "\r\n550 End.\r\n"
#define OPEN_REPLY(path, text)                                                                     \
    "500-Command failed. : globus_l_gfs_file_open failed.\r\n"                                     \
    "500-globus_xio: Unable to open file " path "\r\n500-globus_xio: System error in open: " text  \
    "\r\n500-globus_xio: A system call failed: " text "\r\n500 End.\r\n"

static void a_reply_tells_the_errno(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int errnum;
    } cases[] = {
        {STAT_REPLY(2, "No such file or directory"), ENOENT},
        {STAT_REPLY(39, "Directory not empty"), ENOTEMPTY},
        {STAT_REPLY(40, "ignored"), ELOOP},
        {OPEN_REPLY("/home/u/x", "Permission denied"), EACCES},
        {OPEN_REPLY("/home/u/x", "No space left on device"), ENOSPC},
        {OPEN_REPLY("/home/u/x", "Disk quota exceeded"), EDQUOT},
        /* A file's name may say anything. */
        {OPEN_REPLY("/home/u/No such file or directory", "Permission denied"), EACCES},
        {"550 /pnfs/x: File not found", ENOENT},
        {"550 No such file.", ENOENT},
        {"500 Command failed.", 0},
        {"GridFTP-Errno: 99999", 0},
        {"", 0},
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++)
        if (reply_errno(cases[i].text) != cases[i].errnum)
            fail_msg("%d instead of %d for %s", reply_errno(cases[i].text), cases[i].errnum,
                     cases[i].text);
}

static void a_failure_has_code_reason_and_words(void **state)
{
    (void)state;
    static const struct {
        int code;
        const char *text;
        int err;
        const char *reason; /* NULL: the file's role decides */
        bool is_link;
    } cases[] = {
        {550, STAT_REPLY(2, "No such file or directory"), GW_ENOENT, NULL, false},
        {550, STAT_REPLY(13, "Permission denied"), GW_EPERM, NULL, false},
        {552, "552 too much", GW_ENOSPC, NULL, false},
        {451, "451 something else", GW_EIO, NULL, false},
        {530,
         "530-Login incorrect. : globus_gss_assist: Gridmap lookup failure: Could not map "
         "/O=X/CN=Y\r\n530-\r\n530 End.",
         GW_EPERM, "not-authorized:site", false},
        {530, "530 no words", GW_EPERM, "not-authorized:site", false},
        {421, "421 Idle Timeout: closing control connection.", GW_EUNAVAIL, "unreachable:site",
         true},
        {426, "426 Data connection closed", GW_EUNAVAIL, "unreachable:site", true},
        {500,
         "500-Command failed. : callback failed.\r\n500-globus_xio: an end-of-file was "
         "reached\r\n500 End.",
         GW_EUNAVAIL, "unreachable:site", true},
        {500,
         "500-Command failed.\r\n500-globus_xio: System error in write: Broken pipe\r\n500 End.",
         GW_EUNAVAIL, "unreachable:site", true},
        {0, "globus_xio: System error in connect: Connection refused", GW_EUNAVAIL,
         "unreachable:site", true},
        {0, "an error that nobody has seen yet", GW_EUNAVAIL, "unreachable:site", true},
        {0,
         "globus_gsi_gssapi: Authorization denied: The name of the remote entity (/O=X/CN=a), and "
         "the expected name for the remote entity (/CN=b) do not match",
         GW_EPERM, "untrusted:site", false},
    };
    const struct explain_about about = {.host = "h:2811", .identity = "/O=X/CN=Y"};
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        struct trouble t;
        memset(&t, 0x55, sizeof t);
        int r = reply_explain(cases[i].code, cases[i].text, "gsiftp://h/x", &about, &t);
        if (r != -cases[i].err || t.err.code != cases[i].err || t.is_link != cases[i].is_link ||
            (t.reason != NULL) != (cases[i].reason != NULL) ||
            (t.reason && strcmp(t.reason, cases[i].reason) != 0))
            fail_msg("%d %s: code %d, reason %s: %s", cases[i].code, cases[i].text, t.err.code,
                     t.reason ? t.reason : "none", t.err.text);
        assert_true(t.err.text[0]);
        assert_null(strchr(t.err.text, '\n'));
        assert_false(t.is_source);
    }
}

static void a_site_cannot_smuggle_lines_into_an_answer(void **state)
{
    (void)state;
    const struct explain_about about = {.host = "h:2811"};
    struct trouble t;
    char text[5000];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    reply_explain(451, text, "gsiftp://h/x", &about, &t);
    assert_true(strlen(t.err.text) < 500);
    reply_explain(451, "451-a\x01\x1b[31m\r\n451-b\xff\r\n451 End.", "gsiftp://h/x", &about, &t);
    for (const char *p = t.err.text; *p; p++)
        assert_true((unsigned char)*p >= 0x20 && (unsigned char)*p < 0x7f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reply_tells_the_errno),
        cmocka_unit_test(a_failure_has_code_reason_and_words),
        cmocka_unit_test(a_site_cannot_smuggle_lines_into_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
