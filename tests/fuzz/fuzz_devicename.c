/* SPDX-License-Identifier: BSD-3-Clause */
/* Any text as DEVICENAME of a reader.conf. */
#include "fuzz.h"

#include "devicename.h"
#include "link/link.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1), error[256];
    CHECK(text);
    if (size)
        memcpy(text, data, size);
    text[size] = '\0';
    size_t error_size = size ? data[size - 1] : 1; /* sometimes too small for the reason */
    struct devicename name;
    error_size = error_size ? error_size : 1;
    memset(error, 'x', sizeof error);
    if (devicename_parse(text, &name, error, error_size)) {
        CHECK(name.socket[0] == '/' && memchr(name.socket, '\0', sizeof name.socket));
        CHECK(name.slots >= 1 && name.slots <= LINK_MAX_SLOTS && name.reader <= 0xFFFF);
        CHECK(name.timeout_ms >= 1 && name.timeout_ms <= 700000);
        CHECK(strstr(text, name.socket));
    } else {
        CHECK(memchr(error, '\0', error_size));
    }
    free(text);
    return 0;
}
