/* SPDX-License-Identifier: BSD-3-Clause */
/* Checked answers of a control server. The server may be of another version, or not a rig at all. */
#ifndef CARDRIG_CLI_ANSWER_H
#define CARDRIG_CLI_ANSWER_H

#include "base/error.h"

#include <jansson.h>
#include <stddef.h>

/* Parses the answer to a command. Returns its result, which the caller owns (json_decref). Every member that
 * the subcommands read is present and of the right type. Returns NULL and sets *error to the server's own
 * error, or to what is wrong with its answer. */
json_t *answer_read(const char *command, const char *text, size_t length, struct error *error);

#endif
