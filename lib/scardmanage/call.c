/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calls with a deadline. A function of scardmanage.h gives the thread of the attachment a job, and waits until the job is
 * done, the deadline has passed, or the call is cancelled.
 *
 * In the latter two cases the job is abandoned: no call waits for it any longer. When PC/SC returns, the
 * thread undoes what the job had begun, and then takes the next job. If the attachment has ended by
 * then, the thread cleans up and exits.
 */
#include "internal.h"

/* A job that waits outside PC/SC notices the deadline by itself. It gets this much extra time to
 * end and to report. */
#define GRACE_US 10000u

uint64_t call_deadline_in(uint32_t timeout_ms)
{
    return timeout_ms == SCARDMANAGE_FOREVER ? UINT64_MAX : platform_now_us() + (uint64_t)timeout_ms * 1000;
}

/* Called with the mutex held. */
static scardmanage_result call_stop_reason(const struct call *c, uint64_t grace_us)
{
    if (c->m->cancels != c->cancels)
        return SCARDMANAGE_E_CANCELLED;
    bool late = c->deadline != UINT64_MAX && platform_now_us() >= c->deadline + grace_us;
    return late ? SCARDMANAGE_E_TIMEOUT : SCARDMANAGE_S_OK;
}

static void wait_for_change(struct call *c, uint64_t grace_us)
{
    uint64_t until = c->deadline == UINT64_MAX ? UINT64_MAX : c->deadline + grace_us;
    platform_cond_wait(&c->m->changed, &c->m->mutex, until);
}

/* The functions from here to give_object_back() are called with the mutex held. */
bool call_is_nested(const scardmanage *m)
{
    return m->function.runs && platform_thread_is(m->function.thread, platform_thread_self());
}

/* While the object is cancelled, the count of a call that begins differs from that of the object. */
static void init_call(struct call *c, scardmanage *m, uint32_t timeout_ms)
{
    *c = (struct call){.m = m, .cancels = m->cancels - m->cancelled, .nested = call_is_nested(m)};
    c->deadline = call_deadline_in(timeout_ms != 0 ? timeout_ms : m->options.timeout_ms);
    if (!c->nested)
        return;
    c->cancels = m->function.cancels;
    if (c->deadline > m->function.deadline)
        c->deadline = m->function.deadline;
}

/* With alone, no other call waits for a card either, so that the attachment can be replaced. */
static scardmanage_result take_object(struct call *c, bool alone)
{
    scardmanage *m = c->m;
    scardmanage_result stop = call_stop_reason(c, 0);
    while ((m->busy || (alone && m->waiting > 0)) && stop == SCARDMANAGE_S_OK) {
        wait_for_change(c, 0);
        stop = call_stop_reason(c, 0);
    }
    if (stop != SCARDMANAGE_S_OK) /* even if the object has just become free, perhaps for the same reason */
        return stop;
    m->busy = true;
    c->at = m->at;
    return SCARDMANAGE_S_OK;
}

static void give_object_back(struct call *c)
{
    if (c->nested)
        return;
    if (c->gave_up) {
        c->m->waiting--; /* until now, so that the attachment stays */
    } else {
        c->m->busy = false;
        if (c->at) {
            c->at->worker.in_call = false;
            if (worker_has_late_unlocks(c->at))
                platform_cond_wake(&c->at->worker.wake);
        }
    }
    platform_cond_wake(&c->m->changed);
}

/* Waits until no abandoned job is running, and no late unlock. */
static scardmanage_result wait_for_thread(struct call *c)
{
    scardmanage_result stop = call_stop_reason(c, 0);
    while ((c->at->worker.job || worker_has_late_unlocks(c->at)) && stop == SCARDMANAGE_S_OK) {
        wait_for_change(c, 0);
        stop = call_stop_reason(c, 0);
    }
    return stop;
}

static void copy_settings(struct attachment *at)
{
    at->options = at->m->options;
    at->transport = at->m->transport;
    at->hook = at->m->hook;
}

static scardmanage_result take_attachment(struct call *c)
{
    scardmanage_result result = SCARDMANAGE_S_OK;
    if (c->nested)
        c->at = c->m->at;
    else
        result = take_object(c, false);
    if (result != SCARDMANAGE_S_OK)
        return result;
    result = c->at ? wait_for_thread(c) : SCARDMANAGE_E_INVALID_HANDLE;
    if (result != SCARDMANAGE_S_OK) {
        give_object_back(c);
        return result;
    }
    c->at->worker.in_call = true;
    copy_settings(c->at);
    return SCARDMANAGE_S_OK;
}

scardmanage_result call_begin(struct call *c, scardmanage *m, uint32_t timeout_ms)
{
    platform_lock(&m->mutex);
    init_call(c, m, timeout_ms);
    scardmanage_result result = take_attachment(c);
    platform_unlock(&m->mutex);
    return result;
}

scardmanage_result call_begin_unless_nested(struct call *c, scardmanage *m, uint32_t timeout_ms)
{
    platform_lock(&m->mutex);
    init_call(c, m, timeout_ms);
    scardmanage_result result = c->nested ? SCARDMANAGE_E_FAIL : take_attachment(c);
    platform_unlock(&m->mutex);
    return result;
}

scardmanage_result call_begin_to_unlock(struct call *c, scardmanage *m)
{
    platform_lock(&m->mutex);
    init_call(c, m, 0);
    if (c->nested)
        c->deadline =
            m->function.deadline; /* a late unlock runs after the outer call, which must not go on */
    else
        c->cancels = m->cancels;
    scardmanage_result result = take_attachment(c);
    platform_unlock(&m->mutex);
    return result;
}

static scardmanage_result begin_alone(struct call *c, scardmanage *m, bool even_if_cancelled)
{
    platform_lock(&m->mutex);
    init_call(c, m, 0);
    if (even_if_cancelled)
        c->cancels = m->cancels;
    scardmanage_result result = c->nested ? SCARDMANAGE_E_FAIL : take_object(c, true);
    platform_unlock(&m->mutex);
    return result;
}

scardmanage_result call_begin_to_attach(struct call *c, scardmanage *m)
{
    return begin_alone(c, m, false);
}

scardmanage_result call_begin_to_detach(struct call *c, scardmanage *m)
{
    return begin_alone(c, m, true);
}

void call_end(struct call *c)
{
    platform_lock(&c->m->mutex);
    give_object_back(c);
    platform_unlock(&c->m->mutex);
}

void call_enter_function(struct call *c, const scardmanage_report *report)
{
    scardmanage *m = c->m;
    platform_lock(&m->mutex);
    m->function.runs = true;
    m->function.thread = platform_thread_self();
    m->function.deadline = c->deadline;
    m->function.cancels = c->cancels;
    m->function.report = report;
    platform_unlock(&m->mutex);
}

void call_leave_function(struct call *c)
{
    platform_lock(&c->m->mutex);
    c->m->function.runs = false;
    platform_unlock(&c->m->mutex);
}

scardmanage_result call_function_result(scardmanage_result result)
{
    return result > 0 ? SCARDMANAGE_E_FAIL : result;
}

scardmanage_result call_wait_for_thread(struct call *c)
{
    platform_lock(&c->m->mutex);
    scardmanage_result result = wait_for_thread(c);
    platform_unlock(&c->m->mutex);
    return result;
}

/* Called with the mutex held. */
static void post_job(struct call *c, attachment_job job, attachment_job undo)
{
    struct attachment *at = c->at;
    at->worker.job = job;
    at->worker.undo = undo;
    at->worker.last_job_count = 0;
    at->worker.abandoned = false;
    at->worker.stop_reason = SCARDMANAGE_S_OK;
    at->worker.deadline = job == attach_end_job ? UINT64_MAX : c->deadline;
    platform_cond_wake(&at->worker.wake);
}

/* What needs no answer of the card is often done before a thread that sleeps could be woken. */
#define BRIEF_US 60u

static scardmanage_result run_and_wait(struct call *c, attachment_job job, attachment_job undo, bool is_brief)
{
    struct attachment *at = c->at;
    post_job(c, job, undo);
    if (is_brief)
        platform_cond_wait_awake(&c->m->changed, &c->m->mutex, BRIEF_US);
    /* the call may have been cancelled after its last job */
    scardmanage_result stop = call_stop_reason(c, GRACE_US);
    while (at->worker.job && stop == SCARDMANAGE_S_OK) {
        wait_for_change(c, GRACE_US);
        stop = call_stop_reason(c, GRACE_US);
    }
    if (!at->worker.job) {
        if (outcome_is_loss(at->worker.result))
            unit_record(at, false, at->worker.result);
        return at->worker.result;
    }
    c->left_running = at->worker.abandoned = true;
    if (job != attach_end_job) /* that job must not be stopped */
        at->worker.stop_reason = stop;
    platform_cond_wake(&at->worker.wake);
    return stop;
}

uint64_t call_news(struct call *c)
{
    platform_lock(&c->m->mutex);
    uint64_t news = c->m->news;
    platform_unlock(&c->m->mutex);
    return news;
}

/* Called with the mutex held. */
static scardmanage_result wait_for_news(struct call *c, uint64_t seen, uint64_t until_us)
{
    scardmanage_result stop = call_stop_reason(c, 0);
    while (stop == SCARDMANAGE_S_OK && c->m->news == seen && platform_now_us() < until_us) {
        platform_cond_wait(&c->m->changed, &c->m->mutex, c->deadline < until_us ? c->deadline : until_us);
        stop = call_stop_reason(c, 0);
    }
    return stop;
}

scardmanage_result call_wait(struct call *c, uint64_t seen, uint64_t until_us)
{
    scardmanage *m = c->m;
    platform_lock(&m->mutex);
    m->waiting++;
    give_object_back(c);
    scardmanage_result stop = wait_for_news(c, seen, until_us);
    if (stop == SCARDMANAGE_S_OK)
        stop = take_attachment(c);
    c->gave_up = c->left_running = stop != SCARDMANAGE_S_OK;
    m->waiting -= !c->gave_up;
    platform_cond_wake(&m->changed);
    platform_unlock(&m->mutex);
    return stop;
}

static scardmanage_result lock_and_run(struct call *c, attachment_job job, attachment_job undo, bool is_brief)
{
    platform_lock(&c->m->mutex);
    scardmanage_result result = run_and_wait(c, job, undo, is_brief);
    platform_unlock(&c->m->mutex);
    return result;
}

scardmanage_result call_run(struct call *c, attachment_job job, attachment_job undo)
{
    return lock_and_run(c, job, undo, false);
}

scardmanage_result call_run_brief(struct call *c, attachment_job job, attachment_job undo)
{
    return lock_and_run(c, job, undo, true);
}

scardmanage_result call_run_last(struct call *c, attachment_job job)
{
    platform_lock(&c->m->mutex);
    struct attachment *at = c->at;
    scardmanage_result result = SCARDMANAGE_E_TIMEOUT;
    if (c->gave_up) { /* another call may own the object now */
        platform_unlock(&c->m->mutex);
        return result;
    }
    if (!at->worker.job)
        result = run_and_wait(c, job, NULL, true);
    else if (at->worker.last_job_count < sizeof at->worker.last_jobs / sizeof at->worker.last_jobs[0])
        at->worker.last_jobs[at->worker.last_job_count++] = job;
    c->left_running = at->worker.job;
    platform_unlock(&c->m->mutex);
    return result;
}

void call_copy_report(struct call *c, scardmanage_report *report)
{
    platform_lock(&c->m->mutex);
    *report = c->at->report;
    platform_unlock(&c->m->mutex);
}

scardmanage_lock_state call_last_lock_state(scardmanage *m)
{
    platform_lock(&m->mutex);
    scardmanage_lock_state lock = m->at ? m->at->lock_after_job : SCARDMANAGE_LOCK_NONE;
    platform_unlock(&m->mutex);
    return lock;
}

scardmanage_result call_attach(struct call *c)
{
    scardmanage *m = c->m;
    struct attachment *at = allocator_allocate(&m->allocator, sizeof *at);
    if (!at)
        return SCARDMANAGE_E_OUTOFMEMORY;
    at->m = m;
    at->connection.share = SCARDMANAGE_SHARE_SHARED;
    at->worker.in_call = true;
    platform_lock(&m->mutex);
    scardmanage_result result = worker_start(at);
    if (result != SCARDMANAGE_S_OK) {
        platform_unlock(&m->mutex);
        allocator_release(&m->allocator, at);
        return result;
    }
    m->references++;
    m->at = c->at = at;
    at->mark.attachment = ++m->attachments;
    copy_settings(at);
    platform_unlock(&m->mutex);
    return SCARDMANAGE_S_OK;
}

scardmanage_result call_detach(struct call *c)
{
    scardmanage *m = c->m;
    struct attachment *at = c->at;
    scardmanage_result result = SCARDMANAGE_E_TIMEOUT;
    platform_thread thread = at->worker.thread; /* a copy, because the thread frees at */
    platform_lock(&m->mutex);
    if (!at->worker.job)
        result = run_and_wait(c, attach_end_job, NULL, false);
    bool stays = at->worker.job;
    at->worker.ending = true;
    platform_cond_wake(&at->worker.wake);
    m->at = c->at = NULL;
    platform_unlock(&m->mutex);
    if (stays)
        platform_thread_detach(thread);
    else
        platform_thread_join(thread);
    return result;
}

void call_post_late_unlock(scardmanage *m, scardmanage_disposition disposition)
{
    platform_lock(&m->mutex);
    struct attachment *at = m->at;
    if (at) {
        /* a unit fails whose unlock comes late, and its locks end with it */
        bool in_unit = call_is_nested(m) && at->transaction.unit_lock;
        at->worker.late_unlocks += !in_unit;
        if (disposition > at->worker.late_disposition)
            at->worker.late_disposition = disposition;
        platform_cond_wake(&at->worker.wake);
    }
    platform_unlock(&m->mutex);
}
