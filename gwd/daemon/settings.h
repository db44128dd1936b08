/* The configuration as the parts of the daemon need it. */
#ifndef GWD_DAEMON_SETTINGS_H
#define GWD_DAEMON_SETTINGS_H

#include "gwd/engine/engine.h"
#include "lib/err.h"

#include <stdbool.h>

struct driver_settings {
    enum driver_kind kind;
    char *name;
    char **argv; /* NULL-terminated; argv[0] is an absolute path or is looked up in PATH */
};

struct settings;

/* Read and check FILE; diagnostics go to stderr. The programs of one that is acted on are started,
 * so nobody but us and root may be able to write it. -GW_EINVAL: the file has errors, all of them
 * printed; -GW_EPERM: it is another's. */
int settings_load(const char *file, bool is_acted_on, struct settings **ret, struct gw_err *err);
/* The same from a text, named `file` in messages. */
int settings_from_text(const char *file, const char *text, struct settings **ret,
                       struct gw_err *err);
void settings_destroy(struct settings *s);

const struct engine_config *settings_engine(const struct settings *s);
const struct engine_im *settings_ims(const struct settings *s, size_t *ret_n);
const struct driver_settings *settings_drivers(const struct settings *s, size_t *ret_n);
const char *settings_state_dir(const struct settings *s);
const char *settings_socket(const struct settings *s);
unsigned settings_socket_mode(const struct settings *s);
/* Multi-user mode: the program that runs drivers as users; else NULL. */
const char *settings_launcher(const struct settings *s);
const char *settings_admin_group(const struct settings *s); /* or NULL */
size_t settings_connections_user(const struct settings *s);
uint64_t settings_driver_timeout_s(const struct settings *s);
uint64_t settings_copy_timeout_s(const struct settings *s);
uint64_t settings_min_free_bytes(const struct settings *s);
uint64_t settings_checkpoint_rows(const struct settings *s);
uint64_t settings_keep_events(const struct settings *s);
int64_t settings_archive_retention_us(const struct settings *s); /* 0: for ever */
uint64_t settings_renew_before_s(const struct settings *s);
/* The command that renews a credential, whose path is its last argument; NULL: none. */
char **settings_renew_argv(const struct settings *s);
int settings_log_level(const struct settings *s); /* enum log_level */

/* Directory of drivers and wrapper, found beside our own executable. malloc'ed. */
char *settings_libexec(void);

#endif
