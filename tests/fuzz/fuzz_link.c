/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as a packet of the rig link: what is decoded is encoded to the same header. */
#include "fuzz.h"

#include "link/link.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct link_message message;
    if (!link_decode(data, size, &message)) {
        CHECK(size < LINK_HEADER_SIZE || (data[2] & 0xFC) || data[3]);
        return 0;
    }
    CHECK(size >= LINK_HEADER_SIZE && message.length == size - LINK_HEADER_SIZE);
    CHECK(message.length == 0 || message.data == data + LINK_HEADER_SIZE);
    CHECK(link_status_text(message.arg)[0] && link_status_text(message.value)[0]);
    uint8_t header[LINK_HEADER_SIZE];
    link_encode_header(&message, header);
    CHECK(memcmp(header, data, sizeof header) == 0);
    return 0;
}
