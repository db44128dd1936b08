/* What an earlier run of the fork driver has left: whatever stands there, an attempt that was
 * started is never taken for one that was not, and who takes the file over says the same as who
 * read it. Contacts and claims are read back as they were written.
 *
 * fuzz: max_len=512 slow=1 */
#include "em/journal.h"
#include "lib/file.h"
#include "lib/log.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/tempdir.h"

enum { TOKENS_MAX = 64 };

static char *dir, *instance, *left;

static void remove_dir(void)
{
    tempdir_remove(dir);
    free(instance);
    free(left);
}

static void begin_process(void)
{
    dir = tempdir_make("gwjournal");
    FUZZ_CHECK(dir != NULL);
    instance = xasprintf("%s/i", dir);
    left = xasprintf("%s/1.1", instance);
    log_set("journal", LOG_ERROR + 1);
    atexit(remove_dir);
}

static void check_names(const char *text)
{
    struct process_id id, again;
    struct buf b = BUF_INIT;
    process_decode_claim(text, &id, NULL);
    if (process_decode_contact(text, &id, NULL) == 0) {
        process_encode_contact(&id, &b);
        FUZZ_CHECK(process_decode_contact(buf_str(&b), &again, NULL) == 0);
        FUZZ_CHECK(id.pid > 0 && id.pid == again.pid && id.start == again.start &&
                   strcmp(id.boot, again.boot) == 0);
    }
    buf_clear(&b);
}

struct seen {
    char token[128];
    bool was_started, was_never;
    struct record r;
};

/* What lines as they are written say was started; whether anything like a line says that it was not
 * is taken less strictly. */
static size_t note_tokens(const char *text, struct seen *seen)
{
    size_t n = 0;
    for (const char *line = text; *line && n < TOKENS_MAX;
         line += line[strcspn(line, "\n")] ? strcspn(line, "\n") + 1 : strcspn(line, "\n")) {
        char kind[2], token[100], again[128];
        size_t len = strcspn(line, "\n"), i = 0;
        char *copy = xstrndup(line, len);
        bool is_line = line[len] == '\n' && sscanf(copy, " %1s %99s", kind, token) == 2 &&
                       strncmp(token, "i.", 2) == 0;
        snprintf(again, sizeof again, "S %s .", is_line ? token : "");
        bool is_start = is_line && strcmp(copy, again) == 0;
        free(copy);
        if (!is_line || (!is_start && *kind != 'N'))
            continue;
        while (i < n && strcmp(seen[i].token, token) != 0)
            i++;
        if (i == n) {
            seen[n] = (struct seen){0};
            snprintf(seen[n++].token, sizeof seen[0].token, "%s", token);
        }
        seen[i].was_started |= is_start;
        seen[i].was_never |= *kind == 'N';
    }
    return n;
}

static void look(struct seen *seen, size_t n, bool is_first)
{
    struct gw_err err = {0};
    struct journals *js = journals_create(dir, &err);
    FUZZ_CHECK(js != NULL);
    for (size_t i = 0; i < n; i++) {
        struct record r;
        if (journal_look(js, seen[i].token, &r, &err) < 0)
            fuzz_broken(__FILE__, __LINE__, err.text);
        FUZZ_CHECK(!seen[i].was_started || seen[i].was_never || r.state != RECORD_NONE);
        FUZZ_CHECK(is_first || (r.state == seen[i].r.state && r.code == seen[i].r.code));
        seen[i].r = r;
    }
    journals_destroy(js);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seen seen[TOKENS_MAX];
    char *text = xmemdup0(data, size);
    if (!dir)
        begin_process();
    check_names(text);
    size_t n = strlen(text) == size ? note_tokens(text, seen) : 0;
    if (n) {
        file_remove_tree(instance, NULL);
        FUZZ_CHECK(file_mkdirs(instance, 0700, NULL) == 0);
        FILE *f = fopen(left, "w");
        FUZZ_CHECK(f != NULL);
        fwrite(data, 1, size, f);
        fclose(f);
        look(seen, n, true);
        look(seen, n, false);
    }
    free(text);
    return 0;
}
