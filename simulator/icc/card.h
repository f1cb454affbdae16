/*
 * Cards: what is on the card side of the contacts, from the command APDU inwards. A card is a Lua script with
 * its state; DESIGN section 6 and fixtures/cards show what such a script looks like. Cards know nothing of
 * transmission protocols, readers or time.
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
 * Not thread-safe: all cards of a process belong to one thread. The callbacks must not call functions of this
 * header, and must return.
 */
#ifndef ICC_CARD_H
#define ICC_CARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "icc/fault.h"
#include "iso7816/apdu.h"
#include "iso7816/atr.h"

/* the longest response: 65,536 bytes of data and the status word */
#define CARD_DATA_MAX     APDU_NE_MAX
#define CARD_RESPONSE_MAX (CARD_DATA_MAX + 2u)

struct card; /* one card: a script with its state */

enum card_power {
    CARD_COLD, /* activation, with a cold reset */
    CARD_WARM, /* a warm reset */
    CARD_OFF   /* deactivation */
};

/* What a card gets from its rig. */
struct card_host {
    void *arg; /* handed to the functions */
    /* Fills buf with len random bytes, for math.random and random() in scripts. Required. */
    void (*random)(void *arg, uint8_t *buf, size_t len);
    /*
     * One line, no newline, at most 1,023 bytes, no control characters: what the script prints (at most 1,000
     * lines per call), and what was wrong with a call. NULL if nobody wants to know.
     */
    void (*log)(void *arg, const char *line);
};

/*
 * Loads the script in the file `path` (a regular file of at most 4 MiB), runs it, and checks the table that
 * it returns, all of it. `host` is copied; host->random and host->log can be called from here on.
 *
 * Returns the card, to be freed with card_free(). It has had no power yet. Returns NULL when the file cannot
 * be read, or anything in it is wrong, or memory is short: then `error` holds one line for people,
 * "file:line: reason", with the path as given (without the line when the file could not be read), cut to fit
 * error_size (256 is plenty; at least 8).
 */
struct card *card_load_file(const char *path, const struct card_host *host, char *error, size_t error_size);

/*
 * The same for a script in memory: `len` bytes at `text`, which are not needed any longer afterwards.
 * `chunk_name` takes the place of the path in messages, and of the file name when the script gives no name.
 */
struct card *card_load_text(const char *chunk_name, const char *text, size_t len,
                            const struct card_host *host, char *error, size_t error_size);

/* The same for the card that is built in (builtin.lua). */
struct card *card_load_builtin(const struct card_host *host, char *error, size_t error_size);

/* The text of builtin.lua, as an example to show; it ends with a NUL that `len` does not count. Static. */
const char *card_builtin_text(size_t *len);

/* Frees the card without asking the script. NULL is allowed. */
void card_free(struct card *card);

/* The card's name: UTF-8, 1 to 128 bytes, no control characters. Lives as long as the card. Also of a dead
 * card. */
const char *card_name(const struct card *card);

/*
 * The ATR after a cold or a warm reset (for CARD_OFF: none, *len is 0), as the script has it, without running
 * anything. Always one that atr_parse() accepts, so at most ATR_MAX bytes. Lives as long as the card. Also of
 * a dead card.
 */
const uint8_t *card_atr(const struct card *card, enum card_power how, size_t *len);

/* t1.ifsc of the script, 1 to 254; 0 if it has none. */
uint8_t card_t1_ifsc(const struct card *card);

/* The faults that the script, or somebody else, has asked for. They live as long as the card. */
struct faults *card_faults(struct card *card);

/* Is the card dead, so that only another card_load_…() brings it back? */
bool card_dead(const struct card *card);

/*
 * Runs the script's on_power, if it has one, with "cold", "warm" or "off", and puts the ATR of the reset into
 * `atr`. An error in on_power is logged, and has no other consequence. *atr_len is 0 for CARD_OFF, and for a
 * card that is dead (now, or since an earlier call): such a card is mute.
 */
void card_power(struct card *card, enum card_power how, uint8_t atr[ATR_MAX], size_t *atr_len);

/*
 * Gives one command APDU to the card and takes its response APDU, data and status word: *resp_len is 2 to
 * CARD_RESPONSE_MAX. `resp` has room for `resp_cap` bytes, CARD_RESPONSE_MAX if nothing is to be missed, at
 * least 2. `resp` and `cmd` must not overlap.
 *
 * What the script does not decide: a command that apdu_decode() cannot read is answered 67 00, whatever the
 * patterns of the script; one that no pattern matches, 6D 00; and 6F 00 comes when the script fails, gives
 * something else than an answer, or gives one that does not fit `resp`, with the reason in the log.
 *
 * *resp_len 0 means that the card does not answer: it is dead (now, or since an earlier call).
 */
void card_command(struct card *card, const uint8_t *cmd, size_t len, uint8_t *resp, size_t resp_cap,
                  size_t *resp_len);

#endif
