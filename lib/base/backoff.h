/* SPDX-License-Identifier: BSD-3-Clause */
/* How long to wait before the next attempt at something that has failed: twice as long each time. */
#ifndef CARDRIG_BASE_BACKOFF_H
#define CARDRIG_BASE_BACKOFF_H

/* In the same unit as first and last, such as ms. 0: nothing has failed yet. */
struct backoff {
    unsigned latest;
};

/* The next wait: first, then twice the one before, but never more than last. */
static inline unsigned backoff_next(struct backoff *backoff, unsigned first, unsigned last)
{
    unsigned doubled = backoff->latest > last / 2 ? last : 2 * backoff->latest;
    return backoff->latest = backoff->latest == 0 ? first : doubled;
}

/* Begins again with first. */
static inline void backoff_reset(struct backoff *backoff)
{
    backoff->latest = 0;
}

#endif
