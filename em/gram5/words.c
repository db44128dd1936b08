#include "em/gram5/words.h"

#include "em/gram5/code.h"
#include "lib/mem.h"

#include <stdio.h>
#include <stdlib.h>

enum { TEXT_MAX = 400 };

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
