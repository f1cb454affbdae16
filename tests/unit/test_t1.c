/* SPDX-License-Identifier: BSD-3-Clause */
/* T=1: the machine, in what transcripts cannot say: its parameters, its calls, times and limits. */
#include "iso7816/t1.h"

#include "bytes.h"
#include "count.h"
#include "run_suite.h"
#include "t1_parameters.h"

#include <check.h>
#include <stdlib.h>

static void receive(struct t1 *t1, const char *hex)
{
    uint8_t bytes[T1_BLOCK_MAX];
    size_t length = from_hex(hex, bytes, sizeof bytes);

    for (size_t i = 0; i < length; i++)
        t1_byte(t1, bytes[i], true);
}

static void assert_sends(struct t1 *t1, const char *hex)
{
    uint8_t bytes[T1_BLOCK_MAX];
    size_t length = from_hex(hex, bytes, sizeof bytes);
    struct step step;

    t1_next(t1, &step);
    ck_assert_int_eq(step.kind, STEP_SEND);
    ck_assert_uint_eq(step.length, length);
    ck_assert_mem_eq(step.bytes, bytes, length);
}

static void assert_waits(struct t1 *t1, uint32_t timeout)
{
    struct step step;

    t1_next(t1, &step);
    ck_assert_int_eq(step.kind, STEP_RECEIVE);
    ck_assert_uint_eq(step.timeout, timeout);
}

static void assert_fails(struct t1 *t1, enum t1_reason reason)
{
    struct step step;

    for (int i = 0; i < 2; i++) {
        t1_next(t1, &step);
        ck_assert_int_eq(step.kind, STEP_FAILED);
        ck_assert_str_eq(t1_reason_text(t1->reason), t1_reason_text(reason));
    }
}

START_TEST(init_refuses)
{
    uint8_t buffer[4];
    struct t1 t1;
    struct t1_parameters good = parameters_for(T1_INTERFACE_DEVICE, buffer, sizeof buffer), bad;

    ck_assert(t1_init(&t1, &good));
#define REFUSES(field, value)                                                                                \
    bad = good;                                                                                              \
    bad.field = value;                                                                                       \
    ck_assert(!t1_init(&t1, &bad))
    REFUSES(ifsc, 0);
    REFUSES(ifsc, 255);
    REFUSES(ifsd, 0);
    REFUSES(ifsd, 255);
    REFUSES(announce_ifsd, 255);
    REFUSES(cwt, 0);
    REFUSES(bwt, 0);
    REFUSES(buffer, NULL);
    REFUSES(nad, 0x11);
    REFUSES(nad, 0x80);
    REFUSES(nad, 0x08);
    bad = good;
    bad.buffer = NULL;
    bad.capacity = 0;
    ck_assert(t1_init(&t1, &bad));
    bad = good;
    bad.role = T1_CARD;
    bad.bwt = 0;
    ck_assert(t1_init(&t1, &bad));
}
END_TEST

START_TEST(calls_at_the_wrong_moment)
{
    uint8_t buffer[8];
    struct t1 device, card;
    struct t1_parameters p = parameters_for(T1_INTERFACE_DEVICE, buffer, sizeof buffer);
    struct step step;

    ck_assert(t1_init(&device, &p));
    p.role = T1_CARD;
    ck_assert(t1_init(&card, &p));

    t1_next(&device, &step);
    ck_assert_int_eq(step.kind, STEP_DONE);
    ck_assert_uint_eq(step.length, 0);
    ck_assert(!t1_listen(&device));
    ck_assert(!t1_answer(&device, buffer, 1));
    ck_assert(!t1_request_wtx(&device, 1));
    ck_assert(!t1_request_abort(&device));
    ck_assert(!t1_request_ifs(&device, 0));
    ck_assert(!t1_request_ifs(&device, 255));
    t1_timeout(&device);
    receive(&device, "00 00 00 00");
    ck_assert(t1_transmit(&device, (const uint8_t *)"\1", 1));
    ck_assert(!t1_transmit(&device, (const uint8_t *)"\2", 1));
    ck_assert(!t1_request_ifs(&device, 40));
    receive(&device, "00 00 00 00"); /* it is not the card's turn */
    t1_timeout(&device);
    assert_sends(&device, "00 00 01 01 00");
    ck_assert(!t1_transmit(&device, (const uint8_t *)"\2", 1));
    receive(&device, "00 00 01 07 06");
    t1_next(&device, &step);
    ck_assert_int_eq(step.kind, STEP_DONE);
    ck_assert_uint_eq(step.length, 1);
    ck_assert(!t1_request_abort(&device));
    /* resynchronising is no task that could be aborted */
    ck_assert(t1_resynchronise(&device));
    ck_assert(!t1_request_abort(&device));

    ck_assert(!t1_transmit(&card, buffer, 1));
    ck_assert(!t1_resynchronise(&card));
    ck_assert(!t1_request_abort(&card));
    ck_assert(t1_listen(&card));
    ck_assert(!t1_listen(&card));
    ck_assert(!t1_answer(&card, buffer, 1));
    ck_assert(!t1_request_wtx(&card, 1));
    ck_assert(!t1_request_ifs(&card, 40));
    t1_timeout(&card);
    assert_waits(&card, T1_NO_TIMEOUT);
    receive(&card, "00 00 00 00");
    t1_next(&card, &step);
    ck_assert_int_eq(step.kind, STEP_PROCESS);
    ck_assert_uint_eq(step.length, 0);
    t1_timeout(&card);
    receive(&card, "00 00 00 00");
    ck_assert(!t1_request_ifs(&card, 0));
    ck_assert(t1_answer(&card, NULL, 0));
    assert_sends(&card, "00 00 00 00");
}
END_TEST

START_TEST(times)
{
    uint8_t buffer[8];
    struct t1 t1;
    struct t1_parameters p = parameters_for(T1_INTERFACE_DEVICE, buffer, sizeof buffer);

    p.bwt = 31457291; /* BWI 9 at D=64 */
    ck_assert(t1_init(&t1, &p));
    ck_assert(t1_transmit(&t1, (const uint8_t *)"\1", 1));
    assert_sends(&t1, "00 00 01 01 00");
    assert_waits(&t1, 31457291);
    receive(&t1, "00 C3 01 02 C0");
    assert_sends(&t1, "00 E3 01 02 E0");
    assert_waits(&t1, 62914582);
    ck_assert_uint_eq(t1.counters.last_multiplier, 2);
    t1_byte(&t1, 0, true);
    assert_waits(&t1, CWT);
    t1_timeout(&t1); /* the block stops short */
    assert_sends(&t1, "00 82 00 82");
    assert_waits(&t1, 31457291); /* the extension was for one block */
    receive(&t1, "00 C3 01 FF 3D");
    assert_sends(&t1, "00 E3 01 FF 1D");
    assert_waits(&t1, T1_NO_TIMEOUT - 1); /* more than fits */
    t1_timeout(&t1);
    assert_sends(&t1, "00 82 00 82");
    assert_waits(&t1, 31457291);
    ck_assert_uint_eq(t1.counters.wtx, 2);
    ck_assert_uint_eq(t1.counters.timeouts, 1);
    ck_assert_uint_eq(t1.counters.invalid, 1);
}
END_TEST

START_TEST(what_r_blocks_say)
{
    static const struct {
        const char *bytes;
        int parity_at;
        uint8_t pcb;
    } cases[] = {
        {"00 00 01 07 07", -1, 0x81},                                                         /* EDC */
        {"00 00 01 07 06", 0, 0x81},                                                          /* parity */
        {"00 00 01 07 06", 2, 0x81},  {"00 00 01 07 06", 4, 0x81}, {"00 00 01 07", -1, 0x82}, /* short */
        {"00 00 02 07 06", -1, 0x82}, {"00 00 FF 07", -1, 0x82},                              /* LEN */
        {"00 83 00 83", -1, 0x82},                                                            /* PCB */
        {"00 C1 01 FF 3F", -1, 0x82},                                                         /* IFS */
        {"11 00 01 07 17", -1, 0x82},                                                         /* NAD */
        {"12 00 01 07 14", -1, 0x82}, /* not the card's NAD */
    };

    for (int role = T1_INTERFACE_DEVICE; role <= T1_CARD; role++) {
        for (int i = 0; i < COUNT(cases); i++) {
            uint8_t buffer[8], bytes[8];
            size_t length = from_hex(cases[i].bytes, bytes, sizeof bytes);
            struct t1 t1;
            struct t1_parameters p = parameters_for((enum t1_role)role, buffer, sizeof buffer);
            struct step step;

            if (role == T1_CARD && i == COUNT(cases) - 1)
                break; /* a card takes any */
            ck_assert(t1_init(&t1, &p));
            if (role == T1_CARD) {
                ck_assert(t1_listen(&t1));
            } else {
                ck_assert(t1_transmit(&t1, (const uint8_t *)"\1", 1));
                assert_sends(&t1, "00 00 01 01 00");
            }
            for (size_t k = 0; k < length; k++)
                t1_byte(&t1, bytes[k], (int)k != cases[i].parity_at);
            assert_waits(&t1, CWT); /* for silence */
            t1_timeout(&t1);
            t1_next(&t1, &step);
            ck_assert_int_eq(step.kind, STEP_SEND);
            ck_assert_uint_eq(step.bytes[1], cases[i].pcb);
            ck_assert_uint_eq(t1.counters.invalid, 1);
        }
    }
}
END_TEST

START_TEST(addresses)
{
    uint8_t buffer[8];
    struct t1 t1;
    struct t1_parameters p = parameters_for(T1_INTERFACE_DEVICE, buffer, sizeof buffer);
    struct step step;

    p.nad = 0x21;
    ck_assert(t1_init(&t1, &p));
    ck_assert(t1_transmit(&t1, (const uint8_t *)"\1", 1));
    assert_sends(&t1, "21 00 01 01 21");
    receive(&t1, "21 00 01 07 27"); /* an echo */
    t1_timeout(&t1);
    assert_sends(&t1, "21 82 00 A3");
    receive(&t1, "9A 00 01 07 9C"); /* bits 8 and 4 are ignored */
    t1_next(&t1, &step);
    ck_assert_int_eq(step.kind, STEP_DONE);

    p = parameters_for(T1_CARD, buffer, sizeof buffer);
    ck_assert(t1_init(&t1, &p));
    ck_assert(t1_listen(&t1));
    receive(&t1, "53 00 01 07 55");
    ck_assert(t1_answer(&t1, (const uint8_t *)"\1", 1));
    assert_sends(&t1, "35 00 01 01 35");
    receive(&t1, "80 40 01 07 C6"); /* not from an interface device */
    t1_timeout(&t1);
    assert_sends(&t1, "35 92 00 A7");
}
END_TEST

START_TEST(with_crc)
{
    uint8_t buffer[8];
    struct t1 t1;
    struct t1_parameters p = parameters_for(T1_INTERFACE_DEVICE, buffer, sizeof buffer);
    struct step step;

    p.edc = T1_CRC;
    ck_assert(t1_init(&t1, &p));
    ck_assert(t1_request_ifs(&t1, 0xFE));
    assert_sends(&t1, "00 C1 01 FE B1 AB");
    receive(&t1, "00 E1 01 FE 8A A8");
    t1_next(&t1, &step);
    ck_assert_int_eq(step.kind, STEP_DONE);
    ck_assert_uint_eq(t1.ifs_in, 0xFE);
}
END_TEST

START_TEST(answer_too_long)
{
    uint8_t *buffer = exact(3);
    struct t1 t1;
    struct t1_parameters p = parameters_for(T1_INTERFACE_DEVICE, buffer, 3);
    struct step step;

    ck_assert(t1_init(&t1, &p));
    ck_assert(t1_transmit(&t1, (const uint8_t *)"\1", 1));
    assert_sends(&t1, "00 00 01 01 00");
    receive(&t1, "00 20 02 F1 F2 21");
    assert_sends(&t1, "00 90 00 90");
    receive(&t1, "00 60 02 F3 F4 65");
    assert_sends(&t1, "00 C2 00 C2");
    receive(&t1, "00 E2 00 E2");
    assert_fails(&t1, T1_TOO_LONG);
    ck_assert(!t1_needs_reset(&t1));
    /* the end of a chain is too long: nothing to abort */
    ck_assert(t1_transmit(&t1, (const uint8_t *)"\2", 1));
    assert_sends(&t1, "00 40 01 02 43");
    receive(&t1, "00 00 04 F1 F2 F3 F4 00");
    assert_fails(&t1, T1_TOO_LONG);
    /* exactly fits */
    ck_assert(t1_transmit(&t1, (const uint8_t *)"\3", 1));
    assert_sends(&t1, "00 00 01 03 02");
    receive(&t1, "00 40 03 F1 F2 F3 B3");
    t1_next(&t1, &step);
    ck_assert_int_eq(step.kind, STEP_DONE);
    ck_assert_uint_eq(step.length, 3);
    ck_assert_int_eq(t1.reason, T1_NO_REASON);
    free(buffer);
}
END_TEST

START_TEST(command_too_long)
{
    uint8_t *buffer = exact(3);
    struct t1 t1;
    struct t1_parameters p = parameters_for(T1_CARD, buffer, 3);
    struct step step;

    ck_assert(t1_init(&t1, &p));
    ck_assert(t1_listen(&t1));
    receive(&t1, "00 20 02 F1 F2 21");
    assert_sends(&t1, "00 90 00 90");
    receive(&t1, "00 40 02 F3 F4 45");
    assert_sends(&t1, "00 C2 00 C2");
    receive(&t1, "00 E2 00 E2");
    assert_sends(&t1, "00 80 00 80");
    receive(&t1, "00 00 03 F1 F2 F3 F3");
    t1_next(&t1, &step);
    ck_assert_int_eq(step.kind, STEP_PROCESS);
    ck_assert_uint_eq(step.length, 3);
    free(buffer);
}
END_TEST

START_TEST(babble)
{
    uint8_t buffer[8];
    struct t1 t1;
    struct t1_parameters p = parameters_for(T1_INTERFACE_DEVICE, buffer, sizeof buffer);

    ck_assert(t1_init(&t1, &p));
    ck_assert(t1_transmit(&t1, (const uint8_t *)"\1", 1));
    assert_sends(&t1, "00 00 01 01 00");
    for (int i = 0; i < 5 + T1_BABBLE_MAX; i++) {
        t1_byte(&t1, 1, true);
        assert_waits(&t1, CWT);
    }
    t1_byte(&t1, 1, true);
    assert_fails(&t1, T1_BABBLE);
    ck_assert(t1_needs_reset(&t1));
    ck_assert(!t1_transmit(&t1, (const uint8_t *)"\1", 1));
    ck_assert(!t1_resynchronise(&t1));

    p.role = T1_CARD;
    ck_assert(t1_init(&t1, &p));
    ck_assert(t1_listen(&t1));
    for (int i = 0; i < 5000; i++)
        t1_byte(&t1, 1, true);
    t1_timeout(&t1);
    assert_sends(&t1, "00 81 00 81");
}
END_TEST

/* Whatever an interface device does, silence ends it soon. */
START_TEST(silence_ends_it)
{
    uint8_t buffer[8];

    for (int before = 0; before < 3; before++) {
        struct t1 t1;
        struct t1_parameters p = parameters_for(T1_INTERFACE_DEVICE, buffer, sizeof buffer);
        struct step step;
        int sent = 0, waited = 0;

        ck_assert(t1_init(&t1, &p));
        if (before > 0) {
            ck_assert(t1_transmit(&t1, (const uint8_t *)"\1", 1));
            assert_sends(&t1, "00 00 01 01 00");
            receive(&t1, "00 00 01 07 06");
        }
        ck_assert(before == 2 ? t1_request_ifs(&t1, 99) : t1_transmit(&t1, (const uint8_t *)"\1", 1));
        for (t1_next(&t1, &step); step.kind != STEP_FAILED; t1_next(&t1, &step)) {
            if (step.kind == STEP_SEND) {
                sent++;
            } else {
                ck_assert_int_eq(step.kind, STEP_RECEIVE);
                t1_timeout(&t1);
                waited++;
            }
            ck_assert_int_le(sent, 6);
        }
        ck_assert_int_eq(t1.reason, T1_PEER_MUTE);
        ck_assert_int_eq(sent, before > 0 ? 6 : 3);
        ck_assert_int_eq(waited, sent);
        ck_assert_uint_eq(t1.counters.timeouts, (unsigned)waited);
    }
}
END_TEST

static Suite *t1_suite(void)
{
    Suite *suite = suite_create("t1");
    TCase *tc = tcase_create("machine");

    tcase_add_test(tc, init_refuses);
    tcase_add_test(tc, calls_at_the_wrong_moment);
    tcase_add_test(tc, times);
    tcase_add_test(tc, what_r_blocks_say);
    tcase_add_test(tc, addresses);
    tcase_add_test(tc, with_crc);
    tcase_add_test(tc, answer_too_long);
    tcase_add_test(tc, command_too_long);
    tcase_add_test(tc, babble);
    tcase_add_test(tc, silence_ends_it);
    suite_add_tcase(suite, tc);
    return suite;
}

int main(void)
{
    return run_suite(t1_suite());
}
