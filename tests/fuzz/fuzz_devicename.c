/* SPDX-License-Identifier: BSD-3-Clause */
/* Any text as DEVICENAME of a reader.conf. */
#include "base/error.h"
#include "fuzz.h"

#include "devicename.h"
#include "link/link.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    struct error error;
    CHECK(text);
    if (size)
        memcpy(text, data, size);
    text[size] = '\0';
    struct devicename name;
    memset(&error, 'x', sizeof error);
    if (devicename_parse(text, &name, &error)) {
        CHECK(name.socket[0] == '/' && memchr(name.socket, '\0', sizeof name.socket));
        CHECK(name.slots >= 1 && name.slots <= LINK_MAX_SLOTS && name.reader <= 0xFFFF);
        CHECK(name.timeout_ms >= 1 && name.timeout_ms <= 700000);
        CHECK(strstr(text, name.socket));
    } else {
        CHECK(memchr(error.text, '\0', sizeof error.text));
    }
    free(text);
    return 0;
}
