#include "wrappers/gwvm/console.h"

#include "lib/buf.h"
#include "lib/file.h"
#include "lib/mem.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { QUOTE_MAX = 500, PANIC_MAX = 65536 };

/* The last `max` bytes. */
static void read_tail(int fd, size_t max, struct buf *b)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return;
    off_t from = (size_t)st.st_size > max ? st.st_size - (off_t)max : 0;
    buf_reserve(b, max);
    ssize_t n = pread(fd, b->data + b->len, max, from);
    if (n > 0)
        b->len += (size_t)n;
    b->data[b->len] = '\0';
}

void console_trim(const char *path)
{
    int fd = open(path, O_RDWR | O_APPEND | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size > CONSOLE_MAX) {
        struct buf tail = BUF_INIT;
        read_tail(fd, CONSOLE_KEEP, &tail);
        if (ftruncate(fd, 0) == 0)
            file_write_all(fd, tail.data, tail.len);
        buf_clear(&tail);
    }
    if (fd >= 0)
        close(fd);
}

static void read_end(const char *path, size_t max, struct buf *b)
{
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return;
    read_tail(fd, max, b);
    close(fd);
}

/* Escape sequences of firmware and boot loaders vanish, lines are joined by " | ". */
static void clean(const struct buf *raw, struct buf *out)
{
    for (size_t i = 0; i < raw->len; i++) {
        char c = raw->data[i];
        if (c == '\033') {
            i += strspn(raw->data + i + 1, "[0123456789;?") + 1;
        } else if (c == '\n') {
            if (out->len && out->data[out->len - 1] != ' ')
                buf_puts(out, " | ");
        } else if (c >= ' ' && c < 0x7f) {
            buf_putc(out, c);
        }
    }
    while (out->len && strchr(" |", out->data[out->len - 1]))
        out->data[--out->len] = '\0';
}

void console_quote(const char *path, struct vm_failure *f)
{
    struct buf raw = BUF_INIT, text = BUF_INIT;
    read_end(path, QUOTE_MAX, &raw);
    clean(&raw, &text);
    size_t len = strlen(f->text);
    if (text.len)
        snprintf(f->text + len, sizeof f->text - len, "; its console ends: %s", text.data);
    else
        snprintf(f->text + len, sizeof f->text - len, "; its console is empty");
    buf_clear(&raw);
    buf_clear(&text);
}

bool console_shows_panic(const char *path)
{
    struct buf raw = BUF_INIT;
    read_end(path, PANIC_MAX, &raw);
    bool is_there = raw.len && memmem(raw.data, raw.len, "Kernel panic - not syncing", 26);
    buf_clear(&raw);
    return is_there;
}
