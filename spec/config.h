/* gwd.conf: GridWay's KEY = VALUE configuration, checked, as a value. One table of rows (name,
 * kind, default, limits, meaning) serves the parser, the manual and the test of etc/gwd.conf. Pure.
 */
#ifndef SPEC_CONFIG_H
#define SPEC_CONFIG_H

#include "lib/diag.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* IM_MAD, TM_MAD, EM_MAD: name:path:arguments[:...], parts as they are after "\:" has become ":".
 */
struct config_driver {
    char *name, *path, *arguments; /* arguments: "" if none */
    char *tm, *em;                 /* IM_MAD: where its hosts' jobs go */
    char *mode;                    /* EM_MAD: language of job descriptions, "rsl" or "rsl_nsh" */
    struct place at;
};

struct config {
    struct config_driver *ims, *tms, *ems;
    size_t n_ims, n_tms, n_ems;
    char *dm_sched; /* "builtin" */
    char *state_dir, *socket, *log_level, *wrapper, *gwvm, *vm_uri, *credential_renew,
        *admin_group; /* NULL: not given */
    bool is_multi_user;
    char *launcher;
    char *visibility; /* "all", "user" */
    uint64_t socket_mode;
    uint64_t discovery_s, monitoring_s, poll_s;
    uint64_t jobs_max, array_max;                                                  /* 0: no limit */
    uint64_t dispatch_chunk, max_dispatch_resource, max_running_user;              /* 0: no limit */
    uint64_t jobs_max_user, listed_max_user, connections_user, templates_max_user; /* 0: no limit */
    uint64_t attempts_max;
    uint64_t retention_s, archive_retention_s, cancel_retry_s, retry_s, backoff_max_s,
        lease_margin_s, driver_timeout_s, copy_timeout_s, site_failures, site_pause_s,
        site_pause_max_s;
    uint64_t credential_life_s, credential_renew_s;
    uint64_t vm_cache_bytes, vm_cache_age_s;
    uint64_t min_free_bytes;
    uint64_t checkpoint_rows, keep_events;
};

/* Check `source`. All mistakes go to d. Returns 0 and *ret (the caller's), or -GW_EINVAL when d has
 * errors. */
int config_parse(const char *source, size_t len, struct config **ret, struct diags *d);
void config_destroy(struct config *c);

/* Do jobs of the EM_MAD `em` run where the account's home is not (rsl_nsh)? */
bool config_has_no_home(const struct config *c, const char *em);

/* The rows of the table, for the manual and tests. */
struct config_variable {
    const char *name, *kind, *otherwise, *meaning; /* otherwise: the default as text, "" for none */
    bool is_acted_upon;
};
const struct config_variable *config_variables(size_t *ret_n);

#endif
