/* SPDX-License-Identifier: BSD-3-Clause */
/* The options of `cardrig run` and `cardrig serve` for readers, cards, seed and trace. */
#ifndef CARDRIG_CLI_RIG_OPTIONS_H
#define CARDRIG_CLI_RIG_OPTIONS_H

#include "base/error.h"
#include "cli/options.h"
#include "rig/slot.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The strings point into argv. */
struct rig_options {
    const char *reader[LINK_MAX_SLOTS + 1]; /* one over the limit, so that slots_add_reader can refuse it */
    unsigned reader_count;
    const char *card[LINK_MAX_SLOTS + 1]; /* [SLOT=]FILE or [SLOT=]relay=READER */
    unsigned card_count;
    bool empty;
    bool real_time;        /* for all readers whose options do not say otherwise */
    const char *trace;     /* NULL: none */
    const char *seed_text; /* NULL: not given */
    /* set by rig_options_check */
    char trace_path[PATH_MAX];
    uint64_t seed;
};

/* The options, and the description of the keys of --reader for the help text. */
extern const struct option_entry rig_options_list[];
extern const char rig_options_keys_help[];

/* Stores an option with its argument. Returns false if the option is not in rig_options_list. */
bool rig_options_take(struct rig_options *options, int option, const char *argument);

/* Checks the options and their combination, and sets trace_path and seed. The seed is random if none was
 * given. Returns false and sets *error on failure. */
bool rig_options_check(struct rig_options *options, struct error *error);

/* Both functions below return EXIT_OK on success. Otherwise they set *error and return EXIT_USAGE if an
 * option is wrong, or EXIT_RIG_FAILED if a file or card that it names cannot be used. */

/* Adds the readers, or one reader named "cardrig" if none is given, and opens the trace, which slots then
 * owns. */
int rig_options_add_readers(const struct rig_options *options, struct slots *slots, struct error *error);

/* Inserts the cards. Each token that no card is given for gets the built-in card. Without --card and --empty,
 * the first slot for the rig's own cards gets the built-in card as well, unless slot 0 has a card already. */
int rig_options_insert_cards(const struct rig_options *options, struct slots *slots, struct error *error);

#endif
