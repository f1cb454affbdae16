/* SPDX-License-Identifier: BSD-3-Clause */
/* cardrig unplug */
#include "cli/cli.h"
#include "cli/plugging.h"

int unplug_main(int argc, char **argv)
{
    static const struct plugging unplug = {
        .command = "unplug",
        .help = "Usage: cardrig unplug [READER]\n"
                "Pull a USB reader of the rig around this command out, and wait until pcscd has\n"
                "let it go. A card stays in it, and has lost its power when 'cardrig plug' brings\n"
                "it back.\n\n"
                "READER is a reader's name or the number of one of its slots, as 'cardrig status'\n"
                "shows them; it may be left out when there is only one on USB.\n\n"
                "  -h, --help  show this\n",
    };
    return plugging_main(&unplug, argc, argv);
}
