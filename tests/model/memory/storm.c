/* SPDX-License-Identifier: BSD-3-Clause */
#include "storm.h"

#include "failures.h"
#include "libpcsclite.h"
#include "thread.h"
#include "threads.h"

#include <stdarg.h>
#include <string.h>

void storm_log(struct storm *storm, const char *what, ...)
{
    if (!storm->log)
        return;
    va_list arguments;
    va_start(arguments, what);
    fprintf(storm->log, "%10llu  ", (unsigned long long)scheduler_now_us());
    vfprintf(storm->log, what, arguments);
    fputc('\n', storm->log);
    va_end(arguments);
}

bool storm_check(struct storm_user *user, bool condition, const char *what, ...)
{
    char text[600];
    if (condition)
        return true;
    va_list arguments;
    va_start(arguments, what);
    vsnprintf(text, sizeof text, what, arguments);
    va_end(arguments);
    if (!user->storm->model->failure[0])
        storm_log(user->storm, "FAILED: %s", text);
    return model_check(user->storm->model, false, "%c: %s", user->party == PARTY_A ? 'A' : 'B', text);
}

static scardmanage_options choose_options(struct storm_user *user)
{
    static const uint32_t timeouts[] = {5, 20, 100, 1000};
    scardmanage_options options = SCARDMANAGE_OPTIONS_INIT;
    options.timeout_ms = timeouts[scheduler_random(4)];
    options.accept_other_index = scheduler_once_in(4);
    if (scheduler_once_in(12))
        options.protocols = scheduler_once_in(2) ? SCARDMANAGE_PROTOCOL_T0 : SCARDMANAGE_PROTOCOL_T1;
    if (scheduler_once_in(4)) /* then its handle stays, whatever happens to the card */
        options.last_step = scheduler_once_in(2) ? SCARDMANAGE_STEP_WARM : SCARDMANAGE_STEP_COLD;
    if (scheduler_once_in(2)) {
        options.rebuild = storm_rebuild;
        options.rebuild_context = user;
        options.rebuild_at_attach = scheduler_once_in(2);
        options.accept_unidentified = scheduler_once_in(3);
    }
    if (scheduler_once_in(3)) {
        options.identify = storm_identify;
        options.identify_context = user;
    }
    return options;
}

bool storm_create_object(struct storm_user *user)
{
    scardmanage *m = NULL;
    scardmanage_result result = scardmanage_create_with_allocator(rig_allocator(), &m);
    if (result == SCARDMANAGE_S_OK)
        result = scardmanage_set_options(m, &user->options);
    if (result == SCARDMANAGE_S_OK)
        result = scardmanage_set_transport(m, user->transport);
    if (result == SCARDMANAGE_S_OK)
        result = scardmanage_set_hook(m, user->has_hook ? storm_hook : NULL, user);
    user->m = m;
    return result == SCARDMANAGE_S_OK;
}

static bool begin_user(struct storm *storm, unsigned i)
{
    struct storm_user *user = &storm->users[i];
    *user = (struct storm_user){.storm = storm, .party = i == 0 ? PARTY_A : PARTY_B};
    user->options = user->call_options = choose_options(user);
    user->has_hook = scheduler_once_in(2);
    if (scheduler_once_in(2))
        user->transport = 1 + scheduler_random(3); /* GET_RESPONSE, CHAINING, or both */
    return model_check(storm->model, storm_create_object(user), "an object cannot be created");
}

/* Some of so many kinds, in every other storm. */
static uint32_t choose_kinds(unsigned count)
{
    uint32_t all = (1u << count) - 1, some = scheduler_random(1u << count);
    return scheduler_once_in(2) || some == 0 ? all : some;
}

static const unsigned usual_rates[STORM_CHOICES] = {
    [CHOICE_DETACHES_BESIDE] = 4,
    [CHOICE_RESETS_IN_REBUILD] = 16,
    [CHOICE_LOCKS_IN_REBUILD] = 4,
    [CHOICE_REFUSED_CALLS] = 8,
    [CHOICE_FAILS_IN_FUNCTION] = 20,
    [CHOICE_IGNORES_LOSSES] = 3,
    [CHOICE_NESTS_UNIT] = 8,
    [CHOICE_SLEEPS_IN_UNIT] = 4,
    [CHOICE_LOOKS_IN_UNIT] = 6,
    [CHOICE_UNLOCKS_OTHERS] = 8,
    [CHOICE_LOCKS_IN_UNIT] = 4,
    [CHOICE_RESETS_IN_UNIT] = 6,
    [CHOICE_LOSES_SESSION] = 10,
    [CHOICE_PARTS] = 3,
    [CHOICE_FIRST_STEP] = 4,
    [CHOICE_LAST_STEP] = 4,
    [CHOICE_PROTOCOLS] = 6,
    [CHOICE_SHARE] = 4,
    [CHOICE_NO_IDENTIFY] = 3,
    [CHOICE_UNIDENTIFIED] = 3,
    [CHOICE_OTHER_CARD] = 3,
    [CHOICE_OWN_CARD] = 4,
    [CHOICE_OTHER_INDEX] = 3,
    [CHOICE_SESSION] = 8,
    [CHOICE_WAITS] = 3,
    [CHOICE_UNLOCK_RESETS] = 3,
};

bool storm_chooses(const struct storm *storm, enum storm_choice choice)
{
    return storm->rates[choice] > 0 && scheduler_once_in(storm->rates[choice]);
}

/* Each choice is made as usual, every other time, or never: what rarely meets does so in some storms. */
static void choose_rates(struct storm *storm)
{
    for (unsigned i = 0; i < STORM_CHOICES; i++) {
        unsigned rates[] = {usual_rates[i], usual_rates[i], 2, 0};
        storm->rates[i] = rates[scheduler_random(4)];
    }
}

/* Each storm has only some kinds of events and of calls, so that some of them meet. */
static void choose_events(struct storm *storm)
{
    static const unsigned us[] = {300, 1000, 3000, 10000, 40000};
    storm->event_us = us[scheduler_random(5)];
    storm->aims = scheduler_once_in(3);
    if (storm->aims)
        storm->event_us = us[scheduler_random(3)];
    storm->has_events = scheduler_once_in(2);
    storm->has_client = !scheduler_once_in(3);
    storm->has_services = scheduler_once_in(5);
    storm->has_plugs = scheduler_once_in(6);
    storm->has_failures = scheduler_once_in(3);
    storm->has_pcsc_failures = scheduler_once_in(3);
    storm->has_mutes = scheduler_once_in(storm->has_pcsc_failures ? 2 : 5);
    storm->has_watch = scheduler_once_in(3);
    storm->has_helpers = scheduler_once_in(4);
    card_resets_slowly = scheduler_once_in(4);
    storm->cancels_often = scheduler_once_in(6);
    storm->has_exclusive = scheduler_once_in(6);
    storm->has_only_cards = scheduler_once_in(12);
    if (storm->has_only_cards) {
        storm->has_events = true;
        storm->has_client = storm->has_mutes = storm->has_services = storm->has_plugs = storm->has_failures =
            storm->has_pcsc_failures = storm->has_helpers = storm->has_exclusive = card_resets_slowly = false;
    }
    choose_rates(storm);
    storm->calls_made = choose_kinds(STORM_CALLS);
    storm->acts_of_c = choose_kinds(STORM_ACTS_OF_C) | 1; /* it disconnects: A and B may wait for that */
    storm->calls_often = scheduler_once_in(4) ? choose_kinds(STORM_CALLS) & choose_kinds(STORM_CALLS) : 0;
    if (!storm->has_only_cards && scheduler_once_in(8)) { /* attach while C resets the card */
        storm->has_client = card_resets_slowly = true;
        storm->has_events = storm->has_mutes = false;
        storm->acts_of_c = 3;
        storm->calls_often = 1u << STORM_DETACHES;
        storm->event_us = 1000;
    }
}

static void check_leftovers(struct storm *storm)
{
    struct model *model = storm->model;
    for (unsigned i = 0; i < PCSCD_READERS; i++) {
        const struct pcscd_reader *reader = &pcscd_service.readers[i];
        model_check(model, reader->lock_id == 0, "the card is still locked");
        /* pcscd keeps a handle of C if somebody else locks the card while C releases its context (MSGRemoveContext()
         * in winscard_svc.c) */
        for (unsigned j = 0; j < PCSCD_HANDLES; j++)
            model_check(model, reader->handles[j].number == 0 || reader->handles[j].owner == PARTY_C,
                        "a handle was not closed");
    }
    model_check(model, truth_now.closed_twice == 0, "a handle was closed twice");
    model_check(model, client_contexts() == 0, "%u contexts were not released", client_contexts());
    model_check(model, fiber_count(THREADS_NAME) == 0, "%u threads have not ended",
                fiber_count(THREADS_NAME));
    model_check(model, failures_blocks() == 0, "%u blocks of memory were not released", failures_blocks());
    model_check(model, failures_secrets() == 0, "a PIN was left in memory");
}

static void start_user(struct storm_user *user)
{
    fiber_start(user->party == PARTY_A ? "A" : "B", storm_run_user, user);
    if (user->storm->has_helpers)
        fiber_start("another thread", storm_run_helper, user);
    user->helper.is_done = !user->storm->has_helpers;
}

static bool has_ended(const struct storm_user *user)
{
    return user->done && user->helper.is_done;
}

void storm_run(struct model *model, unsigned calls, FILE *log)
{
    struct storm storm = {.model = model, .log = log, .calls = calls};
    model->action_name = "a storm";
    client_log = log;
    choose_events(&storm);
    card_insert(&card_slots[0], &cards_kinds[scheduler_once_in(2) ? CARD_RED : scheduler_random(CARDS)]);
    fiber_sleep(10000);
    if (!begin_user(&storm, 0) || !begin_user(&storm, 1))
        return;
    storm_check_pointers(&storm.users[0]);
    fiber_start("the events", storm_run_world, &storm);
    if (storm.has_client)
        fiber_start("C", storm_run_client_c, &storm);
    if (storm.has_watch)
        fiber_start("a watch", storm_run_watch, &storm);
    storm.c_done = !storm.has_client;
    storm.watch_done = !storm.has_watch;
    bool is_alone = storm.has_exclusive || storm.has_only_cards;
    storm.alone = storm.has_exclusive && scheduler_once_in(3);
    storm.users[!storm.alone].done = storm.users[!storm.alone].helper.is_done = is_alone;
    for (unsigned i = 0; i < MODEL_USERS; i++)
        if (!storm.users[i].done)
            start_user(&storm.users[i]);
    while ((!has_ended(&storm.users[0]) || !has_ended(&storm.users[1])) && !model->failure[0])
        fiber_sleep(1000);
    if (model->failure[0])
        return; /* the other fibers are discarded */
    storm_calm_down(&storm);
    for (unsigned i = 0; i < MODEL_USERS && !model->failure[0]; i++) {
        truth_set_actor(storm.users[i].party);
        if (i == storm.alone || !is_alone)
            storm_check_that_it_works(&storm.users[i]);
    }
    for (unsigned i = 0; i < MODEL_USERS && !model->failure[0]; i++) {
        truth_set_actor(storm.users[i].party);
        storm_end_user(&storm.users[i]);
    }
    truth_set_actor(NOBODY);
    storm.is_over = true;
    while (!storm.watch_done && !model->failure[0])
        fiber_sleep(1000);
    if (!model->failure[0])
        check_leftovers(&storm);
}
