/* SPDX-License-Identifier: BSD-3-Clause */
/* cardrig fault */
#include "base/error.h"
#include "cli/cli.h"
#include "cli/client.h"

#include "icc/fault.h"
#include "rig/log.h"

#include <stdio.h>

static int fault_main(int argc, char **argv)
{
    int option = options_next(&fault_subcommand, argc, argv);
    if (option == 'l')
        for (unsigned i = 0; i < FAULT_COUNT; i++)
            printf("%s\n", fault_name(i));
    if (option != -1)
        return option == '?' ? EXIT_USAGE : EXIT_OK;
    /* a first argument that does not begin like a fault is a slot, unless it is the only argument */
    const char *slot = argc - optind > 1 && !fault_named(argv[optind]) ? argv[optind++] : NULL;
    if (optind == argc) {
        fprintf(stderr, "cardrig fault: which faults? 'cardrig fault --list' shows them\n");
        return EXIT_USAGE;
    }
    struct faults scratch = {0};
    struct error error;
    json_t *faults = json_array();
    for (int i = optind; i < argc; i++) {
        if (!faults_set(&scratch, argv[i], &error)) {
            rig_log("%s", error.text);
            json_decref(faults);
            return EXIT_USAGE;
        }
        json_array_append_new(faults, json_string(argv[i]));
    }
    json_t *result = client_request("fault", slot, NULL, faults);
    json_decref(faults);
    if (!result)
        return EXIT_FAILED;
    json_decref(result);
    return EXIT_OK;
}

static const struct option_entry options[] = {
    {'l', "list", NULL, NULL, "show the names of all faults; 'man cardrig-fault' explains them"}, {0}};

const struct subcommand fault_subcommand = {
    .name = "fault",
    .summary = "make a card do something wrong on purpose",
    .function = fault_main,
    .usage = "[SLOT] NAME...\n--list",
    .description = "Make the card in a slot of the running rig do something wrong.\n\n"
                   "SLOT is a number, READER or READER/NUMBER, as 'cardrig status' shows them; it\n"
                   "may be left out when there is only one. NAME is the name of a fault:\n\n"
                   "  NAME         at its next opportunity\n"
                   "  NAME*N       at the next N\n"
                   "  NAME@N       from the Nth on\n"
                   "  NAME@N*M     M times from the Nth on\n"
                   "  NAME*0       not any more\n"
                   "  ...:PATTERN  any of these, but only commands that begin with PATTERN count:\n"
                   "               hex, '.' is any digit; NAME@N:PATTERN is the Nth such command\n"
                   "               alone\n\n"
                   "For example: cardrig fault 'removal@2:00 2A 9E 9A'. The faults of a card\n"
                   "end when it is removed.\n",
    .options = {options},
    .arguments = {":slot :fault", ":fault"},
};
