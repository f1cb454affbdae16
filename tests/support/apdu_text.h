/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SUPPORT_APDU_TEXT_H
#define SUPPORT_APDU_TEXT_H

#include "iso7816/apdu.h"

/* Returns the name of a case as in the standard: "1", "2S" ... "4E", or "?" if there is no such
 * case. The string is static. */
const char *apdu_case_name(enum apdu_case kind);

/*
 * Describes an error in one line, for example "byte 4: Lc says that 5 bytes follow, 3 are there (ISO/IEC
 * 7816-3:2006, 12.1.3)". Bytes are counted from 0; byte 0 is CLA.
 *
 * Like snprintf(), returns the length of the whole text without the NUL. The text is truncated if that is
 * capacity or more. It ends with a NUL unless capacity is 0.
 */
size_t apdu_error_text(const struct apdu_error *error, char *buf, size_t capacity);

#endif
