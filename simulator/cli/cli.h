/* SPDX-License-Identifier: BSD-3-Clause */
/* Declarations that all subcommands of cardrig share. */
#ifndef CARDRIG_CLI_CLI_H
#define CARDRIG_CLI_CLI_H

#include "cli/options.h"

/* Exit statuses. `cardrig run` uses those of env(1) and timeout(1), which commands seldom use themselves. */
enum {
    EXIT_OK = 0,
    EXIT_FAILED = 1,           /* the operation failed */
    EXIT_USAGE = 2,            /* the command line is wrong */
    EXIT_RIG_FAILED = 125,     /* run: the rig could not be set up, or has died */
    EXIT_CANNOT_EXECUTE = 126, /* run: the command exists but cannot be executed */
    EXIT_NOT_FOUND = 127,      /* run: the command does not exist */
};

extern const struct subcommand run_subcommand, serve_subcommand, insert_subcommand, remove_subcommand,
    swap_subcommand, plug_subcommand, unplug_subcommand, fault_subcommand, service_subcommand,
    status_subcommand, press_subcommand, wait_subcommand, cards_subcommand, readers_subcommand,
    check_subcommand, atr_subcommand, doctor_subcommand;

/* Logs a hint to run `cardrig doctor`, after a rig could not be set up. Does nothing in a rig that
 * `cardrig doctor` itself started. */
void doctor_hint(void);

#endif
