/* SPDX-License-Identifier: BSD-3-Clause */
/* The reason of a failure, as text for the user: one line, without a full stop. */
#ifndef CARDRIG_BASE_ERROR_H
#define CARDRIG_BASE_ERROR_H

#include <stdbool.h>

#define ERROR_TEXT_MAX 1024 /* bytes, with the final zero; longer text is cut off */

/* A function that can fail takes a pointer to a struct error, and sets it only if it fails. */
struct error {
    char text[ERROR_TEXT_MAX];
};

/* Replaces the text; the format is that of printf(3). An argument may point to the present text. Always
 * returns false. */
bool error_set(struct error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Appends to the text. */
void error_add(struct error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
