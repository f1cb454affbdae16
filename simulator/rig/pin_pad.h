/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The PIN pad of a reader: PC/SC part 10. Keys are pressed from any thread, before the reader asks for a PIN
 * or while it does. The thread that serves the reader's slot waits for them.
 *
 * Keys and PINs are in no log, trace or status, and are overwritten when they are no longer needed.
 */
#ifndef CARDRIG_RIG_PIN_PAD_H
#define CARDRIG_RIG_PIN_PAD_H

#include "base/error.h"
#include "ifd/pin_entry.h"
#include "rig/pin_pad_options.h"
#include "rig/slot.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PIN_PAD_KEYS_MAX  128 /* that wait to be asked for */
#define PIN_PAD_LINES_MAX 2
#define PIN_PAD_LINE_MAX  64 /* bytes of a line of the display, with its NUL */

struct pin_pad;

/* Returns NULL if there is no memory. */
struct pin_pad *pin_pad_new(const struct pin_pad_options *options);
void pin_pad_free(struct pin_pad *pad);

/* Within a use of the reader's slot: carries out a control code of the PIN pad. card_event is that of the
 * request. May wait for keys. Returns false if it is not one of its codes. Otherwise sets *result, and the
 * output. */
bool pin_pad_control(struct slot_use *use, uint32_t card_event, uint32_t code, const uint8_t *input,
                     size_t input_length, uint8_t *out, size_t *length, enum ifd_result *result);

/* Within a use: the same for a structure, whatever the code is with which it comes. Returns false if the
 * reader has no PIN pad. */
bool pin_pad_ask(struct slot_use *use, uint32_t card_event, bool modifies, const uint8_t *structure,
                 size_t structure_length, uint8_t *out, size_t *length, enum ifd_result *result);

/* Within a use: ends an entry that has been started and not finished, as a reset of the card does. */
void pin_pad_reset(const struct slot_use *use);

/* Presses the key of that name (ifd/pin_entry.h). Returns false and sets *error if there
 * is no such key, or too many are waiting. */
bool pin_pad_press(struct reader *reader, const char *key, struct error *error);

/* What a person sees. */
struct pin_pad_view {
    bool asks; /* for a PIN, and no key is waiting */
    char line[PIN_PAD_LINES_MAX][PIN_PAD_LINE_MAX];
};
void pin_pad_view(struct reader *reader, struct pin_pad_view *view);

#endif
