/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes on a vpcd connection, in pieces of any sizes: the first two bytes of the input say how they are
 * cut. What comes out is the same messages as a simple reading of the whole gives. */
#include "fuzz.h"

#include "link/vpcd.h"

#include <sys/socket.h>
#include <unistd.h>

static struct vpcd_input input;

/* Takes the messages that are whole, each of which has to be the next one of the stream. */
static const uint8_t *take_messages(const uint8_t *expected, const uint8_t *end)
{
    const uint8_t *data;
    size_t length;
    while (vpcd_message(&input, &data, &length)) {
        CHECK(data >= input.bytes && data + length <= input.bytes + input.used);
        CHECK(end - expected >= 2 && length == (size_t)(expected[0] << 8 | expected[1]));
        CHECK((size_t)(end - expected) >= 2 + length && memcmp(data, expected + 2, length) == 0);
        expected += 2 + length;
        vpcd_drop(&input);
    }
    return expected;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int pair[2];
    if (size < 2)
        return 0;
    unsigned cut = (unsigned)(data[0] << 8 | data[1]);
    const uint8_t *bytes = data + 2, *end = data + size, *expected = bytes;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    input.used = 0;
    while (bytes < end) {
        size_t left = (size_t)(end - bytes), piece = 1 + cut % 37;
        cut = cut * 31 + 7;
        if (piece > left)
            piece = left;
        CHECK(write(pair[1], bytes, piece) == (ssize_t)piece);
        bytes += piece;
        enum vpcd_result result = vpcd_receive(pair[0], MSG_DONTWAIT, &input);
        CHECK(result != VPCD_CLOSED && input.used <= sizeof input.bytes);
        expected = take_messages(expected, end);
    }
    /* what is left is less than a message, and is still there */
    CHECK((size_t)(end - expected) == input.used && memcmp(input.bytes, expected, input.used) == 0);
    CHECK(input.used < 2 || input.used < 2u + (unsigned)(input.bytes[0] << 8 | input.bytes[1]));
    close(pair[1]);
    CHECK(vpcd_receive(pair[0], MSG_DONTWAIT, &input) == VPCD_CLOSED);
    close(pair[0]);
    return 0;
}
