#include "lib/num.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

/* Digits from *p on; -1 when there is none or on overflow. */
static int digits(const char **p, uint64_t *ret)
{
    const char *s = *p;
    uint64_t v = 0;
    if (!isdigit((unsigned char)*s))
        return -1;
    for (; isdigit((unsigned char)*s); s++) {
        unsigned d = (unsigned)(*s - '0');
        if (v > (UINT64_MAX - d) / 10)
            return -1;
        v = v * 10 + d;
    }
    *p = s;
    *ret = v;
    return 0;
}

int num_parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret, struct gw_err *err)
{
    const char *p = text;
    uint64_t v;
    if (digits(&p, &v) < 0 || *p || v < min || v > max)
        return gw_err_set(err, GW_EINVAL, "\"%s\" is not an integer from %" PRIu64 " to %" PRIu64,
                          text, min, max);
    *ret = v;
    return 0;
}

int num_parse_i64(const char *text, int64_t min, int64_t max, int64_t *ret, struct gw_err *err)
{
    const char *p = text + (*text == '-');
    uint64_t v, limit = *text == '-' ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX;
    int64_t value = 0;
    bool is_good = digits(&p, &v) == 0 && !*p && v <= limit;
    if (is_good) {
        value = *text == '-' ? (int64_t)(0 - v) : (int64_t)v;
        is_good = value >= min && value <= max;
    }
    if (!is_good)
        return gw_err_set(err, GW_EINVAL, "\"%s\" is not an integer from %" PRId64 " to %" PRId64,
                          text, min, max);
    *ret = value;
    return 0;
}

int num_parse_bool(const char *text, bool *ret, struct gw_err *err)
{
    static const struct {
        const char *word;
        bool value;
    } words[] = {{"yes", true}, {"no", false},  {"true", true}, {"false", false},
                 {"on", true},  {"off", false}, {"1", true},    {"0", false}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcasecmp(text, words[i].word) == 0) {
            *ret = words[i].value;
            return 0;
        }
    return gw_err_set(err, GW_EINVAL, "\"%s\" is neither yes nor no", text);
}

static unsigned unit_shift(const char **p)
{
    static const char units[] = "kmgt";
    const char *u = **p ? strchr(units, tolower((unsigned char)**p)) : NULL;
    if (!u)
        return 0;
    (*p)++;
    if (**p == 'i')
        (*p)++;
    if (**p == 'B' || **p == 'b')
        (*p)++;
    return 10u * (unsigned)(u - units + 1);
}

int num_parse_size(const char *text, uint64_t bare_unit, uint64_t *ret_bytes, struct gw_err *err)
{
    const char *p = text;
    uint64_t v;
    if (digits(&p, &v) == 0) {
        const char *after = p;
        unsigned shift = unit_shift(&p);
        uint64_t unit = p == after ? bare_unit : UINT64_C(1) << shift;
        if (!*p && v <= (uint64_t)INT64_MAX / unit) {
            *ret_bytes = v * unit;
            return 0;
        }
    }
    return gw_err_set(err, GW_EINVAL, "\"%s\" is not a size; write an integer and K, M, G or T",
                      text);
}

static int colon_duration(const char *text, uint64_t *ret_s)
{
    static const uint64_t weight[] = {1, 60, 3600, 86400};
    uint64_t part[4];
    int n = 0;
    const char *p = text;
    for (;;) {
        if (n == 4 || digits(&p, &part[n++]) < 0)
            return -1;
        if (!*p)
            break;
        if (*p++ != ':')
            return -1;
    }
    if (n < 2)
        return -1;
    uint64_t total = 0;
    for (int i = 0; i < n; i++) {
        uint64_t w = weight[n - 1 - i];
        if (part[i] > ((uint64_t)INT64_MAX - total) / w)
            return -1;
        total += part[i] * w;
    }
    *ret_s = total;
    return 0;
}

int num_parse_duration(const char *text, uint64_t *ret_s, struct gw_err *err)
{
    if (strchr(text, ':')) {
        if (colon_duration(text, ret_s) == 0)
            return 0;
    } else {
        const char *p = text;
        uint64_t v, unit = 1;
        if (digits(&p, &v) == 0) {
            switch (*p) {
            case 'd':
                unit = 86400;
                break;
            case 'h':
                unit = 3600;
                break;
            case 'm':
                unit = 60;
                break;
            default:
                break;
            }
            if (*p && strchr("smhd", *p))
                p++;
            if (!*p && v <= (uint64_t)INT64_MAX / unit) {
                *ret_s = v * unit;
                return 0;
            }
        }
    }
    return gw_err_set(
        err, GW_EINVAL,
        "\"%s\" is not a duration; write seconds, an integer and s, m, h or d, or H:M:S", text);
}

/* The polynomial 0x04c11db7 applied to each half of a byte. */
static const uint32_t crc_table[16] = {
    0x00000000, 0x04c11db7, 0x09823b6e, 0x0d4326d9, 0x130476dc, 0x17c56b6b, 0x1a864db2, 0x1e475005,
    0x2608edb8, 0x22c9f00f, 0x2f8ad6d6, 0x2b4bcb61, 0x350c9b64, 0x31cd86d3, 0x3c8ea00a, 0x384fbdbd};

static uint32_t crc_byte(uint32_t crc, uint64_t byte)
{
    crc = crc << 4 ^ crc_table[crc >> 28 ^ byte >> 4];
    return crc << 4 ^ crc_table[crc >> 28 ^ (byte & 0xf)];
}

uint32_t num_cksum(const void *data, uint64_t len)
{
    const unsigned char *p = data;
    uint32_t crc = 0;
    for (uint64_t i = 0; i < len; i++)
        crc = crc_byte(crc, p[i]);
    for (uint64_t rest = len; rest; rest >>= 8)
        crc = crc_byte(crc, rest & 0xff);
    return ~crc;
}

uint64_t num_fnv64(const void *data, uint64_t len)
{
    const unsigned char *p = data;
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (uint64_t i = 0; i < len; i++)
        h = (h ^ p[i]) * UINT64_C(0x100000001b3);
    return h;
}
