/* SPDX-License-Identifier: BSD-3-Clause */
/* The control client, which sends one request to a running rig and reads the answer. */
#ifndef CARDRIG_CLI_CLIENT_H
#define CARDRIG_CLI_CLIENT_H

#include "cli/options.h"

#include <jansson.h>
#include <stdbool.h>

/*
 * Sends a command to the rig at $CARDRIG_SOCKET, or to the one in DIRECTORY_DEFAULT if it is not set.
 *
 * slot, file and faults may be NULL. file is sent as an absolute path, except "", which means the built-in
 * card, and "relay=READER". The caller keeps its reference to faults, an array.
 *
 * Returns the rig's answer, which the caller owns (json_decref) and which has the members that answer.c
 * lists. Returns NULL if the rig refused the command or could not be reached. The reason has been printed.
 */
json_t *client_request(const char *command, const char *slot, const char *file, json_t *faults);

/* Sends the command "service" with an action on the rig's pcscd, which may take several seconds. Returns the
 * same as client_request. */
json_t *client_request_service(const char *action);

/* Presses keys of the PIN pad of a reader, NULL for the only one. The caller keeps its reference to keys, an
 * array of strings. Returns the same as client_request. */
json_t *client_request_press(const char *reader, json_t *keys);

/* Waits, for so many milliseconds at most, until the PIN pad of a reader asks for a PIN. */
json_t *client_request_wait(const char *reader, int milliseconds);

/* Asks for the status of the rig until is_done(status, arg). Returns 1 then, 0 if that is not so after
 * `milliseconds`, and -1 after printing an error. */
int client_wait_for_status(bool (*is_done)(const json_t *status, void *arg), void *arg, int milliseconds);

/* The option --builtin, of subcommands that take the file of a card. */
extern const struct option_entry client_change_card_options[];

/* Describes a subcommand that inserts, removes or swaps a card. */
struct client_change_card {
    const struct subcommand *subcommand;
    bool takes_file, needs_file;
    const char *done; /* printed after success: "inserted" */
};

/* Runs such a subcommand, from its command line to its output. Then waits until pcscd has noticed, so that the next PC/SC
 * call finds the slot as it is now, but not for ever. Returns an exit status. */
int client_change_card(const struct client_change_card *change, int argc, char **argv);

#endif
