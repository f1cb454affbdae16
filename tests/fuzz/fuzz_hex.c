/* Any bytes as hexadecimal text, into a buffer whose size the first byte says; what was read can be written
 * and read again. */
#include "fuzz.h"

#include "iso7816/hex.h"

static void check_writing(const uint8_t *bytes, size_t length, char separator)
{
    size_t cap = separator ? 3 * length + (length == 0) : 2 * length + 1, again_length, bad_at;
    char *text = malloc(cap);
    uint8_t *again = malloc(length ? length : 1);
    CHECK(text && again);
    CHECK(hex_encode(bytes, length, text, cap, separator) == HEX_OK && strlen(text) == cap - 1);
    CHECK(hex_decode(text, cap - 1, again, length, &again_length, &bad_at) == HEX_OK);
    CHECK(again_length == length && memcmp(again, bytes, length) == 0 && bad_at == cap - 1);
    CHECK(hex_encode(bytes, length, text, cap - 1, separator) == HEX_NO_SPACE && (cap == 1 || !text[0]));
    free(text);
    free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    size_t cap = data[0], length, bad_at;
    const char *text = (const char *)data + 1;
    uint8_t *bytes = malloc(cap ? cap : 1);
    CHECK(bytes);
    enum hex_result result = hex_decode(text, size - 1, bytes, cap, &length, &bad_at);
    CHECK(length <= cap && length <= (size - 1) / 2 && hex_result_text(result)[0]);
    CHECK(result == HEX_OK ? bad_at == size - 1 : bad_at < size - 1);
    CHECK(result != HEX_NO_SPACE || length == cap);
    check_writing(bytes, length, 0);
    check_writing(bytes, length, ' ');
    check_writing(bytes, length, ':');
    free(bytes);
    return 0;
}
