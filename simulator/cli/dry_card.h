/* SPDX-License-Identifier: BSD-3-Clause */
/* Cards that are loaded without a rig, to look at them. */
#ifndef CARDRIG_CLI_DRY_CARD_H
#define CARDRIG_CLI_DRY_CARD_H

#include "icc/card.h"

/* Loads the card that text names (card_name.h). It logs to `log`, which may be NULL. The caller frees the card with
 * card_free(). Returns NULL after printing an error. For one thread. */
struct card *dry_card_load(const char *text, void (*log)(void *arg, const char *line));

#endif
