/* The log: one line an entry on stderr, "2026-01-31T12:00:00.123Z LEVEL area: text", written with
 * one write(2). Control characters from outside, and bytes that are not UTF-8, appear as \xNN: an
 * entry is always one line, and none commands the terminal of who reads it. */
#ifndef LIB_LOG_H
#define LIB_LOG_H

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

void log_set(const char *area, enum log_level least);
void log_at(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_debug(...) log_at(LOG_DEBUG, __VA_ARGS__)
#define log_info(...) log_at(LOG_INFO, __VA_ARGS__)
#define log_warn(...) log_at(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_at(LOG_ERROR, __VA_ARGS__)

#endif
