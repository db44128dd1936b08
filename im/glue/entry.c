#include "im/glue/entry.h"

#include "lib/mem.h"
#include "lib/num.h"
#include "lib/utf8.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *const entry_classes[GLUE_CLASSES] = {
    [GLUE1_CE] = "GlueCE",
    [GLUE1_SUBCLUSTER] = "GlueSubCluster",
    [GLUE2_ENDPOINT] = "GLUE2ComputingEndpoint",
    [GLUE2_SHARE] = "GLUE2ComputingShare",
    [GLUE2_MANAGER] = "GLUE2ComputingManager",
    [GLUE2_ENVIRONMENT] = "GLUE2ExecutionEnvironment",
    [GLUE2_APPLICATION] = "GLUE2ApplicationEnvironment",
    [GLUE2_POLICY] = "GLUE2MappingPolicy",
};

const char *const entry_attributes[] = {
    "objectClass",
    "GlueCEUniqueID",
    "GlueCEName",
    "GlueCEHostingCluster",
    "GlueForeignKey",
    "GlueChunkKey",
    "GlueCEInfoHostName",
    "GlueCEInfoContactString",
    "GlueCEInfoJobManager",
    "GlueCEInfoLRMSType",
    "GlueCEInfoTotalCPUs",
    "GlueCEInfoDefaultSE",
    "GlueCEStateStatus",
    "GlueCEStateFreeCPUs",
    "GlueCEStateFreeJobSlots",
    "GlueCEPolicyAssignedJobSlots",
    "GlueCEPolicyMaxWallClockTime",
    "GlueCEPolicyMaxCPUTime",
    "GlueCEPolicyMaxSlotsPerJob",
    "GlueCEPolicyMaxRunningJobs",
    "GlueCEPolicyMaxTotalJobs",
    "GlueCEPolicyPriority",
    "GlueCEAccessControlBaseRule",
    "GlueSubClusterUniqueID",
    "GlueSubClusterLogicalCPUs",
    "GlueHostArchitecturePlatformType",
    "GlueHostArchitectureSMPSize",
    "GlueHostProcessorModel",
    "GlueHostProcessorClockSpeed",
    "GlueHostMainMemoryRAMSize",
    "GlueHostOperatingSystemName",
    "GlueHostOperatingSystemRelease",
    "GlueHostApplicationSoftwareRunTimeEnvironment",
    "GLUE2EntityName",
    "GLUE2EntityOtherInfo",
    "GLUE2EndpointID",
    "GLUE2EndpointURL",
    "GLUE2EndpointInterfaceName",
    "GLUE2EndpointServingState",
    "GLUE2EndpointHealthState",
    "GLUE2EndpointServiceForeignKey",
    "GLUE2ComputingEndpointComputingServiceForeignKey",
    "GLUE2ShareID",
    "GLUE2ShareServiceForeignKey",
    "GLUE2ShareEndpointForeignKey",
    "GLUE2ComputingShareComputingServiceForeignKey",
    "GLUE2ComputingShareComputingEndpointForeignKey",
    "GLUE2ComputingShareMappingQueue",
    "GLUE2ComputingShareServingState",
    "GLUE2ComputingShareMaxWallTime",
    "GLUE2ComputingShareMaxCPUTime",
    "GLUE2ComputingShareMaxSlotsPerJob",
    "GLUE2ComputingShareMaxRunningJobs",
    "GLUE2ComputingShareMaxTotalJobs",
    "GLUE2ComputingShareFreeSlots",
    "GLUE2ComputingShareUsedSlots",
    "GLUE2ComputingShareDefaultStorageService",
    "GLUE2ManagerID",
    "GLUE2ManagerProductName",
    "GLUE2ManagerServiceForeignKey",
    "GLUE2ComputingManagerComputingServiceForeignKey",
    "GLUE2ComputingManagerTotalSlots",
    "GLUE2ComputingManagerTotalLogicalCPUs",
    "GLUE2ComputingManagerWorkingAreaTotal",
    "GLUE2ComputingManagerWorkingAreaFree",
    "GLUE2ResourceManagerForeignKey",
    "GLUE2ExecutionEnvironmentComputingManagerForeignKey",
    "GLUE2ExecutionEnvironmentPlatform",
    "GLUE2ExecutionEnvironmentTotalInstances",
    "GLUE2ExecutionEnvironmentLogicalCPUs",
    "GLUE2ExecutionEnvironmentCPUModel",
    "GLUE2ExecutionEnvironmentCPUClockSpeed",
    "GLUE2ExecutionEnvironmentMainMemorySize",
    "GLUE2ExecutionEnvironmentOSFamily",
    "GLUE2ExecutionEnvironmentOSVersion",
    "GLUE2ApplicationEnvironmentAppName",
    "GLUE2ApplicationEnvironmentComputingManagerForeignKey",
    "GLUE2PolicyRule",
    "GLUE2MappingPolicyShareForeignKey",
    NULL,
};

struct entry *entries_add(struct entries *l, const char *dn, struct gw_err *err)
{
    if (l->n == ENTRIES_MAX || l->bytes > ENTRIES_MAX_BYTES) {
        gw_err_set(err, GW_ENOSPC,
                   "more than %d entries or %d MiB of them; a narrower base (-b) or filter (-q) "
                   "was expected",
                   ENTRIES_MAX, ENTRIES_MAX_BYTES >> 20);
        return NULL;
    }
    /* In powers of two: xreallocarray for each of 100,000 would copy for long. */
    if ((l->n & (l->n - 1)) == 0)
        l->items = xreallocarray(l->items, l->n ? l->n * 2 : 1, sizeof *l->items);
    l->items[l->n] = (struct entry){.class = GLUE_CLASSES, .dn = xstrndup(dn, VALUE_MAX_BYTES)};
    l->bytes += strlen(dn);
    return &l->items[l->n++];
}

static void entry_clear(struct entry *e)
{
    for (size_t i = 0; i < e->n; i++)
        free(e->values[i].text);
    free(e->values);
    free(e->dn);
}

void entries_drop_last(struct entries *l)
{
    entry_clear(&l->items[--l->n]);
}

void entries_clear(struct entries *l)
{
    for (size_t i = 0; i < l->n; i++)
        entry_clear(&l->items[i]);
    free(l->items);
    *l = (struct entries){0};
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->dn, ((const struct entry *)b)->dn);
}

void entries_sort(struct entries *l)
{
    if (l->n)
        qsort(l->items, l->n, sizeof *l->items, compare);
}

static const char *known_name(const char *name)
{
    for (size_t i = 0; entry_attributes[i]; i++)
        if (strcasecmp(entry_attributes[i], name) == 0)
            return entry_attributes[i];
    return NULL;
}

void entry_add(struct entries *l, const char *name, const char *value, size_t len)
{
    struct entry *e = &l->items[l->n - 1];
    const char *known = known_name(name);
    if (!known || len == 0 || len > VALUE_MAX_BYTES || e->n == ENTRY_MAX_VALUES)
        return;
    char *text = xmemdup0(value, len);
    utf8_clean(text);
    if ((e->n & (e->n - 1)) == 0)
        e->values = xreallocarray(e->values, e->n ? e->n * 2 : 1, sizeof *e->values);
    e->values[e->n++] = (struct entry_value){.name = known, .text = text};
    l->bytes += len + sizeof *e->values;
}

bool entry_classify(struct entry *e)
{
    size_t pos = 0;
    for (const char *c; (c = entry_next(e, "objectClass", &pos));)
        for (int i = 0; i < GLUE_CLASSES; i++)
            if (strcasecmp(c, entry_classes[i]) == 0) {
                e->class = (enum glue_class)i;
                return true;
            }
    return false;
}

const char *entry_next(const struct entry *e, const char *name, size_t *pos)
{
    while (*pos < e->n) {
        const struct entry_value *v = &e->values[(*pos)++];
        if (strcmp(v->name, name) == 0)
            return v->text;
    }
    return NULL;
}

const char *entry_text(const struct entry *e, const char *name)
{
    size_t pos = 0;
    const char *text = entry_next(e, name, &pos);
    return text ? text : "";
}

long long entry_number(const struct entry *e, const char *name)
{
    static const long long unknown[] = {444444, 999999, 999999999, 9999999999, 2147483647};
    int64_t n;
    if (num_parse_i64(entry_text(e, name), 0, INT64_C(1000000000000), &n, NULL) < 0)
        return -1;
    for (size_t i = 0; i < GW_COUNT(unknown); i++)
        if (n == unknown[i])
            return -1;
    return n;
}

void links_add(struct entry_link **map, const char *key, const struct entry *e)
{
    struct entry_link *k;
    HASH_FIND_STR(*map, key, k);
    if (!k) {
        k = xcalloc(1, sizeof *k);
        k->key = xstrdup(key);
        HASH_ADD_KEYPTR(hh, *map, k->key, strlen(k->key), k);
    }
    if (k->n == LINKS_MAX || (k->n && k->items[k->n - 1] == e))
        return;
    if ((k->n & (k->n - 1)) == 0)
        k->items = xreallocarray(k->items, k->n ? k->n * 2 : 1, sizeof *k->items);
    k->items[k->n++] = e;
}

void links_build(struct entry_link **map, const struct entries *l, enum glue_class class,
                 const char *attribute)
{
    for (size_t i = 0; i < l->n; i++) {
        size_t pos = 0;
        if (l->items[i].class != class)
            continue;
        for (const char *key; (key = entry_next(&l->items[i], attribute, &pos));)
            links_add(map, key, &l->items[i]);
    }
}

const struct entry_link *links_find(const struct entry_link *map, const char *key)
{
    struct entry_link *k;
    HASH_FIND_STR((struct entry_link *)map, key, k);
    return k;
}

void links_clear(struct entry_link **map)
{
    struct entry_link *k, *tmp;
    HASH_ITER (hh, *map, k, tmp) {
        HASH_DEL(*map, k);
        free(k->key);
        free(k->items);
        free(k);
    }
}
