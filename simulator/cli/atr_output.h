/* SPDX-License-Identifier: BSD-3-Clause */
/* The forms in which `cardrig atr` puts out what it knows of an ATR. */
#ifndef CARDRIG_CLI_ATR_OUTPUT_H
#define CARDRIG_CLI_ATR_OUTPUT_H

#include "cli/atr_analysis.h"

#include <jansson.h>

/* For people: prints it to standard output, in several lines. */
void atr_print(const struct analysis *analysis);

/* For programs: an object, for the caller to json_decref; it keeps nothing of the analysis. NULL: out of
 * memory. Every number and name in it is documented in cardrig-atr(1). */
json_t *atr_json(const struct analysis *analysis);

#endif
