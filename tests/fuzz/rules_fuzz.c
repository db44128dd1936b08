/* launch.conf, which decides who may be launched: refused with a line, or a list in which each rule
 * is what it looks like.
 *
 * fuzz: max_len=512 */
#include "launcher/rules.h"
#include "tests/fuzz/fuzz.h"

static void check_words(const struct rules_words *words, const char *never)
{
    FUZZ_CHECK(words->n <= RULES_WORDS_MAX);
    for (size_t i = 0; i < words->n; i++)
        FUZZ_CHECK(*words->items[i] && !strpbrk(words->items[i], never) &&
                   rules_have(words, words->items[i]));
}

static void check(const struct rules *r)
{
    FUZZ_CHECK(r->daemon && *r->daemon && r->min_uid > 0 && r->max_uid >= r->min_uid);
    FUZZ_CHECK(!rules_allow_uid(r, 0) && !rules_allow_uid(r, r->min_uid - 1) &&
               !rules_allow_uid(r, r->max_uid + 1) && !rules_allow_uid(r, RULES_NOBODY) &&
               !rules_allow_uid(r, (unsigned)-1));
    check_words(&r->users, " \t\n#/:=,\"'\\");
    check_words(&r->groups, " \t\n#/:=,\"'\\");
    FUZZ_CHECK(!rules_have(&r->groups, "*"));
    check_words(&r->programs, " \t\n#\"'\\");
    check_words(&r->environment, " \t\n#\"'\\");
    for (size_t i = 0; i < r->programs.n; i++) {
        const char *path = r->programs.items[i];
        char *framed = xasprintf("%s/", path);
        FUZZ_CHECK(path[0] == '/' && !strstr(framed, "/../") && !strstr(framed, "//") &&
                   !strstr(framed, "/./"));
        free(framed);
    }
    for (size_t i = 0; i < r->environment.n; i++) {
        const char *word = r->environment.items[i];
        FUZZ_CHECK(strchr(word, '=') && word[0] != '=' && strncmp(word, "LD_", 3) != 0 &&
                   strncmp(word, "PATH=", 5) != 0);
    }
    if (!rules_have(&r->users, "*"))
        FUZZ_CHECK(!rules_allow_user(r, "nobody's name"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct rules r;
    char why[RULES_WHY_MAX] = "", *text = xmemdup0(data, size);
    if (rules_parse(text, &r, why))
        check(&r);
    else
        FUZZ_CHECK(*why && strlen(why) < sizeof why && fuzz_is_clean(why, strlen(why), "\t"));
    free(text);
    return 0;
}
