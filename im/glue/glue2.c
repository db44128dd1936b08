/* GLUE 2: a service is reached through endpoints, of which GRAM's are those that we can use; its
 * shares are queues, its managers batch systems, and these manage execution environments. */
#include "im/attributes.h"
#include "im/glue/map.h"
#include "lib/mem.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct fact_row share_queue[] = {
    {"GLUE2ComputingShareFreeSlots", "QUEUE_FREENODECOUNT", 1},
    {"GLUE2ComputingShareMaxWallTime", "QUEUE_MAXTIME", 60},
    {"GLUE2ComputingShareMaxCPUTime", "QUEUE_MAXCPUTIME", 60},
    {"GLUE2ComputingShareMaxSlotsPerJob", "QUEUE_MAXCOUNT", 1},
    {"GLUE2ComputingShareMaxRunningJobs", "QUEUE_MAXRUNNINGJOBS", 1},
    {"GLUE2ComputingShareMaxTotalJobs", "QUEUE_MAXJOBSINQUEUE", 1},
};

static const struct fact_row environment[] = {
    {"GLUE2ExecutionEnvironmentLogicalCPUs", "CPU_SMP", 1},
    {"GLUE2ExecutionEnvironmentCPUModel", "CPU_MODEL", 0},
    {"GLUE2ExecutionEnvironmentCPUClockSpeed", "CPU_MHZ", 1},
    {"GLUE2ExecutionEnvironmentMainMemorySize", "SIZE_MEM_MB", 1},
    {"GLUE2ExecutionEnvironmentOSVersion", "OS_VERSION", 0},
};

/* What belongs to what, by the ids that the parts name. */
struct joins {
    struct entry_link *shares, *managers;           /* of a service */
    struct entry_link *environments, *applications; /* of a manager */
    struct entry_link *policies;                    /* of a share */
};

static void join(struct joins *j, const struct entries *l)
{
    links_build(&j->shares, l, GLUE2_SHARE, "GLUE2ShareServiceForeignKey");
    links_build(&j->shares, l, GLUE2_SHARE, "GLUE2ComputingShareComputingServiceForeignKey");
    links_build(&j->managers, l, GLUE2_MANAGER, "GLUE2ManagerServiceForeignKey");
    links_build(&j->managers, l, GLUE2_MANAGER, "GLUE2ComputingManagerComputingServiceForeignKey");
    links_build(&j->environments, l, GLUE2_ENVIRONMENT, "GLUE2ResourceManagerForeignKey");
    links_build(&j->environments, l, GLUE2_ENVIRONMENT,
                "GLUE2ExecutionEnvironmentComputingManagerForeignKey");
    links_build(&j->applications, l, GLUE2_APPLICATION,
                "GLUE2ApplicationEnvironmentComputingManagerForeignKey");
    links_build(&j->policies, l, GLUE2_POLICY, "GLUE2MappingPolicyShareForeignKey");
}

static void joins_clear(struct joins *j)
{
    links_clear(&j->shares);
    links_clear(&j->managers);
    links_clear(&j->environments);
    links_clear(&j->applications);
    links_clear(&j->policies);
}

static const char *service_of(const struct entry *endpoint)
{
    const char *key = entry_text(endpoint, "GLUE2EndpointServiceForeignKey");
    return *key ? key : entry_text(endpoint, "GLUE2ComputingEndpointComputingServiceForeignKey");
}

static const struct entry *manager_of(const struct joins *j, const struct entry *endpoint)
{
    const struct entry_link *managers = links_find(j->managers, service_of(endpoint));
    return managers ? managers->items[0] : NULL;
}

/* The batch system's kind as job managers are named after it; the caller's. */
static char *kind_of(const struct entry *manager)
{
    static const struct {
        const char *product, *kind;
    } kinds[] = {{"torque", "pbs"}, {"openpbs", "pbs"},    {"pbspro", "pbs"},
                 {"pbs", "pbs"},    {"gridengine", "sge"}, {"htcondor", "condor"}};
    char *product = glue_small(manager ? entry_text(manager, "GLUE2ManagerProductName") : "");
    for (size_t i = 0; i < GW_COUNT(kinds); i++)
        if (strcmp(product, kinds[i].product) == 0) {
            free(product);
            return xstrdup(kinds[i].kind);
        }
    return product;
}

/* "jobmanager-pbs" of "https://ce.example.org:2119/jobmanager-pbs"; for a GRAM that does not say it
 * the manager's product. "" for an endpoint that is no GRAM. The caller's. */
static char *endpoint_lrms(const struct joins *j, const struct entry *endpoint)
{
    const char *url = entry_text(endpoint, "GLUE2EndpointURL"), *slash = strrchr(url, '/');
    if (slash && strncmp(slash + 1, "jobmanager", 10) == 0)
        return xstrdup(slash + 1);
    if (!strcasestr(entry_text(endpoint, "GLUE2EndpointInterfaceName"), "gram"))
        return xstrdup("");
    char *kind = kind_of(manager_of(j, endpoint));
    char *lrms = *kind ? xasprintf("jobmanager-%s", kind) : xstrdup("");
    free(kind);
    return lrms;
}

static const char *queue_name(const struct entry *share)
{
    const char *queue = entry_text(share, "GLUE2ComputingShareMappingQueue");
    if (!*queue)
        queue = entry_text(share, "GLUE2EntityName");
    return *queue ? queue : entry_text(share, "GLUE2ShareID");
}

/* A share that names endpoints is reached through these alone. */
static bool is_reached(const struct entry *share, const struct entry *endpoint)
{
    static const char *const keys[] = {"GLUE2ShareEndpointForeignKey",
                                       "GLUE2ComputingShareComputingEndpointForeignKey"};
    const char *id = entry_text(endpoint, "GLUE2EndpointID"), *key;
    bool names_any = false;
    for (size_t i = 0; i < GW_COUNT(keys); i++) {
        size_t pos = 0;
        while ((key = entry_next(share, keys[i], &pos))) {
            names_any = true;
            if (strcmp(key, id) == 0)
                return true;
        }
    }
    return !names_any;
}

/* What keeps the endpoint, then the share, from running jobs. */
static const char *status_of(const struct entry *endpoint, const struct entry *share)
{
    const char *health = entry_text(endpoint, "GLUE2EndpointHealthState");
    const char *states[] = {entry_text(endpoint, "GLUE2EndpointServingState"),
                            entry_text(share, "GLUE2ComputingShareServingState")};
    if (strcasecmp(health, "critical") == 0)
        return health;
    for (size_t i = 0; i < GW_COUNT(states); i++)
        if (*states[i] && strcasecmp(states[i], "production") != 0)
            return states[i];
    return "enabled";
}

static long long slots_of(const struct entry *manager)
{
    long long n = manager ? entry_number(manager, "GLUE2ComputingManagerTotalSlots") : -1;
    return n >= 0 || !manager ? n : entry_number(manager, "GLUE2ComputingManagerTotalLogicalCPUs");
}

/* Several shares of one queue, one for each community, are one queue of ours: what the first says,
 * open to all of theirs. */
static void add_share(struct glue_host *h, const struct joins *j, const struct entry *endpoint,
                      const struct entry *share, const char *kind)
{
    struct glue_queue *q = glue_host_queue(h, queue_name(share));
    long long slots = slots_of(manager_of(j, endpoint)),
              used = entry_number(share, "GLUE2ComputingShareUsedSlots");
    if (!q)
        return;
    facts_take(&q->facts, share, share_queue, GW_COUNT(share_queue));
    facts_number(&q->facts, "QUEUE_NODECOUNT", slots);
    if (slots >= 0 && used >= 0 && used <= slots)
        facts_number(&q->facts, "QUEUE_FREENODECOUNT", slots - used);
    facts_text(&q->facts, "QUEUE_STATUS", status_of(endpoint, share));
    facts_text(&q->facts, "QUEUE_DISPATCHTYPE", strcmp(kind, "fork") == 0 ? "immediate" : "batch");
    const struct fact *free_slots = facts_find(&q->facts, "QUEUE_FREENODECOUNT");
    facts_number(&h->facts, "CPU_FREE", free_slots ? free_slots->number * 100 : -1);
    const char *se = entry_text(share, "GLUE2ComputingShareDefaultStorageService"), *rule;
    if (strchr(se, '.') && attributes_is_host_name(se))
        facts_text(&h->facts, "SE_HOSTNAME", se);
    const struct entry_link *policies = links_find(j->policies, entry_text(share, "GLUE2ShareID"));
    for (size_t i = 0; policies && i < policies->n; i++)
        for (size_t pos = 0; (rule = entry_next(policies->items[i], "GLUE2PolicyRule", &pos));)
            glue_queue_allow(q, rule);
}

static void add_tags(struct glue_host *h, const struct entry *e, const char *attribute)
{
    size_t pos = 0;
    for (const char *tag; (tag = entry_next(e, attribute, &pos));)
        glue_host_tag(h, tag);
}

static void add_environment(struct glue_host *h, const struct entry *e)
{
    const char *platform = entry_text(e, "GLUE2ExecutionEnvironmentPlatform"),
               *os = entry_text(e, "GLUE2ExecutionEnvironmentOSFamily");
    facts_text(&h->facts, "ARCH", strcmp(platform, "amd64") == 0 ? "x86_64" : platform);
    facts_text(&h->facts, "OS_NAME", strcasecmp(os, "linux") == 0 ? "Linux" : os);
    facts_take(&h->facts, e, environment, GW_COUNT(environment));
}

static long long mib_of_gb(long long gb)
{
    return gb < 0 ? -1 : gb * 1024;
}

static void add_manager(struct glue_host *h, const struct joins *j, const struct entry *manager,
                        const char *kind)
{
    const char *id = entry_text(manager, "GLUE2ManagerID");
    const struct entry_link *environments = links_find(j->environments, id),
                            *applications = links_find(j->applications, id);
    facts_text(&h->facts, "LRMS_TYPE", kind);
    facts_number(&h->facts, "NODECOUNT", slots_of(manager));
    facts_number(&h->facts, "SIZE_DISK_MB",
                 mib_of_gb(entry_number(manager, "GLUE2ComputingManagerWorkingAreaTotal")));
    facts_number(&h->facts, "FREE_DISK_MB",
                 mib_of_gb(entry_number(manager, "GLUE2ComputingManagerWorkingAreaFree")));
    add_tags(h, manager, "GLUE2EntityOtherInfo");
    if (environments)
        add_environment(h, environments->items[0]);
    for (size_t i = 0; applications && i < applications->n; i++)
        add_tags(h, applications->items[i], "GLUE2ApplicationEnvironmentAppName");
}

static void add_endpoint(struct glue_host *h, const struct joins *j, const struct entry *endpoint,
                         const struct glue_wish *w)
{
    const struct entry_link *shares = links_find(j->shares, service_of(endpoint));
    const struct entry *manager = manager_of(j, endpoint);
    char *kind = kind_of(manager);
    add_tags(h, endpoint, "GLUE2EntityOtherInfo");
    if (manager && !h->has_machines) {
        h->has_machines = true;
        add_manager(h, j, manager, kind);
    }
    for (size_t i = 0; shares && i < shares->n; i++)
        if (is_reached(shares->items[i], endpoint) &&
            glue_is_wanted(w, h->name, queue_name(shares->items[i])))
            add_share(h, j, endpoint, shares->items[i], kind);
    free(kind);
}

void glue2_map(const struct entries *l, const struct glue_wish *w, struct glue_host **hosts)
{
    struct joins j = {0};
    const struct glue_wish any_queue = {.host = w->host};
    join(&j, l);
    /* First which job manager each host has, then the queues that are behind it. */
    for (int round = 0; round < 2; round++)
        for (size_t i = 0; i < l->n; i++) {
            const struct entry *e = &l->items[i];
            if (e->class != GLUE2_ENDPOINT)
                continue;
            char *host = glue_host_of(entry_text(e, "GLUE2EndpointURL")),
                 *lrms = endpoint_lrms(&j, e);
            struct glue_host *h =
                glue_is_wanted(&any_queue, host, "") ? glue_host_add(hosts, host) : NULL;
            if (h && round == 0)
                glue_host_offer_lrms(h, lrms);
            else if (h && strcmp(h->lrms, glue_is_lrms(lrms) ? lrms : "") == 0)
                add_endpoint(h, &j, e, w);
            free(host);
            free(lrms);
        }
    joins_clear(&j);
}
