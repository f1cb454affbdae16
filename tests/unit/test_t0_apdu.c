/* SPDX-License-Identifier: BSD-3-Clause */
/* T=0: APDUs in TPDUs, at the interface device and at the card. */
#include "iso7816/t0.h"
#include "iso7816/t0_apdu.h"

#include "bytes.h"
#include "count.h"
#include "must.h"
#include "run_suite.h"
#include "transcript.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- APDUs, interface device ---- */

/* What a line of a transcript says after these words; NULL: it does not begin with them. */
static const char *after(const struct transcript_line *line, const char *words)
{
    size_t length = strlen(words);
    return strncmp(line->text, words, length) == 0 ? line->text + length : NULL;
}

/* The same, where the line has to begin with them. */
static const char *expect(const struct transcript *transcript, const struct transcript_line *line,
                          const char *words)
{
    const char *rest = after(line, words);
    ck_assert_msg(rest != NULL, "%s:%u: expected '%s': %s", transcript->file, line->number, words,
                  line->text);
    return rest;
}

static void assert_tpdu(const struct t0_tpdu *tpdu, const char *text)
{
    uint8_t bytes[300];
    bool from_card = text[strlen(text) - 1] == '<';
    size_t length;

    ck_assert_int_eq(hex_decode(text, strlen(text) - from_card, bytes, sizeof bytes, &length, NULL), HEX_OK);
    ck_assert_int_eq(tpdu->direction, from_card ? T0_FROM_CARD : T0_TO_CARD);
    ck_assert_mem_eq(tpdu->header, bytes, 5);
    ck_assert_uint_eq(tpdu->length, length - 5);
    if (length > 5)
        ck_assert_mem_eq(tpdu->data, bytes + 5, length - 5);
}

/* What may stand behind the bytes of a TPDU: "<", and "Ne NUMBER". Returns the number, 0 if there is none. */
static uint32_t ne_behind(const char *text)
{
    char *end;
    if (*text == '<')
        text += text[1] == ' ' ? 2 : 1;
    if (*text == '\0')
        return 0;
    ck_assert_msg(strncmp(text, "Ne ", 3) == 0, "neither '<' nor 'Ne NUMBER': %s", text);
    unsigned long ne = strtoul(text + 3, &end, 10);
    ck_assert_msg(*end == '\0' && ne > 0, "not a number: %s", text);
    return (uint32_t)ne;
}

static struct transcripts device_side, card_side;

START_TEST(each_ifd_apdu)
{
    const struct transcript *run = &device_side.transcripts[_i];
    const struct transcript_line *line = run->lines;
    struct t0_apdu_ifd *x = exact(sizeof *x);
    uint8_t bytes[300];
    struct t0_tpdu tpdu;
    size_t length = from_hex(expect(run, line++, "application sends "), bytes, sizeof bytes);

    memset(x, 0xA5, sizeof *x);
    t0_apdu_ifd_start(x, T0_APDU_CLASS_INTERINDUSTRY, bytes, length);
    for (; line + 1 < run->lines + run->count; line += 2) {
        ck_assert_msg(t0_apdu_ifd_next(x, &tpdu), "%s:%u: no TPDU", run->file, line->number);
        assert_tpdu(&tpdu, expect(run, line, "> "));
        length = from_hex(expect(run, line + 1, "< "), bytes, sizeof bytes);
        t0_apdu_ifd_result(x, bytes, length);
    }
    ck_assert_msg(!t0_apdu_ifd_next(x, &tpdu), "%s:%u: a TPDU more", run->file, line->number);
    ck_assert_int_eq(x->reason, T0_APDU_OK);
    length = from_hex(expect(run, line, "application gets "), bytes, sizeof bytes);
    ck_assert_uint_eq(x->response_length, length);
    ck_assert_mem_eq(x->response, bytes, length);
    free(x);
}
END_TEST

START_TEST(classes_of_get_response)
{
    static const struct {
        uint8_t command, interindustry, of_command;
    } rows[] = {
        {0x00, 0x00, 0x00}, {0x03, 0x03, 0x03}, {0x1F, 0x03, 0x03}, {0x20, 0x00, 0x20},
        {0x3F, 0x00, 0x3F}, {0x40, 0x40, 0x40}, {0x4F, 0x4F, 0x4F}, {0x7A, 0x4A, 0x4A},
        {0x80, 0x00, 0x80}, {0x84, 0x00, 0x84}, {0x93, 0x03, 0x93}, {0xA0, 0x00, 0xA0},
        {0xB1, 0x00, 0xB1}, {0xC5, 0x45, 0xC5}, {0xFE, 0x4E, 0xFE}, {0xFF, 0x00, 0xFF},
    };

    for (int i = 0; i < COUNT(rows); i++) {
        uint8_t cla = rows[i].command;
        ck_assert_uint_eq(t0_apdu_response_class(T0_APDU_CLASS_INTERINDUSTRY, cla), rows[i].interindustry);
        ck_assert_uint_eq(t0_apdu_response_class(T0_APDU_CLASS_OF_COMMAND, cla), rows[i].of_command);
        ck_assert_uint_eq(t0_apdu_response_class(0x00, cla), 0x00);
        ck_assert_uint_eq(t0_apdu_response_class(0xA0, cla), 0xA0);
    }
}
END_TEST

START_TEST(ifd_apdu_refuses)
{
    struct t0_apdu_ifd *x = exact(sizeof *x);
    uint8_t *bytes = exact(APDU_COMMAND_MAX + 1);
    struct t0_tpdu tpdu;

    t0_apdu_ifd_start(x, T0_APDU_CLASS_INTERINDUSTRY, NULL, 0);
    ck_assert(!t0_apdu_ifd_next(x, &tpdu));
    ck_assert_int_eq(x->reason, T0_APDU_BAD_COMMAND);
    t0_apdu_ifd_start(x, T0_APDU_CLASS_INTERINDUSTRY, bytes, 3);
    ck_assert_int_eq(x->reason, T0_APDU_BAD_COMMAND);
    t0_apdu_ifd_start(x, T0_APDU_CLASS_INTERINDUSTRY, bytes, APDU_COMMAND_MAX + 1);
    ck_assert_int_eq(x->reason, T0_APDU_BAD_COMMAND);
    for (int i = 0; i < 4; i++) {
        static const size_t lengths[] = {0, 1, 5, 3};

        t0_apdu_ifd_start(x, T0_APDU_CLASS_INTERINDUSTRY, (const uint8_t *)"\x00\xB0\x00\x00\x02",
                          i < 3 ? 5 : 4);
        ck_assert(t0_apdu_ifd_next(x, &tpdu));
        t0_apdu_ifd_result(x, (const uint8_t *)"\x01\x02\x03\x90\x00", lengths[i]);
        ck_assert(!t0_apdu_ifd_next(x, &tpdu));
        ck_assert_int_eq(x->reason, T0_APDU_BAD_RESULT);
        t0_apdu_ifd_result(x, (const uint8_t *)"\x90", 2);
        ck_assert_int_eq(x->reason, T0_APDU_BAD_RESULT);
    }
    free(bytes);
    free(x);
}
END_TEST

START_TEST(ifd_apdu_endless)
{
    struct t0_apdu_ifd *x = exact(sizeof *x);
    struct t0_tpdu tpdu;
    uint32_t count;

    /* nothing but promises */
    t0_apdu_ifd_start(x, T0_APDU_CLASS_INTERINDUSTRY, (const uint8_t *)"\x00\xB0\x00\x00\x00", 5);
    for (count = 0; t0_apdu_ifd_next(x, &tpdu); count++)
        t0_apdu_ifd_result(x, (const uint8_t *)"\x61\x01", 2);
    ck_assert_int_eq(x->reason, T0_APDU_ENDLESS);
    ck_assert_uint_eq(count, T0_APDU_STALL_MAX + 1);
    ck_assert_uint_eq(x->response_length, 0);

    /* 6C and 61 in turn */
    t0_apdu_ifd_start(x, T0_APDU_CLASS_INTERINDUSTRY, (const uint8_t *)"\x00\xB0\x00\x00\x00", 5);
    for (count = 0; t0_apdu_ifd_next(x, &tpdu); count++)
        t0_apdu_ifd_result(x, (const uint8_t *)(count % 2 ? "\x61\x01" : "\x6C\x01"), 2);
    ck_assert_int_eq(x->reason, T0_APDU_ENDLESS);
    ck_assert_uint_eq(count, T0_APDU_STALL_MAX + 1);

    /* byte by byte for ever: until there are Ne */
    t0_apdu_ifd_start(x, T0_APDU_CLASS_INTERINDUSTRY, (const uint8_t *)"\x00\xB0\x00\x00\x00\x00\x00", 7);
    for (count = 0; t0_apdu_ifd_next(x, &tpdu); count++)
        t0_apdu_ifd_result(x, (const uint8_t *)"\xAB\x61\x01", 3);
    ck_assert_int_eq(x->reason, T0_APDU_OK);
    ck_assert_uint_eq(count, 65536);
    ck_assert_uint_eq(x->response_length, 65538);
    ck_assert_uint_eq(x->response[65536], 0x61);

    /* the worst that is possible */
    t0_apdu_ifd_start(x, T0_APDU_CLASS_INTERINDUSTRY, (const uint8_t *)"\x00\xB0\x00\x00\x00\x00\x00", 7);
    for (count = 0; t0_apdu_ifd_next(x, &tpdu); count++)
        t0_apdu_ifd_result(x, (const uint8_t *)"\xAB\x61\x01" + (count % 8 != 7), count % 8 != 7 ? 2 : 3);
    ck_assert_int_eq(x->reason, T0_APDU_OK);
    ck_assert_uint_le(count, 66000 * T0_APDU_STALL_MAX);
    free(x);
}
END_TEST

/* ENVELOPE: the segments put together are the command, and Le is never alone in the last one. */
START_TEST(ifd_envelopes)
{
    struct t0_apdu_ifd *x = exact(sizeof *x);
    uint8_t *bytes = exact(APDU_COMMAND_MAX), *got = exact(APDU_COMMAND_MAX);
    static const size_t ncs[] = {256, 501, 502, 503, 504, 756, 757, 758, 759, 65534, 65535};
    struct t0_tpdu tpdu = {.length = 0};
    size_t length, at, count;

    for (size_t i = 0; i < sizeof ncs / sizeof ncs[0]; i++) {
        for (size_t j = 0; j < 3; j++) {
            const uint32_t ne = (const uint32_t[]){0, 1, 65536}[j];
            struct apdu_command command = {
                .cla = 0x91, .ins = 0xD6, .data = bytes + 7, .nc = ncs[i], .ne = ne};

            command.kind = ne > 0 ? APDU_CASE_4E : APDU_CASE_3E;
            for (size_t k = 0; k < ncs[i]; k++)
                bytes[7 + k] = (uint8_t)(k * 11);
            ck_assert_int_eq(apdu_encode(&command, bytes, APDU_COMMAND_MAX, &length), APDU_OK);
            t0_apdu_ifd_start(x, T0_APDU_CLASS_INTERINDUSTRY, bytes, length);
            for (at = 0, count = 0; at < length; count++) {
                must(t0_apdu_ifd_next(x, &tpdu));
                must(memcmp(tpdu.header, "\x01\xC2\x00\x00", 4) == 0);
                must(tpdu.direction == T0_TO_CARD);
                must(tpdu.header[4] == tpdu.length);
                memcpy(got + at, tpdu.data, tpdu.length);
                at += tpdu.length;
                if (at < length)
                    t0_apdu_ifd_result(x, (const uint8_t *)"\x90\x00", 2);
            }
            ck_assert_uint_eq(at, length);
            ck_assert_mem_eq(got, bytes, length);
            ck_assert_uint_eq(count, (length + 254) / 255);
            if (ne > 0)
                ck_assert_uint_ne(tpdu.length, 2);
            t0_apdu_ifd_result(x, (const uint8_t *)"\x61\x02", 2);
            if (ne > 0) {
                ck_assert(t0_apdu_ifd_next(x, &tpdu));
                assert_tpdu(&tpdu, ne == 1 ? "01C0000001<" : "01C0000002<");
                t0_apdu_ifd_result(x, (const uint8_t *)"\xAA\x90\x00", 3);
            }
            ck_assert(!t0_apdu_ifd_next(x, &tpdu));
            ck_assert_uint_eq(x->response_length, ne > 0 ? 3 : 2);
            if (ne == 0)
                ck_assert_mem_eq(x->response, "\x61\x02", 2);
        }
    }
    /* a card that knows no ENVELOPE; and the class of ENVELOPE */
    bytes[0] = 0x1D;
    t0_apdu_ifd_start(x, T0_APDU_CLASS_INTERINDUSTRY, bytes, length);
    ck_assert(t0_apdu_ifd_next(x, &tpdu));
    ck_assert_mem_eq(tpdu.header, "\x01\xC2\x00\x00\xFF", 5);
    t0_apdu_ifd_result(x, (const uint8_t *)"\x6D\x00", 2);
    ck_assert(!t0_apdu_ifd_next(x, &tpdu));
    ck_assert_uint_eq(x->response_length, 2);
    ck_assert_mem_eq(x->response, "\x6D\x00", 2);
    free(x);
    free(bytes);
    free(got);
}
END_TEST

/* ---- APDUs, card ---- */

static void give_tpdu(struct t0_apdu_icc *x, const uint8_t *bytes, size_t length, bool from_card, uint32_t ne)
{
    struct t0_tpdu tpdu = {
        .direction = from_card ? T0_FROM_CARD : T0_TO_CARD, .length = length - 5, .ne = ne};

    memcpy(tpdu.header, bytes, 5);
    tpdu.data = length > 5 ? bytes + 5 : NULL;
    t0_apdu_icc_command(x, &tpdu);
}

/* line: of a transcript, for the message, or NULL */
static void assert_step_at(struct t0_apdu_icc *x, enum step_kind kind, const char *text,
                           const struct transcript *run, const struct transcript_line *line)
{
    const char *file = line ? run->file : "test";
    unsigned number = line ? line->number : 0;
    uint8_t bytes[300];
    size_t length = from_hex(text, bytes, sizeof bytes);
    struct step step;

    t0_apdu_icc_next(x, &step);
    ck_assert_msg(step.kind == kind, "%s:%u: step %d, not %d", file, number, (int)step.kind, (int)kind);
    ck_assert_msg(step.length == length, "%s:%u: %zu bytes, not %zu", file, number, step.length, length);
    ck_assert_msg(length == 0 || memcmp(step.bytes, bytes, length) == 0, "%s:%u: %02X ... %02X, not %s", file,
                  number, step.bytes[0], step.bytes[length - 1], text);
}

static void assert_step(struct t0_apdu_icc *x, enum step_kind kind, const char *text)
{
    assert_step_at(x, kind, text, NULL, NULL);
}

START_TEST(each_icc_apdu)
{
    const struct transcript *run = &card_side.transcripts[_i];
    const struct transcript_line *line = run->lines, *end = line + run->count;
    struct t0_apdu_icc *x = exact(sizeof *x);
    uint8_t bytes[300];
    struct step step;

    memset(x, 0xA5, sizeof *x);
    t0_apdu_icc_reset(x);
    ck_assert(!t0_apdu_icc_answer(x, bytes, 2));
    while (line < end) {
        const char *text = expect(run, line++, "> ");
        size_t digits = strcspn(text, "<N"), length;
        bool from_card = text[digits] == '<';
        enum t0_direction direction;

        ck_assert_int_eq(hex_decode(text, digits, bytes, sizeof bytes, &length, NULL), HEX_OK);
        if (t0_apdu_icc_direction(x, bytes, &direction))
            ck_assert_int_eq(direction, from_card ? T0_FROM_CARD : T0_TO_CARD);
        give_tpdu(x, bytes, length, from_card, ne_behind(text + digits));
        ck_assert_msg(line < end, "%s:%u: no answer", run->file, line[-1].number);
        if ((text = after(line, "script gets ")) != NULL) {
            assert_step_at(x, STEP_PROCESS, text, run, line);
            ck_assert_msg(end - ++line >= 2, "%s:%u: no answer", run->file, line[-1].number);
            length = from_hex(expect(run, line++, "script answers "), bytes, sizeof bytes);
            ck_assert(!t0_apdu_icc_answer(x, bytes, 1));
            ck_assert(!t0_apdu_icc_answer(x, bytes, T0_APDU_RESPONSE_MAX + 1));
            ck_assert(t0_apdu_icc_answer(x, bytes, length));
        }
        ck_assert(!t0_apdu_icc_answer(x, bytes, 2));
        assert_step_at(x, STEP_DONE, expect(run, line, "< "), run, line);
        line++;
    }
    /* after a reset there is nothing left */
    t0_apdu_icc_reset(x);
    t0_apdu_icc_next(x, &step);
    ck_assert_int_eq(step.kind, STEP_FAILED);
    give_tpdu(x, (const uint8_t *)"\x00\xC0\x00\x00\x00", 5, true, 0);
    assert_step(x, STEP_PROCESS, "00C0000000");
    free(x);
}
END_TEST

/* 7 + 256 bytes, or 2 more with Le, in segments that another interface device may choose. */
START_TEST(icc_envelopes)
{
    static const struct {
        uint8_t segments[4];
        const char *last; /* answer to the last one; NULL: the script gets what was sent */
    } rows[] = {
        {{255, 8}, NULL},         {{255, 10}, NULL},     {{255, 9, 1}, NULL},       {{8, 254, 1}, NULL},
        {{100, 100, 65}, NULL},   {{255, 7, 1}, NULL},   {{255, 7, 3}, NULL},       {{255, 11}, "6700"},
        {{100, 100, 66}, "6700"}, {{255, 9, 2}, "6700"}, {{100, 100, 100}, "6700"},
    };
    struct t0_apdu_icc *x = exact(sizeof *x);
    uint8_t command[512] = {0x00, 0xD6, 0x01, 0x02, 0x00, 0x01, 0x00};
    struct step step;

    for (size_t i = 7; i < sizeof command; i++)
        command[i] = (uint8_t)(i * 5);
    t0_apdu_icc_reset(x);
    for (int i = 0; i < COUNT(rows); i++) {
        size_t at = 0;

        for (const uint8_t *n = rows[i].segments; *n > 0; n++) {
            struct t0_tpdu tpdu = {.header = {0, 0xC2, 0, 0, *n}, .data = command + at, .length = *n};

            t0_apdu_icc_command(x, &tpdu);
            at += *n;
            if (n[1] > 0)
                assert_step(x, STEP_DONE, "9000");
        }
        if (rows[i].last != NULL) {
            assert_step(x, STEP_DONE, rows[i].last);
            continue;
        }
        t0_apdu_icc_next(x, &step);
        ck_assert_int_eq(step.kind, STEP_PROCESS);
        ck_assert_uint_eq(step.length, at);
        ck_assert_mem_eq(step.bytes, command, at);
        ck_assert(t0_apdu_icc_answer(x, (const uint8_t *)"\x11\x90\x00", 3));
        assert_step(x, STEP_DONE, "6101");
    }
    free(x);
}
END_TEST

START_TEST(icc_directions)
{
    struct t0_apdu_icc *x = exact(sizeof *x);
    enum t0_direction direction = T0_TO_CARD;
    const uint8_t *get_response = (const uint8_t *)"\x00\xC0\x00\x00\x02";
    const uint8_t *read = (const uint8_t *)"\x00\xB0\x00\x00\x02";
    const uint8_t *envelope = (const uint8_t *)"\x00\xC2\x00\x00\x08\x00\xD6\x00\x00\x00\x01\x00\xAA";
    const uint8_t *end = (const uint8_t *)"\x00\xC2\x00\x00\x00";

    t0_apdu_icc_reset(x);
    ck_assert(!t0_apdu_icc_direction(x, get_response, &direction));
    ck_assert(!t0_apdu_icc_direction(x, read, &direction));
    ck_assert(!t0_apdu_icc_direction(x, end, &direction));
    give_tpdu(x, read, 5, true, 0);
    ck_assert(t0_apdu_icc_answer(x, (const uint8_t *)"\x01\x90\x00", 3));
    ck_assert(t0_apdu_icc_direction(x, read, &direction));
    ck_assert_int_eq(direction, T0_FROM_CARD);
    ck_assert(!t0_apdu_icc_direction(x, get_response, &direction));
    give_tpdu(x, (const uint8_t *)"\x00\xA4\x00\x00\x00", 5, false, 0);
    ck_assert(t0_apdu_icc_answer(x, (const uint8_t *)"\x01\x90\x00", 3));
    direction = T0_TO_CARD;
    ck_assert(t0_apdu_icc_direction(x, get_response, &direction));
    ck_assert_int_eq(direction, T0_FROM_CARD);
    ck_assert(!t0_apdu_icc_direction(x, read, &direction));
    ck_assert(t0_apdu_icc_direction(x, envelope, &direction));
    ck_assert_int_eq(direction, T0_TO_CARD);
    give_tpdu(x, envelope, 13, false, 0);
    assert_step(x, STEP_DONE, "9000");
    direction = T0_FROM_CARD;
    ck_assert(t0_apdu_icc_direction(x, end, &direction));
    ck_assert_int_eq(direction, T0_TO_CARD);
    /* a TPDU whose length is wrong */
    give_tpdu(x, read, 5, false, 0);
    assert_step(x, STEP_DONE, "6700");
    free(x);
}
END_TEST

/* Responses at the bounds of what one TPDU carries. */
START_TEST(icc_long_responses)
{
    static const struct {
        const char *tpdu;
        bool from_card;
        size_t length;
        const char *status; /* of the first answer */
        size_t data;        /* in the first answer */
    } rows[] = {
        {"00B0000000", true, 256, "9000", 256},    {"00B0000000", true, 257, "6101", 256},
        {"00B0000000", true, 512, "6100", 256},    {"00B0000000", true, 65536, "6100", 256},
        {"00B0000000", true, 255, "6CFF", 0},      {"00B00000FF", true, 256, "6101", 255},
        {"00B00000FF", true, 600, "6100", 255},    {"00A4000001AA", false, 255, "61FF", 0},
        {"00A4000001AA", false, 256, "6100", 0},   {"00A4000001AA", false, 257, "6100", 0},
        {"00A4000001AA", false, 65536, "6100", 0},
    };
    struct t0_apdu_icc *x = exact(sizeof *x);
    uint8_t *response = exact(T0_APDU_RESPONSE_MAX);
    uint8_t bytes[16], status[2];
    struct step step;
    size_t length, at;

    for (int i = 0; i < COUNT(rows); i++) {
        for (size_t k = 0; k < rows[i].length; k++)
            response[k] = (uint8_t)(k * 13 + (k >> 8));
        memcpy(response + rows[i].length, "\x90\x00", 2);
        t0_apdu_icc_reset(x);
        length = from_hex(rows[i].tpdu, bytes, sizeof bytes);
        give_tpdu(x, bytes, length, rows[i].from_card, 0);
        ck_assert(t0_apdu_icc_answer(x, response, rows[i].length + 2));
        t0_apdu_icc_next(x, &step);
        ck_assert_int_eq(step.kind, STEP_DONE);
        from_hex(rows[i].status, status, 2);
        ck_assert_uint_eq(step.length, rows[i].data + 2);
        ck_assert_mem_eq(step.bytes + rows[i].data, status, 2);
        ck_assert_mem_eq(step.bytes, response, rows[i].data);
        at = rows[i].data;
        while (step.bytes[step.length - 2] != 0x90) {
            uint8_t more[5] = {0, 0xC0, 0, 0, step.bytes[step.length - 1]};

            if (step.bytes[step.length - 2] == 0x6C)
                memcpy(more, bytes, 4);
            give_tpdu(x, more, 5, true, 0);
            t0_apdu_icc_next(x, &step);
            ck_assert_int_eq(step.kind, STEP_DONE);
            ck_assert_uint_gt(step.length, 2);
            ck_assert_mem_eq(step.bytes, response + at, step.length - 2);
            at += step.length - 2;
        }
        ck_assert_uint_eq(at, rows[i].length);
    }
    free(x);
    free(response);
}
END_TEST

int main(void)
{
    device_side = transcripts_read(TRANSCRIPTS_DIR "/t0-interface-device.txt");
    card_side = transcripts_read(TRANSCRIPTS_DIR "/t0-card.txt");
    Suite *suite = suite_create("t0_apdu");
    TCase *tc = tcase_create("interface device");

    tcase_add_loop_test(tc, each_ifd_apdu, 0, device_side.count);
    tcase_add_test(tc, ifd_apdu_refuses);
    tcase_add_test(tc, classes_of_get_response);
    tcase_add_test(tc, ifd_apdu_endless);
    tcase_add_test(tc, ifd_envelopes);
    suite_add_tcase(suite, tc);

    tc = tcase_create("card");

    tcase_add_loop_test(tc, each_icc_apdu, 0, card_side.count);
    tcase_add_test(tc, icc_envelopes);
    tcase_add_test(tc, icc_directions);
    tcase_add_test(tc, icc_long_responses);
    suite_add_tcase(suite, tc);
    int status = run_suite(suite);
    transcripts_free(&device_side);
    transcripts_free(&card_side);
    return status;
}
