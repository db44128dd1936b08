/* Whole commands against a scripted gwd: what they print, their exit codes, and that what --json
 * prints is what docs/schema/gw.schema.json says. */
#include "cli/cmd.h"
#include "cli/exit.h"
#include "tests/unit/fake_gwd.h"
#include "tests/unit/gw_schema.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <cmocka.h>

#define CREDENTIAL                                                                                 \
    "{\"path\":\"/tmp/x509up_u1000\",\"identity\":\"/O=Grid/CN=Ann\",\"state\":\"expired\","       \
    "\"expires\":1767225600.0,\"problem\":\"it has expired\"}"
#define JOB(id, phase, state, exit_code, reason)                                                   \
    "{\"id\":" #id                                                                                 \
    ",\"name\":\"he\\u001b[31mllo\",\"user\":\"ann\",\"uid\":1000,\"array\":null,\"task\":0,"      \
    "\"tasks\":1,\"phase\":\"" phase "\",\"wish\":\"run\",\"state\":\"" state                      \
    "\",\"em\":\"----\",\"vjob\":null,"                                                            \
    "\"certain\":true,\"unknown_since\":null,\"host\":\"localhost\",\"queue\":\"default\","        \
    "\"lrms\":\"fork\","                                                                           \
    "\"type\":\"single\",\"np\":1,\"priority\":0,\"attempt\":1,\"token\":\"t\",\"exit_"            \
    "code\":" exit_code ",\"signal\":null,\"reason\":" reason                                      \
    ",\"submitted\":1767225600.5,\"started\":1767225601.0,\"ended\":null,"                         \
    "\"exec_s\":62.2,\"xfer_s\":0.3,\"walltime_s\":0,\"resources\":{\"cpus\":1,\"memory_mib\":0,"  \
    "\"disk_mib\":0},"                                                                             \
    "\"home\":\"/home/"                                                                            \
    "ann\",\"vms\":[{\"rank\":0,\"uuid\":\"u\",\"node\":null,\"state\":\"running\"}],"             \
    "\"stdout\":\"/home/ann/stdout.12\",\"stderr\":\"/home/ann/stderr.12\","                       \
    "\"transfer\":{\"done\":47185920,\"total\":209715200},\"credential\":" CREDENTIAL "}"
#define PENDING                                                                                    \
    JOB(12, "PENDING", "pend", "null", "{\"code\":\"no-host\",\"blame\":\"site\",\"params\":{}}")
#define DONE(code) JOB(12, "DONE", "done", #code, "null")
#define LEFT                                                                                       \
    JOB(12, "DONE", "done", "0",                                                                   \
        "null,\"left\":[{\"attempt\":1,\"host\":\"he\\u001b[31mre\",\"may_run\":false,\"asked\":"  \
        "3,"                                                                                       \
        "\"until\":1767830400.0,\"reason\":{\"code\":\"unreachable\",\"blame\":\"site\","          \
        "\"params\":{"                                                                             \
        "\"message\":\"no route\"}}}]")
#define JOBS(list) "{\"id\":@jobs,\"ok\":true,\"seq\":10,\"jobs\":[" list "]}"
#define HOST                                                                                       \
    "{\"id\":0,\"name\":\"localhost\",\"im\":\"static\",\"tm\":\"local\",\"em\":\"fork\","         \
    "\"state\":\"up\","                                                                            \
    "\"reason\":null,\"attributes\":{\"ARCH\":\"x86_64\",\"SIZE_MEM_MB\":4000,\"FREE_MEM_MB\":"    \
    "1000,"                                                                                        \
    "\"OS_NAME\":\"Linux\",\"LRMS_NAME\":\"fork\"},\"used_slots\":1,\"running_jobs\":1,"           \
    "\"queues\":[{\"name\":"                                                                       \
    "\"default\",\"nodes\":2,\"used\":1,\"free\":1,\"max_time\":60,\"max_cpu_time\":null,\"max_"   \
    "count\":null,"                                                                                \
    "\"max_running\":null,\"max_jobs\":null,\"status\":\"enabled\",\"dispatch\":null,"             \
    "\"priority\":null,"                                                                           \
    "\"rank\":2.5,\"slots\":1}],\"rests\":[],\"needs_credential\":false}"
#define USERS                                                                                      \
    "{\"id\":@users,\"ok\":true,\"users\":[{\"user\":\"ann\",\"uid\":1000,\"waiting\":3,"          \
    "\"running\":2,\"credential\":" CREDENTIAL "}]}"
#define SUBMITTED                                                                                  \
    "{\"id\":@submit,\"ok\":true,\"job\":12,\"tasks\":1,\"array\":null,\"warnings\":[]}"
#define WATCHING "{\"id\":@watch,\"ok\":true,\"seq\":10}"

struct scenario {
    const char *name;
    const char *args[8]; /* the command first */
    const char *input;   /* standard input, NULL: empty */
    struct fake_step steps[14];
    int code;
    const char *out;      /* the whole standard output; NULL: not compared */
    const char *out_part; /* or a part of it */
    const char *err_part;
    const char *schema; /* name in the schema's $defs of each line of output */
};

#define TEMPLATE "EXECUTABLE = /bin/true\n"

static const struct scenario scenarios[] = {
    {.name = "gwsubmit prints nothing when all is well",
     .args = {"gwsubmit"},
     .input = TEMPLATE,
     .steps = {{FAKE_ACCEPT, NULL}, {FAKE_EXPECT, "submit"}, {FAKE_SEND, SUBMITTED}, {0}},
     .out = ""},
    {.name = "gwsubmit -v prints the id as GridWay does",
     .args = {"gwsubmit", "-v"},
     .input = TEMPLATE,
     .steps = {{FAKE_ACCEPT, NULL}, {FAKE_EXPECT, "submit"}, {FAKE_SEND, SUBMITTED}, {0}},
     .out = "JOB ID: 12\n"},
    {.name = "gwsubmit -v -n prints the tasks of an array as GridWay does",
     .args = {"gwsubmit", "-v", "-n", "2"},
     .input = TEMPLATE,
     .steps = {{FAKE_ACCEPT, NULL},
               {FAKE_EXPECT, "submit"},
               {FAKE_SEND,
                "{\"id\":@submit,\"ok\":true,\"job\":30,\"tasks\":2,\"array\":4,\"warnings\":[]}"},
               {0}},
     .out = "ARRAY ID: 4\n\nTASK JOB\n0    30\n1    31\n"},
    {.name = "gwsubmit --json",
     .args = {"gwsubmit", "--json"},
     .input = TEMPLATE,
     .steps = {{FAKE_ACCEPT, NULL}, {FAKE_EXPECT, "submit"}, {FAKE_SEND, SUBMITTED}, {0}},
     .schema = "submitted_output"},
    {.name = "gwsubmit shows the daemon's diagnostics with the line they are about",
     .args = {"gwsubmit"},
     .input = "NP = 1\nEXECUTABL = x\n",
     .steps = {{FAKE_ACCEPT, NULL},
               {FAKE_EXPECT, "submit"},
               {FAKE_SEND, "{\"id\":@submit,\"ok\":false,\"error\":{\"code\":\"invalid\","
                           "\"message\":\"the job template has errors\","
                           "\"diagnostics\":[{\"line\":2,\"column\":1,\"length\":9,\"severity\":"
                           "\"error\",\"message\":\"no\\u001bvariable\","
                           "\"hint\":\"did you mean EXECUTABLE?\"}]}}"},
               {0}},
     .code = EXIT_TEMPLATE,
     .out = "",
     .err_part = "stdin:2:1: error: no\\x1bvariable\n    2 | EXECUTABL = x\n      | ^~~~~~~~~\n"},
    {.name = "gwsubmit --exit-with-job takes the command after -- and exits as it does",
     .args = {"gwsubmit", "--exit-with-job", "--", "/bin/sh", "-c", "exit 7"},
     .steps = {{FAKE_ACCEPT, NULL},
               {FAKE_EXPECT, "submit"},
               {FAKE_SEND, SUBMITTED},
               {FAKE_EXPECT, "jobs"},
               {FAKE_SEND, JOBS(PENDING)},
               {FAKE_EXPECT, "watch"},
               {FAKE_SEND, WATCHING},
               {FAKE_SEND,
                "{\"id\":@watch,\"event\":{\"seq\":11,\"kind\":\"attempt-ended\",\"id\":12}}"},
               {FAKE_EXPECT, "jobs"},
               {FAKE_SEND, JOBS(DONE(7))},
               {0}},
     .code = 7,
     .out = ""},
    {.name = "gwsubmit --wait -v tells the changes of state",
     .args = {"gwsubmit", "--wait", "-v"},
     .input = TEMPLATE,
     .steps = {{FAKE_ACCEPT, NULL},
               {FAKE_EXPECT, "submit"},
               {FAKE_SEND, SUBMITTED},
               {FAKE_EXPECT, "jobs"},
               {FAKE_SEND, JOBS(PENDING)},
               {FAKE_EXPECT, "watch"},
               {FAKE_SEND, WATCHING},
               {FAKE_SEND,
                "{\"id\":@watch,\"event\":{\"seq\":11,\"kind\":\"attempt-active\",\"id\":12}}"},
               {FAKE_EXPECT, "jobs"},
               {FAKE_SEND, JOBS(DONE(7))},
               {0}},
     .code = EXIT_JOB,
     .out = "JOB ID: 12\n",
     .err_part = "--:--:--  12  running\n--:--:--  12  done, exit code 7\n"},
    {.name = "gwsubmit - submits many templates, and a bad one leaves the others alone",
     .args = {"gwsubmit", "-v", "-"},
     .input = TEMPLATE "---\nEXECUTABL = x\n---\n\n---\n" TEMPLATE "---\n",
     .steps = {{FAKE_ACCEPT, NULL},
               {FAKE_EXPECT, "submit"},
               {FAKE_EXPECT, "submit"},
               {FAKE_EXPECT, "submit"},
               {FAKE_SEND,
                "{\"id\":1,\"ok\":true,\"job\":12,\"tasks\":1,\"array\":null,\"warnings\":[]}"},
               {FAKE_SEND, "{\"id\":2,\"ok\":false,\"error\":{\"code\":\"invalid\","
                           "\"message\":\"the job template has errors\","
                           "\"diagnostics\":[{\"line\":1,\"column\":1,\"length\":9,\"severity\":"
                           "\"error\",\"message\":\"no variable\",\"hint\":null}]}}"},
               {FAKE_SEND,
                "{\"id\":3,\"ok\":true,\"job\":13,\"tasks\":1,\"array\":null,\"warnings\":[]}"},
               {0}},
     .code = EXIT_TEMPLATE,
     .out = "JOB ID: 12\nJOB ID: 13\n",
     .err_part = "stdin, template 2:1:1: error: no variable\n    1 | EXECUTABL = x\n"},
    {.name = "gwsubmit --json - says which template was refused",
     .args = {"gwsubmit", "--json", "-"},
     .input = TEMPLATE "---\n" TEMPLATE,
     .steps = {{FAKE_ACCEPT, NULL},
               {FAKE_EXPECT, "submit"},
               {FAKE_EXPECT, "submit"},
               {FAKE_SEND, "{\"id\":1,\"ok\":false,\"error\":{\"code\":\"no-space\","
                           "\"message\":\"full\"}}"},
               {FAKE_SEND, "{\"id\":2,\"ok\":false,\"error\":{\"code\":\"no-space\","
                           "\"message\":\"full\"}}"},
               {0}},
     .code = EXIT_TRY_AGAIN,
     .schema = "refused_output"},
    {.name = "what gwsubmit - has no answer for is sent again with its key when gwd is back",
     .args = {"gwsubmit", "-v", "--key", "mine", "-"},
     .input = TEMPLATE "---\n" TEMPLATE,
     .steps = {{FAKE_ACCEPT, NULL},
               {FAKE_EXPECT, "submit"},
               {FAKE_EXPECT, "submit"},
               {FAKE_SEND,
                "{\"id\":1,\"ok\":true,\"job\":12,\"tasks\":1,\"array\":null,\"warnings\":[]}"},
               {FAKE_CLOSE, NULL},
               {FAKE_ACCEPT, NULL},
               {FAKE_EXPECT, "submit"},
               {FAKE_SEND, SUBMITTED},
               {0}},
     .out = "JOB ID: 12\nJOB ID: 12\n",
     .err_part = "trying again"},
    {.name = "gwsubmit --check - checks each",
     .args = {"gwsubmit", "--check", "-"},
     .input = TEMPLATE "---\nNP = x\n---\n" TEMPLATE,
     .code = EXIT_TEMPLATE,
     .err_part = "stdin, template 2:1:6: error:"},
    {.name = "an array of a million is told as a range",
     .args = {"gwsubmit", "-v", "-n", "1000000"},
     .input = TEMPLATE,
     .steps = {{FAKE_ACCEPT, NULL},
               {FAKE_EXPECT, "submit"},
               {FAKE_SEND, "{\"id\":@submit,\"ok\":true,\"job\":30,\"tasks\":1000000,\"array\":4,"
                           "\"warnings\":[]}"},
               {0}},
     .out = "ARRAY ID: 4\n\nTASK JOB\n0-999999 30-1000029\n"},
    {.name = "gwsubmit --check needs no daemon and finds four mistakes in one run",
     .args = {"gwsubmit", "--check"},
     .input = "EXECUTABL = a\nNP = x\nREQUIREMENTS = ARCH =\nTYPE = many\n",
     .code = EXIT_TEMPLATE,
     .err_part = "stdin:4:8: error:"},
    {.name = "gwsubmit --check --json",
     .args = {"gwsubmit", "--check", "--json"},
     .input = "EXECUTABL = a\xff\nNP = x\n",
     .code = EXIT_TEMPLATE,
     .schema = "diagnostics_output"},
    {.name = "gwsubmit names the template that is not there",
     .args = {"gwsubmit", "/nonexistent/a.jt"},
     .code = EXIT_NO_FILE,
     .err_part = "/nonexistent/a.jt"},
    {.name = "options that do not exist are a usage error",
     .args = {"gwps", "-Q"},
     .code = EXIT_USAGE,
     .err_part = "gwps: "},
    {.name = "fields that do not exist are a usage error",
     .args = {"gwps", "-o", "Q"},
     .code = EXIT_USAGE,
     .err_part = "uJipynseftTxjhvr"},
    {.name = "gwps shows GridWay's columns, and names cannot reach the terminal",
     .args = {"gwps"},
     .steps = {{FAKE_ACCEPT, NULL}, {FAKE_EXPECT, "jobs"}, {FAKE_SEND, JOBS(DONE(7))}, {0}},
     .out =
         "USER         JID DM   EM   START    END         EXEC    XFER EXIT NAME            HOST\n"
         "ann:1000      12 done ---- 00:00:00 --:--:-- 0:01:02 0:00:00    7 he\\x1b[31mllo   "
         "localhost/fork\n"},
    {.name = "gwps of nothing is the header",
     .args = {"gwps", "-o", "uJx"},
     .steps = {{FAKE_ACCEPT, NULL}, {FAKE_EXPECT, "jobs"}, {FAKE_SEND, JOBS("")}, {0}},
     .out = "USER         JID EXIT\n"},
    {.name = "gwps -n -o chooses columns and leaves the header out",
     .args = {"gwps", "-n", "-o", "Jir"},
     .steps = {{FAKE_ACCEPT, NULL}, {FAKE_EXPECT, "jobs"}, {FAKE_SEND, JOBS(PENDING)}, {0}},
     .out = " 12  --  -- no host is known\n"},
    {.name = "gwps prints page after page",
     .args = {"gwps", "-o", "Jx"},
     .steps = {{FAKE_ACCEPT, NULL},
               {FAKE_EXPECT, "jobs"},
               {FAKE_SEND,
                "{\"id\":@jobs,\"ok\":true,\"jobs\":[{\"id\":1}],\"more\":true,\"next\":1,"
                "\"seq\":1}"},
               {FAKE_EXPECT, "jobs"},
               {FAKE_SEND, "{\"id\":@jobs,\"ok\":true,\"jobs\":[],\"more\":true,\"next\":7000,"
                           "\"seq\":1}"},
               {FAKE_EXPECT, "jobs"},
               {FAKE_SEND, "{\"id\":@jobs,\"ok\":true,\"jobs\":[{\"id\":8000,\"exit_code\":3}],"
                           "\"more\":false,\"next\":8000,\"seq\":1}"},
               {0}},
     .out = "JID EXIT\n  1   --\n8000    3\n"},
    {.name = "gwps --json joins the pages",
     .args = {"gwps", "--json"},
     .steps =
         {{FAKE_ACCEPT, NULL},
          {FAKE_EXPECT, "jobs"},
          {FAKE_SEND, "{\"id\":@jobs,\"ok\":true,\"jobs\":[],\"more\":true,\"next\":1,\"seq\":1}"},
          {FAKE_EXPECT, "jobs"},
          {FAKE_SEND, "{\"id\":@jobs,\"ok\":true,\"jobs\":[" PENDING "],\"more\":true,\"next\":20,"
                      "\"seq\":1}"},
          {FAKE_EXPECT, "jobs"},
          {FAKE_SEND, "{\"id\":@jobs,\"ok\":true,\"jobs\":[" DONE(0) "],\"more\":false,\"next\":30,"
                                                                     "\"seq\":1}"},
          {0}},
     .schema = "jobs_output"},
    {.name = "gwps -f prints KEY=VALUE",
     .args = {"gwps", "-f", "12"},
     .steps = {{FAKE_ACCEPT, NULL}, {FAKE_EXPECT, "jobs"}, {FAKE_SEND, JOBS(DONE(0))}, {0}},
     .out_part = "JOB_ID=12\nNAME=he\\x1b[31mllo\nUSER=ann\n"},
    {.name = "gwps --json",
     .args = {"gwps", "--json"},
     .steps =
         {{FAKE_ACCEPT, NULL}, {FAKE_EXPECT, "jobs"}, {FAKE_SEND, JOBS(PENDING "," DONE(0))}, {0}},
     .schema = "jobs_output"},
    {.name = "gwps --why says the reason in words",
     .args = {"gwps", "--why", "12"},
     .steps = {{FAKE_ACCEPT, NULL}, {FAKE_EXPECT, "jobs"}, {FAKE_SEND, JOBS(PENDING)}, {0}},
     .out = "12 he\\x1b[31mllo pend: no host is known\nto mend: the site\n"
            "advice: gwhost --drivers shows whether the information drivers work\n"},
    {.name = "gwps --why says what is left at sites",
     .args = {"gwps", "--why", "12"},
     .steps = {{FAKE_ACCEPT, NULL}, {FAKE_EXPECT, "jobs"}, {FAKE_SEND, JOBS(LEFT)}, {0}},
     .out_part = "left: a directory at he\\x1b[31mre, asked 3 times since gwd started; the site "
                 "cannot be reached: no route; gwd goes on until 2026-01-0"},
    {.name = "gwps --why --json",
     .args = {"gwps", "--why", "12", "--json"},
     .steps = {{FAKE_ACCEPT, NULL}, {FAKE_EXPECT, "jobs"}, {FAKE_SEND, JOBS(PENDING)}, {0}},
     .schema = "why_output"},
    {.name = "gwps --why --json of what is left",
     .args = {"gwps", "--why", "12", "--json"},
     .steps = {{FAKE_ACCEPT, NULL}, {FAKE_EXPECT, "jobs"}, {FAKE_SEND, JOBS(LEFT)}, {0}},
     .schema = "why_output"},
    {.name = "gwps -o c shows that a credential has expired",
     .args = {"gwps", "-o", "Jc"},
     .steps = {{FAKE_ACCEPT, NULL}, {FAKE_EXPECT, "jobs"}, {FAKE_SEND, JOBS(PENDING)}, {0}},
     .out_part = " 12  expired"},
    {.name = "gwuser shows users and their credentials",
     .args = {"gwuser"},
     .steps = {{FAKE_ACCEPT, NULL}, {FAKE_EXPECT, "users"}, {FAKE_SEND, USERS}, {0}},
     .out_part = " 1000 ann              3     2  expired /tmp/x509up_u1000    /O=Grid/CN=Ann\n"},
    {.name = "gwuser --json",
     .args = {"gwuser", "--json"},
     .steps = {{FAKE_ACCEPT, NULL}, {FAKE_EXPECT, "users"}, {FAKE_SEND, USERS}, {0}},
     .schema = "users_output"},
    {.name = "gwhost shows GridWay's columns",
     .args = {"gwhost"},
     .steps = {{FAKE_ACCEPT, NULL},
               {FAKE_EXPECT, "hosts"},
               {FAKE_SEND, "{\"id\":@hosts,\"ok\":true,\"hosts\":[" HOST "]}"},
               {0}},
     .out_part =
         "  0  -- Linux           x86_64   --   -- 1000M/4000M            --         1/1/2 fork  "},
    {.name = "gwhost -m shows the queues that match",
     .args = {"gwhost", "-m", "12"},
     .steps = {{FAKE_ACCEPT, NULL},
               {FAKE_EXPECT, "hosts"},
               {FAKE_SEND, "{\"id\":@hosts,\"ok\":true,\"hosts\":[" HOST "]}"},
               {0}},
     .out_part = "\n  0 default                 2.5  --     1 localhost\n"},
    {.name = "gwhost --json",
     .args = {"gwhost", "--json"},
     .steps = {{FAKE_ACCEPT, NULL},
               {FAKE_EXPECT, "hosts"},
               {FAKE_SEND, "{\"id\":@hosts,\"ok\":true,\"hosts\":[" HOST "]}"},
               {0}},
     .schema = "hosts_output"},
    {.name = "gwhost --drivers --json",
     .args = {"gwhost", "--drivers", "--json"},
     .steps = {{FAKE_ACCEPT, NULL},
               {FAKE_EXPECT, "status"},
               {FAKE_SEND, "{\"id\":@status,\"ok\":true,\"version\":\"0\",\"instance\":\"I\","
                           "\"epoch\":1,\"seq\":10,\"paused\":false,"
                           "\"drivers\":[{\"kind\":\"im\",\"name\":\"static\",\"state\":\"up\","
                           "\"pid\":7}],\"jobs\":{\"DONE\":1}}"},
               {0}},
     .schema = "status_output"},
    {.name = "gwhost --test names a driver that is down, and makes no job then",
     .args = {"gwhost", "--test", "localhost", "--json"},
     .steps = {{FAKE_ACCEPT, NULL},
               {FAKE_EXPECT, "hosts"},
               {FAKE_SEND, "{\"id\":@hosts,\"ok\":true,\"hosts\":[" HOST "]}"},
               {FAKE_EXPECT, "status"},
               {FAKE_SEND, "{\"id\":@status,\"ok\":true,\"paused\":false,\"drivers\":["
                           "{\"kind\":\"im\",\"name\":\"static\",\"state\":\"up\"},"
                           "{\"kind\":\"tm\",\"name\":\"local\",\"state\":\"down\","
                           "\"reason\":\"it \\u001bdied\"}]}"},
               {0}},
     .code = EXIT_JOB,
     .out_part = "its driver tm local is not up: it \\u001Bdied",
     .schema = "test_output"},
    {.name = "gwhost --image belongs to --test",
     .args = {"gwhost", "--image", "x"},
     .code = EXIT_USAGE,
     .err_part = "--image and --timeout belong to --test"},
    {.name = "gwhost --drain is an administrator's",
     .args = {"gwhost", "--drain", "localhost"},
     .steps = {{FAKE_ACCEPT, NULL},
               {FAKE_EXPECT, "drain"},
               {FAKE_SEND, "{\"id\":@drain,\"ok\":false,\"error\":{\"code\":\"not-allowed\","
                           "\"message\":\"only an administrator\"}}"},
               {0}},
     .code = EXIT_NOT_ALLOWED,
     .err_part = "gwhost: only an administrator\n"},
    {.name = "gwhost --undrain --json",
     .args = {"gwhost", "--undrain", "localhost", "--json"},
     .steps = {{FAKE_ACCEPT, NULL},
               {FAKE_EXPECT, "drain"},
               {FAKE_SEND, "{\"id\":@drain,\"ok\":true}"},
               {0}},
     .schema = "drained_output"},
    {.name = "gwhost --pause --json",
     .args = {"gwhost", "--pause", "--json"},
     .steps = {{FAKE_ACCEPT, NULL},
               {FAKE_EXPECT, "pause"},
               {FAKE_SEND, "{\"id\":@pause,\"ok\":true}"},
               {0}},
     .schema = "paused_output"},
    {.name = "gwkill waits until the end is confirmed and says what became of each",
     .args = {"gwkill", "12", "99"},
     .steps = {{FAKE_ACCEPT, NULL},
               {FAKE_EXPECT, "wish"},
               {FAKE_SEND, "{\"id\":@wish,\"ok\":true,\"done\":[],\"pending\":[12],\"refused\":[{"
                           "\"id\":99,\"error\":{\"code\":"
                           "\"not-found\",\"message\":\"no such job\"}}]}"},
               {FAKE_EXPECT, "jobs"},
               {FAKE_SEND, JOBS(PENDING)},
               {FAKE_EXPECT, "watch"},
               {FAKE_SEND, WATCHING},
               {FAKE_SEND,
                "{\"id\":@watch,\"event\":{\"seq\":11,\"kind\":\"attempt-ended\",\"id\":12}}"},
               {FAKE_EXPECT, "jobs"},
               {FAKE_SEND, JOBS(JOB(12, "FAILED", "fail", "null",
                                    "{\"code\":\"killed\",\"blame\":\"none\",\"params\":{}}"))},
               {0}},
     .code = EXIT_NOT_FOUND,
     .out = "12: killed\n",
     .err_part = "gwkill: 99: no such job\n"},
    {.name = "gwkill does not claim to have killed what had ended",
     .args = {"gwkill", "12"},
     .steps = {{FAKE_ACCEPT, NULL},
               {FAKE_EXPECT, "wish"},
               {FAKE_SEND, "{\"id\":@wish,\"ok\":true,\"done\":[9,12],\"pending\":[],\"ended\":[12]"
                           ",\"refused\":[]}"},
               {FAKE_EXPECT, "jobs"},
               {FAKE_SEND, JOBS(DONE(0))},
               {0}},
     .out = "9: killed\n12: had ended: done\n"},
    {.name = "gwkill --timeout says why the end is not confirmed",
     .args = {"gwkill", "--timeout", "0", "12", "13"},
     .steps = {{FAKE_ACCEPT, NULL},
               {FAKE_EXPECT, "wish"},
               {FAKE_SEND,
                "{\"id\":@wish,\"ok\":true,\"done\":[13],\"pending\":[12],\"refused\":[]}"},
               {FAKE_EXPECT, "jobs"},
               {FAKE_SEND, JOBS(PENDING)},
               {FAKE_EXPECT, "watch"},
               {FAKE_SEND, WATCHING},
               {FAKE_EXPECT, "unwatch"},
               {FAKE_SEND, "{\"id\":@unwatch,\"ok\":true}"},
               {FAKE_EXPECT, "jobs"},
               {FAKE_SEND, JOBS(JOB(12, "WRAPPER", "canl", "null",
                                    "{\"code\":\"kill-pending\",\"blame\":\"site\",\"params\":{"
                                    "\"asked\":3,\"message\":\"no route\"}}"))},
               {0}},
     .code = EXIT_TRY_AGAIN,
     .out = "13: killed\n12: pending: the site has not confirmed its end yet, asked 3 times: no "
            "route\n"},
    {.name = "gwkill -a does not wait",
     .args = {"gwkill", "-a", "12-13"},
     .steps = {{FAKE_ACCEPT, NULL},
               {FAKE_EXPECT, "wish"},
               {FAKE_SEND,
                "{\"id\":@wish,\"ok\":true,\"done\":[13],\"pending\":[12],\"refused\":[]}"},
               {0}},
     .out = "13: killed\n12: pending\n"},
    {.name = "gwkill -o --json",
     .args = {"gwkill", "-o", "--json", "12"},
     .steps = {{FAKE_ACCEPT, NULL},
               {FAKE_EXPECT, "wish"},
               {FAKE_SEND, "{\"id\":@wish,\"ok\":true,\"done\":[],\"pending\":[],\"refused\":[{"
                           "\"id\":12,\"error\":{\"code\":"
                           "\"wrong-state\",\"message\":\"only a pending job can be held\"}}]}"},
               {0}},
     .code = EXIT_JOB,
     .schema = "wish_output"},
    {.name = "gwwait -v prints the exit code",
     .args = {"gwwait", "-v", "12"},
     .steps = {{FAKE_ACCEPT, NULL}, {FAKE_EXPECT, "jobs"}, {FAKE_SEND, JOBS(DONE(7))}, {0}},
     .code = EXIT_JOB,
     .out = "7\n"},
    {.name = "gwwait gives up in time",
     .args = {"gwwait", "-t", "0", "12"},
     .steps = {{FAKE_ACCEPT, NULL},
               {FAKE_EXPECT, "jobs"},
               {FAKE_SEND, JOBS(PENDING)},
               {FAKE_EXPECT, "watch"},
               {FAKE_SEND, WATCHING},
               {0}},
     .code = EXIT_TRY_AGAIN,
     .err_part = "1 of 1 jobs"},
    {.name = "gwwait --json",
     .args = {"gwwait", "--json", "12"},
     .steps = {{FAKE_ACCEPT, NULL}, {FAKE_EXPECT, "jobs"}, {FAKE_SEND, JOBS(DONE(0))}, {0}},
     .schema = "jobs_output"},
    {.name = "gwwait names what it waits for",
     .args = {"gwwait"},
     .code = EXIT_USAGE,
     .err_part = "name jobs"},
    {.name = "gwhistory shows the newest attempt first with the reason in words",
     .args = {"gwhistory", "-n", "12"},
     .steps = {{FAKE_ACCEPT, NULL},
               {FAKE_EXPECT, "history"},
               {FAKE_SEND, "{\"id\":@history,\"ok\":true,\"attempts\":[{\"attempt\":1,\"host\":"
                           "\"old\",\"queue\":\"q\",\"reason\":"
                           "{\"code\":\"no-space\"}},{\"attempt\":2,\"host\":\"localhost\","
                           "\"lrms\":\"fork\",\"queue\":\"q\"}]}"},
               {FAKE_EXPECT, "hosts"},
               {FAKE_SEND, "{\"id\":@hosts,\"ok\":true,\"hosts\":[" HOST "]}"},
               {0}},
     .out = "  0 --:--:-- --:--:-- 0:00:00 0:00:00 0:00:00 0:00:00 ----     q          "
            "localhost/fork            --\n"
            " -- --:--:-- --:--:-- 0:00:00 0:00:00 0:00:00 0:00:00 no-space q          old         "
            "              "
            "there is no space left, or a quota is reached\n"},
    {.name = "gwhistory --json",
     .args = {"gwhistory", "--json", "12"},
     .steps = {{FAKE_ACCEPT, NULL},
               {FAKE_EXPECT, "history"},
               {FAKE_SEND, "{\"id\":@history,\"ok\":true,\"attempts\":[{\"attempt\":1,\"token\":"
                           "\"t\",\"host\":\"h\",\"queue\":\"q\",\"lrms\":"
                           "null,\"rank\":0.5,\"started\":1.5,\"ended\":null,\"prolog_s\":0.1,"
                           "\"wrapper_s\":0.0,\"epilog_s\":0.0,"
                           "\"contact\":null,\"reason\":null,\"exit_code\":null,\"vms\":[]}]}"},
               {0}},
     .schema = "attempts_output"},
    {.name = "gwlogs gives the bytes as they are",
     .args = {"gwlogs", "12"},
     .steps = {{FAKE_ACCEPT, NULL},
               {FAKE_EXPECT, "logs"},
               {FAKE_SEND, "{\"id\":@logs,\"data\":\"G1szMW0=\",\"offset\":0}"},
               {FAKE_SEND, "{\"id\":@logs,\"ok\":true,\"end\":true}"},
               {0}},
     .out = "\033[31m"},
    {.name = "gwlogs --json",
     .args = {"gwlogs", "-e", "--json", "12"},
     .steps = {{FAKE_ACCEPT, NULL},
               {FAKE_EXPECT, "logs"},
               {FAKE_SEND, "{\"id\":@logs,\"data\":\"G1szMW0=\",\"offset\":0}"},
               {FAKE_SEND, "{\"id\":@logs,\"ok\":true,\"end\":true}"},
               {0}},
     .schema = "log_output"},
};

/* --- running a command --- */

struct ran {
    char *out, *err;
    int code;
};

static char *read_all(FILE *from)
{
    struct buf b = BUF_INIT;
    char chunk[4096];
    size_t n;
    rewind(from);
    while ((n = fread(chunk, 1, sizeof chunk, from)) > 0)
        buf_put(&b, chunk, n);
    fclose(from);
    return b.data ? b.data : xstrdup("");
}

static int child(const struct scenario *s, const char *path, FILE *in, FILE *out, FILE *err)
{
    int argc = 0;
    char *argv[9] = {0};
    for (; argc < 8 && s->args[argc]; argc++)
        argv[argc] = xstrdup(s->args[argc]);
    setenv("GW_SOCKET", path, 1);
    setenv("TZ", "UTC", 1);
    setenv("LC_ALL", "C.UTF-8", 1);
    dup2(fileno(in), 0);
    dup2(fileno(out), 1);
    dup2(fileno(err), 2);
    program_invocation_short_name = argv[0];
    argp_err_exit_status = EXIT_USAGE;
    int code = cmd_find(s->args[0])->run(argc, argv);
    fflush(stdout);
    return code;
}

static struct ran run(const struct scenario *s, const char *path)
{
    struct ran r;
    int status;
    FILE *in = tmpfile(), *out = tmpfile(), *err = tmpfile();
    fputs(s->input ? s->input : "", in);
    rewind(in);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        _exit(child(s, path, in, out, err));
    waitpid(pid, &status, 0);
    r.code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    r.out = read_all(out);
    r.err = read_all(err);
    fclose(in);
    return r;
}

/* --- the tests --- */

static void each_command_says_and_answers_what_it_should(void **state)
{
    (void)state;
    for (size_t i = 0; i < GW_COUNT(scenarios); i++) {
        const struct scenario *s = &scenarios[i];
        struct fake *f = fake_start(s->steps);
        print_message("%s\n", s->name);
        struct ran r = run(s, f->path);
        if (r.code != s->code || (s->out && strcmp(r.out, s->out) != 0) ||
            (s->err_part && !strstr(r.err, s->err_part)) ||
            (s->out_part && !strstr(r.out, s->out_part)))
            print_error("exit %d\n--- out\n%s--- err\n%s---\n", r.code, r.out, r.err);
        assert_int_equal(r.code, s->code);
        assert_true(!s->out || strcmp(r.out, s->out) == 0);
        assert_true(!s->out_part || strstr(r.out, s->out_part));
        assert_true(!s->err_part || strstr(r.err, s->err_part));
        if (s->schema)
            check_schema(r.out, s->schema);
        assert_true(fake_stop(f));
        free(r.out);
        free(r.err);
    }
}

static void without_a_daemon_each_command_exits_69(void **state)
{
    size_t n;
    const struct cmd *const *list = cmd_list(&n);
    (void)state;
    for (size_t i = 0; i < n; i++) {
        struct scenario s = {.args = {list[i]->name, "12"}, .input = TEMPLATE};
        if (strcmp(list[i]->name, "gwsubmit") == 0)
            s.args[1] = "-";
        if (strcmp(list[i]->name, "gwuser") == 0)
            s.args[1] = NULL;
        struct ran r = run(&s, "/nonexistent/gwd.sock");
        assert_int_equal(r.code, EXIT_UNAVAILABLE);
        assert_true(strncmp(r.err, list[i]->name, strlen(list[i]->name)) == 0);
        assert_non_null(strstr(r.err, "/nonexistent/gwd.sock"));
        free(r.out);
        free(r.err);
    }
}

static void interrupted_a_wait_leaves_the_job_alone_and_says_how_to_come_back(void **state)
{
    static const struct fake_step steps[] = {{FAKE_ACCEPT, NULL},
                                             {FAKE_EXPECT, "jobs"},
                                             {FAKE_SEND, JOBS(PENDING)},
                                             {FAKE_EXPECT, "watch"},
                                             {0}};
    static const struct scenario s = {.args = {"gwwait", "12"}};
    struct fake *f = fake_start(steps);
    FILE *in = tmpfile(), *out = tmpfile(), *err = tmpfile();
    int status;
    (void)state;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        _exit(child(&s, f->path, in, out, err));
    fake_join(f); /* it waits now */
    kill(pid, SIGINT);
    waitpid(pid, &status, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), EXIT_INTERRUPTED);
    char *text = read_all(err);
    assert_non_null(strstr(text, "gwwait 12"));
    assert_non_null(strstr(text, "gwkill 12"));
    free(text);
    assert_int_equal(json_array_size(f->requests), 2);
    fclose(in);
    fclose(out);
    fake_stop(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_command_says_and_answers_what_it_should),
        cmocka_unit_test(without_a_daemon_each_command_exits_69),
        cmocka_unit_test(interrupted_a_wait_leaves_the_job_alone_and_says_how_to_come_back),
    };
    return cmocka_run_group_tests(tests, load_schema, drop_schema);
}
