/* Random numbers from a seed: xorshift64*, small, and the same everywhere. */
#ifndef SIM_RNG_H
#define SIM_RNG_H

#include <stdint.h>

struct rng {
    uint64_t x;
};

static inline uint64_t rng_next(struct rng *r)
{
    r->x ^= r->x >> 12;
    r->x ^= r->x << 25;
    r->x ^= r->x >> 27;
    return r->x * UINT64_C(2685821657736338717);
}

static inline uint64_t rng_below(struct rng *r, uint64_t n)
{
    return (rng_next(r) >> 11) % n;
}

static inline struct rng rng_of_seed(uint64_t seed)
{
    struct rng r = {seed * UINT64_C(0x9e3779b97f4a7c15)};
    for (int i = 0; i < 4; i++)
        rng_next(&r);
    return r;
}

#endif
