#include "vm/xml.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* U+FFFE and U+FFFF, in UTF-8. */
static bool is_no_character(const char *p)
{
    return strncmp(p, "\xef\xbf\xbe", 3) == 0 || strncmp(p, "\xef\xbf\xbf", 3) == 0;
}

/* XML 1.0 has no way to write most control characters and the two that are none; they and broken
 * UTF-8 do not come this far in paths that the host made itself, and become "?" in the title, where
 * they do not matter. */
static void put_escaped(struct buf *out, const char *text)
{
    for (const char *p = text; *p; p++) {
        if (is_no_character(p)) {
            buf_putc(out, '?');
            p += 2;
            continue;
        }
        switch (*p) {
        case '&':
            buf_puts(out, "&amp;");
            break;
        case '<':
            buf_puts(out, "&lt;");
            break;
        case '>':
            buf_puts(out, "&gt;");
            break;
        case '\'':
            buf_puts(out, "&apos;");
            break;
        case '"':
            buf_puts(out, "&quot;");
            break;
        default:
            buf_putc(out, (unsigned char)*p < 0x20 || *p == 0x7f ? '?' : *p);
        }
    }
}

static void put_element(struct buf *out, const char *indent, const char *name, const char *text)
{
    buf_printf(out, "%s<%s>", indent, name);
    put_escaped(out, text);
    buf_printf(out, "</%s>\n", name);
}

static void put_head(struct buf *out, const struct vm_conf *c)
{
    buf_printf(out, "<domain type='qemu'>\n  <name>gw-%s</name>\n", c->token);
    put_element(out, "  ", "uuid", c->uuid);
    put_element(out, "  ", "title", c->name);
    buf_printf(out,
               "  <metadata>\n"
               "    <gw:job xmlns:gw='" VM_METADATA_URI "'>\n"
               "      <gw:token>%s</gw:token>\n"
               "    </gw:job>\n"
               "  </metadata>\n",
               c->token);
    buf_printf(out,
               "  <memory unit='MiB'>%" PRIu64 "</memory>\n"
               "  <vcpu>%" PRIu64 "</vcpu>\n",
               c->memory_mib, c->cpus);
    /* A guest that restarts has failed: what it was to run would run twice. */
    buf_puts(out, "  <os>\n"
                  "    <type arch='x86_64' machine='q35'>hvm</type>\n"
                  "    <boot dev='hd'/>\n"
                  "    <bios useserial='yes'/>\n"
                  "  </os>\n"
                  "  <features>\n"
                  "    <acpi/>\n"
                  "  </features>\n"
                  "  <cpu mode='maximum'/>\n"
                  "  <clock offset='utc'/>\n"
                  "  <on_poweroff>destroy</on_poweroff>\n"
                  "  <on_reboot>destroy</on_reboot>\n"
                  "  <on_crash>destroy</on_crash>\n");
}

static void put_source(struct buf *out, const char *path)
{
    buf_puts(out, "      <source file='");
    put_escaped(out, path);
    buf_puts(out, "'/>\n");
}

/* On a full file system the guest stops and we are told, instead of it seeing a bad disk. */
static void put_disk_head(struct buf *out, const char *format, const char *path)
{
    buf_printf(out,
               "    <disk type='file' device='disk'>\n"
               "      <driver name='qemu' type='%s' cache='unsafe' error_policy='stop' "
               "discard='unmap'/>\n",
               format);
    put_source(out, path);
}

static void put_disk_tail(struct buf *out, int index, const char *serial)
{
    buf_printf(out,
               "      <target dev='vd%c' bus='virtio'/>\n"
               "      <serial>%s</serial>\n"
               "    </disk>\n",
               'a' + index, serial);
}

static void put_root(struct buf *out, const struct image *base, const struct vm_files *files)
{
    put_disk_head(out, "qcow2", files->overlay);
    /* The whole chain is spelled out, so that nothing is guessed from a file's content. */
    buf_printf(out,
               "      <backingStore type='file'>\n"
               "        <format type='%s'/>\n"
               "        <source file='",
               image_format_name(base->format));
    put_escaped(out, files->base);
    buf_puts(out, "'/>\n"
                  "        <backingStore/>\n"
                  "      </backingStore>\n");
    put_disk_tail(out, 0, "gwroot");
}

static void put_seed(struct buf *out, const char *path)
{
    buf_puts(out, "    <disk type='file' device='disk'>\n"
                  "      <driver name='qemu' type='raw'/>\n");
    put_source(out, path);
    buf_puts(out, "      <readonly/>\n");
    put_disk_tail(out, 1, "gwseed");
}

static void put_disks(struct buf *out, const struct vm_conf *c, const struct image *base,
                      const struct vm_files *files)
{
    put_root(out, base, files);
    put_seed(out, files->seed);
    put_disk_head(out, "raw", files->result);
    put_disk_tail(out, 2, "gwresult");
    for (size_t i = 0; i < c->n_disks; i++) {
        char serial[32];
        snprintf(serial, sizeof serial, "gwdisk%zu", i);
        put_disk_head(out, "raw", files->disks[i]);
        put_disk_tail(out, 3 + (int)i, serial);
    }
}

static void put_channel(struct buf *out, const char *path, const char *name)
{
    buf_puts(out, "    <channel type='file'>\n"
                  "      <source path='");
    put_escaped(out, path);
    buf_printf(out,
               "' append='on'/>\n"
               "      <target type='virtio' name='%s'/>\n"
               "    </channel>\n",
               name);
}

void vm_xml(const struct vm_conf *c, const struct image *base, const struct vm_files *files,
            struct buf *out)
{
    put_head(out, c);
    buf_puts(out, "  <devices>\n"
                  "    <controller type='usb' model='none'/>\n");
    put_disks(out, c, base, files);
    buf_puts(out, "    <serial type='file'>\n"
                  "      <source path='");
    put_escaped(out, files->console);
    buf_puts(out, "' append='on'/>\n"
                  "    </serial>\n");
    put_channel(out, files->stdout_log, "org.gwd.stdout.0");
    put_channel(out, files->stderr_log, "org.gwd.stderr.0");
    put_channel(out, files->status_log, "org.gwd.status.0");
    buf_puts(out, "    <memballoon model='none'/>\n"
                  "    <rng model='virtio'>\n"
                  "      <backend model='random'>/dev/urandom</backend>\n"
                  "    </rng>\n"
                  "    <panic model='isa'/>\n"
                  "  </devices>\n"
                  "</domain>\n");
}
