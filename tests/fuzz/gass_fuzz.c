/* What gw_tm_gass reads: URLs, lines of MLSD, texts of servers. A path cannot leave or end an FTP
 * command, a listed name is one name, a failure has words and a code.
 *
 * fuzz: max_len=512 */
#include "tm/gass/facts.h"
#include "tm/gass/reply.h"
#include "tm/gass/url.h"
#include "tests/fuzz/fuzz.h"

static void check_path(const char *path)
{
    FUZZ_CHECK(path[0] == '/' && path[1] && !strpbrk(path, "\r\n"));
    FUZZ_CHECK(!strstr(path, "/../") && !strstr(path, "//") && !strstr(path, "/./"));
    size_t n = strlen(path);
    FUZZ_CHECK(n < 3 || strcmp(path + n - 3, "/..") != 0);
}

static void check_url(const char *text)
{
    struct url u = {0}, again = {0}, other = {0};
    struct gw_err err = {0};
    if (url_parse(text, &u, &err) < 0) {
        FUZZ_CHECK(*err.text && !u.host);
        return;
    }
    FUZZ_CHECK(u.host && u.text && (u.scheme == URL_FILE) == !u.path);
    FUZZ_CHECK(fuzz_is_clean(u.text, strlen(u.text), ""));
    if (u.scheme != URL_FILE)
        FUZZ_CHECK(!strpbrk(u.text, " \"<>\\^`{|}") && !strpbrk(u.host, "/@ %"));
    if (u.scheme == URL_GSIFTP) {
        char *parent = url_parent(u.path), *literal = xasprintf("gsiftp://%s%s", u.host, u.path);
        check_path(u.path);
        FUZZ_CHECK(!strchr(url_name(u.path), '/') && *url_name(u.path));
        if (parent)
            check_path(parent);
        url_with_path(&u, u.path, &other);
        FUZZ_CHECK(strcmp(other.text, u.text) == 0);
        /* The path is taken literally, so it can be said again. */
        FUZZ_CHECK(url_parse(literal, &again, &err) == 0);
        FUZZ_CHECK(strcmp(again.path, u.path) == 0 && strcmp(again.host, u.host) == 0);
        free(parent);
        free(literal);
    }
    url_clear(&u);
    url_clear(&again);
    url_clear(&other);
}

static void check_facts(const char *line, size_t len)
{
    struct facts f;
    if (!facts_parse(line, len, &f))
        return;
    FUZZ_CHECK(f.name >= line && f.name + f.name_len <= line + len);
    FUZZ_CHECK(!memchr(f.name, '/', f.name_len) && f.mode <= 0777);
    FUZZ_CHECK(f.name_len > 2 || f.name_len == 0 || strspn(f.name, ".") < f.name_len);
}

static void check_reply(int code, const char *text)
{
    static const struct explain_about about = {.host = "h:1", .identity = "/CN=A"};
    struct trouble t = {0};
    int r = reply_explain(code, text, "gsiftp://h/x", &about, &t);
    FUZZ_CHECK(r < 0 && r == -t.err.code && *t.err.text);
    FUZZ_CHECK(fuzz_is_clean(t.err.text, strlen(t.err.text), ""));
    FUZZ_CHECK(t.errnum >= 0 && t.errnum < 134 && (!t.reason || strchr(t.reason, ':')));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int codes[] = {0, 421, 425, 426, 500, 530, 550, 552};
    char *text = xmemdup0(data, size);
    check_url(text);
    check_facts(text, size);
    check_reply(codes[size % GW_COUNT(codes)], text);
    free(text);
    return 0;
}
