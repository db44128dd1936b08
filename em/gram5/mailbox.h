/* Where the library's threads leave what the loop's thread has to know: letters, taken in the order
 * in which they came. Leaving one never waits. */
#ifndef EM_GRAM5_MAILBOX_H
#define EM_GRAM5_MAILBOX_H

#include "drivers/loop.h"

struct mailbox;

struct letter {
    void (*read)(struct letter *l); /* called in the loop's thread; the letter is its to free */
    struct letter *next;
};

struct mailbox *mailbox_create(struct loop *l);

/* From any thread. */
void mailbox_post(struct mailbox *m, struct letter *l);

#endif
