/* SPDX-License-Identifier: BSD-3-Clause */
/* The answers of a control server, checked: it may be of another version, or not a rig at all. */
#ifndef CARDRIG_CLI_ANSWER_H
#define CARDRIG_CLI_ANSWER_H

#include "base/error.h"

#include <jansson.h>
#include <stddef.h>

/* Reads the answer to a command. Returns its result, for the caller to json_decref, in which everything
 * that the subcommands read is there and of the right type; or NULL with error: the server's own, or what
 * is wrong with its answer. */
json_t *answer_read(const char *command, const char *text, size_t length, struct error *error);

#endif
