/* SPDX-License-Identifier: BSD-3-Clause */
#include "timing.h"

static uint64_t divide_up(uint64_t a, uint64_t b)
{
    return (a + b - 1) / b;
}

static uint32_t etu_of_cycles(uint64_t cycles, uint16_t f, uint8_t d)
{
    return (uint32_t)divide_up(cycles * d, f);
}

/* Returns N etu, or if the ATR names T=15, the time of N etu at Fi and Di, in the etu in force (8.3). */
static uint32_t extra_guard_time(const struct atr *atr, uint16_t f, uint8_t d)
{
    uint64_t n = atr->extra_guard_time;

    if (n == 255)
        return 0;
    if (!atr->has_t15)
        return (uint32_t)n;
    return (uint32_t)divide_up(n * atr->f * d, (uint64_t)atr->d * f);
}

void timing_of(const struct atr *atr, uint16_t f, uint8_t d, struct timing *out)
{
    out->gt = TIMING_GUARD + extra_guard_time(atr, f, d);
    out->cgt = atr->extra_guard_time == 255 ? 11 : out->gt;
    out->bgt = TIMING_BLOCK_GUARD;
    /* Fi and not F: the waiting time in clock cycles does not depend on the F in force (10.2). */
    out->wwt = etu_of_cycles((uint64_t)atr->wi * 960 * atr->f, f, d);
    out->cwt = 11 + (UINT32_C(1) << atr->cwi);
    out->bwt = 11 + etu_of_cycles((UINT64_C(960) << atr->bwi) * TIMING_FD, f, d);
}

bool timing_factors(uint8_t ta1, uint16_t *f, uint8_t *d)
{
    /* The tables are in atr.c: parse the shortest ATR that has a TA1. */
    const uint8_t bytes[] = {ATR_DIRECT, 0x10, ta1};
    struct atr atr;

    atr_parse(bytes, sizeof bytes, &atr, NULL);
    *f = atr.f;
    *d = atr.d;
    return (atr.warnings & (1u << ATR_WARN_FI_RFU | 1u << ATR_WARN_DI_RFU)) == 0;
}

uint64_t timing_microseconds(uint64_t etu, uint16_t f, uint8_t d, uint32_t khz)
{
    return divide_up(etu * f * 1000, (uint64_t)d * khz);
}

uint32_t timing_etu_of_ms(uint32_t ms, uint16_t f, uint8_t d)
{
    return (uint32_t)((uint64_t)ms * TIMING_CLOCK_KHZ * d / f);
}
