/* SPDX-License-Identifier: BSD-3-Clause */
/* cardrig cards */
#include "cli/cli.h"
#include "cli/dry_card.h"
#include "cli/print.h"
#include "cli/ready.h"

#include "icc/script.h"
#include "icc/script_card.h"

static bool load(const struct library_text *ready)
{
    struct card *card = dry_card_load(ready->name, NULL);
    if (!card)
        return false;
    ready_print_summary(ready);
    print_script_arguments(&card_script(card)->head);
    card_free(card);
    return true;
}

static int cards_main(int argc, char **argv)
{
    static const struct ready cards = {.subcommand = &cards_subcommand,
                                       .what = "card",
                                       .texts = library_cards,
                                       .names = library_card_name,
                                       .modules = library_modules,
                                       .load = load};
    return ready_main(&cards, argc, argv);
}

const struct subcommand cards_subcommand = {
    .name = "cards",
    .summary = "list the ready cards, and the arguments that they take",
    .function = cards_main,
    .usage = "[NAME...]\n--text NAME...",
    .description = "List the ready cards, or the arguments that the card NAME takes. A card's name\n"
                   "stands where a card script can: cardrig run --card piv,pin=654321 -- COMMAND\n"
                   "With --text, NAME can also be one of the modules for scripts.\n",
    .options = {ready_options},
    .arguments = {":ready", ":ready"},
};
