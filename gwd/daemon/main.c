/* gwd: options, start, stop. */
#include "gwd/daemon/daemon.h"
#include "gwd/daemon/dev.h"
#include "gwd/daemon/effects.h"
#include "gwd/daemon/settings.h"
#include "gwd/daemon/statedir.h"
#include "gwd/daemon/upkeep.h"
#include "lib/crash.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/mem.h"

#include <argp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* sysexits.h */
enum { EXIT_USAGE = 64, EXIT_OS = 71, EXIT_IO = 74, EXIT_CONFIG = 78 };

struct options {
    const char *config, *dev, *check, *upkeep_dir;
    enum upkeep upkeep;
    bool is_verbose;
};

const char *argp_program_version = "gwd " GW_VERSION;
static const char doc[] =
    "Run the gwd daemon in the foreground.\v"
    "It prints \"ready\" on its standard output once clients can connect, and logs to its standard "
    "error.\n\n"
    "Examples:\n"
    "  gwd --dev ~/grid           a private daemon with this machine as its grid\n"
    "  gwd -c /etc/gwd/gwd.conf   the daemon of a configuration file\n"
    "  gwd -c /etc/gwd/gwd.conf --backup /srv/backup/gwd-monday\n"
    "                             a copy of its state, also while it runs\n";
enum { OPTION_BACKUP = 256, OPTION_RESTORE, OPTION_CHECK_STATE };
static const struct argp_option option_table[] = {
    {"config", 'c', "FILE", 0, "the configuration, gwd.conf(5)", 0},
    {"dev", 'd', "DIR", 0,
     "a private daemon: all state in DIR, DIR/gwd.sock, this machine as its grid", 0},
    {"check-config", 'C', "FILE", 0, "check FILE, print all that is wrong with it, and exit", 0},
    {"backup", OPTION_BACKUP, "NEW-DIR", 0,
     "copy the state to NEW-DIR, also while the daemon runs, verify the copy, and exit", 0},
    {"restore", OPTION_RESTORE, "DIR", 0,
     "put a copy of DIR (a backup, or any copy of a state) in the place of the state, which is "
     "kept beside it, and exit",
     0},
    {"check-state", OPTION_CHECK_STATE, "BACKUP", OPTION_ARG_OPTIONAL,
     "verify the state, also while the daemon runs, or a backup; say what is in it, and exit", 0},
    {"verbose", 'v', 0, 0, "log everything", 0},
    {0}};

static void set_upkeep(struct options *o, enum upkeep upkeep, const char *dir,
                       struct argp_state *state)
{
    if (o->upkeep != UPKEEP_NONE)
        argp_error(state, "one of --backup, --restore, --check-state at a time");
    o->upkeep = upkeep;
    o->upkeep_dir = dir;
}

/* A backup can be looked at without a configuration. */
static bool needs_config(const struct options *o)
{
    return o->upkeep != UPKEEP_CHECK || !o->upkeep_dir;
}

/* To look at a private daemon's state, or to copy it, makes none. */
static int check_dev(const struct options *o, struct gw_err *err)
{
    bool is_looked_at = o->upkeep == UPKEEP_CHECK || o->upkeep == UPKEEP_BACKUP;
    return is_looked_at && access(o->dev, F_OK) < 0
               ? gw_err_set(err, GW_ECORRUPT, "%s is not there", o->dev)
               : 0;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct options *o = state->input;
    switch (key) {
    case 'c':
        o->config = arg;
        return 0;
    case 'd':
        o->dev = arg;
        return 0;
    case 'C':
        o->check = arg;
        return 0;
    case 'v':
        o->is_verbose = true;
        return 0;
    case OPTION_BACKUP:
        set_upkeep(o, UPKEEP_BACKUP, arg, state);
        return 0;
    case OPTION_RESTORE:
        set_upkeep(o, UPKEEP_RESTORE, arg, state);
        return 0;
    case OPTION_CHECK_STATE:
        set_upkeep(o, UPKEEP_CHECK, arg, state);
        return 0;
    case ARGP_KEY_END:
        if (needs_config(o) && !!o->config + !!o->dev + !!o->check != 1)
            argp_error(state, "give one of -c FILE, --dev DIR, --check-config FILE");
        if (o->upkeep != UPKEEP_NONE && o->check)
            argp_error(state, "--check-config goes alone");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int fail(const struct gw_err *err, int code)
{
    fprintf(stderr, "gwd: %s\n", err->text);
    return code;
}

static void on_signal(uv_signal_t *handle, int number)
{
    log_info("signal %d: stopping", number);
    daemon_stop(handle->data, 0);
}

static void watch_signals(struct daemon *d)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
    for (size_t i = 0; i < GW_COUNT(numbers); i++) {
        uv_signal_init(d->loop, &d->signals[i]);
        d->signals[i].data = d;
        uv_signal_start(&d->signals[i], on_signal, numbers[i]);
    }
}

void daemon_stop(struct daemon *d, int exit_code)
{
    if (d->is_stopping)
        return;
    crash_point("stop");
    turn_end(d);
    d->is_stopping = true;
    d->exit_code = exit_code;
    server_stop(d);
    drivers_stop(d);
}

static void close_handle(uv_handle_t *handle, void *ctx)
{
    (void)ctx;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void finish(struct daemon *d)
{
    struct gw_err err;
    crash_point("stop");
    turn_end(d);
    archiving_stop(d);
    uv_walk(d->loop, close_handle, NULL);
    uv_run(d->loop, UV_RUN_DEFAULT);
    uv_loop_close(d->loop);
    if (store_checkpoint(d->store, engine_state(d->engine), settings_keep_events(d->settings),
                         &err) < 0)
        log_warn("%s", err.text);
    crash_point("stop");
    drivers_free(d);
    credentials_free(d);
    helpers_free(d);
    archiving_free(d);
    served_end(d);
    server_free(d);
    ops_free();
    view_free();
    turn_close(d);
    engine_destroy(d->engine);
    store_close(d->store);
    settings_destroy(d->settings);
}

static int run(struct settings *settings)
{
    size_t n_ims;
    const struct engine_im *ims = settings_ims(settings, &n_ims);
    struct gw_err err = {0};
    struct daemon d = {.loop = uv_default_loop(), .settings = settings};
    if (settings_launcher(settings) && geteuid() == 0) {
        gw_err_set(&err, GW_EINVAL,
                   "with MULTI_USER gwd runs as an account of its own, not as root: gw_launch(8) "
                   "has what privilege it needs");
        return fail(&err, EXIT_CONFIG);
    }
    const char *spool = settings_engine(settings)->spool;
    if (file_own_dir(settings_state_dir(settings), &err) < 0)
        return fail(&err, EXIT_IO);
    d.engine = engine_create(settings_engine(settings), ims, n_ims);
    if (statedir_load(&d, &err) < 0)
        return statedir_fail(settings, &err);
    crash_point("start");
    drivers_await_former(settings_state_dir(settings));
    struct input start = {.kind = IN_START, .lease_seq = effect_last_lease(spool)};
    served_begin(&d, &start);
    /* The directory is ours alone from here on. */
    if (effect_empty_spool(spool, &err) < 0)
        return fail(&err, EXIT_IO);
    crash_point("start");
    turn_init(&d);
    archiving_init(&d);
    served_start(&d);
    turn_input(&d, &start);
    turn_end(&d);
    crash_point("start");
    if (server_start(&d, &err) < 0 || drivers_start(&d, &err) < 0)
        return fail(&err, EXIT_OS);
    watch_signals(&d);
    crash_point("start");
    printf("ready\n");
    fflush(stdout);
    notify_ready();
    uv_run(d.loop, UV_RUN_DEFAULT);
    finish(&d);
    log_info("stopped");
    return d.exit_code;
}

int main(int argc, char **argv)
{
    static const struct argp argp = {option_table, parse_option, NULL, doc, NULL, NULL, NULL};
    struct options o = {0};
    struct settings *settings = NULL;
    struct gw_err err = {0};
    char *dev_config = NULL;
    argp_err_exit_status = EXIT_USAGE;
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    umask(077);
    signal(SIGPIPE, SIG_IGN);
    /* Job descriptions and credentials pass through here: no core files. */
    prctl(PR_SET_DUMPABLE, 0);
    if (!needs_config(&o))
        return upkeep_run(o.upkeep, NULL, o.upkeep_dir);
    if (o.dev && check_dev(&o, &err) < 0)
        return statedir_fail(NULL, &err);
    if (o.dev && dev_prepare(o.dev, &dev_config, &err) < 0)
        return fail(&err, EXIT_OS);
    const char *config = o.check ? o.check : dev_config ? dev_config : o.config;
    int r = settings_load(config, !o.check, &settings, &err);
    free(dev_config);
    if (r < 0)
        return fail(&err, EXIT_CONFIG);
    if (o.check) {
        settings_destroy(settings);
        return 0;
    }
    if (o.upkeep != UPKEEP_NONE) {
        r = upkeep_run(o.upkeep, settings, o.upkeep_dir);
        settings_destroy(settings);
        return r;
    }
    log_set("gwd", o.is_verbose ? LOG_DEBUG : (enum log_level)settings_log_level(settings));
    return run(settings);
}
