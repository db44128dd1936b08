#include "em/gram5/words.h"

#include "em/gram5/code.h"
#include "em/gram5/contact.h"
#include "gsi/probe.h"
#include "lib/mem.h"

#include <stdio.h>
#include <stdlib.h>

enum { TEXT_MAX = 400, PROBE_LIMIT_MS = 10000 };

void words_of_failure(const struct gram_reply *r, const char *gatekeeper,
                      const struct credential *c, struct explanation *ret)
{
    struct explain_about about = {
        .host = gatekeeper, .identity = c ? c->identity : NULL, .path = c ? c->path : NULL};
    *ret = (struct explanation){0};
    if (r->code < 0) { /* ours, and whole sentences */
        ret->reason = code_reason(r->code);
        snprintf(ret->text, sizeof ret->text, "%s", r->text);
        return;
    }
    if (c && credential_life_s(c) <= 0) {
        ret->reason = "credential:job";
        snprintf(ret->text, sizeof ret->text,
                 "the credential %s of %s has expired: renew it with grid-proxy-init", c->path,
                 c->identity);
        return;
    }
    /* The library's words for its vaguest codes have the chain of errors in them. */
    if (explain_is_ambiguous(r->code) && r->text && explain_text(r->text, false, &about, ret))
        return;
    explain_gram(r->code, &about, ret);
    if (ret->reason)
        return;
    char *text = explain_one_line(r->text ? r->text : "no words for it", TEXT_MAX);
    ret->reason = code_reason(r->code);
    snprintf(ret->text, sizeof ret->text, "%s: %s (GRAM error %d)", gatekeeper, text, r->code);
    free(text);
}

struct inquiry {
    struct letter letter;
    struct mailbox *mailbox;
    struct explanation words; /* the library's; better ones replace them */
    words_fn *fn;
    void *ctx;
};

static void read_inquiry(struct letter *l)
{
    struct inquiry *q = (struct inquiry *)l;
    q->fn(q->ctx, &q->words);
    free(q);
}

/* In a thread of the probe's. */
static void on_probe(void *ctx, const struct explanation *e)
{
    struct inquiry *q = ctx;
    if (e->reason) /* else it has nothing against us now */
        q->words = *e;
    mailbox_post(q->mailbox, &q->letter);
}

void words_find(struct mailbox *m, const struct gram_reply *r, const char *gatekeeper,
                const struct credential *c, words_fn *fn, void *ctx)
{
    struct inquiry *q = xcalloc(1, sizeof *q);
    *q = (struct inquiry){.letter.read = read_inquiry, .mailbox = m, .fn = fn, .ctx = ctx};
    words_of_failure(r, gatekeeper, c, &q->words);
    char *host = contact_host(gatekeeper);
    bool is_asked =
        r->code > 0 && c && explain_is_ambiguous(r->code) &&
        probe_begin(host, contact_port(gatekeeper), c, PROBE_LIMIT_MS, on_probe, q, NULL) == 0;
    free(host);
    if (!is_asked)
        read_inquiry(&q->letter);
}
