/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any bytes as the ATR that `cardrig atr` explains, for people and for programs. For people: whole lines that
 * can be printed. For programs: JSON that has the ATR byte for byte, each of its bytes up to the historical
 * ones explained in its place, and an error exactly where the ATR is not valid.
 */
#include "fuzz.h"

#include "cli/atr_output.h"
#include "iso7816/hex.h"

static void check_lines(const char *text, size_t length)
{
    CHECK(length > 0 && text[length - 1] == '\n' && strlen(text) == length);
    for (size_t i = 0; i < length; i++)
        CHECK(text[i] == '\n' || (text[i] >= 0x20 && text[i] < 0x7F));
}

static void check_print(const struct analysis *analysis)
{
    char *text = NULL;
    size_t length = 0;
    FILE *terminal = stdout;
    stdout = open_memstream(&text, &length);
    CHECK(stdout);
    atr_print(analysis);
    CHECK(fclose(stdout) == 0);
    stdout = terminal;
    check_lines(text, length);
    CHECK((strstr(text, "\n  error: ") == NULL) == (analysis->error.result == ATR_OK));
    free(text);
}

static void check_hex(json_t *json, const uint8_t *bytes, size_t length)
{
    const char *text = json_string_value(json);
    uint8_t *again = malloc(length ? length : 1);
    size_t again_length;
    CHECK(text && again);
    CHECK(hex_decode(text, strlen(text), again, length, &again_length, NULL) == HEX_OK);
    CHECK(again_length == length && memcmp(again, bytes, length) == 0);
    free(again);
}

/* TS, T0 and the interface bytes, one after the other, as far as there are any. */
static size_t check_bytes(json_t *bytes, const struct analysis *analysis)
{
    size_t i;
    json_t *byte;
    CHECK(json_is_array(bytes) && json_array_size(bytes) <= analysis->length);
    json_array_foreach(bytes, i, byte)
    {
        const char *name, *meaning;
        json_int_t position;
        int value;
        CHECK(json_unpack_ex(byte, NULL, JSON_STRICT, "{s:s, s:I, s:i, s:s}", "name", &name, "position",
                             &position, "value", &value, "meaning", &meaning) == 0);
        CHECK((size_t)position == i && value == analysis->bytes[i] && *name && *meaning);
        CHECK(strlen(name) <= 4 && strlen(meaning) < ANALYSIS_TEXT_SIZE);
    }
    return i;
}

static void check_error(json_t *error, const struct analysis *analysis)
{
    const char *code, *clause, *text;
    json_int_t position;
    CHECK(json_is_null(error) == (analysis->error.result == ATR_OK));
    if (json_is_null(error))
        return;
    CHECK(json_unpack_ex(error, NULL, JSON_STRICT, "{s:s, s:I, s:s, s:s}", "code", &code, "position",
                         &position, "clause", &clause, "text", &text) == 0);
    CHECK(strcmp(code, "?") != 0 && *text && position >= 0 && (size_t)position <= analysis->length);
}

static void check_json(const struct analysis *analysis)
{
    json_t *json = atr_json(analysis);
    CHECK(json);
    char *text = json_dumps(json, 0);
    CHECK(text);
    json_decref(json);
    json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    CHECK(json);
    check_hex(json_object_get(json, "atr"), analysis->bytes, analysis->length);
    check_error(json_object_get(json, "error"), analysis);
    size_t explained = check_bytes(json_object_get(json, "bytes"), analysis);
    CHECK(json_is_true(json_object_get(json, "decoded")) == analysis->decoded);
    json_t *historical = json_object_get(json_object_get(json, "historical"), "hex");
    CHECK((historical != NULL) == analysis->decoded);
    if (historical) {
        CHECK(explained == analysis->atr.historical_at);
        CHECK(explained + analysis->atr.layout.historical_count <= analysis->length);
        check_hex(historical, analysis->bytes + explained, analysis->atr.layout.historical_count);
    }
    json_decref(json);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *bytes = exact_copy(data, size);
    struct analysis analysis = {.bytes = bytes, .length = size};
    analysis.decoded = atr_is_decoded(atr_parse(bytes, size, &analysis.atr, &analysis.error));
    check_print(&analysis);
    check_json(&analysis);
    free(bytes);
    return 0;
}
