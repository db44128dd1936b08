/* One table: code, words, what to do. */
#include "client/reason.h"
#include "client/gw.h"
#include "lib/mem.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

struct reason_row {
    const char *code, *words, *advice;
};

static const struct reason_row rows[] = {
    /* waiting */
    {"held", "it is held", "gwkill -l releases it"},
    {"back-off", "it waits before the next try", NULL},
    {"not-looked-at", "no scheduling pass has looked at it yet", NULL},
    {"paused", "dispatch is paused for the whole daemon",
     "an administrator goes on with gwhost --resume"},
    {"user-limit", "its owner has as many jobs running as allowed",
     "it starts when one of them ends"},
    {"no-host", "no host is known", "gwhost --drivers shows whether the information drivers work"},
    {"resting", "every host that fits rests after failures, or is tried with a few jobs",
     "it starts when one of those goes well; gwhost shows what failed, docs/sites.md what to do"},
    {"busy", "every host that fits is busy", "it starts when a slot gets free"},
    {"credential", "it waits for a valid credential",
     "mend or renew it (grid-proxy-init); the job goes on by itself"},
    {"not-authorized", "the site does not accept the credential's identity",
     "the site's administrator has to mend it: its grid-mapfile, or the CAs that it trusts"},
    {"untrusted", "the site's own certificate is not accepted",
     "see docs/sites.md: the CA's certificate, and the name in the site's"},
    {"no-match", "no host fits",
     "look at gwhost; if hosts are up there, change its REQUIREMENTS or its size"},
    {"unknown", "the site cannot say what became of it",
     "it goes on, or is tried again, as its ON_LOST says"},
    {"cannot-tell", "nobody can say whether it reached the site",
     "look for it there; gwkill -9 ends it without the site"},
    /* staging */
    {"no-input", "an input file does not exist or may not be read",
     "make the file, and submit again"},
    {"no-output", "an output file of the template was not there at the end",
     "see what the job printed with gwlogs, and check OUTPUT_FILES"},
    {"bad-url", "a URL cannot be served", "check the file names in the template"},
    {"refused", "the site refuses this job", "check what the template asks for"},
    {"no-space", "there is no space left, or a quota is reached",
     "make space there; results that wait for it come home then"},
    {"not-allowed", "the account may not do this there",
     "mend the rights of what is named, at a site by its administrator; results wait for that"},
    {"unreachable", "the site cannot be reached", NULL},
    {"io", "reading or writing failed", NULL},
    {"not-found", "it was never started", NULL},
    {"lost", "it ended without a result", "see whether the machine it ran on was restarted"},
    {"busy-site", "the site is busy", NULL},
    {"site-failure", "the site reported a failure", NULL},
    {"not-served", "its owner may not run jobs here",
     "the daemon's administrator decides it, in /etc/gwd/launch.conf"},
    {"driver-down", "the driver of the site is down",
     "gwhost --drivers shows it; gwd's log says why"},
    {"driver-died", "the driver of the site dies of it",
     "see gwd's log; another site, or another version of the driver, may take it"},
    {"not-committed", "the site took it and did not start it", NULL},
    {"bad-sample", "what is reported of the host cannot be used",
     "see docs/sites.md, and gwd's log"},
    {"no-status", "the site said that it ended, but left no status", NULL},
    /* running */
    {"exec-failed", "the executable cannot be run",
     "check EXECUTABLE, its first line and its mode"},
    {"walltime", "it ran longer than its WALLTIME", "raise WALLTIME"},
    {"superseded", "another gwd has a later copy of this one's state and works at its site",
     "gwhost --drivers shows it; stop one of the two (docs/operations.md, \"Restore\")"},
    {"copied", "gwd's state was copied while it was on its way, and another gwd may follow it",
     NULL},
    {"lease-expired", "it lost contact with gwd for longer than its LEASE", NULL},
    {"cancelled", "it was cancelled", NULL},
    {"kill-pending", "the site has not confirmed its end yet",
     "gwd goes on asking; gwkill -9 ends it without the site"},
    {"killed", "it was killed", NULL},
    {"killed-hard", "it was killed without waiting for the site", NULL},
    {"wrapper-died", "the wrapper died at the site", NULL},
    {"output-limit", "it wrote more than it may", "raise VM_RESULT_SIZE, or write less"},
    /* virtual machines */
    {"no-gwvm", "the site has no gwvm", "see docs/jobdir.md, attribute GWVM"},
    {"hypervisor", "libvirt or QEMU refused the virtual machine", "try gwvm probe at the site"},
    {"image-missing", "the image does not exist", "check VM_IMAGE"},
    {"image-corrupt", "the image is damaged", "make or fetch VM_IMAGE again"},
    {"image-checksum", "the image has another checksum than the template says",
     "check VM_IMAGE and its checksum"},
    {"image-refers", "the image refers to another file",
     "make it whole: qemu-img convert -O qcow2"},
    {"guest-no-boot", "nothing was heard from the guest in time",
     "see docs/guest.md, or raise VM_BOOT_TIMEOUT"},
    {"guest-no-result", "the guest powered off without a result", "see docs/guest.md"},
    {"guest-crashed", "the guest crashed", NULL},
    {"result-corrupt", "the guest's result cannot be read", "see docs/guest.md"},
    {"internal", "gwd, a driver or the wrapper failed", "see gwd's log"},
};

static const struct reason_row *find(const char *code)
{
    for (size_t i = 0; i < GW_COUNT(rows); i++)
        if (strcmp(rows[i].code, code) == 0)
            return &rows[i];
    return NULL;
}

/* Hosts that a condition removed, in the order in which a pass tries them. */
static const struct {
    const char *param, *words;
} removed[] = {
    {"down", "not up"},
    {"drained", "drained"},
    {"no_credential", "only for a valid credential"},
    {"no_bare", "only for jobs with staging"},
    {"no_lrms", "without a batch system"},
    {"no_vm", "without a hypervisor"},
    {"requirements", "not fitting"},
    {"too_small", "too small"},
    {"resting", "resting after failures"},
    {"busy", "busy"},
};

static const char *separator(bool *is_first)
{
    const char *text = *is_first ? "" : ", ";
    *is_first = false;
    return text;
}

static void put_removed(struct buf *out, const json_t *params)
{
    bool is_first = true;
    struct buf list = BUF_INIT;
    int64_t hosts = gw_int(params, "hosts", 0);
    for (size_t i = 0; i < GW_COUNT(removed); i++) {
        size_t k;
        json_t *row;
        int64_t n = gw_int(params, removed[i].param, 0);
        if (n > 0)
            buf_printf(&list, "%s%" PRId64 " %s", separator(&is_first), n, removed[i].words);
        json_array_foreach(gw_array(params, removed[i].param), k,
                           row) if ((n = gw_int(row, "removed", 0)) > 0)
            buf_printf(&list, "%s%" PRId64 " without %s", separator(&is_first), n,
                       gw_text(row, "condition", "?"));
    }
    if (list.len)
        buf_printf(out, " (of %" PRId64 " host%s: %s)", hosts, hosts == 1 ? "" : "s",
                   buf_str(&list));
    buf_clear(&list);
}

static void put_time(struct buf *out, const char *before, const json_t *params, const char *name)
{
    time_t at = (time_t)gw_number(params, name, 0);
    struct tm tm;
    char text[16];
    if (at > 0 && localtime_r(&at, &tm) && strftime(text, sizeof text, "%H:%M:%S", &tm))
        buf_printf(out, "%s%s", before, text);
}

static void put_back_off(struct buf *out, const json_t *params)
{
    const char *after = gw_text(params, "after", NULL);
    put_time(out, " at ", params, "until");
    if (after) {
        const struct reason_row *row = find(after);
        buf_printf(out, ", because %s", row ? row->words : after);
    }
}

static void put_rest(struct buf *out, const json_t *params)
{
    const char *host = gw_text(params, "host", NULL), *after = gw_text(params, "after", NULL);
    const char *message = gw_text(params, "after_message", NULL);
    const struct reason_row *row = after ? find(after) : NULL;
    if (host)
        buf_printf(out, ", %s", host);
    put_time(out, " until ", params, "until");
    if (after)
        buf_printf(out, ", because %s%s%s", row ? row->words : after, message ? ": " : "",
                   message ? message : "");
}

static void put_kill(struct buf *out, const json_t *params)
{
    const char *after = gw_text(params, "after", NULL);
    const struct reason_row *row = after ? find(after) : NULL;
    int64_t asked = gw_int(params, "asked", 0);
    put_time(out, ", wanted since ", params, "since");
    if (asked > 0)
        buf_printf(out, ", asked %" PRId64 " time%s", asked, asked == 1 ? "" : "s");
    if (after)
        buf_printf(out, ", because %s", row ? row->words : after);
}

void reason_words(const json_t *reason, struct buf *out)
{
    const char *code = gw_text(reason, "code", NULL);
    const json_t *params = gw_object(reason, "params");
    const char *message = gw_text(params, "message", NULL);
    if (!code)
        return;
    const struct reason_row *row = find(code);
    /* A driver's "busy" carries a message, the scheduler's the numbers of its pass. */
    if (strcmp(code, "busy") == 0 && gw_is_null(params, "hosts"))
        row = find("busy-site");
    buf_puts(out, row ? row->words : code);
    if (strcmp(code, "back-off") == 0)
        put_back_off(out, params);
    if (strcmp(code, "kill-pending") == 0)
        put_kill(out, params);
    if (!gw_is_null(params, "hosts"))
        put_removed(out, params);
    if (strcmp(code, "resting") == 0)
        put_rest(out, params);
    if (message && *message)
        buf_printf(out, ": %s", message);
}

void reason_left(const json_t *left, struct buf *out)
{
    const json_t *reason = gw_object(left, "reason");
    int64_t asked = gw_int(left, "asked", 0);
    time_t until = (time_t)gw_number(left, "until", 0);
    struct tm tm;
    char text[24];
    buf_printf(out, "%s at %s, asked %" PRId64 " time%s since gwd started",
               gw_bool(left, "may_run", false) ? "a program that may still run" : "a directory",
               gw_text(left, "host", "?"), asked, asked == 1 ? "" : "s");
    if (reason)
        buf_puts(out, "; ");
    reason_words(reason, out);
    if (until > 0 && localtime_r(&until, &tm) && strftime(text, sizeof text, "%F %H:%M", &tm))
        buf_printf(out, "; gwd goes on until %s", text);
}

/* Then no host was asked whether the job fits: nothing is wrong with it. */
static bool all_are_drained(const json_t *params)
{
    int64_t hosts = gw_int(params, "hosts", 0);
    return hosts > 0 && gw_int(params, "drained", 0) == hosts;
}

const char *reason_advice(const json_t *reason)
{
    const struct reason_row *row = find(gw_text(reason, "code", ""));
    const json_t *params = gw_object(reason, "params");
    /* Then there is nobody to go on asking. */
    if (strcmp(gw_text(params, "after", ""), "cannot-tell") == 0)
        row = find("cannot-tell");
    bool is_site = row && strcmp(row->code, "busy") == 0 && gw_is_null(params, "hosts");
    if (row && strcmp(row->code, "no-match") == 0 && all_are_drained(params))
        return "an administrator has drained them; gwhost --undrain uses a host again";
    return row && !is_site ? row->advice : NULL;
}

const char *reason_blame(const json_t *reason)
{
    static const char *const names[][2] = {{"job", "the job"}, {"site", "the site"}, {"us", "gwd"}};
    const char *blame = gw_text(reason, "blame", "");
    for (size_t i = 0; i < GW_COUNT(names); i++)
        if (strcmp(names[i][0], blame) == 0)
            return names[i][1];
    return NULL;
}
