/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as a PIN structure, any keys, and the command that they make. The first byte chooses the
 * structure and says how many keys follow. */
#include "base/error.h"
#include "fuzz.h"

#include "ifd/pin_entry.h"

static void check_request(const struct pin_request *request)
{
    CHECK(request->min <= request->max && request->max > 0 && request->max <= PIN_DIGITS_MAX);
    CHECK(request->conditions >= 1 && request->conditions <= 7);
    CHECK(request->format <= PIN_ASCII && request->block_size <= 15 && request->length_size <= 15);
}

/* Enters PINs by any keys; returns whether they are there. */
static bool enter(struct pin_entry *entry, const struct pin_request *request, const uint8_t *keys,
                  size_t count)
{
    pin_entry_begin(entry, request);
    for (size_t i = 0; i < count; i++) {
        unsigned key = keys[i] % (PIN_KEYS + 1u);
        if (key == PIN_KEYS)
            pin_entry_time_out(entry);
        else
            pin_entry_press(entry, (enum pin_key)key);
    }
    for (unsigned stage = 0; stage < PIN_STAGES; stage++)
        CHECK(entry->pin[stage].length <= request->max);
    return entry->state == PIN_ENTRY_DONE;
}

static void check_command(const struct pin_request *request, const struct pin_entry *entry)
{
    uint8_t *out = malloc(PIN_APDU_MAX);
    CHECK(out);
    size_t length = pin_request_build(request, &entry->pin[PIN_STAGE_OLD], &entry->pin[PIN_STAGE_NEW], out);
    CHECK(length == 0 || (length >= 4 && length <= PIN_APDU_MAX));
    if (length > 6)
        CHECK(out[4] == length - 5 - request->has_le);
    if (request->data_length > 0) /* the entry takes no more digits than there is room for */
        CHECK(length == 5u + request->data_length + request->has_le);
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pin_request request;
    struct pin_entry entry;
    struct error error;
    size_t keys = size ? data[0] >> 1 : 0;
    if (size < 1 + keys)
        return 0;
    size_t length = size - 1 - keys;
    uint8_t *structure = malloc(length + !length);
    CHECK(structure);
    memcpy(structure, data + 1 + keys, length);
    memset(&error, 'x', sizeof error);
    if (pin_request_parse(&request, data[0] & 1, structure, length, &error)) {
        check_request(&request);
        if (enter(&entry, &request, data + 1, keys))
            check_command(&request, &entry);
    } else {
        CHECK(memchr(error.text, '\0', sizeof error.text) && error.text[0] != 'x');
    }
    free(structure);
    return 0;
}
