/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What SCardControl can ask of a reader: PC/SC part 10. This reader has no display and no keys, so of all
 * features there is only the list of its properties.
 */
#ifndef CARDRIG_RIG_FEATURE_H
#define CARDRIG_RIG_FEATURE_H

#include "rig/slot.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FEATURE_OUTPUT_MAX 64

/* For who uses the slot: does what the control code asks for: the output goes to out, its length to
 * *length. False: there is no such code here. */
bool feature_control(const struct slot_use *use, uint32_t code, uint8_t out[FEATURE_OUTPUT_MAX],
                     size_t *length);

#endif
