/* SPDX-License-Identifier: BSD-3-Clause */
/* The lock: how often the caller has acquired it, and the PC/SC transaction that makes it true. */
#ifndef SCARDMANAGE_TRANSACTION_H
#define SCARDMANAGE_TRANSACTION_H

#include "pcsc.h"
#include "scardmanage_options.h"

struct attachment;

struct transaction {
    unsigned lock_count; /* how often the caller has acquired the lock */
    bool is_open;      /* PC/SC has a transaction of the handle. Outlives lock_count if it cannot be ended */
    bool is_doubtful;  /* it could not be ended, but the removal of the card may have ended it */
    bool is_new;       /* begun for a card that is not the attachment's yet */
    bool is_temporary; /* it lasts only for the identify and the rebuild function */
    bool unit_lock;    /* a unit keeps the card locked, too */
    unsigned unit_lock_count;                 /* lock_count when the unit began */
    scardmanage_disposition unit_disposition; /* disposition then */
    scardmanage_disposition disposition;      /* the strongest disposition of the nested unlocks */
    uint64_t ended_us;                        /* when the last one ended, if it was the handle's until then */
};

scardmanage_lock_state lock_state(const struct attachment *at); /* returns NONE, LOST or KEPT */
scardmanage_result lock_begin_transaction(struct attachment *at);
/* Ends the transaction. Returns W_RESET_CARD if it has ended but the card had been reset, and
 * E_OUTOFMEMORY if it has not ended. */
scardmanage_result lock_end_transaction(struct attachment *at, scardmanage_disposition disposition);
/* The same, without a reset, for one that may have ended, or may never have been there. */
scardmanage_result lock_end_doubtful_transaction(struct attachment *at);
/* The card was removed, which ends the transaction (pcsc-lite: RFSetReaderEventState() in readerfactory.c). A
 * handle that was opened in the moment of a removal has no event, though, and keeps its transaction. is_counted:
 * pcscd has noticed the removal, which its event counter shows. */
void lock_end_with_card(struct attachment *at, bool is_counted);
/* Returns whether the card is to stay locked. */
bool lock_is_wanted(const struct attachment *at);
/* Jobs: begin a unit, which keeps the card locked until it ends; end it; and end one that has failed, with the
 * locks that it has acquired and not released. */
scardmanage_result lock_begin_unit_job(struct attachment *at);
scardmanage_result lock_end_unit_job(struct attachment *at);
scardmanage_result lock_end_failed_unit_job(struct attachment *at);
/* The job for one late unlock. */
scardmanage_result unlock_late_job(struct attachment *at);

#endif
