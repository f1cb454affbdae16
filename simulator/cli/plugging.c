/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/plugging.h"

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/print.h"

#include <stdio.h>
#include <string.h>

/* pcscd cannot remove a reader during a client's call, and calls end within 10 s. */
#define PCSCD_MS 15000

/* What is waited for, and then found. */
struct reader_change {
    json_int_t reader;
    bool plugged;
    char pcsc_name[160]; /* of its first slot */
};

/* Returns whether pcscd has added (plugged) or removed (!plugged) all slots of the reader. */
static bool is_done(const json_t *status, void *arg)
{
    struct reader_change *change = arg;
    bool done = true;
    const char *first = NULL;
    size_t i;
    json_t *slot;
    json_array_foreach(json_object_get(status, "slots"), i, slot)
    {
        if (json_integer_value(json_object_get(slot, "reader")) != change->reader)
            continue;
        bool is = json_is_true(json_object_get(slot, change->plugged ? "ready" : "driver_connected"));
        done = done && is == change->plugged;
        if (!first)
            first = json_string_value(json_object_get(slot, "pcsc_name"));
    }
    snprintf(change->pcsc_name, sizeof change->pcsc_name, "%s", first ? first : "?");
    return done;
}

/* Waits until is_done. Returns EXIT_OK, or EXIT_FAILED after printing an error. */
static int wait_for(struct reader_change *change)
{
    int done = client_wait_for_status(is_done, change, PCSCD_MS);
    if (done == 0)
        fprintf(stderr,
                "cardrig: pcscd has not %s within %d s; 'cardrig run --pcscd-log FILE' has what it says\n",
                change->plugged ? "taken the reader in" : "let the reader go", PCSCD_MS / 1000);
    return done > 0 ? EXIT_OK : EXIT_FAILED;
}

int plugging_main(const struct subcommand *subcommand, bool plugged, int argc, char **argv)
{
    int option = options_next(subcommand, argc, argv);
    if (option != -1)
        return option == 'h' ? EXIT_OK : EXIT_USAGE;
    if (argc - optind > 1) {
        fprintf(stderr, "cardrig %s: takes one reader, got '%s', too; 'cardrig %s --help' says more\n",
                subcommand->name, argv[optind + 1], subcommand->name);
        return EXIT_USAGE;
    }
    json_t *result = client_request(subcommand->name, argv[optind], NULL, NULL);
    if (!result)
        return EXIT_FAILED;
    const char *slot = json_string_value(json_object_get(result, "slot"));
    struct reader_change change = {json_integer_value(json_object_get(result, "reader")), plugged, ""};
    int status = wait_for(&change);
    int name_length = (int)strcspn(slot, "/");
    if (status == EXIT_OK && plugged)
        print_line("%.*s: plugged in, in PC/SC '%s'", name_length, slot, change.pcsc_name);
    else if (status == EXIT_OK)
        print_line("%.*s: unplugged", name_length, slot);
    json_decref(result);
    return status;
}
