/* SPDX-License-Identifier: BSD-3-Clause */
/* cardrig plug */
#include "cli/cli.h"
#include "cli/plugging.h"

static int plug_main(int argc, char **argv)
{
    return plugging_main(&plug_subcommand, true, argc, argv);
}

const struct subcommand plug_subcommand = {
    .name = "plug",
    .summary = "plug in a USB reader of the running rig",
    .function = plug_main,
    .usage = "[READER]",
    .description = "Plug in a USB reader of the running rig, and wait until pcscd\n"
                   "has it.\n\n"
                   "READER is a reader's name or the number of one of its slots, as 'cardrig status'\n"
                   "shows them; it may be left out when there is only one on USB. Readers are on USB\n"
                   "that 'cardrig run' was given with --reader NAME,usb.\n",
    .arguments = {":usb"},
};
