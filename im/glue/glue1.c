/* GLUE 1.3: a GlueCE is a queue; the machines behind it are the GlueSubClusters of its cluster. */
#include "im/attributes.h"
#include "im/glue/map.h"
#include "lib/mem.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct fact_row ce_queue[] = {
    {"GlueCEPolicyAssignedJobSlots", "QUEUE_NODECOUNT", 1},
    {"GlueCEInfoTotalCPUs", "QUEUE_NODECOUNT", 1},
    {"GlueCEStateFreeJobSlots", "QUEUE_FREENODECOUNT", 1},
    {"GlueCEStateFreeCPUs", "QUEUE_FREENODECOUNT", 1},
    {"GlueCEPolicyMaxWallClockTime", "QUEUE_MAXTIME", 1},
    {"GlueCEPolicyMaxCPUTime", "QUEUE_MAXCPUTIME", 1},
    {"GlueCEPolicyMaxSlotsPerJob", "QUEUE_MAXCOUNT", 1},
    {"GlueCEPolicyMaxRunningJobs", "QUEUE_MAXRUNNINGJOBS", 1},
    {"GlueCEPolicyMaxTotalJobs", "QUEUE_MAXJOBSINQUEUE", 1},
    {"GlueCEPolicyPriority", "QUEUE_PRIORITY", 0},
};

static const struct fact_row sub_cluster[] = {
    {"GlueHostArchitecturePlatformType", "ARCH", 0},
    {"GlueHostArchitectureSMPSize", "CPU_SMP", 1},
    {"GlueHostProcessorModel", "CPU_MODEL", 0},
    {"GlueHostProcessorClockSpeed", "CPU_MHZ", 1},
    {"GlueHostMainMemoryRAMSize", "SIZE_MEM_MB", 1},
    {"GlueHostOperatingSystemName", "OS_NAME", 0},
    {"GlueHostOperatingSystemRelease", "OS_VERSION", 0},
};

static const char *contact_of(const struct entry *ce)
{
    const char *contact = entry_text(ce, "GlueCEInfoContactString");
    return *contact ? contact : entry_text(ce, "GlueCEUniqueID");
}

static char *host_of(const struct entry *ce)
{
    const char *name = entry_text(ce, "GlueCEInfoHostName");
    return *name ? xstrdup(name) : glue_host_of(contact_of(ce));
}

/* "jobmanager-pbs" of "ce.example.org:2119/jobmanager-pbs-long", whose queue is "long". */
static char *lrms_of(const struct entry *ce)
{
    const char *slash = strrchr(contact_of(ce), '/'), *queue = entry_text(ce, "GlueCEName");
    const char *manager = entry_text(ce, "GlueCEInfoJobManager");
    if (!slash || !slash[1])
        return *manager ? xasprintf("jobmanager-%s", manager) : xstrdup("");
    char *lrms = xstrdup(slash + 1);
    size_t len = strlen(lrms), n = strlen(queue);
    if (n && len > n + 1 && strcmp(lrms + len - n, queue) == 0 && lrms[len - n - 1] == '-' &&
        memchr(lrms, '-', len - n - 1))
        lrms[len - n - 1] = '\0';
    return lrms;
}

static const char *queue_of(const struct entry *ce)
{
    const char *name = entry_text(ce, "GlueCEName");
    return *name ? name : "default";
}

static void add_queue(struct glue_host *h, const struct entry *ce)
{
    const char *state = entry_text(ce, "GlueCEStateStatus"),
               *type = entry_text(ce, "GlueCEInfoLRMSType"), *rule;
    struct glue_queue *q = glue_host_queue(h, queue_of(ce));
    size_t pos = 0;
    if (!q)
        return;
    facts_take(&q->facts, ce, ce_queue, GW_COUNT(ce_queue));
    facts_text(&q->facts, "QUEUE_STATUS", strcasecmp(state, "Production") == 0 ? "enabled" : state);
    facts_text(&q->facts, "QUEUE_DISPATCHTYPE",
               strcasecmp(type, "fork") == 0 ? "immediate" : "batch");
    while ((rule = entry_next(ce, "GlueCEAccessControlBaseRule", &pos)))
        glue_queue_allow(q, rule);
}

/* Of the cluster behind the entry: its largest sub-cluster describes it. What is said in tags has
 * to be said of all, because nobody knows where a job will land. */
static void add_machines(struct glue_host *h, const struct entry_link *subs)
{
    const struct entry *largest = NULL;
    long long cpus = 0, most = -1;
    for (size_t i = 0; subs && i < subs->n; i++) {
        long long n = entry_number(subs->items[i], "GlueSubClusterLogicalCPUs");
        if (n > most || !largest) {
            largest = subs->items[i];
            most = n;
        }
        cpus += n > 0 ? n : 0;
    }
    if (!largest || h->has_machines)
        return;
    h->has_machines = true;
    facts_number(&h->facts, "NODECOUNT", cpus > 0 ? cpus : -1);
    facts_take(&h->facts, largest, sub_cluster, GW_COUNT(sub_cluster));
    static const char tags[] = "GlueHostApplicationSoftwareRunTimeEnvironment";
    size_t pos = 0;
    for (const char *tag; (tag = entry_next(largest, tags, &pos));) {
        bool is_everywhere = true;
        for (size_t i = 0; i < subs->n && is_everywhere; i++) {
            size_t at = 0;
            const char *other;
            while ((other = entry_next(subs->items[i], tags, &at)) && strcmp(other, tag) != 0)
                ;
            is_everywhere = other != NULL;
        }
        if (is_everywhere)
            glue_host_tag(h, tag);
    }
}

static const struct entry_link *sub_clusters_of(const struct entry_link *map,
                                                const struct entry *ce)
{
    static const char prefix[] = "GlueClusterUniqueID=";
    const struct entry_link *found = NULL;
    size_t pos = 0;
    for (const char *key; !found && (key = entry_next(ce, "GlueForeignKey", &pos));)
        if (strncmp(key, prefix, sizeof prefix - 1) == 0)
            found = links_find(map, key);
    if (!found) {
        char *key = xasprintf("%s%s", prefix, entry_text(ce, "GlueCEHostingCluster"));
        found = links_find(map, key);
        free(key);
    }
    return found;
}

static void add_ce(struct glue_host *h, const struct entry *ce, const struct entry_link *subs)
{
    const char *se = entry_text(ce, "GlueCEInfoDefaultSE");
    long long cpus = entry_number(ce, "GlueCEInfoTotalCPUs"),
              free_cpus = entry_number(ce, "GlueCEStateFreeCPUs");
    add_machines(h, sub_clusters_of(subs, ce));
    facts_text(&h->facts, "LRMS_TYPE", entry_text(ce, "GlueCEInfoLRMSType"));
    facts_number(&h->facts, "NODECOUNT", cpus);
    facts_number(&h->facts, "CPU_FREE", free_cpus < 0 ? -1 : free_cpus * 100);
    /* What a site's job directories are on is said in a tag where it is not this. */
    if (attributes_is_host_name(se))
        facts_text(&h->facts, "SE_HOSTNAME", se);
    add_queue(h, ce);
}

void glue1_map(const struct entries *l, const struct glue_wish *w, struct glue_host **hosts)
{
    struct entry_link *subs = NULL;
    links_build(&subs, l, GLUE1_SUBCLUSTER, "GlueChunkKey");
    /* First which job manager each host has, then the queues that are behind it. */
    for (int round = 0; round < 2; round++)
        for (size_t i = 0; i < l->n; i++) {
            const struct entry *ce = &l->items[i];
            if (ce->class != GLUE1_CE)
                continue;
            char *host = host_of(ce), *lrms = lrms_of(ce);
            struct glue_host *h =
                glue_is_wanted(w, host, queue_of(ce)) ? glue_host_add(hosts, host) : NULL;
            if (h && round == 0)
                glue_host_offer_lrms(h, lrms);
            else if (h && strcmp(h->lrms, glue_is_lrms(lrms) ? lrms : "") == 0)
                add_ce(h, ce, subs);
            free(host);
            free(lrms);
        }
    links_clear(&subs);
}
