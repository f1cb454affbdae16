/* SPDX-License-Identifier: BSD-3-Clause */
#include "iso7816/apdu.h"
#include "iso7816/hex.h"
#include "iso7816/t0.h"
#include "iso7816/t0_apdu.h"
#include "iso7816/timing.h"

#include "run_suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As ck_assert, for loops that run often: libcheck writes to a pipe for each assertion, right or wrong. */
#define REQUIRE(condition)                                                                                   \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            ck_abort_msg("%s", #condition);                                                                  \
    } while (0)

#define COUNT(array) ((int)(sizeof array / sizeof array[0]))

static size_t unhex(const char *text, uint8_t *out, size_t cap)
{
    size_t len;

    ck_assert_int_eq(hex_decode(text, strlen(text), out, cap, &len, NULL), HEX_OK);
    return len;
}

static uint32_t next_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static void *allocate(size_t size)
{
    void *p = calloc(1, size > 0 ? size : 1);

    ck_assert_ptr_nonnull(p);
    return p;
}

/* What goes over the line, in order: ">" before what the machine sends, "<" before what it receives. */
struct transcript {
    char text[2048];
    size_t length;
    char side;
};

static void note(struct transcript *t, char side, const uint8_t *bytes, size_t length)
{
    if (t->side != side) {
        t->length += (size_t)snprintf(t->text + t->length, sizeof t->text - t->length, "%s%c",
                                      t->length > 0 ? " " : "", side);
        t->side = side;
    }
    for (size_t i = 0; i < length; i++) {
        t->length += (size_t)snprintf(t->text + t->length, sizeof t->text - t->length, "%02X", bytes[i]);
        ck_assert_uint_lt(t->length, sizeof t->text);
    }
}

/* ---- TPDUs, interface device ---- */

static const struct {
    const char *tpdu; /* as an application has it */
    const char *card; /* what the card sends */
    uint32_t null_limit;
    const char *transcript;
    enum t0_reason reason;
    const char *result;
} ifd_exchanges[] = {
    /* case 1 */
    {"00 A4 04 00", "90 00", 0, ">00A4040000 <9000", T0_OK, "9000"},
    {"00 A4 04 00", "60 60 60 6D 00", 3, ">00A4040000 <6060606D00", T0_OK, "6D00"},
    {"00 A4 04 00", "A4 90 00", 0, ">00A4040000 <A49000", T0_OK, "9000"},
    {"00 A4 04 00", "A4 A4 90 00", 0, ">00A4040000 <A4A4", T0_BAD_PROCEDURE, NULL},
    {"00 A4 04 00", "5B", 0, ">00A4040000 <5B", T0_BAD_PROCEDURE, NULL},
    /* case 2 */
    {"00 B0 00 00 02", "B0 11 22 90 00", 0, ">00B0000002 <B011229000", T0_OK, "11229000"},
    {"00 B0 00 00 02", "4F 11 4F 22 90 00", 0, ">00B0000002 <4F114F229000", T0_OK, "11229000"},
    {"00 B0 00 00 03", "4F 60 B0 61 60 62 82", 0, ">00B0000003 <4F60B061606282", T0_OK, "6061606282"},
    {"00 B0 00 00 02", "60 B0 B0 4F 60 90 00", 2, ">00B0000002 <60B0B04F609000", T0_OK, "B04F9000"},
    {"00 B0 00 00 02", "60 60 60 60 90 00", 3, ">00B0000002 <60606060", T0_TOO_MANY_NULLS, NULL},
    {"00 B0 00 00 02", "4F 11 6F 00", 0, ">00B0000002 <4F116F00", T0_OK, "116F00"},
    {"00 B0 00 00 02", "6C 09", 0, ">00B0000002 <6C09", T0_OK, "6C09"},
    {"00 B0 00 00 01", "B0 11 B0 90 00", 0, ">00B0000001 <B011B09000", T0_OK, "119000"},
    {"00 B0 00 00 01", "B0 11 4F", 0, ">00B0000001 <B0114F", T0_BAD_PROCEDURE, NULL},
    /* case 3 */
    {"00 D6 00 00 02 60 90", "D6 90 00", 0, ">00D6000002 <D6 >6090 <9000", T0_OK, "9000"},
    {"00 D6 00 00 03 AA BB CC", "60 29 29 60 D6 60 90 00", 0,
     ">00D6000003 <6029 >AA <29 >BB <60D6 >CC <609000", T0_OK, "9000"},
    {"00 D6 00 00 03 AA BB CC", "29 67 00", 0, ">00D6000003 <29 >AA <6700", T0_OK, "6700"},
    {"00 D6 00 00 02 AA BB", "69 82", 0, ">00D6000002 <6982", T0_OK, "6982"},
    {"00 D6 00 00 01 AA", "D6 61 05", 0, ">00D6000001 <D6 >AA <6105", T0_OK, "6105"},
    {"00 D6 00 00 01 AA", "29 29", 0, ">00D6000001 <29 >AA <29", T0_BAD_PROCEDURE, NULL},
    /* no procedure bytes */
    {"00 B0 00 00 02", "00", 0, ">00B0000002 <00", T0_BAD_PROCEDURE, NULL},
    {"00 B0 00 00 02", "FF", 0, ">00B0000002 <FF", T0_BAD_PROCEDURE, NULL},
    {"00 B0 00 00 02", "B1", 0, ">00B0000002 <B1", T0_BAD_PROCEDURE, NULL},
    {"00 B0 00 00 02", "4E", 0, ">00B0000002 <4E", T0_BAD_PROCEDURE, NULL},
    {"00 B0 00 00 02", "5F", 0, ">00B0000002 <5F", T0_BAD_PROCEDURE, NULL},
    {"00 B0 00 00 02", "70", 0, ">00B0000002 <70", T0_BAD_PROCEDURE, NULL},
    {"00 B0 00 00 02", "8F", 0, ">00B0000002 <8F", T0_BAD_PROCEDURE, NULL},
    {"00 B0 00 00 02", "A0", 0, ">00B0000002 <A0", T0_BAD_PROCEDURE, NULL},
    /* the whole range of SW1 */
    {"00 B0 00 00 02", "61 60", 0, ">00B0000002 <6160", T0_OK, "6160"},
    {"00 B0 00 00 02", "6F 60", 0, ">00B0000002 <6F60", T0_OK, "6F60"},
    {"00 B0 00 00 02", "9F FF", 0, ">00B0000002 <9FFF", T0_OK, "9FFF"},
    /* an INS that looks like SW1 */
    {"00 6A 00 00 02", "6A 86", 0, ">006A000002 <6A86", T0_OK, "6A86"},
    /* mute */
    {"00 A4 04 00", "", 0, ">00A4040000", T0_MUTE, NULL},
    {"00 A4 04 00", "60", 0, ">00A4040000 <60", T0_MUTE, NULL},
    {"00 A4 04 00", "90", 0, ">00A4040000 <90", T0_MUTE, NULL},
    {"00 B0 00 00 02", "B0", 0, ">00B0000002 <B0", T0_MUTE, NULL},
    {"00 B0 00 00 02", "B0 11", 0, ">00B0000002 <B011", T0_MUTE, NULL},
    {"00 B0 00 00 02", "B0 11 22", 0, ">00B0000002 <B01122", T0_MUTE, NULL},
    {"00 B0 00 00 02", "B0 11 22 90", 0, ">00B0000002 <B0112290", T0_MUTE, NULL},
    {"00 D6 00 00 02 AA BB", "29", 0, ">00D6000002 <29 >AA", T0_MUTE, NULL},
    {"00 D6 00 00 02 AA BB", "D6", 0, ">00D6000002 <D6 >AABB", T0_MUTE, NULL},
    {"00 D6 00 00 02 AA BB", "D6 90", 0, ">00D6000002 <D6 >AABB <90", T0_MUTE, NULL},
};

static void run_ifd(struct t0_ifd *x, const uint8_t *card, size_t card_len, size_t bad_parity_at,
                    struct transcript *t, struct step *step)
{
    size_t at = 0;

    memset(t, 0, sizeof *t);
    t0_ifd_byte(x, 0x90, true); /* too early: not heard */
    t0_ifd_timeout(x);
    for (t0_ifd_next(x, step); step->kind == STEP_SEND || step->kind == STEP_RECEIVE; t0_ifd_next(x, step)) {
        if (step->kind == STEP_SEND) {
            ck_assert_uint_eq(step->guard, 14);
            note(t, '>', step->bytes, step->length);
        } else if (at < card_len) {
            ck_assert_uint_eq(step->timeout, 9600);
            note(t, '<', card + at, 1);
            t0_ifd_byte(x, card[at], at != bad_parity_at);
            at++;
        } else {
            t0_ifd_timeout(x);
        }
    }
}

START_TEST(each_ifd_exchange)
{
    const struct t0_ifd_config config = {9600, 14, ifd_exchanges[_i].null_limit};
    uint8_t bytes[300], card[300], result[300];
    size_t length = unhex(ifd_exchanges[_i].tpdu, bytes, sizeof bytes);
    size_t card_len = unhex(ifd_exchanges[_i].card, card, sizeof card), result_len;
    struct t0_tpdu tpdu;
    struct t0_ifd x;
    struct step step;
    struct transcript t;

    ck_assert_int_eq(t0_tpdu_decode(bytes, length, &tpdu), T0_TPDU_OK);
    t0_ifd_start(&x, &config, &tpdu);
    memset(bytes, 0, sizeof bytes); /* it was copied */
    run_ifd(&x, card, card_len, SIZE_MAX, &t, &step);
    ck_assert_str_eq(t.text, ifd_exchanges[_i].transcript);
    ck_assert_int_eq(x.reason, ifd_exchanges[_i].reason);
    if (ifd_exchanges[_i].result != NULL) {
        ck_assert_int_eq(step.kind, STEP_DONE);
        result_len = unhex(ifd_exchanges[_i].result, result, sizeof result);
        ck_assert_uint_eq(step.length, result_len);
        ck_assert_mem_eq(step.bytes, result, result_len);
    } else {
        ck_assert_int_eq(step.kind, STEP_FAILED);
    }
    if (x.reason == T0_BAD_PROCEDURE)
        ck_assert_uint_eq(x.procedure, card[strlen(strrchr(t.text, '<') + 1) / 2 - 1]);
    t0_ifd_byte(&x, 0x00, true);
    t0_ifd_timeout(&x);
    ck_assert_int_eq(x.reason, ifd_exchanges[_i].reason);

    /* with a parity error in each of the card's characters */
    for (size_t i = 0; i < card_len && ifd_exchanges[_i].reason == T0_OK; i++) {
        unhex(ifd_exchanges[_i].tpdu, bytes, sizeof bytes);
        t0_ifd_start(&x, &config, &tpdu);
        run_ifd(&x, card, card_len, i, &t, &step);
        ck_assert_int_eq(step.kind, STEP_FAILED);
        ck_assert_int_eq(x.reason, T0_PARITY);
    }
}
END_TEST

START_TEST(ifd_256_bytes)
{
    const struct t0_ifd_config config = {9600, 14, 0};
    const uint8_t bytes[5] = {0x00, 0xB0, 0x00, 0x00, 0x00};
    uint8_t card[259];
    struct t0_tpdu tpdu;
    struct t0_ifd x;
    struct step step;
    struct transcript t;

    for (size_t i = 0; i < sizeof card; i++)
        card[i] = (uint8_t)(i ^ 0x5A);
    card[0] = 0xB0;
    card[257] = 0x61;
    card[258] = 0x10;
    ck_assert_int_eq(t0_tpdu_decode(bytes, 5, &tpdu), T0_TPDU_OK);
    t0_ifd_start(&x, &config, &tpdu);
    run_ifd(&x, card, sizeof card, SIZE_MAX, &t, &step);
    ck_assert_int_eq(step.kind, STEP_DONE);
    ck_assert_uint_eq(step.length, 258);
    ck_assert_mem_eq(step.bytes, card + 1, 258);
}
END_TEST

START_TEST(ifd_bad_tpdu)
{
    const struct t0_ifd_config config = {9600, 14, 0};
    const uint8_t data[256] = {0};
    const struct t0_tpdu bad[] = {
        {{0, 0xD6, 0, 0, 2}, T0_TO_CARD, data, 1, 0},   {{0, 0xD6, 0, 0, 2}, T0_TO_CARD, data, 3, 0},
        {{0, 0xD6, 0, 0, 0}, T0_TO_CARD, data, 256, 0}, {{0, 0xD6, 0, 0, 2}, T0_TO_CARD, NULL, 0, 0},
        {{0, 0xB0, 0, 0, 2}, T0_FROM_CARD, data, 2, 2},
    };

    for (int i = 0; i < COUNT(bad); i++) {
        struct t0_ifd x;
        struct step step;

        t0_ifd_start(&x, &config, &bad[i]);
        t0_ifd_next(&x, &step);
        ck_assert_int_eq(step.kind, STEP_FAILED);
        ck_assert_int_eq(x.reason, T0_BAD_TPDU);
    }
}
END_TEST

static const struct {
    const char *bytes;
    enum t0_tpdu_result result;
    enum t0_direction direction;
    size_t length;
    uint32_t ne;
} tpdus[] = {
    {"", T0_TPDU_TOO_SHORT, T0_TO_CARD, 0, 0},
    {"00 A4 04", T0_TPDU_TOO_SHORT, T0_TO_CARD, 0, 0},
    {"00 A4 04 00", T0_TPDU_OK, T0_TO_CARD, 0, 0},
    {"00 B0 04 00 00", T0_TPDU_OK, T0_FROM_CARD, 0, 256},
    {"00 B0 04 00 FF", T0_TPDU_OK, T0_FROM_CARD, 0, 255},
    {"00 D6 04 00 01 AA", T0_TPDU_OK, T0_TO_CARD, 1, T0_NE_UNKNOWN},
    {"00 D6 04 00 03 AA BB CC", T0_TPDU_OK, T0_TO_CARD, 3, T0_NE_UNKNOWN},
    {"00 D6 04 00 02 AA", T0_TPDU_DATA_SHORT, T0_TO_CARD, 0, 0},
    {"00 D6 04 00 FF AA", T0_TPDU_DATA_SHORT, T0_TO_CARD, 0, 0},
    {"00 D6 04 00 01 AA 00", T0_TPDU_LE, T0_TO_CARD, 1, 256},
    {"00 D6 04 00 03 AA BB CC 05", T0_TPDU_LE, T0_TO_CARD, 3, 256},
    {"00 D6 04 00 01 AA 00 00", T0_TPDU_DATA_LONG, T0_TO_CARD, 0, 0},
    {"00 D6 04 00 00 00 01 AA", T0_TPDU_DATA_LONG, T0_TO_CARD, 0, 0},
    {"00 D6 04 00 00 AA", T0_TPDU_DATA_LONG, T0_TO_CARD, 0, 0},
};

START_TEST(each_tpdu)
{
    uint8_t text[16], header[5] = {0};
    size_t length = unhex(tpdus[_i].bytes, text, sizeof text);
    uint8_t *bytes = allocate(length); /* no more, for AddressSanitizer to see */
    struct t0_tpdu tpdu;

    memcpy(bytes, text, length);
    ck_assert_int_eq(t0_tpdu_decode(bytes, length, &tpdu), tpdus[_i].result);
    ck_assert_int_eq(tpdu.direction, tpdus[_i].direction);
    ck_assert_uint_eq(tpdu.length, tpdus[_i].length);
    ck_assert_uint_eq(tpdu.ne, tpdus[_i].ne);
    ck_assert_ptr_eq(tpdu.data, tpdus[_i].length > 0 ? bytes + 5 : NULL);
    if (tpdus[_i].result == T0_TPDU_OK || tpdus[_i].result == T0_TPDU_LE)
        memcpy(header, bytes, length < 5 ? length : 5);
    ck_assert_mem_eq(tpdu.header, header, 5);
    free(bytes);
}
END_TEST

/* ---- TPDUs, card ---- */

static const struct {
    enum t0_ack ack;
    uint32_t nulls;
    bool take;
    const char *ifd; /* what the interface device sends */
    const char *answer;
    const char *transcript;
    enum t0_reason reason;
} icc_exchanges[] = {
    /* case 1 */
    {T0_ACK_ALL, 0, true, "00A4040000", "9000", "<00A4040000 >9000", T0_OK},
    {T0_ACK_ALL, 2, true, "00A4040000", "9000", "<00A4040000 >606060609000", T0_OK},
    {T0_ACK_ALL, 2, false, "00A4040000", "9000", "<00A4040000 >60609000", T0_OK},
    /* case 2 */
    {T0_ACK_ALL, 0, false, "00B0000002", "11229000", "<00B0000002 >B011229000", T0_OK},
    {T0_ACK_EACH, 0, false, "00B0000002", "11229000", "<00B0000002 >4F114F229000", T0_OK},
    {T0_ACK_ALL, 1, false, "00B0000002", "11229000", "<00B0000002 >60B011229000", T0_OK},
    {T0_ACK_EACH, 1, false, "00B0000002", "11229000", "<00B0000002 >604F114F229000", T0_OK},
    {T0_ACK_ALL, 0, false, "00B0000002", "116282", "<00B0000002 >4F116282", T0_OK},
    {T0_ACK_ALL, 0, false, "00B0000002", "6C05", "<00B0000002 >6C05", T0_OK},
    {T0_ACK_ALL, 17, false, "00B0000001", "6C05", "<00B0000001 >60606060606060606060606060606060606C05",
     T0_OK},
    /* case 3 */
    {T0_ACK_ALL, 0, true, "00D6000003AABBCC", "9000", "<00D6000003 >D6 <AABBCC >9000", T0_OK},
    {T0_ACK_EACH, 0, true, "00D6000003AABBCC", "9000", "<00D6000003 >29 <AA >29 <BB >29 <CC >9000", T0_OK},
    {T0_ACK_ALL, 1, true, "00D6000002AABB", "6105", "<00D6000002 >60D6 <AABB >606105", T0_OK},
    {T0_ACK_EACH, 1, true, "00D6000002AABB", "6105", "<00D6000002 >6029 <AA >29 <BB >606105", T0_OK},
    {T0_ACK_ALL, 0, false, "00D6000002", "6E00", "<00D6000002 >6E00", T0_OK},
    /* the interface device goes away */
    {T0_ACK_ALL, 0, true, "", "", "", T0_MUTE},
    {T0_ACK_ALL, 0, true, "00D60000", "", "<00D60000", T0_MUTE},
    {T0_ACK_ALL, 0, true, "00D6000003AA", "", "<00D6000003 >D6 <AA", T0_MUTE},
    {T0_ACK_EACH, 0, true, "00D6000003AA", "", "<00D6000003 >29 <AA >29", T0_MUTE},
};

static void run_icc(struct t0_icc *x, bool take, const uint8_t *ifd, size_t ifd_len, size_t bad_parity_at,
                    const uint8_t *answer, size_t answer_len, struct transcript *t, struct step *step)
{
    size_t at = 0;

    memset(t, 0, sizeof *t);
    ck_assert(!t0_icc_take(x));
    ck_assert(!t0_icc_answer(x, (const uint8_t *)"\x90", 2));
    for (t0_icc_next(x, step); step->kind != STEP_DONE && step->kind != STEP_FAILED; t0_icc_next(x, step)) {
        if (step->kind == STEP_SEND) {
            ck_assert_uint_eq(step->guard, 12);
            note(t, '>', step->bytes, step->length);
        } else if (step->kind == STEP_RECEIVE && at < ifd_len) {
            ck_assert_uint_eq(step->timeout, TIMING_NEVER);
            note(t, '<', ifd + at, 1);
            t0_icc_byte(x, ifd[at], at != bad_parity_at);
            at++;
        } else if (step->kind == STEP_RECEIVE) {
            t0_icc_timeout(x);
        } else if (take) {
            ck_assert_uint_eq(step->length, 5);
            ck_assert_mem_eq(step->bytes, ifd, 5);
            ck_assert(t0_icc_take(x));
            take = false;
        } else {
            t0_icc_timeout(x); /* nobody waits: no effect */
            ck_assert_uint_eq(step->length, at);
            ck_assert_mem_eq(step->bytes, ifd, at);
            ck_assert(t0_icc_answer(x, answer, answer_len));
            ck_assert(!t0_icc_answer(x, answer, answer_len));
        }
    }
}

START_TEST(each_icc_exchange)
{
    const struct t0_icc_config config = {icc_exchanges[_i].ack, icc_exchanges[_i].nulls};
    bool take = icc_exchanges[_i].take;
    uint8_t ifd[300], answer[300];
    size_t ifd_len = unhex(icc_exchanges[_i].ifd, ifd, sizeof ifd);
    size_t answer_len = unhex(icc_exchanges[_i].answer, answer, sizeof answer);
    struct t0_icc x;
    struct step step;
    struct transcript t;

    t0_icc_start(&x, &config);
    run_icc(&x, take, ifd, ifd_len, SIZE_MAX, answer, answer_len, &t, &step);
    ck_assert_str_eq(t.text, icc_exchanges[_i].transcript);
    ck_assert_int_eq(x.reason, icc_exchanges[_i].reason);
    ck_assert_int_eq(step.kind, icc_exchanges[_i].reason == T0_OK ? STEP_DONE : STEP_FAILED);
    for (size_t i = 0; i < ifd_len; i++) {
        t0_icc_start(&x, &config);
        run_icc(&x, take, ifd, ifd_len, i, answer, answer_len, &t, &step);
        ck_assert_int_eq(step.kind, STEP_FAILED);
        ck_assert_int_eq(x.reason, T0_PARITY);
    }
}
END_TEST

START_TEST(icc_refuses)
{
    const struct t0_icc_config config = {T0_ACK_ALL, 0};
    const uint8_t answer[259] = {0};
    struct t0_icc x;
    struct step step;

    for (unsigned p3 = 0; p3 < 256; p3++) {
        size_t most = p3 == 0 ? 256 : p3;
        const uint8_t header[5] = {0, 0xB0, 0, 0, (uint8_t)p3};

        t0_icc_start(&x, &config);
        for (int i = 0; i < 5; i++)
            t0_icc_byte(&x, header[i], true);
        ck_assert(!t0_icc_answer(&x, answer, 0));
        ck_assert(!t0_icc_answer(&x, answer, 1));
        ck_assert(!t0_icc_answer(&x, answer, most + 3));
        ck_assert(t0_icc_answer(&x, answer, most + 2));
        t0_icc_next(&x, &step);
        ck_assert_int_eq(step.kind, STEP_SEND);
        ck_assert_uint_eq(step.length, most + 1);
    }
    /* no data after data */
    t0_icc_start(&x, &config);
    for (int i = 0; i < 5; i++)
        t0_icc_byte(&x, (uint8_t) "\x00\xD6\x00\x00\x00"[i], true);
    ck_assert(t0_icc_take(&x));
    t0_icc_next(&x, &step);
    ck_assert_int_eq(step.kind, STEP_PROCESS);
    ck_assert(!t0_icc_take(&x));
    ck_assert(!t0_icc_answer(&x, answer, 1));
    ck_assert(!t0_icc_answer(&x, answer, 3));
    ck_assert(t0_icc_answer(&x, answer, 2));
}
END_TEST

/* ---- APDUs, interface device ---- */

/* A run: the command, then TPDUs and their results in turn, then what the application gets. */
static const char *const ifd_apdus[][16] = {
    /* case 1 */
    {"00A40400", "00A4040000", "9000", "=9000"},
    {"00A40400", "00A4040000", "6105", "=6105"},
    {"00A40400", "00A4040000", "6C05", "=6C05"},
    /* case 2S.1, 2S.2, 2S.3, 2S.4 */
    {"00B0000002", "00B0000002<", "11229000", "=11229000"},
    {"00B0000002", "00B0000002<", "116282", "=116282"},
    {"00B0000002", "00B0000002<", "6700", "=6700"},
    {"00B0000000", "00B0000000<", "6C02", "00B0000002<", "11229000", "=11229000"},
    {"00B0000001", "00B0000001<", "6C02", "00B0000002<", "11229000", "=119000"},
    {"00B0000001", "00B0000001<", "6C00", "00B0000000<", "6A82", "=6A82"},
    {"00B0000002", "00B0000002<", "9F05", "=9F05"},
    {"00B0000000", "00B0000000<", "6C02", "00B0000002<", "6C03", "=6C03"},
    {"00B0000002", "00B0000002<", "11226C05", "=11226C05"},
    /* case 2 with 61XX */
    {"00B0000000", "00B0000000<", "6102", "00C0000002<", "11229000", "=11229000"},
    {"00B0000003", "00B0000003<", "116109", "00C0000002<", "22336107", "=1122336107"},
    {"00B0000002", "00B0000002<", "11226109", "=11226109"},
    {"00B0000000", "00B0000000<", "6C02", "00B0000002<", "6104", "00C0000004<", "6C01", "00C0000001<",
     "119000", "=119000"},
    /* case 3S */
    {"00D6000001AA", "00D6000001AA", "9000", "=9000"},
    {"00D6000001AA", "00D6000001AA", "6105", "=6105"},
    {"00D6000001AA", "00D6000001AA", "6C05", "=6C05"},
    /* case 4S.1 */
    {"00A4000001AA05", "00A4000001AA", "6A82", "=6A82"},
    {"00A4000001AA05", "00A4000001AA", "6C02", "=6C02"},
    /* case 4S.2 */
    {"00A4000001AA05", "00A4000001AA", "9000", "00C0000005<", "11223344559000", "=11223344559000"},
    {"00A4000001AA00", "00A4000001AA", "9000", "00C0000000<", "6C01", "00C0000001<", "116283", "=116283"},
    {"00A4000001AA00", "00A4000001AA", "9000", "00C0000000<", "6985", "=9000"},
    {"00A4000001AA00", "00A4000001AA", "9000", "00C0000000<", "6C00", "00C0000000<", "6F00", "=9000"},
    {"00A4000001AA00", "00A4000001AA", "9000", "00C0000000<", "9000", "=9000"},
    {"00A4000001AA00", "00A4000001AA", "9000", "00C0000000<", "6101", "00C0000001<", "6F00", "=6F00"},
    /* case 4S.3 */
    {"00A4000001AA05", "00A4000001AA", "6102", "00C0000002<", "11229000", "=11229000"},
    {"00A4000001AA01", "00A4000001AA", "6102", "00C0000001<", "116101", "=116101"},
    {"00A4000001AA05", "00A4000001AA", "6102", "00C0000002<", "11226102", "00C0000002<", "33449000",
     "=112233449000"},
    {"00A4000001AA00", "00A4000001AA", "6100", "00C0000000<", "6C01", "00C0000001<", "119000", "=119000"},
    {"00A4000001AA01", "00A4000001AA", "6105", "00C0000001<", "6C05", "00C0000005<", "11223344559000",
     "=119000"},
    {"00A4000001AA05", "00A4000001AA", "6102", "00C0000002<", "6F00", "=6F00"},
    {"00A4000001AA05", "00A4000001AA", "6102", "00C0000002<", "116105", "00C0000004<", "6F00", "=116F00"},
    /* case 4S.4 */
    {"00A4000001AA05", "00A4000001AA", "6283", "=6283"},
    {"00A4000001AA05", "00A4000001AA", "6300", "=6300"},
    {"00A4000001AA05", "00A4000001AA", "9F02", "=9F02"},
    {"00A4000001AA05", "00A4000001AA", "9001", "=9001"},
    /* class of GET RESPONSE */
    {"1FA4000001AA05", "1FA4000001AA", "6101", "03C0000001<", "119000", "=119000"},
    {"7FA4000001AA05", "7FA4000001AA", "6101", "4FC0000001<", "119000", "=119000"},
    {"84A4000001AA05", "84A4000001AA", "6101", "00C0000001<", "119000", "=119000"},
    {"92A4000001AA05", "92A4000001AA", "6101", "02C0000001<", "119000", "=119000"},
    {"EBA4000001AA05", "EBA4000001AA", "6101", "4BC0000001<", "119000", "=119000"},
    {"A3A4000001AA05", "A3A4000001AA", "6101", "00C0000001<", "119000", "=119000"},
    {"FFA4000001AA05", "FFA4000001AA", "6101", "00C0000001<", "119000", "=119000"},
    {"2CA4000001AA05", "2CA4000001AA", "6101", "00C0000001<", "119000", "=119000"},
    /* case 2E, 3E, 4E that fit a TPDU */
    {"00B00000000002", "00B0000002<", "11229000", "=11229000"},
    {"00B00000000100", "00B0000000<", "6C01", "00B0000001<", "119000", "=119000"},
    {"00B00000000101", "00B0000000<", "6C01", "00B0000001<", "119000", "=119000"},
    {"00B00000000000", "00B0000000<", "6700", "=6700"},
    {"00B00000000000", "00B0000000<", "116102", "00C0000002<", "22339000", "=1122339000"},
    {"00D6000000000101", "00D600000101", "9000", "=9000"},
    {"00D60000000001010100", "00D600000101", "9000", "00C0000000<", "6C01", "00C0000001<", "119000",
     "=119000"},
    {"00D60000000001010000", "00D600000101", "6101", "00C0000001<", "119000", "=119000"},
};

static void assert_tpdu(const struct t0_tpdu *tpdu, const char *text)
{
    uint8_t bytes[300];
    bool from_card = text[strlen(text) - 1] == '<';
    size_t len;

    ck_assert_int_eq(hex_decode(text, strlen(text) - from_card, bytes, sizeof bytes, &len, NULL), HEX_OK);
    ck_assert_int_eq(tpdu->direction, from_card ? T0_FROM_CARD : T0_TO_CARD);
    ck_assert_mem_eq(tpdu->header, bytes, 5);
    ck_assert_uint_eq(tpdu->length, len - 5);
    if (len > 5)
        ck_assert_mem_eq(tpdu->data, bytes + 5, len - 5);
}

START_TEST(each_ifd_apdu)
{
    const char *const *p = ifd_apdus[_i];
    struct t0_apdu_ifd *x = allocate(sizeof *x);
    uint8_t bytes[300];
    struct t0_tpdu tpdu;
    size_t len = unhex(*p++, bytes, sizeof bytes);

    memset(x, 0xA5, sizeof *x);
    t0_apdu_ifd_start(x, T0_APDU_CLASS_INTERINDUSTRY, bytes, len);
    for (; (*p)[0] != '='; p += 2) {
        ck_assert(t0_apdu_ifd_next(x, &tpdu));
        assert_tpdu(&tpdu, p[0]);
        len = unhex(p[1], bytes, sizeof bytes);
        t0_apdu_ifd_result(x, bytes, len);
    }
    ck_assert(!t0_apdu_ifd_next(x, &tpdu));
    ck_assert_int_eq(x->reason, T0_APDU_OK);
    len = unhex(*p + 1, bytes, sizeof bytes);
    ck_assert_uint_eq(x->response_length, len);
    ck_assert_mem_eq(x->response, bytes, len);
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
    struct t0_apdu_ifd *x = allocate(sizeof *x);
    uint8_t *bytes = allocate(APDU_COMMAND_MAX + 1);
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
    struct t0_apdu_ifd *x = allocate(sizeof *x);
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
    struct t0_apdu_ifd *x = allocate(sizeof *x);
    uint8_t *bytes = allocate(APDU_COMMAND_MAX), *got = allocate(APDU_COMMAND_MAX);
    static const size_t ncs[] = {256, 501, 502, 503, 504, 756, 757, 758, 759, 65534, 65535};
    struct t0_tpdu tpdu = {.length = 0};
    size_t len, at, count;

    for (size_t i = 0; i < sizeof ncs / sizeof ncs[0]; i++) {
        for (size_t j = 0; j < 3; j++) {
            const uint32_t ne = (const uint32_t[]){0, 1, 65536}[j];
            struct apdu_command command = {
                .cla = 0x91, .ins = 0xD6, .data = bytes + 7, .nc = ncs[i], .ne = ne};

            command.kind = ne > 0 ? APDU_CASE_4E : APDU_CASE_3E;
            for (size_t k = 0; k < ncs[i]; k++)
                bytes[7 + k] = (uint8_t)(k * 11);
            ck_assert_int_eq(apdu_encode(&command, bytes, APDU_COMMAND_MAX, &len), APDU_OK);
            t0_apdu_ifd_start(x, T0_APDU_CLASS_INTERINDUSTRY, bytes, len);
            for (at = 0, count = 0; at < len; count++) {
                REQUIRE(t0_apdu_ifd_next(x, &tpdu));
                REQUIRE(memcmp(tpdu.header, "\x01\xC2\x00\x00", 4) == 0);
                REQUIRE(tpdu.direction == T0_TO_CARD);
                REQUIRE(tpdu.header[4] == tpdu.length);
                memcpy(got + at, tpdu.data, tpdu.length);
                at += tpdu.length;
                if (at < len)
                    t0_apdu_ifd_result(x, (const uint8_t *)"\x90\x00", 2);
            }
            ck_assert_uint_eq(at, len);
            ck_assert_mem_eq(got, bytes, len);
            ck_assert_uint_eq(count, (len + 254) / 255);
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
    t0_apdu_ifd_start(x, T0_APDU_CLASS_INTERINDUSTRY, bytes, len);
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

/*
 * A run: "TPDU" or "TPDU<" (from the card), perhaps with "@Ne", then "!command" for the script and its response,
 * then the answer.
 */
static const char *const icc_apdus[][24] = {
    /* as it comes */
    {"00A4040000", "!00A40400", "9000", "9000"},
    {"00A4040000", "!00A40400", "1122 9000", "6102", "00C0000002<", "11229000"},
    {"00D6000001AA", "!00D6000001AA", "9000", "9000"},
    {"00B0000002<", "!00B0000002", "1122 9000", "11229000"},
    {"00B0000002<", "!00B0000002", "6A82", "6A82"},
    {"00B0000002<", "!00B0000002", "9000", "9000"},
    /* status words of the script's own */
    {"00B0000002<", "!00B0000002", "6C05", "6C05", "00B0000005<", "!00B0000005", "1122334455 9000",
     "11223344559000"},
    {"00A4000001AA", "!00A4000001AA", "6105", "6105", "00C0000005<", "!00C0000005", "1122334455 9000",
     "11223344559000"},
    {"A0A4000001AA", "!A0A4000001AA", "9F05", "9F05", "A0C0000005<", "!A0C0000005", "1122334455 9000",
     "11223344559000"},
    /* 6C: again with the right P3, once */
    {"00B0000000<", "!00B0000000", "1122 6282", "6C02", "00B0000002<", "11226282", "00B0000002<",
     "!00B0000002", "3344 9000", "33449000"},
    {"00B0000003<", "!00B0000003", "1122 9000", "6C02", "00B0000001<", "!00B0000001", "6A82", "6A82"},
    {"00B0000003<", "!00B0000003", "1122 9000", "6C02", "00B0000102<", "!00B0000102", "6A82", "6A82",
     "00B0000002<", "!00B0000002", "6A83", "6A83"},
    {"00B0000003<", "!00B0000003", "1122 9000", "6C02", "00C0000002<", "!00C0000002", "6985", "6985"},
    /* more than P3: nothing is lost */
    {"00B0000001<", "!00B0000001", "112233 6282", "116102", "00C0000001<", "226101", "00C0000001<", "336282"},
    {"00B0000001<", "!00B0000001", "112233 9000", "116102", "00B0000002<", "!00B0000002", "44 9000", "6C01",
     "00B0000001<", "449000", "00C0000002<", "!00C0000002", "6985", "6985"},
    /* an Ne that T=0 does not carry */
    {"00A4000001AA@2", "!00A4000001AA02", "1122 6101", "6102", "00C0000002<", "11226101", "00C0000001<",
     "!00C0000001", "33 9000", "339000"},
    {"00A4000001AA@256", "!00A4000001AA00", "1122 9000", "6102", "00C0000002<", "11229000"},
    {"00A4000001AA@257", "!00A4000000 0001AA 0101", "1122 9000", "6102", "00C0000002<", "11229000"},
    {"00A4000001AA@65536", "!00A4000000 0001AA 0000", "9000", "9000"},
    {"00B0000000<@65536", "!00B00000 000000", "1122 9000", "6C02", "00B0000002<", "11229000"},
    {"00B0000000<@300", "!00B00000 00012C", "6A82", "6A82"},
    {"00B0000002<@1", "!00B0000002", "6A82", "6A82"},
    {"00B0000002<@4294967295", "!00B00000 000000", "6A82", "6A82"},
    /* 61: in pieces, with any class, dropped by another command */
    {"00A4000001AA", "!00A4000001AA", "112233 9000", "6103", "00C0000001<", "116102", "00C0000003<", "6C02",
     "00C0000000<", "6C02", "00C0000002<", "22339000", "00C0000001<", "!00C0000001", "6985", "6985"},
    {"80A4000001AA", "!80A4000001AA", "112233 6283", "6103", "00C0000003<", "1122336283"},
    {"00A4000001AA", "!00A4000001AA", "112233 9000", "6103", "00C0000103<", "!00C0000103", "6A86", "6A86",
     "00C0000003<", "!00C0000003", "6985", "6985"},
    {"00A4000001AA", "!00A4000001AA", "112233 9000", "6103", "00B0000001<", "!00B0000001", "44 9000",
     "449000", "00C0000003<", "!00C0000003", "6985", "6985"},
    /* 9000 of what may be a case 4 */
    {"00A4000001AA", "!00A4000001AA", "9000", "9000", "00C0000000<", "9000", "00C0000000<", "!00C0000000",
     "6985", "6985"},
    {"00A4000001AA", "!00A4000001AA", "9001", "9001", "00C0000000<", "!00C0000000", "6985", "6985"},
    {"00A4040000", "!00A40400", "9000", "9000", "00C0000000<", "!00C0000000", "6985", "6985"},
    {"00B0000002<", "!00B0000002", "9000", "9000", "00C0000000<", "!00C0000000", "6985", "6985"},
    /* ENVELOPE of its own: too short, short Lc, Lc below 256, other class, other P1 */
    {"00C2000004D1020102", "!00C2000004D1020102", "9000", "9000"},
    {"00C200000800D600000201AABB", "!00C200000800D600000201AABB", "9000", "9000"},
    {"00C200000800D60000000001AA", "!00C200000800D60000000001AA", "9000", "9000"},
    {"80C200000800D60000000100AA", "!80C200000800D60000000100AA", "9000", "9000"},
    {"00C201000800D60000000100AA", "!00C201000800D60000000100AA", "9000", "9000"},
    {"00C2000000", "!00C20000", "9000", "9000"},
    /* ENVELOPE that ends too early, and one that another command drops */
    {"00C200000800D60000000100AA", "9000", "00C2000000", "6700", "00C2000000", "!00C20000", "6F00", "6F00"},
    {"00C200000800D60000000100AA", "9000", "00B0000001<", "!00B0000001", "44 9000", "449000", "00C2000001AA",
     "!00C2000001AA", "6F00", "6F00"},
    {"00A4000001AA", "!00A4000001AA", "112233 9000", "6103", "00C200000800D60000000100AA", "9000",
     "00C0000003<", "!00C0000003", "6985", "6985"},
    {"00C200000700D60000000100", "!00C200000700D60000000100", "9000", "9000"},
};

static void give_tpdu(struct t0_apdu_icc *x, const uint8_t *bytes, size_t len, bool from_card, uint32_t ne)
{
    struct t0_tpdu tpdu = {.direction = from_card ? T0_FROM_CARD : T0_TO_CARD, .length = len - 5, .ne = ne};

    memcpy(tpdu.header, bytes, 5);
    tpdu.data = len > 5 ? bytes + 5 : NULL;
    t0_apdu_icc_command(x, &tpdu);
}

static void assert_step(struct t0_apdu_icc *x, enum step_kind kind, const char *text)
{
    uint8_t bytes[300];
    size_t len = unhex(text, bytes, sizeof bytes);
    struct step step;

    t0_apdu_icc_next(x, &step);
    ck_assert_int_eq(step.kind, kind);
    ck_assert_uint_eq(step.length, len);
    ck_assert_mem_eq(step.bytes, bytes, len);
}

START_TEST(each_icc_apdu)
{
    struct t0_apdu_icc *x = allocate(sizeof *x);
    uint8_t bytes[300];
    struct step step;

    memset(x, 0xA5, sizeof *x);
    t0_apdu_icc_reset(x);
    ck_assert(!t0_apdu_icc_answer(x, bytes, 2));
    for (const char *const *p = icc_apdus[_i]; *p != NULL;) {
        size_t digits = strcspn(*p, "<@"), len;
        bool from_card = (*p)[digits] == '<';
        const char *ne = strchr(*p, '@');
        enum t0_direction direction;

        ck_assert_int_eq(hex_decode(*p, digits, bytes, sizeof bytes, &len, NULL), HEX_OK);
        if (t0_apdu_icc_direction(x, bytes, &direction))
            ck_assert_int_eq(direction, from_card ? T0_FROM_CARD : T0_TO_CARD);
        give_tpdu(x, bytes, len, from_card, ne != NULL ? (uint32_t)strtoul(ne + 1, NULL, 10) : 0);
        p++;
        if ((*p)[0] == '!') {
            assert_step(x, STEP_PROCESS, *p++ + 1);
            len = unhex(*p++, bytes, sizeof bytes);
            ck_assert(!t0_apdu_icc_answer(x, bytes, 1));
            ck_assert(!t0_apdu_icc_answer(x, bytes, T0_APDU_RESPONSE_MAX + 1));
            ck_assert(t0_apdu_icc_answer(x, bytes, len));
        }
        ck_assert(!t0_apdu_icc_answer(x, bytes, 2));
        assert_step(x, STEP_DONE, *p++);
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
    struct t0_apdu_icc *x = allocate(sizeof *x);
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
    struct t0_apdu_icc *x = allocate(sizeof *x);
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
    struct t0_apdu_icc *x = allocate(sizeof *x);
    uint8_t *response = allocate(T0_APDU_RESPONSE_MAX);
    uint8_t bytes[16], status[2];
    struct step step;
    size_t len, at;

    for (int i = 0; i < COUNT(rows); i++) {
        for (size_t k = 0; k < rows[i].length; k++)
            response[k] = (uint8_t)(k * 13 + (k >> 8));
        memcpy(response + rows[i].length, "\x90\x00", 2);
        t0_apdu_icc_reset(x);
        len = unhex(rows[i].tpdu, bytes, sizeof bytes);
        give_tpdu(x, bytes, len, rows[i].from_card, 0);
        ck_assert(t0_apdu_icc_answer(x, response, rows[i].length + 2));
        t0_apdu_icc_next(x, &step);
        ck_assert_int_eq(step.kind, STEP_DONE);
        unhex(rows[i].status, status, 2);
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

/* ---- both ends together ---- */

struct ends {
    struct t0_apdu_ifd ifd;
    struct t0_apdu_icc icc;
    /* what the script saw, and what it says */
    uint8_t seen[APDU_COMMAND_MAX];
    size_t seen_length;
    unsigned runs;
    uint8_t response[T0_APDU_RESPONSE_MAX];
    size_t response_length;
    uint32_t seed;
};

/* What is pending between the machines of one TPDU: characters that one sent and the other has not had. */
struct wire {
    uint8_t bytes[400];
    size_t length, at;
};

static void wire_send(struct wire *wire, const struct step *step)
{
    REQUIRE(wire->at == wire->length); /* half duplex */
    REQUIRE(step->length <= sizeof wire->bytes);
    memcpy(wire->bytes, step->bytes, step->length);
    wire->length = step->length;
    wire->at = 0;
}

/* The card gets the header or the whole command from t0_icc. */
static void card_process(struct ends *e, struct t0_icc *icc, const struct step *step,
                         enum t0_direction direction, uint32_t ne)
{
    struct t0_tpdu tpdu = {.length = step->length - 5, .ne = ne};
    struct step answer;

    memcpy(tpdu.header, step->bytes, 5);
    tpdu.direction = direction;
    if (!t0_apdu_icc_direction(&e->icc, tpdu.header, &tpdu.direction))
        tpdu.direction = direction;
    REQUIRE(tpdu.direction == direction);
    if (direction == T0_TO_CARD && t0_icc_take(icc))
        return;
    tpdu.data = tpdu.length > 0 ? step->bytes + 5 : NULL;
    t0_apdu_icc_command(&e->icc, &tpdu);
    t0_apdu_icc_next(&e->icc, &answer);
    if (answer.kind == STEP_PROCESS) {
        e->runs++;
        memcpy(e->seen, answer.bytes, answer.length);
        e->seen_length = answer.length;
        REQUIRE(t0_apdu_icc_answer(&e->icc, e->response, e->response_length));
        t0_apdu_icc_next(&e->icc, &answer);
    }
    REQUIRE(answer.kind == STEP_DONE);
    REQUIRE(t0_icc_answer(icc, answer.bytes, answer.length));
}

static void exchange_tpdu(struct ends *e, const struct t0_tpdu *tpdu)
{
    const struct t0_ifd_config ifd_config = {9600, 12, 0};
    const struct t0_icc_config icc_config = {next_random(&e->seed) % 4 == 0 ? T0_ACK_EACH : T0_ACK_ALL,
                                             next_random(&e->seed) % 4 == 0 ? next_random(&e->seed) % 40 : 0};
    struct t0_ifd ifd;
    struct t0_icc icc;
    struct wire to_card = {.length = 0}, from_card = {.length = 0};
    struct step step;
    bool card_waits;

    t0_ifd_start(&ifd, &ifd_config, tpdu);
    t0_icc_start(&icc, &icc_config);
    for (;;) {
        for (t0_ifd_next(&ifd, &step); step.kind == STEP_SEND; t0_ifd_next(&ifd, &step))
            wire_send(&to_card, &step);
        if (step.kind == STEP_DONE)
            break;
        REQUIRE(step.kind == STEP_RECEIVE);
        for (card_waits = false; !card_waits && from_card.at == from_card.length;) {
            t0_icc_next(&icc, &step);
            if (step.kind == STEP_SEND)
                wire_send(&from_card, &step);
            else if (step.kind == STEP_PROCESS)
                card_process(e, &icc, &step, tpdu->direction, tpdu->ne);
            else if (step.kind == STEP_RECEIVE && to_card.at < to_card.length)
                t0_icc_byte(&icc, to_card.bytes[to_card.at++], true);
            else
                card_waits = true;
        }
        REQUIRE(!card_waits);
        t0_ifd_byte(&ifd, from_card.bytes[from_card.at++], true);
    }
    REQUIRE(from_card.at == from_card.length);
    REQUIRE(to_card.at == to_card.length);
    t0_apdu_ifd_result(&e->ifd, step.bytes, step.length);
    t0_icc_next(&icc, &step);
    REQUIRE(step.kind == STEP_DONE);
}

static size_t random_length(uint32_t *seed, size_t max)
{
    switch (next_random(seed) % 32) {
    case 0:
        return next_random(seed) % (max + 1);
    case 1:
        return max - next_random(seed) % 3;
    case 2:
    case 3:
        return 250 + next_random(seed) % 20;
    case 4:
        return 500 + next_random(seed) % 20;
    case 5:
    case 6:
    case 7:
    case 8:
        return next_random(seed) % 300;
    default:
        return next_random(seed) % 20;
    }
}

static uint8_t random_instruction(uint32_t *seed)
{
    for (;;) {
        uint8_t ins = (uint8_t)next_random(seed);

        if ((ins & 0xF0) != 0x60 && (ins & 0xF0) != 0x90 && ins != 0xC0 && ins != 0xC2)
            return ins;
    }
}

/* What the script should see: the command in its shortest form. */
static size_t expected_command(const struct apdu_command *command, const uint8_t *bytes, size_t length,
                               uint8_t *out)
{
    struct apdu_command c = *command;
    size_t len;

    if (c.nc > 255) {
        memcpy(out, bytes, length);
        return length;
    }
    REQUIRE(apdu_shortest_case(c.nc, c.ne, &c.kind) == APDU_OK);
    REQUIRE(apdu_encode(&c, out, APDU_COMMAND_MAX, &len) == APDU_OK);
    return len;
}

/* What the application should get: no more than Ne bytes, and by 61XX how many are left. */
static size_t expected_response(const struct apdu_command *command, const uint8_t *response, size_t length,
                                uint8_t *out)
{
    size_t n = length - 2, ne = command->ne, left;

    if (n <= ne) {
        memcpy(out, response, length);
        return length;
    }
    left = n - ne;
    memcpy(out, response, ne);
    out[ne] = 0x61;
    out[ne + 1] = (uint8_t)(left < 256 ? left : 256);
    return ne + 2;
}

START_TEST(both_ends)
{
    static const uint16_t statuses[] = {0x9000, 0x9000, 0x9000, 0x6283, 0x63C2,
                                        0x6A82, 0x6F00, 0x9F10, 0x9001};
    const char *wanted = getenv("T0_EXCHANGES");
    unsigned long count = wanted != NULL ? strtoul(wanted, NULL, 10) : 50000, bytes_moved = 0;
    struct ends *e = allocate(sizeof *e);
    uint8_t *bytes = allocate(APDU_COMMAND_MAX), *expected = allocate(APDU_COMMAND_MAX);

    e->seed = 0x7816;
    t0_apdu_icc_reset(&e->icc);
    for (unsigned long i = 0; i < count; i++) {
        struct apdu_command c = {.cla = (uint8_t)next_random(&e->seed),
                                 .ins = random_instruction(&e->seed),
                                 .p1 = (uint8_t)next_random(&e->seed),
                                 .p2 = (uint8_t)next_random(&e->seed),
                                 .data = bytes + 7};
        bool extended = next_random(&e->seed) % 2;
        size_t length, len;
        uint16_t status = statuses[next_random(&e->seed) % COUNT(statuses)];
        struct t0_tpdu tpdu;
        unsigned tpdu_count = 0;

        if (next_random(&e->seed) % 2)
            c.nc = random_length(&e->seed, extended ? 65535 : 255) % (extended ? 65536 : 256);
        if (next_random(&e->seed) % 2)
            c.ne = (uint32_t)(random_length(&e->seed, extended ? 65536 : 256) % (extended ? 65537 : 257));
        for (size_t k = 0; k < c.nc; k++)
            bytes[7 + k] = (uint8_t)next_random(&e->seed);
        REQUIRE(apdu_shortest_case(c.nc, c.ne, &c.kind) == APDU_OK);
        if (extended && c.kind >= APDU_CASE_2S && c.kind <= APDU_CASE_4S)
            c.kind = (enum apdu_case)(c.kind + APDU_CASE_2E - APDU_CASE_2S);
        REQUIRE(apdu_encode(&c, bytes, APDU_COMMAND_MAX, &length) == APDU_OK);
        REQUIRE(apdu_decode(bytes, length, &c, NULL) == APDU_OK);

        len = next_random(&e->seed) % 3 == 0 ? 0 : random_length(&e->seed, 65536);
        if (next_random(&e->seed) % 4 == 0)
            len = c.ne;
        for (size_t k = 0; k < len; k++)
            e->response[k] = (uint8_t)next_random(&e->seed);
        e->response[len] = (uint8_t)(status >> 8);
        e->response[len + 1] = (uint8_t)status;
        e->response_length = len + 2;

        e->runs = 0;
        t0_apdu_ifd_start(&e->ifd, T0_APDU_CLASS_INTERINDUSTRY, bytes, length);
        while (t0_apdu_ifd_next(&e->ifd, &tpdu)) {
            exchange_tpdu(e, &tpdu);
            REQUIRE(++tpdu_count < 258 + 257 + 3);
        }
        REQUIRE(e->ifd.reason == T0_APDU_OK);
        REQUIRE(e->runs == 1);
        len = expected_command(&c, bytes, length, expected);
        REQUIRE(e->seen_length == len);
        REQUIRE(memcmp(e->seen, expected, len) == 0);
        len = expected_response(&c, e->response, e->response_length, expected);
        REQUIRE(e->ifd.response_length == len);
        REQUIRE(memcmp(e->ifd.response, expected, len) == 0);
        bytes_moved += length + len;
    }
    printf("T=0: %lu exchanges, %lu bytes, seed 7816\n", count, bytes_moved);
    free(e);
    free(bytes);
    free(expected);
}
END_TEST

/* ---- garbage ---- */

START_TEST(garbage_tpdus)
{
    uint32_t seed = 0xBAD5EED;
    static const uint8_t likely[] = {0x60, 0xB0, 0x4F, 0x61, 0x90, 0x6C, 0x00, 0xC0};

    for (int round = 0; round < 20000; round++) {
        const struct t0_ifd_config ifd_config = {9600, 12, 1 + next_random(&seed) % 8};
        const struct t0_icc_config icc_config = {next_random(&seed) % 2 ? T0_ACK_ALL : T0_ACK_EACH,
                                                 next_random(&seed) % 50};
        uint8_t noise[300];
        struct t0_tpdu tpdu = {.header = {0, 0xB0, 0, 0, (uint8_t)next_random(&seed)}, .data = noise};
        struct t0_ifd ifd;
        struct t0_icc icc;
        struct step step;
        int steps = 0;

        for (size_t i = 0; i < sizeof noise; i++)
            noise[i] = (uint8_t)next_random(&seed);
        tpdu.direction = next_random(&seed) % 2 ? T0_TO_CARD : T0_FROM_CARD;
        tpdu.length = tpdu.direction == T0_TO_CARD ? tpdu.header[4] : 0;
        t0_ifd_start(&ifd, &ifd_config, &tpdu);
        do {
            t0_ifd_next(&ifd, &step);
            t0_ifd_byte(&ifd,
                        next_random(&seed) % 8 ? likely[next_random(&seed) % 3]
                                               : likely[next_random(&seed) % 8],
                        true);
            REQUIRE(++steps < 800);
        } while (step.kind != STEP_DONE && step.kind != STEP_FAILED);

        t0_icc_start(&icc, &icc_config);
        steps = 0;
        do {
            t0_icc_next(&icc, &step);
            t0_icc_byte(&icc, (uint8_t)next_random(&seed), true);
            if (next_random(&seed) % 2)
                t0_icc_take(&icc);
            if (step.kind == STEP_PROCESS)
                t0_icc_answer(&icc, noise, next_random(&seed) % sizeof noise);
            REQUIRE(++steps < 3000);
        } while (step.kind != STEP_DONE && step.kind != STEP_FAILED);
    }
}
END_TEST

/* So many of the bytes to come, each as likely to end a run early as not. */
static size_t some_of(size_t left, uint32_t *seed)
{
    size_t count = 1 + next_random(seed) % (next_random(seed) % 2 ? 5 : left);

    return count < left ? count : left;
}

static void same_step(const struct step *a, const struct step *b)
{
    REQUIRE(a->kind == b->kind && a->length == b->length && a->timeout == b->timeout && a->most == b->most);
    REQUIRE(a->length == 0 || memcmp(a->bytes, b->bytes, a->length) == 0);
    REQUIRE((a->kind == STEP_RECEIVE) == (a->most > 0));
}

/* Two machines each, told the same: one of each character, one of several at once. */
START_TEST(runs_are_as_single_characters)
{
    uint32_t seed = 0x816;
    int done = 0, failed = 0, processed = 0;

    for (int round = 0; round < 50000; round++) {
        const struct t0_ifd_config ifd_config = {9600, 12, 3};
        const struct t0_icc_config icc_config = {T0_ACK_ALL, 0};
        uint8_t bytes[300] = {0};
        struct t0_tpdu tpdu = {.header = {0, 0xB0, 0, 0, (uint8_t)next_random(&seed)},
                               .direction = T0_FROM_CARD};
        struct t0_ifd ifd, single_ifd;
        struct t0_icc icc, single_icc;
        struct step step, single_step;
        size_t count = t0_tpdu_size(tpdu.header, T0_FROM_CARD) + 3, now;
        bool parity_ok = next_random(&seed) % 4 != 0, take = next_random(&seed) % 2;

        for (size_t i = 1; i < count; i++)
            bytes[i] = (uint8_t)(next_random(&seed) >> 4);
        bytes[0] = next_random(&seed) % 8 ? 0xB0 : 0x4F;
        bytes[count - 2] = 0x90;
        count -= next_random(&seed) % 8 ? 0 : next_random(&seed) % count;
        t0_ifd_start(&ifd, &ifd_config, &tpdu);
        t0_ifd_start(&single_ifd, &ifd_config, &tpdu);
        t0_ifd_next(&ifd, &step);
        t0_ifd_next(&single_ifd, &single_step);
        same_step(&step, &single_step);
        for (size_t at = 0; at < count; at += now) {
            now = some_of(count - at, &seed);
            t0_ifd_bytes(&ifd, bytes + at, now, parity_ok || at + now < count);
            for (size_t i = at; i < at + now; i++)
                t0_ifd_byte(&single_ifd, bytes[i], parity_ok || i + 1 < count);
            t0_ifd_next(&ifd, &step);
            t0_ifd_next(&single_ifd, &single_step);
            same_step(&step, &single_step);
            REQUIRE(ifd.reason == single_ifd.reason);
        }
        done += step.kind == STEP_DONE;
        failed += step.kind == STEP_FAILED;

        t0_icc_start(&icc, &icc_config);
        t0_icc_start(&single_icc, &icc_config);
        bytes[4] = (uint8_t)next_random(&seed);
        count = next_random(&seed) % sizeof bytes;
        for (size_t at = 0; at < count; at += now) {
            now = some_of(count - at, &seed);
            t0_icc_bytes(&icc, bytes + at, now, parity_ok || at + now < count);
            for (size_t i = at; i < at + now; i++)
                t0_icc_byte(&single_icc, bytes[i], parity_ok || i + 1 < count);
            t0_icc_next(&icc, &step);
            t0_icc_next(&single_icc, &single_step);
            same_step(&step, &single_step);
            REQUIRE(icc.reason == single_icc.reason);
            if (take)
                REQUIRE(t0_icc_take(&icc) == t0_icc_take(&single_icc));
            processed += step.kind == STEP_PROCESS;
            for (; step.kind == STEP_PROCESS || step.kind == STEP_SEND;) {
                t0_icc_next(&icc, &step);
                t0_icc_next(&single_icc, &single_step);
                same_step(&step, &single_step);
                if (step.kind == STEP_PROCESS)
                    break;
            }
        }
    }
    REQUIRE(done > 1000 && failed > 1000 && processed > 1000);
}
END_TEST

START_TEST(garbage_apdus)
{
    struct t0_apdu_ifd *ifd = allocate(sizeof *ifd);
    struct t0_apdu_icc *icc = allocate(sizeof *icc);
    uint8_t *noise = allocate(T0_APDU_RESPONSE_MAX);
    static const uint8_t sw1s[] = {0x90, 0x61, 0x6C, 0x61, 0x6C, 0x62, 0x60, 0x00};
    static const uint8_t classes[] = {0x00, 0x00, 0x00, 0x80};
    static const uint8_t instructions[] = {0xC0, 0xC2, 0xB0, 0xC2};
    uint32_t seed = 0xBADBEEF;

    for (size_t i = 0; i < T0_APDU_RESPONSE_MAX; i++)
        noise[i] = (uint8_t)next_random(&seed);
    t0_apdu_icc_reset(icc);
    for (int round = 0; round < 20000; round++) {
        uint8_t command[300], result[T0_RESULT_MAX + 4];
        struct t0_tpdu tpdu;
        struct step step;
        unsigned steps = 0;

        for (size_t i = 0; i < sizeof command; i++)
            command[i] = (uint8_t)(next_random(&seed) % 3 ? 0 : next_random(&seed));
        t0_apdu_ifd_start(ifd, T0_APDU_CLASS_INTERINDUSTRY, command, 4 + next_random(&seed) % 12);
        while (t0_apdu_ifd_next(ifd, &tpdu)) {
            size_t len = next_random(&seed) % 4 ? 2 : next_random(&seed) % sizeof result;

            memset(result, 0x33, sizeof result);
            if (len >= 2 && len <= sizeof result) {
                result[len - 2] = sw1s[next_random(&seed) % sizeof sw1s];
                result[len - 1] = (uint8_t)(next_random(&seed) % 3);
            }
            t0_apdu_ifd_result(ifd, result, len);
            REQUIRE(++steps < 66000 * T0_APDU_STALL_MAX);
        }

        tpdu =
            (struct t0_tpdu){.header = {classes[next_random(&seed) % 4], instructions[next_random(&seed) % 4],
                                        0, 0, (uint8_t)next_random(&seed)},
                             .direction = next_random(&seed) % 2 ? T0_TO_CARD : T0_FROM_CARD,
                             .data = command};
        command[4] = 0;
        tpdu.length = tpdu.direction == T0_TO_CARD ? tpdu.header[4] : 0;
        t0_apdu_icc_command(icc, &tpdu);
        t0_apdu_icc_next(icc, &step);
        if (step.kind == STEP_PROCESS && next_random(&seed) % 8 != 0)
            REQUIRE(
                t0_apdu_icc_answer(icc, noise, 2 + next_random(&seed) % (next_random(&seed) % 2 ? 3 : 1000)));
        t0_apdu_icc_next(icc, &step);
        REQUIRE(step.kind == STEP_PROCESS || step.kind == STEP_DONE);
        if (step.kind == STEP_DONE)
            REQUIRE(step.length >= 2 &&
                    step.length <=
                        (tpdu.direction == T0_TO_CARD ? 0 : t0_tpdu_size(tpdu.header, T0_FROM_CARD)) + 2);
    }
    /* ENVELOPE without end */
    t0_apdu_icc_reset(icc);
    memset(noise, 0, 255);
    noise[5] = noise[6] = 0xFF;
    for (int i = 0; i < 600; i++) {
        struct t0_tpdu tpdu = {
            .header = {0, 0xC2, 0, 0, 255}, .direction = T0_TO_CARD, .data = noise, .length = 255};
        struct step step;

        t0_apdu_icc_command(icc, &tpdu);
        t0_apdu_icc_next(icc, &step);
        REQUIRE(step.kind == STEP_DONE);
        /* 257 segments are 65,535 bytes; with the next one the command is too long */
        REQUIRE(step.bytes[0] == (i % 258 == 257 ? 0x67 : 0x90));
    }
    free(ifd);
    free(icc);
    free(noise);
}
END_TEST

START_TEST(texts_differ)
{
    for (int a = T0_OK; a <= T0_TOO_MANY_NULLS; a++) {
        for (int b = a + 1; b <= T0_TOO_MANY_NULLS + 1; b++)
            ck_assert_str_ne(t0_reason_text((enum t0_reason)a), t0_reason_text((enum t0_reason)b));
    }
    for (int a = T0_TPDU_OK; a <= T0_TPDU_DATA_LONG; a++) {
        for (int b = a + 1; b <= T0_TPDU_DATA_LONG + 1; b++)
            ck_assert_str_ne(t0_tpdu_result_text((enum t0_tpdu_result)a),
                             t0_tpdu_result_text((enum t0_tpdu_result)b));
    }
    for (int a = T0_APDU_OK; a <= T0_APDU_ENDLESS; a++) {
        for (int b = a + 1; b <= T0_APDU_ENDLESS + 1; b++)
            ck_assert_str_ne(t0_apdu_reason_text((enum t0_apdu_reason)a),
                             t0_apdu_reason_text((enum t0_apdu_reason)b));
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("t0");
    TCase *tc = tcase_create("tpdu");

    tcase_add_loop_test(tc, each_ifd_exchange, 0, COUNT(ifd_exchanges));
    tcase_add_test(tc, ifd_256_bytes);
    tcase_add_test(tc, ifd_bad_tpdu);
    tcase_add_loop_test(tc, each_tpdu, 0, COUNT(tpdus));
    tcase_add_loop_test(tc, each_icc_exchange, 0, COUNT(icc_exchanges));
    tcase_add_test(tc, icc_refuses);
    tcase_add_test(tc, texts_differ);
    suite_add_tcase(suite, tc);

    tc = tcase_create("apdu");
    tcase_add_loop_test(tc, each_ifd_apdu, 0, COUNT(ifd_apdus));
    tcase_add_test(tc, ifd_apdu_refuses);
    tcase_add_test(tc, classes_of_get_response);
    tcase_add_test(tc, ifd_apdu_endless);
    tcase_add_test(tc, ifd_envelopes);
    tcase_add_loop_test(tc, each_icc_apdu, 0, COUNT(icc_apdus));
    tcase_add_test(tc, icc_envelopes);
    tcase_add_test(tc, icc_directions);
    tcase_add_test(tc, icc_long_responses);
    suite_add_tcase(suite, tc);

    tc = tcase_create("random");
    tcase_set_timeout(tc, 0);
    tcase_add_test(tc, both_ends);
    tcase_add_test(tc, garbage_tpdus);
    tcase_add_test(tc, runs_are_as_single_characters);
    tcase_add_test(tc, garbage_apdus);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
