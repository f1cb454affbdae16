/* SPDX-License-Identifier: BSD-3-Clause */
#include "ifd/ifd.h"

#include "base/clock.h"
#include "iso7816/hex.h"
#include "iso7816/pps.h"
#include "iso7816/t0.h"
#include "iso7816/timing.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Limits of an operation, in the card's time and in real time, because a card may ask for more time again
 * and again, and a script may use much real time. A correct exchange of 64 KiB each way without PPS takes
 * about three minutes of the card's time, and milliseconds of real time. The driver waits for 10 s. With a
 * pace, the limit of real time applies to both. */
#define CARD_LIMIT_US 2000000000u
#define REAL_LIMIT_US 8000000

/*
 * Parts of all operations
 */

static void forget_reset(struct ifd *ifd)
{
    ifd->powered = ifd->as_is = false;
    ifd->protocol = IFD_NO_PROTOCOL;
    ifd->f = TIMING_FD;
    ifd->d = TIMING_DD;
    ifd->atr = (struct atr){0};
    ifd->counters.t1 = (struct t1_counters){0};
}

void ifd_set_card(struct ifd *ifd, struct contacts *contacts, struct trace *trace, const char *label)
{
    ifd->contacts = contacts;
    ifd->counters = (struct ifd_counters){0};
    ifd->last_us = ifd->last_real_us = 0;
    ifd->last_error[0] = '\0';
    forget_reset(ifd);
    line_init(&ifd->line, contacts, trace, label);
}

void ifd_set_pace(struct ifd *ifd, const struct pace *pace)
{
    ifd->line.pace = pace;
}

void ifd_view(const struct ifd *ifd, struct ifd_view *view)
{
    view->powered = ifd->powered;
    view->protocol = ifd->protocol;
    view->f = ifd->f;
    view->d = ifd->d;
    memcpy(view->atr, ifd->atr.raw, ifd->atr.length);
    view->atr_length = ifd->atr.length;
    view->counters = ifd->counters;
    view->last_us = ifd->last_us;
    view->last_real_us = ifd->last_real_us;
    memcpy(view->last_error, ifd->last_error, sizeof view->last_error);
}

static void note(struct ifd *ifd, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void note(struct ifd *ifd, const char *format, ...)
{
    if (!ifd->line.trace)
        return;
    char text[200];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    trace_note(ifd->line.trace, ifd->line.label, line_time_us(&ifd->line), "%s", text);
}

static enum ifd_result fail(struct ifd *ifd, enum ifd_result result, const char *what, const char *reason)
{
    snprintf(ifd->last_error, sizeof ifd->last_error, "%s: %s", what, reason);
    note(ifd, "%s", ifd->last_error);
    return result;
}

/* Notes bytes that are exchanged without characters. */
static void note_bytes(struct ifd *ifd, const char *what, const uint8_t *bytes, size_t length)
{
    char text[3 * 40 + 1];
    size_t shown = length < 40 ? length : 40;
    if (!ifd->line.trace)
        return;
    hex_encode(bytes, shown, text, sizeof text, ' ');
    note(ifd, "%s without contacts: %s%s (%zu bytes)", what, text, shown < length ? " ..." : "", length);
}

static int64_t real_limit_us(const struct ifd *ifd)
{
    return ifd->options.patience_ms ? (int64_t)ifd->options.patience_ms * 1000 : REAL_LIMIT_US;
}

/* Starts the clocks of an operation. Returns the card's time. */
static uint64_t begin(struct ifd *ifd)
{
    uint64_t now = line_time_us(&ifd->line);
    ifd->last_error[0] = '\0';
    ifd->overdue = false;
    ifd->card_limit_us = now + (ifd->line.pace ? (uint64_t)real_limit_us(ifd) : CARD_LIMIT_US);
    ifd->real_begun_us = clock_us();
    line_begin(&ifd->line, ifd->real_begun_us, ifd->card_limit_us);
    return now;
}

static enum ifd_result end(struct ifd *ifd, uint64_t begun, enum ifd_result result)
{
    ifd->last_us = line_time_us(&ifd->line) - begun;
    ifd->last_real_us = (uint64_t)(clock_us() - ifd->real_begun_us);
    trace_flush(ifd->line.trace);
    return result;
}

static const char overdue_text[] = "given up: the card takes more and more time";

static void deactivate(struct ifd *ifd)
{
    if (ifd->powered)
        ifd->counters.off++;
    note(ifd, "contacts deactivated");
    contacts_power_off(ifd->contacts);
    forget_reset(ifd);
}

/* A protocol machine of any kind (iso7816/step.h). */
struct protocol_machine {
    void *state;
    void (*next)(void *state, struct step *step);
    void (*bytes)(void *state, const uint8_t *bytes, size_t count, bool parity_ok);
    void (*timeout)(void *state);
};

/* Returns whether the operation has reached a limit. Characters use up the card's time. The card's script
 * uses up real time, between the sends of the interface device; so it is enough to read the clock at
 * these. */
static bool overdue(const struct ifd *ifd, const struct step *step)
{
    return line_time_us(&ifd->line) > ifd->card_limit_us ||
           (step->kind == STEP_SEND && clock_us() - ifd->real_begun_us > real_limit_us(ifd));
}

/* Runs the machine over the line to its end: the step is then STEP_DONE or STEP_FAILED. If the operation
 * reaches a limit, stops with STEP_FAILED and ifd->overdue. gap is in etu, as for line_send. */
static void drive(struct ifd *ifd, const struct protocol_machine *machine, uint32_t gap, struct step *step)
{
    for (;;) {
        const uint8_t *bytes;
        size_t count;
        bool parity_ok;
        machine->next(machine->state, step);
        if ((ifd->overdue = overdue(ifd, step)))
            break;
        switch (step->kind) {
        case STEP_SEND:
            line_send(&ifd->line, step->bytes, step->length, step->guard, gap);
            break;
        case STEP_RECEIVE:
            count = line_receive(&ifd->line, step->timeout, step->most, &bytes, &parity_ok);
            if (count > 0)
                machine->bytes(machine->state, bytes, count, parity_ok);
            else
                machine->timeout(machine->state);
            break;
        default:
            return;
        }
    }
    step->kind = STEP_FAILED;
}

#define MACHINE_FUNCTIONS(name, type)                                                                        \
    static void name##_next_(void *state, struct step *step)                                                 \
    {                                                                                                        \
        name##_next((type *)state, step);                                                                    \
    }                                                                                                        \
    static void name##_bytes_(void *state, const uint8_t *bytes, size_t count, bool parity_ok)               \
    {                                                                                                        \
        name##_bytes((type *)state, bytes, count, parity_ok);                                                \
    }                                                                                                        \
    static void name##_timeout_(void *state)                                                                 \
    {                                                                                                        \
        name##_timeout((type *)state);                                                                       \
    }
#define MACHINE(name, pointer)                                                                               \
    (struct protocol_machine)                                                                                \
    {                                                                                                        \
        (pointer), name##_next_, name##_bytes_, name##_timeout_                                              \
    }

MACHINE_FUNCTIONS(pps_ifd, struct pps_ifd)
MACHINE_FUNCTIONS(t0_ifd, struct t0_ifd)
MACHINE_FUNCTIONS(t1, struct t1)

/*
 * Protocols
 */

static void start_protocol(struct ifd *ifd, uint8_t protocol, uint16_t f, uint8_t d)
{
    struct timing timing;
    timing_of(&ifd->atr, f, d, &timing);
    ifd->protocol = protocol;
    ifd->f = f;
    ifd->d = d;
    line_set_speed(&ifd->line, f, d);
    ifd->line.repeats = protocol == 0;
    ifd->line.card_guard =
        protocol == 1 && ifd->atr.extra_guard_time == 255 ? TIMING_GUARD - 1 : TIMING_GUARD; /* 11.2 */
    note(ifd, "T=%u with F=%u, D=%u", protocol, f, d);
    if (protocol != 1)
        return;
    struct t1_parameters parameters = {
        .role = T1_INTERFACE_DEVICE,
        .edc = ifd->atr.edc == ATR_EDC_CRC ? T1_CRC : T1_LRC,
        .ifsc = ifd->atr.ifsc,
        .ifsd = T1_IFS_DEFAULT,
        .announce_ifsd = IFD_IFSD,
        .cwt = timing.cwt,
        .bwt = timing.bwt,
        .bgt = timing.bgt,
        .buffer = ifd->t1_buffer,
        .capacity = sizeof ifd->t1_buffer,
    };
    t1_init(&ifd->t1, &parameters);
}

/* Starts the protocol that the card uses if none is chosen, at its default speed. */
static void start_default_protocol(struct ifd *ifd)
{
    uint16_t f;
    uint8_t d;
    atr_default_speed(&ifd->atr, &f, &d);
    start_protocol(ifd, atr_default_protocol(&ifd->atr), f, d);
}

uint8_t ifd_ready_protocol(const struct ifd *ifd)
{
    const struct atr *atr = &ifd->atr;
    uint8_t protocol = atr->specific ? atr->specific_protocol : atr->first_protocol;
    bool negotiable = !atr->specific && (atr->f != TIMING_FD || atr->d != TIMING_DD);
    return ifd->powered && !ifd->as_is && !negotiable && protocol <= 1 ? protocol : IFD_NO_PROTOCOL;
}

/*
 * Reset
 */

/* Receives an ATR. The characters received so far tell how many there are. */
static enum ifd_result receive_atr(struct ifd *ifd)
{
    uint32_t first = (TIMING_ATR_MAX_CYCLES + TIMING_FD - 1) / TIMING_FD;
    uint8_t bytes[ATR_MAX];
    const uint8_t *byte;
    size_t length = 0;
    bool parity_ok;
    while (length < sizeof bytes && length < atr_announced(bytes, length) &&
           line_receive(&ifd->line, length == 0 ? first : TIMING_INITIAL_WAIT, 1, &byte, &parity_ok) > 0) {
        if (!parity_ok)
            return fail(ifd, IFD_RESULT_GARBLED, "ATR", "parity errors");
        bytes[length++] = *byte;
    }
    if (length == 0)
        return fail(ifd, IFD_RESULT_MUTE, "ATR", "the card does not answer");
    struct atr_error error;
    enum atr_result parsed = atr_parse(bytes, length, &ifd->atr, &error);
    if (parsed == ATR_OK || (parsed == ATR_TCK_WRONG && ifd->options.tck == IFD_TCK_IGNORE))
        return IFD_RESULT_OK;
    char text[120];
    atr_error_text(&error, text, sizeof text);
    return fail(ifd, IFD_RESULT_GARBLED, "ATR", text);
}

/* Takes the bytes of contacts_as_is as the ATR, for the application to see. */
static enum ifd_result take_as_is(struct ifd *ifd, const uint8_t *bytes, size_t length)
{
    atr_parse(bytes, length, &ifd->atr, NULL); /* fills in as much as it can */
    memcpy(ifd->atr.raw, bytes, length);
    ifd->atr.length = length;
    ifd->as_is = true;
    note_bytes(ifd, "ATR", bytes, length);
    return IFD_RESULT_OK;
}

/* Sets the line up for ATR and PPS. */
static void prepare_line(struct ifd *ifd)
{
    line_set_speed(&ifd->line, TIMING_FD, TIMING_DD);
    ifd->line.repeats = true; /* ISO/IEC 7816-3:2006, 8.1 and 7.3 */
    ifd->line.card_guard = TIMING_GUARD;
}

static enum ifd_result reset(struct ifd *ifd, enum ifd_reset how)
{
    if (!ifd->powered)
        how = IFD_COLD;
    forget_reset(ifd);
    ifd->negotiable = true;
    prepare_line(ifd);
    ifd->line.sending_length = 0;
    ifd->line.quiet_since = ifd->line.now;
    note(ifd, "%s reset", how == IFD_COLD ? "cold" : "warm");
    contacts_reset(ifd->contacts, how == IFD_COLD);
    if (how == IFD_COLD)
        ifd->counters.cold++;
    else
        ifd->counters.warm++;
    size_t length;
    const uint8_t *as_is = contacts_as_is(ifd->contacts, ifd->options.tck != IFD_TCK_AS_IS, &length);
    enum ifd_result result = as_is ? take_as_is(ifd, as_is, length) : receive_atr(ifd);
    ifd->powered = result == IFD_RESULT_OK;
    if (!ifd->powered)
        deactivate(ifd);
    else if (ifd_ready_protocol(ifd) != IFD_NO_PROTOCOL)
        start_default_protocol(ifd);
    return result;
}

enum ifd_result ifd_power_up(struct ifd *ifd, enum ifd_reset how)
{
    if (!ifd->contacts)
        return IFD_RESULT_NO_CARD;
    uint64_t begun = begin(ifd);
    if (ifd->powered && how == IFD_COLD)
        deactivate(ifd);
    return end(ifd, begun, reset(ifd, how));
}

enum ifd_result ifd_power_down(struct ifd *ifd)
{
    if (!ifd->contacts)
        return IFD_RESULT_NO_CARD;
    uint64_t begun = begin(ifd);
    if (ifd->powered)
        deactivate(ifd);
    return end(ifd, begun, IFD_RESULT_OK);
}

/*
 * Choosing a protocol
 */

/*
 * Does the PPS exchange for protocol and speed. After a failure the card gets a warm reset; 9.1 allows this
 * or deactivation. A card whose response names another protocol has refused the requested one: the result is
 * IFD_RESULT_PROTOCOL_UNAVAILABLE, and after the reset the card can be used with its own protocol. After any
 * other failure something is wrong with the card: the result is IFD_RESULT_PPS_FAILED.
 */
static enum ifd_result negotiate(struct ifd *ifd, uint8_t protocol)
{
    struct timing timing;
    timing_of(&ifd->atr, TIMING_FD, TIMING_DD, &timing);
    struct pps request = {.protocol = protocol};
    if (ifd->atr.f != TIMING_FD || ifd->atr.d != TIMING_DD) {
        request.present = PPS_PPS1;
        request.pps1 = (uint8_t)(ifd->atr.fi << 4 | ifd->atr.di);
    }
    struct pps_ifd pps;
    struct step step;
    note(ifd, "PPS for T=%u", protocol);
    prepare_line(ifd);
    pps_ifd_start(&pps, &request, timing.gt);
    drive(ifd, &MACHINE(pps_ifd, &pps), timing.gt, &step);
    ifd->counters.pps++;
    if (step.kind == STEP_DONE) {
        start_protocol(ifd, protocol, pps.outcome.f, pps.outcome.d);
        ifd->negotiable = false;
        return IFD_RESULT_OK;
    }
    struct atr before = ifd->atr;
    enum ifd_result result = IFD_RESULT_PPS_FAILED;
    /* pcscd continues with the ATR that it knows, so the ATR must still be the same */
    if (reset(ifd, IFD_WARM) == IFD_RESULT_OK && pps.reason == PPS_PROTOCOL_CHANGED &&
        before.length == ifd->atr.length && memcmp(before.raw, ifd->atr.raw, before.length) == 0)
        result = IFD_RESULT_PROTOCOL_UNAVAILABLE;
    return fail(ifd, result, "PPS", pps_reason_text(pps.reason));
}

/* ISO/IEC 7816-3:2006, 6.3.1: in specific mode TA2 chooses the protocol. In negotiable mode the interface
 * device does, by PPS unless it wants what the card uses without PPS. */
static enum ifd_result choose_protocol(struct ifd *ifd, uint8_t protocol)
{
    const struct atr *atr = &ifd->atr;
    if (ifd->protocol == protocol)
        return IFD_RESULT_OK;
    if (!ifd->negotiable)
        return fail(ifd, IFD_RESULT_WRONG_PROTOCOL, "protocol", "another one is in use");
    if (protocol != 1 && contacts_at_antenna(ifd->contacts))
        return fail(ifd, IFD_RESULT_PROTOCOL_UNAVAILABLE, "protocol", "over an antenna there is only T=1");
    if (ifd->as_is && protocol <= 1) {
        ifd->protocol = protocol;
        return IFD_RESULT_OK;
    }
    if (protocol > 1 ||
        (atr->specific ? atr->specific_protocol != protocol : !(atr->protocols >> protocol & 1)))
        return fail(ifd, IFD_RESULT_PROTOCOL_UNAVAILABLE, "protocol", "the card does not offer it");
    return negotiate(ifd, protocol);
}

enum ifd_result ifd_set_protocol(struct ifd *ifd, uint8_t protocol)
{
    if (!ifd->contacts)
        return IFD_RESULT_NO_CARD;
    uint64_t begun = begin(ifd);
    return end(ifd, begun, ifd->powered ? choose_protocol(ifd, protocol) : IFD_RESULT_UNPOWERED);
}

/*
 * Commands
 */

static enum ifd_result copy_out(struct ifd *ifd, const uint8_t *bytes, size_t count, uint8_t *response,
                                size_t capacity, size_t *length)
{
    if (count > capacity)
        return fail(ifd, IFD_RESULT_GARBLED, "answer", "longer than what it is for");
    memcpy(response, bytes, count);
    *length = count;
    return IFD_RESULT_OK;
}

/* Exchanges one TPDU of T=0. T=0 cannot recover from a failure (10.2, 10.3.3): the contacts are
 * deactivated. */
static enum ifd_result exchange_tpdu(struct ifd *ifd, const struct t0_tpdu *tpdu,
                                     uint8_t result[T0_RESULT_MAX], size_t *length)
{
    struct timing timing;
    timing_of(&ifd->atr, ifd->f, ifd->d, &timing);
    struct t0_ifd_config config = {.wwt = timing.wwt, .guard = timing.gt};
    struct t0_ifd t0;
    struct step step;
    contacts_expect(ifd->contacts, tpdu->direction == T0_TO_CARD, tpdu->ne);
    t0_ifd_start(&t0, &config, tpdu);
    drive(ifd, &MACHINE(t0_ifd, &t0), timing.gt, &step);
    if (step.kind == STEP_DONE)
        return copy_out(ifd, step.bytes, step.length, result, T0_RESULT_MAX, length);
    deactivate(ifd);
    if (ifd->overdue)
        return fail(ifd, IFD_RESULT_MUTE, "T=0", overdue_text);
    return fail(ifd, t0.reason == T0_MUTE ? IFD_RESULT_MUTE : IFD_RESULT_GARBLED, "T=0",
                t0_reason_text(t0.reason));
}

static enum ifd_result transmit_t0_tpdu(struct ifd *ifd, const uint8_t *command, size_t command_length,
                                        uint8_t *response, size_t capacity, size_t *length)
{
    struct t0_tpdu tpdu;
    enum t0_tpdu_result decoded = t0_tpdu_decode(command, command_length, &tpdu);
    if (decoded != T0_TPDU_OK && (decoded != T0_TPDU_LE || ifd->options.refuses_le))
        return fail(ifd, IFD_RESULT_BAD_COMMAND, "T=0", t0_tpdu_result_text(decoded));
    uint8_t result[T0_RESULT_MAX];
    size_t count;
    enum ifd_result exchanged = exchange_tpdu(ifd, &tpdu, result, &count);
    return exchanged == IFD_RESULT_OK ? copy_out(ifd, result, count, response, capacity, length) : exchanged;
}

static enum ifd_result transmit_t0_apdu(struct ifd *ifd, const uint8_t *command, size_t command_length,
                                        uint8_t *response, size_t capacity, size_t *length)
{
    struct t0_tpdu tpdu;
    t0_apdu_ifd_start(&ifd->t0_apdu, ifd->options.response_class, command, command_length);
    while (t0_apdu_ifd_next(&ifd->t0_apdu, &tpdu)) {
        uint8_t result[T0_RESULT_MAX];
        size_t count;
        enum ifd_result exchanged = exchange_tpdu(ifd, &tpdu, result, &count);
        if (exchanged != IFD_RESULT_OK)
            return exchanged;
        t0_apdu_ifd_result(&ifd->t0_apdu, result, count);
    }
    if (ifd->t0_apdu.reason == T0_APDU_OK)
        return copy_out(ifd, ifd->t0_apdu.response, ifd->t0_apdu.response_length, response, capacity, length);
    return fail(ifd, ifd->t0_apdu.reason == T0_APDU_BAD_COMMAND ? IFD_RESULT_BAD_COMMAND : IFD_RESULT_GARBLED,
                "T=0", t0_apdu_reason_text(ifd->t0_apdu.reason));
}

static enum ifd_result transmit_t1(struct ifd *ifd, const uint8_t *command, size_t command_length,
                                   uint8_t *response, size_t capacity, size_t *length)
{
    struct step step;
    if (!t1_transmit(&ifd->t1, command, command_length))
        return fail(ifd, IFD_RESULT_GARBLED, "T=1", "the card has to be reset");
    struct timing timing;
    timing_of(&ifd->atr, ifd->f, ifd->d, &timing);
    drive(ifd, &MACHINE(t1, &ifd->t1), timing.cgt, &step);
    ifd->counters.t1 = ifd->t1.counters;
    if (step.kind == STEP_DONE)
        return copy_out(ifd, step.bytes, step.length, response, capacity, length);
    enum t1_reason reason = ifd->t1.reason;
    if (t1_needs_reset(&ifd->t1) || ifd->overdue)
        deactivate(ifd);
    if (ifd->overdue)
        return fail(ifd, IFD_RESULT_MUTE, "T=1", overdue_text);
    return fail(ifd, reason == T1_PEER_MUTE ? IFD_RESULT_MUTE : IFD_RESULT_GARBLED, "T=1",
                t1_reason_text(reason));
}

static enum ifd_result transmit_as_is(struct ifd *ifd, const uint8_t *command, size_t command_length,
                                      uint8_t *response, size_t capacity, size_t *length)
{
    const uint8_t *answer;
    size_t answer_length;
    note_bytes(ifd, "command", command, command_length);
    if (!contacts_exchange(ifd->contacts, command, command_length, &answer, &answer_length)) {
        deactivate(ifd);
        return fail(ifd, IFD_RESULT_MUTE, "APDU", "the card does not answer");
    }
    note_bytes(ifd, "response", answer, answer_length);
    return copy_out(ifd, answer, answer_length, response, capacity, length);
}

static enum ifd_result transmit(struct ifd *ifd, uint8_t protocol, const uint8_t *command,
                                size_t command_length, uint8_t *response, size_t capacity, size_t *length)
{
    if (ifd->as_is && (protocol == IFD_RAW || protocol == ifd->protocol)) {
        ifd->counters.commands++;
        ifd->negotiable = false;
        return transmit_as_is(ifd, command, command_length, response, capacity, length);
    }
    if (protocol == IFD_RAW)
        protocol = ifd->protocol == IFD_NO_PROTOCOL ? atr_default_protocol(&ifd->atr) : ifd->protocol;
    /* pcscd sets no protocol when it falls back to the first one of the card */
    if (ifd->protocol == IFD_NO_PROTOCOL && protocol == atr_default_protocol(&ifd->atr) && protocol <= 1)
        start_default_protocol(ifd);
    if (protocol != ifd->protocol)
        return fail(ifd, IFD_RESULT_WRONG_PROTOCOL, "transmit", "not the protocol in use");
    ifd->counters.commands++;
    ifd->negotiable = false; /* PPS is possible only as the first exchange: 9.1 */
    if (protocol == 1)
        return transmit_t1(ifd, command, command_length, response, capacity, length);
    if (ifd->options.level == IFD_LEVEL_TPDU)
        return transmit_t0_tpdu(ifd, command, command_length, response, capacity, length);
    return transmit_t0_apdu(ifd, command, command_length, response, capacity, length);
}

size_t ifd_command_max(const struct ifd *ifd)
{
    return ifd->options.level == IFD_LEVEL_TPDU && ifd->protocol != 1 && !ifd->as_is ? T0_COMMAND_MAX
                                                                                     : APDU_COMMAND_MAX;
}

enum ifd_result ifd_transmit(struct ifd *ifd, uint8_t protocol, const uint8_t *command, size_t command_length,
                             uint8_t *response, size_t capacity, size_t *length)
{
    *length = 0;
    if (!ifd->contacts)
        return IFD_RESULT_NO_CARD;
    uint64_t begun = begin(ifd);
    if (!ifd->powered)
        return end(ifd, begun, IFD_RESULT_UNPOWERED);
    return end(ifd, begun, transmit(ifd, protocol, command, command_length, response, capacity, length));
}
