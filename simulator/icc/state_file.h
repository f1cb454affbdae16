/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The file in which a card keeps its state. It is locked while a rig uses it. Each change makes a new file, which
 * replaces the old one in one step.
 */
#ifndef CARDRIG_ICC_STATE_FILE_H
#define CARDRIG_ICC_STATE_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/*
 * Opens and locks the file, which need not exist. card says whose state it is: a file of another card is refused. *bytes
 * and *length are the state, for the caller to free, or NULL and 0. Returns the descriptor of the locked file, or -1 with
 * one line in error if another process uses it, or it is not such a file.
 */
int state_file_open(const char *path, const char *card, char **bytes, size_t *length, struct error *error);

/*
 * Reads the file as state_file_open() does, but neither makes nor locks it. Returns false with one line in error if a rig
 * could not use it: it is not such a file, or must not be written.
 */
bool state_file_read(const char *path, const char *card, char **bytes, size_t *length, struct error *error);

/*
 * Replaces the file. Returns the descriptor of the new file, and closes the old one; or -1 with one line in error, and
 * leaves the old file as it is. The new one is made as .cardrig-NAME.new in the same folder.
 */
int state_file_replace(const char *path, int fd, const char *card, const char *bytes, size_t length,
                       struct error *error);

#endif
