/* SPDX-License-Identifier: BSD-3-Clause */
#include "iso7816/hex.h"
#include "iso7816/pps.h"
#include "iso7816/timing.h"

#include "bytes.h"
#include "count.h"
#include "next_random.h"
#include "run_suite.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *bytes;
    enum pps_reason reason;
    struct pps pps;
} messages[] = {
    {"FF 00 FF", PPS_OK, {.protocol = 0}},
    {"FF 01 FE", PPS_OK, {.protocol = 1}},
    {"FF 0E F1", PPS_OK, {.protocol = 14}},
    {"FF 10 96 79", PPS_OK, {.protocol = 0, .present = 0x10, .pps1 = 0x96}},
    {"FF 11 18 F6", PPS_OK, {.protocol = 1, .present = 0x10, .pps1 = 0x18}},
    {"FF 21 03 DD", PPS_OK, {.protocol = 1, .present = 0x20, .pps2 = 0x03}},
    {"FF 40 AA 15", PPS_OK, {.protocol = 0, .present = 0x40, .pps3 = 0xAA}},
    {"FF 51 96 01 39", PPS_OK, {.protocol = 1, .present = 0x50, .pps1 = 0x96, .pps3 = 0x01}},
    {"FF 71 96 01 02 1B", PPS_OK, {.protocol = 1, .present = 0x70, .pps1 = 0x96, .pps2 = 1, .pps3 = 2}},
    {"", PPS_TRUNCATED, {0}},
    {"FF", PPS_TRUNCATED, {0}},
    {"FF 00", PPS_TRUNCATED, {0}},
    {"FF 10 96", PPS_TRUNCATED, {0}},
    {"FE", PPS_NOT_PPSS, {0}},
    {"00 FF FF", PPS_NOT_PPSS, {0}},
    {"FF 00 FE", PPS_BAD_PCK, {0}},
    {"FF 10 96 78", PPS_BAD_PCK, {0}},
    {"FF 80 7F", PPS_RFU, {0}},
    {"FF 00 FF 00", PPS_TOO_LONG, {0}},
    {"FF 71 96 01 02 1B 00", PPS_TOO_LONG, {0}},
};

START_TEST(each_message)
{
    uint8_t bytes[8], built[PPS_MAX];
    size_t length = from_hex(messages[_i].bytes, bytes, sizeof bytes);
    const struct pps *expected = &messages[_i].pps;
    struct pps pps;

    ck_assert_int_eq(pps_parse(bytes, length, &pps), messages[_i].reason);
    ck_assert_uint_eq(pps.protocol, expected->protocol);
    ck_assert_uint_eq(pps.present, expected->present);
    ck_assert_uint_eq(pps.pps1, expected->pps1);
    ck_assert_uint_eq(pps.pps2, expected->pps2);
    ck_assert_uint_eq(pps.pps3, expected->pps3);
    if (messages[_i].reason == PPS_OK) {
        ck_assert_uint_eq(pps_build(&pps, built), length);
        ck_assert_mem_eq(built, bytes, length);
        for (size_t i = 0; i <= length; i++)
            ck_assert_uint_eq(pps_missing(bytes, i), i < 2 ? 3 - i : length - i);
    }
}
END_TEST

/* Request, response and what comes of it, ISO/IEC 7816-3:2006, 9.3. */
static const struct {
    const char *request, *response; /* PCK is added when they end in a '+' */
    enum pps_reason reason;
    struct pps_outcome outcome;
} exchanges[] = {
    /* echo */
    {"FF 00 +", "FF 00 +", PPS_OK, {0, 372, 1, 0}},
    {"FF 01 +", "FF 01 +", PPS_OK, {1, 372, 1, 0}},
    {"FF 10 96 +", "FF 10 96 +", PPS_OK, {0, 512, 32, 0}},
    {"FF 11 18 +", "FF 11 18 +", PPS_OK, {1, 372, 12, 0}},
    {"FF 71 94 40 01 +", "FF 71 94 40 01 +", PPS_OK, {1, 512, 8, 0x40}},
    /* left out */
    {"FF 11 18 +", "FF 01 +", PPS_OK, {1, 372, 1, 0}},
    {"FF 71 94 40 01 +", "FF 61 40 01 +", PPS_OK, {1, 372, 1, 0x40}},
    {"FF 71 94 40 01 +", "FF 51 94 01 +", PPS_OK, {1, 512, 8, 0}},
    {"FF 71 94 40 01 +", "FF 31 94 40 +", PPS_OK, {1, 512, 8, 0x40}},
    {"FF 71 94 40 01 +", "FF 01 +", PPS_OK, {1, 372, 1, 0}},
    /* not what was asked for */
    {"FF 11 18 +", "FF 10 18 +", PPS_PROTOCOL_CHANGED, {0}},
    {"FF 01 +", "FF 00 +", PPS_PROTOCOL_CHANGED, {0}},
    {"FF 11 18 +", "FF 11 11 +", PPS_PPS1_CHANGED, {0}},
    {"FF 11 18 +", "FF 11 96 +", PPS_PPS1_CHANGED, {0}},
    {"FF 01 +", "FF 11 11 +", PPS_PPS1_CHANGED, {0}},
    {"FF 01 +", "FF 11 00 +", PPS_PPS1_CHANGED, {0}},
    {"FF 31 18 40 +", "FF 31 18 41 +", PPS_PPS2_CHANGED, {0}},
    {"FF 11 18 +", "FF 31 18 00 +", PPS_PPS2_CHANGED, {0}},
    {"FF 51 18 40 +", "FF 51 18 41 +", PPS_PPS3_CHANGED, {0}},
    {"FF 11 18 +", "FF 51 18 00 +", PPS_PPS3_CHANGED, {0}},
    /* not even a response */
    {"FF 11 18 +", "", PPS_MUTE, {0}},
    {"FF 11 18 +", "FF", PPS_TRUNCATED, {0}},
    {"FF 11 18 +", "FF 11", PPS_TRUNCATED, {0}},
    {"FF 11 18 +", "FF 11 18", PPS_TRUNCATED, {0}},
    {"FF 11 18 +", "FF 11 18 00", PPS_BAD_PCK, {0}},
    {"FF 11 18 +", "3B 11 18 +", PPS_NOT_PPSS, {0}},
    {"FF 11 18 +", "00", PPS_NOT_PPSS, {0}},
    {"FF 11 18 +", "FF 91 18 +", PPS_RFU, {0}},
    {"FF 01 +", "FF 81 +", PPS_RFU, {0}},
    /* what may not be asked for */
    {"FF 11 78 +", NULL, PPS_BAD_REQUEST, {0}},
    {"FF 11 10 +", NULL, PPS_BAD_REQUEST, {0}},
    {"FF 0F +", NULL, PPS_BAD_REQUEST, {0}},
};

static size_t unhex_pck(const char *text, uint8_t *out, size_t capacity)
{
    size_t text_length = strlen(text), length;
    bool pck = text_length > 0 && text[text_length - 1] == '+';

    ck_assert_int_eq(hex_decode(text, text_length - pck, out, capacity - 1, &length, NULL), HEX_OK);
    if (pck) {
        out[length] = 0;
        for (size_t i = 0; i < length; i++)
            out[length] ^= out[i];
        length++;
    }
    return length;
}

static void assert_outcome(const struct pps_outcome *outcome, const struct pps_outcome *expected)
{
    ck_assert_uint_eq(outcome->protocol, expected->protocol);
    ck_assert_uint_eq(outcome->f, expected->f);
    ck_assert_uint_eq(outcome->d, expected->d);
    ck_assert_uint_eq(outcome->spu, expected->spu);
}

START_TEST(each_exchange)
{
    uint8_t request[8], response[8];
    size_t request_length = unhex_pck(exchanges[_i].request, request, sizeof request);
    size_t response_length = 0, at = 0;
    struct pps wanted;
    struct pps_ifd x;
    struct step step;

    if (exchanges[_i].response != NULL)
        response_length = unhex_pck(exchanges[_i].response, response, sizeof response);
    ck_assert_int_eq(pps_parse(request, request_length, &wanted), PPS_OK);
    pps_ifd_start(&x, &wanted, 14);
    pps_ifd_byte(&x, 0xFF, true); /* too early: ignored */
    pps_ifd_timeout(&x);
    pps_ifd_next(&x, &step);
    if (exchanges[_i].reason != PPS_BAD_REQUEST) {
        ck_assert_int_eq(step.kind, STEP_SEND);
        ck_assert_uint_eq(step.guard, 14);
        ck_assert_uint_eq(step.length, request_length);
        ck_assert_mem_eq(step.bytes, request, request_length);
        pps_ifd_next(&x, &step);
        while (step.kind == STEP_RECEIVE) {
            ck_assert_uint_eq(step.timeout, 9600);
            if (at < response_length)
                pps_ifd_byte(&x, response[at++], true);
            else
                pps_ifd_timeout(&x);
            pps_ifd_next(&x, &step);
        }
    }
    ck_assert_int_eq(step.kind, exchanges[_i].reason == PPS_OK ? STEP_DONE : STEP_FAILED);
    ck_assert_int_eq(x.reason, exchanges[_i].reason);
    assert_outcome(&x.outcome, &exchanges[_i].outcome);
    if (step.kind == STEP_DONE) {
        ck_assert_uint_eq(step.length, response_length);
        ck_assert_mem_eq(step.bytes, response, response_length);
    }
    pps_ifd_byte(&x, 0x00, true);
    pps_ifd_timeout(&x);
    ck_assert_int_eq(x.reason, exchanges[_i].reason);
}
END_TEST

START_TEST(ifd_parity)
{
    const struct pps wanted = {.protocol = 1};
    struct pps_ifd x;
    struct step step;

    pps_ifd_start(&x, &wanted, 12);
    pps_ifd_next(&x, &step);
    pps_ifd_byte(&x, 0xFF, true);
    pps_ifd_byte(&x, 0x01, false);
    pps_ifd_next(&x, &step);
    ck_assert_int_eq(step.kind, STEP_FAILED);
    ck_assert_int_eq(x.reason, PPS_PARITY);
}
END_TEST

static const struct {
    const char *request;
    enum pps_answer answer;
    const char *response; /* NULL: none */
    enum pps_reason reason;
    struct pps_outcome outcome;
} cards[] = {
    {"FF 11 18 F6", PPS_ACCEPT, "FF 11 18 F6", PPS_OK, {1, 372, 12, 0}},
    {"FF 11 18 F6", PPS_ACCEPT_DEFAULTS, "FF 01 FE", PPS_OK, {1, 372, 1, 0}},
    {"FF 11 18 F6", PPS_REFUSE, NULL, PPS_REFUSED, {0}},
    {"FF 00 FF", PPS_ACCEPT, "FF 00 FF", PPS_OK, {0, 372, 1, 0}},
    {"FF 00 FF", PPS_ACCEPT_DEFAULTS, "FF 00 FF", PPS_OK, {0, 372, 1, 0}},
    {"FF 71 96 01 02 1B", PPS_ACCEPT, "FF 71 96 01 02 1B", PPS_OK, {1, 512, 32, 1}},
    {"FF 71 96 01 02 1B", PPS_ACCEPT_DEFAULTS, "FF 61 01 02 9D", PPS_OK, {1, 372, 1, 1}},
    {"FF 11 78 96", PPS_ACCEPT, "FF 01 FE", PPS_OK, {1, 372, 1, 0}},
    {"FF 11 18 F7", PPS_ACCEPT, NULL, PPS_BAD_PCK, {0}},
    {"FF 81 7E", PPS_ACCEPT, NULL, PPS_RFU, {0}},
    {"00", PPS_ACCEPT, NULL, PPS_NOT_PPSS, {0}},
    {"A0", PPS_ACCEPT, NULL, PPS_NOT_PPSS, {0}},
    {"", PPS_ACCEPT, NULL, PPS_MUTE, {0}},
    {"FF", PPS_ACCEPT, NULL, PPS_TRUNCATED, {0}},
    {"FF 11 18", PPS_ACCEPT, NULL, PPS_TRUNCATED, {0}},
};

START_TEST(each_card)
{
    uint8_t request[8], response[8];
    size_t request_length = from_hex(cards[_i].request, request, sizeof request);
    size_t response_length = 0, at = 0;
    struct pps_icc x;
    struct step step;

    if (cards[_i].response != NULL)
        response_length = from_hex(cards[_i].response, response, sizeof response);
    pps_icc_start(&x);
    pps_icc_answer(&x, PPS_ACCEPT); /* too early */
    pps_icc_next(&x, &step);
    while (step.kind == STEP_RECEIVE) {
        ck_assert_uint_eq(step.timeout, at == 0 ? TIMING_NEVER : 9600);
        if (at < request_length)
            pps_icc_byte(&x, request[at++], true);
        else
            pps_icc_timeout(&x);
        pps_icc_next(&x, &step);
    }
    ck_assert_uint_eq(at, request_length);
    if (step.kind == STEP_PROCESS) {
        ck_assert_uint_eq(step.length, request_length);
        ck_assert_mem_eq(step.bytes, request, request_length);
        ck_assert_uint_eq(x.request.protocol, request[1] & 15);
        pps_icc_answer(&x, cards[_i].answer);
        pps_icc_next(&x, &step);
    }
    ck_assert_int_eq(x.reason, cards[_i].reason);
    ck_assert_int_eq(step.kind, cards[_i].response != NULL ? STEP_SEND : STEP_FAILED);
    assert_outcome(&x.outcome, &cards[_i].outcome);
    if (step.kind == STEP_SEND) {
        ck_assert_uint_eq(step.guard, 12);
        ck_assert_uint_eq(step.length, response_length);
        ck_assert_mem_eq(step.bytes, response, response_length);
        pps_icc_next(&x, &step);
        ck_assert_int_eq(step.kind, STEP_DONE);
        ck_assert_mem_eq(step.bytes, response, response_length);
    }
}
END_TEST

START_TEST(icc_parity)
{
    struct pps_icc x;
    struct step step;

    pps_icc_start(&x);
    pps_icc_byte(&x, 0xFF, false);
    pps_icc_next(&x, &step);
    ck_assert_int_eq(step.kind, STEP_FAILED);
    ck_assert_int_eq(x.reason, PPS_PARITY);
}
END_TEST

static const struct {
    const char *atr;
    const char *request;
    enum pps_answer answer;
} policies[] = {
    {"3B 10 96", "FF 10 96 79", PPS_ACCEPT},
    {"3B 10 96", "FF 00 FF", PPS_ACCEPT},
    {"3B 10 96", "FF 10 95 7A", PPS_ACCEPT}, /* D between 1 and 32 */
    {"3B 10 96", "FF 10 11 FE", PPS_ACCEPT},
    {"3B 10 96", "FF 10 16 F9", PPS_ACCEPT},
    {"3B 10 96", "FF 10 97 78", PPS_ACCEPT_DEFAULTS}, /* D 64 */
    {"3B 10 96", "FF 10 A1 4E", PPS_ACCEPT_DEFAULTS}, /* F 768 */
    {"3B 10 96", "FF 10 76 99", PPS_ACCEPT_DEFAULTS}, /* reserved */
    {"3B 10 96", "FF 01 FE", PPS_REFUSE},
    {"3B 10 96", "FF 0F F0", PPS_REFUSE},
    {"3B 80 81 21 45 65", "FF 01 FE", PPS_ACCEPT},
    {"3B 80 81 21 45 65", "FF 00 FF", PPS_REFUSE},
    {"3B 80 81 21 45 65", "FF 11 18 F6", PPS_ACCEPT_DEFAULTS},
};

START_TEST(each_policy)
{
    uint8_t bytes[ATR_MAX];
    size_t length = from_hex(policies[_i].atr, bytes, sizeof bytes);
    struct atr atr;
    struct pps request;

    ck_assert_int_eq(atr_parse(bytes, length, &atr, NULL), ATR_OK);
    length = from_hex(policies[_i].request, bytes, sizeof bytes);
    ck_assert_int_eq(pps_parse(bytes, length, &request), PPS_OK);
    ck_assert_int_eq(pps_policy(&request, &atr), policies[_i].answer);
}
END_TEST

START_TEST(garbage)
{
    uint32_t seed = 0x5EED;

    for (int round = 0; round < 20000; round++) {
        struct pps wanted = {.protocol = (uint8_t)next_random(&seed),
                             .present = (uint8_t)next_random(&seed),
                             .pps1 = (uint8_t)next_random(&seed)};
        struct pps_ifd ifd;
        struct pps_icc icc;
        struct step step;
        int steps = 0;

        pps_ifd_start(&ifd, &wanted, 12);
        do {
            pps_ifd_byte(&ifd, next_random(&seed) % 4 ? 0xFF : (uint8_t)next_random(&seed), true);
            pps_ifd_next(&ifd, &step);
            if (++steps > 20)
                ck_abort_msg("no end");
        } while (step.kind != STEP_DONE && step.kind != STEP_FAILED);
        pps_icc_start(&icc);
        steps = 0;
        do {
            pps_icc_byte(&icc, next_random(&seed) % 2 ? 0xFF : (uint8_t)next_random(&seed), true);
            pps_icc_answer(&icc, (enum pps_answer)(next_random(&seed) % 3));
            pps_icc_next(&icc, &step);
            if (++steps > 20)
                ck_abort_msg("no end");
        } while (step.kind != STEP_DONE && step.kind != STEP_FAILED);
    }
}
END_TEST

START_TEST(texts_differ)
{
    for (int a = PPS_OK; a <= PPS_REFUSED; a++) {
        for (int b = a + 1; b <= PPS_REFUSED + 1; b++)
            ck_assert_str_ne(pps_reason_text((enum pps_reason)a), pps_reason_text((enum pps_reason)b));
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pps");
    TCase *tc = tcase_create("pps");

    tcase_add_loop_test(tc, each_message, 0, COUNT(messages));
    tcase_add_loop_test(tc, each_exchange, 0, COUNT(exchanges));
    tcase_add_test(tc, ifd_parity);
    tcase_add_loop_test(tc, each_card, 0, COUNT(cards));
    tcase_add_test(tc, icc_parity);
    tcase_add_loop_test(tc, each_policy, 0, COUNT(policies));
    tcase_add_test(tc, garbage);
    tcase_add_test(tc, texts_differ);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
