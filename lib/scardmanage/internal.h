/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The object, its attachment, and what the source files of the library offer each other.
 *
 * S_OK, W_RESET_CARD and so on in comments are the constants of scardmanage.h without the prefix.
 * An event is W_RESET_CARD or W_REMOVED_CARD: what PC/SC returns for a handle whose card was reset,
 * or removed, by others.
 */
#ifndef SCARDMANAGE_INTERNAL_H
#define SCARDMANAGE_INTERNAL_H

#include "pcsc.h"
#include "platform.h"

/* A card shows a cold and a warm ATR, and a few more if it can be configured or switches its
 * mode. */
#define IDENTITY_ATRS 8

/* A card: the one that was in the reader when the reader's event counter had this value. */
struct identity {
    bool known;     /* false: no card was seen yet */
    bool unwatched; /* the counter does not tell whether the card was removed: service or reader were, or may
                       have been, away since, and the counter has started again */
    uint32_t counter;
    unsigned atr_count;
    struct pcsc_atr atrs[IDENTITY_ATRS]; /* that it has shown */
};

struct attachment;
typedef scardmanage_result (*attachment_job)(struct attachment *at);

/* What the caller has. The mutex guards everything in here. */
struct scardmanage {
    scardmanage_allocator allocator;
    platform_mutex mutex;
    platform_cond changed; /* a call or a job has ended, or calls were cancelled */
    scardmanage_options options;
    struct attachment *at; /* null: detached. Only the call that has the object replaces it */
    unsigned references;   /* one of the caller, one of each attachment */
    uint64_t cancels;      /* how often calls were cancelled */
    bool busy;             /* a call has the object */

    /* While that call is in the caller's rebuild function: who may use the object, and for how
     * long. */
    bool rebuilding;
    platform_thread_id rebuilder;
    uint64_t rebuild_deadline;
    uint64_t rebuild_cancels;
};

/* An attachment and its thread. The thread makes all calls to PC/SC, in jobs, one after the
 * other. */
struct attachment {
    scardmanage *m;
    platform_thread thread;
    platform_cond wake; /* wakes the thread */

    /* Guarded by the object's mutex. */
    attachment_job job;             /* the job that is being done; null: none */
    attachment_job undo;            /* if the job was abandoned: done after it, or null */
    attachment_job last_job;        /* if the job was abandoned: done after undo, or null. The call would have
                                       ended with it */
    bool abandoned;                 /* nobody waits for the job any more */
    bool ending;                    /* no more jobs will come */
    scardmanage_result stop_reason; /* not S_OK: the job is to stop, and why */
    uint64_t deadline;              /* when the job is to stop in any case */
    scardmanage_result result;
    scardmanage_report report;             /* of the current or latest reconnect */
    scardmanage_result rebuild_result;     /* what the rebuild function returned */
    scardmanage_lock_state lock_after_job; /* for a reconnect that cannot begin */

    /* Guarded by the mutex, too: unlocks that timed out before they began, and the strongest of
     * their dispositions. They follow the job, whatever its result is. */
    unsigned late_unlocks;
    scardmanage_disposition late_disposition;

    /* Input and output of jobs. They belong to the thread while there is a job, and otherwise to
     * the call that has the object. */
    struct {
        SCARDHANDLE handle;
        scardmanage_disposition disposition;
        uint64_t wait_until;
        scardmanage_options options; /* of a reconnect, checked */
        bool keep_transaction;       /* the card stays locked after the reconnect */
        bool first_card;             /* there was no card before the reconnect */
        struct pcsc_card card;
        size_t command_length;
        size_t response_capacity, response_length;
        bool probe_first; /* ask the handle before sending, so that sent is exact */
        bool sent;        /* the command may have reached the card */
        bool locked;      /* the job has locked once more */
    } io;
    uint8_t *buffer; /* command, then response */
    size_t buffer_size;

    /* The rest belongs to the same owners. What is attached: */
    scardmanage_options options; /* those of the object when the call began */
    bool by_handle;
    char reader[PCSC_READER_MAX]; /* its name; empty: not known yet */
    SCARDCONTEXT context;
    bool has_context;
    unsigned contexts_opened;
    SCARDHANDLE handle;
    bool has_handle;
    bool handle_lost;        /* a handle of the caller's that died with service or reader */
    scardmanage_share share; /* of the handle: EXCLUSIVE or SHARED */

    /* The card: */
    struct identity card;
    struct pcsc_atr atr; /* the latest that was seen of that card */
    uint32_t protocol;   /* the same */
    /* A reconnect has accepted a card that came, but has not succeeded yet: its verdict on that
     * card (REINSERTED or graver, else UNKNOWN). If it is another card: the one that the caller
     * knows. */
    scardmanage_verdict unreported_verdict;
    struct identity reported_card;
    /* ATR and protocol as the caller knows them: from before the reconnects that have not
     * succeeded. */
    struct {
        bool saved;
        struct pcsc_atr atr;
        uint32_t protocol;
    } reported;
    /* An event that PC/SC has forgotten, as we had to acknowledge it, but that the caller has not
     * heard of yet; or S_OK. Until a reconnect succeeds nothing is sent to the card. */
    scardmanage_result unreported_event;
    bool own_reset;    /* the event that PC/SC is going to return is a reset that the caller asked for */
    bool unresponsive; /* the card did not answer the last command; PC/SC does not remember that */

    /* The lock: */
    unsigned lock_count; /* how often the caller has locked */
    bool in_transaction; /* PC/SC holds our transaction. If it cannot be ended, it outlives lock_count */
    bool transaction_is_temporary;       /* only for the rebuild function and the command after it */
    scardmanage_disposition disposition; /* the strongest that nested unlocks asked for */
};

/*
 * allocator.c: the only way in which this library gets memory.
 */

/* Checks the caller's allocator and copies it. Null: the C library's. */
scardmanage_result allocator_check_and_copy(const scardmanage_allocator *allocator,
                                            scardmanage_allocator *out);
/* Zeroed memory, or null. */
void *allocator_allocate(const scardmanage_allocator *allocator, size_t size);
void allocator_release(const scardmanage_allocator *allocator, void *memory); /* memory may be null */

/*
 * call.c: functions of scardmanage.h that need the attachment: they begin a call, run jobs, and end
 * it.
 */

struct call {
    scardmanage *m;
    struct attachment *at; /* null: detached */
    uint64_t deadline;     /* on the clock of platform_now_us() */
    uint64_t cancels;      /* of the object when the call began */
    bool nested;           /* in the rebuild function of another call, which has the object */
    bool left_running;     /* a job goes on that this call no longer waits for */
};

/*
 * These wait for other calls to end. timeout_ms 0: that of the object's options. Call call_end()
 * only after S_OK. They return E_TIMEOUT or E_CANCELLED, and
 *   call_begin()                  waits for abandoned jobs, too; E_INVALID_HANDLE if the object is detached
 *   call_begin_outside_rebuild()  the same; E_FAIL in a rebuild function
 *   call_begin_to_attach()        does not wait for abandoned jobs, and allows a detached object (at is null);
 *                                 E_FAIL in a rebuild function
 */
scardmanage_result call_begin(struct call *c, scardmanage *m, uint32_t timeout_ms);
scardmanage_result call_begin_outside_rebuild(struct call *c, scardmanage *m, uint32_t timeout_ms);
scardmanage_result call_begin_to_attach(struct call *c, scardmanage *m);
void call_end(struct call *c);

/* Has the thread do the job, and waits for it. E_TIMEOUT and E_CANCELLED are either the job's
 * result, or the job was abandoned: then c->left_running is set, undo (null: nothing) follows the
 * job, and at->io must not be touched any more. */
scardmanage_result call_run(struct call *c, attachment_job job, attachment_job undo);
/* The same, for the job that a call ends with. If the one before was abandoned and still runs, the
 * job follows that, unless another one already does. */
scardmanage_result call_run_last(struct call *c, attachment_job job);

/* For an unlock that timed out before it could begin: it follows the job that is in its way. */
void call_post_late_unlock(scardmanage *m, scardmanage_disposition disposition);

/* Whether a call that begins now comes from the rebuild function. With the mutex. */
bool call_is_nested(const scardmanage *m);

/* Waits for jobs that calls in a rebuild function have abandoned. E_TIMEOUT, E_CANCELLED: the call
 * should return.
 * */
scardmanage_result call_wait_for_thread(struct call *c);

/* Makes c->at and its thread. */
scardmanage_result call_attach(struct call *c);
/* Ends c->at by a job. If its thread does not return from PC/SC, that is left to the thread:
 * E_TIMEOUT or E_CANCELLED. */
scardmanage_result call_detach(struct call *c);
void call_copy_report(struct call *c, scardmanage_report *report); /* of at->report */
/* The state of the lock after the latest job, for a call that cannot begin. */
scardmanage_lock_state call_last_lock_state(scardmanage *m);
void object_release(scardmanage *m); /* gives up one reference */

/* On the clock of platform_now_us(); UINT64_MAX for FOREVER. */
uint64_t call_deadline_in(uint32_t timeout_ms);

/* For jobs: why this one has to stop, or S_OK. */
scardmanage_result job_stop_reason(struct attachment *at);
/* For jobs: the same, after waiting for it for up to so many microseconds. */
scardmanage_result job_pause(struct attachment *at, uint64_t us);
/* Sets the report that a caller gets who stops waiting. Also before a job begins. */
void job_publish(struct attachment *at, const scardmanage_report *report);

/*
 * outcome.c: classes of results.
 */

bool outcome_is_event(scardmanage_result result);
bool outcome_is_loss(scardmanage_result result); /* an event; or card, reader, handle or service are gone */
bool outcome_harder_step_may_cure(scardmanage_result result);
bool outcome_ends_call(scardmanage_result result); /* it says nothing of the card, but ends the call */

/*
 * identity.c: which card it is.
 */

void identity_clear(struct identity *card);
void identity_set(struct identity *card, uint32_t counter, const struct pcsc_atr *atr); /* a new card */
void identity_add_atr(struct identity *card, const struct pcsc_atr *atr); /* another ATR of the same card */
bool identity_has_atr(const struct identity *card, const struct pcsc_atr *atr);
/* Whether the card was, or may have been, removed since; counter is the reader's now. */
bool identity_was_removed(const struct identity *card, uint32_t counter);
/* Whether the card, which shows this ATR now, may offer one of the protocols, if necessary after a
 * reset. */
bool identity_may_offer_protocol(const struct identity *card, const struct pcsc_atr *atr, uint32_t protocols);

/*
 * options.c
 */

/* Checks options, and fills in the defaults. options null: those of the object. */
scardmanage_result options_read(scardmanage *m, const scardmanage_options *options, scardmanage_options *out);

/* No version of a struct will be larger. A size that is larger was most likely never set: nothing
 * is read. */
#define OPTIONS_SIZE_MAX 4096

/* Whether a struct of the caller's can be read: it has at least the fields of the first version,
 * and if it is newer than this library, what this library does not know is zero. */
bool options_struct_is_readable(const void *structure, size_t size, size_t first_version, size_t known);
void options_set_defaults(scardmanage_options *options);
/* Which protocols to ask for: those of the options, by default the one in use. */
uint32_t options_protocols(const scardmanage_options *options, uint32_t in_use);
/* Which protocols to ask for when any will do. Not raw, unless it is in use: it would end T=0 and
 * T=1 for all clients. */
uint32_t options_any_protocol(uint32_t in_use);

/*
 * service.c: what of an attachment depends on service and reader, and outlives both.
 */

scardmanage_result service_open_context(struct attachment *at);
/* The service is gone: closes handle and context. */
void service_disconnect(struct attachment *at);
/* Service or reader are gone, or were: the card may have been exchanged meanwhile, the transaction
 * has ended, and a handle of the caller's is dead. */
void service_mark_unwatched(struct attachment *at);
/* Asks for the reader's state; opens a context if there is none. E_NO_SERVICE if there is no
 * service, E_READER_UNAVAILABLE if there is no such reader. any_index: it may be the same reader
 * with another number in its name; at->reader is that one then. */
scardmanage_result service_get_reader_state(struct attachment *at, bool any_index,
                                            struct pcsc_reader_state *state);
/* An empty reader may have been unplugged and plugged in again since its state was asked for last.
 * Only a handle of the caller's tells: if it is dead, that is recorded. */
void service_check_handle(struct attachment *at, const struct pcsc_reader_state *state);
/* Waits until there is a card, or until that time: E_TIMEOUT. with_handle: also until the reader is
 * there and the caller's handle turns out to be dead. */
scardmanage_result service_wait_for_card(struct attachment *at, bool any_index, bool with_handle,
                                         uint64_t until_us);

/*
 * handle.c: PC/SC calls with the handle. Those that would wait for another client's transaction
 * wait outside PC/SC first, so that they can be stopped.
 */

/* Connects to the card in at->reader. Sets at->handle and at->share. */
scardmanage_result handle_open(struct attachment *at, const scardmanage_options *options, uint32_t protocols);
void handle_close(struct attachment *at, scardmanage_disposition disposition);
/* Waits until no other client holds a transaction. */
scardmanage_result handle_wait_turn(struct attachment *at);
scardmanage_result handle_reconnect(struct attachment *at, scardmanage_share share, uint32_t protocols,
                                    scardmanage_step step);
scardmanage_result handle_begin_transaction(struct attachment *at);
scardmanage_result handle_get_status(struct attachment *at, struct pcsc_card *card);
scardmanage_result handle_transmit(struct attachment *at);
/* W_REMOVED_CARD for W_RESET_CARD if the event counter shows a removal: pcsc-lite returns the
 * latter when another client has reset the new card. Returns any other result as it is. */
scardmanage_result handle_correct_event(struct attachment *at, scardmanage_result result);
/* SCardStatus(), but a reset that the caller asked for is acknowledged first, and an event that the
 * caller has not heard of is returned. */
scardmanage_result handle_get_status_for_caller(struct attachment *at, struct pcsc_card *card);
/* Acknowledges the reset that the caller asked for. own_reset stays set if another try may
 * succeed. */
scardmanage_result handle_acknowledge_own_reset(struct attachment *at);
/* The same, if there is such a reset. Returns only E_OUTOFMEMORY, E_TIMEOUT and E_CANCELLED; the
 * call that follows returns everything else. */
scardmanage_result handle_acknowledge_if_due(struct attachment *at);

/*
 * lock.c
 */

scardmanage_lock_state lock_state(const struct attachment *at); /* NONE, LOST or KEPT */
scardmanage_result lock_begin_transaction(struct attachment *at);
/* Ends the transaction. W_RESET_CARD: it has ended, but the card had been reset. E_OUTOFMEMORY: it
 * has not ended.
 * */
scardmanage_result lock_end_transaction(struct attachment *at, scardmanage_disposition disposition);
/* A job: one of the late unlocks. */
scardmanage_result unlock_late_job(struct attachment *at);

/*
 * reconnect.c
 */

/* A reconnect within a call; options are checked ones. With keep_transaction the card stays locked
 * after success, and the job reconnect_end_temporary_transaction() has to follow. */
scardmanage_result reconnect_in_call(struct call *c, const scardmanage_options *options,
                                     bool keep_transaction, scardmanage_report *report);
scardmanage_result reconnect_end_temporary_transaction(struct attachment *at);
/* Whether the caller's report, which may be null, can be written. */
bool reconnect_report_is_valid(const scardmanage_report *report);
void reconnect_write_report(const scardmanage_report *from, scardmanage_report *to);

/*
 * attach.c
 */

/* The job that ends an attachment. */
scardmanage_result attach_end_job(struct attachment *at);

#endif
