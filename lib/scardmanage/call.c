/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calls with a deadline. PC/SC has no deadlines, and SCardCancel() ends only SCardGetStatusChange().
 * Therefore each attachment has a thread that makes its PC/SC calls. A function of scardmanage.h gives
 * the thread a job, and waits until the job is done, the deadline has passed, or the call is cancelled.
 *
 * In the latter two cases the job is abandoned: no call waits for it any longer. When PC/SC returns, the
 * thread undoes what the job had begun, and then takes the next job. If the attachment has ended by
 * then, the thread cleans up and exits.
 */
#include "internal.h"

/* A job that waits outside PC/SC notices the deadline by itself. It gets this much extra time to
 * end and to report. */
#define GRACE_US 10000u

static void object_destroy(scardmanage *m)
{
    scardmanage_allocator allocator = m->allocator; /* a copy: the original is in the block to release */
    platform_cond_destroy(&m->changed);
    platform_mutex_destroy(&m->mutex);
    allocator_release(&allocator, m);
}

void object_retain(scardmanage *m)
{
    platform_lock(&m->mutex);
    m->references++;
    platform_unlock(&m->mutex);
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

/* Late unlocks wait for the call that owns the object. They come before the jobs of the next one. */
static bool has_late_unlocks(const struct attachment *at)
{
    return at->late_unlocks > 0 && !at->in_call;
}

static bool has_jobs_to_come(const struct attachment *at)
{
    return at->job || has_late_unlocks(at) || !at->ending;
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
    at->stop_reason = SCARDMANAGE_S_OK;
    at->deadline = UINT64_MAX;
    run_job(at, job);
}

static void attachment_destroy(struct attachment *at)
{
    scardmanage *m = at->m;
    platform_cond_destroy(&at->wake);
    allocator_release(&m->allocator, at->buffer);
    allocator_release(&m->allocator, at);
    object_release(m);
}

static void run_posted_job(struct attachment *at)
{
    at->result = run_job(at, at->job);
    if (at->abandoned && at->undo)
        run_job_without_deadline(at, at->undo);
    for (unsigned i = 0; at->abandoned && i < at->last_job_count; i++)
        run_job_without_deadline(at, at->last_jobs[i]);
    at->job = NULL;
}

static void run_late_unlock(struct attachment *at)
{
    run_job_without_deadline(at, unlock_late_job);
    if (--at->late_unlocks == 0)
        at->late_disposition = SCARDMANAGE_DISPOSITION_LEAVE;
}

/* The thread function. */
static platform_thread_end PLATFORM_THREAD_CALL run_jobs(void *argument)
{
    struct attachment *at = argument;
    scardmanage *m = at->m;
    bool detached = false;
    platform_lock(&m->mutex);
    while (has_jobs_to_come(at)) {
        if (!at->job && !has_late_unlocks(at)) {
            platform_cond_wait(&at->wake, &m->mutex, UINT64_MAX);
            continue;
        }
        detached |= at->job == attach_end_job && !has_late_unlocks(at);
        if (has_late_unlocks(at))
            run_late_unlock(at);
        else
            run_posted_job(at);
        at->lock_after_job = lock_state(at);
        platform_cond_wake(&m->changed);
    }
    if (!detached)
        run_job_without_deadline(at, attach_end_job);
    platform_unlock(&m->mutex);
    attachment_destroy(at);
    return 0;
}

scardmanage_result job_stop_reason(struct attachment *at)
{
    platform_lock(&at->m->mutex);
    scardmanage_result stop = at->stop_reason;
    platform_unlock(&at->m->mutex);
    if (stop == SCARDMANAGE_S_OK && platform_now_us() >= at->deadline)
        stop = SCARDMANAGE_E_TIMEOUT;
    return stop;
}

scardmanage_result job_pause(struct attachment *at, uint64_t us)
{
    uint64_t until = platform_now_us() + us;
    platform_lock(&at->m->mutex);
    if (until > at->deadline)
        until = at->deadline;
    while (at->stop_reason == SCARDMANAGE_S_OK && platform_now_us() < until)
        platform_cond_wait(&at->wake, &at->m->mutex, until);
    platform_unlock(&at->m->mutex);
    return job_stop_reason(at);
}

void job_publish(struct attachment *at, const scardmanage_report *report)
{
    platform_lock(&at->m->mutex);
    at->report = *report;
    platform_unlock(&at->m->mutex);
}

/*
 * The calling thread
 */

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
            c->at->in_call = false;
            platform_cond_wake(&c->at->wake); /* for late unlocks */
        }
    }
    platform_cond_wake(&c->m->changed);
}

/* Waits until no abandoned job is running, and no late unlock. */
static scardmanage_result wait_for_thread(struct call *c)
{
    scardmanage_result stop = call_stop_reason(c, 0);
    while ((c->at->job || has_late_unlocks(c->at)) && stop == SCARDMANAGE_S_OK) {
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
    c->at->in_call = true;
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
    at->job = job;
    at->undo = undo;
    at->last_job_count = 0;
    at->abandoned = false;
    at->stop_reason = SCARDMANAGE_S_OK;
    at->deadline = job == attach_end_job ? UINT64_MAX : c->deadline;
    platform_cond_wake(&at->wake);
}

static scardmanage_result run_and_wait(struct call *c, attachment_job job, attachment_job undo)
{
    struct attachment *at = c->at;
    post_job(c, job, undo);
    /* the call may have been cancelled after its last job */
    scardmanage_result stop = call_stop_reason(c, GRACE_US);
    while (at->job && stop == SCARDMANAGE_S_OK) {
        wait_for_change(c, GRACE_US);
        stop = call_stop_reason(c, GRACE_US);
    }
    if (!at->job) {
        if (outcome_is_loss(at->result))
            unit_record(at, false, at->result);
        return at->result;
    }
    c->left_running = at->abandoned = true;
    if (job != attach_end_job) /* that job must not be stopped */
        at->stop_reason = stop;
    platform_cond_wake(&at->wake);
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

scardmanage_result call_run(struct call *c, attachment_job job, attachment_job undo)
{
    platform_lock(&c->m->mutex);
    scardmanage_result result = run_and_wait(c, job, undo);
    platform_unlock(&c->m->mutex);
    return result;
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
    if (!at->job)
        result = run_and_wait(c, job, NULL);
    else if (at->last_job_count < sizeof at->last_jobs / sizeof at->last_jobs[0])
        at->last_jobs[at->last_job_count++] = job;
    c->left_running = at->job;
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

void attachment_count_session(struct attachment *at)
{
    platform_lock(&at->m->mutex);
    at->mark.session = ++at->m->sessions;
    platform_unlock(&at->m->mutex);
}

void attachment_count_transaction(struct attachment *at)
{
    platform_lock(&at->m->mutex);
    at->mark.transaction++;
    platform_unlock(&at->m->mutex);
}

void attachment_count_command(struct attachment *at, bool may_select)
{
    platform_lock(&at->m->mutex);
    at->mark.commands++;
    at->mark.selections += may_select;
    platform_unlock(&at->m->mutex);
}

uint64_t attachment_session(struct attachment *at)
{
    platform_lock(&at->m->mutex);
    uint64_t session = at->mark.session;
    platform_unlock(&at->m->mutex);
    return session;
}

scardmanage_result object_check_identity(scardmanage *m)
{
    platform_lock(&m->mutex);
    const struct attachment *at = m->at;
    platform_unlock(&m->mutex);
    bool accepts = at && (at->options.accept_unidentified || at->options.accept_other_card);
    return at && at->is_unidentified && !accepts ? SCARDMANAGE_W_REMOVED_CARD : SCARDMANAGE_S_OK;
}

void object_get_mark(scardmanage *m, struct card_mark *mark)
{
    static const struct card_mark detached;
    platform_lock(&m->mutex);
    *mark = m->at ? m->at->mark : detached;
    platform_unlock(&m->mutex);
}

bool card_mark_has_same_selection(const struct card_mark *a, const struct card_mark *b)
{
    return a->attachment == b->attachment && a->session == b->session && a->transaction == b->transaction &&
           a->selections == b->selections;
}

scardmanage_result scardmanage_get_session(scardmanage *m, uint64_t *session)
{
    struct card_mark mark;
    if (!m || !session)
        return SCARDMANAGE_E_POINTER;
    object_get_mark(m, &mark);
    *session = mark.session;
    return mark.attachment != 0 ? SCARDMANAGE_S_OK : SCARDMANAGE_E_INVALID_HANDLE;
}

scardmanage_result call_attach(struct call *c)
{
    scardmanage *m = c->m;
    struct attachment *at = allocator_allocate(&m->allocator, sizeof *at);
    if (!at)
        return SCARDMANAGE_E_OUTOFMEMORY;
    at->m = m;
    at->share = SCARDMANAGE_SHARE_SHARED;
    at->in_call = true;
    if (platform_cond_init(&at->wake) != 0) {
        allocator_release(&m->allocator, at);
        return SCARDMANAGE_E_OUTOFMEMORY;
    }
    platform_lock(&m->mutex); /* the new thread first waits for the mutex */
    if (platform_thread_start(&at->thread, run_jobs, at) != 0) {
        platform_unlock(&m->mutex);
        platform_cond_destroy(&at->wake);
        allocator_release(&m->allocator, at);
        return SCARDMANAGE_E_OUTOFMEMORY;
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
    platform_thread thread = at->thread; /* a copy, because the thread frees at */
    platform_lock(&m->mutex);
    if (!at->job)
        result = run_and_wait(c, attach_end_job, NULL);
    bool stays = at->job;
    at->ending = true;
    platform_cond_wake(&at->wake);
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
        at->late_unlocks++;
        if (disposition > at->late_disposition)
            at->late_disposition = disposition;
        platform_cond_wake(&at->wake);
    }
    platform_unlock(&m->mutex);
}

scardmanage_result scardmanage_cancel(scardmanage *m)
{
    if (!m)
        return SCARDMANAGE_E_POINTER;
    platform_lock(&m->mutex);
    m->cancels++;
    platform_cond_wake(&m->changed);
    platform_unlock(&m->mutex);
    return SCARDMANAGE_S_OK;
}

scardmanage_result scardmanage_set_cancelled(scardmanage *m, int cancelled)
{
    if (!m)
        return SCARDMANAGE_E_POINTER;
    platform_lock(&m->mutex);
    m->cancelled = cancelled != 0;
    m->cancels += m->cancelled;
    platform_cond_wake(&m->changed);
    platform_unlock(&m->mutex);
    return SCARDMANAGE_S_OK;
}
