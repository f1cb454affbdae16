/* SPDX-License-Identifier: BSD-3-Clause */
/* cardrig swap */
#include "cli/cli.h"
#include "cli/client.h"

int swap_main(int argc, char **argv)
{
    static const struct client_move swap = {
        .command = "swap",
        .help = "Usage: cardrig swap [SLOT] FILE\n"
                "       cardrig swap --builtin [SLOT]\n"
                "Take the card, if any, out of a slot of the rig around this command, and put\n"
                "another in: two events for PC/SC, however quickly they follow each other. FILE\n"
                "is a card script, or relay=READER for the card in a reader of another PC/SC\n"
                "service. If it is not a card, nothing changes.\n\n"
                "SLOT is a number, READER or READER/NUMBER, as 'cardrig status' shows them; it\n"
                "may be left out when there is only one.\n\n"
                "      --builtin  put in the built-in card\n"
                "  -h, --help     show this\n",
        .takes_file = true,
        .needs_file = true,
        .done = "swapped for",
    };
    return client_move(&swap, argc, argv);
}
