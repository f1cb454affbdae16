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

#include "attachment.h"
#include "outcome.h"
#include "scardmanage_transmit.h"

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
 * object.c
 */

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
/* The same for a job that needs no answer of the card. */
scardmanage_result call_run_brief(struct call *c, attachment_job job, attachment_job undo);
/* The same for the last jobs of a call, at most two: the first ends a reconnect, the second a unit. If
 * a job before was abandoned and is still running, this one runs after it. */
scardmanage_result call_run_last(struct call *c, attachment_job job);

/* For an unlock that timed out before it could begin: runs it after the call that it waited for, or at the end of
 * the unit from which it came. */
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
/* Returns the deadline on the clock of platform_now_us(), or UINT64_MAX for FOREVER. */
uint64_t call_deadline_in(uint32_t timeout_ms);

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
/* Returns whether the caller goes on with a card that nothing but its ATR identifies. */
bool options_accept_unidentified(const scardmanage_options *options);
void options_set_defaults(scardmanage_options *options);
/* Returns the protocols to request: those of the options, or by default the one in use. */
uint32_t options_protocols(const scardmanage_options *options, uint32_t in_use);
/* Returns the protocols to request if any protocol will do. Excludes raw unless it is in use: raw
 * would end T=0 and T=1 for all clients. */
uint32_t options_any_protocol(uint32_t in_use);

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
