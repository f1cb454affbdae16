/* SPDX-License-Identifier: BSD-3-Clause */
/* cardrig remove */
#include "cli/cli.h"
#include "cli/client.h"

int remove_main(int argc, char **argv)
{
    static const struct client_move removal = {
        .command = "remove",
        .help = "Usage: cardrig remove [SLOT]\n"
                "Take the card out of a slot of the rig around this command.\n\n"
                "SLOT is a number, READER or READER/NUMBER, as 'cardrig status' shows them; it\n"
                "may be left out when there is only one. 'cardrig insert' puts the card back.\n\n"
                "  -h, --help  show this\n",
        .done = "removed",
    };
    return client_move(&removal, argc, argv);
}
