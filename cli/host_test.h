/* gwhost --test in parts: the steps, the job that each of them runs, what is printed. */
#ifndef CLI_HOST_TEST_H
#define CLI_HOST_TEST_H

#include "client/gw.h"
#include "lib/buf.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct host_test_options {
    const char *host;
    const char *image;  /* of the virtual machine; NULL: the small guest, where it is installed */
    unsigned timeout_s; /* of each job */
    bool is_json;
};

/* Try the host, print what came of it. The exit code: 0 when no step failed. */
int host_test(struct gw *gw, const struct host_test_options *o);

/* --- the steps' results --- */

enum host_test_verdict { STEP_OK, STEP_FAILED, STEP_SKIPPED };

struct host_test_step {
    const char *name;
    enum host_test_verdict verdict;
    char *words;        /* what was seen, or why not; NULL: no step was made */
    const char *advice; /* or NULL */
    uint64_t job;       /* 0: none */
    double seconds;
};

enum {
    HOST_TEST_KNOWN,
    HOST_TEST_COPY,
    HOST_TEST_JOB,
    HOST_TEST_READY,
    HOST_TEST_VM,
    HOST_TEST_STEPS,
};

void host_test_step_clear(struct host_test_step *s);
void host_test_print_step(const struct host_test_step *s);
void host_test_print_json(const char *host, const struct host_test_step *steps);

/* --- one job, pinned to the host --- */

/* How far it came: which of the site's services was at work. */
enum host_test_stage {
    STAGE_WAITING,
    STAGE_PROLOG, /* files go there: the transfer service */
    STAGE_SUBMIT, /* the job service */
    STAGE_RUN,
    STAGE_EPILOG, /* files come home */
};

struct host_test_end {
    uint64_t id;
    enum host_test_stage stage; /* in which it failed, or that it reached */
    json_t *job;                /* as it was last */
    bool is_late;               /* it had not ended in time, and was killed */
    double seconds;
};

/* Submit the template, wait, and kill the job when it is late, when it will never start, or at
 * Ctrl-C. `step` is for what is said meanwhile. 0; or the exit code, said: EXIT_INTERRUPTED, or the
 * daemon could not be asked. */
int host_test_job(struct gw *gw, const char *step, const char *template, const char *home,
                  unsigned timeout_s, struct host_test_end *ret);
void host_test_end_clear(struct host_test_end *e);

void host_test_catch_interrupt(void);
bool host_test_is_interrupted(void);

/* The step's verdict by the job's end alone; true when the payload ended with `exit_code`. */
bool host_test_judge(struct host_test_step *s, const struct host_test_end *e, int exit_code);

/* --- what virtual machines need --- */

/* The payload that looks for it, a shell script; $1: gwvm, empty when there is none. */
extern const char host_test_ready_script[];

/* What it printed, judged; `report` is hostile. */
void host_test_judge_ready(struct host_test_step *s, const char *report);

#endif
