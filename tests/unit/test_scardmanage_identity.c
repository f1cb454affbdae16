/* SPDX-License-Identifier: BSD-3-Clause */
/* Which protocols the ATRs of a card offer. */
#include "identity.h"

#include "run_suite.h"

#include <check.h>

#define T0 SCARDMANAGE_PROTOCOL_T0
#define T1 SCARDMANAGE_PROTOCOL_T1

static uint32_t offered(const struct pcsc_atr *atr)
{
    struct identity card = {.known = true};
    return (identity_may_offer_protocol(&card, atr, T0) ? T0 : 0) |
           (identity_may_offer_protocol(&card, atr, T1) ? T1 : 0);
}

START_TEST(an_atr_offers_what_its_interface_bytes_say)
{
    static const struct {
        struct pcsc_atr atr;
        uint32_t offered;
    } cases[] = {
        {{.length = 2, .bytes = {0x3B, 0x00}}, T0},
        {{.length = 5, .bytes = {0x3B, 0x82, 0x00, 0x81, 0x01}}, T0}, /* and historical bytes */
        {{.length = 6, .bytes = {0x3B, 0x82, 0x01, 0x80, 0x80, 0x83}}, T1},
        {{.length = 5, .bytes = {0x3B, 0x80, 0x80, 0x01, 0x01}}, T0 | T1},
        {{.length = 3, .bytes = {0x3B, 0x90, 0x11}}, T0 | T1},                   /* truncated */
        {{.length = 5, .bytes = {0x3B, 0x80, 0x90, 0x01, 0x11}}, T0 | T1},       /* truncated */
        {{.length = 6, .bytes = {0x3B, 0x80, 0x10, 0x00, 0x41, 0x01}}, T0 | T1}, /* TA2 */
    };
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++)
        ck_assert_msg(offered(&cases[i].atr) == cases[i].offered, "ATR %u offers %u", i,
                      (unsigned)offered(&cases[i].atr));
}
END_TEST

START_TEST(a_card_may_offer_what_it_once_has)
{
    const struct pcsc_atr cold = {.length = 2, .bytes = {0x3B, 0x00}},
                          warm = {.length = 4, .bytes = {0x3B, 0x80, 0x01, 0x81}};
    struct identity card;
    identity_set(&card, 1, &warm);
    ck_assert(identity_may_offer_protocol(&card, &cold, T1));
    identity_set(&card, 1, &cold);
    ck_assert(!identity_may_offer_protocol(&card, &cold, T1));
    ck_assert(identity_may_offer_protocol(&card, &cold, SCARDMANAGE_PROTOCOL_RAW));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("libscardmanage: the identity of a card");
    TCase *tc = tcase_create("identity");
    tcase_add_test(tc, an_atr_offers_what_its_interface_bytes_say);
    tcase_add_test(tc, a_card_may_offer_what_it_once_has);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
