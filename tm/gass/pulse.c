#include "tm/gass/pulse.h"

#include "lib/mem.h"

#include <globus_ftp_client_plugin.h>
#include <stdlib.h>
#include <string.h>

/* "112-Perf Marker ... Stripe Bytes Transferred: 4096 ..." */
static void take_marker(struct pulse *p, const globus_ftp_control_response_t *response)
{
    static const char key[] = "Stripe Bytes Transferred: ";
    const char *text = (const char *)response->response_buffer;
    const char *at = text ? memmem(text, response->response_length, key, sizeof key - 1) : NULL;
    if (!at)
        return;
    /* The buffer ends in a line's end or a NUL. */
    uint64_t n = strtoull(at + sizeof key - 1, NULL, 10);
    pthread_mutex_lock(&p->mutex);
    if (p->moved)
        atomic_store(p->moved, p->base + n);
    pthread_mutex_unlock(&p->mutex);
}

void pulse_count(struct pulse *p, uint64_t base, atomic_uint_fast64_t *moved)
{
    pthread_mutex_lock(&p->mutex);
    p->base = base;
    p->moved = moved;
    pthread_mutex_unlock(&p->mutex);
}

static void on_response(globus_ftp_client_plugin_t *plugin, void *specific,
                        globus_ftp_client_handle_t *handle, const char *url, globus_object_t *error,
                        const globus_ftp_control_response_t *response)
{
    (void)plugin;
    (void)handle;
    (void)url;
    (void)error;
    struct pulse *p = specific;
    atomic_fetch_add(&p->count, 1);
    if (response && response->code == 112)
        take_marker(p, response);
}

static globus_ftp_client_plugin_t *copy(globus_ftp_client_plugin_t *plugin, void *specific);

static void destroy(globus_ftp_client_plugin_t *plugin, void *specific)
{
    (void)specific;
    globus_ftp_client_plugin_destroy(plugin);
    free(plugin);
}

static bool init(globus_ftp_client_plugin_t *plugin, struct pulse *p)
{
    if (globus_ftp_client_plugin_init(plugin, "gw_pulse", GLOBUS_FTP_CLIENT_CMD_MASK_ALL, p) !=
        GLOBUS_SUCCESS)
        return false;
    globus_ftp_client_plugin_set_copy_func(plugin, copy);
    globus_ftp_client_plugin_set_destroy_func(plugin, destroy);
    globus_ftp_client_plugin_set_response_func(plugin, on_response);
    return true;
}

static globus_ftp_client_plugin_t *copy(globus_ftp_client_plugin_t *plugin, void *specific)
{
    (void)plugin;
    globus_ftp_client_plugin_t *own = xcalloc(1, sizeof *own);
    if (init(own, specific))
        return own;
    free(own);
    return NULL;
}

bool pulse_add(globus_ftp_client_handleattr_t *attr, struct pulse *p)
{
    globus_ftp_client_plugin_t plugin;
    if (!init(&plugin, p))
        return false;
    bool is_added = globus_ftp_client_handleattr_add_plugin(attr, &plugin) == GLOBUS_SUCCESS;
    globus_ftp_client_plugin_destroy(&plugin);
    return is_added;
}
