/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/furnish.h"

#include "base/output.h"
#include "cli/cli.h"
#include "icc/relay.h"
#include "rig/log.h"
#include "rig/random.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof array / sizeof array[0])

bool furnish_take_option(struct furniture *furniture, int option, const char *argument)
{
    switch (option) {
    case 'r':
        if (furniture->reader_count < COUNT(furniture->reader))
            furniture->reader[furniture->reader_count++] = argument;
        return true;
    case 'c':
        if (furniture->card_count < COUNT(furniture->card))
            furniture->card[furniture->card_count++] = argument;
        return true;
    case 'e':
        furniture->empty = true;
        return true;
    case 't':
        furniture->trace = argument;
        return true;
    case FURNISH_REAL_TIME:
        furniture->real_time = true;
        return true;
    case 's':
        furniture->seed_text = argument;
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

bool furnish_check(struct furniture *furniture, struct error *error)
{
    if (!furniture->seed_text)
        furniture->seed = random_seed();
    else if (!parse_seed(furniture->seed_text, &furniture->seed, error))
        return false;
    if (furniture->trace && !output_path(furniture->trace, furniture->trace_path))
        return error_set(error, "--trace %.80s...: the name is too long", furniture->trace);
    if (furniture->empty && furniture->card_count > 0)
        return error_set(
            error, "--empty and --card exclude each other: leave --empty out, or use 'cardrig insert' later");
    if (furniture->card_count > LINK_MAX_SLOTS)
        return error_set(error, "--card %s: more cards than slots (%u)", furniture->card[LINK_MAX_SLOTS],
                         LINK_MAX_SLOTS);
    return true;
}

static bool add_reader(struct slots *slots, const char *text, bool real_time, struct error *error)
{
    struct reader_options options;
    bool ok = reader_options_parse(text, &options, error);
    if (ok && real_time)
        reader_options_real_time(&options);
    return (ok && slots_add_reader(slots, &options, error)) || error_set(error, "--reader: %s", error->text);
}

/* NULL: there is none. */
static struct slot *first_empty(struct slots *slots)
{
    for (unsigned i = 0; i < slots->slot_count; i++)
        if (!slots->slot[i].card && !slots->slot[i].watch &&
            slots->slot[i].reader->options.cards == READER_OWN_CARDS)
            return &slots->slot[i];
    return NULL;
}

/* [SLOT=]FILE, or [SLOT=]relay=READER. What stands before '=' may be part of a file's name: only if it names a
 * slot it is one, or if the whole is no file. Returns an exit status, as furnish does. */
static int add_card(struct slots *slots, const char *text, struct error *error)
{
    char slot_name[256], absolute[PATH_MAX];
    const char *equals = relay_reader(text) ? NULL : strchr(text, '='), *file = text;
    struct slot *slot = NULL;
    if (equals && (size_t)(equals - text) < sizeof slot_name) {
        snprintf(slot_name, sizeof slot_name, "%.*s", (int)(equals - text), text);
        slot = slots_find(slots, slot_name, error);
        if (slot || !realpath(text, absolute))
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
    if (!realpath(file, absolute)) {
        error_set(error, "--card %s: %s", file, strerror(errno));
        return EXIT_RIG_FAILED;
    }
    return slot_insert(slot, absolute, error) ? EXIT_OK : EXIT_RIG_FAILED;
}

/* A token that was given no card is one with the built-in card: none is ever without. */
static bool complete_tokens(struct slots *slots, struct error *error)
{
    for (struct slot *slot = slots->slot; slot < slots->slot + slots->slot_count; slot++)
        if (slot->reader->options.token && !slot->card && !slot_insert(slot, "", error))
            return false;
    return true;
}

static void report_trace(void *arg, const char *line)
{
    (void)arg;
    rig_log("%s", line);
}

int furnish_readers(const struct furniture *furniture, struct slots *slots, struct error *error)
{
    if (furniture->reader_count == 0 && !add_reader(slots, "cardrig", furniture->real_time, error))
        return EXIT_RIG_FAILED;
    for (unsigned i = 0; i < furniture->reader_count; i++)
        if (!add_reader(slots, furniture->reader[i], furniture->real_time, error))
            return EXIT_USAGE;
    if (furniture->trace && !(slots->trace = trace_open(furniture->trace_path, report_trace, NULL, error)))
        return EXIT_RIG_FAILED;
    return EXIT_OK;
}

int furnish_cards(const struct furniture *furniture, struct slots *slots, struct error *error)
{
    for (unsigned i = 0; i < furniture->card_count; i++) {
        int status = add_card(slots, furniture->card[i], error);
        if (status != EXIT_OK)
            return status;
    }
    if (!complete_tokens(slots, error))
        return EXIT_RIG_FAILED;
    struct slot *first = first_empty(slots);
    bool done = furniture->empty || furniture->card_count > 0 || !first || slots->slot[0].card ||
                slot_insert(first, "", error);
    return done ? EXIT_OK : EXIT_RIG_FAILED;
}
