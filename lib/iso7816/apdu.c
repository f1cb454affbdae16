/* SPDX-License-Identifier: BSD-3-Clause */
#include "apdu.h"

#include <stdbool.h>
#include <string.h>

static enum apdu_result fail(struct apdu_error *error, enum apdu_result result, size_t position,
                             size_t expected, size_t found)
{
    if (error)
        *error =
            (struct apdu_error){.result = result, .position = position, .expected = expected, .found = found};
    return result;
}

static uint32_t be16(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 8 | bytes[1];
}

static bool has_data(enum apdu_case kind)
{
    return kind == APDU_CASE_3S || kind == APDU_CASE_4S || kind == APDU_CASE_3E || kind == APDU_CASE_4E;
}

static bool has_le(enum apdu_case kind)
{
    return kind == APDU_CASE_2S || kind == APDU_CASE_4S || kind == APDU_CASE_2E || kind == APDU_CASE_4E;
}

static bool is_extended(enum apdu_case kind)
{
    return kind == APDU_CASE_2E || kind == APDU_CASE_3E || kind == APDU_CASE_4E;
}

/* Decodes a body whose b5 is 00 and which has more bytes: extended length fields. */
static enum apdu_result decode_extended(const uint8_t *bytes, size_t length, struct apdu_command *out,
                                        struct apdu_error *error)
{
    uint32_t lc, le;
    size_t rest;

    if (length == 6)
        return fail(error, APDU_BAD_BODY, 4, 3, 2);
    if (length == 7) {
        le = be16(bytes + 5);
        out->ne = le == 0 ? APDU_NE_MAX : le;
        out->kind = APDU_CASE_2E;
        return APDU_OK;
    }
    lc = be16(bytes + 5);
    rest = length - 7;
    if (lc == 0)
        return fail(error, APDU_LC_ZERO, 5, 0, rest);
    if (rest < lc)
        return fail(error, APDU_DATA_SHORT, 4, lc, rest);
    if (rest == lc + 1)
        return fail(error, APDU_LE_SHORT, 7 + (size_t)lc, 2, 1);
    if (rest > lc + 2)
        return fail(error, APDU_DATA_LONG, 4, lc, rest);
    out->data = bytes + 7;
    out->nc = lc;
    out->kind = APDU_CASE_3E;
    if (rest == lc + 2) {
        le = be16(bytes + 7 + lc);
        out->ne = le == 0 ? APDU_NE_MAX : le;
        out->kind = APDU_CASE_4E;
    }
    return APDU_OK;
}

static enum apdu_result decode_body(const uint8_t *bytes, size_t length, struct apdu_command *out,
                                    struct apdu_error *error)
{
    size_t lc, rest;

    if (length == APDU_HEADER_SIZE) {
        out->kind = APDU_CASE_1;
        return APDU_OK;
    }
    if (length == 5) {
        out->ne = bytes[4] == 0 ? 256 : bytes[4];
        out->kind = APDU_CASE_2S;
        return APDU_OK;
    }
    if (bytes[4] == 0)
        return decode_extended(bytes, length, out, error);
    lc = bytes[4];
    rest = length - 5;
    if (rest < lc)
        return fail(error, APDU_DATA_SHORT, 4, lc, rest);
    if (rest > lc + 1)
        return fail(error, APDU_DATA_LONG, 4, lc, rest);
    out->data = bytes + 5;
    out->nc = lc;
    out->kind = APDU_CASE_3S;
    if (rest == lc + 1) {
        out->ne = bytes[length - 1] == 0 ? 256 : bytes[length - 1];
        out->kind = APDU_CASE_4S;
    }
    return APDU_OK;
}

enum apdu_result apdu_decode(const uint8_t *bytes, size_t length, struct apdu_command *out,
                             struct apdu_error *error)
{
    enum apdu_result result;

    memset(out, 0, sizeof *out);
    if (error)
        memset(error, 0, sizeof *error);
    if (length < APDU_HEADER_SIZE)
        return fail(error, APDU_TOO_SHORT, length, APDU_HEADER_SIZE, length);
    if (length > APDU_COMMAND_MAX)
        return fail(error, APDU_TOO_LONG, APDU_COMMAND_MAX, APDU_COMMAND_MAX, length);
    out->cla = bytes[0];
    out->ins = bytes[1];
    out->p1 = bytes[2];
    out->p2 = bytes[3];
    result = decode_body(bytes, length, out, error);
    if (result != APDU_OK)
        memset(out, 0, sizeof *out);
    return result;
}

enum apdu_result apdu_encode(const struct apdu_command *command, uint8_t *out, size_t capacity,
                             size_t *out_length)
{
    const struct apdu_command c = *command; /* a copy, because *command may lie in out too */
    bool extended = is_extended(c.kind);
    size_t nc_max = !has_data(c.kind) ? 0 : extended ? APDU_NC_MAX : 255;
    uint32_t ne_max = !has_le(c.kind) ? 0 : extended ? APDU_NE_MAX : 256;
    size_t data_at = has_data(c.kind) ? (extended ? 7 : 5) : APDU_HEADER_SIZE;
    size_t at, length;

    *out_length = 0;
    if (c.kind < APDU_CASE_1 || c.kind > APDU_CASE_4E)
        return APDU_BAD_COMMAND;
    if (c.nc > nc_max || c.ne > ne_max || (has_data(c.kind) && c.nc == 0) || (has_le(c.kind) && c.ne == 0))
        return APDU_BAD_COMMAND;

    length = data_at + c.nc;
    if (has_le(c.kind))
        length += !extended ? 1 : has_data(c.kind) ? 2 : 3;
    if (length > capacity)
        return APDU_NO_SPACE;

    /* The data are moved first, because they may lie where the header or Le will be written. */
    if (c.nc > 0)
        memmove(out + data_at, c.data, c.nc);
    out[0] = c.cla;
    out[1] = c.ins;
    out[2] = c.p1;
    out[3] = c.p2;
    if (has_data(c.kind) && extended) {
        out[4] = 0;
        out[5] = (uint8_t)(c.nc >> 8);
        out[6] = (uint8_t)c.nc;
    } else if (has_data(c.kind)) {
        out[4] = (uint8_t)c.nc;
    }
    at = data_at + c.nc;
    if (c.kind == APDU_CASE_2E)
        out[at++] = 0;
    /* The largest Ne of each form is coded as zero: the casts cut off its high bits. */
    if (has_le(c.kind) && extended)
        out[at++] = (uint8_t)(c.ne >> 8);
    if (has_le(c.kind))
        out[at++] = (uint8_t)c.ne;
    *out_length = at;
    return APDU_OK;
}

enum apdu_result apdu_shortest_case(size_t nc, uint32_t ne, enum apdu_case *out)
{
    bool extended = nc > 255 || ne > 256;

    if (nc > APDU_NC_MAX || ne > APDU_NE_MAX)
        return APDU_BAD_COMMAND;
    if (nc == 0 && ne == 0)
        *out = APDU_CASE_1;
    else if (nc == 0)
        *out = extended ? APDU_CASE_2E : APDU_CASE_2S;
    else if (ne == 0)
        *out = extended ? APDU_CASE_3E : APDU_CASE_3S;
    else
        *out = extended ? APDU_CASE_4E : APDU_CASE_4S;
    return APDU_OK;
}
