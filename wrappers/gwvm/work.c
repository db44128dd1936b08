#include "wrappers/gwvm/work.h"

#include "lib/buf.h"
#include "vm/machine.h"
#include "vm/result.h"
#include "vm/xml.h"
#include "wrappers/gwvm/console.h"
#include "wrappers/gwvm/prepare.h"
#include "wrappers/gwvm/watch.h"

#include <time.h>

/* Start the VM, wait for its end, and have it gone. */
static int run_machine(const struct attempt *a, const struct prepared *p, struct watch *w,
                       struct vm_failure *f)
{
    struct buf xml = BUF_INIT;
    vm_xml(&a->conf, &p->base.image, &p->files, &xml);
    struct machine *m = NULL;
    int r = machine_start(&a->session, buf_str(&xml), watch_machine_ended, w, &m, f);
    buf_clear(&xml);
    if (r == 0)
        r = watch_run(w, f);
    machine_destroy(m);
    return r;
}

static int read_result(const struct attempt *a, const struct prepared *p, int *ret_exit_code,
                       struct vm_failure *f)
{
    if (result_read(p->files.result, a->dir, a->conf.result_bytes, ret_exit_code, f) == 0)
        return 0;
    if (f->reason != REASON_GUEST_NO_RESULT)
        return -1;
    if (console_shows_panic(p->files.console))
        vm_fail(f, REASON_GUEST_CRASHED, "the guest's kernel crashed");
    console_quote(p->files.console, f);
    return -1;
}

/* The event loop has to be there before libvirt is asked anything. */
static int watch_and_run(const struct attempt *a, const struct prepared *p, pid_t parent,
                         struct outcome *o)
{
    struct watch w;
    int r = watch_open(&w, a, &p->files, parent, &o->failure);
    if (r < 0)
        return r;
    r = watch_is_cancelled(&w, &o->failure) ? -1 : run_machine(a, p, &w, &o->failure);
    if (w.started)
        o->started = w.started;
    watch_close(&w);
    return r;
}

void work(const struct attempt *a, pid_t parent, struct outcome *ret)
{
    struct outcome o = {.started = time(NULL)};
    struct prepared p;
    session_enter(&a->session);
    int r = prepare(a, &p, &o.failure);
    if (r == 0)
        r = watch_and_run(a, &p, parent, &o);
    o.ended = time(NULL);
    if (r == 0)
        r = read_result(a, &p, &o.exit_code, &o.failure);
    o.is_exited = r == 0;
    prepared_clear(&p);
    *ret = o;
}
