/* SPDX-License-Identifier: BSD-3-Clause */
/* cardrig insert */
#include "cli/cli.h"
#include "cli/client.h"

static const struct client_change_card insertion = {
    .subcommand = &insert_subcommand,
    .takes_file = true,
    .done = "inserted",
};

static int insert_main(int argc, char **argv)
{
    return client_change_card(&insertion, argc, argv);
}

const struct subcommand insert_subcommand = {
    .name = "insert",
    .summary = "insert a card into a slot of the running rig",
    .function = insert_main,
    .usage = "[SLOT] [FILE]\n--builtin [SLOT]",
    .description = "Put a card into a slot of the running rig.\n\n"
                   "SLOT is a number, READER or READER/NUMBER, as 'cardrig status' shows them; it\n"
                   "may be left out when there is only one. FILE is a card script, a ready card,\n"
                   "or relay=READER for the card in a reader of another PC/SC service; without it\n"
                   "the card that was in last is put back, or the built-in card where there was\n"
                   "none. A single argument is a FILE if it begins with '/', '.' or relay=, ends in\n"
                   ".lua or names a ready card, else a SLOT.\n\n"
                   "Returns when pcscd has noticed, or after three seconds.\n",
    .options = {client_change_card_options},
    .arguments = {":slot :card", ":card"},
};
