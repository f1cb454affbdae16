/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Makes text from elsewhere (card scripts, programs, readers, servers) safe for a terminal or a log: one
 * line, without anything that a terminal would obey, or that would make the text look different from what
 * it is.
 */
#ifndef CARDRIG_BASE_ONELINE_H
#define CARDRIG_BASE_ONELINE_H

#include <stddef.h>

/*
 * Copies length bytes of text to out and terminates it. Printable ASCII and UTF-8 are copied, a tab becomes
 * a space. The following become \n, \r, or \xHH for each byte:
 *
 * - control characters
 * - bytes that are not UTF-8
 * - characters that end a line, have no width, or change the direction of the text around them
 *
 * Text that does not fit is cut off and ends in "...". out_size is at least 8; 4 * length + 1 is always
 * enough.
 */
void oneline(char *out, size_t out_size, const char *text, size_t length);

#endif
