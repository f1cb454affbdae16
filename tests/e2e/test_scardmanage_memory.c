/* SPDX-License-Identifier: BSD-3-Clause */
/* libscardmanage without memory, against a real pcscd. Run in a rig: cardrig run -- test_scardmanage_memory
 *
 * Each call is made again and again. The first time nothing fails; then the first step of it that takes
 * memory does, then the second, and so on until the call gets through. What takes memory is the library's
 * allocator, and every PC/SC function except those that give something back: those of this program stand
 * before libpcsclite's, and return SCARD_E_NO_MEMORY in its place. */
#include "in_rig.h"
#include "scardmanage.h"
#include "scardmanage_auth.h"
#include "scardmanage_verify.h"
#include "scardmanage_watch.h"

#include <check.h>
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANY  (SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1)
#define MANY 100 /* no call takes memory so often */

enum { BY_IFD, BY_HANDLE, WAYS };

/* What happened to the card before the call. */
typedef enum event {
    NOTHING,
    RESET,      /* by the other client */
    OWN_RESET,  /* by a reconnect that failed, so that it may happen under our lock, too */
    REINSERTED, /* pulled and put back */
    UNSETTLED,  /* a reset that we asked for; there was no memory to acknowledge it, so that is still to be
                   done */
} event;

static char reader[256];
static SCARDCONTEXT context; /* the caller's */
static SCARDHANDLE handle;
static SCARDHANDLE other; /* another client */
static scardmanage *m;

/*
 * Memory
 */

static atomic_uint asked;   /* how often there was something that takes memory */
static atomic_uint failing; /* which of them fails; 0: none does */
static atomic_bool armed;
static atomic_long blocks, contexts, handles; /* that are there now */

static bool fails(void)
{
    return armed && ++asked == failing;
}

static void arm(unsigned which)
{
    failing = which;
    asked = 0;
    armed = true;
}

static void disarm(void)
{
    armed = false;
}

static void *allocate(void *allocator, size_t size)
{
    ck_assert_ptr_eq(allocator, &blocks);
    ck_assert_uint_gt(size, 0);
    if (fails())
        return NULL;
    blocks++;
    void *block = malloc(size);
    memset(block, 0xA5, size);
    return block;
}

static void *reallocate(void *allocator, void *block, size_t size)
{
    ck_assert_ptr_eq(allocator, &blocks);
    return fails() ? NULL : realloc(block, size);
}

static void release(void *allocator, void *block)
{
    ck_assert_ptr_eq(allocator, &blocks);
    ck_assert_ptr_nonnull(block);
    blocks--;
    free(block);
}

static const scardmanage_allocator allocator = {sizeof allocator, &blocks, allocate, reallocate, release};

/* Everything is hidden otherwise, and the library would not find these. */
#pragma GCC visibility push(default)

#define THE_REAL(function) ((__typeof__(&function))dlsym(RTLD_NEXT, #function))

LONG SCardEstablishContext(DWORD scope, LPCVOID reserved1, LPCVOID reserved2, LPSCARDCONTEXT out)
{
    if (fails())
        return SCARD_E_NO_MEMORY;
    LONG rv = THE_REAL(SCardEstablishContext)(scope, reserved1, reserved2, out);
    contexts += rv == SCARD_S_SUCCESS;
    return rv;
}

LONG SCardReleaseContext(SCARDCONTEXT which)
{
    LONG rv = THE_REAL(SCardReleaseContext)(which);
    contexts -= rv == SCARD_S_SUCCESS;
    return rv;
}

LONG SCardConnect(SCARDCONTEXT in, LPCSTR name, DWORD share, DWORD protocols, LPSCARDHANDLE out,
                  LPDWORD active)
{
    if (fails())
        return SCARD_E_NO_MEMORY;
    LONG rv = THE_REAL(SCardConnect)(in, name, share, protocols, out, active);
    handles += rv == SCARD_S_SUCCESS;
    return rv;
}

LONG SCardDisconnect(SCARDHANDLE which, DWORD disposition)
{
    LONG rv = THE_REAL(SCardDisconnect)(which, disposition);
    handles -= rv == SCARD_S_SUCCESS;
    return rv;
}

LONG SCardReconnect(SCARDHANDLE which, DWORD share, DWORD protocols, DWORD initialization, LPDWORD active)
{
    return fails() ? SCARD_E_NO_MEMORY
                   : THE_REAL(SCardReconnect)(which, share, protocols, initialization, active);
}

LONG SCardBeginTransaction(SCARDHANDLE which)
{
    return fails() ? SCARD_E_NO_MEMORY : THE_REAL(SCardBeginTransaction)(which);
}

LONG SCardEndTransaction(SCARDHANDLE which, DWORD disposition)
{
    return fails() ? SCARD_E_NO_MEMORY : THE_REAL(SCardEndTransaction)(which, disposition);
}

LONG SCardStatus(SCARDHANDLE which, LPSTR name, LPDWORD name_len, LPDWORD state, LPDWORD protocol, LPBYTE atr,
                 LPDWORD atr_len)
{
    return fails() ? SCARD_E_NO_MEMORY
                   : THE_REAL(SCardStatus)(which, name, name_len, state, protocol, atr, atr_len);
}

LONG SCardGetStatusChange(SCARDCONTEXT in, DWORD timeout, SCARD_READERSTATE *states, DWORD count)
{
    return fails() ? SCARD_E_NO_MEMORY : THE_REAL(SCardGetStatusChange)(in, timeout, states, count);
}

LONG SCardTransmit(SCARDHANDLE which, const SCARD_IO_REQUEST *send_pci, LPCBYTE send, DWORD send_len,
                   SCARD_IO_REQUEST *receive_pci, LPBYTE receive, LPDWORD receive_len)
{
    return fails()
               ? SCARD_E_NO_MEMORY
               : THE_REAL(SCardTransmit)(which, send_pci, send, send_len, receive_pci, receive, receive_len);
}

#pragma GCC visibility pop

/*
 * The card, and the other client
 */

static void reinsert(void)
{
    move_card(context, reader, "remove", NULL);
    move_card(context, reader, "insert", NULL);
}

/* A case before that ran out of time may have left the card out. */
static void put_card_in(void)
{
    if (!(reader_state(context, reader).dwEventState & SCARD_STATE_PRESENT))
        move_card(context, reader, "insert", NULL);
}

static LONG other_reconnects(DWORD initialization)
{
    DWORD protocol;
    return SCardReconnect(other, SCARD_SHARE_SHARED, ANY, initialization, &protocol);
}

/*
 * Us
 */

static scardmanage_result attach(int way)
{
    return way == BY_IFD ? scardmanage_attach_by_ifd(m, reader) : scardmanage_attach_by_handle(m, handle);
}

static scardmanage_result attach_by_ifd(void)
{
    return attach(BY_IFD);
}

static scardmanage_result attach_by_handle(void)
{
    return attach(BY_HANDLE);
}

static scardmanage_result detach(void)
{
    return scardmanage_detach(m);
}

static scardmanage_result set_options(void)
{
    scardmanage_options options = SCARDMANAGE_OPTIONS_INIT;
    return scardmanage_set_options(m, &options);
}

static scardmanage_result reconnect(void)
{
    return scardmanage_reconnect(m);
}

static scardmanage_result reconnect_from(scardmanage_step step, uint32_t protocols)
{
    scardmanage_options options = SCARDMANAGE_OPTIONS_INIT;
    scardmanage_report report = SCARDMANAGE_REPORT_INIT;
    options.first_step = step;
    options.protocols = protocols;
    if (protocols != 0)
        options.last_step = step;
    return scardmanage_reconnect_ex(m, &options, &report);
}

/* A handle that was attached after its card was out has no card to compare with. */
static scardmanage_result reconnect_to_any_card(void)
{
    scardmanage_options options = SCARDMANAGE_OPTIONS_INIT;
    options.accept_other_card = 1;
    return scardmanage_reconnect_ex(m, &options, NULL);
}

static scardmanage_result reconnect_warm(void)
{
    return reconnect_from(SCARDMANAGE_STEP_WARM, 0);
}

static scardmanage_result reconnect_cold(void)
{
    return reconnect_from(SCARDMANAGE_STEP_COLD, 0);
}

static scardmanage_result reopen(void) /* refused on a handle of the caller's */
{
    return reconnect_from(SCARDMANAGE_STEP_REOPEN, 0);
}

static scardmanage_result lock(void)
{
    return scardmanage_lock(m);
}

static scardmanage_result unlock(void)
{
    return scardmanage_unlock(m, SCARDMANAGE_DISPOSITION_LEAVE);
}

static scardmanage_result unlock_and_reset(void)
{
    return scardmanage_unlock(m, SCARDMANAGE_DISPOSITION_RESET);
}

static scardmanage_result unlock_and_unpower(void)
{
    return scardmanage_unlock(m, SCARDMANAGE_DISPOSITION_UNPOWER);
}

static scardmanage_result status(void)
{
    scardmanage_state state;
    uint32_t protocol;
    return scardmanage_status(m, &state, &protocol);
}

static scardmanage_result get_atr(void)
{
    uint8_t atr[SCARDMANAGE_ATR_MAX];
    size_t length = sizeof atr;
    return scardmanage_get_atr(m, atr, &length);
}

static scardmanage_result get_reader(void)
{
    char name[256];
    size_t length = sizeof name;
    return scardmanage_get_reader(m, name, &length);
}

static scardmanage_result get_handle(void)
{
    SCARDHANDLE ours;
    return scardmanage_get_handle(m, &ours);
}

static scardmanage_result transmit(void)
{
    static const uint8_t command[] = {0x80, 0x10, 0x00, 0x00, 0x02};
    uint8_t response[258];
    size_t length = sizeof response;
    return scardmanage_transmit(m, command, sizeof command, response, &length);
}

static scardmanage_result transmit_again(scardmanage *object, const scardmanage_report *report, void *nothing)
{
    static const uint8_t command[] = {0x80, 0x10, 0x00, 0x00, 0x02};
    uint8_t response[1024]; /* more than transmit() has asked for */
    size_t length = sizeof response;
    (void)report;
    (void)nothing;
    return scardmanage_transmit(object, command, sizeof command, response, &length);
}

static scardmanage_result reconnect_and_rebuild(void)
{
    scardmanage_options options = SCARDMANAGE_OPTIONS_INIT;
    options.first_step = SCARDMANAGE_STEP_WARM;
    options.rebuild = transmit_again;
    return scardmanage_reconnect_ex(m, &options, NULL);
}

static scardmanage_result transmit_as_identity(scardmanage *object, uint8_t *identity, size_t *length,
                                               void *nothing)
{
    *length = 1;
    *identity = 1;
    return transmit_again(object, NULL, nothing);
}

static scardmanage_result reconnect_and_identify(void)
{
    scardmanage_options options = SCARDMANAGE_OPTIONS_INIT;
    options.identify = transmit_as_identity;
    options.rebuild = transmit_again;
    options.accept_unidentified = 1;
    return scardmanage_reconnect_ex(m, &options, NULL);
}

static scardmanage_result transmit_ex(void)
{
    static const uint8_t command[] = {0x80, 0x10, 0x00, 0x00, 0x02};
    uint8_t response[258];
    size_t length = sizeof response;
    scardmanage_options options = SCARDMANAGE_OPTIONS_INIT;
    options.accept_other_card = 1;
    options.rebuild = transmit_again;
    return scardmanage_transmit_ex(m, command, sizeof command, response, &length, 1, &options, NULL);
}

/* A reset that is still to be acknowledged has ended the session before. */
static scardmanage_result two_commands(scardmanage *object, const scardmanage_report *report, void *argument)
{
    uint64_t session;
    ck_assert_int_eq(scardmanage_get_session(object, &session), SCARDMANAGE_S_OK);
    ck_assert_uint_eq(report->session, session);
    scardmanage_result result = transmit_again(object, report, argument);
    return result == SCARDMANAGE_S_OK ? transmit_again(object, report, argument) : result;
}

static scardmanage_result run_unit(void)
{
    scardmanage_options options = SCARDMANAGE_OPTIONS_INIT;
    options.accept_other_card = 1;
    options.rebuild = transmit_again;
    return scardmanage_run(m, two_commands, NULL, 1, &options, NULL);
}

/* This card has no codes and no keys: how the interfaces do with one that has, their own tests show. */
static scardmanage_result verify_code(void)
{
    static const uint8_t code[] = "1234";
    scardmanage_verify *verify;
    scardmanage_result result = scardmanage_create_verify(m, NULL, &verify);
    if (result == SCARDMANAGE_S_OK)
        result = scardmanage_verify_code(verify, code, 4, 0, 1, NULL);
    scardmanage_verify_free(verify);
    return result;
}

static scardmanage_result get_challenge(void)
{
    uint8_t challenge[8];
    size_t length = sizeof challenge;
    scardmanage_auth *auth;
    scardmanage_result result = scardmanage_create_auth(m, NULL, &auth);
    if (result == SCARDMANAGE_S_OK)
        result = scardmanage_auth_get_challenge(auth, 0, challenge, &length);
    scardmanage_auth_free(auth);
    return result;
}

static scardmanage_result wait_for_card(void)
{
    return scardmanage_wait_for_card(m, 1000);
}

/* The time is up, if the card was not out. A watch in another thread uses PC/SC meanwhile. */
static scardmanage_result wait_for_removal(void)
{
    return scardmanage_wait(m, SCARDMANAGE_WAIT_REMOVAL, 20);
}

static scardmanage_result cancel(void)
{
    return scardmanage_cancel(m);
}

typedef struct call {
    const char *name;
    scardmanage_result (*make)(void);
    int locks;        /* how many more are held after it; DETACHES: none, and it may be detached */
    bool may_disturb; /* if it fails halfway, a reconnect may be due */
} call;

#define DETACHES (-100)

static const call calls[] = {
    {"attach_by_ifd", attach_by_ifd, DETACHES, false},
    {"attach_by_handle", attach_by_handle, DETACHES, false},
    {"detach", detach, DETACHES, false},
    {"set_options", set_options, 0, false},
    {"reconnect", reconnect, 0, false},
    {"reconnect_ex, warm", reconnect_warm, 0, true},
    {"reconnect_ex, cold", reconnect_cold, 0, true},
    {"reconnect_ex, reopen", reopen, 0, true},
    {"lock", lock, 1, false},
    {"unlock", unlock, -1, false},
    {"unlock, reset", unlock_and_reset, -1, false},
    {"unlock, unpower", unlock_and_unpower, -1, false},
    {"status", status, 0, false},
    {"get_atr", get_atr, 0, false},
    {"get_reader", get_reader, 0, false},
    {"get_handle", get_handle, 0, false},
    {"transmit", transmit, 0, false},
    {"transmit_ex", transmit_ex, 0, true},
    {"run", run_unit, 0, true},
    {"verify", verify_code, 0, true},
    {"get_challenge", get_challenge, 0, true},
    {"reconnect_ex, rebuild", reconnect_and_rebuild, 0, true},
    {"reconnect_ex, identify", reconnect_and_identify, 0, true},
    {"wait_for_card", wait_for_card, 0, false},
    {"wait, removal", wait_for_removal, 0, false},
    {"cancel", cancel, 0, false},
};

#define CALLS ((int)(sizeof calls / sizeof calls[0]))

/* The state in which a call is made. */
typedef struct state {
    event before;
    int locks;
    int way;
} state;

static void happens(event what)
{
    switch (what) {
    case NOTHING:
        break;
    case RESET:
        ck_assert_int_eq(other_reconnects(SCARD_RESET_CARD), SCARD_S_SUCCESS);
        break;
    case OWN_RESET: /* warm, this card does not speak T=1 */
        ck_assert_int_eq(reconnect_from(SCARDMANAGE_STEP_WARM, SCARDMANAGE_PROTOCOL_T1),
                         SCARDMANAGE_E_PROTO_MISMATCH);
        break;
    case REINSERTED:
        reinsert();
        break;
    case UNSETTLED:
        ck_assert_int_eq(lock(), SCARDMANAGE_S_OK);
        arm(2);
        ck_assert_int_eq(unlock_and_reset(), SCARDMANAGE_S_OK);
        disarm();
    }
}

static void begin(const state *in)
{
    DWORD protocol;
    put_card_in();
    ck_assert_int_eq(SCardConnect(context, reader, SCARD_SHARE_SHARED, ANY, &other, &protocol),
                     SCARD_S_SUCCESS);
    ck_assert_int_eq(other_reconnects(SCARD_UNPOWER_CARD),
                     SCARD_S_SUCCESS); /* its cold ATR is the one to begin with */
    ck_assert_int_eq(SCardConnect(context, reader, SCARD_SHARE_SHARED, ANY, &handle, &protocol),
                     SCARD_S_SUCCESS);
    ck_assert_int_eq(scardmanage_create_with_allocator(&allocator, &m), SCARDMANAGE_S_OK);
    ck_assert_int_gt(blocks, 0);
    arm(0);
    ck_assert_int_eq(attach(in->way), SCARDMANAGE_S_OK);
    disarm();
    ck_assert_uint_gt(asked, 2); /* the functions above are really those that the library calls */
    for (int i = 0; i < in->locks; i++)
        ck_assert_int_eq(lock(), SCARDMANAGE_S_OK);
    happens(in->before);
}

/* What scardmanage_detach() leaves to the caller if there was no memory to release the lock. */
static void release_what_was_left(void)
{
    DWORD protocol;
    ck_assert_int_eq(SCardReconnect(handle, SCARD_SHARE_SHARED, ANY, SCARD_LEAVE_CARD, &protocol),
                     SCARD_S_SUCCESS);
    SCardEndTransaction(handle, SCARD_LEAVE_CARD); /* if it was left */
}

static void assert_works(const call *c, const state *in, int locks, scardmanage_result result)
{
    /* who asked for a reset is forgotten with the attachment */
    bool settles = in->before == NOTHING || (in->before == UNSETTLED && c->locks != DETACHES);
    bool event_is_due = !settles || (c->may_disturb && result != SCARDMANAGE_S_OK);
    if (status() == SCARDMANAGE_E_INVALID_HANDLE) {
        ck_assert_int_eq(c->locks, DETACHES);
        ck_assert_int_eq(transmit(), SCARDMANAGE_E_INVALID_HANDLE);
        if (result == SCARDMANAGE_E_OUTOFMEMORY && in->way == BY_HANDLE && in->locks > 0)
            release_what_was_left();
        ck_assert_int_eq(attach(in->way), SCARDMANAGE_S_OK);
        locks = 0;
    }
    if (event_is_due)
        ck_assert_int_eq(reconnect_to_any_card(), SCARDMANAGE_S_OK);
    ck_assert_int_eq(transmit(), SCARDMANAGE_S_OK);
    LONG for_others = other_reconnects(SCARD_LEAVE_CARD);
    ck_assert_int_eq(for_others, locks > 0 ? SCARD_E_SHARING_VIOLATION : SCARD_S_SUCCESS);
    for (; locks > 0; locks--)
        ck_assert_int_eq(unlock(), SCARDMANAGE_S_OK);
    ck_assert_int_eq(unlock(), SCARDMANAGE_E_NOT_TRANSACTED);
    ck_assert_int_eq(other_reconnects(SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
    ck_assert_int_eq(SCardBeginTransaction(other), SCARD_S_SUCCESS);
    ck_assert_int_eq(SCardEndTransaction(other, SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
}

static void end(void)
{
    scardmanage_free(m);
    SCardDisconnect(handle, SCARD_LEAVE_CARD);
    SCardDisconnect(other, SCARD_LEAVE_CARD);
    ck_assert_int_eq(blocks, 0);
    ck_assert_int_eq(handles, 0);
    ck_assert_int_eq(contexts, 1);
}

/* One call, in which one allocation fails (which), or none (0). regular: what it returns if none fails.
 * Returns whether one failed. */
static bool make(const call *c, const state *in, unsigned which, scardmanage_result *regular)
{
    begin(in);
    arm(which);
    scardmanage_result result = c->make();
    disarm();
    bool failed = which != 0 && asked >= which;
    if (which == 0)
        *regular = result;
    if (!failed)
        ck_assert_int_eq(result, *regular);
    else if (result != *regular) /* the same as ever: it was done without */
        ck_assert_int_eq(result, SCARDMANAGE_E_OUTOFMEMORY);
    int locks = in->locks;
    bool done = result == SCARDMANAGE_S_OK || (c->locks < 0 && result != SCARDMANAGE_E_OUTOFMEMORY);
    if (done)
        locks = locks + c->locks < 0 ? 0 : locks + c->locks;
    assert_works(c, in, locks, result);
    end();
    return failed;
}

static const state states[] = {
    {.before = NOTHING, .locks = 0},    {.before = NOTHING, .locks = 1},    {.before = NOTHING, .locks = 2},
    {.before = RESET, .locks = 0},      {.before = OWN_RESET, .locks = 0},  {.before = OWN_RESET, .locks = 1},
    {.before = REINSERTED, .locks = 0}, {.before = REINSERTED, .locks = 1}, {.before = UNSETTLED, .locks = 0},
};

static void fail_everywhere(const call *c, const state *in)
{
    scardmanage_result regular;
    unsigned which = 1;
    make(c, in, 0, &regular);
    while (make(c, in, which, &regular))
        ck_assert_uint_lt(++which, MANY);
}

#define STATES ((int)(sizeof states / sizeof states[0]))

static void fail_in_state(int number, int way)
{
    state in = states[number % STATES];
    in.way = way;
    fail_everywhere(&calls[number / STATES], &in);
}

START_TEST(attached_by_ifd)
{
    fail_in_state(_i, BY_IFD);
}
END_TEST

START_TEST(attached_by_handle)
{
    fail_in_state(_i, BY_HANDLE);
}
END_TEST

START_TEST(making_an_object)
{
    unsigned which = 0;
    scardmanage_result result;
    do {
        m = (scardmanage *)&which; /* is to be cleared */
        arm(++which);
        result = scardmanage_create_with_allocator(&allocator, &m);
        disarm();
        if (asked >= which) {
            ck_assert_int_eq(result, SCARDMANAGE_E_OUTOFMEMORY);
            ck_assert_ptr_null(m);
            ck_assert_int_eq(blocks, 0);
        }
    } while (asked >= which);
    ck_assert_int_eq(result, SCARDMANAGE_S_OK);
    ck_assert_uint_gt(which, 1);
    ck_assert_int_gt(blocks, 0);
    scardmanage_free(m);
    ck_assert_int_eq(blocks, 0);
}
END_TEST

static void await_reader(scardmanage_watch *w)
{
    scardmanage_watch_event seen = SCARDMANAGE_WATCH_EVENT_INIT;
    do
        ck_assert_int_eq(scardmanage_watch_next(w, &seen, 10000), SCARDMANAGE_S_OK);
    while (seen.state != SCARDMANAGE_STATE_PRESENT);
    ck_assert_str_eq(seen.reader, reader);
}

/* The watch of all readers takes memory once. If PC/SC has none, it says so, and tries again. */
START_TEST(watching)
{
    scardmanage_watch *w;
    unsigned fewest = 0;
    put_card_in();
    for (unsigned which = 1; fewest < which; which++) {
        w = (scardmanage_watch *)&which;
        arm(which);
        scardmanage_result result = scardmanage_watch_create(&allocator, &w);
        if (which == 1) {
            ck_assert_int_eq(result, SCARDMANAGE_E_OUTOFMEMORY);
            ck_assert_ptr_null(w);
            continue;
        }
        ck_assert_int_eq(result, SCARDMANAGE_S_OK);
        await_reader(w);
        if (asked < which)
            fewest = which;
        disarm();
        scardmanage_watch_free(w);
        ck_assert_int_eq(blocks, 0);
        ck_assert_int_eq(contexts, 1);
        if (fewest == which)
            break;
    }
    ck_assert_uint_gt(fewest, 3);
}
END_TEST

/* One missing function at a time, and sizes that no version has. */
START_TEST(allocators_that_are_refused)
{
    struct {
        scardmanage_allocator allocator;
        size_t unknown;
    } later = {allocator, 1};
    scardmanage_allocator wrong[] = {allocator, allocator, allocator, allocator, allocator, allocator};
    wrong[0].allocate = NULL;
    wrong[1].reallocate = NULL;
    wrong[2].release = NULL;
    wrong[3].size = 0;
    wrong[4].size--;
    wrong[5].size = SIZE_MAX;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        ck_assert_int_eq(scardmanage_create_with_allocator(&wrong[i], &m), SCARDMANAGE_E_INVALIDARG);
    later.allocator.size = sizeof later;
    ck_assert_int_eq(scardmanage_create_with_allocator(&later.allocator, &m), SCARDMANAGE_E_INVALIDARG);
    ck_assert_ptr_null(m);
    later.unknown = 0;
    ck_assert_int_eq(scardmanage_create_with_allocator(&later.allocator, &m), SCARDMANAGE_S_OK);
    memset(&later, 0, sizeof later); /* it was copied */
    scardmanage_free(m);
    ck_assert_int_eq(scardmanage_create_with_allocator(&allocator, NULL), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_create_with_allocator(NULL, &m), SCARDMANAGE_S_OK);
    ck_assert_int_eq(blocks, 0);
    scardmanage_free(m);
}
END_TEST

static void setup(void)
{
    setenv("PCSCLITE_NO_BLOCKING", "1", 1); /* a card that is locked is reported, not waited for */
    snprintf(reader, sizeof reader, "%s", getenv("CARDRIG_READER"));
    ck_assert_int_eq(SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &context), SCARD_S_SUCCESS);
}

static void teardown(void)
{
    SCardReleaseContext(context);
}

static TCase *new_case(Suite *suite, const char *name)
{
    TCase *tests = tcase_create(name);
    tcase_set_timeout(tests, 20);
    tcase_add_checked_fixture(tests, setup, teardown);
    suite_add_tcase(suite, tests);
    return tests;
}

int main(void)
{
    Suite *suite = suite_create("libscardmanage without memory");
    TCase *objects = new_case(suite, "objects");
    tcase_add_test(objects, making_an_object);
    tcase_add_test(objects, watching);
    tcase_add_test(objects, allocators_that_are_refused);
    for (int i = 0; i < CALLS; i++) {
        TCase *tests = new_case(suite, calls[i].name);
        tcase_add_loop_test(tests, attached_by_ifd, i * STATES, (i + 1) * STATES);
        tcase_add_loop_test(tests, attached_by_handle, i * STATES, (i + 1) * STATES);
    }
    return run_suite_in_rig(suite);
}
