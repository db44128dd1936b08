/* vm.conf and the domain that is made of it: what is accepted keeps its bounds; the XML is one that
 * a parser reads, with nothing in it that is not ours, and every value stands in it literally.
 *
 * fuzz: max_len=2048 */
#include "vm/conf.h"
#include "vm/name.h"
#include "vm/xml.h"
#include "tests/fuzz/fuzz.h"

#include <expat.h>
#include <inttypes.h>

struct seen {
    const struct vm_conf *conf;
    const struct vm_files *files;
    struct buf text; /* of the element */
    size_t n_elements, n_sources;
};

static bool is_file(const struct seen *s, const char *path)
{
    const struct vm_files *f = s->files;
    const char *const names[] = {f->base,    f->overlay,    f->seed,       f->result,
                                 f->console, f->stdout_log, f->stderr_log, f->status_log};
    for (size_t i = 0; i < GW_COUNT(names); i++)
        if (strcmp(names[i], path) == 0)
            return true;
    for (size_t i = 0; i < s->conf->n_disks; i++)
        if (strcmp(f->disks[i], path) == 0)
            return true;
    return false;
}

static void on_element(void *ctx, const char *name, const char **attributes)
{
    static const char *const known[] = {
        "domain",       "name",   "uuid",       "title",       "metadata",  "gw:job",   "gw:token",
        "memory",       "vcpu",   "os",         "type",        "boot",      "bios",     "acpi",
        "features",     "cpu",    "clock",      "on_poweroff", "on_reboot", "on_crash", "devices",
        "disk",         "driver", "source",     "target",      "serial",    "readonly", "channel",
        "backingStore", "format", "controller", "memballoon",  "rng",       "backend",  "panic"};
    struct seen *s = ctx;
    bool is_known = false;
    for (size_t i = 0; i < GW_COUNT(known); i++)
        is_known |= strcmp(known[i], name) == 0;
    FUZZ_CHECK(is_known);
    s->n_elements++;
    buf_reset(&s->text);
    for (; strcmp(name, "source") == 0 && *attributes; attributes += 2)
        if (strcmp(attributes[0], "file") == 0 || strcmp(attributes[0], "path") == 0) {
            FUZZ_CHECK(is_file(s, attributes[1]));
            s->n_sources++;
        }
}

/* What has no form in XML becomes a '?' in the title. */
static bool is_title(const char *name, const char *text)
{
    for (; *name && *text; text++)
        if (*name == *text)
            name++;
        else if (*text == '?')
            name += utf8_length(name, strlen(name));
        else
            return false;
    return !*name && !*text;
}

static void on_end(void *ctx, const char *name)
{
    struct seen *s = ctx;
    char number[32];
    if (strcmp(name, "uuid") == 0)
        FUZZ_CHECK(strcmp(buf_str(&s->text), s->conf->uuid) == 0);
    if (strcmp(name, "title") == 0)
        FUZZ_CHECK(is_title(s->conf->name, buf_str(&s->text)));
    if (strcmp(name, "gw:token") == 0)
        FUZZ_CHECK(strcmp(buf_str(&s->text), s->conf->token) == 0);
    snprintf(number, sizeof number, "%" PRIu64, s->conf->memory_mib);
    if (strcmp(name, "memory") == 0)
        FUZZ_CHECK(strcmp(buf_str(&s->text), number) == 0);
    buf_reset(&s->text);
}

static void on_text(void *ctx, const char *text, int len)
{
    struct seen *s = ctx;
    buf_put(&s->text, text, (size_t)len);
}

static void on_doctype(void *ctx, const char *name, const char *system, const char *public,
                       int has_subset)
{
    (void)ctx, (void)name, (void)system, (void)public, (void)has_subset;
    FUZZ_CHECK(!"a DOCTYPE is in it");
}

static void on_other(void *ctx, const char *target, const char *data)
{
    (void)ctx, (void)target, (void)data;
    FUZZ_CHECK(!"a processing instruction is in it");
}

static void check_xml(const struct vm_conf *c, const struct vm_files *files)
{
    struct buf xml = BUF_INIT;
    struct seen s = {.conf = c, .files = files};
    struct image base = {.format = IMAGE_QCOW2, .virtual_bytes = 1};
    XML_Parser p = XML_ParserCreate(NULL);
    vm_xml(c, &base, files, &xml);
    XML_SetUserData(p, &s);
    XML_SetElementHandler(p, on_element, on_end);
    XML_SetCharacterDataHandler(p, on_text);
    XML_SetStartDoctypeDeclHandler(p, on_doctype);
    XML_SetProcessingInstructionHandler(p, on_other);
    if (XML_Parse(p, xml.data, (int)xml.len, 1) != XML_STATUS_OK)
        fprintf(stderr, "line %lu: %s\n", XML_GetCurrentLineNumber(p),
                XML_ErrorString(XML_GetErrorCode(p)));
    FUZZ_CHECK(XML_GetErrorCode(p) == XML_ERROR_NONE);
    FUZZ_CHECK(s.n_sources == 8 + c->n_disks);
    XML_ParserFree(p);
    buf_clear(&s.text);
    buf_clear(&xml);
}

static void check_conf(const struct vm_conf *c)
{
    FUZZ_CHECK(vm_token_is_safe(c->token) && c->name && strlen(c->uuid) == 36 && c->uri);
    FUZZ_CHECK(*c->image && *c->executable && c->n_disks <= VM_DISKS_MAX);
    FUZZ_CHECK(c->cpus && c->memory_mib && c->result_bytes >= 65536 && c->boot_timeout_s);
    for (size_t i = 0; i < c->n_inputs; i++)
        FUZZ_CHECK(vm_name_is_safe(c->inputs[i]));
    for (size_t i = 0; i < c->n_outputs; i++)
        FUZZ_CHECK(vm_name_is_safe(c->outputs[i]));
}

/* A text without the keys that have to be there gets them. The site's own names are of all
 * characters but control ones. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char rest[] =
        "TOKEN = i.1.2.3.4\nUUID = 01234567-89ab-cdef-0123-456789abcdef\nURI = "
        "qemu:///embed\nIMAGE = i\n"
        "CPUS = 1\nMEMORY_MIB = 256\nRESULT_BYTES = 65536\nEXECUTABLE = x\nWALLTIME_S = 0\n"
        "BOOT_TIMEOUT_S = 60\n";
    struct vm_files files = {.base = "/b&<>'\"]]>",
                             .overlay = "/o",
                             .seed = "/s'/><x a='",
                             .result = "/r",
                             .console = "/c",
                             .stdout_log = "/1",
                             .stderr_log = "/2",
                             .status_log = "/3"};
    struct buf text = BUF_INIT;
    struct vm_conf c = {0};
    struct gw_err err = {0};
    if (!memmem(data, size, "TOKEN", 5))
        buf_puts(&text, rest);
    buf_put(&text, data, size);
    buf_puts(&text, "");
    if (vm_conf_parse(buf_str(&text), text.len, "f", &c, &err) < 0) {
        FUZZ_CHECK(*err.text && !c.token);
    } else {
        for (size_t i = 0; i < c.n_disks; i++)
            files.disks[i] = "/d";
        check_conf(&c);
        check_xml(&c, &files);
    }
    vm_conf_clear(&c);
    buf_clear(&text);
    return 0;
}
