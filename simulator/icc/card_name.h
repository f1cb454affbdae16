/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How users name a card: FILE or NAME, the file of a card script or the name of a ready card, and then arguments
 * for it: NAME[,KEY[=VALUE]]... A comma in a name or value is written twice. A text that is the path of a file as
 * it stands is that file, without arguments, unless it has no slash and is the name of a ready card. The argument state=FILE is not for the script, but for keep.h.
 */
#ifndef CARDRIG_ICC_CARD_NAME_H
#define CARDRIG_ICC_CARD_NAME_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "icc/library.h"

#define CARD_ARGUMENTS_MAX 32

struct card_argument {
    const char *key, *value; /* value: "" if none was given */
};

struct card_name {
    char *text;                       /* the text, taken apart; the other members point into it */
    const struct library_text *ready; /* NULL: a file */
    const char *file;                 /* NULL: a ready card */
    const char *state;                /* the file of state=FILE; NULL: none */
    const char *whole;                /* the text as it was given */
    struct card_argument argument[CARD_ARGUMENTS_MAX];
    size_t argument_count;
};

/* Takes the text apart, which must stay valid. Does not open the file. The caller frees *name with card_name_free(). Returns false with
 * one line in error if the text names no card, or has a wrong argument. */
bool card_name_parse(struct card_name *name, const char *text, struct error *error);
void card_name_free(struct card_name *name);

/* Returns the text with absolute paths of its files, for the caller to free, or NULL with one line in error if there is
 * no such card. */
char *card_name_absolute(const char *text, struct error *error);

/* Returns the length of the text without the arguments, which may be secret. */
size_t card_name_length_without_arguments(const char *text);

#define CARD_NAME_SHORT_MAX 255 /* bytes */

/* Writes the name of the card without folder, ".lua" and arguments. */
void card_name_shorten(const struct card_name *name, char out[CARD_NAME_SHORT_MAX + 1]);

/* Returns whether the text names a ready card. */
bool card_name_is_ready(const char *text);

#endif
