/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as hexadecimal text, into a buffer whose size the first byte says; what was read can be written
 * and read again. */
#include "fuzz.h"

#include "iso7816/hex.h"

static void check_writing(const uint8_t *bytes, size_t length, char separator)
{
    size_t capacity = separator ? 3 * length + (length == 0) : 2 * length + 1, again_length, bad_at;
    char *text = malloc(capacity);
    uint8_t *again = malloc(length ? length : 1);
    CHECK(text && again);
    CHECK(hex_encode(bytes, length, text, capacity, separator) == HEX_OK && strlen(text) == capacity - 1);
    CHECK(hex_decode(text, capacity - 1, again, length, &again_length, &bad_at) == HEX_OK);
    CHECK(again_length == length && memcmp(again, bytes, length) == 0 && bad_at == capacity - 1);
    CHECK(hex_encode(bytes, length, text, capacity - 1, separator) == HEX_NO_SPACE &&
          (capacity == 1 || !text[0]));
    free(text);
    free(again);
}

/* What is no pattern is read as one all the same, in which each digit counts. */
static void check_pattern(const char *text, size_t size, const uint8_t *bytes, size_t capacity, size_t read,
                          enum hex_result result)
{
    uint8_t *value = malloc(capacity ? capacity : 1), *mask = malloc(capacity ? capacity : 1);
    size_t length, bad_at;
    CHECK(value && mask);
    enum hex_result found = hex_decode_pattern(text, size, value, mask, capacity, &length, &bad_at);
    CHECK(length <= capacity && length >= read && bad_at <= size && memcmp(value, bytes, read) == 0);
    for (size_t i = 0; i < length; i++)
        CHECK((value[i] & mask[i]) == value[i] && (i >= read || mask[i] == 0xFF));
    CHECK(result != HEX_OK || (found == HEX_OK && length == read));
    free(value);
    free(mask);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    size_t capacity = data[0], length, bad_at;
    const char *text = (const char *)data + 1;
    uint8_t *bytes = malloc(capacity ? capacity : 1);
    CHECK(bytes);
    enum hex_result result = hex_decode(text, size - 1, bytes, capacity, &length, &bad_at);
    CHECK(length <= capacity && length <= (size - 1) / 2 && hex_result_text(result)[0]);
    CHECK(result == HEX_OK ? bad_at == size - 1 : bad_at < size - 1);
    CHECK(result != HEX_NO_SPACE || length == capacity);
    check_pattern(text, size - 1, bytes, capacity, length, result);
    check_writing(bytes, length, 0);
    check_writing(bytes, length, ' ');
    check_writing(bytes, length, ':');
    free(bytes);
    return 0;
}
