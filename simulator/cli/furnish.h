/* What a rig starts with, as the command line has it: readers, cards, seed and trace, for `cardrig run` and
 * `serve`. */
#ifndef CARDRIG_CLI_FURNISH_H
#define CARDRIG_CLI_FURNISH_H

#include "rig/slot.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What was said; the strings are argv's. */
struct furniture {
    const char *reader[LINK_MAX_SLOTS + 1]; /* one more, so that slots_add_reader can refuse it */
    unsigned reader_count;
    const char *card[LINK_MAX_SLOTS + 1]; /* [SLOT=]FILE */
    unsigned card_count;
    bool empty;
    const char *trace;     /* NULL: none */
    const char *seed_text; /* NULL: not given */
    uint64_t seed;         /* of furnish_check */
};

/* The options, for getopt_long's lists and for help texts. */
#define FURNISH_SHORT_OPTIONS "r:c:et:s:"
#define FURNISH_LONG_OPTIONS                                                                                 \
    {"reader", required_argument, NULL, 'r'}, {"card", required_argument, NULL, 'c'},                        \
        {"empty", no_argument, NULL, 'e'}, {"trace", required_argument, NULL, 't'},                          \
    {                                                                                                        \
        "seed", required_argument, NULL, 's'                                                                 \
    }

/* Takes an option in. False: it is none of ours. */
bool furnish_take_option(struct furniture *furniture, int option, const char *argument);

/* Whether the options make sense, alone and together; else error. Sets the seed, by chance if none was given.
 */
bool furnish_check(struct furniture *furniture, char *error, size_t error_size);

/* Opens the trace, which is the slots' then, adds the readers, and puts the cards in. Without readers there
 * is one, "cardrig", and without cards the built-in card is in the first slot. */
bool furnish(const struct furniture *furniture, struct slots *slots, char *error, size_t error_size);

#endif
