/* SPDX-License-Identifier: BSD-3-Clause */
/* cardrig service */
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/print.h"
#include "rig/lifeline.h"

#include <stdio.h>

static int service_main(int argc, char **argv)
{
    enum service_action action;
    struct error error = {"which action?"};
    int option = options_next(&service_subcommand, argc, argv);
    if (option != -1)
        return option == 'h' ? EXIT_OK : EXIT_USAGE;
    if (argc - optind > 1)
        error_set(&error, "one action at a time");
    if (argc - optind != 1 || !service_action_find(argv[optind], &action, &error)) {
        fprintf(stderr, "cardrig service: %s; 'cardrig service --help' says what they do\n", error.text);
        return EXIT_USAGE;
    }
    json_t *status = client_request_service(argv[optind]);
    const char *state = "?";
    if (!status)
        return EXIT_FAILED;
    json_unpack(status, "{s:{s:s}}", "service", "state", &state);
    print_line("pcscd: %s", state);
    json_decref(status);
    return EXIT_OK;
}

const struct subcommand service_subcommand = {
    .name = "service",
    .summary = "stop, continue, kill or restart the rig's pcscd",
    .function = service_main,
    .usage = "stop|continue|kill|restart",
    .description = "Do something to the PC/SC service, pcscd, of the running rig.\n\n"
                   "  stop        halt it: its clients wait, as they do for a service that hangs\n"
                   "  continue    let it go on\n"
                   "  kill        kill it: from now on there is no service\n"
                   "  restart     end it, if it runs, start it again, and wait until it is ready\n\n"
                   "Prints the new state. 'cardrig status' shows it, too.\n",
    .arguments = {"stop continue kill restart"},
};
