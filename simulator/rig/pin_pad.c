/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig/pin_pad.h"

#include "base/clock.h"
#include "base/names.h"
#include "rig/feature_names.h"
#include "rig/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <winscard.h> /* reader.h needs its types */

#include <reader.h>

/* While the reader asks for keys, the driver is told so at this interval, looks whether its client is still there, and
 * hangs up if not; see LINK_EXTENSION. */
#define EXTENSION_MS 100

/* What FEATURE_GET_KEY_PRESSED returns: PC/SC part 10, v2.02.08, 2.6. */
enum {
    KEY_NONE = 0x00,
    KEY_BACKSPACE = 0x08,
    KEY_CLEAR = 0x0A,
    KEY_OK = 0x0D,
    KEY_TIMEOUT = 0x0E,
    KEY_CANCEL = 0x1B,
    KEY_DIGIT = 0x2B,
    KEY_ABORTED = 0x40
};

/* One is on pages of its own, which no core dump has. All fields but the options are under the lock of the
 * slot: a reader with a PIN pad has one slot. */
struct pin_pad {
    struct pin_pad_options options;
    uint8_t keys[PIN_PAD_KEYS_MAX]; /* pressed, and not asked for yet */
    unsigned key_count;
    bool active; /* an entry has begun, and its PINs are not yet with the card */
    bool aborted;
    uint32_t card_event; /* of the card that the entry is for */
    int64_t deadline;    /* as clock_ms() counts */
    bool touched;        /* a key has been pressed in this entry */
    struct pin_entry entry;
    struct pin_request request;
    uint8_t structure[PIN_STRUCTURE_MAX]; /* the request points into it */
};

struct pin_pad *pin_pad_new(const struct pin_pad_options *options)
{
    struct pin_pad *pad = mmap(NULL, sizeof *pad, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pad == MAP_FAILED)
        return NULL;
    madvise(pad, sizeof *pad, MADV_DONTDUMP);
    pad->options = *options;
    return pad;
}

void pin_pad_free(struct pin_pad *pad)
{
    if (!pad)
        return;
    explicit_bzero(pad, sizeof *pad);
    munmap(pad, sizeof *pad);
}

/*
 * Keys
 */

bool pin_pad_press(struct reader *reader, const char *key, struct error *error)
{
    struct slot *slot = &reader->slots[0];
    struct pin_pad *pad = reader->pin_pad;
    unsigned number;
    if (!names_find(pin_key_name, key, strlen(key), &number))
        return error_set(error, "a PIN pad has the keys " PIN_KEYS_TEXT); /* not what was typed */
    pthread_mutex_lock(&slot->lock);
    bool room = pad->key_count < PIN_PAD_KEYS_MAX;
    if (room)
        pad->keys[pad->key_count++] = (uint8_t)number;
    pthread_cond_broadcast(&slot->changed);
    pthread_mutex_unlock(&slot->lock);
    return room || error_set(error, "%d keys already wait to be asked for", PIN_PAD_KEYS_MAX);
}

/* The functions from here to the next heading are called under the slot's lock. */

static bool take_key(struct pin_pad *pad, enum pin_key *key)
{
    if (pad->key_count == 0)
        return false;
    *key = pad->keys[0];
    memmove(pad->keys, pad->keys + 1, --pad->key_count);
    pad->keys[pad->key_count] = 0;
    return true;
}

static int64_t seconds_from_now(const struct pin_pad *pad, uint8_t seconds)
{
    return clock_ms() + 1000 * (seconds ? seconds : pad->options.timeout);
}

/* Takes the next key into the entry, or PIN_KEYS if its time is over. Returns false if there is nothing to do
 * yet. */
static bool advance(struct pin_pad *pad, enum pin_key *key)
{
    const struct pin_request *request = &pad->request;
    unsigned number = pad->entry.number;
    if (take_key(pad, key)) {
        if (!pad->touched)
            pad->deadline = seconds_from_now(pad, request->timeout2 ? request->timeout2 : request->timeout);
        pad->touched = true;
        pin_entry_press(&pad->entry, *key);
    } else if (clock_ms() >= pad->deadline) {
        *key = PIN_KEYS;
        pin_entry_time_out(&pad->entry);
    } else {
        return false;
    }
    if (pad->entry.number != number) { /* the time begins again with each PIN */
        pad->touched = false;
        pad->deadline = seconds_from_now(pad, request->timeout);
    }
    return true;
}

static void end_entry(struct pin_pad *pad)
{
    pad->active = false;
    pin_entry_wipe(&pad->entry);
}

/* Reads the structure and begins the entry. Returns false and sets *error if it is malformed. */
static bool begin_entry(struct pin_pad *pad, bool modifies, const uint8_t *input, size_t length,
                        uint32_t card_event, struct error *error)
{
    struct pin_request *request = &pad->request;
    end_entry(pad);
    if (length > sizeof pad->structure)
        return error_set(error, "%zu bytes: a PIN structure has at most %zu", length, sizeof pad->structure);
    memcpy(pad->structure, input, length);
    if (!pin_request_parse(request, modifies, pad->structure, length, error))
        return false;
    if (request->min < pad->options.min)
        request->min = pad->options.min;
    if (request->max > pad->options.max)
        request->max = pad->options.max;
    if (request->min > request->max)
        return error_set(error, "wPINMaxExtraDigit: this reader takes %u to %u digits", pad->options.min,
                         pad->options.max);
    pin_entry_begin(&pad->entry, request);
    pad->active = true;
    pad->aborted = pad->touched = false;
    pad->card_event = card_event;
    pad->deadline = seconds_from_now(pad, request->timeout);
    return true;
}

/* Returns whether the wait for keys must end: the card or the driver is gone, or the rig ends. */
static bool must_end(const struct slot_use *use)
{
    return use->removed || use->abandoned || use->slot->interrupted;
}

static void tell_that_it_asks(const struct slot *slot)
{
    if (slot->slots->on_pin_pad)
        slot->slots->on_pin_pad(slot->slots->arg);
}

/* Waits for a key, until the time is over, or until *extend_at. Then it is time to tell the driver that this takes
 * longer. */
static void wait_for_key(struct slot_use *use, struct pin_pad *pad, int64_t *extend_at)
{
    struct slot *slot = use->slot;
    if (clock_ms() >= *extend_at) {
        *extend_at = clock_ms() + EXTENSION_MS;
        if (use->extend && !use->extend(use)) {
            use->abandoned = true;
            return;
        }
    }
    tell_that_it_asks(slot);
    int64_t until = pad->deadline < *extend_at ? pad->deadline : *extend_at;
    struct timespec time = {.tv_sec = (time_t)(until / 1000), .tv_nsec = (long)(until % 1000) * 1000000};
    pthread_cond_timedwait(&slot->changed, &slot->lock, &time);
}

/* Waits until the entry has ended. Returns false if it must end without a result. */
static bool finish_entry(struct slot_use *use, struct pin_pad *pad)
{
    enum pin_key key;
    int64_t extend_at = 0;
    use->slot->asks_person = true;
    while (pad->entry.state == PIN_ENTRY_ASKS && !must_end(use))
        if (!advance(pad, &key))
            wait_for_key(use, pad, &extend_at);
    use->slot->asks_person = false;
    return !must_end(use);
}

/*
 * Control codes
 */

static void put_status_word(uint16_t sw, uint8_t *out, size_t *length)
{
    out[0] = (uint8_t)(sw >> 8);
    out[1] = (uint8_t)sw;
    *length = 2;
}

/* Sends the command with the PINs to the card. The trace does not show it. */
static enum ifd_result send_pins(struct slot_use *use, const uint8_t *command, size_t command_length,
                                 uint8_t *out, size_t *length)
{
    struct trace *trace = use->ifd->line.trace;
    trace_note(trace, slot_text(use->slot), 0, "a command with a PIN%s", "");
    use->ifd->line.trace = NULL;
    enum ifd_result result =
        ifd_transmit(use->ifd, IFD_RAW, command, command_length, out, LINK_MAX_RESPONSE, length);
    use->ifd->line.trace = trace;
    return result;
}

/* Waits for the PINs and does with them what the structure says. */
static enum ifd_result finish(struct slot_use *use, struct pin_pad *pad, uint8_t *out, size_t *length)
{
    uint8_t command[PIN_APDU_MAX];
    size_t command_length = 0;
    pthread_mutex_lock(&use->slot->lock);
    bool ok = finish_entry(use, pad);
    bool has_pins = ok && pad->entry.state == PIN_ENTRY_DONE;
    uint16_t sw = pin_entry_status_word(&pad->entry);
    if (has_pins) {
        const struct pin *pin = pad->entry.pin;
        command_length = pin_request_build(&pad->request, &pin[PIN_STAGE_OLD], &pin[PIN_STAGE_NEW], command);
        sw = 0x6B80; /* if there was no room */
    }
    end_entry(pad);
    pthread_mutex_unlock(&use->slot->lock);
    enum ifd_result result = ok ? IFD_RESULT_OK : IFD_RESULT_NO_CARD;
    if (command_length > 0)
        result = send_pins(use, command, command_length, out, length);
    else if (ok)
        put_status_word(sw, out, length);
    explicit_bzero(command, sizeof command);
    return result;
}

/* Begins an entry. Returns false, with 6B 80 as the output, if the structure is malformed. */
static bool begin(struct slot_use *use, struct pin_pad *pad, bool modifies, const uint8_t *input,
                  size_t input_length, uint8_t *out, size_t *length)
{
    struct error error;
    pthread_mutex_lock(&use->slot->lock);
    bool ok = begin_entry(pad, modifies, input, input_length, use->card_event, &error);
    pthread_mutex_unlock(&use->slot->lock);
    if (ok)
        return true;
    rig_log("%s: PIN pad: %s", slot_text(use->slot), error.text);
    put_status_word(0x6B80, out, length);
    return false;
}

/* FEATURE_GET_KEY_PRESSED: takes one key. */
static uint8_t get_key_pressed(struct pin_pad *pad)
{
    static const uint8_t codes[] = {[PIN_KEY_OK] = KEY_OK,
                                    [PIN_KEY_CANCEL] = KEY_CANCEL,
                                    [PIN_KEY_CLEAR] = KEY_CLEAR,
                                    [PIN_KEY_BACKSPACE] = KEY_BACKSPACE};
    enum pin_key key;
    if (pad->aborted)
        return KEY_ABORTED;
    if (pad->entry.state == PIN_ENTRY_TIMED_OUT)
        return KEY_TIMEOUT;
    if (!pad->active || pad->entry.state != PIN_ENTRY_ASKS || !advance(pad, &key))
        return KEY_NONE;
    return key == PIN_KEYS ? KEY_TIMEOUT : key <= 9 ? KEY_DIGIT : codes[key];
}

static void abort_entry(struct pin_pad *pad)
{
    if (!pad->active)
        return;
    pin_entry_cancel(&pad->entry);
    pad->aborted = true;
}

static enum ifd_result put_pin_properties(const struct pin_pad *pad, uint8_t *out, size_t *length)
{
    const struct pin_pad_options *options = &pad->options;
    /* wLcdLayout, bEntryValidationCondition, bTimeOut2 */
    const uint8_t properties[] = {options->characters, options->lines, PIN_PAD_CONDITIONS, 1};
    memcpy(out, properties, *length = sizeof properties);
    return IFD_RESULT_OK;
}

static enum ifd_result put_display_properties(const struct pin_pad *pad, uint8_t *out, size_t *length)
{
    /* wLcdMaxCharacters, wLcdMaxLines */
    const uint8_t properties[] = {pad->options.characters, 0, pad->options.lines, 0};
    memcpy(out, properties, *length = sizeof properties);
    return IFD_RESULT_OK;
}

/* The features START, FINISH, GET_KEY_PRESSED and ABORT. */
static enum ifd_result control_started(struct slot_use *use, struct pin_pad *pad, unsigned feature,
                                       const uint8_t *input, size_t input_length, uint8_t *out,
                                       size_t *length)
{
    bool modifies = feature == FEATURE_MODIFY_PIN_START || feature == FEATURE_MODIFY_PIN_FINISH;
    *length = 0;
    if (feature == FEATURE_VERIFY_PIN_START || feature == FEATURE_MODIFY_PIN_START) {
        if (begin(use, pad, modifies, input, input_length, out, length))
            tell_that_it_asks(use->slot);
        return IFD_RESULT_OK;
    }
    pthread_mutex_lock(&use->slot->lock);
    if (feature == FEATURE_GET_KEY_PRESSED)
        out[(*length)++] = get_key_pressed(pad);
    else if (feature == FEATURE_ABORT)
        abort_entry(pad);
    bool is_started = pad->active && pad->request.modifies == modifies && pad->card_event == use->card_event;
    pthread_mutex_unlock(&use->slot->lock);
    if (feature == FEATURE_GET_KEY_PRESSED || feature == FEATURE_ABORT)
        return IFD_RESULT_OK;
    return is_started ? finish(use, pad, out, length) : IFD_RESULT_GARBLED;
}

bool pin_pad_ask(struct slot_use *use, uint32_t card_event, bool modifies, const uint8_t *structure,
                 size_t structure_length, uint8_t *out, size_t *length, enum ifd_result *result)
{
    struct pin_pad *pad = use->slot->reader->pin_pad;
    if (!pad)
        return false;
    *length = 0;
    if (!use->card || card_event != use->card_event) /* the card that it was for is gone */
        *result = IFD_RESULT_NO_CARD;
    else if (begin(use, pad, modifies, structure, structure_length, out, length))
        *result = finish(use, pad, out, length);
    else
        *result = IFD_RESULT_OK;
    return true;
}

bool pin_pad_control(struct slot_use *use, uint32_t card_event, uint32_t code, const uint8_t *input,
                     size_t input_length, uint8_t *out, size_t *length, enum ifd_result *result)
{
    struct pin_pad *pad = use->slot->reader->pin_pad;
    unsigned feature = code - FEATURE_CODE(0);
    if (!pad || !pin_pad_has_feature(&pad->options, feature))
        return false;
    *length = 0;
    if (feature == FEATURE_IFD_PIN_PROPERTIES) {
        *result = put_pin_properties(pad, out, length);
    } else if (feature == FEATURE_IFD_DISPLAY_PROPERTIES) {
        *result = put_display_properties(pad, out, length);
    } else if (feature == FEATURE_VERIFY_PIN_DIRECT || feature == FEATURE_MODIFY_PIN_DIRECT) {
        pin_pad_ask(use, card_event, feature == FEATURE_MODIFY_PIN_DIRECT, input, input_length, out, length,
                    result);
    } else if (!use->card || card_event != use->card_event) {
        *result = IFD_RESULT_NO_CARD;
    } else {
        *result = control_started(use, pad, feature, input, input_length, out, length);
    }
    return true;
}

void pin_pad_reset(const struct slot_use *use)
{
    struct pin_pad *pad = use->slot->reader->pin_pad;
    if (!pad)
        return;
    pthread_mutex_lock(&use->slot->lock);
    end_entry(pad);
    pthread_mutex_unlock(&use->slot->lock);
}

/*
 * What a person sees
 */

/* The messages by their index, PC/SC part 10. */
static const char *message_text(const struct pin_pad *pad)
{
    static const char *const texts[] = {"Enter PIN", "Enter new PIN", "Confirm new PIN"};
    unsigned number = pad->entry.number;
    uint8_t index = number < PIN_MESSAGES ? pad->request.message[number] : PIN_NO_MESSAGE;
    return index < sizeof texts / sizeof texts[0] ? texts[index] : "";
}

void pin_pad_view(struct reader *reader, struct pin_pad_view *view)
{
    struct pin_pad *pad = reader->pin_pad;
    struct slot *slot = &reader->slots[0];
    *view = (struct pin_pad_view){0};
    pthread_mutex_lock(&slot->lock);
    bool asks = pad->active && pad->entry.state == PIN_ENTRY_ASKS && pad->card_event == slot->card_event;
    view->asks = asks && pad->key_count == 0;
    if (asks && pad->options.lines > 0) {
        int width =
            pad->options.characters < PIN_PAD_LINE_MAX ? pad->options.characters : PIN_PAD_LINE_MAX - 1;
        snprintf(view->line[0], PIN_PAD_LINE_MAX, "%.*s", width, message_text(pad));
        for (unsigned i = 0; i < pad->entry.typed && i < (unsigned)width; i++)
            view->line[1][i] = '*';
    }
    pthread_mutex_unlock(&slot->lock);
}
