/* SPDX-License-Identifier: BSD-3-Clause */
#include "status_word.h"

#define FILES    ((unsigned)STATUS_OF_SELECT_EF | STATUS_OF_SELECT_DF | STATUS_OF_READ | STATUS_OF_WRITE)
#define SELECTS  ((unsigned)STATUS_OF_SELECT_EF | STATUS_OF_SELECT_DF)
#define ACCESSES ((unsigned)STATUS_OF_READ | STATUS_OF_WRITE)
#define SECRETS  ((unsigned)STATUS_OF_CODE | STATUS_OF_AUTHENTICATE)
#define ALL      (SECRETS | STATUS_OF_COMPUTE | FILES)

struct row {
    uint16_t first, last; /* status words */
    unsigned kinds;       /* STATUS_OF_ bits */
    scardmanage_result result;
};

/* The first row that fits counts. */
static const struct row rows[] = {
    {0x9000, 0x9000, ALL, SCARDMANAGE_S_OK},
    /* response data are still on the card; the command has been carried out */
    {0x6100, 0x61FF, STATUS_OF_COMPUTE | STATUS_OF_READ, SCARDMANAGE_E_INSUFFICIENT_BUFFER},
    {0x6100, 0x61FF, ALL, SCARDMANAGE_S_OK},

    /* warnings */
    {0x6282, 0x6282, STATUS_OF_READ, SCARDMANAGE_W_EOF},  /* end of file before Ne bytes */
    {0x6283, 0x6286, SELECTS, SCARDMANAGE_S_OK},          /* selected; deactivated, or without FCI */
    {0x6283, 0x6283, ACCESSES, SCARDMANAGE_E_NO_ACCESS},  /* deactivated */
    {0x6300, 0x6300, SECRETS, SCARDMANAGE_W_WRONG_CHV},   /* without a counter */
    {0x63C0, 0x63C0, SECRETS, SCARDMANAGE_W_CHV_BLOCKED}, /* no further tries */
    {0x63C1, 0x63CF, SECRETS, SCARDMANAGE_W_WRONG_CHV},   /* X further tries */
    {0x63C0, 0x63CF, STATUS_OF_WRITE, SCARDMANAGE_S_OK},  /* written, after X internal retries */

    /* wrong length, unsupported functions of the class byte */
    {0x6700, 0x6700, STATUS_OF_CODE, SCARDMANAGE_E_INVALID_CHV},
    {0x6700, 0x6700, ALL, SCARDMANAGE_E_INVALID_VALUE},
    {0x6881, 0x6884, ALL, SCARDMANAGE_E_UNSUPPORTED_FEATURE}, /* channel, secure messaging, chaining */

    /* not allowed */
    {0x6981, 0x6981, ALL, SCARDMANAGE_E_UNSUPPORTED_FEATURE}, /* not with this structure of file */
    {0x6982, 0x6982, FILES, SCARDMANAGE_E_NO_ACCESS},         /* security status not satisfied */
    {0x6982, 0x6982, ALL, SCARDMANAGE_W_CARD_NOT_AUTHENTICATED},
    {0x6983, 0x6983, SECRETS, SCARDMANAGE_W_CHV_BLOCKED}, /* authentication method blocked */
    {0x6983, 0x6985, ALL, SCARDMANAGE_E_NO_ACCESS},       /* reference data, conditions of use */
    {0x6986, 0x6986, ACCESSES, SCARDMANAGE_E_NO_FILE},    /* no current EF: a DF is selected */
    {0x6986, 0x6986, ALL, SCARDMANAGE_E_NO_ACCESS},
    {0x6987, 0x6988, ALL, SCARDMANAGE_E_UNSUPPORTED_FEATURE}, /* wants secure messaging */

    /* wrong parameters */
    {0x6A80, 0x6A80, STATUS_OF_CODE, SCARDMANAGE_E_INVALID_CHV},
    {0x6A80, 0x6A80, ALL, SCARDMANAGE_E_INVALID_VALUE},       /* incorrect data */
    {0x6A81, 0x6A81, ALL, SCARDMANAGE_E_UNSUPPORTED_FEATURE}, /* function not supported */
    {0x6A82, 0x6A82, STATUS_OF_SELECT_DF, SCARDMANAGE_E_DIR_NOT_FOUND},
    {0x6A82, 0x6A82, ALL, SCARDMANAGE_E_FILE_NOT_FOUND},
    {0x6A83, 0x6A83, STATUS_OF_READ, SCARDMANAGE_W_EOF}, /* no such record */
    {0x6A83, 0x6A83, STATUS_OF_WRITE, SCARDMANAGE_E_BAD_SEEK},
    {0x6A83, 0x6A83, STATUS_OF_SELECT_DF, SCARDMANAGE_E_DIR_NOT_FOUND},
    {0x6A83, 0x6A83, ALL, SCARDMANAGE_E_FILE_NOT_FOUND},
    {0x6A84, 0x6A84, ALL, SCARDMANAGE_E_WRITE_TOO_MANY}, /* not enough memory */
    {0x6A85, 0x6A85, STATUS_OF_CODE, SCARDMANAGE_E_INVALID_CHV},
    {0x6A85, 0x6A85, ALL, SCARDMANAGE_E_INVALID_VALUE},       /* Nc inconsistent with TLV structure */
    {0x6A86, 0x6A86, ALL, SCARDMANAGE_E_UNSUPPORTED_FEATURE}, /* incorrect P1-P2 */
    {0x6A87, 0x6A87, STATUS_OF_CODE, SCARDMANAGE_E_INVALID_CHV},
    {0x6A87, 0x6A87, ALL, SCARDMANAGE_E_INVALID_VALUE}, /* Nc inconsistent with P1-P2 */
    {0x6A88, 0x6A88, STATUS_OF_SELECT_DF, SCARDMANAGE_E_DIR_NOT_FOUND},
    {0x6A88, 0x6A88, ALL, SCARDMANAGE_E_FILE_NOT_FOUND}, /* referenced data not found */
    {0x6A89, 0x6A8A, FILES, SCARDMANAGE_E_NO_ACCESS},    /* file or DF name exists already */
    {0x6B00, 0x6B00, STATUS_OF_READ, SCARDMANAGE_W_EOF}, /* offset outside the EF */
    {0x6B00, 0x6B00, STATUS_OF_WRITE, SCARDMANAGE_E_BAD_SEEK},
    {0x6B00, 0x6B00, ALL, SCARDMANAGE_E_UNSUPPORTED_FEATURE}, /* wrong P1-P2 */
    {0x6D00, 0x6D00, ALL, SCARDMANAGE_E_UNSUPPORTED_FEATURE}, /* INS */
    {0x6E00, 0x6E00, ALL, SCARDMANAGE_E_UNSUPPORTED_FEATURE}, /* CLA */
};

scardmanage_result status_word_result(uint16_t status_word, enum status_kind kind)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (status_word >= rows[i].first && status_word <= rows[i].last && (rows[i].kinds & kind))
            return rows[i].result;
    return SCARDMANAGE_E_UNEXPECTED;
}

int status_word_tries(uint16_t status_word)
{
    if ((status_word & 0xFFF0) == 0x63C0)
        return status_word & 0xF;
    return status_word == 0x6983 ? 0 : -1;
}
