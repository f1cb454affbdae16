/* SPDX-License-Identifier: BSD-3-Clause */
/* cardrig swap */
#include "cli/cli.h"
#include "cli/client.h"

static const struct client_change_card swap = {
    .subcommand = &swap_subcommand,
    .takes_file = true,
    .needs_file = true,
    .done = "swapped for",
};

static int swap_main(int argc, char **argv)
{
    return client_change_card(&swap, argc, argv);
}

const struct subcommand swap_subcommand = {
    .name = "swap",
    .summary = "remove the card and insert another one",
    .function = swap_main,
    .usage = "[SLOT] FILE\n--builtin [SLOT]",
    .description = "Take the card, if any, out of a slot of the running rig, and put\n"
                   "another in: two events for PC/SC, however quickly they follow each other. FILE\n"
                   "is a card script, or relay=READER for the card in a reader of another PC/SC\n"
                   "service. If it is not a card, nothing changes.\n\n"
                   "SLOT is a number, READER or READER/NUMBER, as 'cardrig status' shows them; it\n"
                   "may be left out when there is only one.\n\n"
                   "Returns when pcscd has noticed, or after three seconds.\n",
    .options = {client_change_card_options},
    .arguments = {":slot :card", ":card"},
};
