/* SPDX-License-Identifier: BSD-3-Clause */
/* cardrig status */
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/print.h"

#include <stdio.h>
#include <string.h>

/* Returns the string member key, which answer_read has checked, or NULL if it is null. */
static const char *text_of(json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static long long number_of(json_t *object, const char *key)
{
    return (long long)json_integer_value(json_object_get(object, key));
}

/* Prints what the display of a PIN pad shows, a line at a time. */
static void print_pin_pad(json_t *pin_pad)
{
    const char *display = text_of(pin_pad, "display"), *newline = strchr(display, '\n');
    int length = newline ? (int)(newline - display) : (int)strlen(display);
    print_line("    PIN pad   %s%.*s%s%s", json_is_true(json_object_get(pin_pad, "asks")) ? "asks: " : "",
               length, display, newline ? " / " : "", newline ? newline + 1 : "");
}

static void print_card(json_t *slot)
{
    json_t *card = json_object_get(slot, "card");
    if (!json_is_object(card)) {
        print_line("    empty");
        return;
    }
    const char *file = text_of(card, "file"), *atr = text_of(card, "atr"),
               *protocol = text_of(card, "protocol");
    bool busy = json_is_true(json_object_get(slot, "busy"));
    json_t *resets = json_object_get(card, "resets");
    if (json_is_object(json_object_get(slot, "vpcd")))
        print_line("    card      %s", text_of(card, "name"));
    else
        print_line("    card      %s (%s)", text_of(card, "name"), file ? file : "built in");
    if (atr) {
        print_line("    powered   %s%s", protocol ? protocol : "no protocol chosen yet",
                   busy ? ", at work" : "");
        print_line("    ATR       %s", atr);
    } else {
        print_line("    no power");
    }
    print_line("    so far    %lld commands; resets: %lld cold, %lld warm; power taken away: %lld",
               number_of(card, "commands"), number_of(resets, "cold"), number_of(resets, "warm"),
               number_of(resets, "off"));
}

/* Prints a slot, which is one of a reader of the rig, for its own or for vpcd cards, or is itself a vpcd
 * card in another reader. */
static void print_slot(json_t *slot)
{
    bool connected = json_is_true(json_object_get(slot, "driver_connected"));
    json_t *vpcd = json_object_get(slot, "vpcd"), *vpcd_card = json_object_get(slot, "vpcd_card");
    json_t *usb = json_object_get(slot, "usb");
    bool unplugged = json_is_object(usb) && !json_is_true(json_object_get(usb, "plugged"));
    if (json_is_object(vpcd_card))
        print_line("%lld  %s, a vpcd card, %s %s port %lld%s", number_of(slot, "number"),
                   text_of(slot, "slot"),
                   json_is_true(json_object_get(vpcd_card, "listens")) ? "listening at" : "for the reader at",
                   text_of(vpcd_card, "host"), number_of(vpcd_card, "port"),
                   connected ? "" : " (no reader connected)");
    else
        print_line("%lld  %s, in PC/SC '%s'%s", number_of(slot, "number"), text_of(slot, "slot"),
                   text_of(slot, "pcsc_name"),
                   unplugged   ? " (not plugged in)"
                   : connected ? ""
                               : " (no driver connected)");
    if (json_is_object(usb))
        print_line("    USB       %s%s", text_of(usb, "id"),
                   json_is_true(json_object_get(usb, "token")) ? ", reader and card in one" : "");
    if (json_is_true(json_object_get(slot, "real_time")))
        print_line("    time      real");
    if (json_is_object(vpcd))
        print_line("    vpcd      the reader %s, host %s port %lld",
                   strcmp(text_of(vpcd, "reader"), "listens") == 0 ? "listens" : "connects to the card",
                   text_of(vpcd, "host"), number_of(vpcd, "port"));
    if (json_is_object(json_object_get(slot, "pin_pad")))
        print_pin_pad(json_object_get(slot, "pin_pad"));
    print_card(slot);
}

static void print_service(json_t *service)
{
    const char *state = text_of(service, "state"), *note = text_of(service, "note");
    if (state)
        print_line("pcscd %s%s%s", state, note ? "; " : "", note ? note : "");
}

static void print_status(json_t *status)
{
    print_line("seed %lld", number_of(status, "seed"));
    print_service(json_object_get(status, "service"));
    size_t i;
    json_t *slot, *slots = json_object_get(status, "slots");
    json_array_foreach(slots, i, slot)
    {
        print_slot(slot);
    }
}

static int status_main(int argc, char **argv)
{
    bool json = false;
    for (int option; (option = options_next(&status_subcommand, argc, argv)) != -1;) {
        if (option != 'j')
            return option == 'h' ? EXIT_OK : EXIT_USAGE;
        json = true;
    }
    if (optind < argc) {
        fprintf(stderr, "cardrig status: takes no arguments, got '%s'\n", argv[optind]);
        return EXIT_USAGE;
    }
    json_t *status = client_request("status", NULL, NULL, NULL);
    if (!status)
        return EXIT_FAILED;
    if (json) {
        /* in ASCII, so that the output has no control sequences for a terminal */
        json_dumpf(status, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
        putchar('\n');
    } else {
        print_status(status);
    }
    json_decref(status);
    return EXIT_OK;
}

static const struct option_entry options[] = {{'j', "json", NULL, NULL, "as JSON, for programs"}, {0}};

const struct subcommand status_subcommand = {
    .name = "status",
    .summary = "show readers, slots and cards of the running rig",
    .function = status_main,
    .usage = "[--json]",
    .description = "Show the slots of the running rig, the cards in them and what these\n"
                   "have seen since they were inserted.\n",
    .options = {options},
};
