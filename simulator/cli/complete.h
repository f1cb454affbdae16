/* SPDX-License-Identifier: BSD-3-Clause */
/* Shell completion: `cardrig __complete WORD...`. The scripts in completions/ call it. */
#ifndef CARDRIG_CLI_COMPLETE_H
#define CARDRIG_CLI_COMPLETE_H

#include "cli/options.h"

#include <stddef.h>

/*
 * Prints the candidates for the last word, one per line. A candidate may be followed by a tab and an
 * explanation. A line ":files", ":directories", ":command" or ":users" means that the shell completes the
 * word by itself.
 *
 * words are the words after "cardrig", up to the cursor. The last one may be empty.
 */
void complete(const struct subcommand *const *subcommands, size_t subcommand_count, char **words,
              size_t word_count);

#endif
