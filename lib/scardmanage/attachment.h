/* SPDX-License-Identifier: BSD-3-Clause */
/* An attachment of the object to a reader or to a handle. */
#ifndef SCARDMANAGE_ATTACHMENT_H
#define SCARDMANAGE_ATTACHMENT_H

#include "card.h"
#include "connection.h"
#include "scardmanage_hook.h"
#include "transaction.h"
#include "worker.h"

/* The hook of the caller; function is null if there is none. */
struct hook {
    scardmanage_hook *function;
    void *context;
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

/* What an interface knows of the card after its last command. If that is the same before its next
 * one, nobody has used the card in between, and what it has selected is still selected. */
struct card_mark {
    uint64_t attachment;  /* the number of the attachment */
    uint64_t session;     /* as scardmanage_get_session() */
    uint64_t transaction; /* the number of the last PC/SC transaction of the attachment */
    uint64_t commands;    /* how many commands the attachment has sent */
    uint64_t selections;  /* how many of them may have selected a file */
};

/* Its thread makes all PC/SC calls. */
struct attachment {
    scardmanage *m;
    struct worker worker;

    /* Guarded by the mutex of the object: */
    scardmanage_report report;             /* of the current or the last reconnect */
    scardmanage_result rebuild_result;     /* what the rebuild function returned */
    scardmanage_lock_state lock_after_job; /* for the report of a reconnect that cannot begin */
    struct card_mark mark;

    /* Input and output of jobs. While there is a job, only the thread may use them, otherwise only
     * the call that owns the object. */
    struct {
        SCARDHANDLE handle;
        scardmanage_disposition disposition;
        uint64_t wait_until;
        scardmanage_options options;     /* of a reconnect; options_read() has checked them */
        bool first_card;                 /* the attachment had no card before the reconnect */
        bool was_unresponsive;           /* card.is_unresponsive before the reconnect */
        scardmanage_result event_before; /* card.unreported_event before the reconnect */
        bool functions_due;              /* the caller's functions are called even if no step is taken */
        struct pcsc_card card;
        size_t command_length;
        size_t response_capacity, response_length;
        size_t response_extent;              /* how many bytes after the command were ever written */
        size_t secret_offset, secret_length; /* in the command; see scardmanage_transmit_secret() */
        bool probe_first;                    /* check the handle before sending, so that sent is exact */
        bool sent;                           /* the command may have reached the card */
        uint32_t control_code;
        uint8_t feature; /* not 0: to use this feature of the reader instead of control_code */
        bool locked;     /* the job has acquired the lock once more, or could not release it */
        bool in_unit;    /* an unlock comes from the unit that runs */
        struct wait_condition condition;
        bool condition_holds;
        struct reconnect_progress progress;
    } io;
    uint8_t *buffer; /* the command, then the response, then a copy for the hook */
    size_t buffer_size;

    /* The same owners use the remaining fields: */
    scardmanage_options options; /* those of the object when the call began, and so the next two */
    uint32_t transport;
    struct hook hook;
    struct connection connection;
    struct card card;
    struct transaction transaction;

    /* The unit that runs; not used by the thread: */
    struct {
        bool runs;
        uint32_t sent;                  /* how many commands it has sent */
        scardmanage_result last_result; /* of the last command */
        scardmanage_result loss;        /* not S_OK: why its session is lost, so that nothing more is sent */
    } unit;
};

/* Give the session, the transaction or the command a number. */
uint64_t attachment_session(struct attachment *at); /* the number of the session, or 0 */
void attachment_count_session(struct attachment *at);
void attachment_count_transaction(struct attachment *at);
void attachment_count_command(struct attachment *at, bool may_select);

#endif
