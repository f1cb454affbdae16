/* SPDX-License-Identifier: BSD-3-Clause */
/* What the subcommands of cardrig share. */
#ifndef CARDRIG_CLI_CLI_H
#define CARDRIG_CLI_CLI_H

#include "cli/options.h"

/* Exit statuses. Those of `cardrig run` are as with env(1) and timeout(1), so that they are seldom taken for
 * the command's own. */
enum {
    EXIT_OK = 0,
    EXIT_FAILED = 1,           /* what was asked for could not be done */
    EXIT_USAGE = 2,            /* the command line is wrong */
    EXIT_RIG_FAILED = 125,     /* run: the rig could not be set up, or has died */
    EXIT_CANNOT_EXECUTE = 126, /* run: the command is there, but does not run */
    EXIT_NOT_FOUND = 127,      /* run: there is no such command */
};

/* Each in its own file. */
extern const struct subcommand run_subcommand, serve_subcommand, insert_subcommand, remove_subcommand,
    swap_subcommand, plug_subcommand, unplug_subcommand, fault_subcommand, service_subcommand,
    status_subcommand, check_subcommand, atr_subcommand, doctor_subcommand;

/* Names `cardrig doctor` to who has a rig that could not be set up. */
void doctor_hint(void);

#endif
