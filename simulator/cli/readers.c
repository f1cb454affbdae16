/* SPDX-License-Identifier: BSD-3-Clause */
/* cardrig readers */
#include "cli/cli.h"
#include "cli/print.h"
#include "cli/ready.h"

#include "rig/reader_load.h"

static bool load(const struct library_text *ready)
{
    const struct reader_script_host host = {0};
    struct reader_options options;
    struct error error;
    struct reader_script *script = reader_load(ready->name, &host, &options, &error);
    if (!script) {
        print_error_line("%s", error.text);
        return false;
    }
    ready_print_summary(ready);
    print_script_arguments(&script->head);
    reader_script_free(script);
    return true;
}

static int readers_main(int argc, char **argv)
{
    static const struct ready readers = {.subcommand = &readers_subcommand,
                                         .what = "reader",
                                         .texts = library_readers,
                                         .names = library_reader_name,
                                         .load = load};
    return ready_main(&readers, argc, argv);
}

const struct subcommand readers_subcommand = {
    .name = "readers",
    .summary = "list the ready readers, and the arguments that they take",
    .function = readers_main,
    .usage = "[NAME...]\n--text NAME...",
    .description = "List the ready readers, or the arguments that the reader NAME takes. A reader's\n"
                   "name stands where a reader script can: cardrig run --reader pinpad -- COMMAND\n",
    .options = {ready_options},
    .arguments = {":ready-reader", ":ready-reader"},
};
