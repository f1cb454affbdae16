/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SUPPORT_ATR_BUILD_H
#define SUPPORT_ATR_BUILD_H

#include "iso7816/atr.h"

/* The results of atr_build() besides ATR_OK and ATR_TOO_LONG. */
enum { ATR_BAD_LAYOUT = 100, ATR_NO_SPACE };

/*
 * Writes the ATR with this layout: the reverse of atr_parse(). Derives T0, the high nibble of each TD,
 * and TCK (if 8.2.5 requires it) from the layout. Ignores the high nibble of td, and bytes that are not
 * present.
 *
 *   out, capacity  buffer and its size; ATR_MAX is always enough
 *   out_length     receives the length, 0 after an error
 *
 * Returns ATR_BAD_LAYOUT for an unknown convention, too many groups or historical bytes, a group without
 * bytes, or a group before the last that has no TD; ATR_TOO_LONG for more than 32 bytes after TS; and
 * ATR_NO_SPACE if capacity is too small. Does not check values, so that tests can build ATRs that
 * atr_parse() warns about.
 */
int atr_build(const struct atr_layout *layout, uint8_t *out, size_t capacity, size_t *out_length);

#endif
