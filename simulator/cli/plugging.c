/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/plugging.h"

#include "base/clock.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/print.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* pcscd cannot remove a reader during a client's call, and calls end within 10 s. */
#define PCSCD_MS 15000
#define LOOK_MS  2

/* Returns whether pcscd has added (plugged) or removed (!plugged) all slots of the reader. Writes the
 * PC/SC name of the first slot to pcsc_name. */
static bool is_done(json_t *status, json_int_t reader, bool plugged, char *pcsc_name, size_t size)
{
    bool done = true;
    const char *first = NULL;
    size_t i;
    json_t *slot;
    json_array_foreach(json_object_get(status, "slots"), i, slot)
    {
        if (json_integer_value(json_object_get(slot, "reader")) != reader)
            continue;
        done = done && json_is_true(json_object_get(slot, plugged ? "ready" : "driver_connected")) == plugged;
        if (!first)
            first = json_string_value(json_object_get(slot, "pcsc_name"));
    }
    snprintf(pcsc_name, size, "%s", first ? first : "?");
    return done;
}

/* Waits until is_done. Returns EXIT_OK, or EXIT_FAILED after printing an error. */
static int wait_for_reader_change(json_int_t reader, bool plugged, char *pcsc_name, size_t size)
{
    int64_t deadline = clock_ms() + PCSCD_MS;
    for (;;) {
        json_t *status = client_request("status", NULL, NULL, NULL);
        bool done = status && is_done(status, reader, plugged, pcsc_name, size);
        json_decref(status);
        if (done)
            return EXIT_OK;
        if (!status)
            return EXIT_FAILED;
        if (clock_ms() >= deadline)
            break;
        nanosleep(&(struct timespec){.tv_nsec = LOOK_MS * 1000000L}, NULL);
    }
    fprintf(stderr,
            "cardrig: pcscd has not %s within %d s; 'cardrig run --pcscd-log FILE' has what it says\n",
            plugged ? "taken the reader in" : "let the reader go", PCSCD_MS / 1000);
    return EXIT_FAILED;
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
    char pcsc_name[160];
    int status = wait_for_reader_change(json_integer_value(json_object_get(result, "reader")), plugged,
                                        pcsc_name, sizeof pcsc_name);
    int name_length = (int)strcspn(slot, "/");
    if (status == EXIT_OK && plugged)
        print_line("%.*s: plugged in, in PC/SC '%s'", name_length, slot, pcsc_name);
    else if (status == EXIT_OK)
        print_line("%.*s: unplugged", name_length, slot);
    json_decref(result);
    return status;
}
