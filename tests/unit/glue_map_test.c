/* What sites publish in GLUE, as hosts: pure, without a server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "im/attributes.h"
#include "im/glue/map.h"
#include "im/glue/options.h"
#include "lib/buf.h"
#include "lib/mem.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "class attribute=value; attribute=value": an entry named after its place in the list. */
static void put(struct entries *l, const char *text)
{
    char *copy = xstrdup(text), *save, *class = strtok_r(copy, " ", &save), dn[32];
    snprintf(dn, sizeof dn, "entry %04zu", l->n);
    assert_non_null(entries_add(l, dn, NULL));
    entry_add(l, "objectClass", class, strlen(class));
    for (char *pair; (pair = strtok_r(NULL, ";", &save));) {
        pair += strspn(pair, " ");
        char *value = strchr(pair, '=');
        *value++ = '\0';
        entry_add(l, pair, value, strlen(value));
    }
    assert_true(entry_classify(&l->items[l->n - 1]));
    free(copy);
}

static void put_all(struct entries *l, const char *const *texts)
{
    for (; *texts; texts++)
        put(l, *texts);
}

/* The line of the host, with blanks around it; the caller's. "" when there is no such host. */
static char *line_of(const struct entries *l, const struct glue_wish *w, const char *name)
{
    struct glue_host *hosts = NULL, *h;
    static const struct glue_wish all;
    struct buf line = BUF_INIT, framed = BUF_INIT;
    glue_map(l, w ? w : &all, &hosts);
    HASH_FIND_STR(hosts, name, h);
    if (h) {
        glue_host_line(h, &line);
        assert_int_equal(attributes_parse(buf_str(&line), line.len, name, &framed, NULL), 0);
        assert_string_equal(buf_str(&framed), buf_str(&line));
        buf_reset(&framed);
        buf_printf(&framed, " %s ", buf_str(&line));
    }
    buf_clear(&line);
    glue_hosts_clear(&hosts);
    return buf_take(&framed);
}

static bool has(const char *line, const char *fact)
{
    char *framed = xasprintf(" %s ", fact);
    bool has = line && strstr(line, framed);
    free(framed);
    return has;
}

struct expected {
    const char *host;
    const char *there[12]; /* assignments that the line has */
    const char *absent[6]; /* and texts that it has not */
};

static void check(const struct entries *l, const struct glue_wish *w, struct expected e)
{
    char *line = line_of(l, w, e.host);
    for (size_t i = 0; i < GW_COUNT(e.there) && e.there[i]; i++)
        if (!has(line, e.there[i]))
            fail_msg("%s: %s is not in:%s", e.host, e.there[i], line);
    for (size_t i = 0; i < GW_COUNT(e.absent) && e.absent[i]; i++)
        if (line && strstr(line, e.absent[i]))
            fail_msg("%s: %s is in:%s", e.host, e.absent[i], line);
    free(line);
}

static void check_texts(const char *const *texts, const struct glue_wish *w, struct expected e)
{
    struct entries l = {0};
    put_all(&l, texts);
    entries_sort(&l);
    check(&l, w, e);
    entries_clear(&l);
}

static void a_job_managers_name_is_found_in_the_contact(void **state)
{
    (void)state;
    static const struct {
        const char *ce, *lrms;
    } cases[] = {
        {"GlueCE GlueCEUniqueID=h:2119/jobmanager-fork", "LRMS_NAME=\"jobmanager-fork\""},
        {"GlueCE GlueCEUniqueID=h:2119/jobmanager-lcgpbs-long; GlueCEName=long",
         "LRMS_NAME=\"jobmanager-lcgpbs\""},
        {"GlueCE GlueCEUniqueID=h:2119/jobmanager-fork; GlueCEName=fork",
         "LRMS_NAME=\"jobmanager-fork\""},
        {"GlueCE GlueCEUniqueID=x; GlueCEInfoContactString=h:2119/jobmanager-slurm",
         "LRMS_NAME=\"jobmanager-slurm\""},
        {"GlueCE GlueCEUniqueID=h; GlueCEInfoJobManager=sge", "LRMS_NAME=\"jobmanager-sge\""},
        {"GlueCE GlueCEUniqueID=h; GlueCEInfoHostName=H", "HOSTNAME=\"h\""},
        {"GLUE2ComputingEndpoint GLUE2EndpointURL=https://h:2119/jobmanager-pbs",
         "LRMS_NAME=\"jobmanager-pbs\""},
        {"GLUE2ComputingEndpoint GLUE2EndpointURL=gram5://h:2119/jobmanager-fork",
         "LRMS_NAME=\"jobmanager-fork\""},
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++)
        check_texts((const char *const[]){cases[i].ce, NULL}, NULL,
                    (struct expected){.host = "h", .there = {cases[i].lrms}});
}

static void a_batch_system_is_preferred_to_fork(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "GlueCE GlueCEUniqueID=h:2119/jobmanager-fork-f; GlueCEName=f",
        "GlueCE GlueCEUniqueID=h:2119/jobmanager-pbs-a; GlueCEName=a; GlueCEInfoLRMSType=torque",
        "GlueCE GlueCEUniqueID=h:2119/jobmanager-pbs-b; GlueCEName=b; GlueCEStateStatus=Draining",
        NULL};
    check_texts(texts, NULL,
                (struct expected){
                    .host = "h",
                    .there = {"LRMS_NAME=\"jobmanager-pbs\"", "FORK_NAME=\"jobmanager-fork\"",
                              "QUEUE_NAME[0]=\"a\"", "QUEUE_NAME[1]=\"b\"", "LRMS_TYPE=\"torque\"",
                              "QUEUE_STATUS[1]=\"Draining\"", "QUEUE_DISPATCHTYPE[0]=\"batch\""},
                    .absent = {"\"f\""}});
}

static void numbers_that_mean_not_known_are_left_out(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "GlueCE GlueCEUniqueID=h:1/jobmanager-pbs; GlueCEName=q; GlueCEInfoTotalCPUs=12; "
        "GlueCEStateFreeCPUs=3; GlueCEStateFreeJobSlots=444444; "
        "GlueCEPolicyMaxWallClockTime=999999999; GlueCEPolicyMaxCPUTime=-1; "
        "GlueCEPolicyMaxRunningJobs=1e3; GlueCEPolicyMaxTotalJobs=123456789012345678901; "
        "GlueCEPolicyMaxSlotsPerJob=8",
        NULL};
    check_texts(texts, NULL,
                (struct expected){.host = "h",
                                  .there = {"QUEUE_NODECOUNT[0]=12", "QUEUE_FREENODECOUNT[0]=3",
                                            "CPU_FREE=300", "NODECOUNT=12", "QUEUE_MAXCOUNT[0]=8"},
                                  .absent = {"MAXTIME", "MAXCPUTIME", "MAXRUNNING", "MAXJOBS"}});
}

#define CE_OF_C                                                                                    \
    "GlueCE GlueCEUniqueID=h:1/jobmanager-pbs; GlueCEName=q; "                                     \
    "GlueForeignKey=GlueSiteUniqueID=s; GlueForeignKey=GlueClusterUniqueID=c"
#define SUB(rest) "GlueSubCluster GlueChunkKey=GlueClusterUniqueID=c; " rest
#define TAG "GlueHostApplicationSoftwareRunTimeEnvironment="

static void the_largest_sub_cluster_describes_the_machines(void **state)
{
    (void)state;
    static const char *const texts[] = {
        CE_OF_C, SUB("GlueSubClusterLogicalCPUs=4; GlueHostProcessorModel=small"),
        SUB("GlueSubClusterLogicalCPUs=60; GlueHostProcessorModel=large; "
            "GlueHostMainMemoryRAMSize=2048; GlueHostArchitecturePlatformType=x86_64; "
            "GlueHostArchitectureSMPSize=8; GlueHostProcessorClockSpeed=2400; "
            "GlueHostOperatingSystemName=Debian; GlueHostOperatingSystemRelease=12"),
        "GlueSubCluster GlueChunkKey=GlueClusterUniqueID=other; GlueSubClusterLogicalCPUs=900",
        NULL};
    check_texts(
        texts, NULL,
        (struct expected){.host = "h",
                          .there = {"NODECOUNT=64", "CPU_MODEL=\"large\"", "SIZE_MEM_MB=2048",
                                    "ARCH=\"x86_64\"", "CPU_SMP=8", "CPU_MHZ=2400",
                                    "OS_NAME=\"Debian\"", "OS_VERSION=\"12\""}});
}

static void a_site_says_in_tags_what_glue_has_no_word_for(void **state)
{
    (void)state;
    static const struct {
        const char *tags;
        struct expected e;
    } cases[] = {
        {SUB(TAG "LCG-2; " TAG "VM-QEMU"), {.there = {"VM_HYPERVISOR=\"qemu\""}}},
        {SUB(TAG "kvm"), {.there = {"VM_HYPERVISOR=\"qemu\""}}},
        {SUB(TAG "VM_HYPERVISOR=xen"), {.there = {"VM_HYPERVISOR=\"xen\""}}},
        {SUB(TAG "VM_HYPERVISOR=magic"), {.absent = {"VM_HYPERVISOR"}}},
        {SUB(TAG "KVM-client"), {.absent = {"VM_HYPERVISOR"}}},
        {SUB(TAG "STAGE_URL=gsiftp://se.example.org/data/~"),
         {.there = {"STAGE_URL=\"gsiftp://se.example.org/data/~\""}}},
        {SUB(TAG "STAGE_URL=file:///etc"), {.absent = {"STAGE_URL"}}},
        {SUB(TAG "STAGE_URL=gsiftp:///etc"), {.absent = {"STAGE_URL"}}},
        {SUB(TAG "GWVM=/opt/gwd/gwvm"), {.there = {"GWVM=\"/opt/gwd/gwvm\""}}},
        {SUB(TAG "GWVM=/bin/sh -c x"), {.absent = {"GWVM"}}},
        {SUB(TAG "GWVM=gwvm"), {.absent = {"GWVM"}}},
        {SUB(TAG "SE_HOSTNAME=se.example.org"), {.there = {"SE_HOSTNAME=\"se.example.org\""}}},
        {SUB(TAG "LRMS_NAME=jobmanager-evil"), {.absent = {"evil"}}},
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        struct expected e = cases[i].e;
        e.host = "h";
        check_texts((const char *const[]){CE_OF_C, cases[i].tags, NULL}, NULL, e);
    }
    /* Said of one part of the cluster, it does not hold for a job that may land on the other. */
    check_texts((const char *const[]){CE_OF_C, SUB(TAG "KVM"), SUB(TAG "other"), NULL}, NULL,
                (struct expected){.host = "h", .absent = {"VM_HYPERVISOR"}});
    check_texts((const char *const[]){CE_OF_C, SUB(TAG "KVM"), SUB(TAG "a; " TAG "KVM"), NULL},
                NULL, (struct expected){.host = "h", .there = {"VM_HYPERVISOR=\"qemu\""}});
}

static void queues_keep_their_numbers_whatever_the_servers_order(void **state)
{
    (void)state;
    struct entries l = {0};
    for (int i = 3; i-- > 0;) {
        char text[100];
        snprintf(text, sizeof text, "GlueCE GlueCEUniqueID=h:1/jobmanager-pbs; GlueCEName=q%d", i);
        put(&l, text);
        l.items[l.n - 1].dn[9] = (char)('0' + i);
    }
    entries_sort(&l);
    check(&l, NULL,
          (struct expected){
              .host = "h",
              .there = {"QUEUE_NAME[0]=\"q0\"", "QUEUE_NAME[1]=\"q1\"", "QUEUE_NAME[2]=\"q2\""}});
    entries_clear(&l);
}

#define ENDPOINT(rest) "GLUE2ComputingEndpoint GLUE2EndpointServiceForeignKey=s; " rest
#define SHARE(rest) "GLUE2ComputingShare GLUE2ShareServiceForeignKey=s; " rest

static void shares_of_one_queue_are_one_queue(void **state)
{
    (void)state;
    static const char *const texts[] = {
        ENDPOINT("GLUE2EndpointID=e; GLUE2EndpointURL=https://h/; "
                 "GLUE2EndpointInterfaceName=org.globus.gram"),
        SHARE("GLUE2ShareID=s1; GLUE2ComputingShareMappingQueue=long; "
              "GLUE2ComputingShareMaxWallTime=7200; GLUE2ComputingShareUsedSlots=30; "
              "GLUE2ComputingShareServingState=production"),
        SHARE("GLUE2ShareID=s2; GLUE2ComputingShareMappingQueue=long"),
        SHARE("GLUE2ShareID=s3; GLUE2EntityName=short; GLUE2ShareEndpointForeignKey=e; "
              "GLUE2ComputingShareServingState=draining"),
        SHARE("GLUE2ShareID=s4; GLUE2EntityName=elsewhere; GLUE2ShareEndpointForeignKey=x"),
        "GLUE2ComputingManager GLUE2ManagerID=m; GLUE2ManagerServiceForeignKey=s; "
        "GLUE2ManagerProductName=Torque; GLUE2ComputingManagerTotalSlots=100",
        "GLUE2ExecutionEnvironment GLUE2ResourceManagerForeignKey=m; "
        "GLUE2ExecutionEnvironmentPlatform=amd64; GLUE2ExecutionEnvironmentOSFamily=linux",
        "GLUE2ApplicationEnvironment GLUE2ApplicationEnvironmentComputingManagerForeignKey=m; "
        "GLUE2ApplicationEnvironmentAppName=VM-KVM",
        "GLUE2MappingPolicy GLUE2MappingPolicyShareForeignKey=s1; GLUE2PolicyRule=VO:a",
        "GLUE2MappingPolicy GLUE2MappingPolicyShareForeignKey=s2; GLUE2PolicyRule=VO:b; "
        "GLUE2PolicyRule=VO:a",
        NULL};
    check_texts(
        texts, NULL,
        (struct expected){.host = "h",
                          .there = {"LRMS_NAME=\"jobmanager-pbs\"", "LRMS_TYPE=\"pbs\"",
                                    "QUEUE_NAME[0]=\"long\"", "QUEUE_ACCESS[0]=\",VO:a,VO:b,\"",
                                    "QUEUE_MAXTIME[0]=120", "QUEUE_FREENODECOUNT[0]=70",
                                    "QUEUE_NAME[1]=\"short\"", "QUEUE_STATUS[1]=\"draining\"",
                                    "ARCH=\"x86_64\"", "OS_NAME=\"Linux\"",
                                    "VM_HYPERVISOR=\"qemu\"", "NODECOUNT=100"},
                          .absent = {"elsewhere", "QUEUE_NAME[2]"}});
}

static void an_endpoint_that_is_no_gram_takes_no_jobs(void **state)
{
    (void)state;
    static const char *const texts[] = {
        ENDPOINT("GLUE2EndpointURL=https://h:443/arex; "
                 "GLUE2EndpointInterfaceName=org.nordugrid.arcrest"),
        NULL};
    check_texts(
        texts, NULL,
        (struct expected){.host = "h", .there = {"HOSTNAME=\"h\""}, .absent = {"LRMS_NAME"}});
}

static void a_host_in_both_trees_is_taken_from_the_one_that_takes_jobs(void **state)
{
    (void)state;
    static const char ce[] = "GlueCE GlueCEUniqueID=h:1/jobmanager-one; GlueCEName=q";
    check_texts(
        (const char *const[]){ce, ENDPOINT("GLUE2EndpointURL=https://h:1/jobmanager-two"), NULL},
        NULL, (struct expected){.host = "h", .there = {"LRMS_NAME=\"jobmanager-two\""}});
    check_texts((const char *const[]){ce, ENDPOINT("GLUE2EndpointURL=https://h:1/rest"), NULL},
                NULL, (struct expected){.host = "h", .there = {"LRMS_NAME=\"jobmanager-one\""}});
}

static void patterns_choose_hosts_and_queues(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "GlueCE GlueCEUniqueID=Site.A:1/jobmanager-pbs; GlueCEName=long",
        "GlueCE GlueCEUniqueID=Site.A:1/jobmanager-pbs; GlueCEName=short",
        "GlueCE GlueCEUniqueID=site.b:1/jobmanager-pbs; GlueCEName=long", NULL};
    struct glue_wish w = {.host = "*.a", .queue = "sh*", .needs_queue = true};
    check_texts(texts, &w,
                (struct expected){
                    .host = "site.a", .there = {"QUEUE_NAME[0]=\"short\""}, .absent = {"long"}});
    check_texts(texts, &w, (struct expected){.host = "site.b", .absent = {"HOSTNAME"}});
}

static void a_host_with_too_many_queues_still_fits_a_line(void **state)
{
    (void)state;
    struct entries l = {0};
    char name[201];
    memset(name, 'x', 200);
    name[200] = '\0';
    for (int i = 0; i < 500; i++) {
        char *text = xasprintf("GlueCE GlueCEUniqueID=h:1/jobmanager-pbs; GlueCEName=%04d%s; "
                               "GlueCEStateStatus=%s; GlueCEPolicyPriority=%s",
                               i, name, name, name);
        put(&l, text);
        free(text);
    }
    char *line = line_of(&l, NULL, "h");
    assert_true(strlen(line) > GLUE_LINE_MAX_BYTES - 2000);
    assert_true(strlen(line) <= GLUE_LINE_MAX_BYTES + 2);
    free(line);
    entries_clear(&l);
}

static void what_is_too_much_is_left_out(void **state)
{
    (void)state;
    struct entries l = {0};
    struct gw_err err;
    char value[VALUE_MAX_BYTES + 1];
    memset(value, 'x', sizeof value);
    assert_non_null(entries_add(&l, "dn", NULL));
    entry_add(&l, "GlueCEName", value, sizeof value);
    entry_add(&l, "description", "nobody reads it", 15);
    assert_int_equal(l.items[0].n, 0);
    for (int i = 0; i < ENTRY_MAX_VALUES + 9; i++)
        entry_add(&l, "gluecename", "\x1b[1m\xff", 5);
    assert_int_equal(l.items[0].n, ENTRY_MAX_VALUES);
    assert_string_equal(entry_text(&l.items[0], "GlueCEName"), "?[1m?");
    while (entries_add(&l, "dn", &err))
        ;
    assert_int_equal(l.n, ENTRIES_MAX);
    assert_int_equal(err.code, GW_ENOSPC);
    entries_clear(&l);
}

/* Whatever the values are, what comes out is a line that gwd reads. */
static void any_values_become_a_line_that_can_be_read(void **state)
{
    (void)state;
    static const char *const classes[] = {
        "GlueCE GlueCEUniqueID=h:1/jobmanager-pbs; GlueForeignKey=GlueClusterUniqueID=k",
        "GlueSubCluster GlueChunkKey=GlueClusterUniqueID=k",
        "GLUE2ComputingEndpoint GLUE2EndpointURL=x://h/jobmanager-a; "
        "GLUE2EndpointServiceForeignKey=k",
        "GLUE2ComputingShare GLUE2ShareServiceForeignKey=k",
        "GLUE2ComputingManager GLUE2ManagerServiceForeignKey=k; GLUE2ManagerID=k",
        "GLUE2ExecutionEnvironment GLUE2ResourceManagerForeignKey=k"};
    static const char alphabet[] = "ab019-/:.,=\"\\[]() \t\n\x01\xff\xc3\xa9%{}'";
    uint64_t x = 0x9e3779b97f4a7c15;
    for (int round = 0; round < 300; round++) {
        struct entries l = {0};
        for (size_t i = 0; i < GW_COUNT(classes); i++) {
            put(&l, classes[i]);
            for (size_t a = 1; entry_attributes[a]; a++) {
                char value[16];
                size_t n;
                for (n = 0; n < sizeof value; n++) {
                    x ^= x << 13;
                    x ^= x >> 7;
                    x ^= x << 17;
                    value[n] = alphabet[x % (sizeof alphabet - 1)];
                }
                entry_add(&l, entry_attributes[a], value, x % sizeof value);
            }
        }
        char *line = line_of(&l, NULL, "h");
        assert_true(has(line, "HOSTNAME=\"h\""));
        free(line);
        entries_clear(&l);
    }
}

static int read_words(struct options *o, struct gw_err *err, char **argv)
{
    int argc = 0;

    optind = 0;
    while (argv[argc])
        argc++;
    return options_read(o, argc, argv, err);
}

static void arguments_name_servers_and_bases(void **state)
{
    (void)state;
    static const struct {
        const char *server, *url, *base;
    } cases[] = {
        {"bdii.example.org", "ldap://bdii.example.org:2170", "o=grid"},
        {"bdii:389", "ldap://bdii:389", "o=grid"},
        {"ldap://bdii", "ldap://bdii:389", "o=grid"},
        {"ldap://bdii:2170/o=glue", "ldap://bdii:2170", "o=glue"},
        {"ldap://bdii:2170/mds-vo-name=local,o=grid", "ldap://bdii:2170",
         "mds-vo-name=local,o=grid"},
        {"ldaps://[::1]:636", "ldaps://[::1]:636", "o=grid"},
        {"ldapi:///x", NULL, NULL},
        {"file:///etc/passwd", NULL, NULL},
        {"ldap://", NULL, NULL},
        {"a b", NULL, NULL},
        {"bdii:0", NULL, NULL},
        {"-x", NULL, NULL},
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        struct options o;
        struct gw_err err;
        char *argv[] = {"gw_im_glue", "-s", (char *)cases[i].server, NULL};
        int r = read_words(&o, &err, argv);
        assert_int_equal(r, cases[i].url ? 0 : -GW_EINVAL);
        if (cases[i].url) {
            assert_string_equal(o.given.items[0].url, cases[i].url);
            assert_string_equal(o.given.items[0].bases[0], cases[i].base);
        }
        options_clear(&o);
    }
}

static void filters_are_whole_and_of_one_glue(void **state)
{
    (void)state;
    static const struct {
        const char *queues, *part, *absent;
    } cases[] = {
        {"short*", "(objectClass=GlueCE)", "short"},
        {"(GlueCEName=a)(x=b)", "(&(objectClass=GlueCE)(GlueCEName=a)(x=b))", "GLUE2"},
        {"(GlueCEAccessControlBaseRule=VO\\:a)", "(GlueCEAccessControlBaseRule=VO:a)", "\\:"},
        {"(GLUE2EntityName=a)", "(&(objectClass=GLUE2ComputingShare)(GLUE2EntityName=a))",
         "GlueCE"},
        {"(a=b))(c=d", NULL, NULL},
        {"(a=b", NULL, NULL},
        {"(a=b)x(c=d)", NULL, NULL},
        {"(a=b)\\", NULL, NULL},
    };
    for (size_t i = 0; i < GW_COUNT(cases); i++) {
        struct options o;
        struct gw_err err;
        char *argv[] = {"gw_im_glue", "-s", "h", "-q", (char *)cases[i].queues, NULL};
        int r = read_words(&o, &err, argv);
        assert_int_equal(r, cases[i].part ? 0 : -GW_EINVAL);
        if (cases[i].part &&
            (!strstr(o.filter, cases[i].part) || strstr(o.filter, cases[i].absent)))
            fail_msg("%s became %s", cases[i].queues, o.filter);
        options_clear(&o);
    }
}

static char *reported;

static void report(const char *message)
{
    free(reported);
    reported = xstrdup(message);
}

static void a_list_has_a_server_on_each_line(void **state)
{
    (void)state;
    static const char text[] = "# sites\n\n one.example.org \r\nldap://two/o=glue\nfile:///x\none."
                               "example.org:2170";
    struct options o;
    struct gw_err err;
    struct targets t = {0};
    char *argv[] = {"gw_im_glue", "-l", "list", NULL};
    assert_int_equal(read_words(&o, &err, argv), 0);
    options_list(&o, text, strlen(text), "list", &t, report);
    assert_int_equal(t.n, 2);
    assert_string_equal(t.items[0].url, "ldap://one.example.org:2170");
    assert_string_equal(t.items[1].bases[0], "o=glue");
    assert_string_equal(reported, "list:6: ldap://one.example.org:2170 is given twice");
    free(reported);
    targets_clear(&t);
    options_clear(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_managers_name_is_found_in_the_contact),
        cmocka_unit_test(a_batch_system_is_preferred_to_fork),
        cmocka_unit_test(numbers_that_mean_not_known_are_left_out),
        cmocka_unit_test(the_largest_sub_cluster_describes_the_machines),
        cmocka_unit_test(a_site_says_in_tags_what_glue_has_no_word_for),
        cmocka_unit_test(queues_keep_their_numbers_whatever_the_servers_order),
        cmocka_unit_test(shares_of_one_queue_are_one_queue),
        cmocka_unit_test(an_endpoint_that_is_no_gram_takes_no_jobs),
        cmocka_unit_test(a_host_in_both_trees_is_taken_from_the_one_that_takes_jobs),
        cmocka_unit_test(patterns_choose_hosts_and_queues),
        cmocka_unit_test(a_host_with_too_many_queues_still_fits_a_line),
        cmocka_unit_test(what_is_too_much_is_left_out),
        cmocka_unit_test(any_values_become_a_line_that_can_be_read),
        cmocka_unit_test(arguments_name_servers_and_bases),
        cmocka_unit_test(filters_are_whole_and_of_one_glue),
        cmocka_unit_test(a_list_has_a_server_on_each_line),
    };
    return cmocka_run_group_tests_name("glue_map", tests, NULL, NULL);
}
