/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Waiting for the service, the reader or the card. A call gives the object up while it waits, so that
 * other calls can use it. The watch of the attachment, which the first wait creates, wakes the call.
 */
#ifndef SCARDMANAGE_WAIT_H
#define SCARDMANAGE_WAIT_H

#include "internal.h"

/* Waits within a call, until until_us or until the call must return. Returns S_OK if the condition
 * holds, and E_TIMEOUT at until_us. If c->gave_up or c->left_running is set afterwards, the call must
 * return. Adds the time to *waited_us. */
scardmanage_result wait_in_call(struct call *c, const struct wait_condition *condition, uint64_t until_us,
                                uint64_t *waited_us);

/* In a job: sets what wait_in_call() compares with for WAIT_CHANGE. */
void wait_remember(struct attachment *at, scardmanage_result result, const struct pcsc_reader_state *state);

/* In the last job: ends the watch. */
void wait_end(struct attachment *at);

#endif
