/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/rig_options.h"

#include "base/output.h"
#include "cli/cli.h"
#include "icc/card_name.h"
#include "icc/relay.h"
#include "rig/log.h"
#include "rig/random.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COUNT(array) (sizeof array / sizeof array[0])

enum { RIG_OPTIONS_REAL_TIME = 0x1000 };

const struct option_entry rig_options_list[] = {
    {'r', "reader", "NAME[,KEY[=VALUE]]...", ":reader",
     "add a reader; its keys are below; can be repeated, for up to 16 slots in all, or 255 with a pcscd from 2.5.0 on. NAME may also be a "
     "reader script: a file whose name has a '/' or ends in '.lua', or a ready reader ('cardrig readers' lists them)"},
    {'c', "card", "[SLOT=]CARD", ":card",
     "insert CARD into a slot: a number, READER or READER/NUMBER; by default the first empty one; can be "
     "repeated. CARD is the file of a card script or the name of a ready card ('cardrig cards' lists them), with arguments: "
     "CARD,KEY=VALUE; or relay=READER: the card in a reader of another PC/SC service, the machine's own or another rig's"},
    {'e', "empty", NULL, NULL, "start with empty slots; 'cardrig insert' fills them"},
    {'t', "trace", "FILE", ":files",
     "write each character that goes over the contacts to FILE, as text; %p in its name is the process number"},
    {RIG_OPTIONS_REAL_TIME, "real-time", NULL, NULL,
     "make the card's time real, as slow as with a real reader; time=real does it for one reader"},
    {'s', "seed", "N", NULL, "the seed of everything random, to repeat a run"},
    {0},
};

const char rig_options_keys_help[] =
    "Keys of a reader ('man cardrig-reader' says more). A comma in a name or value is\n"
    "written twice: vendor=Foo,, Inc.\n\n"
    "  name=TEXT               its name, instead of NAME\n"
    "  slots=N                 the number of its slots, 1 to 255 (1)\n"
    "  level=tpdu              with T=0 the application sees TPDUs, with their 61XX\n"
    "                          and 6CXX (apdu)\n"
    "  le=refuse               with level=tpdu an Le behind data is refused (drop)\n"
    "  tck=check, tck=ignore   an ATR with a wrong TCK is refused, or accepted\n"
    "  time=real               the card's time is real (virtual)\n"
    "  get-response=command    with T=0 GET RESPONSE has the command's class; or HH,\n"
    "                          this class (00, with the command's logical channel)\n"
    "  vendor=TEXT, type=TEXT, serial=TEXT, version=A.B.C, attribute=TAG:HEX\n"
    "                          its attributes\n"
    "  vpcd[=[HOST:]PORT]      its cards speak vpcd, and connect to it\n"
    "  vpcd-connect=HOST:PORT  its cards speak vpcd, and it connects to them\n"
    "  from=ADDRESS[/BITS]     from where vpcd cards may connect, if not only from\n"
    "                          this machine; any: from everywhere\n"
    "  timeout=MS              how long an answer of a vpcd card may take (60000)\n"
    "  usb[=VVVV:PPPP]         on USB, with these IDs; see 'cardrig plug'\n"
    "  interface=TEXT          on USB: the name of its interface\n"
    "  token                   on USB: reader and card are one device\n"
    "  unplugged               on USB: not plugged in at first\n";

bool rig_options_take(struct rig_options *options, int option, const char *argument)
{
    switch (option) {
    case 'r':
        if (options->reader_count < COUNT(options->reader))
            options->reader[options->reader_count++] = argument;
        return true;
    case 'c':
        if (options->card_count < COUNT(options->card))
            options->card[options->card_count++] = argument;
        return true;
    case 'e':
        options->empty = true;
        return true;
    case 't':
        options->trace = argument;
        return true;
    case RIG_OPTIONS_REAL_TIME:
        options->real_time = true;
        return true;
    case 's':
        options->seed_text = argument;
        return true;
    default:
        return false;
    }
}

static bool parse_seed(const char *text, uint64_t *seed, struct error *error)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 0);
    if (*text < '0' || *text > '9' || *end || errno || value > INT64_MAX)
        return error_set(error, "--seed %s: expected a number from 0 to %lld", text, (long long)INT64_MAX);
    *seed = value;
    return true;
}

bool rig_options_check(struct rig_options *options, struct error *error)
{
    if (!options->seed_text)
        options->seed = random_seed();
    else if (!parse_seed(options->seed_text, &options->seed, error))
        return false;
    if (options->trace && !output_expand_path(options->trace, options->trace_path))
        return error_set(error, "--trace %.80s...: the name is too long", options->trace);
    if (options->empty && options->card_count > 0)
        return error_set(
            error, "--empty and --card exclude each other: leave --empty out, or use 'cardrig insert' later");
    if (options->card_count > LINK_MAX_SLOTS)
        return error_set(error, "--card %s: more cards than slots (%u)", options->card[LINK_MAX_SLOTS],
                         LINK_MAX_SLOTS);
    return true;
}

static bool add_reader(struct slots *slots, const char *text, bool real_time, struct error *error)
{
    return slots_add_described(slots, text, real_time, error) ||
           error_set(error, "--reader: %s", error->text);
}

/* Returns the first empty slot for the rig's own cards, or NULL. A slot that waits for a relay's card is not
 * empty. */
static struct slot *first_empty(struct slots *slots)
{
    for (unsigned i = 0; i < slots->slot_count; i++)
        if (!slots->slot[i].card && !slots->slot[i].watch &&
            slots->slot[i].reader->options.cards == READER_OWN_CARDS)
            return &slots->slot[i];
    return NULL;
}

/* Inserts a card given as [SLOT=]CARD. Text before a '=' belongs to the card if it does not name a slot, and has a
 * comma, or the whole text names an existing file. Returns an exit status, as rig_options_insert_cards() does. */
static int add_card(struct slots *slots, const char *text, struct error *error)
{
    char slot_name[256];
    const char *equals = relay_reader(text) ? NULL : strchr(text, '='), *file = text;
    struct slot *slot = NULL;
    if (equals && (size_t)(equals - text) < sizeof slot_name) {
        snprintf(slot_name, sizeof slot_name, "%.*s", (int)(equals - text), text);
        slot = slots_find(slots, slot_name, error);
        if (slot || (!memchr(text, ',', (size_t)(equals - text)) && access(text, F_OK) != 0))
            file = equals + 1;
        if (!slot && file != text) {
            error_set(error, "--card %s: %s", text, error->text);
            return EXIT_USAGE;
        }
    }
    if (!slot && !(slot = first_empty(slots))) {
        error_set(error, "--card %s: no slot is left for it", text);
        return EXIT_USAGE;
    }
    if (!*file) {
        error_set(error, "--card %s: expected a file after the '='", text);
        return EXIT_USAGE;
    }
    if (relay_reader(file))
        return slot_insert_relay(slot, file, error) ? EXIT_OK : EXIT_RIG_FAILED;
    char *absolute = card_name_absolute(file, error);
    if (!absolute) {
        error_set(error, "--card %s", error->text);
        return EXIT_RIG_FAILED;
    }
    bool ok = slot_insert(slot, absolute, error);
    free(absolute);
    return ok ? EXIT_OK : EXIT_RIG_FAILED;
}

/* Inserts the built-in card into each token without a card, because a token always has one. */
static bool complete_tokens(struct slots *slots, struct error *error)
{
    for (struct slot *slot = slots->slot; slot < slots->slot + slots->slot_count; slot++)
        if (slot->reader->options.token && !slot->card && !slot_insert(slot, "", error))
            return false;
    return true;
}

static void log_trace_problem(void *arg, const char *line)
{
    (void)arg;
    rig_log("%s", line);
}

int rig_options_add_readers(const struct rig_options *options, struct slots *slots, struct error *error)
{
    if (options->reader_count == 0 && !add_reader(slots, "cardrig", options->real_time, error))
        return EXIT_RIG_FAILED;
    for (unsigned i = 0; i < options->reader_count; i++)
        if (!add_reader(slots, options->reader[i], options->real_time, error))
            return EXIT_USAGE;
    if (options->trace && !(slots->trace = trace_open(options->trace_path, log_trace_problem, NULL, error)))
        return EXIT_RIG_FAILED;
    return EXIT_OK;
}

int rig_options_insert_cards(const struct rig_options *options, struct slots *slots, struct error *error)
{
    for (unsigned i = 0; i < options->card_count; i++) {
        int status = add_card(slots, options->card[i], error);
        if (status != EXIT_OK)
            return status;
    }
    if (!complete_tokens(slots, error))
        return EXIT_RIG_FAILED;
    struct slot *first = first_empty(slots);
    bool done = options->empty || options->card_count > 0 || !first || slots->slot[0].card ||
                slot_insert(first, "", error);
    return done ? EXIT_OK : EXIT_RIG_FAILED;
}
