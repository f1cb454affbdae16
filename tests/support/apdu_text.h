/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SUPPORT_APDU_TEXT_H
#define SUPPORT_APDU_TEXT_H

#include "iso7816/apdu.h"

/* The name of a case as in the standard: "1", "2S" ... "4E"; "?" for no case. Static string. */
const char *apdu_case_name(enum apdu_case kind);

/*
 * One line for people, such as "byte 4: Lc says that 5 bytes follow, 3 are there (ISO/IEC
 * 7816-3:2006, 12.1.3)". Bytes are counted from 0, byte 0 is CLA.
 *
 * Returns the length of the whole text without its NUL, like snprintf: cut to fit when that is capacity or more,
 * always ended by a NUL when capacity is not 0.
 */
size_t apdu_error_text(const struct apdu_error *error, char *buf, size_t capacity);

#endif
