/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which application of a card is selected, on which logical channel. ISO/IEC 7816-4:2005, 5.1.1 (the class), 7.1.1
 * (SELECT) and 7.1.2 (MANAGE CHANNEL).
 */
#ifndef CARDRIG_ICC_SELECTION_H
#define CARDRIG_ICC_SELECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "icc/script.h"
#include "iso7816/apdu.h"

struct selection {
    const struct script_application *selected[SCRIPT_CHANNELS_MAX + 1]; /* by channel; NULL: none */
    bool is_open[SCRIPT_CHANNELS_MAX + 1];
};

/* After a reset: only the basic channel is open, and the default application is selected. */
void selection_reset(struct selection *selection, const struct script *script);

/* What the class of a command says. Proprietary classes have channels as GlobalPlatform uses them. */
unsigned selection_channel(uint8_t cla);
bool selection_is_secure(uint8_t cla);      /* with secure messaging */
uint8_t selection_basic_class(uint8_t cla); /* the same class for the basic channel */

/* Returns whether the command is SELECT by AID. */
bool selection_is_by_aid(const struct apdu_command *command);

/* Returns the application that SELECT means by the beginning of its AID, or NULL. */
const struct script_application *selection_find(const struct script *script,
                                                const struct script_application *current,
                                                const struct apdu_command *command);

/* Does MANAGE CHANNEL. Writes the number of a new channel to *opened, or -1. Returns the status word. */
uint16_t selection_manage_channel(struct selection *selection, const struct script *script,
                                  const struct apdu_command *command, int *opened);

#endif
