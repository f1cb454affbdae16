/* SPDX-License-Identifier: BSD-3-Clause */
/* cardrig press */
#include "base/names.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "rig/pin_pad.h"

#include <stdio.h>
#include <string.h>

/* Appends the key that text names, or each digit of a number. Returns false if it is neither. */
static bool add_keys(json_t *keys, const char *text)
{
    unsigned number;
    if (*text && strspn(text, "0123456789") == strlen(text)) {
        for (; *text; text++)
            json_array_append_new(keys, json_stringn(text, 1));
        return true;
    }
    return names_find(pin_key_name, text, strlen(text), &number) &&
           json_array_append_new(keys, json_string(text)) == 0;
}

static int press_main(int argc, char **argv)
{
    int option = options_next(&press_subcommand, argc, argv);
    if (option != -1)
        return option == 'h' ? EXIT_OK : EXIT_USAGE;
    json_t *keys = json_array();
    const char *reader = NULL;
    bool ok = true;
    for (int i = optind; ok && i < argc; i++) {
        ok = add_keys(keys, argv[i]) || (i == optind && (reader = argv[i]));
        if (!ok)
            fprintf(stderr, "cardrig press: the keys are " PIN_KEYS_TEXT "\n");
    }
    if (ok && json_array_size(keys) == 0) {
        fprintf(stderr, "cardrig press: which keys? 'cardrig press --help' says more\n");
        ok = false;
    }
    json_t *result = ok ? client_request_press(reader, keys) : NULL;
    json_decref(keys);
    json_decref(result);
    return result ? EXIT_OK : ok ? EXIT_FAILED : EXIT_USAGE;
}

const struct subcommand press_subcommand = {
    .name = "press",
    .summary = "press keys of a reader's PIN pad",
    .function = press_main,
    .usage = "[READER] KEY...",
    .description = "Press keys of the PIN pad of a reader of the running rig.\n\n"
                   "READER is the name of a reader; it may be left out when only one has a PIN pad.\n"
                   "KEY is ok, cancel, clear, backspace, or digits: '1 2 3 4 ok' and '1234 ok' are\n"
                   "the same. Keys that the reader does not ask for yet wait until it does.\n",
    .arguments = {"ok cancel clear backspace", "ok cancel clear backspace"},
};
