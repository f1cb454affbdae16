/* SPDX-License-Identifier: BSD-3-Clause */
/* libscardmanage against a real pcscd. Run in a rig: cardrig run -- test_scardmanage
 *
 * Most tests run twice: attached by name and by handle. A second client in this process plays "the others".
 */
#include "scardmanage.h"
#include "status_change.h"

#include <check.h>
#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ANY (SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1)

enum { BY_IFD, BY_HANDLE, WAYS };

static const uint8_t two_protocols_atr[] = {0x3B, 0x93, 0x96, 0x80, 0x01, 0x74, 0x77, 0x6F, 0xE8};
static const uint8_t t0_only_atr[] = {0x3B, 0x06, 0x74, 0x30, 0x6F, 0x6E, 0x6C, 0x79};
static const uint8_t cold_atr[] = {0x3B, 0x84, 0x80, 0x01, 0x63, 0x6F, 0x6C, 0x64, 0x01};
static const uint8_t warm_atr[] = {0x3B, 0x04, 0x77, 0x61, 0x72, 0x6D};

extern char **environ;

static char reader[256];
static SCARDCONTEXT context; /* the caller's */
static SCARDHANDLE handle;
static SCARDCONTEXT other_context;
static SCARDHANDLE other;
static scardmanage *m;
static char card_file[64]; /* a card made for one test */

/*
 * The card
 */

static SCARD_READERSTATE look(void)
{
    SCARD_READERSTATE state = {.szReader = reader, .dwCurrentState = SCARD_STATE_UNAWARE};
    ck_assert_int_eq(status_change(other_context, 0, &state), SCARD_S_SUCCESS);
    return state;
}

static unsigned moves_of(const SCARD_READERSTATE *state)
{
    return (unsigned)(state->dwEventState >> 16 & 0xFFFF);
}

static void find_card(char *path, size_t size, const char *file)
{
    if (file[0] == '/') {
        snprintf(path, size, "%s", file);
        return;
    }
    snprintf(path, size, "%s/cards/%s", FIXTURES_DIR, file);
    if (access(path, R_OK) != 0)
        snprintf(path, size, "%s/%s", FIXTURES_DIR, file);
}

static void run(const char *verb, const char *file)
{
    char path[1024] = "";
    char *command[] = {strdup("cardrig"), strdup(verb), path, NULL};
    pid_t child;
    int status;
    if (file == NULL)
        command[2] = NULL;
    else
        find_card(path, sizeof path, file);
    posix_spawn_file_actions_t quiet;
    posix_spawn_file_actions_init(&quiet);
    posix_spawn_file_actions_addopen(&quiet, STDOUT_FILENO, "/dev/null", 0x1 /* O_WRONLY */, 0);
    ck_assert_int_eq(posix_spawnp(&child, command[0], &quiet, NULL, command, environ), 0);
    posix_spawn_file_actions_destroy(&quiet);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "cardrig %s failed", verb);
    free(command[0]);
    free(command[1]);
}

/* Runs cardrig and waits until PC/SC has heard of it. */
static void move_card(const char *verb, const char *file)
{
    SCARD_READERSTATE state = look();
    bool was_present = state.dwEventState & SCARD_STATE_PRESENT;
    unsigned before = moves_of(&state);
    unsigned moves = was_present && strcmp(verb, "swap") == 0 ? 2 : 1;
    run(verb, file);
    state = look();
    while (((moves_of(&state) - before) & 0xFFFF) < moves) {
        state.dwCurrentState = state.dwEventState & ~(DWORD)SCARD_STATE_CHANGED;
        LONG result = status_change(other_context, 50000, &state);
        ck_assert_int_eq(result, SCARD_S_SUCCESS);
    }
}

static void put(const char *file)
{
    move_card("swap", file);
}

/* Puts in a card that gets stuck at the first reset of a kind, "warm" or "cold", and is mute from then on
 * until it is taken out and put back. Its ATR and counter are those of two-protocols.lua. */
static void put_card_that_falls_silent(const char *when)
{
    strcpy(card_file, "/tmp/test_scardmanage-XXXXXX.lua");
    int fd = mkstemps(card_file, 4);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_gt(dprintf(fd,
                             "local hits = 0\n"
                             "return {\n"
                             "  atr = \"3B 93 96 80 01 74 77 6F E8\",\n"
                             "  on_power = function(how)\n"
                             "    hits = 0\n"
                             "    if how == \"%s\" then fault(\"mute*1000\") end\n"
                             "  end,\n"
                             "  commands = { { \"80 10\", function()\n"
                             "    hits = hits + 1\n"
                             "    return string.pack(\">I2\", hits), 0x9000\n"
                             "  end } },\n"
                             "}\n",
                             when),
                     0);
    close(fd);
    put(card_file);
}

static void pull(void)
{
    move_card("remove", NULL);
}

static void put_back(void)
{
    move_card("insert", NULL);
}

/*
 * The other client
 */

static void other_connects(void)
{
    DWORD protocol;
    ck_assert_int_eq(SCardConnect(other_context, reader, SCARD_SHARE_SHARED, ANY, &other, &protocol),
                     SCARD_S_SUCCESS);
}

static void other_leaves(void)
{
    ck_assert_int_eq(SCardDisconnect(other, SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
    other = 0;
}

static LONG other_reconnects(DWORD initialization)
{
    DWORD protocol;
    return SCardReconnect(other, SCARD_SHARE_SHARED, ANY, initialization, &protocol);
}

static LONG other_status(void)
{
    DWORD reader_length = 0, state, protocol, atr_length = 0;
    return SCardStatus(other, NULL, &reader_length, &state, &protocol, NULL, &atr_length);
}

static void other_resets(void)
{
    ck_assert_int_eq(other_reconnects(SCARD_RESET_CARD), SCARD_S_SUCCESS);
}

static void assert_locked_out(void)
{
    ck_assert_int_eq(other_status(), SCARD_E_SHARING_VIOLATION);
    ck_assert_int_eq(other_reconnects(SCARD_LEAVE_CARD), SCARD_E_SHARING_VIOLATION);
}

/* A transaction can be had, so nobody has one: not a single count has leaked. */
static void assert_free(void)
{
    ck_assert_int_eq(other_reconnects(SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
    ck_assert_int_eq(SCardBeginTransaction(other), SCARD_S_SUCCESS);
    ck_assert_int_eq(SCardEndTransaction(other, SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
}

/*
 * Us
 */

static void connect_handle(DWORD share)
{
    DWORD protocol;
    ck_assert_int_eq(SCardConnect(context, reader, share, ANY, &handle, &protocol), SCARD_S_SUCCESS);
}

static void attach(int way)
{
    if (way == BY_IFD) {
        ck_assert_int_eq(scardmanage_attach_by_ifd(m, reader), SCARDMANAGE_S_OK);
        return;
    }
    connect_handle(SCARD_SHARE_SHARED);
    ck_assert_int_eq(scardmanage_attach_by_handle(m, handle), SCARDMANAGE_S_OK);
}

/* Returns what the counter of two-protocols.lua says: 1 for the first command after a reset. */
static scardmanage_result count(unsigned *number)
{
    static const uint8_t command[] = {0x80, 0x10, 0x00, 0x00, 0x02};
    uint8_t response[258];
    size_t length = sizeof response;
    scardmanage_result result = scardmanage_transmit(m, command, sizeof command, response, &length);
    *number = 0;
    if (result != SCARDMANAGE_S_OK) {
        ck_assert_uint_eq(length, 0);
        return result;
    }
    ck_assert_uint_eq(length, 4);
    ck_assert_uint_eq((unsigned)(response[2] << 8 | response[3]), 0x9000);
    *number = (unsigned)(response[0] << 8 | response[1]);
    return result;
}

static void assert_count(unsigned wanted)
{
    unsigned number;
    ck_assert_int_eq(count(&number), SCARDMANAGE_S_OK);
    ck_assert_uint_eq(number, wanted);
}

static void assert_refuses(scardmanage_result code)
{
    unsigned number;
    ck_assert_int_eq(count(&number), code);
    ck_assert_int_eq(scardmanage_lock(m), code);
}

static void assert_status(scardmanage_result result, scardmanage_state state, uint32_t protocol)
{
    scardmanage_state got_state;
    uint32_t got_protocol;
    ck_assert_int_eq(scardmanage_status(m, &got_state, &got_protocol), result);
    ck_assert_int_eq(got_state, state);
    ck_assert_uint_eq(got_protocol, protocol);
}

static void assert_atr(const uint8_t *atr, size_t length)
{
    uint8_t got[SCARDMANAGE_ATR_MAX];
    size_t got_length = sizeof got;
    ck_assert_int_eq(scardmanage_get_atr(m, got, &got_length), SCARDMANAGE_S_OK);
    ck_assert_uint_eq(got_length, length);
    ck_assert_mem_eq(got, atr, length);
}

static scardmanage_report reported;

static scardmanage_result reconnect_with(scardmanage_options options)
{
    scardmanage_report empty = SCARDMANAGE_REPORT_INIT;
    reported = empty;
    options.size = sizeof options;
    return scardmanage_reconnect_ex(m, &options, &reported);
}

static void assert_report(scardmanage_verdict verdict, scardmanage_step step, scardmanage_lock_state lock)
{
    ck_assert_str_eq(scardmanage_verdict_name(reported.verdict), scardmanage_verdict_name(verdict));
    ck_assert_str_eq(scardmanage_step_name(reported.step), scardmanage_step_name(step));
    ck_assert_str_eq(scardmanage_lock_name(reported.lock), scardmanage_lock_name(lock));
}

static void assert_reconnects(scardmanage_options options, scardmanage_verdict verdict, scardmanage_step step,
                              scardmanage_lock_state lock)
{
    ck_assert_int_eq(reconnect_with(options), SCARDMANAGE_S_OK);
    assert_report(verdict, step, lock);
    ck_assert_uint_gt(reported.elapsed_us, 0);
    assert_status(SCARDMANAGE_S_OK, SCARDMANAGE_STATE_SPECIFIC, reported.new_protocol);
    assert_atr(reported.new_atr, reported.new_atr_len);
}

#define OPTIONS(...) ((scardmanage_options){__VA_ARGS__})
#define DEFAULTS     OPTIONS(.size = sizeof(scardmanage_options))

static void assert_lock(void)
{
    ck_assert_int_eq(scardmanage_lock(m), SCARDMANAGE_S_OK);
}

static void assert_unlock(scardmanage_disposition disposition)
{
    ck_assert_int_eq(scardmanage_unlock(m, disposition), SCARDMANAGE_S_OK);
}

/* Each test is a process of its own (check's default), so libpcsclite asks for this variable anew. */
static void prepare(const char *no_blocking)
{
    if (no_blocking != NULL)
        setenv("PCSCLITE_NO_BLOCKING", no_blocking, 1);
    else
        unsetenv("PCSCLITE_NO_BLOCKING");
    snprintf(reader, sizeof reader, "%s", getenv("CARDRIG_READER"));
    ck_assert_int_eq(SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &context), SCARD_S_SUCCESS);
    ck_assert_int_eq(SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &other_context), SCARD_S_SUCCESS);
    put("two-protocols.lua");
    ck_assert_int_eq(scardmanage_create(&m), SCARDMANAGE_S_OK);
}

/* Sharing violations are told, instead of waited for. */
static void setup(void)
{
    prepare("1");
}

static void setup_waiting(void)
{
    prepare(NULL);
}

static void teardown(void)
{
    if (card_file[0] != '\0')
        unlink(card_file);
    scardmanage_free(m);
    if (handle != 0)
        SCardDisconnect(handle, SCARD_LEAVE_CARD);
    if (other != 0)
        SCardDisconnect(other, SCARD_LEAVE_CARD);
    SCardReleaseContext(context);
    SCardReleaseContext(other_context);
}

/*
 * Attaching
 */

START_TEST(null_pointers)
{
    scardmanage_state state;
    uint32_t protocol;
    uint8_t buffer[4];
    size_t length = sizeof buffer;
    SCARDHANDLE card;
    ck_assert_int_eq(scardmanage_create(NULL), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_attach_by_handle(NULL, 1), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_attach_by_ifd(NULL, reader), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_attach_by_ifd(m, NULL), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_detach(NULL), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_reconnect(NULL), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_lock(NULL), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_unlock(NULL, SCARDMANAGE_LEAVE), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_set_options(NULL, NULL), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_status(NULL, &state, &protocol), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_status(m, NULL, &protocol), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_status(m, &state, NULL), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_get_atr(m, NULL, &length), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_get_atr(m, buffer, NULL), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_get_reader(m, NULL, NULL), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_get_handle(m, NULL), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_get_handle(NULL, &card), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_transmit(m, NULL, 1, buffer, &length), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_transmit(m, buffer, 1, NULL, &length), SCARDMANAGE_E_POINTER);
    ck_assert_int_eq(scardmanage_transmit(m, buffer, 1, buffer, NULL), SCARDMANAGE_E_POINTER);
    scardmanage_free(NULL);
}
END_TEST

START_TEST(what_cannot_be_attached)
{
    char long_name[600];
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    ck_assert_int_eq(scardmanage_attach_by_handle(m, 0), SCARDMANAGE_E_INVALIDARG);
    ck_assert_int_eq(scardmanage_attach_by_handle(m, 0x12345678), SCARDMANAGE_E_INVALIDARG);
    ck_assert_int_eq(scardmanage_attach_by_ifd(m, ""), SCARDMANAGE_E_INVALIDARG);
    ck_assert_int_eq(scardmanage_attach_by_ifd(m, "no such reader 00 00"), SCARDMANAGE_E_UNKNOWN_READER);
    ck_assert_int_eq(scardmanage_attach_by_ifd(m, long_name), SCARDMANAGE_E_UNKNOWN_READER);
    connect_handle(SCARD_SHARE_SHARED);
    SCARDHANDLE closed = handle;
    handle = 0;
    ck_assert_int_eq(SCardDisconnect(closed, SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
    ck_assert_int_eq(scardmanage_attach_by_handle(m, closed), SCARDMANAGE_E_INVALIDARG);
    ck_assert_int_eq(scardmanage_detach(m), SCARDMANAGE_E_INVALID_HANDLE);
}
END_TEST

static void assert_detached(void)
{
    unsigned number;
    uint8_t atr[SCARDMANAGE_ATR_MAX];
    size_t length = sizeof atr;
    SCARDHANDLE card;
    ck_assert_int_eq(count(&number), SCARDMANAGE_E_INVALID_HANDLE);
    ck_assert_int_eq(scardmanage_detach(m), SCARDMANAGE_E_INVALID_HANDLE);
    ck_assert_int_eq(scardmanage_reconnect(m), SCARDMANAGE_E_INVALID_HANDLE);
    ck_assert_int_eq(reconnect_with(DEFAULTS), SCARDMANAGE_E_INVALID_HANDLE);
    ck_assert_int_eq(scardmanage_lock(m), SCARDMANAGE_E_INVALID_HANDLE);
    ck_assert_int_eq(scardmanage_unlock(m, SCARDMANAGE_LEAVE), SCARDMANAGE_E_INVALID_HANDLE);
    assert_status(SCARDMANAGE_E_INVALID_HANDLE, SCARDMANAGE_STATE_UNKNOWN, 0);
    ck_assert_int_eq(scardmanage_get_atr(m, atr, &length), SCARDMANAGE_E_INVALID_HANDLE);
    ck_assert_int_eq(scardmanage_get_reader(m, NULL, &length), SCARDMANAGE_E_INVALID_HANDLE);
    ck_assert_int_eq(scardmanage_get_handle(m, &card), SCARDMANAGE_E_INVALID_HANDLE);
}

START_TEST(attaches_and_detaches)
{
    char name[256];
    size_t length = 1;
    SCARDHANDLE card;
    assert_detached();
    attach(_i);
    assert_status(SCARDMANAGE_S_OK, SCARDMANAGE_STATE_SPECIFIC, SCARDMANAGE_PROTOCOL_T1);
    assert_atr(two_protocols_atr, sizeof two_protocols_atr);
    assert_count(1);
    ck_assert_int_eq(scardmanage_get_reader(m, name, &length), SCARDMANAGE_E_INSUFFICIENT_BUFFER);
    ck_assert_uint_eq(length, strlen(reader) + 1);
    ck_assert_int_eq(scardmanage_get_reader(m, name, &length), SCARDMANAGE_S_OK);
    ck_assert_str_eq(name, reader);
    ck_assert_int_eq(scardmanage_get_handle(m, &card), SCARDMANAGE_S_OK);
    if (_i == BY_HANDLE)
        ck_assert_int_eq(card, handle);
    ck_assert_int_eq(scardmanage_detach(m), SCARDMANAGE_S_OK);
    assert_detached();
    if (_i == BY_IFD) /* no handle is left over */
        connect_handle(SCARD_SHARE_EXCLUSIVE);
    ck_assert_int_eq(scardmanage_attach_by_handle(m, handle), SCARDMANAGE_S_OK); /* still usable */
    assert_count(2);
    ck_assert_int_eq(scardmanage_attach_by_handle(m, handle),
                     SCARDMANAGE_S_OK); /* again, without detaching */
    assert_count(3);
}
END_TEST

START_TEST(detaching_releases_the_lock)
{
    other_connects();
    attach(_i);
    assert_lock();
    assert_lock();
    assert_locked_out();
    ck_assert_int_eq(scardmanage_detach(m), SCARDMANAGE_S_OK);
    assert_free();
    if (_i == BY_HANDLE) {
        ck_assert_int_eq(SCardBeginTransaction(handle), SCARD_S_SUCCESS);
        ck_assert_int_eq(SCardEndTransaction(handle, SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
    }
}
END_TEST

START_TEST(freeing_releases_the_lock)
{
    other_connects();
    attach(_i);
    assert_lock();
    scardmanage_free(m);
    m = NULL;
    assert_free();
}
END_TEST

START_TEST(an_empty_reader)
{
    pull();
    ck_assert_int_eq(scardmanage_attach_by_ifd(m, reader), SCARDMANAGE_S_OK);
    assert_status(SCARDMANAGE_S_OK, SCARDMANAGE_STATE_ABSENT, 0);
    assert_refuses(SCARDMANAGE_E_NO_SMARTCARD);
    ck_assert_int_eq(scardmanage_reconnect(m), SCARDMANAGE_E_NO_SMARTCARD);
    ck_assert_int_eq(reconnect_with(DEFAULTS), SCARDMANAGE_E_NO_SMARTCARD);
    assert_report(SCARDMANAGE_VERDICT_ABSENT, SCARDMANAGE_STEP_NONE, SCARDMANAGE_LOCK_NONE);
    put("t0-only.lua");
    assert_status(SCARDMANAGE_S_OK, SCARDMANAGE_STATE_PRESENT, 0);
    assert_refuses(SCARDMANAGE_E_NO_SMARTCARD);
    /* opening is the gentlest there is, so it is done even if the options stop at LEAVE */
    assert_reconnects(OPTIONS(.last_step = SCARDMANAGE_STEP_LEAVE), SCARDMANAGE_VERDICT_FIRST,
                      SCARDMANAGE_STEP_REOPEN, SCARDMANAGE_LOCK_NONE);
    ck_assert_uint_eq(reported.old_atr_len, 0);
    ck_assert_mem_eq(reported.new_atr, t0_only_atr, sizeof t0_only_atr);
    ck_assert_uint_eq(reported.new_protocol, SCARDMANAGE_PROTOCOL_T0);
}
END_TEST

START_TEST(a_direct_handle_on_an_empty_reader)
{
    DWORD protocol;
    pull();
    ck_assert_int_eq(SCardConnect(context, reader, SCARD_SHARE_DIRECT, 0, &handle, &protocol),
                     SCARD_S_SUCCESS);
    ck_assert_int_eq(scardmanage_attach_by_handle(m, handle), SCARDMANAGE_S_OK);
    assert_status(SCARDMANAGE_S_OK, SCARDMANAGE_STATE_ABSENT, 0);
    ck_assert_int_eq(scardmanage_reconnect(m), SCARDMANAGE_E_NO_SMARTCARD);
    put_back();
    ck_assert_int_eq(reconnect_with(DEFAULTS), SCARDMANAGE_S_OK);
    ck_assert_int_eq(reported.verdict, SCARDMANAGE_VERDICT_FIRST);
    assert_count(1);
}
END_TEST

START_TEST(a_reader_in_exclusive_use)
{
    connect_handle(SCARD_SHARE_EXCLUSIVE);
    ck_assert_int_eq(scardmanage_attach_by_ifd(m, reader), SCARDMANAGE_E_SHARING_VIOLATION);
    assert_detached();
}
END_TEST

START_TEST(a_handle_whose_card_was_reset)
{
    size_t length = 0;
    other_connects();
    connect_handle(SCARD_SHARE_SHARED);
    other_resets();
    ck_assert_int_eq(scardmanage_attach_by_handle(m, handle), SCARDMANAGE_S_OK);
    assert_refuses(SCARDMANAGE_W_RESET_CARD);
    assert_status(SCARDMANAGE_W_RESET_CARD, SCARDMANAGE_STATE_UNKNOWN, 0);
    ck_assert_int_eq(scardmanage_get_reader(m, NULL, &length), SCARDMANAGE_W_RESET_CARD);
    assert_reconnects(DEFAULTS, SCARDMANAGE_VERDICT_RESET, SCARDMANAGE_STEP_LEAVE, SCARDMANAGE_LOCK_NONE);
    ck_assert_uint_eq(reported.old_atr_len, 0);
    ck_assert_int_eq(scardmanage_get_reader(m, NULL, &length), SCARDMANAGE_S_OK);
    assert_count(1);
    pull(); /* and it is a full attachment */
    put_back();
    assert_reconnects(DEFAULTS, SCARDMANAGE_VERDICT_REINSERTED, SCARDMANAGE_STEP_LEAVE,
                      SCARDMANAGE_LOCK_NONE);
}
END_TEST

START_TEST(a_handle_whose_card_was_removed)
{
    connect_handle(SCARD_SHARE_SHARED);
    pull();
    put_back();
    ck_assert_int_eq(scardmanage_attach_by_handle(m, handle), SCARDMANAGE_S_OK);
    assert_refuses(SCARDMANAGE_W_REMOVED_CARD);
    ck_assert_int_eq(scardmanage_reconnect(m), SCARDMANAGE_W_REMOVED_CARD); /* never seen: may be any card */
    assert_reconnects(OPTIONS(.accept_other_card = 1), SCARDMANAGE_VERDICT_DIFFERENT, SCARDMANAGE_STEP_LEAVE,
                      SCARDMANAGE_LOCK_NONE);
    assert_count(1);
}
END_TEST

/*
 * Options
 */

START_TEST(options_that_are_refused)
{
    scardmanage_options wrong[] = {
        OPTIONS(.first_step = SCARDMANAGE_STEP_COLD, .last_step = SCARDMANAGE_STEP_WARM),
        OPTIONS(.first_step = SCARDMANAGE_STEP_RESTART, .last_step = SCARDMANAGE_STEP_RESTART),
        OPTIONS(.first_step = (scardmanage_step)77),
        OPTIONS(.last_step = (scardmanage_step)77),
        OPTIONS(.last_step = (scardmanage_step)-1),
        OPTIONS(.protocols = 8),
        OPTIONS(.protocols = SCARDMANAGE_PROTOCOL_RAW | SCARDMANAGE_PROTOCOL_T0),
        OPTIONS(.share = (scardmanage_share)3),
        OPTIONS(.share = (scardmanage_share)-1),
    };
    struct {
        scardmanage_options options;
        int unknown;
    } later = {.options = {.size = sizeof later}, .unknown = 1};
    scardmanage_options small = {.size = offsetof(scardmanage_options, timeout_ms) - 1};
    scardmanage_options huge = {.size = SIZE_MAX};
    attach(_i);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        wrong[i].size = sizeof wrong[i];
        ck_assert_int_eq(scardmanage_set_options(m, &wrong[i]), SCARDMANAGE_E_INVALIDARG);
        ck_assert_int_eq(reconnect_with(wrong[i]), SCARDMANAGE_E_INVALIDARG);
    }
    ck_assert_int_eq(scardmanage_set_options(m, &small), SCARDMANAGE_E_INVALIDARG);
    ck_assert_int_eq(scardmanage_set_options(m, &huge), SCARDMANAGE_E_INVALIDARG);
    ck_assert_int_eq(scardmanage_set_options(m, &later.options), SCARDMANAGE_E_INVALIDARG);
    later.unknown = 0;
    ck_assert_int_eq(scardmanage_set_options(m, &later.options), SCARDMANAGE_S_OK);
    ck_assert_int_eq(scardmanage_set_options(m, NULL), SCARDMANAGE_S_OK);
    scardmanage_result reopen = _i == BY_HANDLE ? SCARDMANAGE_E_INVALIDARG : SCARDMANAGE_S_OK;
    ck_assert_int_eq(reconnect_with(OPTIONS(.first_step = SCARDMANAGE_STEP_REOPEN)), reopen);
    assert_count(1);
}
END_TEST

/* Programs that were built with an older and with a newer header. */
START_TEST(structs_of_other_versions)
{
    enum { FIRST_REPORT = offsetof(scardmanage_report, new_atr) + SCARDMANAGE_ATR_MAX };
    scardmanage_options older = {.size = offsetof(scardmanage_options, timeout_ms),
                                 .protocols = SCARDMANAGE_PROTOCOL_T0,
                                 .timeout_ms = 77};
    struct {
        scardmanage_report report;
        uint8_t more[8];
    } larger;
    uint8_t *bytes = (uint8_t *)&larger;
    const size_t sizes[] = {FIRST_REPORT, sizeof(scardmanage_report), sizeof larger};
    attach(_i);
    ck_assert_int_eq(scardmanage_set_options(m, &older), SCARDMANAGE_S_OK);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        memset(&larger, 0xA5, sizeof larger);
        larger.report.size = sizes[i];
        ck_assert_int_eq(scardmanage_reconnect_ex(m, &older, &larger.report), SCARDMANAGE_S_OK);
        ck_assert_uint_eq(larger.report.size, sizes[i]);
        ck_assert_uint_eq(larger.report.new_protocol, SCARDMANAGE_PROTOCOL_T0);
        ck_assert_mem_eq(larger.report.new_atr, two_protocols_atr, sizeof two_protocols_atr);
        for (size_t at = sizes[i]; at < sizeof larger; at++)
            ck_assert_uint_eq(bytes[at], 0xA5);
        for (size_t at = sizeof larger.report; at < sizes[i]; at++)
            ck_assert_uint_eq(bytes[at], 0);
    }
    larger.report.size = FIRST_REPORT - 1;
    ck_assert_int_eq(scardmanage_reconnect_ex(m, NULL, &larger.report), SCARDMANAGE_E_INVALIDARG);
    larger.report.size = SIZE_MAX;
    ck_assert_int_eq(scardmanage_reconnect_ex(m, NULL, &larger.report), SCARDMANAGE_E_INVALIDARG);
}
END_TEST

START_TEST(options_of_the_object)
{
    scardmanage_options options = SCARDMANAGE_OPTIONS_INIT;
    options.accept_other_card = 1;
    options.protocols = SCARDMANAGE_PROTOCOL_T0;
    attach(_i);
    ck_assert_int_eq(scardmanage_set_options(m, &options), SCARDMANAGE_S_OK);
    ck_assert_int_eq(scardmanage_reconnect(m), SCARDMANAGE_S_OK);
    assert_status(SCARDMANAGE_S_OK, SCARDMANAGE_STATE_SPECIFIC, SCARDMANAGE_PROTOCOL_T0);
    put("t0-only.lua");
    ck_assert_int_eq(scardmanage_reconnect(m), SCARDMANAGE_S_OK);
    assert_atr(t0_only_atr, sizeof t0_only_atr);
}
END_TEST

START_TEST(options_for_attaching)
{
    scardmanage_options options = SCARDMANAGE_OPTIONS_INIT;
    DWORD protocol;
    options.share = SCARDMANAGE_SHARE_EXCLUSIVE;
    options.protocols = SCARDMANAGE_PROTOCOL_T0;
    ck_assert_int_eq(scardmanage_set_options(m, &options), SCARDMANAGE_S_OK);
    ck_assert_int_eq(scardmanage_attach_by_ifd(m, reader), SCARDMANAGE_S_OK);
    assert_status(SCARDMANAGE_S_OK, SCARDMANAGE_STATE_SPECIFIC, SCARDMANAGE_PROTOCOL_T0);
    ck_assert_int_eq(SCardConnect(context, reader, SCARD_SHARE_SHARED, ANY, &handle, &protocol),
                     SCARD_E_SHARING_VIOLATION);
    handle = 0;
}
END_TEST

/*
 * Steps and verdicts
 */

START_TEST(unchanged)
{
    other_connects();
    attach(_i);
    assert_count(1);
    for (int i = 0; i < 3; i++) {
        assert_reconnects(DEFAULTS, SCARDMANAGE_VERDICT_UNCHANGED, SCARDMANAGE_STEP_NONE,
                          SCARDMANAGE_LOCK_NONE);
        ck_assert_uint_eq(reported.attempts, 0);
    }
    ck_assert_int_eq(scardmanage_reconnect(m), SCARDMANAGE_S_OK);
    ck_assert_int_eq(other_status(), SCARD_S_SUCCESS);
    assert_count(2);
}
END_TEST

START_TEST(reset_by_another_client)
{
    static const DWORD how[] = {SCARD_RESET_CARD, SCARD_UNPOWER_CARD};
    other_connects();
    attach(_i);
    for (int i = 0; i < 2; i++) {
        assert_count(1);
        ck_assert_int_eq(other_reconnects(how[i]), SCARD_S_SUCCESS);
        assert_refuses(SCARDMANAGE_W_RESET_CARD);
        assert_status(SCARDMANAGE_W_RESET_CARD, SCARDMANAGE_STATE_PRESENT, 0);
        assert_reconnects(DEFAULTS, SCARDMANAGE_VERDICT_RESET, SCARDMANAGE_STEP_LEAVE, SCARDMANAGE_LOCK_NONE);
        ck_assert_uint_eq(reported.attempts, 1);
        ck_assert_uint_eq(reported.old_protocol, SCARDMANAGE_PROTOCOL_T1);
        ck_assert_uint_eq(reported.new_protocol, SCARDMANAGE_PROTOCOL_T1);
    }
    ck_assert_int_eq(other_status(), SCARD_S_SUCCESS); /* acknowledging resets nothing */
    assert_count(1);
}
END_TEST

/* The other client leaves the card without power: acknowledging alone would give a dead card. */
START_TEST(switched_off_by_another_client)
{
    other_connects();
    attach(_i);
    assert_count(1);
    ck_assert_int_eq(SCardDisconnect(other, SCARD_UNPOWER_CARD), SCARD_S_SUCCESS);
    other = 0;
    assert_refuses(SCARDMANAGE_W_RESET_CARD);
    ck_assert_int_eq(reconnect_with(OPTIONS(.last_step = SCARDMANAGE_STEP_LEAVE)) < 0, 1);
    ck_assert_int_eq(reconnect_with(DEFAULTS), SCARDMANAGE_S_OK);
    assert_report(SCARDMANAGE_VERDICT_RESET, SCARDMANAGE_STEP_WARM, SCARDMANAGE_LOCK_NONE);
    assert_count(1);
}
END_TEST

START_TEST(steps_that_are_asked_for)
{
    static const uint8_t which_reset[] = {0x80, 0x14, 0x00, 0x00, 0x04};
    static const struct {
        scardmanage_step step;
        const char *reset;
        const uint8_t *atr;
        size_t length;
        uint32_t protocol;
    } steps[] = {
        {SCARDMANAGE_STEP_COLD, "cold", cold_atr, sizeof cold_atr, SCARDMANAGE_PROTOCOL_T1},
        {SCARDMANAGE_STEP_WARM, "warm", warm_atr, sizeof warm_atr, SCARDMANAGE_PROTOCOL_T0},
        {SCARDMANAGE_STEP_COLD, "cold", cold_atr, sizeof cold_atr, SCARDMANAGE_PROTOCOL_T0},
    };
    put("warm-differs.lua");
    other_connects();
    attach(_i);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        uint8_t response[16];
        size_t length = sizeof response;
        assert_reconnects(OPTIONS(.first_step = steps[i].step, .last_step = steps[i].step),
                          SCARDMANAGE_VERDICT_UNCHANGED, steps[i].step, SCARDMANAGE_LOCK_NONE);
        ck_assert_int_eq(other_status(), SCARD_W_RESET_CARD);
        ck_assert_int_eq(other_reconnects(SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
        assert_atr(steps[i].atr, steps[i].length);
        ck_assert_uint_eq(reported.new_protocol, steps[i].protocol); /* kept while the card offers it */
        ck_assert_int_eq(scardmanage_transmit(m, which_reset, sizeof which_reset, response, &length),
                         SCARDMANAGE_S_OK);
        ck_assert_uint_eq(length, 6);
        ck_assert_mem_eq(response, steps[i].reset, 4);
    }
}
END_TEST

START_TEST(reopening)
{
    other_connects();
    attach(BY_IFD);
    assert_count(1);
    assert_lock();
    assert_reconnects(OPTIONS(.first_step = SCARDMANAGE_STEP_REOPEN), SCARDMANAGE_VERDICT_UNCHANGED,
                      SCARDMANAGE_STEP_REOPEN, SCARDMANAGE_LOCK_REACQUIRED);
    assert_count(2); /* the card is not touched */
    assert_locked_out();
    assert_unlock(SCARDMANAGE_LEAVE);
    assert_free();
}
END_TEST

/* One card may show two ATRs: a warm reset, even by someone else, makes it no other card. */
START_TEST(warm_atr_differs)
{
    put("warm-differs.lua");
    other_connects();
    attach(_i);
    assert_atr(cold_atr, sizeof cold_atr);
    other_resets();
    assert_reconnects(DEFAULTS, SCARDMANAGE_VERDICT_RESET, SCARDMANAGE_STEP_LEAVE, SCARDMANAGE_LOCK_NONE);
    ck_assert_mem_eq(reported.old_atr, cold_atr, sizeof cold_atr);
    ck_assert_mem_eq(reported.new_atr, warm_atr, sizeof warm_atr);
    ck_assert_uint_eq(reported.old_protocol, SCARDMANAGE_PROTOCOL_T1);
    ck_assert_uint_eq(reported.new_protocol, SCARDMANAGE_PROTOCOL_T0);
    pull();
    put_back();
    assert_reconnects(DEFAULTS, SCARDMANAGE_VERDICT_REINSERTED, SCARDMANAGE_STEP_LEAVE,
                      SCARDMANAGE_LOCK_NONE);
    assert_atr(cold_atr, sizeof cold_atr);
}
END_TEST

/* The first ATR seen is the warm one; the cold one is learnt from a reset, before the card shows it when it
 * is back. */
START_TEST(cold_atr_is_learnt)
{
    put("warm-differs.lua");
    other_connects();
    other_resets();
    attach(_i);
    assert_atr(warm_atr, sizeof warm_atr);
    ck_assert_int_eq(other_reconnects(SCARD_UNPOWER_CARD), SCARD_S_SUCCESS);
    ck_assert_int_eq(scardmanage_reconnect(m), SCARDMANAGE_S_OK);
    pull();
    put_back();
    assert_reconnects(DEFAULTS, SCARDMANAGE_VERDICT_REINSERTED, SCARDMANAGE_STEP_LEAVE,
                      SCARDMANAGE_LOCK_NONE);
}
END_TEST

START_TEST(pulled_and_put_back)
{
    attach(_i);
    assert_count(1);
    pull();
    assert_refuses(SCARDMANAGE_W_REMOVED_CARD);
    for (int i = 0; i < 2; i++) {
        assert_status(SCARDMANAGE_S_OK, SCARDMANAGE_STATE_ABSENT, 0);
        ck_assert_int_eq(reconnect_with(DEFAULTS), SCARDMANAGE_E_NO_SMARTCARD);
        assert_report(SCARDMANAGE_VERDICT_ABSENT, SCARDMANAGE_STEP_NONE, SCARDMANAGE_LOCK_NONE);
        ck_assert_uint_eq(reported.attempts, 0);
        assert_refuses(SCARDMANAGE_W_REMOVED_CARD);
    }
    put_back();
    assert_status(SCARDMANAGE_W_REMOVED_CARD, SCARDMANAGE_STATE_PRESENT, 0);
    assert_refuses(SCARDMANAGE_W_REMOVED_CARD);
    assert_reconnects(DEFAULTS, SCARDMANAGE_VERDICT_REINSERTED, SCARDMANAGE_STEP_LEAVE,
                      SCARDMANAGE_LOCK_NONE);
    assert_count(1);
}
END_TEST

START_TEST(another_card)
{
    uint8_t atr[SCARDMANAGE_ATR_MAX];
    size_t length = sizeof atr;
    attach(_i);
    put("t0-only.lua");
    other_connects();
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(reconnect_with(DEFAULTS), SCARDMANAGE_W_REMOVED_CARD);
        assert_report(SCARDMANAGE_VERDICT_DIFFERENT, SCARDMANAGE_STEP_NONE, SCARDMANAGE_LOCK_NONE);
        ck_assert_uint_eq(reported.attempts, 0);
        ck_assert_uint_eq(reported.new_atr_len, sizeof t0_only_atr);
        ck_assert_mem_eq(reported.new_atr, t0_only_atr, sizeof t0_only_atr);
        ck_assert_mem_eq(reported.old_atr, two_protocols_atr, sizeof two_protocols_atr);
        assert_refuses(SCARDMANAGE_W_REMOVED_CARD);
        assert_status(SCARDMANAGE_W_REMOVED_CARD, SCARDMANAGE_STATE_PRESENT, 0);
    }
    ck_assert_int_eq(scardmanage_get_atr(m, atr, &length), SCARDMANAGE_W_REMOVED_CARD);
    ck_assert_mem_eq(atr, t0_only_atr, sizeof t0_only_atr);
    ck_assert_int_eq(other_status(), SCARD_S_SUCCESS); /* untouched */
    assert_reconnects(OPTIONS(.accept_other_card = 1), SCARDMANAGE_VERDICT_DIFFERENT, SCARDMANAGE_STEP_LEAVE,
                      SCARDMANAGE_LOCK_NONE);
    ck_assert_uint_eq(reported.new_protocol, SCARDMANAGE_PROTOCOL_T0);
    put("two-protocols.lua"); /* the one accepted is the one to come back to */
    ck_assert_int_eq(scardmanage_reconnect(m), SCARDMANAGE_W_REMOVED_CARD);
    put("t0-only.lua");
    assert_reconnects(DEFAULTS, SCARDMANAGE_VERDICT_REINSERTED, SCARDMANAGE_STEP_LEAVE,
                      SCARDMANAGE_LOCK_NONE);
}
END_TEST

START_TEST(refused_then_the_right_card)
{
    attach(_i);
    put("t0-only.lua");
    ck_assert_int_eq(scardmanage_reconnect(m), SCARDMANAGE_W_REMOVED_CARD);
    put("two-protocols.lua");
    assert_reconnects(DEFAULTS, SCARDMANAGE_VERDICT_REINSERTED, SCARDMANAGE_STEP_LEAVE,
                      SCARDMANAGE_LOCK_NONE);
    assert_count(1);
}
END_TEST

/* pcscd keeps one event for each handle, the latest: after an exchange, a reset by another client hides the
 * removal. */
START_TEST(another_card_behind_a_reset)
{
    other_connects();
    attach(_i);
    put("t0-only.lua");
    ck_assert_int_eq(other_reconnects(SCARD_RESET_CARD), SCARD_S_SUCCESS);
    assert_refuses(SCARDMANAGE_W_REMOVED_CARD);
    assert_status(SCARDMANAGE_W_REMOVED_CARD, SCARDMANAGE_STATE_PRESENT, 0);
    ck_assert_int_eq(reconnect_with(DEFAULTS), SCARDMANAGE_W_REMOVED_CARD);
    ck_assert_int_eq(reported.verdict, SCARDMANAGE_VERDICT_DIFFERENT);
}
END_TEST

/* The caller helps itself on its own handle. The card is another all the same. */
START_TEST(another_card_that_the_caller_reconnected_to)
{
    DWORD protocol;
    attach(BY_HANDLE);
    put("t0-only.lua");
    ck_assert_int_eq(SCardReconnect(handle, SCARD_SHARE_SHARED, ANY, SCARD_LEAVE_CARD, &protocol),
                     SCARD_S_SUCCESS);
    assert_status(SCARDMANAGE_W_REMOVED_CARD, SCARDMANAGE_STATE_PRESENT, 0);
    ck_assert_int_eq(reconnect_with(DEFAULTS), SCARDMANAGE_W_REMOVED_CARD);
    assert_report(SCARDMANAGE_VERDICT_DIFFERENT, SCARDMANAGE_STEP_NONE, SCARDMANAGE_LOCK_NONE);
    assert_refuses(SCARDMANAGE_W_REMOVED_CARD);
}
END_TEST

/*
 * Protocols
 */

START_TEST(change_of_protocol)
{
    attach(_i);
    assert_count(1);
    for (int i = 0; i < 4; i++) {
        uint32_t protocol = i % 2 == 0 ? SCARDMANAGE_PROTOCOL_T0 : SCARDMANAGE_PROTOCOL_T1;
        ck_assert_int_eq(reconnect_with(OPTIONS(.protocols = protocol, .last_step = SCARDMANAGE_STEP_LEAVE)),
                         SCARDMANAGE_E_PROTO_MISMATCH);
        assert_count(i == 0 ? 2 : 3); /* as it was */
        assert_reconnects(OPTIONS(.protocols = protocol), SCARDMANAGE_VERDICT_UNCHANGED,
                          SCARDMANAGE_STEP_WARM, SCARDMANAGE_LOCK_NONE);
        ck_assert_uint_eq(reported.new_protocol, protocol);
        assert_count(1);
        assert_reconnects(OPTIONS(.protocols = protocol), SCARDMANAGE_VERDICT_UNCHANGED,
                          SCARDMANAGE_STEP_NONE, SCARDMANAGE_LOCK_NONE);
        /* not asked for, it stays */
        assert_reconnects(OPTIONS(.first_step = SCARDMANAGE_STEP_COLD), SCARDMANAGE_VERDICT_UNCHANGED,
                          SCARDMANAGE_STEP_COLD, SCARDMANAGE_LOCK_NONE);
        ck_assert_uint_eq(reported.new_protocol, protocol);
        assert_count(1);
        assert_count(2);
    }
}
END_TEST

START_TEST(a_protocol_the_card_does_not_speak)
{
    put(_i == BY_IFD ? "t0-only.lua" : "t1-only.lua");
    other_connects();
    attach(_i);
    uint32_t other_protocol = _i == BY_IFD ? SCARDMANAGE_PROTOCOL_T1 : SCARDMANAGE_PROTOCOL_T0;
    ck_assert_int_eq(reconnect_with(OPTIONS(.protocols = other_protocol)), SCARDMANAGE_E_PROTO_MISMATCH);
    ck_assert_uint_eq(reported.attempts, 0);
    ck_assert_int_eq(other_status(), SCARD_S_SUCCESS); /* not reset in vain */
    assert_status(SCARDMANAGE_S_OK, SCARDMANAGE_STATE_SPECIFIC, 3 - other_protocol);
}
END_TEST

START_TEST(a_protocol_others_have_chosen)
{
    scardmanage_options options = SCARDMANAGE_OPTIONS_INIT;
    pull();
    ck_assert_int_eq(scardmanage_attach_by_ifd(m, reader), SCARDMANAGE_S_OK);
    put_back();
    other_connects(); /* takes T=1 */
    options.protocols = SCARDMANAGE_PROTOCOL_T0;
    options.last_step = SCARDMANAGE_STEP_LEAVE;
    ck_assert_int_eq(reconnect_with(options), SCARDMANAGE_E_PROTO_MISMATCH);
    ck_assert_int_eq(other_status(), SCARD_S_SUCCESS);
    options.last_step = SCARDMANAGE_STEP_WARM;
    assert_reconnects(options, SCARDMANAGE_VERDICT_FIRST, SCARDMANAGE_STEP_WARM, SCARDMANAGE_LOCK_NONE);
    ck_assert_uint_eq(reported.new_protocol, SCARDMANAGE_PROTOCOL_T0);
}
END_TEST

/*
 * The lock
 */

START_TEST(nested_lock)
{
    other_connects();
    attach(_i);
    ck_assert_int_eq(scardmanage_unlock(m, SCARDMANAGE_LEAVE), SCARDMANAGE_E_NOT_TRANSACTED);
    for (int i = 0; i < 3; i++) {
        assert_lock();
        assert_locked_out();
    }
    ck_assert_int_eq(scardmanage_unlock(m, (scardmanage_disposition)4), SCARDMANAGE_E_INVALIDARG);
    ck_assert_int_eq(scardmanage_unlock(m, (scardmanage_disposition)-1), SCARDMANAGE_E_INVALIDARG);
    assert_unlock(SCARDMANAGE_LEAVE);
    assert_unlock(SCARDMANAGE_LEAVE);
    assert_locked_out();
    assert_count(1);
    assert_unlock(SCARDMANAGE_LEAVE);
    assert_free();
    ck_assert_int_eq(scardmanage_unlock(m, SCARDMANAGE_LEAVE), SCARDMANAGE_E_NOT_TRANSACTED);
    assert_count(2);
}
END_TEST

START_TEST(lock_survives_reconnecting)
{
    other_connects();
    attach(_i);
    assert_lock();
    assert_lock();
    for (int i = 0; i < 30; i++) {
        scardmanage_step step = (scardmanage_step)(SCARDMANAGE_STEP_LEAVE + i % 3);
        uint32_t protocol = i % 5 == 0 ? SCARDMANAGE_PROTOCOL_T0 : 0;
        ck_assert_int_eq(reconnect_with(OPTIONS(.first_step = step, .protocols = protocol)),
                         SCARDMANAGE_S_OK);
        ck_assert_int_eq(reported.lock, SCARDMANAGE_LOCK_KEPT);
        assert_locked_out();
    }
    assert_unlock(SCARDMANAGE_LEAVE);
    assert_locked_out();
    assert_unlock(SCARDMANAGE_LEAVE);
    assert_free();
}
END_TEST

START_TEST(lock_returns_with_the_card)
{
    other_connects();
    attach(_i);
    assert_lock();
    assert_lock();
    for (int i = 0; i < 3; i++) {
        pull();
        ck_assert_int_eq(reconnect_with(DEFAULTS), SCARDMANAGE_E_NO_SMARTCARD);
        ck_assert_int_eq(reported.lock, SCARDMANAGE_LOCK_LOST);
        put_back();
        assert_refuses(SCARDMANAGE_W_REMOVED_CARD); /* nothing goes out unlocked */
        assert_reconnects(DEFAULTS, SCARDMANAGE_VERDICT_REINSERTED, SCARDMANAGE_STEP_LEAVE,
                          SCARDMANAGE_LOCK_REACQUIRED);
        assert_locked_out();
        assert_reconnects(OPTIONS(.first_step = SCARDMANAGE_STEP_WARM), SCARDMANAGE_VERDICT_UNCHANGED,
                          SCARDMANAGE_STEP_WARM, SCARDMANAGE_LOCK_KEPT);
    }
    assert_unlock(SCARDMANAGE_LEAVE);
    assert_locked_out();
    assert_unlock(SCARDMANAGE_LEAVE);
    assert_free();
}
END_TEST

START_TEST(lock_and_another_card)
{
    other_connects();
    attach(_i);
    assert_lock();
    put("t0-only.lua");
    ck_assert_int_eq(reconnect_with(DEFAULTS), SCARDMANAGE_W_REMOVED_CARD);
    ck_assert_int_eq(reported.lock, SCARDMANAGE_LOCK_LOST);
    assert_free(); /* a card that was not accepted is not locked */
    assert_reconnects(OPTIONS(.accept_other_card = 1), SCARDMANAGE_VERDICT_DIFFERENT, SCARDMANAGE_STEP_LEAVE,
                      SCARDMANAGE_LOCK_REACQUIRED);
    assert_locked_out();
    assert_unlock(SCARDMANAGE_LEAVE);
    assert_free();
}
END_TEST

START_TEST(unlocking_after_the_card_left)
{
    other_connects();
    attach(_i);
    assert_lock();
    pull();
    put_back();
    ck_assert_int_eq(scardmanage_unlock(m, SCARDMANAGE_RESET), SCARDMANAGE_W_REMOVED_CARD);
    ck_assert_int_eq(scardmanage_unlock(m, SCARDMANAGE_LEAVE), SCARDMANAGE_E_NOT_TRANSACTED);
    assert_reconnects(DEFAULTS, SCARDMANAGE_VERDICT_REINSERTED, SCARDMANAGE_STEP_LEAVE,
                      SCARDMANAGE_LOCK_NONE);
    assert_free();
}
END_TEST

START_TEST(unlocking_between_loss_and_return)
{
    other_connects();
    attach(_i);
    assert_lock();
    assert_lock();
    pull();
    ck_assert_int_eq(scardmanage_reconnect(m), SCARDMANAGE_E_NO_SMARTCARD);
    assert_unlock(SCARDMANAGE_LEAVE);
    ck_assert_int_eq(scardmanage_unlock(m, SCARDMANAGE_LEAVE), SCARDMANAGE_W_REMOVED_CARD);
    put_back();
    assert_reconnects(DEFAULTS, SCARDMANAGE_VERDICT_REINSERTED, SCARDMANAGE_STEP_LEAVE,
                      SCARDMANAGE_LOCK_NONE);
    assert_free();
}
END_TEST

START_TEST(unlock_with_reset)
{
    static const scardmanage_disposition how[] = {SCARDMANAGE_RESET, SCARDMANAGE_UNPOWER};
    other_connects();
    attach(_i);
    for (int i = 0; i < 2; i++) {
        assert_lock();
        assert_count(1);
        assert_unlock(how[i]);
        ck_assert_int_eq(other_status(), SCARD_W_RESET_CARD); /* the others are told, we know */
        assert_free();
        assert_status(SCARDMANAGE_S_OK, SCARDMANAGE_STATE_SPECIFIC, SCARDMANAGE_PROTOCOL_T1);
        assert_count(1);
        assert_reconnects(OPTIONS(.first_step = SCARDMANAGE_STEP_WARM), SCARDMANAGE_VERDICT_UNCHANGED,
                          SCARDMANAGE_STEP_WARM, SCARDMANAGE_LOCK_NONE);
    }
    /* the strongest of nested dispositions, when the last is released */
    assert_lock();
    assert_lock();
    assert_count(1);
    assert_unlock(SCARDMANAGE_RESET);
    assert_count(2);
    assert_unlock(SCARDMANAGE_LEAVE);
    assert_count(1);
    assert_lock();
    assert_unlock(SCARDMANAGE_LEAVE); /* and it is not remembered any longer */
    assert_count(2);
    assert_lock();
    assert_unlock(SCARDMANAGE_RESET);
    ck_assert_int_eq(other_reconnects(SCARD_RESET_CARD), SCARD_S_SUCCESS);
    assert_refuses(SCARDMANAGE_W_RESET_CARD); /* a later reset by the other is told */
}
END_TEST

START_TEST(unlock_with_reset_and_another_atr)
{
    put("warm-differs.lua");
    attach(_i);
    assert_lock();
    assert_unlock(SCARDMANAGE_RESET);
    assert_atr(warm_atr, sizeof warm_atr);
    assert_status(SCARDMANAGE_S_OK, SCARDMANAGE_STATE_SPECIFIC, SCARDMANAGE_PROTOCOL_T0);
}
END_TEST

START_TEST(unlock_with_eject)
{
    other_connects();
    attach(_i);
    assert_lock();
    scardmanage_result result = scardmanage_unlock(m, SCARDMANAGE_EJECT);
    ck_assert(result == SCARDMANAGE_S_OK || result == SCARDMANAGE_E_CANT_DISPOSE);
    ck_assert_int_eq(scardmanage_unlock(m, SCARDMANAGE_LEAVE), SCARDMANAGE_E_NOT_TRANSACTED);
    assert_free();
}
END_TEST

/* A reset that failed half-way leaves an event on our handle, and pcscd does not end its transaction then. */
START_TEST(unlock_with_an_event_pending)
{
    put("warm-differs.lua");
    other_connects();
    attach(_i);
    assert_lock();
    ck_assert_int_eq(
        reconnect_with(OPTIONS(.first_step = SCARDMANAGE_STEP_WARM, .last_step = SCARDMANAGE_STEP_WARM,
                               .protocols = SCARDMANAGE_PROTOCOL_T1)),
        SCARDMANAGE_E_PROTO_MISMATCH);
    ck_assert_int_eq(reported.lock, SCARDMANAGE_LOCK_KEPT);
    assert_locked_out();
    assert_refuses(SCARDMANAGE_W_RESET_CARD);
    ck_assert_int_eq(scardmanage_unlock(m, SCARDMANAGE_LEAVE), SCARDMANAGE_W_RESET_CARD);
    assert_free();
    assert_refuses(SCARDMANAGE_W_RESET_CARD); /* also told when it was taken off the handle */
    assert_reconnects(DEFAULTS, SCARDMANAGE_VERDICT_RESET, SCARDMANAGE_STEP_LEAVE, SCARDMANAGE_LOCK_NONE);
    /* and cold it speaks T=1 */
    assert_reconnects(OPTIONS(.protocols = SCARDMANAGE_PROTOCOL_T1), SCARDMANAGE_VERDICT_UNCHANGED,
                      SCARDMANAGE_STEP_COLD, SCARDMANAGE_LOCK_NONE);
}
END_TEST

/*
 * Mute cards
 */

START_TEST(a_mute_card_in_the_reader)
{
    put_card_that_falls_silent("cold");
    ck_assert_int_eq(scardmanage_attach_by_ifd(m, reader), SCARDMANAGE_S_OK);
    assert_status(SCARDMANAGE_S_OK, SCARDMANAGE_STATE_SWALLOWED, 0);
    assert_refuses(SCARDMANAGE_E_NO_SMARTCARD);
    ck_assert_int_eq(reconnect_with(DEFAULTS), SCARDMANAGE_W_UNPOWERED_CARD);
    assert_report(SCARDMANAGE_VERDICT_FIRST, SCARDMANAGE_STEP_REOPEN, SCARDMANAGE_LOCK_NONE);
    put("two-protocols.lua");
    assert_reconnects(DEFAULTS, SCARDMANAGE_VERDICT_FIRST, SCARDMANAGE_STEP_REOPEN, SCARDMANAGE_LOCK_NONE);
    assert_count(1);
}
END_TEST

START_TEST(a_card_that_falls_silent)
{
    put_card_that_falls_silent("warm");
    other_connects();
    attach(_i);
    assert_lock();
    scardmanage_result result = reconnect_with(OPTIONS(.first_step = SCARDMANAGE_STEP_WARM));
    if (_i == BY_HANDLE) {
        ck_assert_int_eq(result, SCARDMANAGE_W_UNRESPONSIVE_CARD);
        assert_report(SCARDMANAGE_VERDICT_UNCHANGED, SCARDMANAGE_STEP_COLD, SCARDMANAGE_LOCK_KEPT);
        assert_refuses(SCARDMANAGE_W_RESET_CARD);
        assert_status(SCARDMANAGE_W_RESET_CARD, SCARDMANAGE_STATE_SWALLOWED, 0);
    } else {
        ck_assert_int_eq(result, SCARDMANAGE_W_UNPOWERED_CARD);
        assert_report(SCARDMANAGE_VERDICT_UNCHANGED, SCARDMANAGE_STEP_REOPEN, SCARDMANAGE_LOCK_LOST);
        assert_refuses(SCARDMANAGE_E_NO_SMARTCARD);
        assert_status(SCARDMANAGE_W_RESET_CARD, SCARDMANAGE_STATE_PRESENT, 0);
    }
    pull();
    put_back();
    assert_reconnects(DEFAULTS, SCARDMANAGE_VERDICT_REINSERTED,
                      _i == BY_HANDLE ? SCARDMANAGE_STEP_LEAVE : SCARDMANAGE_STEP_REOPEN,
                      SCARDMANAGE_LOCK_REACQUIRED);
    assert_count(1);
    assert_locked_out();
    assert_unlock(SCARDMANAGE_LEAVE);
    assert_free();
}
END_TEST

START_TEST(a_card_that_falls_silent_when_unlocked)
{
    put_card_that_falls_silent("warm");
    other_connects();
    attach(_i);
    assert_lock();
    ck_assert_int_eq(scardmanage_unlock(m, SCARDMANAGE_RESET), SCARDMANAGE_W_UNRESPONSIVE_CARD);
    ck_assert_int_eq(other_status(), SCARD_W_RESET_CARD); /* not locked out */
    ck_assert_int_eq(scardmanage_unlock(m, SCARDMANAGE_LEAVE), SCARDMANAGE_E_NOT_TRANSACTED);
    assert_refuses(SCARDMANAGE_W_RESET_CARD);
    pull();
    put_back();
    assert_reconnects(DEFAULTS, SCARDMANAGE_VERDICT_REINSERTED, SCARDMANAGE_STEP_LEAVE,
                      SCARDMANAGE_LOCK_NONE);
    assert_free();
}
END_TEST

/* pcscd does not end the transaction of a handle whose card was reset and fell silent; only closing the
 * handle does. */
START_TEST(unlocking_a_card_that_fell_silent)
{
    put_card_that_falls_silent("warm");
    other_connects();
    attach(_i);
    assert_lock();
    scardmanage_options options =
        OPTIONS(.first_step = SCARDMANAGE_STEP_WARM, .last_step = SCARDMANAGE_STEP_WARM);
    ck_assert_int_eq(reconnect_with(options), SCARDMANAGE_W_UNRESPONSIVE_CARD);
    ck_assert_int_eq(scardmanage_unlock(m, SCARDMANAGE_LEAVE), SCARDMANAGE_W_UNRESPONSIVE_CARD);
    if (_i == BY_IFD)
        ck_assert_int_eq(other_status(), SCARD_W_RESET_CARD);
    else
        ck_assert_int_eq(scardmanage_detach(m), SCARDMANAGE_W_UNRESPONSIVE_CARD);
    pull();
    put_back();
    if (_i == BY_IFD)
        assert_reconnects(DEFAULTS, SCARDMANAGE_VERDICT_REINSERTED, SCARDMANAGE_STEP_REOPEN,
                          SCARDMANAGE_LOCK_NONE);
    assert_free();
}
END_TEST

/*
 * Exclusive use
 */

#define EXCLUSIVE OPTIONS(.share = SCARDMANAGE_SHARE_EXCLUSIVE)
#define SHARED    OPTIONS(.share = SCARDMANAGE_SHARE_SHARED)

static void assert_others_shut_out(void)
{
    DWORD protocol;
    ck_assert_int_eq(SCardConnect(other_context, reader, SCARD_SHARE_SHARED, ANY, &other, &protocol),
                     SCARD_E_SHARING_VIOLATION);
    other = 0;
}

/* pcsc-lite's own reconnect from exclusive to shared leaves the reader locked for ever. */
START_TEST(exclusive_and_shared_again)
{
    attach(_i);
    assert_count(1);
    for (int i = 0; i < 3; i++) {
        assert_reconnects(EXCLUSIVE, SCARDMANAGE_VERDICT_UNCHANGED, SCARDMANAGE_STEP_LEAVE,
                          SCARDMANAGE_LOCK_NONE);
        assert_others_shut_out();
        assert_reconnects(DEFAULTS, SCARDMANAGE_VERDICT_UNCHANGED, SCARDMANAGE_STEP_NONE,
                          SCARDMANAGE_LOCK_NONE);
        assert_others_shut_out();
        assert_lock();
        assert_unlock(SCARDMANAGE_LEAVE);
        assert_reconnects(SHARED, SCARDMANAGE_VERDICT_UNCHANGED, SCARDMANAGE_STEP_LEAVE,
                          SCARDMANAGE_LOCK_NONE);
        other_connects();
        assert_free();
        other_leaves();
    }
    assert_count(2);
}
END_TEST

START_TEST(exclusive_and_locked)
{
    attach(_i);
    assert_lock();
    for (int i = 0; i < 3; i++) {
        assert_reconnects(EXCLUSIVE, SCARDMANAGE_VERDICT_UNCHANGED, SCARDMANAGE_STEP_LEAVE,
                          SCARDMANAGE_LOCK_KEPT);
        assert_others_shut_out();
        assert_reconnects(OPTIONS(.share = SCARDMANAGE_SHARE_SHARED, .first_step = SCARDMANAGE_STEP_WARM),
                          SCARDMANAGE_VERDICT_UNCHANGED, SCARDMANAGE_STEP_WARM, SCARDMANAGE_LOCK_KEPT);
    }
    assert_unlock(SCARDMANAGE_LEAVE);
    other_connects();
    assert_free();
}
END_TEST

START_TEST(exclusive_lock_and_a_card_that_was_out)
{
    attach(_i);
    assert_reconnects(EXCLUSIVE, SCARDMANAGE_VERDICT_UNCHANGED, SCARDMANAGE_STEP_LEAVE,
                      SCARDMANAGE_LOCK_NONE);
    assert_lock();
    pull();
    put_back();
    assert_reconnects(DEFAULTS, SCARDMANAGE_VERDICT_REINSERTED, SCARDMANAGE_STEP_LEAVE,
                      SCARDMANAGE_LOCK_REACQUIRED);
    assert_others_shut_out();
    assert_unlock(SCARDMANAGE_LEAVE);
    assert_lock();
    assert_unlock(SCARDMANAGE_RESET);
    assert_reconnects(SHARED, SCARDMANAGE_VERDICT_UNCHANGED, SCARDMANAGE_STEP_LEAVE, SCARDMANAGE_LOCK_NONE);
    other_connects();
    assert_free();
}
END_TEST

START_TEST(exclusive_use_that_others_prevent)
{
    other_connects();
    attach(_i);
    assert_count(1);
    ck_assert_int_eq(reconnect_with(EXCLUSIVE), SCARDMANAGE_E_SHARING_VIOLATION);
    ck_assert_int_eq(other_status(), SCARD_S_SUCCESS);
    assert_count(2); /* as it was */
    assert_free();
    /* the same after a reset of our own: that is told */
    ck_assert_int_eq(
        reconnect_with(OPTIONS(.share = SCARDMANAGE_SHARE_EXCLUSIVE, .first_step = SCARDMANAGE_STEP_WARM)),
        SCARDMANAGE_E_SHARING_VIOLATION);
    assert_refuses(SCARDMANAGE_W_RESET_CARD);
    assert_reconnects(DEFAULTS, SCARDMANAGE_VERDICT_RESET, SCARDMANAGE_STEP_LEAVE, SCARDMANAGE_LOCK_NONE);
    assert_count(1);
}
END_TEST

START_TEST(a_handle_in_exclusive_use)
{
    connect_handle(SCARD_SHARE_EXCLUSIVE);
    ck_assert_int_eq(scardmanage_attach_by_handle(m, handle), SCARDMANAGE_S_OK);
    assert_reconnects(OPTIONS(.first_step = SCARDMANAGE_STEP_WARM), SCARDMANAGE_VERDICT_UNCHANGED,
                      SCARDMANAGE_STEP_WARM, SCARDMANAGE_LOCK_NONE);
    assert_others_shut_out(); /* its share mode is kept */
    assert_lock();
    assert_unlock(SCARDMANAGE_LEAVE);
    ck_assert_int_eq(scardmanage_detach(m), SCARDMANAGE_S_OK);
    assert_others_shut_out();
}
END_TEST

/*
 * Waiting, and threads. Here libpcsclite waits for other clients, as it does by default.
 */

static atomic_int other_is_in;

static void *other_takes_the_lock(void *nothing)
{
    (void)nothing;
    LONG rv;
    do { /* its handle hears of our resets, too */
        DWORD protocol;
        rv = SCardReconnect(other, SCARD_SHARE_SHARED, ANY, SCARD_LEAVE_CARD, &protocol);
        if (rv == SCARD_S_SUCCESS)
            rv = SCardBeginTransaction(other);
    } while (rv == SCARD_W_RESET_CARD || rv == SCARD_W_REMOVED_CARD || rv == SCARD_E_NO_SMARTCARD);
    if (rv == SCARD_S_SUCCESS)
        atomic_store(&other_is_in, 1);
    return NULL;
}

START_TEST(nobody_comes_between)
{
    pthread_t thread;
    other_connects();
    attach(_i);
    assert_lock();
    ck_assert_int_eq(pthread_create(&thread, NULL, other_takes_the_lock, NULL), 0);
    for (int i = 0; i < 40; i++) {
        scardmanage_step step = i % 2 == 0 ? SCARDMANAGE_STEP_WARM : SCARDMANAGE_STEP_COLD;
        ck_assert_int_eq(reconnect_with(OPTIONS(.first_step = step)), SCARDMANAGE_S_OK);
        ck_assert_int_eq(reported.lock, SCARDMANAGE_LOCK_KEPT);
        usleep(10000);
        ck_assert_int_eq(atomic_load(&other_is_in), 0);
        assert_count(1);
    }
    assert_unlock(SCARDMANAGE_LEAVE);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(atomic_load(&other_is_in), 1);
    ck_assert_int_eq(SCardEndTransaction(other, SCARD_LEAVE_CARD), SCARD_S_SUCCESS);
    assert_count(2);
}
END_TEST

static void *other_unlocks_later(void *nothing)
{
    (void)nothing;
    usleep(300000);
    atomic_store(&other_is_in, 0);
    SCardEndTransaction(other, SCARD_LEAVE_CARD);
    return NULL;
}

START_TEST(lock_waits_for_its_turn)
{
    pthread_t thread;
    other_connects();
    attach(_i);
    ck_assert_int_eq(SCardBeginTransaction(other), SCARD_S_SUCCESS);
    atomic_store(&other_is_in, 1);
    ck_assert_int_eq(pthread_create(&thread, NULL, other_unlocks_later, NULL), 0);
    assert_lock();
    ck_assert_int_eq(atomic_load(&other_is_in), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    assert_unlock(SCARDMANAGE_LEAVE);
    assert_free();
}
END_TEST

static void *uses_the_card(void *nothing)
{
    (void)nothing;
    for (int i = 0; i < 100; i++) {
        scardmanage_state state;
        uint32_t protocol;
        unsigned number;
        if (scardmanage_lock(m) != SCARDMANAGE_S_OK || count(&number) != SCARDMANAGE_S_OK ||
            scardmanage_status(m, &state, &protocol) != SCARDMANAGE_S_OK ||
            scardmanage_reconnect(m) != SCARDMANAGE_S_OK ||
            scardmanage_unlock(m, SCARDMANAGE_LEAVE) != SCARDMANAGE_S_OK)
            return &other_is_in;
    }
    return NULL;
}

START_TEST(several_threads_on_one_object)
{
    pthread_t threads[4];
    void *failed;
    other_connects();
    attach(_i);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, uses_the_card, NULL), 0);
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(pthread_join(threads[i], &failed), 0);
        ck_assert_ptr_null(failed);
    }
    assert_free();
    assert_count(401);
}
END_TEST

/*
 */

START_TEST(transmit_checks_its_buffers)
{
    uint8_t command[] = {0x00, 0x84, 0x00, 0x00, 0x08};
    uint8_t response[10];
    size_t length = sizeof response;
    attach(_i);
    ck_assert_int_eq(scardmanage_transmit(m, command, 0, response, &length), SCARDMANAGE_E_INVALIDARG);
    length = 1;
    ck_assert_int_eq(scardmanage_transmit(m, command, sizeof command, response, &length),
                     SCARDMANAGE_E_INSUFFICIENT_BUFFER);
    length = 9;
    ck_assert_int_eq(scardmanage_transmit(m, command, sizeof command, response, &length),
                     SCARDMANAGE_E_INSUFFICIENT_BUFFER);
    ck_assert_uint_eq(length, 0);
    length = 10;
    ck_assert_int_eq(scardmanage_transmit(m, command, sizeof command, response, &length), SCARDMANAGE_S_OK);
    ck_assert_uint_eq(length, 10);
    uint8_t atr[4];
    length = sizeof atr;
    ck_assert_int_eq(scardmanage_get_atr(m, atr, &length), SCARDMANAGE_E_INSUFFICIENT_BUFFER);
    ck_assert_uint_eq(length, sizeof two_protocols_atr);
}
END_TEST

START_TEST(words)
{
    ck_assert_str_eq(scardmanage_strerror(SCARDMANAGE_S_OK), "success");
    ck_assert_str_eq(scardmanage_strerror(SCARDMANAGE_W_RESET_CARD), "the card was reset");
    ck_assert_str_eq(scardmanage_strerror(SCARDMANAGE_RESULT(SCARD_W_REMOVED_CARD)), "the card was removed");
    ck_assert_str_eq(scardmanage_strerror(SCARDMANAGE_E_INVALIDARG), "invalid argument");
    ck_assert_str_eq(scardmanage_strerror(-1), "unknown error");
    ck_assert_str_eq(scardmanage_step_name((scardmanage_step)99), "unknown");
    ck_assert_str_eq(scardmanage_verdict_name((scardmanage_verdict)-1), "unknown");
    ck_assert_str_eq(scardmanage_protocol_name(SCARDMANAGE_PROTOCOL_T1), "T=1");
}
END_TEST

static TCase *new_case(Suite *suite, const char *name, SFun set_up)
{
    TCase *tcase = tcase_create(name);
    tcase_add_checked_fixture(tcase, set_up, teardown);
    tcase_set_timeout(tcase, 200);
    suite_add_tcase(suite, tcase);
    return tcase;
}

#define BOTH_WAYS(tcase, test) tcase_add_loop_test(tcase, test, 0, WAYS)

static Suite *scardmanage_suite(void)
{
    Suite *suite = suite_create("scardmanage");
    TCase *attaching = new_case(suite, "attaching", setup);
    tcase_add_test(attaching, null_pointers);
    tcase_add_test(attaching, what_cannot_be_attached);
    BOTH_WAYS(attaching, attaches_and_detaches);
    BOTH_WAYS(attaching, detaching_releases_the_lock);
    BOTH_WAYS(attaching, freeing_releases_the_lock);
    tcase_add_test(attaching, an_empty_reader);
    tcase_add_test(attaching, a_direct_handle_on_an_empty_reader);
    tcase_add_test(attaching, a_reader_in_exclusive_use);
    tcase_add_test(attaching, a_handle_whose_card_was_reset);
    tcase_add_test(attaching, a_handle_whose_card_was_removed);
    BOTH_WAYS(attaching, transmit_checks_its_buffers);
    tcase_add_test(attaching, words);

    TCase *options = new_case(suite, "options", setup);
    BOTH_WAYS(options, options_that_are_refused);
    BOTH_WAYS(options, structs_of_other_versions);
    BOTH_WAYS(options, options_of_the_object);
    tcase_add_test(options, options_for_attaching);

    TCase *steps = new_case(suite, "steps and verdicts", setup);
    BOTH_WAYS(steps, unchanged);
    BOTH_WAYS(steps, reset_by_another_client);
    BOTH_WAYS(steps, switched_off_by_another_client);
    BOTH_WAYS(steps, steps_that_are_asked_for);
    tcase_add_test(steps, reopening);
    BOTH_WAYS(steps, warm_atr_differs);
    BOTH_WAYS(steps, cold_atr_is_learnt);
    BOTH_WAYS(steps, pulled_and_put_back);
    BOTH_WAYS(steps, another_card);
    BOTH_WAYS(steps, refused_then_the_right_card);
    BOTH_WAYS(steps, another_card_behind_a_reset);
    tcase_add_test(steps, another_card_that_the_caller_reconnected_to);
    BOTH_WAYS(steps, change_of_protocol);
    BOTH_WAYS(steps, a_protocol_the_card_does_not_speak);
    tcase_add_test(steps, a_protocol_others_have_chosen);

    TCase *lock = new_case(suite, "lock", setup);
    BOTH_WAYS(lock, nested_lock);
    BOTH_WAYS(lock, lock_survives_reconnecting);
    BOTH_WAYS(lock, lock_returns_with_the_card);
    BOTH_WAYS(lock, lock_and_another_card);
    BOTH_WAYS(lock, unlocking_after_the_card_left);
    BOTH_WAYS(lock, unlocking_between_loss_and_return);
    BOTH_WAYS(lock, unlock_with_reset);
    BOTH_WAYS(lock, unlock_with_reset_and_another_atr);
    BOTH_WAYS(lock, unlock_with_eject);
    BOTH_WAYS(lock, unlock_with_an_event_pending);
    BOTH_WAYS(lock, exclusive_and_shared_again);
    BOTH_WAYS(lock, exclusive_and_locked);
    BOTH_WAYS(lock, exclusive_lock_and_a_card_that_was_out);
    BOTH_WAYS(lock, exclusive_use_that_others_prevent);
    tcase_add_test(lock, a_handle_in_exclusive_use);

    TCase *mute = new_case(suite, "mute cards", setup);
    tcase_add_test(mute, a_mute_card_in_the_reader);
    BOTH_WAYS(mute, a_card_that_falls_silent);
    tcase_add_loop_test(mute, a_card_that_falls_silent_when_unlocked, BY_HANDLE, BY_HANDLE + 1);
    BOTH_WAYS(mute, unlocking_a_card_that_fell_silent);

    TCase *waiting = new_case(suite, "waiting and threads", setup_waiting);
    BOTH_WAYS(waiting, nobody_comes_between);
    BOTH_WAYS(waiting, lock_waits_for_its_turn);
    BOTH_WAYS(waiting, several_threads_on_one_object);
    return suite;
}

/* In a build tree cardrig lies beside this program, and need not be in PATH. */
static void look_for_cardrig_here_too(void)
{
    char program[4096], path[8192];
    const char *old = getenv("PATH");
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (length <= 0)
        return;
    program[length] = '\0';
    *strrchr(program, '/') = '\0';
    snprintf(path, sizeof path, "%s:%.4000s", program, old != NULL ? old : "/usr/bin:/bin");
    setenv("PATH", path, 1);
}

int main(void)
{
    if (getenv("CARDRIG_SOCKET") == NULL || getenv("CARDRIG_READER") == NULL) {
        fputs("test_scardmanage: not in a rig: cardrig run -- test_scardmanage\n", stderr);
        return EXIT_FAILURE;
    }
    look_for_cardrig_here_too();
    SRunner *runner = srunner_create(scardmanage_suite());
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
