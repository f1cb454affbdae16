/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as a command APDU: what is decoded is encoded to the same bytes; what is encoded is decoded to
 * the same fields. */
#include "apdu_text.h"
#include "fuzz.h"

#include "iso7816/apdu.h"

static void check_decoding(const uint8_t *data, size_t size)
{
    struct apdu_command command;
    struct apdu_error error;
    char text[256];
    enum apdu_result result = apdu_decode(data, size, &command, &error);
    CHECK(result == error.result && error.position <= size);
    size_t length = apdu_error_text(&error, text, sizeof text);
    CHECK(length < sizeof text && strlen(text) == length && (length > 0 || result == APDU_OK));
    if (size > 0) {
        size_t capacity = data[0];
        char *small = malloc(capacity ? capacity : 1);
        CHECK(small && apdu_error_text(&error, small, capacity) == length);
        CHECK(capacity == 0 || (strlen(small) < capacity && strncmp(small, text, strlen(small)) == 0));
        free(small);
    }
    if (result != APDU_OK) {
        CHECK(command.data == NULL && command.nc == 0 && command.ne == 0);
        return;
    }
    CHECK(command.nc <= APDU_NC_MAX && command.ne <= APDU_NE_MAX && command.nc < size);
    CHECK(command.nc == 0 ? command.data == NULL
                          : command.data >= data && command.data + command.nc <= data + size);
    CHECK(strlen(apdu_case_name(command.kind)) <= 2);

    uint8_t *again = malloc(size);
    size_t again_length;
    CHECK(again && apdu_encode(&command, again, size, &again_length) == APDU_OK);
    CHECK(again_length == size && memcmp(again, data, size) == 0);
    /* where it is, as the header allows */
    command.data = command.nc ? again + (command.data - data) : NULL;
    CHECK(apdu_encode(&command, again, size, &again_length) == APDU_OK);
    CHECK(again_length == size && memcmp(again, data, size) == 0);
    CHECK(apdu_encode(&command, again, size - 1, &again_length) == APDU_NO_SPACE && again_length == 0);
    free(again);
}

/* The first bytes are kind, nc and ne, wherever that leads; the rest is the header and data. */
static void check_encoding(const uint8_t *data, size_t size)
{
    if (size < 12)
        return;
    struct apdu_command command = {.kind = (enum apdu_case)(data[0] & 0x0F),
                                   .nc = (size_t)data[1] << 16 | (size_t)data[2] << 8 | data[3],
                                   .ne = (uint32_t)data[4] << 16 | (uint32_t)data[5] << 8 | data[6],
                                   .cla = data[7],
                                   .ins = data[8],
                                   .p1 = data[9],
                                   .p2 = data[10]};
    static uint8_t out[APDU_COMMAND_MAX];
    struct apdu_command again;
    enum apdu_case shortest;
    if (apdu_shortest_case(command.nc, command.ne, &shortest) == APDU_OK) {
        if (data[0] & 0x10)
            command.kind = shortest;
    } else {
        CHECK(command.nc > APDU_NC_MAX || command.ne > APDU_NE_MAX);
    }
    /* more than there can be is refused before it is looked at */
    size_t filled_length = command.nc <= APDU_NC_MAX ? command.nc : 0, length;
    uint8_t *filled = malloc(filled_length ? filled_length : 1);
    CHECK(filled);
    memset(filled, data[11], filled_length);
    command.data = command.nc ? filled : NULL;
    enum apdu_result result = apdu_encode(&command, out, APDU_COMMAND_MAX, &length);
    if (result == APDU_OK) {
        CHECK(apdu_decode(out, length, &again, NULL) == APDU_OK);
        CHECK(again.kind == command.kind && again.nc == command.nc && again.ne == command.ne);
        CHECK(again.cla == command.cla && again.ins == command.ins && again.p1 == command.p1);
        CHECK(again.p2 == command.p2 && (again.nc == 0 || memcmp(again.data, filled, again.nc) == 0));
    } else {
        CHECK(result == APDU_BAD_COMMAND && length == 0);
        CHECK(!(data[0] & 0x10) || command.nc > APDU_NC_MAX || command.ne > APDU_NE_MAX);
    }
    free(filled);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_decoding(data, size);
    check_encoding(data, size);
    return 0;
}
