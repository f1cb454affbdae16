/* SPDX-License-Identifier: BSD-3-Clause */
/* cardrig check */
#include "cli/cli.h"
#include "cli/dry_card.h"
#include "cli/print.h"

#include "icc/script_card.h"
#include "iso7816/hex.h"
#include "rig/reader_load.h"

#include <stdio.h>

static void print_log(void *arg, const char *line)
{
    (void)arg;
    print_line("%s", line);
}

static void print_atr(const struct card *card, enum card_power how, const char *label)
{
    char text[3 * ATR_MAX + 1];
    size_t length;
    const uint8_t *atr = card_atr(card, how, &length);
    hex_encode(atr, length, text, sizeof text, ' ');
    printf("  %s %s\n", label, length > 0 ? text : "(none)");
}

static bool check(const char *path)
{
    struct card *card = dry_card_load(path, print_log);
    if (!card)
        return false;
    print_line("%s: ok: '%s'", path, card_name(card));
    print_atr(card, CARD_COLD, "cold ATR");
    print_atr(card, CARD_WARM, "warm ATR");
    card_free(card);
    return true;
}

static bool check_reader(const char *text)
{
    const struct reader_script_host host = {.log = print_log};
    struct reader_script *script;
    struct reader_options options;
    struct error error;
    bool ok = reader_describe(text, &host, &options, &script, &error);
    if (ok)
        print_line("%s: ok: '%s'", text, options.name);
    else
        print_error_line("%s", error.text);
    if (script)
        print_script_arguments(&script->head);
    reader_script_free(script);
    return ok;
}

static int check_main(int argc, char **argv)
{
    bool readers = false;
    for (int option; (option = options_next(&check_subcommand, argc, argv)) != -1;) {
        if (option != 'r')
            return option == 'h' ? EXIT_OK : EXIT_USAGE;
        readers = true;
    }
    if (optind == argc) {
        fprintf(stderr, "cardrig check: which %s? 'cardrig check --help' says more\n",
                readers ? "readers" : "cards");
        return EXIT_USAGE;
    }
    int status = EXIT_OK;
    for (; optind < argc; optind++)
        if (!(readers ? check_reader : check)(argv[optind]))
            status = EXIT_FAILED;
    return status;
}

static const struct option_entry options[] = {
    {'r', "reader", NULL, NULL, "the arguments are readers, as for --reader of 'cardrig run'"}, {0}};

const struct subcommand check_subcommand = {
    .name = "check",
    .summary = "check card scripts and reader scripts",
    .function = check_main,
    .usage = "CARD...\n-r READER...",
    .description = "Load cards, given as for --card of 'cardrig run', as a rig would, and say for\n"
                   "each whether it is sound: its name and ATRs, or file, line and reason of what is\n"
                   "wrong. Exits with 1 if any is not.\n",
    .options = {options},
    .arguments = {":card", ":card"},
};
