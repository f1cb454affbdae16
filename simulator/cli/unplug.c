/* SPDX-License-Identifier: BSD-3-Clause */
/* cardrig unplug */
#include "cli/cli.h"
#include "cli/plugging.h"

static int unplug_main(int argc, char **argv)
{
    return plugging_main(&unplug_subcommand, false, argc, argv);
}

const struct subcommand unplug_subcommand = {
    .name = "unplug",
    .summary = "unplug a USB reader of the running rig",
    .function = unplug_main,
    .usage = "[READER]",
    .description = "Unplug a USB reader of the running rig, and wait until pcscd has\n"
                   "let it go. A card stays in it, and has lost its power when 'cardrig plug' brings\n"
                   "it back.\n\n"
                   "READER is a reader's name or the number of one of its slots, as 'cardrig status'\n"
                   "shows them; it may be left out when there is only one on USB.\n",
    .arguments = {":usb"},
};
