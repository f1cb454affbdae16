/* SPDX-License-Identifier: BSD-3-Clause */
/* cardrig wait */
#include "base/number.h"
#include "cli/cli.h"
#include "cli/client.h"

#include <stdio.h>
#include <string.h>

static int wait_main(int argc, char **argv)
{
    unsigned seconds = 30;
    for (int option; (option = options_next(&wait_subcommand, argc, argv)) != -1;) {
        if (option != 't')
            return option == 'h' ? EXIT_OK : EXIT_USAGE;
        if (!number_parse(optarg, 1, 86400, &seconds)) {
            fprintf(stderr, "cardrig wait: --timeout %s: expected seconds, from 1 to 86400\n", optarg);
            return EXIT_USAGE;
        }
    }
    int left = argc - optind;
    if (left < 1 || left > 2 || strcmp(argv[optind], "pin") != 0) {
        fprintf(stderr, "cardrig wait: for what? 'cardrig wait --help' says more\n");
        return EXIT_USAGE;
    }
    json_t *result = client_request_wait(left == 2 ? argv[optind + 1] : NULL, (int)seconds * 1000);
    json_decref(result);
    return result ? EXIT_OK : EXIT_FAILED;
}

static const struct option_entry options[] = {{'t', "timeout", "SECONDS", NULL, "how long to wait (30)"},
                                              {0}};

const struct subcommand wait_subcommand = {
    .name = "wait",
    .summary = "wait until a reader asks for a PIN",
    .function = wait_main,
    .usage = "[--timeout SECONDS] pin [READER]",
    .description = "Wait until the PIN pad of a reader of the running rig asks for a PIN, and no\n"
                   "key is waiting there.\n\n"
                   "READER is the name of a reader; it may be left out when only one has a PIN pad.\n"
                   "Exits with 1 if no reader asks in time.\n",
    .options = {options},
    .arguments = {"pin", NULL},
};
