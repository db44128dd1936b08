/* What went wrong between us and a site, as a reason of docs/PROTOCOL section 5 and one sentence
 * that says who, where and what to do. Globus tells it in chains of lines from many modules, some
 * of them on the other side of the connection. */
#ifndef GSI_EXPLAIN_H
#define GSI_EXPLAIN_H

#include "lib/err.h"

#include <globus_common.h>
#include <gssapi.h>
#include <stdbool.h>

struct explanation {
    const char *reason; /* "unreachable:site"; NULL: nothing is known */
    char text[GW_ERR_TEXT_MAX];
};

/* Who speaks with whom; NULL where it is not known. */
struct explain_about {
    const char *host;     /* "site.example.org:2119" */
    const char *identity; /* of our credential */
    const char *issuer;   /* the CA of that identity */
    const char *path;     /* its file */
    bool is_limited;
};

/* Understand `text`, an error of a connection and of what is said on it until the login is done,
 * but not of files. `is_theirs`: the text is an answer of the other side (an FTP reply), which has
 * its own view of who is whom. False, and *ret unchanged, when it says nothing that is known. */
bool explain_text(const char *text, bool is_theirs, const struct explain_about *a,
                  struct explanation *ret);

/* The same for a Globus error object (not consumed). One that is not known becomes io:site with
 * its own words, on one line. */
void explain_error(globus_object_t *error, const struct explain_about *a, struct explanation *ret);

/* A GRAM protocol error of a gatekeeper or job manager; reason NULL for those that are not about
 * a credential or a connection. What `explain_is_ambiguous` says has to be probed. */
void explain_gram(int code, const struct explain_about *a, struct explanation *ret);

/* GRAM has one code for several situations: gsi/probe.h tells them apart. */
bool explain_is_ambiguous(int gram_code);

/* A GSSAPI failure as one line of text, free() it. */
char *explain_gss(OM_uint32 major, OM_uint32 minor);

/* The lines of a chain that say something, joined by "; ", at most `max` bytes. */
char *explain_one_line(const char *text, size_t max);

const char *explain_trusted_dir(void); /* where trusted CAs are */

#endif
