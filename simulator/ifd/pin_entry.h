/* SPDX-License-Identifier: BSD-3-Clause */
/* The entry of PINs at a PIN pad, key by key, as in PC/SC part 10. Pure: the caller has the keys and the
 * clock. */
#ifndef CARDRIG_IFD_PIN_ENTRY_H
#define CARDRIG_IFD_PIN_ENTRY_H

#include "ifd/pin_request.h"

/* 0 to 9 are the digits. */
enum pin_key { PIN_KEY_OK = 10, PIN_KEY_CANCEL, PIN_KEY_CLEAR, PIN_KEY_BACKSPACE, PIN_KEYS };

#define PIN_KEYS_TEXT "0 to 9, ok, cancel, clear and backspace" /* for people */

/* For base/names.h: the name of a key, or NULL after the last one. */
const char *pin_key_name(unsigned key);

enum pin_entry_state {
    PIN_ENTRY_ASKS,       /* for more keys */
    PIN_ENTRY_DONE,       /* the PINs are there */
    PIN_ENTRY_TIMED_OUT,  /* 64 00 */
    PIN_ENTRY_CANCELLED,  /* 64 01 */
    PIN_ENTRY_DIFFERENT,  /* 64 02: the new PIN and its repetition differ */
    PIN_ENTRY_BAD_LENGTH, /* 64 03: shorter or longer than the structure allows */
};

enum pin_stage { PIN_STAGE_OLD, PIN_STAGE_NEW, PIN_STAGE_REPEATED, PIN_STAGES };

struct pin_entry {
    enum pin_entry_state state;
    uint8_t min, max, conditions;
    bool confirms;
    enum pin_stage stage;       /* that is being entered */
    unsigned number;            /* of the entry, from 0 */
    unsigned typed;             /* digits of it; those above max are not kept */
    struct pin pin[PIN_STAGES]; /* a PIN to verify is the new one */
};

/* Begins the entry that the request asks for. */
void pin_entry_begin(struct pin_entry *entry, const struct pin_request *request);

/* Overwrites it. The entry then asks for nothing. */
void pin_entry_wipe(struct pin_entry *entry);

/* Takes a key. Changes nothing if the entry has ended. */
void pin_entry_press(struct pin_entry *entry, enum pin_key key);

/* The time is over. */
void pin_entry_time_out(struct pin_entry *entry);

/* Cancels it, as the key does. */
void pin_entry_cancel(struct pin_entry *entry);

/* Returns the status word of an entry that has ended without PINs. */
uint16_t pin_entry_status_word(const struct pin_entry *entry);

#endif
