/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What cards keep while they are not in a reader: the bytes of their table persistent (plain.h). Those of a card with
 * state=FILE are in that file, too, where the next rig finds them.
 *
 * Cards in different threads may call these functions at the same time.
 */
#ifndef CARDRIG_ICC_KEEP_H
#define CARDRIG_ICC_KEEP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct keep_store; /* of a rig */
struct keep;       /* of a card */

/* Returns NULL if there is no memory. */
struct keep_store *keep_store_new(void);
/* The same for cards that are only checked: their files are read, and never locked, made or written. */
struct keep_store *keep_store_new_for_checks(void);
/* No card may use it any longer. store may be NULL. */
void keep_store_free(struct keep_store *store);
/* For a process whose child continues the rig: closes the files, which the child has, too. */
void keep_store_leave(struct keep_store *store);

/*
 * Returns what the card called `name` (card_name.h) at a place, which is a slot, has kept there. `card` is the name
 * without arguments. A card can be loaded again at its place before the old one has been freed; from then on the old one
 * can keep nothing. file is an absolute path, or NULL. Call keep_close() at the end.
 *
 * Returns NULL with one line in error if the file cannot be read, is not such a file, or is used by another place or
 * rig, or if there is no memory.
 */
struct keep *keep_open(struct keep_store *store, const void *place, const char *name, const char *card,
                       const char *file, struct error *error);
void keep_close(struct keep *keep);

/* Copies the bytes, at most size of them, to out. Returns their number, which only keep_write() changes. */
size_t keep_copy(struct keep *keep, char *out, size_t size);

/* Returns where the bytes are, for messages. */
const char *keep_where(const struct keep *keep);

/*
 * Replaces the bytes. A file has either the old ones or the new ones, whenever this process ends. Returns false with
 * one line in error on failure; the old ones then stay.
 */
bool keep_write(struct keep *keep, const char *bytes, size_t length, struct error *error);

#endif
