#include "em/gram5/code.h"

#include "em/gram5/asks.h"
#include "lib/mem.h"

#include <globus_gram_protocol.h>
#include <stddef.h>

static const struct {
    int code;
    enum code_kind kind;
} kinds[] = {
    {0, CODE_OK},
    {GLOBUS_GRAM_PROTOCOL_ERROR_WAITING_FOR_COMMIT, CODE_HELD},
    {GLOBUS_GRAM_PROTOCOL_ERROR_CONTACTING_JOB_MANAGER, CODE_UNREACHABLE},
    {GLOBUS_GRAM_PROTOCOL_ERROR_CONNECTION_FAILED, CODE_UNREACHABLE},
    {GLOBUS_GRAM_PROTOCOL_ERROR_PROTOCOL_FAILED, CODE_UNREACHABLE},
    /* Of a job manager: another process has its port now. */
    {GLOBUS_GRAM_PROTOCOL_ERROR_AUTHORIZATION, CODE_UNREACHABLE},
    {ASK_SILENT, CODE_SILENT},
    {ASK_NO_NAME, CODE_SILENT},
    {GLOBUS_GRAM_PROTOCOL_ERROR_JOB_CONTACT_NOT_FOUND, CODE_UNKNOWN_JOB},
    {GLOBUS_GRAM_PROTOCOL_ERROR_NO_STATE_FILE, CODE_NO_RECORD},
    {GLOBUS_GRAM_PROTOCOL_ERROR_JOB_QUERY_DENIAL, CODE_DENIED},
    {GLOBUS_GRAM_PROTOCOL_ERROR_JM_STOPPED, CODE_STOPPED},
};

enum code_kind code_kind(int code)
{
    for (size_t i = 0; i < GW_COUNT(kinds); i++)
        if (kinds[i].code == code)
            return kinds[i].kind;
    return CODE_OTHER;
}

static const struct {
    int code;
    const char *reason;
} reasons[] = {
    {ASK_SILENT, "unreachable:site"},
    {ASK_NO_NAME, "unreachable:site"},
    {GLOBUS_GRAM_PROTOCOL_ERROR_CONNECTION_FAILED, "unreachable:site"},
    {GLOBUS_GRAM_PROTOCOL_ERROR_CONTACTING_JOB_MANAGER, "unreachable:site"},
    {GLOBUS_GRAM_PROTOCOL_ERROR_PROTOCOL_FAILED, "unreachable:site"},
    {GLOBUS_GRAM_PROTOCOL_ERROR_HTTP_UNFRAME_FAILED, "unreachable:site"},
    {GLOBUS_GRAM_PROTOCOL_ERROR_AUTHORIZATION, "not-authorized:site"},
    {GLOBUS_GRAM_PROTOCOL_ERROR_GATEKEEPER_MISCONFIGURED, "not-authorized:site"},
    {GLOBUS_GRAM_PROTOCOL_ERROR_AUTHORIZATION_DENIED, "not-authorized:site"},
    {GLOBUS_GRAM_PROTOCOL_ERROR_AUTHORIZATION_DENIED_JOB_ID, "not-authorized:site"},
    {GLOBUS_GRAM_PROTOCOL_ERROR_AUTHORIZATION_DENIED_EXECUTABLE, "not-allowed:site"},
    {GLOBUS_GRAM_PROTOCOL_ERROR_USER_PROXY_EXPIRED, "credential:job"},
    {GLOBUS_GRAM_PROTOCOL_ERROR_USER_PROXY_NOT_FOUND, "credential:job"},
    {GLOBUS_GRAM_PROTOCOL_ERROR_OPENING_USER_PROXY, "credential:job"},
    {GLOBUS_GRAM_PROTOCOL_ERROR_DELEGATION_FAILED, "credential:job"},
    {GLOBUS_GRAM_PROTOCOL_ERROR_BAD_DIRECTORY, "io:site"},
    {GLOBUS_GRAM_PROTOCOL_ERROR_EXECUTABLE_NOT_FOUND, "io:site"},
    {GLOBUS_GRAM_PROTOCOL_ERROR_STDIN_NOT_FOUND, "io:site"},
    {GLOBUS_GRAM_PROTOCOL_ERROR_OPENING_STDOUT, "io:site"},
    {GLOBUS_GRAM_PROTOCOL_ERROR_OPENING_STDERR, "io:site"},
    {GLOBUS_GRAM_PROTOCOL_ERROR_WRITING_STATE_FILE, "no-space:site"},
    {GLOBUS_GRAM_PROTOCOL_ERROR_SERVICE_NOT_FOUND, "refused:job"},
    {GLOBUS_GRAM_PROTOCOL_ERROR_INVALID_QUEUE, "refused:job"},
    {GLOBUS_GRAM_PROTOCOL_ERROR_PARAMETER_NOT_SUPPORTED, "refused:job"},
    {GLOBUS_GRAM_PROTOCOL_ERROR_INVALID_MAX_WALL_TIME, "refused:job"},
    {GLOBUS_GRAM_PROTOCOL_ERROR_INVALID_COUNT, "refused:job"},
    {GLOBUS_GRAM_PROTOCOL_ERROR_JOBTYPE_NOT_SUPPORTED, "refused:job"},
    {GLOBUS_GRAM_PROTOCOL_ERROR_BAD_RSL, "refused:job"},
    {GLOBUS_GRAM_PROTOCOL_ERROR_UNDEFINED_ATTRIBUTE, "refused:job"},
    {GLOBUS_GRAM_PROTOCOL_ERROR_INVALID_SUBMIT_ATTRIBUTE, "refused:job"},
    {GLOBUS_GRAM_PROTOCOL_ERROR_JM_STOPPED, "busy:site"},
    {GLOBUS_GRAM_PROTOCOL_ERROR_OLD_JM_ALIVE, "busy:site"},
    {GLOBUS_GRAM_PROTOCOL_ERROR_NO_RESOURCES, "busy:site"},
};

const char *code_reason(int code)
{
    for (size_t i = 0; i < GW_COUNT(reasons); i++)
        if (reasons[i].code == code)
            return reasons[i].reason;
    return "io:site";
}

bool code_is_held(int state)
{
    return state == GLOBUS_GRAM_PROTOCOL_JOB_STATE_UNSUBMITTED;
}

bool code_is_end(int state)
{
    return state == GLOBUS_GRAM_PROTOCOL_JOB_STATE_DONE ||
           state == GLOBUS_GRAM_PROTOCOL_JOB_STATE_FAILED;
}

const char *code_state_word(int state)
{
    switch (state) {
    case GLOBUS_GRAM_PROTOCOL_JOB_STATE_UNSUBMITTED:
    case GLOBUS_GRAM_PROTOCOL_JOB_STATE_STAGE_IN:
    case GLOBUS_GRAM_PROTOCOL_JOB_STATE_PENDING:
        return "PENDING";
    case GLOBUS_GRAM_PROTOCOL_JOB_STATE_SUSPENDED:
        return "SUSPENDED";
    case GLOBUS_GRAM_PROTOCOL_JOB_STATE_ACTIVE:
    case GLOBUS_GRAM_PROTOCOL_JOB_STATE_STAGE_OUT:
        return "ACTIVE";
    case GLOBUS_GRAM_PROTOCOL_JOB_STATE_DONE:
        return "DONE";
    case GLOBUS_GRAM_PROTOCOL_JOB_STATE_FAILED:
        return "FAILED";
    default:
        return NULL;
    }
}

bool code_is_hearsay(int failure)
{
    return failure == GLOBUS_GRAM_PROTOCOL_ERROR_COMMIT_TIMED_OUT ||
           failure == GLOBUS_GRAM_PROTOCOL_ERROR_TTL_EXPIRED ||
           failure == GLOBUS_GRAM_PROTOCOL_ERROR_JM_STOPPED ||
           failure == GLOBUS_GRAM_PROTOCOL_ERROR_USER_PROXY_EXPIRED;
}

bool code_is_never_begun(int failure)
{
    return failure == GLOBUS_GRAM_PROTOCOL_ERROR_COMMIT_TIMED_OUT;
}
