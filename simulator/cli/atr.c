/* SPDX-License-Identifier: BSD-3-Clause */
/* cardrig atr: reads its options, and ATRs from its arguments or from standard input */
#include "cli/atr_analysis.h"
#include "cli/atr_output.h"
#include "cli/cli.h"

#include "iso7816/hex.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Analyses and prints one ATR. source names it in messages. Returns an exit status. */
static int analyse(const char *text, size_t length, const char *source, bool json, size_t json_flags)
{
    struct analysis analysis = {.length = 0};
    uint8_t *bytes = malloc(length / 2 + 1);
    json_t *object = NULL;
    int status = EXIT_FAILED;
    if (!bytes)
        goto no_memory;
    size_t bad_at;
    enum hex_result result = hex_decode(text, length, bytes, length / 2 + 1, &analysis.length, &bad_at);
    if (result != HEX_OK) {
        fprintf(stderr, "cardrig atr: %s, character %zu: %s\n", source, bad_at + 1, hex_result_text(result));
        status = EXIT_USAGE;
        goto out;
    }
    analysis.bytes = bytes;
    enum atr_result parsed = atr_parse(bytes, analysis.length, &analysis.atr, &analysis.error);
    analysis.decoded = atr_is_decoded(parsed);
    if (json) {
        object = atr_json(&analysis);
        if (!object || json_dumpf(object, stdout, json_flags) != 0)
            goto no_memory;
        putchar('\n');
    } else {
        atr_print(&analysis);
    }
    status = parsed == ATR_OK ? EXIT_OK : EXIT_FAILED;
    goto out;

no_memory:
    fprintf(stderr, "cardrig atr: out of memory\n");
out:
    json_decref(object);
    free(bytes);
    return status;
}

/* Analyses standard input, in which each line that is not blank is an ATR. Returns the highest exit status.
 */
static int analyse_lines(bool json)
{
    char *line = NULL;
    size_t size = 0, number = 0;
    bool first = true;
    int worst = EXIT_OK;
    setvbuf(stdout, NULL, _IOLBF, 0); /* for a program that writes one ATR and waits for its answer */
    for (ssize_t length; (length = getline(&line, &size, stdin)) >= 0;) {
        char source[40];
        snprintf(source, sizeof source, "line %zu", ++number);
        if (strspn(line, " \t\r\n") == (size_t)length)
            continue;
        if (!first && !json)
            putchar('\n');
        first = false;
        int status = analyse(line, (size_t)length, source, json, JSON_COMPACT);
        if (status > worst)
            worst = status;
    }
    if (ferror(stdin)) {
        fprintf(stderr, "cardrig atr: cannot read standard input: %s\n", strerror(errno));
        worst = EXIT_FAILED;
    }
    free(line);
    return worst;
}

/* Analyses the arguments as one text, joined by spaces. */
static int analyse_arguments(char **arguments, bool json)
{
    char *text = NULL;
    size_t length = 0;
    FILE *joined = open_memstream(&text, &length);
    if (!joined)
        goto no_memory;
    for (; *arguments; arguments++)
        fprintf(joined, "%s%s", *arguments, arguments[1] ? " " : "");
    if (fclose(joined) != 0)
        goto no_memory;
    int status = analyse(text, length, text, json, JSON_INDENT(2));
    free(text);
    return status;

no_memory:
    fprintf(stderr, "cardrig atr: out of memory\n");
    free(text);
    return EXIT_FAILED;
}

static int atr_main(int argc, char **argv)
{
    bool json = false;
    for (int option; (option = options_next(&atr_subcommand, argc, argv)) != -1;) {
        if (option != 'j')
            return option == 'h' ? EXIT_OK : EXIT_USAGE;
        json = true;
    }
    if (optind == argc) {
        fprintf(stderr, "cardrig atr: which ATR? 'cardrig atr --help' says more\n");
        return EXIT_USAGE;
    }
    if (strcmp(argv[optind], "-") == 0 && optind + 1 == argc)
        return analyse_lines(json);
    return analyse_arguments(argv + optind, json);
}

static const struct option_entry options[] = {
    {'j', "json", NULL, NULL, "as JSON, for programs; with '-' one line for each ATR"}, {0}};

const struct subcommand atr_subcommand = {
    .name = "atr",
    .summary = "explain an Answer-to-Reset, byte by byte",
    .function = atr_main,
    .usage = "[--json] HEX...\n[--json] -",
    .description = "Explain an Answer-to-Reset, byte by byte: ISO/IEC 7816-3:2006, clause 8. HEX are\n"
                   "its bytes, in one argument or in many; '-' reads one ATR per line from standard\n"
                   "input. Exits with 1 if the standard does not allow it.\n",
    .options = {options},
};
