/* SPDX-License-Identifier: BSD-3-Clause */
/* A watch in a storm: each event must follow from the one before, and the last ones must show what is there. */
#include "failures.h"
#include "pcscd.h"
#include "scardmanage_watch.h"
#include "storm.h"
#include "threads.h"

#include <string.h>

#define SERVICE_BITS (SCARDMANAGE_WATCH_SERVICE_STARTED | SCARDMANAGE_WATCH_SERVICE_LOST)
#define READER_BITS  (SCARDMANAGE_WATCH_READER_ADDED | SCARDMANAGE_WATCH_READER_REMOVED)
#define CARD_BITS                                                                                            \
    (SCARDMANAGE_WATCH_CARD_INSERTED | SCARDMANAGE_WATCH_CARD_REMOVED | SCARDMANAGE_WATCH_CARD_CHANGED)
#define FREE_MS   500  /* how long freeing a watch may take while the service runs */
#define NOTICE_MS 1100 /* after this time, a watch has noticed everything */
#define READERS   8    /* names that a storm can see */

struct watcher {
    struct storm *storm;
    scardmanage_watch *w;
    const platform_signal *signal;                     /* its descriptor; null while it has none */
    bool is_cancelling;                                /* another thread cancels its calls */
    scardmanage_watch_event service, readers[READERS]; /* the last event of each */
    unsigned count;
    /* of each reader: when a list has shown that an event of it was due, and that none was; 0: not known */
    uint64_t due_us[READERS], idle_us[READERS];
};

static void check(const struct watcher *watcher, bool condition, const char *what,
                  const scardmanage_watch_event *event)
{
    if (!condition)
        storm_log(watcher->storm, "FAILED: the watch: %s", what);
    model_check(watcher->storm->model, condition,
                "the watch: %s: '%s', happened %02X, %u changes, state '%s'", what, event->reader,
                (unsigned)event->happened, (unsigned)event->changes, scardmanage_state_name(event->state));
}

/* Returns the last event of the same reader, or of the service. */
static scardmanage_watch_event *last_of(struct watcher *watcher, const scardmanage_watch_event *event)
{
    unsigned i = 0;
    if (!event->reader[0])
        return &watcher->service;
    while (i < watcher->count && strcmp(watcher->readers[i].reader, event->reader) != 0)
        i++;
    if (i == watcher->count && watcher->count < READERS - 1) {
        memcpy(watcher->readers[i].reader, event->reader, sizeof event->reader);
        watcher->count++;
    }
    return &watcher->readers[i];
}

static bool has_card(const scardmanage_watch_event *event)
{
    return event->state == SCARDMANAGE_STATE_PRESENT || event->state == SCARDMANAGE_STATE_SWALLOWED;
}

static bool is_only(const scardmanage_watch_event *event, uint32_t bits)
{
    return (event->happened & ~bits) == 0;
}

static void check_service(const struct watcher *watcher, const scardmanage_watch_event *event,
                          const scardmanage_watch_event *before)
{
    bool runs = event->service == SCARDMANAGE_S_OK,
         ran = before->size > 0 && before->service == SCARDMANAGE_S_OK;
    check(watcher, is_only(event, SERVICE_BITS), "the service has events of a reader", event);
    check(watcher, event->state == SCARDMANAGE_STATE_UNKNOWN, "the service has a state", event);
    if (event->changes == 1 && before->size > 0)
        check(watcher, runs != ran || !runs, "the service has not changed", event);
    if (event->changes == 1)
        check(watcher,
              event->happened == (runs ? SCARDMANAGE_WATCH_SERVICE_STARTED : SCARDMANAGE_WATCH_SERVICE_LOST),
              "the service does not agree with what happened", event);
}

static void check_card(const struct watcher *watcher, const scardmanage_watch_event *event,
                       const scardmanage_watch_event *before)
{
    bool present = has_card(event), was_present = has_card(before);
    uint32_t card = event->happened & CARD_BITS;
    if (present != was_present)
        check(watcher, card & (present ? SCARDMANAGE_WATCH_CARD_INSERTED : SCARDMANAGE_WATCH_CARD_REMOVED),
              "the card has moved without an event", event);
    if (event->changes == 1 && card == SCARDMANAGE_WATCH_CARD_CHANGED)
        check(watcher,
              present && was_present &&
                  (event->state != before->state || event->atr_len != before->atr_len ||
                   memcmp(event->atr, before->atr, sizeof event->atr) != 0),
              "the card has not changed", event);
    else if (event->changes == 1)
        check(watcher, present != was_present && card == event->happened, "one change does not explain this",
              event);
    else if (!(card & SCARDMANAGE_WATCH_CARD_CHANGED))
        check(watcher, card == (SCARDMANAGE_WATCH_CARD_INSERTED | SCARDMANAGE_WATCH_CARD_REMOVED),
              "several changes without both events", event);
}

static void check_reader(const struct watcher *watcher, const scardmanage_watch_event *event,
                         const scardmanage_watch_event *before)
{
    bool there = event->state != SCARDMANAGE_STATE_UNKNOWN,
         was_there = before->size > 0 && before->state != SCARDMANAGE_STATE_UNKNOWN;
    check(watcher, is_only(event, READER_BITS | CARD_BITS), "a reader has events of the service", event);
    if (there != was_there)
        check(watcher,
              event->happened & (there ? SCARDMANAGE_WATCH_READER_ADDED : SCARDMANAGE_WATCH_READER_REMOVED),
              "the reader has come or gone without an event", event);
    if (there && was_there && !(event->happened & READER_BITS))
        check_card(watcher, event, before);
    if (there && !was_there && has_card(event))
        check(watcher, event->happened & SCARDMANAGE_WATCH_CARD_INSERTED,
              "a reader has come with a card without an event", event);
    if (there)
        check(watcher, event->service == SCARDMANAGE_S_OK, "a reader is there without the service", event);
    if (!there)
        check(watcher, event->atr_len == 0 && event->counter == 0, "a reader that is not there has a card",
              event);
}

/* Events come in the order in which the first change of each reader was noticed. */
static void check_order(struct watcher *watcher, const scardmanage_watch_event *event, size_t index)
{
    bool is_one = event->changes == 1 && !(event->happened & SCARDMANAGE_WATCH_CARD_CHANGED);
    for (unsigned i = 0; i < READERS; i++)
        check(watcher,
              !is_one || i == index || watcher->due_us[i] == 0 ||
                  watcher->idle_us[index] <= watcher->due_us[i],
              "an event comes before an older one of another reader", event);
    watcher->due_us[index] = watcher->idle_us[index] = 0;
}

static void check_event(struct watcher *watcher, const scardmanage_watch_event *event)
{
    scardmanage_watch_event *before = last_of(watcher, event);
    unsigned bits = (unsigned)__builtin_popcount(event->happened);
    storm_log(watcher->storm, "watch: '%s', happened %02X, %u changes, %s", event->reader,
              (unsigned)event->happened, (unsigned)event->changes, scardmanage_state_name(event->state));
    check(watcher, bits > 0 && event->changes >= bits && event->size == sizeof *event, "nothing has happened",
          event);
    if (event->reader[0])
        check_order(watcher, event, (size_t)(before - watcher->readers));
    if (event->reader[0])
        check_reader(watcher, event, before);
    else
        check_service(watcher, event, before);
    *before = *event;
}

/* Without a call of the library, which could mend the descriptor. */
static bool descriptor_is_ready(const struct watcher *watcher)
{
    return watcher->signal && watcher->signal->is_set;
}

static void open_descriptor(struct watcher *watcher)
{
    intptr_t descriptor;
    if (scardmanage_watch_descriptor(watcher->w, &descriptor) == SCARDMANAGE_S_OK)
        watcher->signal = (const platform_signal *)descriptor;
}

static bool take_event(struct watcher *watcher, uint32_t timeout_ms)
{
    scardmanage_watch_event event = SCARDMANAGE_WATCH_EVENT_INIT;
    uint64_t begun = scheduler_now_us();
    scardmanage_result result = scardmanage_watch_next(watcher->w, &event, timeout_ms);
    uint64_t took = scheduler_now_us() - begun;
    if (result == SCARDMANAGE_S_OK)
        check_event(watcher, &event);
    else
        check(watcher, result == SCARDMANAGE_E_TIMEOUT && took >= timeout_ms * 1000,
              "there is no event, but the time is not up", &event);
    check(watcher, took <= timeout_ms * 1000 + 3000, "it returns late", &event);
    check(watcher, result != SCARDMANAGE_S_OK || timeout_ms < NOTICE_MS || took < timeout_ms * 1000,
          "an event does not wake it", &event);
    return result == SCARDMANAGE_S_OK;
}

static void cancel_soon(void *argument)
{
    struct watcher *watcher = argument;
    fiber_sleep(scheduler_random(3000));
    scardmanage_watch_set_cancelled(watcher->w, 1);
    watcher->is_cancelling = false;
}

static void cancel_for_a_moment(struct watcher *watcher)
{
    scardmanage_watch_event event = SCARDMANAGE_WATCH_EVENT_INIT;
    size_t count = 1;
    scardmanage_result result = SCARDMANAGE_S_OK;
    uint64_t begun = scheduler_now_us();
    watcher->is_cancelling = fiber_start("cancels the watch", cancel_soon, watcher) != 0;
    if (!watcher->is_cancelling)
        return;
    while (result == SCARDMANAGE_S_OK && !watcher->storm->model->failure[0]) {
        result = scardmanage_watch_next(watcher->w, &event, NOTICE_MS);
        if (result == SCARDMANAGE_S_OK)
            check_event(watcher, &event);
    }
    check(watcher, result == SCARDMANAGE_E_CANCELLED && scheduler_now_us() - begun <= 10000,
          "it is not woken when it is cancelled", &event);
    while (watcher->is_cancelling)
        fiber_sleep(100);
    check(watcher,
          scardmanage_watch_next(watcher->w, &event, 10) == SCARDMANAGE_E_CANCELLED &&
              scardmanage_watch_list(watcher->w, &event, &count, 10) == SCARDMANAGE_E_CANCELLED,
          "it is not cancelled", &event);
    check(watcher, watcher->storm->has_failures || descriptor_is_ready(watcher),
          "the descriptor of a cancelled watch is not readable", &event);
    scardmanage_watch_set_cancelled(watcher->w, 0);
}

static uint32_t counter_of_service(const char *reader)
{
    for (unsigned i = 0; i < PCSCD_READERS; i++)
        if (pcscd_service.readers[i].exists && strcmp(pcscd_service.readers[i].state.name, reader) == 0)
            return pcscd_service.readers[i].state.counter;
    return UINT32_MAX;
}

/* The list never has events, also while some are due. */
static void look_at_list(struct watcher *watcher)
{
    const struct storm *storm = watcher->storm;
    scardmanage_watch_event list[READERS] = {SCARDMANAGE_WATCH_EVENT_INIT};
    size_t count = READERS;
    uint64_t now = scheduler_now_us();
    scardmanage_result result = scardmanage_watch_list(watcher->w, list, &count, 0);
    check(watcher,
          result == SCARDMANAGE_S_OK || (count == 0 && (result != SCARDMANAGE_E_NO_SERVICE ||
                                                        storm->has_services || storm->has_failures)),
          "it cannot list the readers", &list[0]);
    for (unsigned i = 0; i < count && i < READERS; i++)
        check(watcher, list[i].happened == 0 && list[i].changes == 0, "the list has events", &list[i]);
    for (unsigned i = 0; result == SCARDMANAGE_S_OK && i < count && i < READERS; i++) {
        const scardmanage_watch_event *last = last_of(watcher, &list[i]);
        size_t index = (size_t)(last - watcher->readers);
        bool is_due = last->size == 0 || last->state != list[i].state; /* the counter may lag behind */
        if (!is_due)
            watcher->idle_us[index] = now;
        else if (watcher->due_us[index] == 0)
            watcher->due_us[index] = scheduler_now_us();
    }
}

/* Nothing happens any more: the descriptor says whether an event is due. */
static void take_the_rest(struct watcher *watcher)
{
    bool is_due, was_ready;
    do {
        fiber_sleep(NOTICE_MS * 1000);
        was_ready = descriptor_is_ready(watcher);
        is_due = take_event(watcher, 0);
        check(watcher, !watcher->signal || was_ready == is_due,
              was_ready ? "the descriptor is readable without an event"
                        : "the descriptor is not readable, but there is an event",
              &watcher->service);
    } while (is_due && !watcher->storm->model->failure[0]);
}

/* Nothing happens any more, and all events were taken. */
static void check_list(struct watcher *watcher)
{
    scardmanage_watch_event list[READERS] = {SCARDMANAGE_WATCH_EVENT_INIT};
    size_t count = READERS, none = 0, expected = 0;
    scardmanage_result result = scardmanage_watch_list(watcher->w, list, &count, NOTICE_MS);
    for (unsigned i = 0; i < PCSCD_READERS; i++)
        expected += pcscd_service.readers[i].exists;
    check(watcher, result == SCARDMANAGE_S_OK && count == expected, "it lists other readers than there are",
          &list[0]);
    check(watcher, watcher->service.size > 0 && watcher->service.service == SCARDMANAGE_S_OK,
          "the service is lost", &watcher->service);
    for (unsigned i = 0; i < count && i < expected; i++) {
        const scardmanage_watch_event *last = last_of(watcher, &list[i]);
        check(watcher,
              list[i].state == last->state && list[i].atr_len == last->atr_len &&
                  memcmp(list[i].atr, last->atr, sizeof last->atr) == 0 && list[i].happened == 0 &&
                  list[i].changes == 0,
              "the list does not agree with the last event", &list[i]);
        check(watcher, list[i].counter == counter_of_service(list[i].reader), "the list has another counter",
              &list[i]);
        check(watcher, list[i].exclusive == 0, "the list says that a reader is used exclusively", &list[i]);
        bool is_other = strncmp(list[i].reader, RIG_OTHER " ", sizeof RIG_OTHER) == 0;
        check(watcher,
              is_other ? list[i].state == SCARDMANAGE_STATE_ABSENT
                       : list[i].state == SCARDMANAGE_STATE_PRESENT &&
                             cards_atr_bit(list[i].atr, list[i].atr_len) == card_slots[0].atr,
              "the list does not have the card", &list[i]);
    }
    check(watcher,
          scardmanage_watch_list(watcher->w, NULL, &none, 0) == SCARDMANAGE_E_INSUFFICIENT_BUFFER &&
              none == expected,
          "it does not count the readers", &list[0]);
    check(watcher, !descriptor_is_ready(watcher), "the descriptor is readable without an event", &list[0]);
}

static void begin(struct watcher *watcher, struct storm *storm)
{
    *watcher = (struct watcher){.storm = storm};
    while (!storm->calm && scardmanage_watch_create(rig_allocator(), &watcher->w) != SCARDMANAGE_S_OK) {
        model_check(storm->model, storm->has_failures, "a watch cannot be created");
        fiber_sleep(storm->event_us);
    }
    if (watcher->w) {
        look_at_list(watcher);
        open_descriptor(watcher);
    }
}

void storm_run_watch(void *argument)
{
    struct storm *storm = argument;
    struct watcher watcher;
    truth_set_actor(NOBODY);
    begin(&watcher, storm);
    while (!storm->calm && !storm->model->failure[0]) {
        if (scheduler_once_in(2))
            fiber_sleep(scheduler_random(4 * storm->event_us));
        if (scheduler_once_in(4))
            look_at_list(&watcher);
        take_event(&watcher, scheduler_random(5));
        if (scheduler_once_in(16))
            cancel_for_a_moment(&watcher);
        if (scheduler_once_in(32)) { /* while the service may hang */
            scardmanage_watch_free(watcher.w);
            begin(&watcher, storm);
            if (!watcher.w)
                break;
        }
    }
    bool takes = scheduler_once_in(2);
    while (watcher.w && !storm->is_over && !storm->model->failure[0])
        if (takes)
            take_event(&watcher, NOTICE_MS);
        else
            fiber_sleep(NOTICE_MS * 1000);
    if (watcher.w) {
        take_the_rest(&watcher);
        check_list(&watcher);
    }
    uint64_t begun = scheduler_now_us();
    scardmanage_watch_free(watcher.w);
    model_check(storm->model, scheduler_now_us() - begun <= FREE_MS * 1000, "freeing a watch takes too long");
    storm->watch_done = true;
}
