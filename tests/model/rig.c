/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig.h"

#include "../e2e/status_change.h"
#include "board.h"
#include "process.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define WAIT_MS 10000 /* for anything that has to happen */

static bool fail(struct rig *rig, const char *what)
{
    snprintf(rig->error, sizeof rig->error, "%s", what);
    return false;
}

static bool request(struct rig *rig, json_t *line)
{
    json_t *result = control_request(&rig->control, line, rig->error, sizeof rig->error);
    json_decref(result);
    return result != NULL;
}

static void doze(void)
{
    struct timespec time = {.tv_nsec = 200000};
    nanosleep(&time, NULL);
}

static bool has_socket(void)
{
    const char *path = getenv("PCSCLITE_CSOCK_NAME");
    return path && access(path, F_OK) == 0;
}

bool rig_open(struct rig *rig, const char *folder)
{
    *rig = (struct rig){0};
    snprintf(rig->folder, sizeof rig->folder, "%s", folder);
    for (int64_t end = board_now() + WAIT_MS; !rig->pcscd && board_now() < end; doze()) {
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

static void stop_watching(struct rig *rig)
{
    if (rig->watching)
        SCardReleaseContext(rig->watch);
    rig->watching = false;
}

void rig_close(struct rig *rig)
{
    stop_watching(rig);
    control_close(&rig->control);
}

bool rig_look(struct rig *rig, struct rig_truth *truth)
{
    json_t *status = control_ask(&rig->control, "status", -1, rig->error, sizeof rig->error);
    json_t *card = json_object_get(json_array_get(json_object_get(status, "slots"), 0), "card");
    *truth = (struct rig_truth){.present = json_is_object(card)};
    if (truth->present) {
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
        *truth = (struct rig_truth){.present = true,
                                    .powered = powered,
                                    .atr = powered ? cards_atr_bit(atr, length) : 0,
                                    .commands = (unsigned)commands,
                                    .cold = (unsigned)cold,
                                    .warm = (unsigned)warm,
                                    .off = (unsigned)off};
        if (protocol)
            truth->protocol = strcmp(protocol, "T=0") == 0 ? SCARD_PROTOCOL_T0 : SCARD_PROTOCOL_T1;
    }
    json_decref(status);
    return status != NULL;
}

void rig_reader_name(unsigned index, char name[MAX_READERNAME])
{
    snprintf(name, MAX_READERNAME, RIG_KEY " %02X 00", index);
}

/*
 * Hearing
 */

static LONG begin_watching(struct rig *rig)
{
    LONG rv = SCARD_S_SUCCESS;
    if (!rig->watching)
        rv = SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &rig->watch);
    rig->watching = rv == SCARD_S_SUCCESS;
    return rv;
}

static LONG look_at(struct rig *rig, unsigned index, DWORD ms, SCARD_READERSTATE *state)
{
    char name[MAX_READERNAME];
    LONG rv = SCARD_S_SUCCESS;
    rig_reader_name(index, name);
    if ((rv = begin_watching(rig)) != SCARD_S_SUCCESS)
        return rv;
    state->szReader = name;
    state->dwCurrentState = ms == 0 ? SCARD_STATE_UNAWARE : state->dwEventState & ~(DWORD)SCARD_STATE_CHANGED;
    rv = status_change(rig->watch, ms, state);
    return rv == SCARD_E_TIMEOUT ? SCARD_S_SUCCESS : rv;
}

bool rig_greet(struct rig *rig)
{
    LONG rv = SCARD_E_NO_SERVICE;
    for (int64_t end = board_now() + WAIT_MS; rv == SCARD_E_NO_SERVICE && board_now() < end; doze())
        rv = begin_watching(rig);
    pid_t pid = process_child(rig->launcher, NULL); /* none: it has died since */
    rig->pcscd = pid > 0 ? pid : rig->pcscd;
    snprintf(rig->error, sizeof rig->error, "the service does not start: %s", pcsc_stringify_error(rv));
    return rv == SCARD_S_SUCCESS;
}

bool rig_hear(struct rig *rig, unsigned index)
{
    uint16_t expected = (uint16_t)(rig->counter + rig->unheard);
    SCARD_READERSTATE state = {0};
    for (int64_t end = board_now() + WAIT_MS; board_now() < end;) {
        bool known = (state.dwEventState >> 16 & 0xFFFF) != 0;
        LONG rv = look_at(rig, index, known ? 100 : 0, &state);
        if (rv != SCARD_S_SUCCESS) {
            snprintf(rig->error, sizeof rig->error, "SCardGetStatusChange: %s", pcsc_stringify_error(rv));
            return false;
        }
        uint16_t counter = (uint16_t)(state.dwEventState >> 16);
        if (counter == expected) {
            rig->counter = counter;
            rig->unheard = 0;
            return true;
        }
        if (counter == 0) /* pcsc-lite takes it for "not known", and would not notice that it has changed */
            doze();
    }
    snprintf(rig->error, sizeof rig->error, "the reader's event counter stays at %u, not %u",
             (unsigned)(uint16_t)(state.dwEventState >> 16), expected);
    return false;
}

bool rig_meet(struct rig *rig, unsigned index)
{
    struct rig_truth truth;
    SCARD_READERSTATE state = {0};
    LONG rv = SCARD_E_TIMEOUT;
    for (int64_t end = board_now() + WAIT_MS; board_now() < end; doze()) {
        rv = look_at(rig, index, 0, &state);
        if (rv == SCARD_E_NO_SERVICE)
            stop_watching(rig);
        if (rv != SCARD_S_SUCCESS || !(state.dwEventState & (SCARD_STATE_PRESENT | SCARD_STATE_EMPTY)))
            continue;
        if (!rig_look(rig, &truth))
            return false;
        if (!(state.dwEventState & SCARD_STATE_PRESENT) != !truth.present)
            continue; /* it has yet to hear of the latest movement */
        rig->counter = (uint16_t)(state.dwEventState >> 16);
        rig->unheard = 0;
        return true;
    }
    snprintf(rig->error, sizeof rig->error, "PC/SC does not have the reader and its card: %s, state %lX",
             pcsc_stringify_error(rv), (unsigned long)state.dwEventState);
    return false;
}

/*
 * Cards
 */

bool rig_insert(struct rig *rig, const struct cards_kind *kind, bool hears)
{
    char path[192];
    snprintf(path, sizeof path, "%s/%s.lua", rig->folder, kind->name);
    rig->unheard += hears;
    return request(rig, json_pack("{s:s, s:s, s:s}", "command", "insert", "slot", RIG_KEY, "file", path));
}

bool rig_remove(struct rig *rig, bool hears)
{
    rig->unheard += hears;
    return request(rig, json_pack("{s:s, s:s}", "command", "remove", "slot", RIG_KEY));
}

bool rig_fault(struct rig *rig, const char *fault)
{
    return request(rig, json_pack("{s:s, s:s, s:[s]}", "command", "fault", "slot", RIG_KEY, "faults", fault));
}

/*
 * Readers
 */

static bool look_at_reader(struct rig *rig, const char *reader, bool *plugged, bool *driver)
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

bool rig_is_plugged(struct rig *rig, const char *reader, bool *plugged)
{
    bool driver;
    return look_at_reader(rig, reader, plugged, &driver);
}

/* pcscd takes one movement at a time, and the next one is refused meanwhile. */
static bool move_reader(struct rig *rig, const char *command, const char *reader, bool there)
{
    bool moved = false, driver = !there, plugged;
    for (int64_t end = board_now() + WAIT_MS; !moved && board_now() < end; doze())
        moved = request(rig, json_pack("{s:s, s:s}", "command", command, "slot", reader));
    for (int64_t end = board_now() + WAIT_MS; moved && driver != there; doze()) {
        if (!look_at_reader(rig, reader, &plugged, &driver))
            return false;
        if (board_now() > end || rig_has_died(rig))
            return fail(rig, "pcscd does not notice that a reader was plugged in or out");
    }
    return moved;
}

/* pcscd lets go of the driver before it lets go of the handles. */
static bool forget(struct rig *rig, unsigned index)
{
    SCARD_READERSTATE state = {0};
    for (int64_t end = board_now() + WAIT_MS; board_now() < end; doze()) {
        LONG rv = look_at(rig, index, 0, &state);
        if (rv == SCARD_E_UNKNOWN_READER)
            return true;
        if (rv != SCARD_S_SUCCESS) {
            snprintf(rig->error, sizeof rig->error, "SCardGetStatusChange: %s", pcsc_stringify_error(rv));
            return false;
        }
    }
    return fail(rig, "PC/SC still has the reader that was unplugged");
}

bool rig_unplug(struct rig *rig, const char *reader, unsigned index)
{
    rig->unheard = 0;
    return move_reader(rig, "unplug", reader, false) && (strcmp(reader, RIG_KEY) != 0 || forget(rig, index));
}

bool rig_plug(struct rig *rig, const char *reader)
{
    return move_reader(rig, "plug", reader, true);
}

/*
 * The service
 */

static bool signal_to(struct rig *rig, pid_t pid, int number)
{
    return (pid > 0 && kill(pid, number) == 0) || fail(rig, "cannot send a signal to pcscd");
}

bool rig_stop(struct rig *rig)
{
    return signal_to(rig, rig->pcscd, SIGSTOP);
}

bool rig_continue(struct rig *rig)
{
    return signal_to(rig, rig->pcscd, SIGCONT);
}

bool rig_has_died(struct rig *rig)
{
    return rig->pcscd != 0 && process_child(rig->launcher, NULL) != rig->pcscd;
}

bool rig_end(struct rig *rig, int number, bool keep_socket)
{
    if (keep_socket && !signal_to(rig, rig->launcher, SIGUSR2))
        return false;
    if (!signal_to(rig, rig->pcscd, number))
        return false;
    kill(rig->pcscd, SIGCONT); /* a stopped one has to wake up to end */
    for (int64_t end = board_now() + WAIT_MS; !rig_has_died(rig) || (!keep_socket && has_socket()); doze())
        if (board_now() > end)
            return fail(rig, "pcscd does not end");
    rig->pcscd = 0;
    rig->unheard = 0;
    stop_watching(rig);
    return true;
}

bool rig_start(struct rig *rig)
{
    stop_watching(rig);
    if (!signal_to(rig, rig->launcher, SIGUSR1))
        return false;
    for (int64_t end = board_now() + WAIT_MS;
         !(rig->pcscd = process_child(rig->launcher, NULL)) || !has_socket(); doze())
        if (board_now() > end)
            return fail(rig, "pcscd does not start");
    return true;
}
