/* Other processes, by pidfd: a number that was used again for another process is never hit. */
#ifndef VM_PROCESS_H
#define VM_PROCESS_H

#include <sys/types.h>

struct process {
    int fd; /* pidfd */
    pid_t pid;
};

/* The process with this number; -errno when there is none. */
int process_open(pid_t pid, struct process *ret);

/* The process whose number begins the file `path` and one of whose arguments begins with `word`;
 * -errno otherwise. */
int process_of_file(const char *path, const char *word, struct process *ret);

/* Send a signal; 0 or -errno. */
int process_signal(const struct process *p, int signum);

/* Wait for its end: 0, or -ETIMEDOUT. */
int process_wait(const struct process *p, int timeout_ms);

/* SIGKILL, wait, close. */
void process_kill(struct process *p);
void process_close(struct process *p);

#endif
