/* SPDX-License-Identifier: BSD-3-Clause */
/* cardrig remove */
#include "cli/cli.h"
#include "cli/client.h"

static const struct client_change_card removal = {
    .subcommand = &remove_subcommand,
    .done = "removed",
};

static int remove_main(int argc, char **argv)
{
    return client_change_card(&removal, argc, argv);
}

const struct subcommand remove_subcommand = {
    .name = "remove",
    .summary = "remove the card from a slot",
    .function = remove_main,
    .usage = "[SLOT]",
    .description = "Take the card out of a slot of the running rig.\n\n"
                   "SLOT is a number, READER or READER/NUMBER, as 'cardrig status' shows them; it\n"
                   "may be left out when there is only one. 'cardrig insert' puts the card back.\n\n"
                   "Returns when pcscd has noticed, or after three seconds.\n",
    .arguments = {":slot"},
};
