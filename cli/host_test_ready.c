/* Is a site ready for virtual machines: a script looks there, and its words are judged here. */
#include "cli/host_test.h"
#include "lib/mem.h"
#include "lib/num.h"

#include <stdlib.h>
#include <string.h>

/* It runs gwvm, as a VM job would, and looks for what that needs besides. */
const char host_test_ready_script[] =
    "PATH=$PATH:/usr/sbin:/sbin:/usr/libexec\n"
    "has() { command -v \"$1\" >/dev/null 2>&1 && echo yes || echo no; }\n"
    "arch=$(uname -m)\n"
    "echo \"qemu=$(has qemu-system-\"$arch\")\"\n"
    "[ -x /usr/libexec/qemu-kvm ] && echo qemu=yes\n"
    "echo \"qemu_img=$(has qemu-img)\"\n"
    "echo \"arch=$arch\"\n"
    "driver=no\n"
    "for f in /usr/lib/*/libvirt/connection-driver/libvirt_driver_qemu.so "
    "/usr/lib*/libvirt/connection-driver/libvirt_driver_qemu.so; do\n"
    "    [ -e \"$f\" ] && driver=yes\n"
    "done\n"
    "echo driver=$driver\n"
    "echo \"free_kib=$(df -Pk . | awk 'NR == 2 { print $4 }')\"\n"
    "[ -n \"${1-}\" ] || exit 0\n"
    "[ -e \"$1\" ] && echo gwvm=yes || echo gwvm=no\n"
    "chmod +x \"$1\" 2>/dev/null\n"
    "\"$1\" probe 2>&1\n"
    "exit 0\n";

enum { FREE_LEAST_MIB = 512 };

/* The value of the last line KEY=VALUE; the caller's. "" when there is none. */
static char *value_of(const char *report, const char *key)
{
    size_t len = strlen(key);
    char *found = xstrdup("");
    for (const char *line = report; *line; line += *line == '\n') {
        size_t n = strcspn(line, "\n");
        if (n > len && strncmp(line, key, len) == 0 && line[len] == '=') {
            free(found);
            found = xstrndup(line + len + 1, n - len - 1);
        }
        line += n;
    }
    return found;
}

static bool is_value(const char *report, const char *key, const char *value)
{
    char *found = value_of(report, key);
    bool is_equal = strcmp(found, value) == 0;
    free(found);
    return is_equal;
}

static void miss(struct host_test_step *s, struct buf *list, const char *what, const char *advice)
{
    buf_printf(list, "%s%s", list->len ? "; " : "", what);
    if (!s->advice)
        s->advice = advice;
}

static void miss_programs(struct host_test_step *s, const char *report, struct buf *list)
{
    if (!is_value(report, "driver", "yes"))
        miss(s, list, "libvirt's QEMU driver is not installed",
             "install libvirt-daemon-driver-qemu (no daemon has to run)");
    if (!is_value(report, "qemu", "yes")) {
        char *arch = value_of(report, "arch");
        char *what = xasprintf("QEMU is not there (qemu-system-%s)", arch);
        miss(s, list, what, "install QEMU for the site's architecture: qemu-system-x86, qemu-kvm");
        free(what);
        free(arch);
    }
    if (!is_value(report, "qemu_img", "yes"))
        miss(s, list, "qemu-img is not there", "install qemu-utils (qemu-img)");
}

static void miss_space(struct host_test_step *s, const char *report, uint64_t *ret_mib,
                       struct buf *list)
{
    char *text = value_of(report, "free_kib");
    uint64_t kib = 0;
    bool is_known = num_parse_u64(text, 0, UINT64_MAX / 2, &kib, NULL) == 0;
    *ret_mib = kib / 1024;
    if (is_known && *ret_mib < FREE_LEAST_MIB) {
        char *what = xasprintf("only %llu MiB are free where job directories are made",
                               (unsigned long long)*ret_mib);
        miss(s, list, what, "make space there, or name another place (STAGE_URL)");
        free(what);
    }
    free(text);
}

/* gwvm's own word comes last: it says in libvirt's words what a package that is named before it
 * says better. */
static void miss_gwvm(struct host_test_step *s, const char *report, struct buf *list)
{
    if (is_value(report, "gwvm", "no"))
        miss(s, list, "the gwvm that the host's attribute GWVM names is not there",
             "correct GWVM, or leave it out: gwvm is then copied with the job");
    else if (is_value(report, "reachable", "no") && !list->len) {
        char *error = value_of(report, "error");
        char *what = xasprintf("libvirt cannot be used: %s", error);
        miss(s, list, what, "try gwvm probe at the site, as the account that runs jobs");
        free(what);
        free(error);
    } else if (is_value(report, "gwvm", "yes") && !is_value(report, "reachable", "yes") &&
               !list->len)
        miss(s, list, "gwvm does not run there (is libvirt.so.0 missing?)",
             "install libvirt's client library (libvirt0); gwvm probe there says more");
}

void host_test_judge_ready(struct host_test_step *s, const char *report)
{
    struct buf list = BUF_INIT;
    uint64_t free_mib;
    char *version = value_of(report, "version");
    miss_programs(s, report, &list);
    miss_space(s, report, &free_mib, &list);
    miss_gwvm(s, report, &list);
    s->verdict = list.len ? STEP_FAILED : STEP_OK;
    if (list.len)
        s->words = buf_take(&list);
    else
        s->words = xasprintf("QEMU%s%s, %s, %llu MiB free", *version ? " " : "", version,
                             is_value(report, "type", "kvm") ? "KVM" : "emulation",
                             (unsigned long long)free_mib);
    free(version);
    buf_clear(&list);
}
