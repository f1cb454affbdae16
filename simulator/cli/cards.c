/* SPDX-License-Identifier: BSD-3-Clause */
/* cardrig cards */
#include "base/error.h"
#include "base/names.h"
#include "cli/cli.h"
#include "cli/dry_card.h"
#include "cli/print.h"

#include "icc/library.h"
#include "icc/script.h"
#include "icc/script_card.h"
#include "rig/log.h"

#include <stdio.h>
#include <string.h>

enum { TEXT = OPTION_WITHOUT_LETTER };

/* Prints the first comment line after the licence, which says what the card is. */
static void print_summary(const struct library_text *card)
{
    const char *line = strchr(card->text, '\n');
    int length;
    line = line && strncmp(line, "\n-- ", 4) == 0 ? line + 4 : "";
    length = (int)strcspn(line, "\n");
    printf("%-10s %.*s\n", card->name, length, line);
}

static bool print_arguments(const struct library_text *ready)
{
    struct card *card = dry_card_load(ready->name, NULL);
    if (!card)
        return false;
    print_summary(ready);
    print_script_arguments(&card_script(card)->head);
    card_free(card);
    return true;
}

/* Prints the text of a ready card or reader, or of one of the modules, to be copied and changed. */
static bool print_text(const char *name)
{
    const struct library_text *text = library_find(library_cards, name, strlen(name));
    if (!text)
        text = library_find(library_modules, name, strlen(name));
    if (!text)
        text = library_find(library_readers, name, strlen(name));
    if (text)
        fwrite(text->text, 1, text->length, stdout);
    else
        rig_log("no ready card, reader or module '%s': 'cardrig cards' lists them", name);
    return text;
}

static bool show(const char *name)
{
    struct error error;
    const struct library_text *ready = library_find(library_cards, name, strlen(name));
    if (ready)
        return print_arguments(ready);
    error_set(&error, "no ready card '%s'", name);
    names_suggest(library_card_name, name, strlen(name), &error);
    rig_log("%s", error.text);
    return false;
}

static void list(void)
{
    for (const struct library_text *card = library_cards; card->name; card++)
        print_summary(card);
    printf("\nModules for card scripts:");
    for (const struct library_text *module = library_modules; module->name; module++)
        printf(" %s", module->name);
    printf("\n'cardrig cards NAME' lists a card's arguments.\n");
}

static int cards_main(int argc, char **argv)
{
    bool as_text = false, ok = true;
    for (int option; (option = options_next(&cards_subcommand, argc, argv)) != -1;) {
        if (option != TEXT)
            return option == 'h' ? EXIT_OK : EXIT_USAGE;
        as_text = true;
    }
    if (optind == argc && as_text) {
        fprintf(stderr, "cardrig cards: --text of which card? 'cardrig cards --help' says more\n");
        return EXIT_USAGE;
    }
    if (optind == argc)
        list();
    for (; optind < argc; optind++)
        ok &= as_text ? print_text(argv[optind]) : show(argv[optind]);
    return ok ? EXIT_OK : EXIT_FAILED;
}

static const struct option_entry options[] = {
    {TEXT, "text", NULL, NULL, "print the Lua text of ready cards or modules, to copy and change it"}, {0}};

const struct subcommand cards_subcommand = {
    .name = "cards",
    .summary = "list the ready cards, and the arguments that they take",
    .function = cards_main,
    .usage = "[NAME...]\n--text NAME...",
    .description = "List the ready cards, or the arguments that the card NAME takes. A card's name\n"
                   "stands where a card script can: cardrig run --card piv,pin=654321 -- COMMAND\n",
    .options = {options},
    .arguments = {":ready", ":ready"},
};
