/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SUPPORT_ATR_BUILD_H
#define SUPPORT_ATR_BUILD_H

#include "iso7816/atr.h"

/* What atr_build can return besides ATR_OK and ATR_TOO_LONG. */
enum { ATR_BAD_LAYOUT = 100, ATR_NO_SPACE };

/*
 * Writes the ATR that has this layout: the reverse of atr_parse. T0, the high half of each TD and,
 * where 8.2.5 asks for one, TCK follow from the layout; the high half of td and bytes not present are not
 * looked at.
 *
 * out, capacity  buffer and its size; ATR_MAX is always enough
 * out_length   receives the length, 0 after an error
 *
 * ATR_BAD_LAYOUT: unknown convention, too many groups or historical bytes, a group without bytes, or a group
 * other than the last without TD. ATR_TOO_LONG: over 32 bytes after TS. ATR_NO_SPACE: capacity is too small.
 * Values are not checked, so that one can build what atr_parse warns of.
 */
int atr_build(const struct atr_layout *layout, uint8_t *out, size_t capacity, size_t *out_length);

#endif
