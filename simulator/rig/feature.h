/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The lists of features and properties of a reader: PC/SC part 10. A script can change them (reader_script.h).
 */
#ifndef CARDRIG_RIG_FEATURE_H
#define CARDRIG_RIG_FEATURE_H

#include "rig/reader_script.h"
#include "rig/slot.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FEATURE_OUTPUT_MAX READER_OUTPUT_MAX

/* Names of tags. A list ends with an entry without a name. */
struct feature_name {
    const char *name;
    uint8_t tag;
};
extern const struct feature_name feature_names[], property_names[];

/* Returns the entry of that name, or NULL. */
const struct feature_name *feature_find(const struct feature_name *names, const char *name);

/* Sets *code to the control code of the feature of that name, or of GET_FEATURE_REQUEST. Returns false if there is
 * no such feature. */
bool feature_code_find(const char *name, uint32_t *code);

/* Returns the size of the property in bytes, if it is a number; 4 for unknown ones. */
uint8_t property_size(uint8_t tag);

/* Carries out a control code, and writes the output to out and its length in bytes to *length. Must be called
 * within the use of the slot. Returns false if the reader does not support the code. */
bool feature_control(const struct slot_use *use, uint32_t code, uint8_t out[FEATURE_OUTPUT_MAX],
                     size_t *length);

#endif
