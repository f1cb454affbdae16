/* SPDX-License-Identifier: BSD-3-Clause */
/* What a rig starts with, as the command line has it: readers, cards, seed and trace, for `cardrig run` and
 * `serve`. */
#ifndef CARDRIG_CLI_FURNISH_H
#define CARDRIG_CLI_FURNISH_H

#include "base/error.h"
#include "rig/slot.h"

#include <limits.h>
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
    bool real_time;        /* of all readers that do not say otherwise */
    const char *trace;     /* NULL: none */
    const char *seed_text; /* NULL: not given */
    /* filled in by furnish_check */
    char trace_path[PATH_MAX];
    uint64_t seed;
};

/* The options, for getopt_long's lists and for help texts. */
#define FURNISH_SHORT_OPTIONS "r:c:et:s:"
enum { FURNISH_REAL_TIME = 0x1000 }; /* has no short one */
#define FURNISH_LONG_OPTIONS                                                                                 \
    {"reader", required_argument, NULL, 'r'}, {"card", required_argument, NULL, 'c'},                        \
        {"empty", no_argument, NULL, 'e'}, {"trace", required_argument, NULL, 't'},                          \
        {"real-time", no_argument, NULL, FURNISH_REAL_TIME},                                                 \
    {                                                                                                        \
        "seed", required_argument, NULL, 's'                                                                 \
    }

/* Beside them in a help text: what is ours in 80 columns. */
#define FURNISH_HELP                                                                                         \
    "  -r, --reader NAME[,KEY[=VALUE]]...\n"                                                                 \
    "                          a reader, and what is special about it (see below);\n"                        \
    "                          may be repeated: 16 slots in all, or 255 with a pcscd\n"                      \
    "                          from 2.5.0 on\n"                                                              \
    "  -c, --card [SLOT=]FILE  put the card script FILE into a slot: a number, READER\n"                     \
    "                          or READER/NUMBER; without SLOT into the first that is\n"                      \
    "                          still empty; may be repeated\n"                                               \
    "  -c, --card [SLOT=]relay=READER\n"                                                                     \
    "                          the same with the card in a reader of another PC/SC\n"                        \
    "                          service: the machine's own, or another rig's\n"                               \
    "  -e, --empty             start with empty slots; 'cardrig insert' fills them\n"                        \
    "  -t, --trace FILE        write each character that goes over the contacts to\n"                        \
    "                          FILE, as text; %p in its name is the process number\n"                        \
    "      --real-time         the card's time is real: a slow card is slow, and\n"                          \
    "                          all as slow as with a real reader: time=real\n"                               \
    "  -s, --seed N            the seed of all that is random, to repeat a run\n"
#define FURNISH_KEYS_HELP                                                                                    \
    "Keys of a reader ('man cardrig-reader' says more). A comma in a name or value is\n"                     \
    "written twice: vendor=Foo,, Inc.\n\n"                                                                   \
    "  slots=N                 the number of its slots, 1 to 255 (1)\n"                                      \
    "  level=tpdu              with T=0 the application sees TPDUs, with their 61XX\n"                       \
    "                          and 6CXX (apdu)\n"                                                            \
    "  le=refuse               with level=tpdu an Le behind data is refused (drop)\n"                        \
    "  tck=check, tck=ignore   an ATR with a wrong TCK is refused, or accepted\n"                            \
    "  time=real               the card's time is real (virtual)\n"                                          \
    "  get-response=command    with T=0 GET RESPONSE has the command's class; or HH,\n"                      \
    "                          this class (00, with the command's logical channel)\n"                        \
    "  vendor=TEXT, type=TEXT, serial=TEXT, version=A.B.C, attribute=TAG:HEX\n"                              \
    "                          what it tells of itself\n"                                                    \
    "  vpcd[=[HOST:]PORT]      its cards are vpcd's: they connect to it\n"                                   \
    "  vpcd-connect=HOST:PORT  its cards are vpcd's: it connects to them\n"                                  \
    "  from=ADDRESS[/BITS]     where vpcd's cards may come from, if not from this\n"                         \
    "                          machine; any: from everywhere\n"                                              \
    "  timeout=MS              how long an answer of a vpcd card may take (60000)\n"                         \
    "  usb[=VVVV:PPPP]         it is on USB, with these IDs; see 'cardrig plug'\n"                           \
    "  interface=TEXT          on USB: the name of its interface\n"                                          \
    "  token                   on USB: it and its card are one\n"                                            \
    "  unplugged               on USB: it is not plugged in at first\n"

/* Takes an option in. False: it is none of ours. */
bool furnish_take_option(struct furniture *furniture, int option, const char *argument);

/* Whether the options make sense, alone and together; else error. Sets the seed, by chance if none was given.
 */
bool furnish_check(struct furniture *furniture, struct error *error);

/* Both return EXIT_OK, EXIT_USAGE where the options are wrong, or EXIT_RIG_FAILED where a file that they name
 * is, with error. */

/* Adds the readers, and opens the trace, which is the slots' then. Without readers there is one, "cardrig". */
int furnish_readers(const struct furniture *furniture, struct slots *slots, struct error *error);

/* Puts the cards in. Without cards the built-in card is in the first slot. */
int furnish_cards(const struct furniture *furniture, struct slots *slots, struct error *error);

#endif
