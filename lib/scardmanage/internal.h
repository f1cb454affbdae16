/* SPDX-License-Identifier: BSD-3-Clause */
/* The object, the attachment, and what their source files know of each other. */
#ifndef SCARDMANAGE_INTERNAL_H
#define SCARDMANAGE_INTERNAL_H

#include "pcsc.h"
#include "platform.h"

/* A card shows a cold and a warm ATR, and a few more if it can be configured or switches mode. */
#define IDENTITY_ATRS 8

/* Which card is meant: the one that was in the reader when its event counter had this value, and the ATRs it
 * has shown. */
typedef struct identity {
    bool known;     /* false: no card was ever seen */
    bool unwatched; /* service or reader were away since, or may have been, and the counter began anew: it may
                       have been out */
    uint32_t counter;
    unsigned atr_count;
    pcsc_atr atrs[IDENTITY_ATRS];
} identity;

typedef struct attachment attachment;
typedef scardmanage_result (*attachment_job)(attachment *at);

/* What the caller has. Everything in here is guarded by the mutex. */
struct scardmanage {
    scardmanage_allocator allocator;
    platform_mutex mutex;
    platform_cond changed; /* a call or a job has ended, or calls were cancelled */
    scardmanage_options options;
    attachment *at;      /* null: detached. Exchanged only by the call that has the object */
    unsigned references; /* one of the caller's, one of each attachment's */
    uint64_t cancels;    /* how often calls were cancelled */
    bool busy;           /* a call has the object */

    /* while that call is in the caller's rebuild function: who may use the object, and how long */
    bool rebuilding;
    platform_thread_id rebuilder;
    uint64_t rebuild_deadline;
    uint64_t rebuild_cancels;
};

/* An attachment, and its thread, which makes all its calls to PC/SC: a job each, one after the other. */
struct attachment {
    scardmanage *m;
    platform_thread thread;
    platform_cond wake; /* for the thread */

    /* Guarded by the object's mutex. */
    attachment_job job;      /* being done; null: none */
    attachment_job undo;     /* for a job that nobody waits for any more: what to do after it, or null */
    attachment_job after;    /* the same, after that; it is what the call would have ended with */
    bool abandoned;          /* nobody waits for the job */
    bool ends;               /* no more jobs will come */
    scardmanage_result stop; /* not S_OK: why the job is to stop */
    uint64_t deadline;       /* when it is to stop in any case */
    scardmanage_result result;
    scardmanage_report report;   /* of the reconnect that is going on, or was the last */
    scardmanage_result rebuilt;  /* what the rebuild function said */
    scardmanage_lock_state lock; /* after the last job: for a reconnect that cannot begin */

    /* Guarded by it, too: unlocks for which there was no time, and the strongest of their dispositions. They
     * follow the job, whatever comes of that. */
    unsigned late_unlocks;
    scardmanage_disposition late_disposition;

    /* What jobs are given and give back. The thread's while there is a job, and else of the call that has the
     * object. */
    struct {
        SCARDHANDLE handle;
        scardmanage_disposition disposition;
        uint64_t wait_until;
        scardmanage_options options; /* of a reconnect, checked */
        bool keep;                   /* the card stays locked after it */
        bool first;                  /* there was no card before it */
        pcsc_card card;
        size_t command_len;
        size_t room, response_len; /* of the response */
        bool probe;                /* ask the handle before sending, so that sent is exact */
        bool sent;                 /* the command may have reached the card */
        bool locked;               /* once more than before */
    } io;
    uint8_t *buffer; /* command and response */
    size_t buffer_size;

    /* The same, and this is what is attached. */
    scardmanage_options options; /* the object's, as they were when the call began */
    bool by_handle;
    char reader[PCSC_READER_MAX]; /* empty: not known yet */
    SCARDCONTEXT context;
    bool has_context;
    unsigned opened; /* how many contexts it has had */
    SCARDHANDLE handle;
    bool has_handle;
    bool handle_lost;        /* by handle: it has died with service or reader */
    scardmanage_share share; /* of the handle: EXCLUSIVE or SHARED */

    identity card;
    /* A reconnect has gone over to a card that came, and has not succeeded: what it said of that card
     * (REINSERTED or graver, else UNKNOWN), and which one was there before, if that was another. */
    scardmanage_verdict untold;
    identity told;
    pcsc_atr atr;      /* last seen of that card */
    uint32_t protocol; /* the same */
    /* Both as they were before reconnects that have not succeeded: what the caller knows. */
    struct {
        bool kept;
        pcsc_atr atr;
        uint32_t protocol;
    } before;

    unsigned lock_count; /* how often the caller has locked */
    bool transacted; /* whether PC/SC holds our transaction; may outlive lock_count if it can't be ended */
    scardmanage_disposition disposition; /* the strongest that nested unlocks asked for */

    /* An event that PC/SC has forgotten, because we had to acknowledge it, but the caller has yet to hear of:
     * W_RESET_CARD or W_REMOVED_CARD, or 0. Nothing is sent to the card until a reconnect succeeds. */
    scardmanage_result pending;
    bool own_reset; /* the event that PC/SC will tell of is a reset the caller asked for */
    bool silent;    /* the card did not answer to the last command, of which PC/SC remembers nothing */
    bool borrowed;  /* the transaction is only for the rebuild function, and for the command that follows */
};

/* allocator.c
 * The one way this library gets memory. read: checks; null is the C library. get: zeroed, null if there is
 * none. */
scardmanage_result allocator_read(const scardmanage_allocator *allocator, scardmanage_allocator *out);
void *allocator_get(const scardmanage_allocator *allocator, size_t size);
void allocator_put(const scardmanage_allocator *allocator, void *memory); /* null is allowed */

/* call.c
 * A function of the header that wants the attachment: begin, run jobs, end. */
typedef struct call {
    scardmanage *m;
    attachment *at;    /* null: detached */
    uint64_t deadline; /* on platform_now_us()'s clock */
    uint64_t cancels;  /* of the object when the call began */
    bool nested;       /* in the rebuild function of another call, which has the object */
    bool left;         /* the job goes on without us */
} call;

/* Waits for other calls to end, and for PC/SC to let go of what calls have left behind. timeout_ms 0: that of
 * the object's options. Only after S_OK is there anything to end. E_TIMEOUT; E_CANCELLED; E_INVALID_HANDLE if
 * the object is detached. alone: E_FAIL from a rebuild function. anew: the same, but the object may be
 * detached (at is null), and what calls have left behind is not waited for. */
scardmanage_result call_begin(call *c, scardmanage *m, uint32_t timeout_ms);
scardmanage_result call_begin_alone(call *c, scardmanage *m, uint32_t timeout_ms);
scardmanage_result call_begin_anew(call *c, scardmanage *m);
void call_end(call *c);

/* Has the thread do the job. E_TIMEOUT, E_CANCELLED: that is what the job said, or it is left to go on
 * without us; then undo (null: nothing) follows it, c->left is set, and at->io must not be touched any more.
 */
scardmanage_result call_run(call *c, attachment_job job, attachment_job undo);
/* The same, but if PC/SC has not let go of the last one, then job follows that, unless there is one that
 * does.
 */
scardmanage_result call_finish(call *c, attachment_job job);

/* For an unlock that could not begin in its time. */
void call_unlock_late(scardmanage *m, scardmanage_disposition disposition);

/* Whether a call that begins now is made by the rebuild function. With the mutex. */
bool call_is_nested(const scardmanage *m);

/* Waits for PC/SC to let go of what calls in a rebuild function have left behind. E_TIMEOUT, E_CANCELLED: the
 * call should return. */
scardmanage_result call_await(call *c);

/* Makes c->at, with its thread. */
scardmanage_result call_attach(call *c);
/* Ends c->at by the job, or, if PC/SC does not let go of it, leaves that to its thread: E_TIMEOUT or
 * E_CANCELLED. */
scardmanage_result call_detach(call *c);
void call_report(call *c, scardmanage_report *report); /* a copy of at->report */
/* What is known of the lock when a call cannot begin. */
scardmanage_lock_state call_lock(scardmanage *m);
void object_release(scardmanage *m); /* the caller's reference */

/* On platform_now_us()'s clock; UINT64_MAX for FOREVER. */
uint64_t call_deadline_in(uint32_t timeout_ms);

/* In a job: why it has to stop, or S_OK. */
scardmanage_result job_stopped(attachment *at);
/* The same after waiting for up to so many microseconds for that to happen. */
scardmanage_result job_pause(attachment *at, uint64_t us);
/* Lets callers that lose patience have this report. Before a job, too. */
void job_publish(attachment *at, const scardmanage_report *report);

/* outcome.c
 * event: the card was reset or moved. loss: that, or card, reader, handle or service are gone. ends_call: it
 * says nothing of the card, but that the call has to end. */
bool outcome_is_event(scardmanage_result result);
bool outcome_is_loss(scardmanage_result result);
bool outcome_harder_step_may_cure(scardmanage_result result);
bool outcome_ends_call(scardmanage_result result);

/* identity.c */
void identity_clear(identity *card);
void identity_set(identity *card, uint32_t counter, const pcsc_atr *atr); /* a new card */
void identity_add(identity *card, const pcsc_atr *atr);                   /* another ATR of the same card */
bool identity_has(const identity *card, const pcsc_atr *atr);
bool identity_moved(const identity *card, uint32_t counter); /* the known card was out since */
bool identity_may_offer(const identity *card, const pcsc_atr *atr, uint32_t protocols);

/* options.c
 * Checks and fills in defaults. options null: those of the object. */
scardmanage_result options_read(scardmanage *m, const scardmanage_options *options, scardmanage_options *out);
/* No version of a struct will be larger. A size that was never set is most likely beyond, and no reason to
 * read there. */
#define OPTIONS_SIZE_MAX 4096

/* Whether a struct of the caller's can be read: it has at least the fields of the first version, and what
 * this version does not know, because the caller is newer, is zero. */
bool options_sized(const void *structure, size_t size, size_t first_version, size_t known);
void options_default(scardmanage_options *options);
/* Which protocols to ask for: those of the options, or to begin with the one in use. */
uint32_t options_protocols(const scardmanage_options *options, uint32_t in_use);
/* Which protocols to ask for if it doesn't matter: asking for raw would make the reader raw, so not unless it
 * is. */
uint32_t options_any_protocol(uint32_t in_use);

/* service.c
 * What of an attachment depends on service and reader, and outlives both. */
scardmanage_result service_open(attachment *at);
/* The service is gone, and so are handle and transaction. */
void service_lost(attachment *at);
/* Service or reader are gone, or were: the card may have been exchanged unseen, no transaction is left, and a
 * handle of the caller's is none any more. */
void service_unwatched(attachment *at);
/* A look at the reader, with a context that is opened if there is none: E_NO_SERVICE if there is no service,
 * E_READER_UNAVAILABLE if there is no such reader. With any_index that may be one with another number. */
scardmanage_result service_look(attachment *at, bool any_index, pcsc_look *look);
/* After a look: an empty reader may have been unplugged and plugged in again since the look before. Only a handle
 * of the caller's can tell; if it is none any more, that is taken note of. */
void service_check_handle(attachment *at, const pcsc_look *look);
/* Until there is a card, or until that time: E_TIMEOUT. With_handle: or until the reader is there, but the
 * handle is not to come back. */
scardmanage_result service_wait_for_card(attachment *at, bool any_index, bool with_handle, uint64_t until_us);

/* handle.c
 * Opens the card in at->reader. Sets at->handle and at->share. */
scardmanage_result handle_open(attachment *at, const scardmanage_options *options, uint32_t protocols);
void handle_close(attachment *at, scardmanage_disposition disposition);
/* Tells a removal that pcsc-lite reports as a reset, because another client reset the new card:
 * W_REMOVED_CARD for W_RESET_CARD if the counter has moved. Any other result is returned as it is. */
scardmanage_result handle_event(attachment *at, scardmanage_result result);
/* The PC/SC calls that wait for other clients' transactions, waiting so that it can be stopped. */
scardmanage_result handle_reconnect(attachment *at, scardmanage_share share, uint32_t protocols,
                                    scardmanage_step step);
scardmanage_result handle_begin(attachment *at);
scardmanage_result handle_card(attachment *at, pcsc_card *card);
scardmanage_result handle_transmit(attachment *at);
scardmanage_result handle_turn(attachment *at); /* only waits */
/* SCardStatus(), with the caller's own reset acknowledged, and with what is pending. */
scardmanage_result handle_status(attachment *at, pcsc_card *card);
/* Acknowledges the reset that the caller asked for. own_reset stays set if it is worth another try. */
scardmanage_result handle_acknowledge(attachment *at);
/* The same if there is one. Only E_OUTOFMEMORY, E_TIMEOUT and E_CANCELLED are told; the call that follows
 * hears of everything else. */
scardmanage_result handle_settle(attachment *at);

/* lock.c
 * NONE, LOST or KEPT. */
scardmanage_lock_state lock_state(const attachment *at);
scardmanage_result lock_begin(attachment *at);
/* A job: one of the unlocks that are late. */
scardmanage_result lock_release_late(attachment *at);
/* Ends the transaction. W_RESET_CARD if it was ended, but the card had been reset. E_OUTOFMEMORY: it was not.
 */
scardmanage_result lock_end(attachment *at, scardmanage_disposition disposition);

/* reconnect.c
 * Within a call: options are checked ones. With keep the card is locked for the caller after success, and
 * reconnect_give_back(), a job, has to follow. */
scardmanage_result reconnect_in_call(call *c, const scardmanage_options *options, bool keep,
                                     scardmanage_report *report);
scardmanage_result reconnect_give_back(attachment *at);
/* Whether it can be filled in. */
bool reconnect_report_valid(const scardmanage_report *report);
void reconnect_write_report(const scardmanage_report *from, scardmanage_report *to);

/* attach.c
 * The job that ends an attachment. */
scardmanage_result attach_end(attachment *at);

#endif
