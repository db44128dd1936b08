/* A job's output, from an offset on; followed across restarts of the daemon. */
#include "lib/base64.h"
#include "client/client_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The rest of a file that a daemon of many users leaves to its client. One that is not there is
 * empty: the job printed nothing, or somebody has taken it away. */
static int run_file(const struct gw_logs *l, const char *path, uint64_t *offset, int *ret_stop,
                    struct gw_err *err)
{
    char data[65536];
    struct stat st;
    ssize_t n = 0;
    int stop = 0, fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return errno == ENOENT ? 1 : gw_err_sys(err, errno, "the output is in %s", path);
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        while (!stop && (n = pread(fd, data, sizeof data, (off_t)*offset)) > 0) {
            stop = l->on_data(l->ctx, *offset, data, (size_t)n, err);
            *offset += (uint64_t)n;
        }
    int r = n < 0 ? gw_err_sys(err, errno, "reading %s", path) : 1;
    close(fd);
    *ret_stop = stop;
    return stop ? stop : r;
}

/* One stream until its end: 1 at the end, or a negative code; on_data's own value when that is not
 * 0. */
static int run(struct gw *gw, const struct gw_logs *l, uint64_t *offset, int *ret_stop,
               struct gw_err *err)
{
    json_t *fields = json_pack("{sI ss sI sb}", "job", (json_int_t)l->job, "stream", l->stream,
                               "offset", (json_int_t)*offset, "follow", (int)l->is_followed);
    int64_t id = gw_start(gw, "logs", fields, err);
    if (id < 0)
        return (int)id;
    for (;;) {
        json_t *line;
        struct buf data = BUF_INIT;
        int r = gw_next(gw, id, -1, &line, err);
        if (r < 0)
            return r;
        if (gw_bool(line, "end", false)) {
            const char *path = gw_text(line, "path", NULL);
            r = path ? run_file(l, path, offset, ret_stop, err) : 1;
            json_decref(line);
            return r;
        }
        const char *text = gw_text(line, "data", "");
        uint64_t at = (uint64_t)gw_int(line, "offset", (int64_t)*offset);
        bool is_good = base64_decode(text, strlen(text), &data);
        json_decref(line);
        if (!is_good) {
            buf_clear(&data);
            connection_drop(gw);
            return gw_err_set(err, GW_EPROTO, "gwd at %s sent output that is not base 64",
                              gw->socket);
        }
        int stop = l->on_data(l->ctx, at, buf_str(&data), data.len, err);
        *ret_stop = stop;
        *offset = at + data.len;
        buf_clear(&data);
        if (stop)
            return stop;
    }
}

int gw_logs(struct gw *gw, const struct gw_logs *l, struct gw_err *err)
{
    uint64_t offset = l->offset;
    int stop = 0, r;
    struct gw_err why = {0};
    for (;;) {
        r = run(gw, l, &offset, &stop, &why);
        bool is_lost = r == -GW_EUNAVAIL && gw->fd < 0;
        if (stop || !is_lost || !l->is_followed || l->patience_ms <= 0)
            break;
        if (l->on_lost)
            l->on_lost(l->ctx, why.text);
        r = gw_reconnect(gw, l->patience_ms, &why);
        if (r < 0)
            break;
    }
    if (r < 0 && why.code)
        gw_err_set(err, (enum gw_errc)why.code, "%s", why.text);
    return r > 0 && !stop ? 0 : r;
}
