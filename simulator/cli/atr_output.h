/* SPDX-License-Identifier: BSD-3-Clause */
/* The output formats of `cardrig atr`. */
#ifndef CARDRIG_CLI_ATR_OUTPUT_H
#define CARDRIG_CLI_ATR_OUTPUT_H

#include "cli/atr_analysis.h"

#include <jansson.h>

/* Prints the analysis to standard output, in several lines, for people. */
void atr_print(const struct analysis *analysis);

/* Returns the analysis as a JSON object, for programs. The caller owns it (json_decref); it does not refer to
 * the analysis. Returns NULL if out of memory. cardrig-atr(1) documents every number and name in it. */
json_t *atr_json(const struct analysis *analysis);

#endif
