/* SPDX-License-Identifier: BSD-3-Clause */
/* Why something failed, in words for the user: one line, without a full stop. */
#ifndef CARDRIG_BASE_ERROR_H
#define CARDRIG_BASE_ERROR_H

#include <stdbool.h>

#define ERROR_TEXT_MAX 1024 /* bytes, with the final zero; what is longer is cut off */

/* A function that can fail takes a pointer to one, and sets it only when it fails. */
struct error {
    char text[ERROR_TEXT_MAX];
};

/* Puts the text, formatted as by printf(3), in the place of what is there. An argument may be what is
 * there. False, always. */
bool error_set(struct error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts the text behind what is there. */
void error_add(struct error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
