#include "tm/gass/pulse.h"

#include "lib/mem.h"

#include <globus_ftp_client_plugin.h>
#include <stdlib.h>

static void on_response(globus_ftp_client_plugin_t *plugin, void *specific,
                        globus_ftp_client_handle_t *handle, const char *url, globus_object_t *error,
                        const globus_ftp_control_response_t *response)
{
    (void)plugin;
    (void)handle;
    (void)url;
    (void)error;
    (void)response;
    struct pulse *p = specific;
    atomic_fetch_add(&p->count, 1);
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
