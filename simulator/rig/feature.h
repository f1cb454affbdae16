/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The lists of features and properties of a reader: PC/SC part 10. A script can change them
 * (reader_script.h).
 */
#ifndef CARDRIG_RIG_FEATURE_H
#define CARDRIG_RIG_FEATURE_H

#include "rig/reader_script.h"
#include "rig/slot.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FEATURE_OUTPUT_MAX READER_OUTPUT_MAX

/* Carries out a control code, and writes the output to out and its length in bytes to *length. Must be called
 * within the use of the slot. Returns false if the reader does not support the code. */
bool feature_control(const struct slot_use *use, uint32_t code, uint8_t out[FEATURE_OUTPUT_MAX],
                     size_t *length);

#endif
