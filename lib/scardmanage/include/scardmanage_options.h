/* SPDX-License-Identifier: BSD-3-Clause */
/* libscardmanage: the options of a reconnect, and its report. */
#ifndef SCARDMANAGE_OPTIONS_H
#define SCARDMANAGE_OPTIONS_H

#include "scardmanage_types.h"

#ifdef __cplusplus
extern "C" {
#endif

struct scardmanage_report;

/*
 * Options of a reconnect. Set size; 0 in any other field selects its default. Or initialize the
 * struct with SCARDMANAGE_OPTIONS_INIT.
 *
 * Versions. Later versions of this library append fields to its structs, and a program may run with
 * another version than it was compiled for. The library accepts the smaller struct of an older
 * program: it takes missing options as 0, and does not report missing fields. It accepts the larger
 * struct of a newer program if all fields that it does not know are 0, and returns E_INVALIDARG
 * otherwise. In a larger report it sets the fields that it does not know to 0.
 */
typedef struct scardmanage_options {
    size_t size;                 /* sizeof(scardmanage_options) */
    scardmanage_step first_step; /* the first step to try, even if a gentler one would do. Default: LEAVE */
    scardmanage_step last_step;  /* the last step to try. Default: RESTART; COLD for the caller's handle */
    uint32_t protocols;          /* SCARDMANAGE_PROTOCOL_ bits, one of which must become active. Default: the
                                  * active protocol if the card still offers it, else T=0 or T=1 */
    /* Default: KEEP. For EXCLUSIVE, a caller that holds the lock gives it up until the other clients have disconnected,
     * because they might wait for it. pcsc-lite cannot take back a request for exclusive use: if the call times out or
     * is cancelled, the handle stays connected, and the object busy, until the others have disconnected, even if it is
     * detached. Two clients that both wait for exclusive use wait for each other until one of the programs ends. */
    scardmanage_share share;
    int accept_other_card; /* not 0: accept a different card */

    /* The timeout of a call in milliseconds, including the time in the rebuild function, or
     * SCARDMANAGE_FOREVER. Default: 60,000. */
    uint32_t timeout_ms;
    /* How long a reconnect waits, within timeout_ms, for a card to be inserted, the reader to be
     * plugged in, and the service to start, in milliseconds. Default: 0, do not wait. */
    uint32_t wait_ms;
    /* Not 0: accept the reader under another number. A reader that was unplugged can come back with
     * a name that differs only in the number that the service appends. If exactly one reader has
     * such a name, the reconnect continues with it. That reader then belongs to the attachment even
     * if the reconnect fails. Only their cards distinguish readers of one model, so the card is
     * compared as after a removal. */
    int accept_other_index;
    /*
     * Restores the state of the card that the caller needs, for example by SELECT and VERIFY. The
     * library calls it at the end of each reconnect that has taken a step, in the thread that called
     * reconnect. During the call the library holds the lock, even if the caller does not, so no other
     * client can use the card.
     *
     * The function may call scardmanage_transmit(), scardmanage_run(), scardmanage_lock(),
     * scardmanage_unlock(), scardmanage_status(), scardmanage_cancel() and the scardmanage_get_
     * functions on the object. All other functions return E_FAIL. Calls from other threads wait.
     *
     *   report   the report of the reconnect so far; valid during the call
     *   context  rebuild_context
     *
     * If the function does not return S_OK, the reconnect fails with that code, or with E_FAIL if the
     * code is no failure. The reset or removal of the card then counts as not acknowledged: see
     * scardmanage_reconnect_ex(). If the card was reset or removed during the call, the reconnect
     * starts over.
     *
     * All cards of one product have the same ATR. After a card was out of the reader, the function is
     * therefore called only if identify confirms that the card is the same, or if accept_unidentified
     * or accept_other_card is set. Otherwise the reconnect returns W_REMOVED_CARD. The same applies to
     * a unit of scardmanage_run() and to the command of scardmanage_transmit_ex().
     */
    scardmanage_result (*rebuild)(scardmanage *m, const struct scardmanage_report *report, void *context);
    void *rebuild_context;
    /*
     * Says who the card is: gets something from the card that no other card has, such as a serial
     * number, without sending a secret. A card that was out of the reader and has another identity
     * than before is a different card, whatever its ATR is.
     *
     * The library calls the function when it does not know the identity of the card: while attaching,
     * and in reconnects after the card was or may have been out of the reader. It does so before it
     * calls rebuild, and in the same way: in the thread of the caller, under the lock, and with the
     * same functions allowed.
     *
     *   identity  receives the identity
     *   length    in: bytes of room in identity, SCARDMANAGE_IDENTITY_MAX. Out: bytes of the identity,
     *             at least 1
     *   context   identify_context
     *
     * If the function does not return S_OK, the call fails as when rebuild fails. W_REMOVED_CARD says
     * that the card is a different one.
     */
    scardmanage_result (*identify)(scardmanage *m, uint8_t *identity, size_t *length, void *context);
    void *identify_context;
    /* Not 0: call rebuild and units also after the card was out of the reader if nothing but its ATR
     * shows that it is the same card. If they present a PIN, any card with this ATR then gets it. The
     * functions of scardmanage_verify.h and scardmanage_auth.h also use up a try of such a card then. */
    int accept_unidentified;
    /* Not 0: call rebuild also while attaching, if there is a card. The report then says that no step
     * was taken. If the function fails, so does the call, and the object is detached. */
    int rebuild_at_attach;
    /* Not 0: scardmanage_run() and scardmanage_transmit_ex() only use the session with this number,
     * see scardmanage_get_session(). If it has ended, they return W_RESET_CARD, and send nothing. They
     * do not reconnect. */
    uint64_t session;
    /* Not 0: if a different card is in the reader, a reconnect does not fail at once, but waits until it
     * is exchanged, as long as wait_ms allows. Without effect if accept_other_card is set. */
    int wait_for_my_card;
    int reserved; /* 0 */
} scardmanage_options;

/* The maximum length of an identity in bytes. */
#define SCARDMANAGE_IDENTITY_MAX 64

#define SCARDMANAGE_OPTIONS_INIT                                                                             \
    {                                                                                                        \
        sizeof(scardmanage_options), SCARDMANAGE_STEP_LEAVE, SCARDMANAGE_STEP_RESTART, 0,                    \
            SCARDMANAGE_SHARE_KEEP, 0, 60000, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0                                \
    }

/* What a reconnect did. Set size before the call. The library fills in the report even if the
 * reconnect fails. */
typedef struct scardmanage_report {
    size_t size;                          /* sizeof(scardmanage_report) */
    scardmanage_step step;                /* the last step taken; after S_OK, the step that succeeded */
    scardmanage_verdict verdict;          /* which card is in the reader */
    scardmanage_lock_state lock;          /* what happened to the lock */
    uint32_t attempts;                    /* number of steps tried, including failed ones */
    uint64_t elapsed_us;                  /* duration of the call in microseconds */
    scardmanage_result last_result;       /* the result of the last PC/SC call */
    uint32_t old_protocol;                /* a SCARDMANAGE_PROTOCOL_ value, or 0 for none */
    uint32_t new_protocol;                /* the same; after a failure, the latest that was seen */
    uint8_t old_atr_len;                  /* in bytes; 0 if unknown */
    uint8_t new_atr_len;                  /* in bytes; 0 if no ATR was seen */
    uint8_t old_atr[SCARDMANAGE_ATR_MAX]; /* as the card sent it, beginning with TS */
    uint8_t new_atr[SCARDMANAGE_ATR_MAX]; /* the same; if a card was refused, the ATR of that card */
    uint32_t sent;                        /* scardmanage_transmit_ex(): how many times the command was sent.
                                           * scardmanage_run(): how many commands were sent in all */
    uint64_t waited_us; /* part of elapsed_us spent waiting for the card, the reader or the service */
    uint64_t session;   /* the number of the session, see scardmanage_get_session() */
} scardmanage_report;

#define SCARDMANAGE_REPORT_INIT                                                                              \
    {                                                                                                        \
        sizeof(scardmanage_report), SCARDMANAGE_STEP_NONE, SCARDMANAGE_VERDICT_UNKNOWN,                      \
            SCARDMANAGE_LOCK_NONE, 0, 0, 0, 0, 0, 0, 0, {0}, {0}, 0, 0, 0                                    \
    }

#ifdef __cplusplus
}
#endif

#endif
