/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cards that are Lua scripts, each with its own state. See fixtures/cards and the README for examples of
 * scripts.
 *
 * A script cannot harm the program: it has no access to files, processes or the network. A card has at most
 * 16 MiB of memory; to build a string takes twice its size for a moment. A call has 10 million Lua
 * instructions and about one second of CPU time. A call that exceeds one of these limits fails, and the card
 * continues with the next command. If a call spends its time inside one function of Lua's libraries, it is
 * aborted after about two seconds of CPU time, and the card is dead from then on: it answers neither resets
 * nor commands. watchdog.h describes the signal that this needs.
 *
 * With the same random numbers from the host, a card behaves the same in every run. Exceptions are the order
 * of next(), and the output of tostring() and %p for tables, functions and threads. pairs() uses a fixed
 * order: numbers, then strings, each ascending, then other keys.
 *
 * math.random and random() in scripts use host->random. host->log gets what the script prints, at most 1,000
 * lines per call, and the errors of calls. These callbacks must not call functions of this header or of
 * card.h, and must return. Cards in different threads may call them at the same time.
 *
 * The script has no influence on these: the card answers 67 00 to a command that apdu_decode() rejects, and
 * 6D 00 to a command that no pattern matches. It answers 6F 00, and logs the reason, if the script fails,
 * returns something that is not an answer, or returns an answer that is too long. An answer with more than
 * Ne bytes of data becomes Ne bytes and 61 XX; GET RESPONSE fetches the rest (response.h). An error in
 * on_power is logged and has no other effect. atr_parse() accepts the ATRs, unless the script uses
 * as_is"...".
 */
#ifndef CARDRIG_ICC_SCRIPT_CARD_H
#define CARDRIG_ICC_SCRIPT_CARD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "icc/card.h"

struct script;

/*
 * Loads the card that text names (card_name.h): a ready card, or the script in a regular file of at most 4 MiB.
 * Runs the script, and checks the whole table that it returns. Copies host; host->random and host->log may be
 * called from now on.
 *
 * Returns the card, not powered; the caller frees it with card_free(). Returns NULL if there is no such card, the
 * file cannot be read, anything in it is wrong, or memory runs out. error then holds one line for the user,
 * "path:line: reason", or "path: reason" if the file cannot be read.
 */
struct card *card_load(const char *text, const struct card_host *host, struct error *error);

/*
 * Loads a script from memory: length bytes at text, which may be freed afterwards. chunk_name replaces the
 * path in messages. It also provides the card's name if the script gives none.
 */
struct card *card_load_text(const char *chunk_name, const char *text, size_t length,
                            const struct card_host *host, struct error *error);

/* Returns what the script of the card declares. Valid as long as the card, and not if it is dead (card_dead). */
const struct script *card_script(const struct card *card);

/* Loads the built-in card (builtin.lua). */
struct card *card_load_builtin(const struct card_host *host, struct error *error);

/* Returns the text of builtin.lua, to be shown as an example. It is static, and ends with a NUL that *length
 * does not count. */
const char *card_builtin_text(size_t *length);

/* Returns whether the card is dead (see above). A dead card has to be loaded again. card must be a script
 * card. */
bool card_dead(const struct card *card);

#endif
