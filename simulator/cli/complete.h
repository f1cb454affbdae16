/* SPDX-License-Identifier: BSD-3-Clause */
/* What the shells' completion asks for: `cardrig __complete WORD...`. The scripts in completions/ use it. */
#ifndef CARDRIG_CLI_COMPLETE_H
#define CARDRIG_CLI_COMPLETE_H

#include "cli/options.h"

#include <stddef.h>

/*
 * words are those behind "cardrig" up to the cursor; the last one, perhaps empty, is to be completed.
 * Prints what it may become, one a line, with a tab and an explanation behind it where there is one. A line
 * ":files", ":directories", ":command" or ":users" stands for what the shell can complete by itself.
 */
void complete(const struct subcommand *const *subcommands, size_t subcommand_count, char **words,
              size_t word_count);

#endif
