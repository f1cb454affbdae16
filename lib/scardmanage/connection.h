/* SPDX-License-Identifier: BSD-3-Clause */
/* How an attachment is connected to the service, to the reader, and to the card. */
#ifndef SCARDMANAGE_CONNECTION_H
#define SCARDMANAGE_CONNECTION_H

#include "condition.h"
#include "scardmanage_options.h"

struct attachment;
struct scardmanage_watch;

struct connection {
    bool by_handle;
    char reader[PCSC_READER_MAX]; /* its name; empty if not known yet */
    SCARDCONTEXT context;
    bool has_context;
    unsigned contexts_opened;
    unsigned gaps; /* how often a card that was watched no longer was, or was another one than that seen */
    struct scardmanage_watch *watch; /* null until a call waits */
    struct wait_sight seen;          /* by attaching, or by the last wait for a change */
    SCARDHANDLE handle;
    bool has_handle;
    bool handle_lost;        /* the caller's handle died with the service or the reader */
    scardmanage_share share; /* EXCLUSIVE or SHARED: how the handle is connected */
};

/*
 * service.c: what an attachment knows of the service and the reader, even while they are away.
 */

scardmanage_result service_open_context(struct attachment *at);
/* Closes the handle and the context after the service went away. */
void service_disconnect(struct attachment *at);
/* Returns whether a reconnect may open a new context. For an attachment by handle that is not a step, because the
 * context only serves to observe the reader. */
bool service_may_restart(const struct attachment *at, const scardmanage_options *options);
/* Records that the card may be exchanged without that showing in the event counter. */
void service_lose_sight_of_card(struct attachment *at);
/* Records that the service or the reader is, or was, away. The card may have been exchanged, the
 * transaction has ended, and a handle that the caller owns is dead. */
void service_mark_unwatched(struct attachment *at);
/* Reads the state of the reader. Opens a context if there is none. Returns E_NO_SERVICE if there is
 * no service, and E_READER_UNAVAILABLE if there is no such reader. If any_index is set, a reader
 * that differs only in the number in its name will do; at->connection.reader is then its name. */
scardmanage_result service_get_reader_state(struct attachment *at, bool any_index,
                                            struct pcsc_reader_state *state);
/* Detects that an empty reader was unplugged and plugged in again since its state was last read.
 * Only a handle that the caller owns shows that: if it is dead, the function records that. */
void service_check_handle(struct attachment *at, const struct pcsc_reader_state *state);
/* The same for a reader with a card, whose event counter may be what it was before. Any handle shows that. Waits while
 * another client's command is under way outside a transaction; does nothing where it would wait for transactions, too. */
void service_probe_handle(struct attachment *at);

/*
 * handle.c: PC/SC calls with the handle. Calls that PC/SC would block during another client's transaction
 * first wait outside PC/SC, so that they can be stopped.
 */

/* Connects to the card in at->connection.reader. Sets at->connection.handle and at->connection.share. */
scardmanage_result handle_open(struct attachment *at, const scardmanage_options *options, uint32_t protocols);
void handle_close(struct attachment *at, scardmanage_disposition disposition);
/* Waits until no other client holds a transaction. */
scardmanage_result handle_wait_turn(struct attachment *at);
/* The same. Sets *event to the event that the handle has, as far as that shows, or to S_OK. */
scardmanage_result handle_wait_turn_or_event(struct attachment *at, scardmanage_result *event);
scardmanage_result handle_reconnect(struct attachment *at, scardmanage_share share, uint32_t protocols,
                                    scardmanage_step step);
scardmanage_result handle_begin_transaction(struct attachment *at);
scardmanage_result handle_get_status(struct attachment *at, struct pcsc_card *card);
/* Waits until the reader has finished an operation for another client. Reading an attribute waits for that; a cold
 * reset consists of two operations. Returns E_OUTOFMEMORY if it has not waited, otherwise S_OK. */
scardmanage_result handle_finish_operations(struct attachment *at);
/* The same as handle_wait_turn(), but also detects a dead handle while there is a transaction. */
scardmanage_result handle_probe(struct attachment *at);
/* Returns why the card cannot be used before a reconnect, as far as the library knows it: there is no
 * handle, or an event that the caller has not been told yet, or a card that has come since and is not in
 * a session. */
scardmanage_result handle_check_session(struct attachment *at);
/* Returns W_REMOVED_CARD instead of W_RESET_CARD if the event counter shows a removal: pcsc-lite
 * returns W_RESET_CARD after another client has reset the new card. Returns any other result
 * unchanged. */
scardmanage_result handle_correct_event(struct attachment *at, scardmanage_result result);
/* Keeps a reset for the caller, unless the caller has not been told of a removal yet, which is more serious. */
void handle_set_reset_unreported(struct attachment *at);
/* SCardStatus(). First acknowledges a reset that the caller asked for. Returns an event that the
 * caller has not been told yet. */
scardmanage_result handle_get_status_for_caller(struct attachment *at, struct pcsc_card *card);
/* Acknowledges the reset that the caller asked for. own_reset stays set if another attempt may
 * succeed. */
scardmanage_result handle_acknowledge_own_reset(struct attachment *at);
/* The same if there is such a reset. Returns only E_OUTOFMEMORY, E_TIMEOUT and E_CANCELLED; the
 * next PC/SC call returns any other error. */
scardmanage_result handle_acknowledge_if_due(struct attachment *at);

#endif
