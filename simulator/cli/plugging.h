/* SPDX-License-Identifier: BSD-3-Clause */
/* What `cardrig plug` and `cardrig unplug` share. */
#ifndef CARDRIG_CLI_PLUGGING_H
#define CARDRIG_CLI_PLUGGING_H

#include <stdbool.h>

struct subcommand;

/* All of such a subcommand: asks the rig, and waits until pcscd has taken the reader in, or (!in) let it go.
 * Returns an exit status. */
int plugging_main(const struct subcommand *subcommand, bool in, int argc, char **argv);

#endif
