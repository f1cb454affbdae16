/* SPDX-License-Identifier: BSD-3-Clause */
/* What status words mean, for each kind of command: ISO/IEC 7816-4:2013, 5.6. */
#include "status_word.h"

#include "count.h"
#include "must.h"
#include "run_suite.h"

#include <check.h>
#include <stdbool.h>

#define E(name) SCARDMANAGE_E_##name
#define W(name) SCARDMANAGE_W_##name
#define OK      SCARDMANAGE_S_OK

static const enum status_kind kinds[] = {
    STATUS_OF_CODE,      STATUS_OF_AUTHENTICATE, STATUS_OF_COMPUTE, STATUS_OF_SELECT_EF,
    STATUS_OF_SELECT_DF, STATUS_OF_READ,         STATUS_OF_WRITE,
};

#define KINDS COUNT(kinds)
/* For all kinds. */
#define ALL(result)                                                                                          \
    {                                                                                                        \
        result, result, result, result, result, result, result                                               \
    }

/* In the order of kinds: PINs; external authentication; challenges and internal authentication; selecting an EF;
 * selecting a DF; reading; writing. */
static const struct {
    uint16_t status_word;
    scardmanage_result results[KINDS];
} table[] = {
    {0x9000, ALL(OK)},
    {0x6110, {OK, OK, E(INSUFFICIENT_BUFFER), OK, OK, E(INSUFFICIENT_BUFFER), OK}},
    {0x6282,
     {E(UNEXPECTED), E(UNEXPECTED), E(UNEXPECTED), E(UNEXPECTED), E(UNEXPECTED), W(EOF), E(UNEXPECTED)}},
    {0x6283, {E(UNEXPECTED), E(UNEXPECTED), E(UNEXPECTED), OK, OK, E(NO_ACCESS), E(NO_ACCESS)}},
    {0x6300,
     {W(WRONG_CHV), W(WRONG_CHV), E(UNEXPECTED), E(UNEXPECTED), E(UNEXPECTED), E(UNEXPECTED), E(UNEXPECTED)}},
    {0x63C0,
     {W(CHV_BLOCKED), W(CHV_BLOCKED), E(UNEXPECTED), E(UNEXPECTED), E(UNEXPECTED), E(UNEXPECTED), OK}},
    {0x63C1, {W(WRONG_CHV), W(WRONG_CHV), E(UNEXPECTED), E(UNEXPECTED), E(UNEXPECTED), E(UNEXPECTED), OK}},
    {0x63CF, {W(WRONG_CHV), W(WRONG_CHV), E(UNEXPECTED), E(UNEXPECTED), E(UNEXPECTED), E(UNEXPECTED), OK}},
    {0x6581, ALL(E(UNEXPECTED))},
    {0x6700,
     {E(INVALID_CHV), E(INVALID_VALUE), E(INVALID_VALUE), E(INVALID_VALUE), E(INVALID_VALUE),
      E(INVALID_VALUE), E(INVALID_VALUE)}},
    {0x6882, ALL(E(UNSUPPORTED_FEATURE))},
    {0x6982,
     {W(CARD_NOT_AUTHENTICATED), W(CARD_NOT_AUTHENTICATED), W(CARD_NOT_AUTHENTICATED), E(NO_ACCESS),
      E(NO_ACCESS), E(NO_ACCESS), E(NO_ACCESS)}},
    {0x6983,
     {W(CHV_BLOCKED), W(CHV_BLOCKED), E(NO_ACCESS), E(NO_ACCESS), E(NO_ACCESS), E(NO_ACCESS), E(NO_ACCESS)}},
    {0x6984, ALL(E(NO_ACCESS))},
    {0x6985, ALL(E(NO_ACCESS))},
    {0x6986, {E(NO_ACCESS), E(NO_ACCESS), E(NO_ACCESS), E(NO_ACCESS), E(NO_ACCESS), E(NO_FILE), E(NO_FILE)}},
    {0x6A80,
     {E(INVALID_CHV), E(INVALID_VALUE), E(INVALID_VALUE), E(INVALID_VALUE), E(INVALID_VALUE),
      E(INVALID_VALUE), E(INVALID_VALUE)}},
    {0x6A81, ALL(E(UNSUPPORTED_FEATURE))},
    {0x6A82,
     {E(FILE_NOT_FOUND), E(FILE_NOT_FOUND), E(FILE_NOT_FOUND), E(FILE_NOT_FOUND), E(DIR_NOT_FOUND),
      E(FILE_NOT_FOUND), E(FILE_NOT_FOUND)}},
    {0x6A83,
     {E(FILE_NOT_FOUND), E(FILE_NOT_FOUND), E(FILE_NOT_FOUND), E(FILE_NOT_FOUND), E(DIR_NOT_FOUND), W(EOF),
      E(BAD_SEEK)}},
    {0x6A84, ALL(E(WRITE_TOO_MANY))},
    {0x6A86, ALL(E(UNSUPPORTED_FEATURE))},
    {0x6A87,
     {E(INVALID_CHV), E(INVALID_VALUE), E(INVALID_VALUE), E(INVALID_VALUE), E(INVALID_VALUE),
      E(INVALID_VALUE), E(INVALID_VALUE)}},
    {0x6A88,
     {E(FILE_NOT_FOUND), E(FILE_NOT_FOUND), E(FILE_NOT_FOUND), E(FILE_NOT_FOUND), E(DIR_NOT_FOUND),
      E(FILE_NOT_FOUND), E(FILE_NOT_FOUND)}},
    {0x6A89,
     {E(UNEXPECTED), E(UNEXPECTED), E(UNEXPECTED), E(NO_ACCESS), E(NO_ACCESS), E(NO_ACCESS), E(NO_ACCESS)}},
    {0x6B00,
     {E(UNSUPPORTED_FEATURE), E(UNSUPPORTED_FEATURE), E(UNSUPPORTED_FEATURE), E(UNSUPPORTED_FEATURE),
      E(UNSUPPORTED_FEATURE), W(EOF), E(BAD_SEEK)}},
    {0x6C10, ALL(E(UNEXPECTED))}, /* what sends the command again stands below the interfaces */
    {0x6D00, ALL(E(UNSUPPORTED_FEATURE))},
    {0x6E00, ALL(E(UNSUPPORTED_FEATURE))},
    {0x6F00, ALL(E(UNEXPECTED))},
    {0x9100, ALL(E(UNEXPECTED))},
    {0x0000, ALL(E(UNEXPECTED))},
    {0xFFFF, ALL(E(UNEXPECTED))},
};

START_TEST(each_row)
{
    for (size_t kind = 0; kind < KINDS; kind++)
        ck_assert_msg(status_word_result(table[_i].status_word, kinds[kind]) == table[_i].results[kind],
                      "%04X, kind %zu: %08X", table[_i].status_word, kind,
                      (unsigned)status_word_result(table[_i].status_word, kinds[kind]));
}
END_TEST

/* No code of the card's is taken for a success, or for something that happened in the reader. */
START_TEST(all_status_words)
{
    for (unsigned word = 0; word <= 0xFFFF; word++) {
        for (size_t kind = 0; kind < KINDS; kind++) {
            scardmanage_result result = status_word_result((uint16_t)word, kinds[kind]);
            bool selected = (kinds[kind] == STATUS_OF_SELECT_EF || kinds[kind] == STATUS_OF_SELECT_DF) &&
                            word >= 0x6283 && word <= 0x6286;
            bool written = kinds[kind] == STATUS_OF_WRITE && (word & 0xFFF0) == 0x63C0;
            if (result == OK)
                must(word == 0x9000 || word >> 8 == 0x61 || selected || written);
            else
                must(result < 0);
            must(result != SCARDMANAGE_W_RESET_CARD);
            must(result != SCARDMANAGE_W_REMOVED_CARD);
        }
    }
}
END_TEST

START_TEST(tries)
{
    for (unsigned word = 0; word <= 0xFFFF; word++) {
        int left = word == 0x6983 ? 0 : word >= 0x63C0 && word <= 0x63CF ? (int)(word - 0x63C0) : -1;
        must(status_word_tries((uint16_t)word) == left);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("libscardmanage: status words");
    TCase *tc = tcase_create("status words");
    tcase_add_loop_test(tc, each_row, 0, (int)COUNT(table));
    tcase_add_test(tc, all_status_words);
    tcase_add_test(tc, tries);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
