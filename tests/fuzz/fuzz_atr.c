/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as an ATR: what is read can be built again, and the texts fit. */
#include "atr_build.h"
#include "fuzz.h"

#include "iso7816/atr.h"

static void check_fields(const struct atr *atr)
{
    CHECK(atr->f > 0 && atr->d > 0 && atr->fmax_khz > 0 && atr->wi > 0);
    CHECK(atr->ifsc >= 1 && atr->ifsc <= 254 && atr->cwi <= 15 && atr->bwi <= 9);
    CHECK(atr->layout.group_count <= ATR_GROUPS_MAX && atr->layout.historical_count <= ATR_HISTORICAL_MAX);
    CHECK(atr->protocol_count <= sizeof atr->protocol && atr->length <= ATR_MAX);
    CHECK(atr->warnings >> ATR_WARNING_COUNT == 0);
}

static void check_texts(const struct atr *atr, const struct atr_error *error, uint8_t capacity)
{
    char *text = malloc(capacity ? capacity : 1);
    CHECK(text);
    size_t length = atr_error_text(error, text, capacity);
    CHECK(length > 0 && length < 256);
    CHECK(capacity == 0 || strlen(text) == (length < capacity ? length : capacity - 1u));
    for (unsigned warning = 0; warning <= ATR_WARNING_COUNT; warning++) {
        length = atr_warning_text(atr, (enum atr_warning)warning, text, capacity);
        CHECK((length > 0) == (warning < ATR_WARNING_COUNT && (atr->warnings & 1u << warning)));
        CHECK(capacity == 0 || strlen(text) == (length < capacity ? length : capacity - 1u));
        if (length > 0)
            CHECK(length < 256 && atr->warning_at[warning] < atr->length);
    }
    free(text);
}

/* What was decoded, built again: the same bytes if nothing was wrong, or else an ATR with the same layout. */
static void check_rebuilt(const struct atr *atr, enum atr_result result)
{
    uint8_t bytes[ATR_MAX];
    size_t length;
    struct atr again;
    CHECK(atr_build(&atr->layout, bytes, sizeof bytes, &length) == ATR_OK);
    if (result == ATR_OK)
        CHECK(length == atr->length && memcmp(bytes, atr->raw, length) == 0);
    enum atr_result rebuilt = atr_parse(bytes, length, &again, NULL);
    CHECK(rebuilt == ATR_OK || (rebuilt == ATR_T15_FIRST && (again.layout.group[0].td & 0x0F) == ATR_T15));
    CHECK(memcmp(&again.layout, &atr->layout, sizeof again.layout) == 0);
    CHECK(again.warnings == atr->warnings && again.protocols == atr->protocols);
    CHECK(atr_build(&atr->layout, bytes, length - 1, &length) == ATR_NO_SPACE && length == 0);
}

/* Each part of a good ATR says that more is to come. */
static void check_parts(const uint8_t *bytes, size_t size)
{
    struct atr part;
    for (size_t length = 0; length < size; length++) {
        uint8_t *copy = exact_copy(bytes, length);
        enum atr_result result = atr_parse(copy, length, &part, NULL);
        CHECK(result == ATR_EMPTY || result == ATR_TRUNCATED || result == ATR_TCK_MISSING);
        CHECK(atr_announced(copy, length) > length && atr_announced(copy, length) <= size);
        free(copy);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct atr atr;
    struct atr_error error;
    enum atr_result result = atr_parse(data, size, &atr, &error);
    CHECK(result == error.result && result <= ATR_TCK_WRONG);
    CHECK(error.reason && error.clause && error.position <= size);
    check_fields(&atr);
    check_texts(&atr, &error, size ? data[size - 1] : 0);
    check_texts(&atr, &error, 255);
    if (atr_is_decoded(result))
        check_rebuilt(&atr, result);
    bool more = result == ATR_TRUNCATED || result == ATR_TCK_MISSING;
    if (more || atr_is_decoded(result))
        CHECK((atr_announced(data, size) > size) == more);
    if (result == ATR_OK)
        check_parts(data, size);
    return 0;
}
