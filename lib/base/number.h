/* SPDX-License-Identifier: BSD-3-Clause */
/* Decimal numbers in text that people write: options, addresses, DEVICENAME. */
#ifndef CARDRIG_BASE_NUMBER_H
#define CARDRIG_BASE_NUMBER_H

#include <stdbool.h>

/*
 * Reads the decimal digits at *text, at least one, and moves *text behind them. Does not accept a sign or a
 * space. Returns false, with *text and *number unchanged, if there is no digit or the number is not between
 * low and high.
 */
bool number_take(const char **text, unsigned low, unsigned high, unsigned *number);

/* The same for a text that consists only of these digits. */
bool number_parse(const char *text, unsigned low, unsigned high, unsigned *number);

#endif
