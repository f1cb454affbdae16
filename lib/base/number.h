/* SPDX-License-Identifier: BSD-3-Clause */
/* Decimal numbers in text that somebody wrote: options, addresses, DEVICENAME. */
#ifndef CARDRIG_BASE_NUMBER_H
#define CARDRIG_BASE_NUMBER_H

#include <stdbool.h>

/*
 * Reads the decimal digits at *text, at least one, and moves *text behind them. A sign or a space is not
 * taken. False: there is no digit, or the number is not one from low to high; *text and *number are as they
 * were.
 */
bool number_take(const char **text, unsigned low, unsigned high, unsigned *number);

/* The same for a text that has only these digits. */
bool number_parse(const char *text, unsigned low, unsigned high, unsigned *number);

#endif
