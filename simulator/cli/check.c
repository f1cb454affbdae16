/* SPDX-License-Identifier: BSD-3-Clause */
/* cardrig check */
#include "cli/cli.h"
#include "cli/dry_card.h"
#include "cli/print.h"

#include "icc/script_card.h"
#include "iso7816/hex.h"

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

static int check_main(int argc, char **argv)
{
    int option = options_next(&check_subcommand, argc, argv);
    if (option != -1)
        return option == 'h' ? EXIT_OK : EXIT_USAGE;
    if (optind == argc) {
        fprintf(stderr, "cardrig check: which cards? 'cardrig check --help' says more\n");
        return EXIT_USAGE;
    }
    int status = EXIT_OK;
    for (; optind < argc; optind++)
        if (!check(argv[optind]))
            status = EXIT_FAILED;
    return status;
}

const struct subcommand check_subcommand = {
    .name = "check",
    .summary = "check card scripts",
    .function = check_main,
    .usage = "CARD...",
    .description = "Load cards, given as for --card of 'cardrig run', as a rig would, and say for\n"
                   "each whether it is sound: its name and ATRs, or file, line and reason of what is\n"
                   "wrong. Exits with 1 if any is not.\n",
    .arguments = {":card", ":card"},
};
