/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Text of others (card scripts, programs, readers, servers) on its way to a terminal or a
 * log: one line, and nothing in it that a terminal would obey, or that shows something else
 * than what is there.
 */
#ifndef CARDRIG_BASE_ONELINE_H
#define CARDRIG_BASE_ONELINE_H

#include <stddef.h>

/*
 * Copies length bytes of text to out, terminated. Printable ASCII and UTF-8 stay as they
 * are, a tab becomes a space. Control characters become \n, \r or \xHH for each byte, and
 * so do bytes that are not UTF-8, characters that end a line, that change the direction of
 * those around them, and that have no width. What does not fit is cut off, with "..." for
 * it at the end. out_size is at least 8; 4 * length + 1 is always enough.
 */
void oneline(char *out, size_t out_size, const char *text, size_t length);

#endif
