/* SPDX-License-Identifier: BSD-3-Clause */
/* The delay before something that has failed is tried again. It doubles with each failure. */
#ifndef CARDRIG_BASE_BACKOFF_H
#define CARDRIG_BASE_BACKOFF_H

/* The latest delay, in the unit of first and last, such as ms. 0 if nothing has failed yet. */
struct backoff {
    unsigned latest;
};

/* Returns the next delay: first after a reset, then twice the previous delay, but never more than last. */
static inline unsigned backoff_next(struct backoff *backoff, unsigned first, unsigned last)
{
    unsigned doubled = backoff->latest > last / 2 ? last : 2 * backoff->latest;
    return backoff->latest = backoff->latest == 0 ? first : doubled;
}

/* Makes the next delay first again. */
static inline void backoff_reset(struct backoff *backoff)
{
    backoff->latest = 0;
}

#endif
