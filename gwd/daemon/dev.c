#include "gwd/daemon/dev.h"

#include "lib/buf.h"
#include "lib/file.h"
#include "lib/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* `\:` in a driver line stands for a colon that separates nothing. */
static void put_escaped(struct buf *b, const char *text)
{
    for (; *text; text++) {
        if (*text == ':')
            buf_putc(b, '\\');
        buf_putc(b, *text);
    }
}

static char *config_text(const char *dir)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    struct buf b = BUF_INIT;
    char *journal = xasprintf("-d %s/em_fork", dir);
    char *self = xasprintf("--self localhost:%ld:file://%s/site", cpus > 0 ? cpus : 1, dir);
    buf_printf(&b,
               "# The private daemon of gwd --dev: this machine is the grid. See gwd.conf(5).\n"
               "STATE_DIR = \"%s\"\n"
               "SOCKET = \"%s/gwd.sock\"\n"
               "IM_MAD = static:gw_im_static:",
               dir, dir);
    put_escaped(&b, self);
    buf_puts(&b, ":local:fork\n"
                 "TM_MAD = local:gw_tm_local:\n"
                 "EM_MAD = fork:gw_em_fork:");
    put_escaped(&b, journal);
    buf_puts(&b, ":rsl\n");
    free(journal);
    free(self);
    return buf_take(&b);
}

static int is_plain(const char *dir, struct gw_err *err)
{
    for (const char *p = dir; *p; p++)
        if (strchr(" \t\"'\\%", *p) || (unsigned char)*p < ' ')
            return gw_err_set(
                err, GW_EINVAL,
                "the directory's name \"%s\" has a blank, quote, backslash or percent sign; "
                "choose a plain one",
                dir);
    return 0;
}

int dev_prepare(const char *dir, char **ret_config, struct gw_err *err)
{
    int r = file_own_dir(dir, err); /* what is in it is run */
    if (r < 0)
        return r;
    char *full = realpath(dir, NULL);
    if (!full)
        return gw_err_sys(err, errno, "looking at %s", dir);
    char *config = xasprintf("%s/gwd.conf", full), *site = xasprintf("%s/site", full);
    struct stat st;
    r = is_plain(full, err);
    if (r == 0)
        r = file_own_dir(site, err);
    if (r == 0 && stat(config, &st) < 0) {
        char *text = config_text(full);
        r = file_write(config, text, strlen(text), 0600, err);
        free(text);
    }
    free(site);
    free(full);
    if (r < 0)
        free(config);
    else
        *ret_config = config;
    return r;
}
