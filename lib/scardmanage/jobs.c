/* SPDX-License-Identifier: BSD-3-Clause */
#include "internal.h"

/* Late unlocks wait for the call that owns the object. They come before the jobs of the next one. */
bool worker_has_late_unlocks(const struct attachment *at)
{
    return at->worker.late_unlocks > 0 && !at->worker.in_call;
}

static bool has_jobs_to_come(const struct attachment *at)
{
    return at->worker.job || worker_has_late_unlocks(at) || !at->worker.ending;
}

/* These functions are called with the mutex held. The job runs without it. */
static scardmanage_result run_job(struct attachment *at, attachment_job job)
{
    platform_unlock(&at->m->mutex);
    scardmanage_result result = job(at);
    platform_lock(&at->m->mutex);
    return result;
}

static void run_job_without_deadline(struct attachment *at, attachment_job job)
{
    at->worker.stop_reason = SCARDMANAGE_S_OK;
    at->worker.deadline = UINT64_MAX;
    run_job(at, job);
}

static void attachment_destroy(struct attachment *at)
{
    scardmanage *m = at->m;
    platform_cond_destroy(&at->worker.wake);
    allocator_release(&m->allocator, at->buffer);
    allocator_release(&m->allocator, at);
    object_release(m);
}

static void run_posted_job(struct attachment *at)
{
    at->worker.result = run_job(at, at->worker.job);
    if (at->worker.abandoned && at->worker.undo)
        run_job_without_deadline(at, at->worker.undo);
    for (unsigned i = 0; at->worker.abandoned && i < at->worker.last_job_count; i++)
        run_job_without_deadline(at, at->worker.last_jobs[i]);
    at->worker.job = NULL;
}

static void run_late_unlock(struct attachment *at)
{
    run_job_without_deadline(at, unlock_late_job);
    if (--at->worker.late_unlocks == 0)
        at->worker.late_disposition = SCARDMANAGE_DISPOSITION_LEAVE;
}

/* A job that is posted already belongs to a call before the unlocks: it ends a unit, which restores the locks that were
 * there before the unit, and must not restore those that they release. Only the end of the attachment comes last. */
static bool late_unlock_is_next(const struct attachment *at)
{
    return worker_has_late_unlocks(at) && (!at->worker.job || at->worker.job == attach_end_job);
}

/* The thread function. */
static platform_thread_end PLATFORM_THREAD_CALL run_jobs(void *argument)
{
    struct attachment *at = argument;
    scardmanage *m = at->m;
    bool detached = false;
    platform_lock(&m->mutex);
    while (has_jobs_to_come(at)) {
        if (late_unlock_is_next(at)) {
            run_late_unlock(at);
        } else if (at->worker.job) {
            detached |= at->worker.job == attach_end_job;
            run_posted_job(at);
        } else {
            platform_cond_wait(&at->worker.wake, &m->mutex, UINT64_MAX);
            continue;
        }
        at->lock_after_job = lock_state(at);
        platform_cond_wake(&m->changed);
    }
    if (!detached)
        run_job_without_deadline(at, attach_end_job);
    platform_unlock(&m->mutex);
    attachment_destroy(at);
    return 0;
}

scardmanage_result worker_start(struct attachment *at)
{
    if (platform_cond_init(&at->worker.wake) != 0)
        return SCARDMANAGE_E_OUTOFMEMORY;
    if (platform_thread_start(&at->worker.thread, run_jobs, at) == 0) /* it first waits for the mutex */
        return SCARDMANAGE_S_OK;
    platform_cond_destroy(&at->worker.wake);
    return SCARDMANAGE_E_OUTOFMEMORY;
}

scardmanage_result job_stop_reason(struct attachment *at)
{
    platform_lock(&at->m->mutex);
    scardmanage_result stop = at->worker.stop_reason;
    platform_unlock(&at->m->mutex);
    if (stop == SCARDMANAGE_S_OK && platform_now_us() >= at->worker.deadline)
        stop = SCARDMANAGE_E_TIMEOUT;
    return stop;
}

scardmanage_result job_pause(struct attachment *at, uint64_t us)
{
    uint64_t until = platform_now_us() + us;
    platform_lock(&at->m->mutex);
    if (until > at->worker.deadline)
        until = at->worker.deadline;
    while (at->worker.stop_reason == SCARDMANAGE_S_OK && platform_now_us() < until)
        platform_cond_wait(&at->worker.wake, &at->m->mutex, until);
    platform_unlock(&at->m->mutex);
    return job_stop_reason(at);
}

void job_publish(struct attachment *at, const scardmanage_report *report)
{
    platform_lock(&at->m->mutex);
    at->report = *report;
    platform_unlock(&at->m->mutex);
}
