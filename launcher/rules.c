#include "launcher/rules.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- values --- */

static bool number_is_good(const char *word, unsigned *ret)
{
    char *end;
    errno = 0;
    unsigned long v = strtoul(word, &end, 10);
    /* 0 is root; the highest means "none" to the system calls. */
    if (word[0] < '1' || word[0] > '9' || *end || errno || v >= UINT_MAX)
        return false;
    *ret = (unsigned)v;
    return true;
}

static bool name_is_good(const char *word)
{
    return strpbrk(word, "/:=,") == NULL;
}

/* As it is opened, name by name: no way round by "..", and one spelling only. */
static bool path_is_good(const char *word)
{
    size_t len = strlen(word);
    return word[0] == '/' && len > 1 && word[len - 1] != '/' && !strstr(word, "//") &&
           !strstr(word, "/../") && !strstr(word, "/./") &&
           (len < 3 || strcmp(word + len - 3, "/..") != 0) && strcmp(word + len - 2, "/.") != 0;
}

/* What decides over the program's libraries and interpreters is not given, even by this list. */
static bool variable_is_good(const char *word)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
    static const char *const refused[] = {
        "LD_", "GCONV_PATH=", "PATH=", "HOME=", "USER=", "LOGNAME=", "MALLOC_"};
    size_t len = strspn(word, letters);
    if (!len || word[len] != '=')
        return false;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        if (strncmp(word, refused[i], strlen(refused[i])) == 0)
            return false;
    return true;
}

/* --- lines --- */

static bool add(struct rules_words *words, const char *word)
{
    if (words->n == RULES_WORDS_MAX)
        return false;
    words->items[words->n++] = word;
    return true;
}

/* NULL when all is well, else what is wrong. */
static const char *take(struct rules *r, const char *key, const char *word, bool is_first)
{
    if (strcmp(key, "DAEMON") == 0) {
        if (r->daemon || !is_first)
            return "DAEMON is one account, said once";
        r->daemon = word;
        return name_is_good(word) ? NULL : "is not the name of an account";
    }
    if (strcmp(key, "MIN_UID") == 0 || strcmp(key, "MAX_UID") == 0) {
        unsigned *number = key[1] == 'I' ? &r->min_uid : &r->max_uid;
        if (*number || !is_first)
            return "it is one number, said once";
        return number_is_good(word, number) ? NULL : "is not a number from 1";
    }
    if (strcmp(key, "USERS") == 0)
        return !name_is_good(word)     ? "is not the name of an account"
               : !add(&r->users, word) ? "too many words"
                                       : NULL;
    if (strcmp(key, "GROUPS") == 0)
        return !name_is_good(word) || strcmp(word, "*") == 0 ? "is not the name of a group"
               : !add(&r->groups, word)                      ? "too many words"
                                                             : NULL;
    if (strcmp(key, "PROGRAMS") == 0)
        return !path_is_good(word)        ? "is not the plain absolute path of a program"
               : !add(&r->programs, word) ? "too many words"
                                          : NULL;
    if (strcmp(key, "ENVIRONMENT") == 0)
        return !variable_is_good(word)       ? "is not a NAME=VALUE that may be given"
               : !add(&r->environment, word) ? "too many words"
                                             : NULL;
    return "no such key";
}

static bool text_is_plain(const char *line)
{
    for (const unsigned char *p = (const unsigned char *)line; *p; p++)
        if ((*p < ' ' && *p != '\t') || *p >= 0x7f || *p == '"' || *p == '\'' || *p == '\\')
            return false;
    return true;
}

static bool take_line(struct rules *r, char *line, unsigned number, char why[RULES_WHY_MAX])
{
    static const char blanks[] = " \t";
    char *save, *comment = strchr(line, '#');
    if (comment)
        *comment = '\0';
    if (!text_is_plain(line)) {
        snprintf(why, RULES_WHY_MAX,
                 "line %u: quotes, backslashes, control and foreign characters are not used here",
                 number);
        return false;
    }
    char *key = strtok_r(line, blanks, &save);
    if (!key)
        return true;
    char *equals = strtok_r(NULL, blanks, &save), *word = strtok_r(NULL, blanks, &save);
    if (!equals || strcmp(equals, "=") != 0 || !word) {
        snprintf(why, RULES_WHY_MAX, "line %u: it is not of the form KEY = word ...", number);
        return false;
    }
    bool is_first = true;
    for (; word; word = strtok_r(NULL, blanks, &save)) {
        const char *wrong = take(r, key, word, is_first);
        is_first = false;
        if (wrong) {
            snprintf(why, RULES_WHY_MAX, "line %u: %.30s = %.50s: %s", number, key, word, wrong);
            return false;
        }
    }
    return true;
}

bool rules_parse(char *text, struct rules *ret, char why[RULES_WHY_MAX])
{
    unsigned number = 0;
    *ret = (struct rules){0};
    while (text) {
        char *newline = strchr(text, '\n');
        if (newline)
            *newline = '\0';
        if (!take_line(ret, text, ++number, why))
            return false;
        text = newline ? newline + 1 : NULL;
    }
    if (!ret->daemon) {
        snprintf(why, RULES_WHY_MAX, "DAEMON is missing: the account that gwd runs as");
        return false;
    }
    if (!ret->min_uid)
        ret->min_uid = RULES_MIN_UID;
    if (!ret->max_uid)
        ret->max_uid = RULES_MAX_UID;
    if (ret->max_uid < ret->min_uid) {
        snprintf(why, RULES_WHY_MAX, "MAX_UID, %u, is less than MIN_UID, %u", ret->max_uid,
                 ret->min_uid);
        return false;
    }
    return true;
}

bool rules_have(const struct rules_words *words, const char *word)
{
    for (size_t i = 0; i < words->n; i++)
        if (strcmp(words->items[i], word) == 0)
            return true;
    return false;
}

bool rules_allow_uid(const struct rules *r, unsigned uid)
{
    return uid != 0 && uid >= r->min_uid && uid <= r->max_uid && uid != RULES_NOBODY &&
           uid != UINT_MAX;
}

bool rules_allow_user(const struct rules *r, const char *name)
{
    return rules_have(&r->users, "*") || rules_have(&r->users, name);
}
