/* SPDX-License-Identifier: BSD-3-Clause */
/* A text of fields with a comma between them, such as NAME,KEY=VALUE. */
#ifndef CARDRIG_BASE_FIELDS_H
#define CARDRIG_BASE_FIELDS_H

/* Returns the next field of *rest, which ends at a single comma, and advances *rest behind it. Replaces two
 * commas in a row by one that belongs to the field. Changes the text. Returns NULL after the last field. */
char *fields_next(char **rest);

#endif
