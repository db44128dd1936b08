/* launch.conf: who may be launched, and what. A text of lines
 *
 *     KEY = word ...          # comment
 *
 *   DAEMON       the one account that may call gw_launch (once, needed)
 *   USERS        accounts that may be launched; * is every one
 *   GROUPS       members of these may be launched, too
 *   MIN_UID      no account with a lower uid is (once; 1000)
 *   MAX_UID      nor with a higher one (once; 60000: above are nobody and accounts that systemd
 *                makes and removes)
 *   PROGRAMS     absolute paths of the programs that may be started
 *   ENVIRONMENT  NAME=VALUE: given to them beside HOME, USER, LOGNAME, PATH and LANG
 *
 * USERS, GROUPS, PROGRAMS and ENVIRONMENT may stand several times. What is not understood is an
 * error: a rule that was mistyped must not be one that is missing. Pure; includes nothing of ours,
 * so that launcher/ can be read, and trusted, by itself. */
#ifndef LAUNCHER_RULES_H
#define LAUNCHER_RULES_H

#include <stdbool.h>
#include <stddef.h>

enum {
    RULES_WORDS_MAX = 1024,
    RULES_WHY_MAX = 160,
    RULES_MIN_UID = 1000,
    RULES_MAX_UID = 60000,
    RULES_NOBODY = 65534
};

struct rules_words {
    const char *items[RULES_WORDS_MAX];
    size_t n;
};

struct rules {
    const char *daemon;
    unsigned min_uid, max_uid;
    struct rules_words users, groups, programs, environment;
};

/* Cut up `text`, into which the words of *ret point. False: `why` says which line, and what is
 * wrong with it. */
bool rules_parse(char *text, struct rules *ret, char why[RULES_WHY_MAX]);

bool rules_have(const struct rules_words *words, const char *word);

/* May the account be launched, as far as its name goes and its number? Groups are the caller's to
 * look at. */
bool rules_allow_uid(const struct rules *r, unsigned uid);
bool rules_allow_user(const struct rules *r, const char *name);

#endif
