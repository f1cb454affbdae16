/* SPDX-License-Identifier: BSD-3-Clause */
/* Watches all readers: the thread, and the calls that take events from it. */
#include "watch.h"

#include <string.h>

/* Changes that PC/SC misses are noticed after this time, and so is the end of the watch. */
#define SLICE_MS 100u
#define RETRY_US 50000u   /* PC/SC does not report the return of the service */
#define END_US   1000000u /* how long to wait for a thread that does not return from PC/SC */

struct scardmanage_watch {
    scardmanage_allocator allocator;
    bool once;
    watch_listener *listener; /* null after the watch has ended */
    void *listener_context;
    platform_thread thread;

    /* The mutex guards the fields from here to the next comment. */
    platform_mutex mutex;
    platform_cond changed;
    unsigned references; /* of the caller and of the thread */
    struct watch_events events;
    bool has_looked;
    bool ending;
    bool has_ended; /* the thread makes no more PC/SC calls */
    bool cancelled;
    platform_signal signal;
    bool has_signal;
    bool signal_is_set;

    /* Only the thread uses these. */
    SCARDCONTEXT context;
    bool has_context;
    size_t reader_count;
    struct pcsc_reader readers[PCSC_READERS_MAX];
};

static void destroy(scardmanage_watch *w)
{
    scardmanage_allocator allocator = w->allocator; /* a copy: the original is in the block to release */
    if (w->has_signal)
        platform_signal_destroy(&w->signal);
    platform_cond_destroy(&w->changed);
    platform_mutex_destroy(&w->mutex);
    allocator_release(&allocator, w);
}

/* Called with the mutex held; returns without it. */
static void drop_reference(scardmanage_watch *w)
{
    bool last = --w->references == 0;
    platform_unlock(&w->mutex);
    if (last)
        destroy(w);
}

/* The descriptor is readable if a call would return at once. Called with the mutex held. */
static void update_signal(scardmanage_watch *w)
{
    bool set = w->cancelled || watch_events_are_due(&w->events);
    if (!w->has_signal || set == w->signal_is_set)
        return;
    w->signal_is_set = set;
    if (set)
        platform_signal_set(&w->signal);
    else
        platform_signal_clear(&w->signal);
}

/*
 * The thread
 */

static void disconnect(scardmanage_watch *w)
{
    if (w->has_context)
        pcsc_release_context(w->context);
    w->has_context = false;
}

static scardmanage_result look(scardmanage_watch *w)
{
    scardmanage_result result = SCARDMANAGE_S_OK;
    w->reader_count = 0;
    if (!w->has_context) {
        result = pcsc_establish_context(&w->context);
        w->has_context = result == SCARDMANAGE_S_OK;
    }
    if (result == SCARDMANAGE_S_OK)
        result = pcsc_get_readers(w->context, w->readers, &w->reader_count);
    if (result == SCARDMANAGE_S_OK)
        return result;
    disconnect(w);
    w->reader_count = 0;
    return result;
}

/* Called with the mutex held. */
static void publish(scardmanage_watch *w, scardmanage_result result)
{
    bool happened = watch_events_update(&w->events, result, w->readers, w->reader_count);
    if (!happened && w->has_looked)
        return;
    w->has_looked = true;
    update_signal(w);
    platform_cond_wake(&w->changed);
    if (happened && w->listener)
        w->listener(w->listener_context);
}

/* Called with the mutex held. */
static void pause_thread(scardmanage_watch *w)
{
    uint64_t until = platform_now_us() + RETRY_US;
    while (!w->ending && platform_now_us() < until)
        platform_cond_wait(&w->changed, &w->mutex, until);
}

/* The thread function. */
static platform_thread_end PLATFORM_THREAD_CALL watch_readers(void *argument)
{
    scardmanage_watch *w = argument;
    platform_lock(&w->mutex);
    while (!w->ending) {
        platform_unlock(&w->mutex);
        scardmanage_result result = look(w);
        platform_lock(&w->mutex);
        publish(w, result);
        w->ending |= w->once;
        if (w->ending)
            break;
        if (result != SCARDMANAGE_S_OK) {
            pause_thread(w);
            continue;
        }
        platform_unlock(&w->mutex);
        /* if it fails, the next look shows why */
        result = pcsc_wait_for_any_change(w->context, w->readers, w->reader_count, SLICE_MS);
        platform_lock(&w->mutex);
        if (result != SCARDMANAGE_S_OK && result != SCARDMANAGE_E_NO_SERVICE)
            pause_thread(w);
    }
    platform_unlock(&w->mutex);
    disconnect(w);
    platform_lock(&w->mutex);
    w->has_ended = true;
    platform_cond_wake(&w->changed);
    drop_reference(w);
    return 0;
}

/*
 * Creating and freeing
 */

static scardmanage_result start(scardmanage_watch *w)
{
    if (platform_mutex_init(&w->mutex) != 0)
        return SCARDMANAGE_E_OUTOFMEMORY;
    if (platform_cond_init(&w->changed) != 0)
        goto destroy_mutex;
    platform_lock(&w->mutex); /* the new thread first waits for the mutex */
    int error = platform_thread_start(&w->thread, watch_readers, w);
    platform_unlock(&w->mutex);
    if (error == 0)
        return SCARDMANAGE_S_OK;
    platform_cond_destroy(&w->changed);
destroy_mutex:
    platform_mutex_destroy(&w->mutex);
    return SCARDMANAGE_E_OUTOFMEMORY;
}

scardmanage_result watch_create(const scardmanage_allocator *source, bool once, watch_listener *listener,
                                void *context, scardmanage_watch **out)
{
    scardmanage_allocator checked;
    *out = NULL;
    scardmanage_result result = allocator_check_and_copy(source, &checked);
    if (result != SCARDMANAGE_S_OK)
        return result;
    scardmanage_watch *w = allocator_allocate(&checked, sizeof *w);
    if (!w)
        return SCARDMANAGE_E_OUTOFMEMORY;
    w->allocator = checked;
    w->once = once;
    w->listener = listener;
    w->listener_context = context;
    w->references = 2;
    watch_events_init(&w->events);
    result = start(w);
    if (result != SCARDMANAGE_S_OK)
        allocator_release(&checked, w);
    else
        *out = w;
    return result;
}

scardmanage_result scardmanage_watch_create(const scardmanage_allocator *source, scardmanage_watch **out)
{
    return out ? watch_create(source, false, NULL, NULL, out) : SCARDMANAGE_E_POINTER;
}

void scardmanage_watch_free(scardmanage_watch *w)
{
    if (!w)
        return;
    uint64_t until = platform_now_us() + END_US;
    platform_lock(&w->mutex);
    w->ending = true;
    w->listener = NULL;
    platform_cond_wake(&w->changed);
    while (!w->has_ended && platform_now_us() < until)
        platform_cond_wait(&w->changed, &w->mutex, until);
    bool has_ended = w->has_ended;
    platform_thread thread = w->thread; /* a copy, because the thread may free w */
    drop_reference(w);
    if (has_ended)
        platform_thread_join(thread);
    else
        platform_thread_detach(thread);
}

/*
 * Calls
 */

/* Called with the mutex held. Waits until the condition holds. */
#define WAIT_UNTIL(w, condition, until)                                                                      \
    while (!(w)->cancelled && !(condition) && platform_now_us() < (until))                                   \
    platform_cond_wait(&(w)->changed, &(w)->mutex, (until))

/* As for options: a field that is appended must not take the place of padding. */
_Static_assert(sizeof(scardmanage_watch_event) == offsetof(scardmanage_watch_event, reader) + PCSC_READER_MAX,
               "the struct has padding at its end");

#define EVENT_FIRST_VERSION sizeof(scardmanage_watch_event)

static bool event_is_valid(const scardmanage_watch_event *event)
{
    return event->size >= EVENT_FIRST_VERSION && event->size <= OPTIONS_SIZE_MAX;
}

/* Writes the fields that the version of the caller has. */
static void write_event(const scardmanage_watch_event *from, scardmanage_watch_event *to, size_t size)
{
    memset(to, 0, size);
    memcpy(to, from, sizeof *from);
    to->size = size;
}

scardmanage_result scardmanage_watch_next(scardmanage_watch *w, scardmanage_watch_event *event,
                                          uint32_t timeout_ms)
{
    scardmanage_watch_event taken;
    if (!w || !event)
        return SCARDMANAGE_E_POINTER;
    if (!event_is_valid(event))
        return SCARDMANAGE_E_INVALIDARG;
    uint64_t until = call_deadline_in(timeout_ms);
    scardmanage_result result = SCARDMANAGE_E_TIMEOUT;
    platform_lock(&w->mutex);
    WAIT_UNTIL(w, watch_events_are_due(&w->events), until);
    if (w->cancelled) {
        result = SCARDMANAGE_E_CANCELLED;
    } else if (watch_events_take(&w->events, &taken)) {
        write_event(&taken, event, event->size);
        update_signal(w);
        result = SCARDMANAGE_S_OK;
    }
    platform_unlock(&w->mutex);
    return result;
}

scardmanage_result watch_lock_after_first_look(scardmanage_watch *w, uint32_t timeout_ms)
{
    uint64_t until = call_deadline_in(timeout_ms);
    platform_lock(&w->mutex);
    WAIT_UNTIL(w, w->has_looked, until);
    scardmanage_result result = w->events.entries[0].event.service;
    if (w->cancelled)
        result = SCARDMANAGE_E_CANCELLED;
    else if (!w->has_looked)
        result = SCARDMANAGE_E_TIMEOUT;
    if (result != SCARDMANAGE_S_OK)
        platform_unlock(&w->mutex);
    return result;
}

void watch_unlock(scardmanage_watch *w)
{
    platform_unlock(&w->mutex);
}

const struct watch_events *watch_get_events(const scardmanage_watch *w)
{
    return &w->events;
}

/* The elements have the size that the caller has set in the first one. */
static scardmanage_result copy_readers(const scardmanage_watch *w, scardmanage_watch_event *readers,
                                       size_t size, size_t *count)
{
    const scardmanage_watch_event *reader;
    size_t room = *count, position = 0;
    *count = 0;
    while ((reader = watch_events_next_reader(&w->events, &position))) {
        if (*count < room) {
            void *element = (char *)readers + *count * size;
            scardmanage_watch_event copy = *reader;
            copy.happened = copy.changes = 0;
            write_event(&copy, element, size);
        }
        ++*count;
    }
    return *count > room ? SCARDMANAGE_E_INSUFFICIENT_BUFFER : SCARDMANAGE_S_OK;
}

scardmanage_result scardmanage_watch_list(scardmanage_watch *w, scardmanage_watch_event *readers,
                                          size_t *count, uint32_t timeout_ms)
{
    if (!w || !count || (!readers && *count > 0))
        return SCARDMANAGE_E_POINTER;
    if (*count > 0 && !event_is_valid(readers))
        return SCARDMANAGE_E_INVALIDARG;
    scardmanage_result result = watch_lock_after_first_look(w, timeout_ms);
    if (result != SCARDMANAGE_S_OK) {
        *count = 0;
        return result;
    }
    result = copy_readers(w, readers, *count > 0 ? readers->size : 0, count);
    watch_unlock(w);
    return result;
}

scardmanage_result scardmanage_watch_descriptor(scardmanage_watch *w, intptr_t *descriptor)
{
    if (!w || !descriptor)
        return SCARDMANAGE_E_POINTER;
    platform_lock(&w->mutex);
    if (!w->has_signal)
        w->has_signal = platform_signal_init(&w->signal) == 0;
    scardmanage_result result = w->has_signal ? SCARDMANAGE_S_OK : SCARDMANAGE_E_OUTOFMEMORY;
    if (w->has_signal) {
        update_signal(w);
        *descriptor = platform_signal_descriptor(&w->signal);
    }
    platform_unlock(&w->mutex);
    return result;
}

scardmanage_result scardmanage_watch_set_cancelled(scardmanage_watch *w, int cancelled)
{
    if (!w)
        return SCARDMANAGE_E_POINTER;
    platform_lock(&w->mutex);
    w->cancelled = cancelled != 0;
    update_signal(w);
    platform_cond_wake(&w->changed);
    platform_unlock(&w->mutex);
    return SCARDMANAGE_S_OK;
}
