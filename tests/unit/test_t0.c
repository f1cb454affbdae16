/* SPDX-License-Identifier: BSD-3-Clause */
/* T=0: single TPDUs, at the interface device and at the card. */
#include "iso7816/t0.h"
#include "iso7816/t0_apdu.h"
#include "iso7816/timing.h"

#include "bytes.h"
#include "count.h"
#include "run_suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What goes over the line, in order: ">" before what the machine sends, "<" before what it receives. */
struct line_log {
    char text[2048];
    size_t length;
    char side;
};

static void log_bytes(struct line_log *log, char side, const uint8_t *bytes, size_t length)
{
    if (log->side != side) {
        log->length += (size_t)snprintf(log->text + log->length, sizeof log->text - log->length, "%s%c",
                                        log->length > 0 ? " " : "", side);
        log->side = side;
    }
    for (size_t i = 0; i < length; i++) {
        log->length +=
            (size_t)snprintf(log->text + log->length, sizeof log->text - log->length, "%02X", bytes[i]);
        ck_assert_uint_lt(log->length, sizeof log->text);
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
    /* no answer */
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

static void run_ifd(struct t0_ifd *x, const uint8_t *card, size_t card_length, size_t bad_parity_at,
                    struct line_log *log, struct step *step)
{
    size_t at = 0;

    memset(log, 0, sizeof *log);
    t0_ifd_byte(x, 0x90, true); /* too early: ignored */
    t0_ifd_timeout(x);
    for (t0_ifd_next(x, step); step->kind == STEP_SEND || step->kind == STEP_RECEIVE; t0_ifd_next(x, step)) {
        if (step->kind == STEP_SEND) {
            ck_assert_uint_eq(step->guard, 14);
            log_bytes(log, '>', step->bytes, step->length);
        } else if (at < card_length) {
            ck_assert_uint_eq(step->timeout, 9600);
            log_bytes(log, '<', card + at, 1);
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
    size_t length = from_hex(ifd_exchanges[_i].tpdu, bytes, sizeof bytes);
    size_t card_length = from_hex(ifd_exchanges[_i].card, card, sizeof card), result_length;
    struct t0_tpdu tpdu;
    struct t0_ifd x;
    struct step step;
    struct line_log log;

    ck_assert_int_eq(t0_tpdu_decode(bytes, length, &tpdu), T0_TPDU_OK);
    t0_ifd_start(&x, &config, &tpdu);
    memset(bytes, 0, sizeof bytes); /* it was copied */
    run_ifd(&x, card, card_length, SIZE_MAX, &log, &step);
    ck_assert_str_eq(log.text, ifd_exchanges[_i].transcript);
    ck_assert_int_eq(x.reason, ifd_exchanges[_i].reason);
    if (ifd_exchanges[_i].result != NULL) {
        ck_assert_int_eq(step.kind, STEP_DONE);
        result_length = from_hex(ifd_exchanges[_i].result, result, sizeof result);
        ck_assert_uint_eq(step.length, result_length);
        ck_assert_mem_eq(step.bytes, result, result_length);
    } else {
        ck_assert_int_eq(step.kind, STEP_FAILED);
    }
    if (x.reason == T0_BAD_PROCEDURE)
        ck_assert_uint_eq(x.procedure, card[strlen(strrchr(log.text, '<') + 1) / 2 - 1]);
    t0_ifd_byte(&x, 0x00, true);
    t0_ifd_timeout(&x);
    ck_assert_int_eq(x.reason, ifd_exchanges[_i].reason);

    /* with a parity error in each of the card's characters */
    for (size_t i = 0; i < card_length && ifd_exchanges[_i].reason == T0_OK; i++) {
        from_hex(ifd_exchanges[_i].tpdu, bytes, sizeof bytes);
        t0_ifd_start(&x, &config, &tpdu);
        run_ifd(&x, card, card_length, i, &log, &step);
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
    struct line_log log;

    for (size_t i = 0; i < sizeof card; i++)
        card[i] = (uint8_t)(i ^ 0x5A);
    card[0] = 0xB0;
    card[257] = 0x61;
    card[258] = 0x10;
    ck_assert_int_eq(t0_tpdu_decode(bytes, 5, &tpdu), T0_TPDU_OK);
    t0_ifd_start(&x, &config, &tpdu);
    run_ifd(&x, card, sizeof card, SIZE_MAX, &log, &step);
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
    size_t length = from_hex(tpdus[_i].bytes, text, sizeof text);
    uint8_t *bytes = exact(length); /* no more, for AddressSanitizer to see */
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

static void run_icc(struct t0_icc *x, bool take, const uint8_t *ifd, size_t ifd_length, size_t bad_parity_at,
                    const uint8_t *answer, size_t answer_length, struct line_log *log, struct step *step)
{
    size_t at = 0;

    memset(log, 0, sizeof *log);
    ck_assert(!t0_icc_take(x));
    ck_assert(!t0_icc_answer(x, (const uint8_t *)"\x90", 2));
    for (t0_icc_next(x, step); step->kind != STEP_DONE && step->kind != STEP_FAILED; t0_icc_next(x, step)) {
        if (step->kind == STEP_SEND) {
            ck_assert_uint_eq(step->guard, 12);
            log_bytes(log, '>', step->bytes, step->length);
        } else if (step->kind == STEP_RECEIVE && at < ifd_length) {
            ck_assert_uint_eq(step->timeout, TIMING_NEVER);
            log_bytes(log, '<', ifd + at, 1);
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
            ck_assert(t0_icc_answer(x, answer, answer_length));
            ck_assert(!t0_icc_answer(x, answer, answer_length));
        }
    }
}

START_TEST(each_icc_exchange)
{
    const struct t0_icc_config config = {icc_exchanges[_i].ack, icc_exchanges[_i].nulls};
    bool take = icc_exchanges[_i].take;
    uint8_t ifd[300], answer[300];
    size_t ifd_length = from_hex(icc_exchanges[_i].ifd, ifd, sizeof ifd);
    size_t answer_length = from_hex(icc_exchanges[_i].answer, answer, sizeof answer);
    struct t0_icc x;
    struct step step;
    struct line_log log;

    t0_icc_start(&x, &config);
    run_icc(&x, take, ifd, ifd_length, SIZE_MAX, answer, answer_length, &log, &step);
    ck_assert_str_eq(log.text, icc_exchanges[_i].transcript);
    ck_assert_int_eq(x.reason, icc_exchanges[_i].reason);
    ck_assert_int_eq(step.kind, icc_exchanges[_i].reason == T0_OK ? STEP_DONE : STEP_FAILED);
    for (size_t i = 0; i < ifd_length; i++) {
        t0_icc_start(&x, &config);
        run_icc(&x, take, ifd, ifd_length, i, answer, answer_length, &log, &step);
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
    TCase *tc = tcase_create("interface device");

    tcase_add_loop_test(tc, each_ifd_exchange, 0, COUNT(ifd_exchanges));
    tcase_add_test(tc, ifd_256_bytes);
    tcase_add_test(tc, ifd_bad_tpdu);
    suite_add_tcase(suite, tc);

    tc = tcase_create("card");

    tcase_add_loop_test(tc, each_tpdu, 0, COUNT(tpdus));
    tcase_add_loop_test(tc, each_icc_exchange, 0, COUNT(icc_exchanges));
    tcase_add_test(tc, icc_refuses);
    suite_add_tcase(suite, tc);

    tc = tcase_create("texts");

    tcase_add_test(tc, texts_differ);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
