/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The object, its attachment, and the functions that the source files of the library share.
 *
 * Comments omit the prefix of the constants of scardmanage.h: S_OK, W_RESET_CARD and so on. An event
 * is W_RESET_CARD or W_REMOVED_CARD: PC/SC returns it for a handle after another client has reset the
 * card, or after the card was removed.
 */
#ifndef SCARDMANAGE_INTERNAL_H
#define SCARDMANAGE_INTERNAL_H

#include "outcome.h"
#include "pcsc.h"
#include "platform.h"
#include "scardmanage_hook.h"
#include "scardmanage_transmit.h"

/* How many ATRs to remember for a card. A card shows a cold and a warm ATR, and a few more if it
 * can be configured or switches its mode. */
#define IDENTITY_ATRS 8

/* Identifies a card: the one in the reader while the event counter of the reader has this value. */
struct identity {
    bool known; /* false: no card has been seen yet */
    /* The counter does not show whether the card was removed, because it may have started over: the
     * service or the reader was, or may have been, away. */
    bool unwatched;
    uint32_t counter;
    unsigned atr_count;
    struct pcsc_atr atrs[IDENTITY_ATRS]; /* the ATRs that the card has shown */
};

/* What the caller's identify function has returned. */
struct serial {
    bool known;
    bool is_current; /* the card has not been out of the reader since */
    size_t length;
    uint8_t bytes[SCARDMANAGE_IDENTITY_MAX];
};

/* The hook of the caller; function is null if there is none. */
struct hook {
    scardmanage_hook *function;
    void *context;
};

/* What a call waits for: see wait.h. */
enum wait_what {
    WAIT_CARD,                /* there is a card */
    WAIT_REMOVAL,             /* there is no card, or another one than the attachment knows */
    WAIT_CHANGE,              /* anything differs from what was seen before */
    WAIT_CARD_OR_DEAD_HANDLE, /* there is a card; or there is the reader, and the caller's handle is dead */
    WAIT_OTHER_CARD,          /* the event counter is another one, or there is no card */
};

/* What a wait has seen. */
struct wait_sight {
    scardmanage_result result; /* S_OK, E_READER_UNAVAILABLE or E_NO_SERVICE */
    struct pcsc_reader_state state;
    unsigned contexts_opened;
};

struct wait_condition {
    enum wait_what what;
    bool any_index;         /* a reader with another number will do */
    uint32_t counter;       /* for WAIT_OTHER_CARD */
    struct wait_sight seen; /* for WAIT_CHANGE */
};

/* What a reconnect keeps while it waits between two jobs. */
struct reconnect_progress {
    bool begun;
    scardmanage_report report;
    scardmanage_verdict gravest_verdict;
    bool lock_reacquired;
    bool restarted;
    unsigned contexts_opened;

    bool worth_waiting; /* for the condition below; the other fields are valid only then */
    struct wait_condition condition;
    bool card_was_there; /* although it could not be used */
    bool service_lost;   /* since the reader was observed */
};

struct scardmanage_watch;
struct attachment;
typedef scardmanage_result (*attachment_job)(struct attachment *at);

/* The object that the caller has. The mutex guards all fields. */
struct scardmanage {
    scardmanage_allocator allocator;
    platform_mutex mutex;
    platform_cond changed; /* signalled when a call or a job ends, and when calls are cancelled */
    scardmanage_options options;
    struct attachment *at; /* null: detached. Only the call that owns the object replaces it */
    unsigned references;   /* one for the caller, one for each attachment */
    uint64_t cancels;      /* how often calls were cancelled */
    bool cancelled;        /* calls that begin are cancelled, too */
    bool busy;             /* a call owns the object */
    uint64_t attachments;  /* number of attachments so far */
    uint64_t sessions;     /* number of sessions so far, with all attachments */
    uint32_t transport;    /* SCARDMANAGE_TRANSPORT_ bits */
    struct hook hook;
    unsigned waiting; /* calls that have given the object up until there is news */
    uint64_t news;    /* counts changes of readers and cards; only while calls wait for them */

    /* interface.c: those that are registered. */
    struct interface_entry *interfaces;

    /* The function of the caller that this call runs: a unit, or an identify or rebuild function. */
    struct {
        bool runs;
        platform_thread_id thread;        /* which may use the object */
        uint64_t deadline, cancels;       /* of the call */
        const scardmanage_report *report; /* for the function */
    } function;
};

/* What an interface knows of the card after its last command. If that is the same before its next
 * one, nobody has used the card in between, and what it has selected is still selected. */
struct card_mark {
    uint64_t attachment;  /* the number of the attachment */
    uint64_t session;     /* as scardmanage_get_session() */
    uint64_t transaction; /* the number of the last PC/SC transaction of the attachment */
    uint64_t commands;    /* how many commands the attachment has sent */
    uint64_t selections;  /* how many of them may have selected a file */
};

/* An attachment and its thread. The thread makes all PC/SC calls. It runs them in jobs, one after
 * the other. */
struct attachment {
    scardmanage *m;
    platform_thread thread;
    platform_cond wake; /* wakes the thread */

    /* Guarded by the object's mutex. */
    attachment_job job;  /* the current job, or null */
    attachment_job undo; /* runs after the job if the job was abandoned; may be null */
    /* The jobs with which the call would have ended. They run after undo if the job was abandoned. */
    attachment_job last_jobs[2];
    unsigned last_job_count;
    bool abandoned;                 /* the call no longer waits for the job */
    bool ending;                    /* no more jobs will come */
    scardmanage_result stop_reason; /* not S_OK: why the job must stop */
    uint64_t deadline;              /* when the job must stop */
    scardmanage_result result;
    scardmanage_report report;             /* of the current or the last reconnect */
    scardmanage_result rebuild_result;     /* what the rebuild function returned */
    scardmanage_lock_state lock_after_job; /* for the report of a reconnect that cannot begin */
    struct card_mark mark;

    bool in_call; /* the call that owns the object may post another job */
    /* The number of unlocks that timed out before they began, and the strongest of their dispositions. They run
     * when no call is in between its jobs, which rely on the lock. */
    unsigned late_unlocks;
    scardmanage_disposition late_disposition;

    /* Input and output of jobs. While there is a job, only the thread may use them, otherwise only
     * the call that owns the object. */
    struct {
        SCARDHANDLE handle;
        scardmanage_disposition disposition;
        uint64_t wait_until;
        scardmanage_options options; /* of a reconnect; options_read() has checked them */
        bool first_card;             /* the attachment had no card before the reconnect */
        bool functions_due;          /* the caller's functions are called even if no step is taken */
        struct pcsc_card card;
        size_t command_length;
        size_t response_capacity, response_length;
        size_t response_extent;              /* how many bytes after the command were ever written */
        size_t secret_offset, secret_length; /* in the command; see scardmanage_transmit_secret() */
        bool probe_first;                    /* check the handle before sending, so that sent is exact */
        bool sent;                           /* the command may have reached the card */
        uint32_t control_code;
        uint8_t feature; /* not 0: to use this feature of the reader instead of control_code */
        bool locked;     /* the job has acquired the lock once more */
        bool in_unit;    /* an unlock comes from the unit that runs */
        struct wait_condition condition;
        bool condition_holds;
        struct reconnect_progress progress;
    } io;
    uint8_t *buffer; /* the command, then the response, then a copy for the hook */
    size_t buffer_size;

    /* The same owners use the remaining fields. The attachment: */
    scardmanage_options options; /* those of the object when the call began, and so the next two */
    uint32_t transport;
    struct hook hook;
    bool by_handle;
    char reader[PCSC_READER_MAX]; /* its name; empty if not known yet */
    SCARDCONTEXT context;
    bool has_context;
    unsigned contexts_opened;
    struct scardmanage_watch *watch; /* null until a call waits */
    struct wait_sight seen;          /* by attaching, or by the last wait for a change */
    SCARDHANDLE handle;
    bool has_handle;
    bool handle_lost;        /* the caller's handle died with the service or the reader */
    scardmanage_share share; /* EXCLUSIVE or SHARED: how the handle is connected */

    /* The card: */
    struct identity card;
    struct serial serial; /* of the card that the caller knows */
    bool is_unidentified; /* the card was out of the reader, and since then nothing but its ATR says who it is */
    struct pcsc_atr atr;  /* the latest that the card has shown */
    uint32_t protocol;    /* the protocol that was last seen active */
    /* The verdict of a reconnect that has accepted a new card but has not succeeded yet: REINSERTED
     * or higher, otherwise UNKNOWN. If the card is a different one, reported_card is the card that
     * the caller knows. */
    scardmanage_verdict unreported_verdict;
    struct identity reported_card;
    /* The ATR and the protocol that the caller knows: those before the reconnects that have not
     * succeeded. */
    struct {
        bool saved;
        struct pcsc_atr atr;
        uint32_t protocol;
    } reported;
    /* An event that the library had to acknowledge, so that PC/SC has forgotten it, but that the
     * caller has not been told yet; otherwise S_OK. Until a reconnect succeeds, nothing is sent to
     * the card. */
    scardmanage_result unreported_event;
    bool own_reset;    /* the next event from PC/SC is a reset that the caller asked for */
    bool unresponsive; /* the card did not answer the last command; PC/SC does not remember that */

    /* The lock: */
    unsigned lock_count;          /* how often the caller has acquired the lock */
    bool in_transaction;          /* a PC/SC transaction is open. Outlives lock_count if it cannot be ended */
    bool transaction_is_doubtful; /* it could not be ended, but the removal of the card may have ended it */
    bool transaction_is_new;      /* begun for a card that is not the attachment\'s yet */
    bool transaction_is_temporary;            /* it lasts only for the identify and the rebuild function */
    bool unit_lock;                           /* a unit keeps the card locked, too */
    unsigned unit_lock_count;                 /* lock_count when the unit began */
    scardmanage_disposition unit_disposition; /* disposition then */
    scardmanage_disposition disposition;      /* the strongest disposition of the nested unlocks */

    /* The unit that runs; not used by the thread: */
    struct {
        bool runs;
        uint32_t sent;                  /* how many commands it has sent */
        scardmanage_result last_result; /* of the last command */
        scardmanage_result loss;        /* not S_OK: why its session is lost, so that nothing more is sent */
    } unit;
};

/*
 * allocator.c: all memory of the library comes from here.
 */

/* Checks and copies the allocator of the caller. A null allocator stands for that of the C library. */
scardmanage_result allocator_check_and_copy(const scardmanage_allocator *allocator,
                                            scardmanage_allocator *out);
/* Returns zeroed memory, or null. */
void *allocator_allocate(const scardmanage_allocator *allocator, size_t size);
void allocator_release(const scardmanage_allocator *allocator, void *memory); /* memory may be null */

/*
 * call.c: calls. A function of scardmanage.h that needs the attachment begins a call, runs jobs, and
 * ends the call.
 */

struct call {
    scardmanage *m;
    struct attachment *at; /* null: detached */
    uint64_t deadline;     /* on the clock of platform_now_us() */
    uint64_t cancels;      /* the cancel count of the object when the call began */
    bool nested;           /* made in a function that another call runs, which owns the object */
    bool left_running;     /* a job is still running that this call no longer waits for; or gave_up */
    bool gave_up;          /* the call no longer owns the object, because its time was up in call_wait() */
    bool only_reads;       /* the call changes nothing of the object */
    bool replaces;         /* the call replaces the attachment */
};

/*
 * Begin a call: wait until other calls have ended. If timeout_ms is 0, the timeout is that of the
 * options of the object. Only after S_OK, call call_end(). The functions return E_TIMEOUT or
 * E_CANCELLED if they cannot begin.
 *
 *   call_begin()                  also waits for abandoned jobs. Returns E_INVALID_HANDLE if the object
 *                                 is detached
 *   call_begin_unless_nested()    the same, but returns E_FAIL in a function that the library has called
 *   call_begin_to_unlock()        the same as call_begin(), even if the object is cancelled
 *   call_begin_to_attach()        does not wait for abandoned jobs, but for calls that have given the
 *                                 object up. The object may be detached; at is null then. Returns E_FAIL
 *                                 in a function that the library has called
 *   call_begin_to_detach()        the same, even if the object is cancelled
 */
scardmanage_result call_begin(struct call *c, scardmanage *m, uint32_t timeout_ms);
scardmanage_result call_begin_unless_nested(struct call *c, scardmanage *m, uint32_t timeout_ms);
scardmanage_result call_begin_to_unlock(struct call *c, scardmanage *m);
scardmanage_result call_begin_to_attach(struct call *c, scardmanage *m);
scardmanage_result call_begin_to_detach(struct call *c, scardmanage *m);
void call_end(struct call *c);

uint64_t call_news(struct call *c);
/* Gives the object up, so that other calls can use it, until m->news differs from seen, or until
 * until_us; then takes it back. at stays the same. Returns another code than S_OK if the call must
 * return. If c->gave_up is set then, the call no longer owns the object: only call_end() may follow. */
scardmanage_result call_wait(struct call *c, uint64_t seen, uint64_t until_us);

/* Makes the thread run the job, and waits for its result. E_TIMEOUT and E_CANCELLED are either the
 * result of the job, or mean that the job was abandoned. In that case c->left_running is set, undo
 * (if not null) runs after the job, and the call must no longer use at->io. */
scardmanage_result call_run(struct call *c, attachment_job job, attachment_job undo);
/* The same for the last jobs of a call, at most two: the first ends a reconnect, the second a unit. If
 * a job before was abandoned and is still running, this one runs after it. */
scardmanage_result call_run_last(struct call *c, attachment_job job);

/* For an unlock that timed out before it could begin: runs it after the call that it waited for. */
void call_post_late_unlock(scardmanage *m, scardmanage_disposition disposition);

/* Returns whether a call that begins now comes from a function that the library has called. Call
 * this with the mutex held. */
bool call_is_nested(const scardmanage *m);

/* Before and after the call runs a function of the caller, which gets the report. In between, the
 * function may use the object, in this thread. */
void call_enter_function(struct call *c, const scardmanage_report *report);
void call_leave_function(struct call *c);
/* Returns what a function of the caller has returned: S_OK or a failure. */
scardmanage_result call_function_result(scardmanage_result result);

/* Waits for jobs that calls in such a function have abandoned. Returns E_TIMEOUT or E_CANCELLED
 * if the call must return. */
scardmanage_result call_wait_for_thread(struct call *c);

/* Creates c->at and its thread. */
scardmanage_result call_attach(struct call *c);
/* Runs the job that ends c->at. If the thread does not return from PC/SC in time, it runs that job
 * later, and the function returns E_TIMEOUT or E_CANCELLED. */
scardmanage_result call_detach(struct call *c);
void call_copy_report(struct call *c, scardmanage_report *report); /* copies at->report */
/* Returns the state of the lock after the last job, for a call that cannot begin. */
scardmanage_lock_state call_last_lock_state(scardmanage *m);
/* Keeps the memory of the object until object_release() drops the reference. After scardmanage_free()
 * the object is detached. */
void object_retain(scardmanage *m);
void object_release(scardmanage *m);

/* In a unit that is about to use up a try of a code or a key: returns W_REMOVED_CARD if the card may be a stranger's. */
scardmanage_result object_check_identity(scardmanage *m);

/* Call this in a unit. */
void object_get_mark(scardmanage *m, struct card_mark *mark);
/* Returns whether nobody can have selected another file in between. The caller may have presented a PIN, for
 * example. */
bool card_mark_has_same_selection(const struct card_mark *a, const struct card_mark *b);

/* Give the session, the transaction or the command a number. */
uint64_t attachment_session(struct attachment *at); /* the number of the session, or 0 */
void attachment_count_session(struct attachment *at);
void attachment_count_transaction(struct attachment *at);
void attachment_count_command(struct attachment *at, bool may_select);

/* Returns the deadline on the clock of platform_now_us(), or UINT64_MAX for FOREVER. */
uint64_t call_deadline_in(uint32_t timeout_ms);

/* In a job: returns why the job must stop, or S_OK. */
scardmanage_result job_stop_reason(struct attachment *at);
/* In a job: waits for up to us microseconds until the job must stop. Returns the same. */
scardmanage_result job_pause(struct attachment *at, uint64_t us);
/* Sets the report for a caller that stops waiting for the job. May also be called before a job
 * begins. */
void job_publish(struct attachment *at, const scardmanage_report *report);

/*
 * identity.c: identifies cards.
 */

void identity_clear(struct identity *card);
void identity_set(struct identity *card, uint32_t counter, const struct pcsc_atr *atr); /* for a new card */
void identity_add_atr(struct identity *card, const struct pcsc_atr *atr); /* adds an ATR of the same card */
bool identity_has_atr(const struct identity *card, const struct pcsc_atr *atr);
/* Returns whether the card was, or may have been, removed. counter is the current event counter of
 * the reader. */
bool identity_was_removed(const struct identity *card, uint32_t counter);
/* Returns whether the card may offer one of the protocols, if necessary after a reset. atr is what
 * it shows now. */
bool identity_may_offer_protocol(const struct identity *card, const struct pcsc_atr *atr, uint32_t protocols);

/*
 * options.c
 */

/* Checks options and fills in the defaults. If options is null, uses those of the object. */
scardmanage_result options_read(scardmanage *m, const scardmanage_options *options, scardmanage_options *out);

/* The maximum size of a struct of the caller, in any version. A larger size was probably never set,
 * so the library reads nothing of that struct. */
#define OPTIONS_SIZE_MAX 4096

/* Returns whether a struct of the caller can be read: it has at least the fields of the first
 * version, and if it is newer than the library, the fields that the library does not know are 0. */
bool options_struct_is_readable(const void *structure, size_t size, size_t first_version, size_t known);
void options_set_defaults(scardmanage_options *options);
/* Returns the protocols to request: those of the options, or by default the one in use. */
uint32_t options_protocols(const scardmanage_options *options, uint32_t in_use);
/* Returns the protocols to request if any protocol will do. Excludes raw unless it is in use: raw
 * would end T=0 and T=1 for all clients. */
uint32_t options_any_protocol(uint32_t in_use);

/*
 * service.c: what an attachment knows of the service and the reader, even while they are away.
 */

scardmanage_result service_open_context(struct attachment *at);
/* Closes the handle and the context after the service went away. */
void service_disconnect(struct attachment *at);
/* Records that the service or the reader is, or was, away. The card may have been exchanged, the
 * transaction has ended, and a handle that the caller owns is dead. */
void service_mark_unwatched(struct attachment *at);
/* Reads the state of the reader. Opens a context if there is none. Returns E_NO_SERVICE if there is
 * no service, and E_READER_UNAVAILABLE if there is no such reader. If any_index is set, a reader
 * that differs only in the number in its name will do; at->reader is then its name. */
scardmanage_result service_get_reader_state(struct attachment *at, bool any_index,
                                            struct pcsc_reader_state *state);
/* Detects that an empty reader was unplugged and plugged in again since its state was last read.
 * Only a handle that the caller owns shows that: if it is dead, the function records that. */
void service_check_handle(struct attachment *at, const struct pcsc_reader_state *state);

/*
 * handle.c: PC/SC calls with the handle. Calls that PC/SC would block during another client's transaction
 * first wait outside PC/SC, so that they can be stopped.
 */

/* Connects to the card in at->reader. Sets at->handle and at->share. */
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
 * reset consists of two operations. */
void handle_finish_operations(struct attachment *at);
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
/* SCardStatus(). First acknowledges a reset that the caller asked for. Returns an event that the
 * caller has not been told yet. */
scardmanage_result handle_get_status_for_caller(struct attachment *at, struct pcsc_card *card);
/* Acknowledges the reset that the caller asked for. own_reset stays set if another attempt may
 * succeed. */
scardmanage_result handle_acknowledge_own_reset(struct attachment *at);
/* The same if there is such a reset. Returns only E_OUTOFMEMORY, E_TIMEOUT and E_CANCELLED; the
 * next PC/SC call returns any other error. */
scardmanage_result handle_acknowledge_if_due(struct attachment *at);

/*
 * lock.c
 */

scardmanage_lock_state lock_state(const struct attachment *at); /* returns NONE, LOST or KEPT */
scardmanage_result lock_begin_transaction(struct attachment *at);
/* Ends the transaction. Returns W_RESET_CARD if it has ended but the card had been reset, and
 * E_OUTOFMEMORY if it has not ended. */
scardmanage_result lock_end_transaction(struct attachment *at, scardmanage_disposition disposition);
/* The card was removed, which ends the transaction (pcsc-lite: RFSetReaderEventState() in readerfactory.c). A
 * handle that was opened in the moment of a removal has no event, though, and keeps its transaction. */
void lock_end_with_card(struct attachment *at);
/* Returns whether the card is to stay locked. */
bool lock_is_wanted(const struct attachment *at);
/* Jobs: begin a unit, which keeps the card locked until it ends; and end it. */
scardmanage_result lock_begin_unit_job(struct attachment *at);
scardmanage_result lock_end_unit_job(struct attachment *at);
/* The job for one late unlock. */
scardmanage_result unlock_late_job(struct attachment *at);

/*
 * transmit.c
 */

/* Makes at->buffer this large. The thread needs a buffer of its own: if PC/SC returns late, that of
 * the caller may no longer exist. */
scardmanage_result transmit_reserve_buffer(struct attachment *at, size_t size);
/* A job, too. Overwrites the buffer: commands may contain PINs. */
scardmanage_result transmit_wipe_buffer(struct attachment *at);

/*
 * exchange.c
 */

/* Sends the command in at->buffer, and sets at->io.sent and at->io.response_length. */
scardmanage_result exchange_run(struct attachment *at);

/*
 * reconnect.c
 */

/* Jobs: a reconnect; the same after one that succeeded when the caller no longer waited, so that the caller does
 * not know what it did to the card, and has a report in which the lock is lost; and after the functions of the
 * caller, to check that the card was not removed or reset meanwhile. */
scardmanage_result reconnect_job(struct attachment *at);
scardmanage_result reconnect_undo(struct attachment *at);
scardmanage_result reconnect_check_after_functions(struct attachment *at);
/* After that job, if the caller has stopped waiting for it. */
scardmanage_result reconnect_undo_after_functions(struct attachment *at);
scardmanage_result reconnect_end_temporary_transaction(struct attachment *at);

/* Saves the ATR and the protocol that the caller knows, unless they are already saved and a failed
 * reconnect has changed them since. Such a reconnect leaves an event to report. */
void reconnect_save_reported_card(struct attachment *at);

/* Returns whether the report of the caller can be written. It may be null. */
bool reconnect_report_is_valid(const scardmanage_report *report);
void reconnect_write_report(const scardmanage_report *from, scardmanage_report *to);

/*
 * attach.c
 */

/* The job that ends an attachment. */
scardmanage_result attach_end_job(struct attachment *at);

/*
 * rebuild.c
 */

enum reconnect_purpose {
    RECONNECT_FOR_CALLER,
    RECONNECT_FOR_UNIT,     /* fails if the card was out of the reader and nothing says that it is the same */
    RECONNECT_LOST_SESSION, /* also calls the rebuild function if no step is needed */
    RECONNECT_FIRST_SESSION, /* for the card that was there when the object was attached */
};

/* Reconnects within a call. options_read() must have checked the options. */
scardmanage_result reconnect_in_call(struct call *c, const scardmanage_options *options,
                                     enum reconnect_purpose purpose, scardmanage_report *report);
/* After attaching: calls the functions of the caller for the card that is there, as far as the options of the
 * object ask for that. */
scardmanage_result reconnect_begin_first_session(struct call *c);

/*
 * unit.c: commands that belong together.
 */

struct unit {
    /* Sends the commands. Returns S_OK or a failure. */
    scardmanage_result (*call)(struct unit *unit, struct call *c, const scardmanage_report *report);
    bool is_repeatable;
    bool begins_locked; /* false: locks the card only after the session was lost */
};

/* Runs a unit in a call of its own, and writes the report, which may be null. Changes *options. */
scardmanage_result unit_run(scardmanage *m, struct unit *unit, scardmanage_options *options,
                            scardmanage_report *report);
/* Keeps the card locked for the unit, with the locks that the caller had when it began. */
void unit_keep_locked(struct attachment *at);
/* Records a result of a PC/SC call in a unit. sent: a command may have reached the card. */
void unit_record(struct attachment *at, bool sent, scardmanage_result result);

/*
 * interface.c
 */

/* Forgets all interfaces, when the object is freed. */
void interface_forget_all(scardmanage *m);

#endif
