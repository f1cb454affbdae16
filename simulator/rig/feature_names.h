/* SPDX-License-Identifier: BSD-3-Clause */
/* The names of features and properties: PC/SC part 10. */
#ifndef CARDRIG_RIG_FEATURE_NAMES_H
#define CARDRIG_RIG_FEATURE_NAMES_H

#include <stdbool.h>
#include <stdint.h>

/* The control code of a feature. Any code would do; these are the ones of other drivers. */
#define FEATURE_CODE(feature) (0x42330000u + (feature))

/* Names of tags. A list ends with an entry without a name. */
struct feature_name {
    const char *name;
    uint8_t tag;
};
extern const struct feature_name feature_names[], feature_property_names[];

/* Returns the entry of that name, or NULL. */
const struct feature_name *feature_find(const struct feature_name *names, const char *name);

/* Sets *code to the control code of the feature of that name, or of GET_FEATURE_REQUEST. Returns false if
 * there is no such feature. */
bool feature_code_find(const char *name, uint32_t *code);

/* Returns the size of the property in bytes, if it is a number; 4 for unknown ones. */
uint8_t feature_property_size(uint8_t tag);

#endif
