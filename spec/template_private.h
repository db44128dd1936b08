/* How a template is read: the table, and who sets and checks what. */
#ifndef SPEC_TEMPLATE_PRIVATE_H
#define SPEC_TEMPLATE_PRIVATE_H

#include "lib/kv.h"
#include "spec/list.h"
#include "spec/template.h"

enum template_kind {
    KIND_TEXT, /* one line */
    KIND_FILE, /* a file name or URL */
    KIND_ARGUMENTS,
    KIND_ENVIRONMENT,
    KIND_INPUTS,
    KIND_OUTPUTS,
    KIND_REQUIREMENTS,
    KIND_RANK,
    KIND_FLAG,
    KIND_NOT,      /* a flag whose member says the opposite */
    KIND_COUNT,    /* unsigned or int */
    KIND_DURATION, /* uint64_t seconds */
    KIND_DEADLINE, /* the same, written D:H:M, H:M or M */
    KIND_BYTES,    /* uint64_t; a bare integer counts MiB */
    KIND_MIB,      /* uint64_t, rounded up; a bare integer counts MiB */
    KIND_CHOICE,   /* an enumeration */
    KIND_IMAGE,
    KIND_CHECKSUM,
    KIND_SIZES,
    KIND_LATER, /* GridWay's, not acted upon: not looked at */
};

struct template_row {
    const char *name;
    enum template_kind kind;
    const char *otherwise; /* the default, set like a written value; "" for none */
    const char *meaning;
    size_t at;         /* of the member in struct template */
    uint64_t min, max; /* of numbers: in the unit of the kind; KIND_BYTES and KIND_MIB: bytes */
    const char *const
        *choices; /* KIND_CHOICE: names, NULL-terminated, in the order of the enumeration */
    bool is_not_acted_upon;
};

enum { TEMPLATE_ROWS_MAX = 64 };

const struct template_row *template_rows(size_t *ret_n);
const struct template_row *template_row(const char *name); /* or NULL */

/* A template while it is read. */
struct template_reader {
    struct template *t;
    struct diags *d;
    struct kv *given[TEMPLATE_ROWS_MAX]; /* by row; borrowed, NULL: not written */
    struct list inputs, outputs;         /* with the places of their words */
    bool has_misspelt_executable;        /* said already: not that it is missing as well */
    size_t expanded;                     /* bytes that substitutions made so far */
};

struct kv *template_given(const struct template_reader *r, const char *name); /* or NULL */

/* A mistake in bytes [from, from+length) of a value; without kv (a default) it cannot be. */
void template_error(struct template_reader *r, const struct kv *kv, size_t from, size_t length,
                    const char *hint, const char *fmt, ...) __attribute__((format(printf, 6, 7)));

/* For parsers that report places inside a value. */
struct template_value {
    struct template_reader *r;
    const struct kv *kv;
};
void template_report(void *value, enum diag_severity severity, size_t from, size_t length,
                     const char *hint, const char *sentence);

/* Set one member from the text of a value (kv NULL: from a default). */
void template_set(struct template_reader *r, const struct template_row *row, const char *text,
                  const struct kv *kv);

/* What needs more than one variable: after all are set. */
void template_check_files(struct template_reader *r);
void template_check_substitutions(struct template_reader *r);

#endif
