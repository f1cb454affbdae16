/* SPDX-License-Identifier: BSD-3-Clause */
/* cardrig plug */
#include "cli/cli.h"
#include "cli/plugging.h"

int plug_main(int argc, char **argv)
{
    static const struct plugging plug = {
        .command = "plug",
        .help = "Usage: cardrig plug [READER]\n"
                "Plug a USB reader of the rig around this command in, and wait until pcscd\n"
                "has it.\n\n"
                "READER is a reader's name or the number of one of its slots, as 'cardrig status'\n"
                "shows them; it may be left out when there is only one on USB. Readers are on USB\n"
                "that 'cardrig run' was given with --reader NAME,usb.\n\n"
                "  -h, --help  show this\n",
        .in = true,
    };
    return plugging_main(&plug, argc, argv);
}
