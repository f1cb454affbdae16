/* SPDX-License-Identifier: BSD-3-Clause */
/* The common part of `cardrig plug` and `cardrig unplug`. */
#ifndef CARDRIG_CLI_PLUGGING_H
#define CARDRIG_CLI_PLUGGING_H

#include <stdbool.h>

struct subcommand;

/* Runs either subcommand, from its command line to its output. Asks the rig to plug the reader in, or to
 * unplug it if plugged is false, and waits until pcscd has added or removed the reader. Returns an exit
 * status. */
int plugging_main(const struct subcommand *subcommand, bool plugged, int argc, char **argv);

#endif
