/* SPDX-License-Identifier: BSD-3-Clause */
/* Classes of results, by how the library handles them. */
#ifndef SCARDMANAGE_OUTCOME_H
#define SCARDMANAGE_OUTCOME_H

#include "scardmanage_types.h"

#include <stdbool.h>

/* W_RESET_CARD or W_REMOVED_CARD: PC/SC returns it for a handle after another client has reset the card, or
 * after the card was removed. */
bool outcome_is_event(scardmanage_result result);
bool outcome_is_loss(scardmanage_result result); /* an event; or card, reader, handle or service is gone */
bool outcome_harder_step_may_cure(scardmanage_result result);
bool outcome_ends_call(scardmanage_result result); /* ends the call, and shows nothing about the card */

#endif
