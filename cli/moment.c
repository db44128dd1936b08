#include "cli/moment.h"

#include <stdio.h>
#include <time.h>

const char *moment_clock(double seconds, bool has_date, char text[MOMENT_MAX])
{
    struct tm tm;
    bool is_known = seconds >= 1 && seconds < 1e12;
    time_t t = is_known ? (time_t)seconds : 0;
    if (!is_known || !localtime_r(&t, &tm) ||
        strftime(text, MOMENT_MAX, has_date ? "%d/%m %H:%M:%S" : "%H:%M:%S", &tm) == 0)
        snprintf(text, MOMENT_MAX, "%s", has_date ? "--/-- --:--:--" : "--:--:--");
    return text;
}

const char *moment_span(double seconds, char text[MOMENT_MAX])
{
    bool is_known = seconds >= 0 && seconds < 1e12;
    long long s = is_known ? (long long)seconds : 0;
    snprintf(text, MOMENT_MAX, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
    return text;
}
