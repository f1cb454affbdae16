/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The thread of an attachment. PC/SC has no deadlines, and SCardCancel() ends only SCardGetStatusChange(). Therefore this
 * thread makes all PC/SC calls, in jobs, one after the other, and the callers wait for them as long as they like.
 */
#ifndef SCARDMANAGE_WORKER_H
#define SCARDMANAGE_WORKER_H

#include "platform.h"
#include "scardmanage_options.h"

struct attachment;
typedef scardmanage_result (*attachment_job)(struct attachment *at);

/* The mutex of the object guards all fields except the thread. */
struct worker {
    platform_thread thread;
    platform_cond wake;  /* wakes the thread */
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
    bool in_call; /* the call that owns the object may post another job */
    /* The number of unlocks that timed out before they began, and the strongest of their dispositions. They run
     * when no call is in between its jobs, which rely on the lock. Those of a unit only leave the disposition. */
    unsigned late_unlocks;
    scardmanage_disposition late_disposition;
};

/* Starts the thread. Called with the mutex held. */
scardmanage_result worker_start(struct attachment *at);
/* Returns whether late unlocks can run now. Called with the mutex held. */
bool worker_has_late_unlocks(const struct attachment *at);

/* In a job: returns why the job must stop, or S_OK. */
scardmanage_result job_stop_reason(struct attachment *at);
/* In a job: waits for up to us microseconds until the job must stop. Returns the same. */
scardmanage_result job_pause(struct attachment *at, uint64_t us);
/* Sets the report for a caller that stops waiting for the job. May also be called before a job
 * begins. */
void job_publish(struct attachment *at, const scardmanage_report *report);

#endif
