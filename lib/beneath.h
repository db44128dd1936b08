/* Names that come from outside (a template, a payload, a guest) are opened beneath a directory, so
 * that nobody leads us elsewhere: also not one who renames and links while we work, because every
 * step is taken from the descriptor of the one before. No symbolic link is followed. */
#ifndef LIB_BENEATH_H
#define LIB_BENEATH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

/* Open `path` below the directory `dir` (AT_FDCWD: the working directory). A descriptor with
 * O_CLOEXEC, or -errno: -ELOOP where a step is a symbolic link, -EXDEV where the path is absolute
 * or has "..". By openat2(2); where the kernel has none, or a filter forbids it, name by name. */
int beneath_open(int dir, const char *path, int flags, mode_t mode);

/* Open a directory that may be a symbolic link, if that leads to a name beside it. */
int beneath_open_linked(int dir, const char *name);

/* The directory that is to hold the last name of `path`, made where it is missing; *ret_last is
 * that name, in `path`. For openat and unlinkat only (O_PATH). -ELOOP or -ENOTDIR: something else
 * than a directory is on the way. */
int beneath_make_parents(int dir, const char *path, mode_t mode, const char **ret_last);

/* Remove a file or a tree of any depth; a link goes as such, and what is not there is success.
 * -ECANCELED when *is_cancelled becomes true (NULL: never); -ENOTEMPTY when somebody goes on making
 * files in it. */
int beneath_remove(int dir, const char *name, const atomic_bool *is_cancelled);

/* As on a kernel without openat2. For tests. */
void beneath_forget_openat2(bool is_forgotten);

#endif
