/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cards that are Lua scripts, each with its state; fixtures/cards and the README show what such a script
 * looks like.
 *
 * A script cannot harm the program: it has no way to files, processes or the network. A card has at most 16
 * MiB of memory (a string that is built needs its size twice for a moment), and a call 10 million Lua
 * instructions and about one second of CPU time. A call that uses up any of these fails, and the card goes on
 * with the next command. Only when a function of Lua's libraries keeps the processor for itself is it left in
 * the middle, after about two seconds of CPU time, and the card is then dead: it has no ATR and does not
 * answer any more. See watchdog.h for the signal that this takes, and the few things to know about it.
 *
 * With the same random numbers from the host a card does the same in every run, with these exceptions: the
 * order of next(), and what tostring() and %p say about tables, functions and threads. (pairs() goes in a
 * fixed order: numbers, then strings, each ascending, then the rest.)
 *
 * host->random is for math.random and random() in scripts; host->log gets what the script prints (at most
 * 1,000 lines per call), and what was wrong with a call. These callbacks must not call functions of this
 * header or of card.h, and must return. Cards of several threads may call them at once.
 *
 * What the script does not decide: a command that apdu_decode() cannot read is answered 67 00, whatever the
 * patterns of the script; one that no pattern matches, 6D 00; and 6F 00 comes when the script fails, gives
 * something else than an answer, or gives one that does not fit, with the reason in the log. An answer of
 * more than Ne bytes becomes Ne bytes and 61 XX, and the rest waits for GET RESPONSE (response.h). An error
 * in on_power is logged, and has no other consequence. The ATRs are ones that atr_parse() accepts, unless
 * the script says as_is"...".
 */
#ifndef CARDRIG_ICC_SCRIPT_CARD_H
#define CARDRIG_ICC_SCRIPT_CARD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "icc/card.h"

/*
 * Loads the script in the file `path` (a regular file of at most 4 MiB), runs it, and checks the table that
 * it returns, all of it. `host` is copied; host->random and host->log can be called from here on.
 *
 * Returns the card, to be freed with card_free(). It has had no power yet. Returns NULL when the file cannot
 * be read, or anything in it is wrong, or memory is short: then `error` holds one line for people,
 * "file:line: reason", with the path as given (without the line when the file could not be read).
 */
struct card *card_load_file(const char *path, const struct card_host *host, struct error *error);

/*
 * The same for a script in memory: `length` bytes at `text`, which are not needed any longer afterwards.
 * `chunk_name` takes the place of the path in messages, and of the file name when the script gives no name.
 */
struct card *card_load_text(const char *chunk_name, const char *text, size_t length,
                            const struct card_host *host, struct error *error);

/* The same for the card that is built in (builtin.lua). */
struct card *card_load_builtin(const struct card_host *host, struct error *error);

/* The text of builtin.lua, as an example to show; it ends with a NUL that `length` does not count. Static. */
const char *card_builtin_text(size_t *length);

/* Is the card, which is a script, dead, so that only another card_load_...() brings it back? */
bool card_dead(const struct card *card);

#endif
