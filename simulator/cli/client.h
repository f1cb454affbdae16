/* SPDX-License-Identifier: BSD-3-Clause */
/* The control client: one request to a running rig, and its answer. */
#ifndef CARDRIG_CLI_CLIENT_H
#define CARDRIG_CLI_CLIENT_H

#include "cli/options.h"

#include <jansson.h>
#include <stdbool.h>

/* Sends a command to the rig at $CARDRIG_SOCKET; slot, file and faults (a list, which stays the
 * caller's) may be NULL; a file is made absolute, "" stays. Returns what the rig answered, for the caller to
 * json_decref, with the members that answer.c lists, or NULL when it refused or could not be asked, which
 * has been printed. */
json_t *client_request(const char *command, const char *slot, const char *file, json_t *faults);

/* Likewise for the rig's pcscd: "service" with an action, which may take long. */
json_t *client_request_service(const char *action);

/* Of subcommands that take a card's file: --builtin. */
extern const struct option_entry client_move_options[];

/* What a subcommand that moves a card is like. */
struct client_move {
    const struct subcommand *subcommand;
    bool takes_file, needs_file;
    const char *done; /* a word for the user: "inserted" */
};

/* All of such a subcommand. Returns an exit status. */
int client_move(const struct client_move *move, int argc, char **argv);

#endif
