/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control codes of SCardControl: PC/SC part 10. This reader has no display and no keys, so its only
 * feature is the list of its properties.
 */
#ifndef CARDRIG_RIG_FEATURE_H
#define CARDRIG_RIG_FEATURE_H

#include "rig/slot.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FEATURE_OUTPUT_MAX 64

/* Carries out a control code, and writes the output to out and its length in bytes to *length. Must be called
 * within the use of the slot. Returns false if the reader does not support the code. */
bool feature_control(const struct slot_use *use, uint32_t code, uint8_t out[FEATURE_OUTPUT_MAX],
                     size_t *length);

#endif
