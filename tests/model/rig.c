/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig.h"

#include "board.h"
#include "process.h"
#include "status_change.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define WAIT_MS 10000 /* limit of every wait */

const char *rig_run(uint64_t seed, void (*run)(void *), void *argument)
{
    (void)seed; /* threads and time do not follow from it */
    run(argument);
    return NULL;
}

bool rig_is_new_for_each_run(void)
{
    return false;
}

void rig_use_version(const char *version)
{
    (void)version;
}

void rig_run_storm(struct model *model, unsigned calls, FILE *log)
{
    (void)model;
    (void)calls;
    (void)log;
}

const scardmanage_allocator *rig_allocator(void)
{
    return NULL;
}

static bool fail(struct rig_connection *rig, const char *what)
{
    snprintf(rig->error, sizeof rig->error, "%s", what);
    return false;
}

static bool request(struct rig_connection *rig, json_t *line)
{
    json_t *result = control_request(&rig->control, line, rig->error, sizeof rig->error);
    json_decref(result);
    return result != NULL;
}

static void pause_briefly(void)
{
    struct timespec time = {.tv_nsec = 200000};
    nanosleep(&time, NULL);
}

static bool has_socket(void)
{
    const char *path = getenv("PCSCLITE_CSOCK_NAME");
    return path && access(path, F_OK) == 0;
}

bool rig_open(struct rig_connection *rig, const char *folder)
{
    *rig = (struct rig_connection){0};
    snprintf(rig->folder, sizeof rig->folder, "%s", folder);
    for (int64_t end = board_now() + WAIT_MS; !rig->pcscd && board_now() < end; pause_briefly()) {
        rig->launcher = process_beside_us("model_pcscd");
        rig->pcscd = rig->launcher ? process_child(rig->launcher, NULL) : 0;
    }
    if (!rig->pcscd)
        return fail(rig, "there is no model_pcscd with a pcscd: this must be what 'cardrig run --pcscd "
                         "model_pcscd' starts");
    if (!control_open(&rig->control))
        return fail(rig, "cannot connect to the rig at $CARDRIG_SOCKET");
    return true;
}

static void release_context(struct rig_connection *rig)
{
    if (rig->has_context)
        SCardReleaseContext(rig->context);
    rig->has_context = false;
}

void rig_close(struct rig_connection *rig)
{
    release_context(rig);
    control_close(&rig->control);
}

bool rig_get_state(struct rig_connection *rig, struct rig_state *state)
{
    json_t *status = control_ask(&rig->control, "status", -1, rig->error, sizeof rig->error);
    json_t *card = json_object_get(json_array_get(json_object_get(status, "slots"), 0), "card");
    *state = (struct rig_state){.present = json_is_object(card)};
    if (state->present) {
        int powered = 0, commands = 0, cold = 0, warm = 0, off = 0;
        const char *text = json_string_value(json_object_get(card, "atr"));
        const char *protocol = json_string_value(json_object_get(card, "protocol"));
        json_unpack(card, "{s:b, s:i, s:{s:i, s:i, s:i}}", "powered", &powered, "commands", &commands,
                    "resets", "cold", &cold, "warm", &warm, "off", &off);
        uint8_t atr[MAX_ATR_SIZE];
        size_t length = 0;
        for (unsigned byte; text && length < sizeof atr && sscanf(text, "%2x", &byte) == 1;
             text += 2 + (text[2] == ' '))
            atr[length++] = (uint8_t)byte;
        *state = (struct rig_state){.present = true,
                                    .powered = powered,
                                    .atr = powered ? cards_atr_bit(atr, length) : 0,
                                    .commands = (unsigned)commands,
                                    .cold = (unsigned)cold,
                                    .warm = (unsigned)warm,
                                    .off = (unsigned)off};
        if (protocol)
            state->protocol = strcmp(protocol, "T=0") == 0 ? SCARD_PROTOCOL_T0 : SCARD_PROTOCOL_T1;
    }
    json_decref(status);
    return status != NULL;
}

void rig_reader_name(unsigned index, char name[MAX_READERNAME])
{
    snprintf(name, MAX_READERNAME, RIG_KEY " %02X 00", index);
}

/*
 * Observing the reader
 */

static LONG establish_context(struct rig_connection *rig)
{
    LONG rv = SCARD_S_SUCCESS;
    if (!rig->has_context)
        rv = SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &rig->context);
    rig->has_context = rv == SCARD_S_SUCCESS;
    return rv;
}

static LONG get_reader_state(struct rig_connection *rig, unsigned index, DWORD ms, SCARD_READERSTATE *state)
{
    char name[MAX_READERNAME];
    LONG rv = SCARD_S_SUCCESS;
    rig_reader_name(index, name);
    if ((rv = establish_context(rig)) != SCARD_S_SUCCESS)
        return rv;
    state->szReader = name;
    state->dwCurrentState = ms == 0 ? SCARD_STATE_UNAWARE : state->dwEventState & ~(DWORD)SCARD_STATE_CHANGED;
    rv = status_change(rig->context, ms, state);
    return rv == SCARD_E_TIMEOUT ? SCARD_S_SUCCESS : rv;
}

bool rig_wait_for_service(struct rig_connection *rig)
{
    LONG rv = SCARD_E_NO_SERVICE;
    for (int64_t end = board_now() + WAIT_MS; rv == SCARD_E_NO_SERVICE && board_now() < end; pause_briefly())
        rv = establish_context(rig);
    pid_t pid = process_child(rig->launcher, NULL); /* 0: it has died already */
    rig->pcscd = pid > 0 ? pid : rig->pcscd;
    snprintf(rig->error, sizeof rig->error, "the service does not start: %s", pcsc_stringify_error(rv));
    return rv == SCARD_S_SUCCESS;
}

bool rig_wait_for_events(struct rig_connection *rig, unsigned index)
{
    uint16_t expected = (uint16_t)(rig->counter + rig->events_pending);
    SCARD_READERSTATE state = {0};
    for (int64_t end = board_now() + WAIT_MS; board_now() < end;) {
        bool known = (state.dwEventState >> 16 & 0xFFFF) != 0;
        LONG rv = get_reader_state(rig, index, known ? 100 : 0, &state);
        if (rv != SCARD_S_SUCCESS) {
            snprintf(rig->error, sizeof rig->error, "SCardGetStatusChange: %s", pcsc_stringify_error(rv));
            return false;
        }
        uint16_t counter = (uint16_t)(state.dwEventState >> 16);
        if (counter == expected) {
            rig->counter = counter;
            rig->events_pending = 0;
            return true;
        }
        if (counter == 0) /* pcsc-lite takes 0 for "not known", and would not notice a change */
            pause_briefly();
    }
    snprintf(rig->error, sizeof rig->error, "the reader's event counter stays at %u, not %u",
             (unsigned)(uint16_t)(state.dwEventState >> 16), expected);
    return false;
}

bool rig_wait_for_reader(struct rig_connection *rig, unsigned index)
{
    struct rig_state now;
    SCARD_READERSTATE state = {0};
    LONG rv = SCARD_E_TIMEOUT;
    for (int64_t end = board_now() + WAIT_MS; board_now() < end; pause_briefly()) {
        rv = get_reader_state(rig, index, 0, &state);
        if (rv == SCARD_E_NO_SERVICE)
            release_context(rig);
        if (rv != SCARD_S_SUCCESS || !(state.dwEventState & (SCARD_STATE_PRESENT | SCARD_STATE_EMPTY)))
            continue;
        if (!rig_get_state(rig, &now))
            return false;
        if (!(state.dwEventState & SCARD_STATE_PRESENT) != !now.present)
            continue; /* PC/SC has not seen the last insertion or removal yet */
        rig->counter = (uint16_t)(state.dwEventState >> 16);
        rig->events_pending = 0;
        return true;
    }
    snprintf(rig->error, sizeof rig->error, "PC/SC does not have the reader and its card: %s, state %lX",
             pcsc_stringify_error(rv), (unsigned long)state.dwEventState);
    return false;
}

/*
 * Cards
 */

bool rig_insert(struct rig_connection *rig, const struct cards_kind *kind, bool pcscd_counts)
{
    char path[192];
    snprintf(path, sizeof path, "%s/%s.lua", rig->folder, kind->name);
    rig->events_pending += pcscd_counts;
    return request(rig, json_pack("{s:s, s:s, s:s}", "command", "insert", "slot", RIG_KEY, "file", path));
}

bool rig_remove(struct rig_connection *rig, bool pcscd_counts)
{
    rig->events_pending += pcscd_counts;
    return request(rig, json_pack("{s:s, s:s}", "command", "remove", "slot", RIG_KEY));
}

bool rig_fault(struct rig_connection *rig, const char *fault)
{
    return request(rig, json_pack("{s:s, s:s, s:[s]}", "command", "fault", "slot", RIG_KEY, "faults", fault));
}

/*
 * Readers
 */

static bool get_usb_state(struct rig_connection *rig, const char *reader, bool *plugged, bool *driver)
{
    json_t *status = control_ask(&rig->control, "status", -1, rig->error, sizeof rig->error);
    int is_plugged = 0, has_driver = 0;
    size_t number = strcmp(reader, RIG_KEY) == 0 ? 0 : 1;
    json_unpack(json_array_get(json_object_get(status, "slots"), number), "{s:b, s:{s:b}}",
                "driver_connected", &has_driver, "usb", "plugged", &is_plugged);
    *plugged = is_plugged;
    *driver = has_driver;
    json_decref(status);
    return status != NULL;
}

bool rig_is_plugged(struct rig_connection *rig, const char *reader, bool *plugged)
{
    bool driver;
    return get_usb_state(rig, reader, plugged, &driver);
}

/* pcscd handles one plug or unplug event at a time, so the request may have to be repeated. */
static bool plug_or_unplug(struct rig_connection *rig, const char *command, const char *reader, bool there)
{
    bool done = false, driver = !there, plugged;
    for (int64_t end = board_now() + WAIT_MS; !done && board_now() < end; pause_briefly())
        done = request(rig, json_pack("{s:s, s:s}", "command", command, "slot", reader));
    for (int64_t end = board_now() + WAIT_MS; done && driver != there; pause_briefly()) {
        if (!get_usb_state(rig, reader, &plugged, &driver))
            return false;
        if (board_now() > end || rig_service_has_died(rig))
            return fail(rig, "pcscd does not notice that a reader was plugged in or unplugged");
    }
    return done;
}

/* pcscd closes the driver before it removes the handles of the reader. */
static bool wait_until_reader_is_gone(struct rig_connection *rig, unsigned index)
{
    SCARD_READERSTATE state = {0};
    for (int64_t end = board_now() + WAIT_MS; board_now() < end; pause_briefly()) {
        LONG rv = get_reader_state(rig, index, 0, &state);
        if (rv == SCARD_E_UNKNOWN_READER)
            return true;
        if (rv != SCARD_S_SUCCESS) {
            snprintf(rig->error, sizeof rig->error, "SCardGetStatusChange: %s", pcsc_stringify_error(rv));
            return false;
        }
    }
    return fail(rig, "PC/SC still has the reader that was unplugged");
}

bool rig_unplug(struct rig_connection *rig, const char *reader, unsigned index)
{
    rig->events_pending = 0;
    return plug_or_unplug(rig, "unplug", reader, false) &&
           (strcmp(reader, RIG_KEY) != 0 || wait_until_reader_is_gone(rig, index));
}

bool rig_plug(struct rig_connection *rig, const char *reader)
{
    return plug_or_unplug(rig, "plug", reader, true);
}

/*
 * The service
 */

static bool send_signal(struct rig_connection *rig, pid_t pid, int number)
{
    return (pid > 0 && kill(pid, number) == 0) || fail(rig, "cannot send a signal to pcscd");
}

bool rig_stop_service(struct rig_connection *rig)
{
    return send_signal(rig, rig->pcscd, SIGSTOP);
}

bool rig_continue_service(struct rig_connection *rig)
{
    return send_signal(rig, rig->pcscd, SIGCONT);
}

bool rig_service_has_died(struct rig_connection *rig)
{
    return rig->pcscd != 0 && process_child(rig->launcher, NULL) != rig->pcscd;
}

bool rig_end_service(struct rig_connection *rig, int number, bool keep_socket)
{
    if (keep_socket && !send_signal(rig, rig->launcher, SIGUSR2))
        return false;
    if (!send_signal(rig, rig->pcscd, number))
        return false;
    kill(rig->pcscd, SIGCONT); /* a stopped process must continue before it can end */
    for (int64_t end = board_now() + WAIT_MS; !rig_service_has_died(rig) || (!keep_socket && has_socket());
         pause_briefly())
        if (board_now() > end)
            return fail(rig, "pcscd does not end");
    rig->pcscd = 0;
    rig->events_pending = 0;
    release_context(rig);
    return true;
}

bool rig_start_service(struct rig_connection *rig)
{
    release_context(rig);
    if (!send_signal(rig, rig->launcher, SIGUSR1))
        return false;
    for (int64_t end = board_now() + WAIT_MS;
         !(rig->pcscd = process_child(rig->launcher, NULL)) || !has_socket(); pause_briefly())
        if (board_now() > end)
            return fail(rig, "pcscd does not start");
    return true;
}
