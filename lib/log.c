#include "lib/log.h"

#include "lib/buf.h"
#include "lib/utf8.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static const char *log_area = "gwd";
static enum log_level log_least = LOG_INFO;

void log_set(const char *area, enum log_level least)
{
    log_area = area;
    log_least = least;
}

static void put_stamp(struct buf *line)
{
    struct timespec t;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &t);
    gmtime_r(&t.tv_sec, &tm);
    char day[32];
    strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &tm);
    buf_printf(line, "%s.%03ldZ", day, t.tv_nsec / 1000000);
}

/* Nobody is waited for: what a full disk or a reader that has stopped reading does not take is
 * lost, and counted. */
static void put_line(const struct buf *line)
{
    static unsigned long n_lost;
    struct pollfd fd = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (poll(&fd, 1, 0) >= 0 && !(fd.revents & POLLOUT)) {
        n_lost++;
        return;
    }
    if (n_lost && dprintf(STDERR_FILENO, "(%lu lines could not be logged)\n", n_lost) > 0)
        n_lost = 0;
    if (write(STDERR_FILENO, line->data, line->len) != (ssize_t)line->len)
        n_lost++;
}

static void put_text(struct buf *line, const struct buf *text)
{
    for (size_t i = 0; i < text->len;) {
        const char *p = text->data + i;
        size_t n = utf8_harmless_length(p, text->len - i);
        if (n)
            buf_put(line, p, n);
        else
            buf_printf(line, "\\x%02x", (unsigned char)*p);
        i += n ? n : 1;
    }
}

void log_at(enum log_level level, const char *fmt, ...)
{
    static const char *const names[] = {"DEBUG", "INFO", "WARN", "ERROR"};
    if (level < log_least)
        return;
    struct buf text = BUF_INIT, line = BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    put_stamp(&line);
    buf_printf(&line, " %s %s: ", names[level], log_area);
    put_text(&line, &text);
    buf_putc(&line, '\n');
    put_line(&line);
    buf_clear(&text);
    buf_clear(&line);
}
