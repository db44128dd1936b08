/* Strict parsing of numbers, sizes and durations: the whole text must be the value; no leading
 * blanks, no sign where none makes sense, no overflow, no trailing rubbish. Each returns 0 or
 * -GW_EINVAL with an err that quotes the value and says what was expected. */
#ifndef LIB_NUM_H
#define LIB_NUM_H

#include "lib/err.h"

#include <stdbool.h>
#include <stdint.h>

int num_parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret, struct gw_err *err);
int num_parse_i64(const char *text, int64_t min, int64_t max, int64_t *ret, struct gw_err *err);

/* "yes" "no" "true" "false" "on" "off" "1" "0", any case. */
int num_parse_bool(const char *text, bool *ret, struct gw_err *err);

/* Bytes: an integer with an optional unit K, M, G, T (powers of 1024, any case, optional "iB" or
 * "B"); a bare integer counts `bare_unit` bytes. */
int num_parse_size(const char *text, uint64_t bare_unit, uint64_t *ret_bytes, struct gw_err *err);

/* Seconds: an integer with an optional unit s, m, h, d; or [D:]H:M:S written with colons. */
int num_parse_duration(const char *text, uint64_t *ret_s, struct gw_err *err);

/* CRC and length as POSIX cksum(1) prints them, so that a shell script can make and check them. */
uint32_t num_cksum(const void *data, uint64_t len);

/* 64-bit FNV-1a: names for cache entries and interning; not against an adversary. */
uint64_t num_fnv64(const void *data, uint64_t len);

#endif
