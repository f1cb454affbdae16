/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls that end in their time: each attachment has a thread that makes its calls to PC/SC, and whoever calls
 * a function of the header gives it a job and waits for that, but no longer than the deadline, or until
 * cancelled. PC/SC itself offers neither: SCardCancel() ends no call but SCardGetStatusChange(). So a thread
 * that PC/SC does not let go of stays behind, undoes what was begun as soon as it can, and takes the next job
 * then; or, if its attachment was ended meanwhile, cleans up and goes. */
#include "internal.h"

/* A job notices the deadline itself wherever the library waits; let it, so that it says how far it got. */
#define PATIENCE_US 10000u

static void object_destroy(scardmanage *m)
{
    scardmanage_allocator allocator = m->allocator; /* it lies in what it is to release */
    platform_cond_destroy(&m->changed);
    platform_mutex_destroy(&m->mutex);
    allocator_put(&allocator, m);
}

void object_release(scardmanage *m)
{
    platform_lock(&m->mutex);
    bool last = --m->references == 0;
    platform_unlock(&m->mutex);
    if (last)
        object_destroy(m);
}

/*
 * The thread
 */

static bool jobs_to_come(const attachment *at)
{
    return at->job != NULL || !at->ends;
}

/* Both want the mutex, and give it up in between. */
static scardmanage_result do_job(attachment *at, attachment_job job)
{
    platform_unlock(&at->m->mutex);
    scardmanage_result result = job(at);
    platform_lock(&at->m->mutex);
    return result;
}

static void do_unhurried(attachment *at, attachment_job job)
{
    at->stop = SCARDMANAGE_S_OK;
    at->deadline = UINT64_MAX;
    do_job(at, job);
}

static void attachment_destroy(attachment *at)
{
    scardmanage *m = at->m;
    platform_cond_destroy(&at->wake);
    allocator_put(&m->allocator, at->buffer);
    allocator_put(&m->allocator, at);
    object_release(m);
}

static platform_thread_end PLATFORM_THREAD_CALL work(void *argument)
{
    attachment *at = argument;
    scardmanage *m = at->m;
    bool detached = false;
    platform_lock(&m->mutex);
    while (jobs_to_come(at)) {
        if (at->job == NULL) {
            platform_cond_wait(&at->wake, &m->mutex, UINT64_MAX);
            continue;
        }
        at->result = do_job(at, at->job);
        detached = at->job == attach_end;
        if (at->abandoned && at->undo != NULL)
            do_unhurried(at, at->undo);
        if (at->abandoned && at->after != NULL)
            do_unhurried(at, at->after);
        for (; at->late_unlocks > 0; at->late_unlocks--)
            do_unhurried(at, lock_release_late);
        at->late_disposition = SCARDMANAGE_LEAVE;
        at->lock = lock_state(at);
        at->job = NULL;
        platform_cond_wake(&m->changed);
    }
    if (!detached)
        do_unhurried(at, attach_end);
    platform_unlock(&m->mutex);
    attachment_destroy(at);
    return 0;
}

scardmanage_result job_stopped(attachment *at)
{
    platform_lock(&at->m->mutex);
    scardmanage_result stop = at->stop;
    platform_unlock(&at->m->mutex);
    if (stop == SCARDMANAGE_S_OK && platform_now_us() >= at->deadline)
        stop = SCARDMANAGE_E_TIMEOUT;
    return stop;
}

scardmanage_result job_pause(attachment *at, uint64_t us)
{
    uint64_t until = platform_now_us() + us;
    platform_lock(&at->m->mutex);
    if (until > at->deadline)
        until = at->deadline;
    while (at->stop == SCARDMANAGE_S_OK && platform_now_us() < until)
        platform_cond_wait(&at->wake, &at->m->mutex, until);
    platform_unlock(&at->m->mutex);
    return job_stopped(at);
}

void job_publish(attachment *at, const scardmanage_report *report)
{
    platform_lock(&at->m->mutex);
    at->report = *report;
    platform_unlock(&at->m->mutex);
}

/*
 * The caller
 */

uint64_t call_deadline_in(uint32_t timeout_ms)
{
    return timeout_ms == SCARDMANAGE_FOREVER ? UINT64_MAX : platform_now_us() + (uint64_t)timeout_ms * 1000;
}

/* With the mutex. */
static scardmanage_result stopped(const call *c, uint64_t patience_us)
{
    if (c->m->cancels != c->cancels)
        return SCARDMANAGE_E_CANCELLED;
    bool late = c->deadline != UINT64_MAX && platform_now_us() >= c->deadline + patience_us;
    return late ? SCARDMANAGE_E_TIMEOUT : SCARDMANAGE_S_OK;
}

static void await_change(call *c, uint64_t patience_us)
{
    uint64_t until = c->deadline == UINT64_MAX ? UINT64_MAX : c->deadline + patience_us;
    platform_cond_wait(&c->m->changed, &c->m->mutex, until);
}

/* All with the mutex. */
bool call_is_nested(const scardmanage *m)
{
    return m->rebuilding && platform_thread_is(m->rebuilder, platform_thread_self());
}

static void begin(call *c, scardmanage *m, uint32_t timeout_ms)
{
    *c = (call){.m = m, .cancels = m->cancels, .nested = call_is_nested(m)};
    c->deadline = call_deadline_in(timeout_ms != 0 ? timeout_ms : m->options.timeout_ms);
    if (!c->nested)
        return;
    c->cancels = m->rebuild_cancels;
    if (c->deadline > m->rebuild_deadline)
        c->deadline = m->rebuild_deadline;
}

static scardmanage_result take_object(call *c)
{
    scardmanage *m = c->m;
    scardmanage_result stop = stopped(c, 0);
    while (m->busy && stop == SCARDMANAGE_S_OK) {
        await_change(c, 0);
        stop = stopped(c, 0);
    }
    if (stop != SCARDMANAGE_S_OK) /* also if the object has just been given up, perhaps for the same reason */
        return stop;
    m->busy = true;
    c->at = m->at;
    return SCARDMANAGE_S_OK;
}

static void give_object(call *c)
{
    if (c->nested)
        return;
    c->m->busy = false;
    platform_cond_wake(&c->m->changed);
}

/* Until PC/SC has let go of what was begun last. */
static scardmanage_result await_thread(call *c)
{
    scardmanage_result stop = stopped(c, 0);
    while (c->at->job != NULL && stop == SCARDMANAGE_S_OK) {
        await_change(c, 0);
        stop = stopped(c, 0);
    }
    return stop;
}

static scardmanage_result take_attachment(call *c)
{
    scardmanage_result result = SCARDMANAGE_S_OK;
    if (c->nested)
        c->at = c->m->at;
    else
        result = take_object(c);
    if (result != SCARDMANAGE_S_OK)
        return result;
    result = c->at == NULL ? SCARDMANAGE_E_INVALID_HANDLE : await_thread(c);
    if (result != SCARDMANAGE_S_OK)
        give_object(c);
    return result;
}

scardmanage_result call_begin(call *c, scardmanage *m, uint32_t timeout_ms)
{
    platform_lock(&m->mutex);
    begin(c, m, timeout_ms);
    scardmanage_result result = take_attachment(c);
    platform_unlock(&m->mutex);
    return result;
}

scardmanage_result call_begin_alone(call *c, scardmanage *m, uint32_t timeout_ms)
{
    platform_lock(&m->mutex);
    begin(c, m, timeout_ms);
    scardmanage_result result = c->nested ? SCARDMANAGE_E_FAIL : take_attachment(c);
    platform_unlock(&m->mutex);
    return result;
}

scardmanage_result call_begin_anew(call *c, scardmanage *m)
{
    platform_lock(&m->mutex);
    begin(c, m, 0);
    scardmanage_result result = c->nested ? SCARDMANAGE_E_FAIL : take_object(c);
    platform_unlock(&m->mutex);
    return result;
}

void call_end(call *c)
{
    platform_lock(&c->m->mutex);
    give_object(c);
    platform_unlock(&c->m->mutex);
}

scardmanage_result call_await(call *c)
{
    platform_lock(&c->m->mutex);
    scardmanage_result result = await_thread(c);
    platform_unlock(&c->m->mutex);
    return result;
}

/* With the mutex. */
static void post(call *c, attachment_job job, attachment_job undo)
{
    attachment *at = c->at;
    at->job = job;
    at->undo = undo;
    at->after = NULL;
    at->abandoned = false;
    at->stop = SCARDMANAGE_S_OK;
    at->deadline = job == attach_end ? UINT64_MAX : c->deadline;
    at->options = c->m->options;
    platform_cond_wake(&at->wake);
}

static scardmanage_result run(call *c, attachment_job job, attachment_job undo)
{
    attachment *at = c->at;
    post(c, job, undo);
    scardmanage_result stop = stopped(c, PATIENCE_US); /* it may have been cancelled since the last job */
    while (at->job != NULL && stop == SCARDMANAGE_S_OK) {
        await_change(c, PATIENCE_US);
        stop = stopped(c, PATIENCE_US);
    }
    if (at->job == NULL)
        return at->result;
    c->left = at->abandoned = true;
    if (job != attach_end) /* that is to be done in any case */
        at->stop = stop;
    platform_cond_wake(&at->wake);
    return stop;
}

scardmanage_result call_run(call *c, attachment_job job, attachment_job undo)
{
    platform_lock(&c->m->mutex);
    scardmanage_result result = run(c, job, undo);
    platform_unlock(&c->m->mutex);
    return result;
}

scardmanage_result call_finish(call *c, attachment_job job)
{
    platform_lock(&c->m->mutex);
    attachment *at = c->at;
    scardmanage_result result = SCARDMANAGE_E_TIMEOUT;
    if (at->job == NULL)
        result = run(c, job, NULL);
    else if (at->after == NULL)
        at->after = job;
    c->left = at->job != NULL;
    platform_unlock(&c->m->mutex);
    return result;
}

void call_report(call *c, scardmanage_report *report)
{
    platform_lock(&c->m->mutex);
    *report = c->at->report;
    platform_unlock(&c->m->mutex);
}

scardmanage_lock_state call_lock(scardmanage *m)
{
    platform_lock(&m->mutex);
    scardmanage_lock_state lock = m->at != NULL ? m->at->lock : SCARDMANAGE_LOCK_NONE;
    platform_unlock(&m->mutex);
    return lock;
}

scardmanage_result call_attach(call *c)
{
    scardmanage *m = c->m;
    attachment *at = allocator_get(&m->allocator, sizeof *at);
    if (at == NULL)
        return SCARDMANAGE_E_OUTOFMEMORY;
    at->m = m;
    at->share = SCARDMANAGE_SHARE_SHARED;
    if (platform_cond_init(&at->wake) != 0) {
        allocator_put(&m->allocator, at);
        return SCARDMANAGE_E_OUTOFMEMORY;
    }
    platform_lock(&m->mutex); /* the thread begins by taking it */
    if (platform_thread_start(&at->thread, work, at) != 0) {
        platform_unlock(&m->mutex);
        platform_cond_destroy(&at->wake);
        allocator_put(&m->allocator, at);
        return SCARDMANAGE_E_OUTOFMEMORY;
    }
    m->references++;
    m->at = c->at = at;
    platform_unlock(&m->mutex);
    return SCARDMANAGE_S_OK;
}

scardmanage_result call_detach(call *c)
{
    scardmanage *m = c->m;
    attachment *at = c->at;
    scardmanage_result result = SCARDMANAGE_E_TIMEOUT;
    platform_thread thread = at->thread; /* the thread frees at */
    platform_lock(&m->mutex);
    if (at->job == NULL)
        result = run(c, attach_end, NULL);
    bool stays = at->job != NULL;
    at->ends = true;
    platform_cond_wake(&at->wake);
    m->at = c->at = NULL;
    platform_unlock(&m->mutex);
    if (stays)
        platform_thread_let_go(thread);
    else
        platform_thread_join(thread);
    return result;
}

/* The thread is in a job, or is about to be, or else the call would have begun. */
void call_unlock_late(scardmanage *m, scardmanage_disposition disposition)
{
    platform_lock(&m->mutex);
    attachment *at = m->at;
    if (at != NULL) {
        at->late_unlocks++;
        if (disposition > at->late_disposition)
            at->late_disposition = disposition;
    }
    platform_unlock(&m->mutex);
}

scardmanage_result scardmanage_cancel(scardmanage *m)
{
    if (m == NULL)
        return SCARDMANAGE_E_POINTER;
    platform_lock(&m->mutex);
    m->cancels++;
    platform_cond_wake(&m->changed);
    platform_unlock(&m->mutex);
    return SCARDMANAGE_S_OK;
}
