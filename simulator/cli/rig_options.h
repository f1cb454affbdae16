/* SPDX-License-Identifier: BSD-3-Clause */
/* What a rig starts with: the options for readers, cards, seed and trace, of `cardrig run` and `cardrig
 * serve`. */
#ifndef CARDRIG_CLI_RIG_OPTIONS_H
#define CARDRIG_CLI_RIG_OPTIONS_H

#include "base/error.h"
#include "cli/options.h"
#include "rig/slot.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The strings are argv's. */
struct rig_options {
    const char *reader[LINK_MAX_SLOTS + 1]; /* one more, so that slots_add_reader can refuse it */
    unsigned reader_count;
    const char *card[LINK_MAX_SLOTS + 1]; /* [SLOT=]FILE */
    unsigned card_count;
    bool empty;
    bool real_time;        /* of all readers that do not say otherwise */
    const char *trace;     /* NULL: none */
    const char *seed_text; /* NULL: not given */
    /* set by rig_options_check */
    char trace_path[PATH_MAX];
    uint64_t seed;
};

/* The options, and the keys of --reader for the end of a help text. */
extern const struct option_entry rig_options_list[];
extern const char rig_options_keys_help[];

/* Takes an option of the list. False: it is not in the list. */
bool rig_options_take(struct rig_options *options, int option, const char *argument);

/* Checks the options, alone and together, and sets the seed: a random one if none was given. False with
 * error. */
bool rig_options_check(struct rig_options *options, struct error *error);

/* Both return EXIT_OK, or with error EXIT_USAGE (an option is wrong) or EXIT_RIG_FAILED (a file that it
 * names is). */

/* Adds the readers, and opens the trace, which is the slots' then. Without readers there is one, "cardrig".
 */
int rig_options_add_readers(const struct rig_options *options, struct slots *slots, struct error *error);

/* Puts the cards in. Without cards the built-in card is in the first slot. */
int rig_options_insert_cards(const struct rig_options *options, struct slots *slots, struct error *error);

#endif
