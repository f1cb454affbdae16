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
        CHECK(memchr(name.socket, '\0', sizeof name.socket) && memchr(name.from, '\0', sizeof name.from));
        CHECK((name.socket[0] == '/') == (name.kind == DEVICE_RIG));
        CHECK(name.port >= 1 && name.port + name.slots <= 65536 && name.from_bits >= 0 &&
              name.from_bits <= 128);
        CHECK(name.slots >= 1 && name.slots <= LINK_MAX_SLOTS && name.timeout_ms > 0);
        CHECK(strstr(text, name.socket));
    } else {
        CHECK(memchr(error, '\0', error_size));
    }
    free(text);
    return 0;
}
