/* SPDX-License-Identifier: BSD-3-Clause */
/* test_scardmanage_recoveries COUNT: so many recoveries of all kinds that a rig has, and then no descriptor,
 * no thread and no memory more than after the first few. Run in a rig; memory is for the sanitizers or
 * valgrind to watch. */
#include "control.h"
#include "others.h"
#include "process.h"
#include "scardmanage.h"
#include "status_change.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHECK(what)                                                                                          \
    do {                                                                                                     \
        if (!(what))                                                                                         \
            fail(__LINE__, #what);                                                                           \
    } while (0)

static const uint8_t challenge[] = {0x00, 0x84, 0x00, 0x00, 0x08};

static struct control control;
static struct others others;
static scardmanage *m;
static scardmanage_result last;
static SCARDCONTEXT context;
static SCARDHANDLE handle;
static char reader[256];
static unsigned rebuilt;

static void fail(int line, const char *what)
{
    fprintf(stderr, "line %d: %s: the last call said %08x: %s\n", line, what, (unsigned)last,
            scardmanage_strerror(last));
    exit(1);
}

static bool is(scardmanage_result result, scardmanage_result wanted)
{
    last = result;
    return result == wanted;
}

static struct process look_at_self(void)
{
    struct process self = {.pid = getpid()};
    CHECK(process_look(&self));
    return self;
}

static void ask_rig(const char *command)
{
    char error[256];
    json_t *answer = control_ask(&control, command, 0, error, sizeof error);
    if (answer == NULL)
        fprintf(stderr, "%s\n", error);
    CHECK(answer != NULL);
    json_decref(answer);
}

static void check_works(void)
{
    uint8_t answer[16];
    size_t length = sizeof answer;
    CHECK(is(scardmanage_transmit(m, challenge, sizeof challenge, answer, &length), SCARDMANAGE_S_OK));
    CHECK(length == 10 && answer[8] == 0x90);
}

static scardmanage_result rebuild(scardmanage *object, const scardmanage_report *report, void *count)
{
    uint8_t answer[16];
    size_t length = sizeof answer;
    (void)report;
    ++*(unsigned *)count;
    return scardmanage_transmit(object, challenge, sizeof challenge, answer, &length);
}

static void attach(bool by_handle)
{
    DWORD protocol;
    if (handle == 0)
        CHECK(SCardConnect(context, reader, SCARD_SHARE_SHARED, 3, &handle, &protocol) == SCARD_S_SUCCESS);
    else /* what has happened while it was not attached */
        CHECK(SCardReconnect(handle, SCARD_SHARE_SHARED, 3, SCARD_LEAVE_CARD, &protocol) == SCARD_S_SUCCESS);
    if (by_handle)
        CHECK(is(scardmanage_attach_by_handle(m, handle), SCARDMANAGE_S_OK));
    else
        CHECK(is(scardmanage_attach_by_ifd(m, reader), SCARDMANAGE_S_OK));
}

static void check_reconnects(scardmanage_step first)
{
    scardmanage_options options = SCARDMANAGE_OPTIONS_INIT;
    options.first_step = first;
    options.wait_ms = 5000;
    options.rebuild = rebuild;
    options.rebuild_context = &rebuilt;
    options.accept_unidentified = 1;
    unsigned before = rebuilt;
    CHECK(is(scardmanage_reconnect_ex(m, &options, NULL), SCARDMANAGE_S_OK));
    CHECK(rebuilt > before);
    check_works();
}

/* Takes the card out and puts it in, until PC/SC has reported both. */
static void reinsert(void)
{
    SCARD_READERSTATE state = {.szReader = reader, .dwCurrentState = SCARD_STATE_UNAWARE};
    CHECK(status_change(context, 0, &state) == SCARD_S_SUCCESS);
    unsigned long before = state.dwEventState >> 16;
    ask_rig("remove");
    ask_rig("insert");
    do {
        state.dwCurrentState = state.dwEventState & ~(DWORD)SCARD_STATE_CHANGED;
        LONG rv = status_change(context, 20, &state);
        CHECK(rv == SCARD_S_SUCCESS || rv == SCARD_E_TIMEOUT);
    } while ((((state.dwEventState >> 16) - before) & 0xFFFF) < 2);
}

/* Under somebody's transaction: in time, and not locked when that ends. */
static void check_wait_in_vain(void)
{
    scardmanage_options options = SCARDMANAGE_OPTIONS_INIT;
    options.timeout_ms = 2;
    CHECK(is(scardmanage_set_options(m, &options), SCARDMANAGE_S_OK));
    CHECK(others_do(&others, 'b'));
    CHECK(is(scardmanage_lock(m), SCARDMANAGE_E_TIMEOUT));
    CHECK(others_do(&others, 'e'));
    CHECK(is(scardmanage_set_options(m, NULL), SCARDMANAGE_S_OK));
    CHECK(is(scardmanage_unlock(m, SCARDMANAGE_DISPOSITION_LEAVE), SCARDMANAGE_E_NOT_TRANSACTED));
    check_works();
}

static void recover(unsigned kind, bool by_handle)
{
    switch (kind) {
    case 0:
    case 1:
        CHECK(others_do(&others, kind == 0 ? 'w' : 'c'));
        check_reconnects(SCARDMANAGE_STEP_LEAVE);
        break;
    case 2:
        CHECK(is(scardmanage_lock(m), SCARDMANAGE_S_OK));
        check_reconnects(SCARDMANAGE_STEP_WARM);
        CHECK(is(scardmanage_unlock(m, SCARDMANAGE_DISPOSITION_RESET), SCARDMANAGE_S_OK));
        check_works();
        break;
    case 3:
        check_reconnects(by_handle ? SCARDMANAGE_STEP_COLD : SCARDMANAGE_STEP_REOPEN);
        break;
    case 4:
        CHECK(is(scardmanage_lock(m), SCARDMANAGE_S_OK));
        reinsert();
        check_reconnects(SCARDMANAGE_STEP_LEAVE);
        CHECK(is(scardmanage_unlock(m, SCARDMANAGE_DISPOSITION_LEAVE), SCARDMANAGE_S_OK));
        break;
    case 5:
        CHECK(is(scardmanage_lock(m), SCARDMANAGE_S_OK));
        CHECK(is(scardmanage_detach(m), SCARDMANAGE_S_OK));
        attach(by_handle);
        check_works();
        break;
    case 6:
        scardmanage_free(m);
        CHECK(is(scardmanage_create(&m), SCARDMANAGE_S_OK));
        attach(by_handle);
        check_works();
        break;
    default:
        check_wait_in_vain();
        break;
    }
}

int main(int argc, char **argv)
{
    unsigned count = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 0;
    struct process before = {0}, after;
    DWORD length = sizeof reader;
    CHECK(count >= 64);
    CHECK(SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &context) == SCARD_S_SUCCESS);
    CHECK(SCardListReaders(context, NULL, reader, &length) == SCARD_S_SUCCESS);
    SCardReleaseContext(context);
    CHECK(others_start(&others, reader));
    CHECK(SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &context) == SCARD_S_SUCCESS);
    CHECK(control_open(&control));
    CHECK(is(scardmanage_create(&m), SCARDMANAGE_S_OK));
    for (unsigned i = 0; i < count; i++) {
        if (i == 32) /* everything has been done once */
            before = look_at_self();
        if (i % 16 == 0)
            attach(i % 32 != 0);
        recover(i % 8, i % 32 >= 16);
    }
    after = look_at_self();
    CHECK(after.threads == before.threads && after.descriptors == before.descriptors);
    scardmanage_free(m);
    after = look_at_self();
    CHECK(after.threads == before.threads - 1 && after.descriptors == before.descriptors - 1);
    SCardReleaseContext(context);
    control_close(&control);
    others_stop(&others);
    printf("%u recoveries, %u rebuilt: as many threads and descriptors as before\n", count, rebuilt);
    return 0;
}
