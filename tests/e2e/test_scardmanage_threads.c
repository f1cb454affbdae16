/* SPDX-License-Identifier: BSD-3-Clause */
/* One object, used by several threads at once while another process resets the card: every call ends with
 * what the header allows, and in the end the object works. Built with ThreadSanitizer, which has the last
 * word. Run in a rig. */
#include "others.h"
#include "scardmanage.h"
#include "scardmanage_auth.h"
#include "scardmanage_verify.h"
#include "scardmanage_watch.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define THREADS   10
#define RESETS    50
#define CANCELLED 50 /* calls, at least */

static const uint8_t challenge[] = {0x00, 0x84, 0x00, 0x00, 0x08};

static scardmanage *m;
static scardmanage_auth *auth; /* two threads use it */
static char reader[256];
static SCARDCONTEXT context;
static atomic_bool over;
static atomic_uint done, cancelled;

static void fail(const char *call, scardmanage_result result)
{
    fprintf(stderr, "%s: %08x: %s\n", call, (unsigned)result, scardmanage_strerror(result));
    exit(1);
}

static void allow(const char *call, scardmanage_result result, const scardmanage_result *allowed,
                  size_t count)
{
    done++;
    cancelled += result == SCARDMANAGE_E_CANCELLED;
    if (result == SCARDMANAGE_S_OK || result == SCARDMANAGE_E_CANCELLED)
        return;
    for (size_t i = 0; i < count; i++)
        if (result == allowed[i])
            return;
    fail(call, result);
}

#define ALLOW(call, ...)                                                                                     \
    allow(#call, call, (scardmanage_result[]){__VA_ARGS__},                                                  \
          sizeof(scardmanage_result[]){__VA_ARGS__} / sizeof(scardmanage_result))

/* The card was reset, or another thread has just detached and attached. */
#define LOST SCARDMANAGE_W_RESET_CARD, SCARDMANAGE_E_INVALID_HANDLE, SCARDMANAGE_E_NO_SMARTCARD

static scardmanage_result send_in_function(scardmanage *object, pthread_t caller)
{
    uint8_t answer[16];
    size_t length = sizeof answer;
    if (!pthread_equal(caller, pthread_self()))
        return SCARDMANAGE_E_FAIL;
    if (scardmanage_reconnect(object) != SCARDMANAGE_E_FAIL)
        return SCARDMANAGE_E_FAIL;
    return scardmanage_transmit(object, challenge, sizeof challenge, answer, &length);
}

static scardmanage_result rebuild(scardmanage *object, const scardmanage_report *report, void *self)
{
    return report->step == SCARDMANAGE_STEP_NONE ? SCARDMANAGE_E_FAIL
                                                 : send_in_function(object, *(pthread_t *)self);
}

static void *transmits(void *nothing)
{
    pthread_t self = pthread_self();
    scardmanage_options options = SCARDMANAGE_OPTIONS_INIT;
    uint8_t answer[16];
    options.rebuild = rebuild;
    options.rebuild_context = &self;
    options.accept_unidentified = 1;
    while (!over) {
        size_t length = sizeof answer;
        scardmanage_report report = SCARDMANAGE_REPORT_INIT;
        scardmanage_result result =
            scardmanage_transmit_ex(m, challenge, sizeof challenge, answer, &length, 1, &options, &report);
        if (result == SCARDMANAGE_S_OK && (length != 10 || answer[8] != 0x90))
            fail("the answer", result);
        ALLOW(result, LOST);
    }
    return nothing;
}

static scardmanage_result two_commands(scardmanage *object, const scardmanage_report *report, void *self)
{
    (void)report;
    scardmanage_result result = send_in_function(object, *(pthread_t *)self);
    return result == SCARDMANAGE_S_OK ? send_in_function(object, *(pthread_t *)self) : result;
}

static void *runs_units(void *nothing)
{
    pthread_t self = pthread_self();
    scardmanage_options options = SCARDMANAGE_OPTIONS_INIT;
    options.rebuild = rebuild;
    options.rebuild_context = &self;
    options.accept_unidentified = 1;
    while (!over) {
        uint64_t session;
        ALLOW(scardmanage_run(m, two_commands, &self, 1, &options, NULL), LOST);
        ALLOW(scardmanage_get_session(m, &session), SCARDMANAGE_S_OK, SCARDMANAGE_E_INVALID_HANDLE);
    }
    return nothing;
}

/* The card has no codes and no keys. */
static void *uses_interfaces(void *nothing)
{
    while (!over) {
        uint8_t bytes[8] = {0};
        size_t length = sizeof bytes;
        scardmanage_verify *verify;
        uint16_t word;
        int tries;
        ALLOW(scardmanage_auth_get_challenge(auth, 0, bytes, &length), LOST, SCARDMANAGE_W_REMOVED_CARD);
        ALLOW(scardmanage_auth_application(auth, 0, 0, bytes, sizeof bytes, &tries), LOST,
              SCARDMANAGE_W_REMOVED_CARD, SCARDMANAGE_E_NOT_TRANSACTED, SCARDMANAGE_E_ICC_CREATEORDER,
              SCARDMANAGE_E_UNSUPPORTED_FEATURE); /* sent while another thread had locked the object */
        ALLOW(scardmanage_auth_get_status_word(auth, &word), SCARDMANAGE_S_OK);
        scardmanage_result result = scardmanage_create_verify(m, NULL, &verify);
        ALLOW(result, SCARDMANAGE_E_INVALID_HANDLE);
        if (result != SCARDMANAGE_S_OK)
            continue;
        ALLOW(scardmanage_verify_code(verify, bytes, sizeof bytes, 0, 1, &tries), LOST,
              SCARDMANAGE_W_REMOVED_CARD, SCARDMANAGE_E_UNSUPPORTED_FEATURE);
        scardmanage_verify_free(verify);
    }
    return nothing;
}

static void *locks(void *nothing)
{
    while (!over) {
        scardmanage_result result = scardmanage_lock(m);
        ALLOW(result, LOST);
        if (result == SCARDMANAGE_S_OK)
            ALLOW(scardmanage_unlock(m, SCARDMANAGE_DISPOSITION_LEAVE), LOST, SCARDMANAGE_E_NOT_TRANSACTED,
                  SCARDMANAGE_W_REMOVED_CARD);
    }
    return nothing;
}

static void *looks(void *nothing)
{
    while (!over) {
        scardmanage_state state;
        uint32_t protocol;
        uint8_t atr[SCARDMANAGE_ATR_MAX];
        size_t length = sizeof atr;
        char name[256];
        size_t name_length = sizeof name;
        SCARDHANDLE handle;
        ALLOW(scardmanage_status(m, &state, &protocol), LOST);
        ALLOW(scardmanage_get_atr(m, atr, &length), LOST);
        ALLOW(scardmanage_get_reader(m, name, &name_length), LOST);
        ALLOW(scardmanage_get_handle(m, &handle), LOST);
    }
    return nothing;
}

static void *reconnects(void *nothing)
{
    scardmanage_options options = SCARDMANAGE_OPTIONS_INIT;
    for (unsigned i = 0; !over; i++) {
        scardmanage_report report = SCARDMANAGE_REPORT_INIT;
        options.first_step = (scardmanage_step)(SCARDMANAGE_STEP_LEAVE + i % SCARDMANAGE_STEP_REOPEN);
        ALLOW(scardmanage_set_options(m, i % 2 ? &options : NULL), SCARDMANAGE_S_OK);
        ALLOW(scardmanage_reconnect_ex(m, &options, &report), LOST);
        ALLOW(scardmanage_wait_for_card(m, 60000), LOST);
    }
    return nothing;
}

/* The others use the object meanwhile. */
static void *waits(void *nothing)
{
    while (!over) {
        ALLOW(scardmanage_wait(m, SCARDMANAGE_WAIT_REMOVAL, 5), LOST, SCARDMANAGE_E_TIMEOUT);
        ALLOW(scardmanage_wait(m, SCARDMANAGE_WAIT_CHANGE, 5), LOST, SCARDMANAGE_E_TIMEOUT);
        ALLOW(scardmanage_set_timeout(m, 60000), SCARDMANAGE_S_OK);
    }
    return nothing;
}

static void *watches(void *nothing)
{
    while (!over) {
        scardmanage_watch *w;
        scardmanage_watch_event event = SCARDMANAGE_WATCH_EVENT_INIT;
        size_t count = 1;
        intptr_t descriptor;
        ALLOW(scardmanage_watch_create(NULL, &w), SCARDMANAGE_S_OK);
        ALLOW(scardmanage_watch_descriptor(w, &descriptor), SCARDMANAGE_S_OK);
        ALLOW(scardmanage_watch_list(w, &event, &count, 60000), SCARDMANAGE_S_OK);
        for (int i = 0; i < 3; i++)
            ALLOW(scardmanage_watch_next(w, &event, 5), SCARDMANAGE_E_TIMEOUT);
        scardmanage_watch_free(w);
    }
    return nothing;
}

static void *attaches(void *nothing)
{
    while (!over) {
        ALLOW(scardmanage_attach_by_ifd(m, reader), LOST);
        nanosleep(&(struct timespec){.tv_nsec = 5000000},
                  NULL); /* the others need an attachment to work with */
    }
    return nothing;
}

static void *cancels(void *nothing)
{
    while (!over) {
        ALLOW(scardmanage_cancel(m), SCARDMANAGE_S_OK);
        nanosleep(&(struct timespec){.tv_nsec = 3000000}, NULL);
    }
    return nothing;
}

/* libpcsclite keeps the reader states in one place for all contexts, and writes and reads them there without
 * a lock: a call that was cancelled and the next one may do so at once. */
__attribute__((visibility("default"))) const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "race:libpcsclite.so\n";
}

/* Cancelling and attaching each have a time of their own: an attachment that is cancelled leaves its thread
 * behind, and with two threads at once in libpcsclite 1.9.9 anything may happen. */
static void storm(struct others *others, void *(*last)(void *))
{
    void *(*const functions[THREADS])(void *) = {transmits, runs_units, uses_interfaces, uses_interfaces,
                                                 locks,     looks,      reconnects,      waits,
                                                 watches,   last};
    pthread_t threads[THREADS];
    over = false;
    for (unsigned i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, functions[i], NULL) != 0)
            fail("pthread_create", SCARDMANAGE_E_FAIL);
    for (unsigned i = 0; i < RESETS || cancelled < CANCELLED; i++)
        others_do(others,
                  i % 2 ? 'w' : 'c'); /* fails if pcscd lets two clients' resets get into each other */
    over = true;
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

int main(void)
{
    struct others others;
    uint8_t answer[16];
    size_t answer_length = sizeof answer;
    DWORD length = sizeof reader;
    if (SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &context) != SCARD_S_SUCCESS ||
        SCardListReaders(context, NULL, reader, &length) != SCARD_S_SUCCESS || !others_start(&others, reader))
        fail("no reader", SCARDMANAGE_E_FAIL);
    SCardReleaseContext(context);
    ALLOW(scardmanage_create(&m), SCARDMANAGE_S_OK);
    ALLOW(scardmanage_attach_by_ifd(m, reader), SCARDMANAGE_S_OK);
    ALLOW(scardmanage_create_auth(m, NULL, &auth), SCARDMANAGE_S_OK);
    storm(&others, cancels);
    storm(&others, attaches);
    scardmanage_result result = scardmanage_reconnect(m);
    if (result == SCARDMANAGE_S_OK)
        result = scardmanage_transmit(m, challenge, sizeof challenge, answer, &answer_length);
    if (result != SCARDMANAGE_S_OK)
        fail("in the end", result);
    scardmanage_free(m);
    scardmanage_auth_free(auth);
    others_stop(&others);
    printf("%u calls by %u threads, %u cancelled\n", done, THREADS, cancelled);
    return 0;
}
