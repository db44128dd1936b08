#include "wrappers/gwvm/attempt.h"

#include "lib/buf.h"
#include "lib/file.h"
#include "lib/mem.h"
#include "wire/status.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int attempt_open(const char *dir, struct attempt *ret, struct gw_err *err)
{
    if (chdir(dir) < 0)
        return gw_err_sys(err, errno, "entering job directory %s", dir);
    char *absolute = getcwd(NULL, 0);
    if (!absolute)
        return gw_err_sys(err, errno, "job directory %s", dir);
    struct buf text = BUF_INIT;
    struct attempt a = {.session.owner_fd = -1};
    int r = file_read("vm.conf", VM_CONF_MAX, &text, err);
    if (r == 0)
        r = vm_conf_parse(buf_str(&text), text.len, "vm.conf", &a.conf, err);
    buf_clear(&text);
    if (r < 0) {
        free(absolute);
        return r;
    }
    a.dir = absolute;
    a.work = xasprintf("%s/.gwvm", absolute);
    *ret = a;
    return 0;
}

void attempt_clear(struct attempt *a)
{
    vm_conf_clear(&a->conf);
    free(a->dir);
    free(a->work);
    *a = (struct attempt){.session.owner_fd = -1};
}

bool attempt_has_status(const struct attempt *a)
{
    struct buf b = BUF_INIT;
    struct status_file s;
    bool has = false;
    if (file_read("status", STATUS_FILE_MAX, &b, NULL) == 0 &&
        status_decode(buf_str(&b), b.len, "GWSTATUS", &s, NULL) == 0) {
        const char *token = status_get(&s, "TOKEN");
        has = token && strcmp(token, a->conf.token) == 0;
        status_clear(&s);
    }
    buf_clear(&b);
    return has;
}

void attempt_clean(struct attempt *a)
{
    session_kill(&a->session, a->conf.token);
    file_remove_tree(a->work, NULL);
    session_destroy(&a->session);
}

static void put_number(struct buf *b, const char *key, int64_t value)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRId64, value);
    status_put(b, key, text);
}

/* The guest's shell tells a signal as 128 + its number and so does this. */
static void put_exit(struct buf *b, int code)
{
    status_put(b, "STATE", "exited");
    put_number(b, "EXIT_CODE", code);
    if (code > 128 && code < 128 + 32)
        put_number(b, "SIGNAL", code - 128);
}

static void put_failure(struct buf *b, const struct vm_failure *f)
{
    status_put(b, "STATE", "failed");
    status_put(b, "REASON", vm_reason_name(f->reason));
    status_put(b, "BLAME", vm_failure_blame(f));
    status_put(b, "MESSAGE", f->text);
}

int attempt_finish(const struct attempt *a, const struct outcome *o, struct gw_err *err)
{
    if (attempt_has_status(a))
        return 0;
    struct buf b = BUF_INIT;
    status_begin(&b, "GWSTATUS", 1);
    status_put(&b, "TOKEN", a->conf.token);
    if (o->is_exited)
        put_exit(&b, o->exit_code);
    else
        put_failure(&b, &o->failure);
    put_number(&b, "STARTED", o->started);
    put_number(&b, "ENDED", o->ended);
    status_end(&b);
    int r = file_write("status", b.data, b.len, 0644, err);
    buf_clear(&b);
    return r;
}
