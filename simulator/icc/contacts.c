/* SPDX-License-Identifier: BSD-3-Clause */
#include "icc/contacts.h"

#include "icc/fault.h"
#include "iso7816/pps.h"
#include "iso7816/t0.h"
#include "iso7816/t0_apdu.h"
#include "iso7816/t1.h"
#include "iso7816/timing.h"

#include <stdlib.h>
#include <string.h>

/* Delays of the card in etu: before the first character of its ATR, and before anything else. An etu of the
 * ATR is 372 clock cycles; the first character must come after 400 to 40,000 cycles. */
#define ATR_DELAY      2
#define ATR_DELAY_SLOW 100
#define ANSWER_DELAY   TIMING_BLOCK_GUARD

/* The part of a waiting time that a slow card uses before it sends something. */
#define MOST_OF(etu) ((etu) / 10 * 9)

/* Parameters of the faults. */
#define NULLS_SLOW      10  /* NULL bytes, each after MOST_OF(WWT) */
#define NULLS_FLOOD     100 /* NULL bytes */
#define WTX_SLOW        10  /* multiplier of BWT */
#define WTX_FAULT       3   /* multiplier of BWT */
#define IFS_FAULT       16  /* bytes */
#define OVERLONG_ATR    40  /* bytes */
#define OVERLONG_ANSWER (CARD_RESPONSE_MAX + 256)

enum contacts_state {
    STATE_OFF,
    STATE_ATR,  /* about to send the ATR in `out` */
    STATE_IDLE, /* the next character begins a PPS request or the default protocol */
    STATE_PPS,
    STATE_T0,
    STATE_T1,
    STATE_APDU, /* no characters: contacts_as_is returned the ATR */
    STATE_RAW,  /* about to send the bytes in `out`; then STATE_DEAF */
    STATE_DEAF, /* ignores everything until the next reset */
};

struct contacts {
    struct card *card;
    enum contacts_state state;
    struct atr atr;
    bool as_is, tck_wrong; /* no protocol can be run with the ATR; only its TCK is wrong */
    bool removal;
    bool to_card; /* the direction of the next T=0 command */
    uint32_t ne;
    uint32_t wwt, bwt;   /* of the protocol in use, in etu */
    uint32_t null_delay; /* etu before a NULL byte */
    uint16_t f;          /* F and D in force */
    uint8_t d;
    uint32_t work; /* etu that the card will still work on the command */
    struct pps_icc pps;
    struct t0_icc t0;
    bool t0_begun, t0_taken; /* a header has begun to arrive; its data were requested */
    struct t0_apdu_icc t0_apdu;
    struct t1 t1;
    bool t1_asked;          /* the card has sent a request of its own before its answer, which is ready */
    uint64_t t1_beginnings; /* the resynchronisations and aborts until then */
    uint32_t t1_extension;  /* etu that the card will use of the time it asked for */
    uint32_t t1_pause;      /* etu before the next block of the card */
    struct due {
        bool slow, ifs_change;
    } t1_due;           /* faults to apply before the answer */
    bool wants_resynch; /* spoil every block until there have been more than `resynchs` resynchronisations */
    uint64_t resynchs;
    uint8_t out[T0_RESULT_MAX + T1_BLOCK_MAX]; /* an ATR, a block, or bytes of a fault */
    size_t out_length;
    uint8_t t1_buffer[APDU_COMMAND_MAX];
    uint8_t response[OVERLONG_ANSWER];
    size_t response_length;
};

struct contacts *contacts_new(struct card *card)
{
    struct contacts *contacts = calloc(1, sizeof *contacts);
    if (contacts)
        contacts->card = card;
    return contacts;
}

void contacts_free(struct contacts *contacts)
{
    free(contacts);
}

static bool take_fault(struct contacts *contacts, enum fault fault)
{
    return faults_fire(card_faults(contacts->card), fault);
}

/* For faults that the current command has set, or whose pattern matches it, after the usual opportunity has
 * passed. */
static bool take_fault_in_hand(struct contacts *contacts, enum fault fault)
{
    return faults_fire_in_hand(card_faults(contacts->card), fault);
}

/* take_fault or take_fault_in_hand */
typedef bool take_fault_function(struct contacts *contacts, enum fault fault);

bool contacts_may_garble(struct contacts *contacts)
{
    return faults_may_fire(card_faults(contacts->card), FAULT_PARITY_ERROR);
}

bool contacts_take_parity_error(struct contacts *contacts)
{
    return take_fault(contacts, FAULT_PARITY_ERROR);
}

bool contacts_wants_removal(const struct contacts *contacts)
{
    return contacts->removal;
}

void contacts_expect(struct contacts *contacts, bool data_to_card, uint32_t ne)
{
    contacts->to_card = data_to_card;
    contacts->ne = ne;
}

/*
 * Power and reset
 */

/* Writes an ATR without end: each TD announces another one. Returns its length. */
static size_t overlong_atr(uint8_t *out)
{
    memset(out, 0x80, OVERLONG_ATR);
    out[0] = ATR_DIRECT;
    out[1] = 0x8F;
    return OVERLONG_ATR;
}

/* Returns whether T=0 or T=1 can be run with this ATR. */
static bool can_run(const struct atr *atr)
{
    return atr->specific ? atr->specific_protocol <= 1 : (atr->protocols & 3) != 0;
}

void contacts_reset(struct contacts *contacts, bool cold)
{
    card_power(contacts->card, cold ? CARD_COLD : CARD_WARM, contacts->out, &contacts->out_length);
    contacts->state = STATE_DEAF;
    contacts->wants_resynch = contacts->t1_asked = contacts->removal = false;
    if (take_fault(contacts, FAULT_MUTE) || contacts->out_length == 0)
        return;
    contacts->state = STATE_ATR;
    enum atr_result parsed = atr_parse(contacts->out, contacts->out_length, &contacts->atr, NULL);
    contacts->tck_wrong = false;
    contacts->as_is = contacts_at_antenna(contacts);
    if (contacts->as_is)
        return; /* the reader makes the ATR: the card can do nothing wrong with it */
    if (take_fault(contacts, FAULT_OVERLONG_ATR)) {
        contacts->out_length = overlong_atr(contacts->out);
        return;
    }
    contacts->tck_wrong = parsed == ATR_TCK_WRONG;
    contacts->as_is = (parsed != ATR_OK && parsed != ATR_TCK_WRONG) || !can_run(&contacts->atr);
    if (!contacts->as_is && contacts->atr.tck_present && take_fault(contacts, FAULT_WRONG_TCK))
        contacts->out[contacts->out_length - 1] ^= 0x01;
}

bool contacts_at_antenna(const struct contacts *contacts)
{
    return card_interface(contacts->card) == CARD_ANTENNA;
}

const uint8_t *contacts_as_is(struct contacts *contacts, bool any_tck, size_t *length)
{
    bool as_is = contacts->as_is || (contacts->tck_wrong && !any_tck);
    if (contacts->state != STATE_ATR || !as_is)
        return NULL;
    contacts->state = STATE_APDU;
    *length = contacts->out_length;
    return contacts->out;
}

void contacts_power_off(struct contacts *contacts)
{
    uint8_t none[ATR_MAX];
    size_t length;
    if (contacts->state != STATE_OFF)
        card_power(contacts->card, CARD_OFF, none, &length);
    contacts->state = STATE_OFF;
}

/*
 * Commands
 */

/* Applies the faults removal, power-loss and mute. Returns whether one of them has fired. */
static bool lost_for_command(struct contacts *contacts, take_fault_function *take)
{
    if (take(contacts, FAULT_REMOVAL)) {
        contacts->removal = true;
        contacts->state = STATE_DEAF;
    } else if (take(contacts, FAULT_POWER_LOSS)) {
        contacts_power_off(contacts);
    } else if (take(contacts, FAULT_MUTE)) {
        contacts->state = STATE_DEAF;
    } else {
        return false;
    }
    return true;
}

/* Gets the card's answer to the command. If there is none, returns false, and the card is deaf from now
 * on. */
static bool ask_card(struct contacts *contacts, const struct step *command)
{
    card_command(contacts->card, command->bytes, command->length, contacts->response, CARD_RESPONSE_MAX,
                 &contacts->response_length);
    if (contacts->state != STATE_APDU)
        contacts->work = timing_etu_of_ms(card_work_ms(contacts->card), contacts->f, contacts->d);
    faults_command_ran(card_faults(contacts->card), command->bytes, command->length);
    if (contacts->response_length == 0)
        contacts->state = STATE_DEAF;
    return contacts->response_length != 0;
}

/* Applies faults to the response of contacts->response_length bytes. Returns its new length. */
static size_t spoil_response(struct contacts *contacts)
{
    size_t length = contacts->response_length;
    if (take_fault(contacts, FAULT_EMPTY_ANSWER))
        return 0;
    if (take_fault(contacts, FAULT_ONE_BYTE_ANSWER))
        return 1;
    if (!take_fault(contacts, FAULT_OVERLONG_ANSWER))
        return length;
    memset(contacts->response + length, 0xA5, sizeof contacts->response - length);
    return sizeof contacts->response;
}

/* Sends bytes that no protocol machine would send. The card is deaf afterwards. */
static void send_raw(struct contacts *contacts, const uint8_t *bytes, size_t length)
{
    memcpy(contacts->out, bytes, length);
    contacts->out_length = length;
    contacts->state = STATE_RAW;
}

/*
 * T=0
 */

/* Returns a byte that is not a procedure byte for this INS. */
static uint8_t wrong_procedure_byte(uint8_t ins)
{
    return ins == 0x11 || ins == 0xEE ? 0x22 : 0x11;
}

/* Sends too many bytes. The interface device expects at most P3 bytes of data, and a status word. */
static void send_overlong_t0(struct contacts *contacts, const uint8_t *header)
{
    uint8_t bytes[T0_RESULT_MAX + 2];
    size_t length = contacts->to_card ? 1 : 2 + t0_tpdu_size(header, T0_FROM_CARD);
    memset(bytes, 0xA5, sizeof bytes);
    if (!contacts->to_card)
        bytes[0] = header[1];
    send_raw(contacts, bytes, length);
}

static void t0_send_nulls(struct contacts *contacts, uint32_t count, uint32_t delay)
{
    t0_icc_nulls(&contacts->t0, count);
    contacts->null_delay = delay;
}

/* Applies the faults of a command. Returns true if a fault has replaced the command, or its answer. */
static bool t0_fault(struct contacts *contacts, const uint8_t *header, take_fault_function *take)
{
    if (lost_for_command(contacts, take))
        return true;
    if (take(contacts, FAULT_WRONG_PROCEDURE_BYTE)) {
        uint8_t byte = wrong_procedure_byte(header[1]);
        send_raw(contacts, &byte, 1);
        return true;
    }
    if (take(contacts, FAULT_ONE_BYTE_ANSWER)) {
        static const uint8_t sw1 = 0x90;
        send_raw(contacts, &sw1, 1);
        return true;
    }
    if (take(contacts, FAULT_OVERLONG_ANSWER)) {
        send_overlong_t0(contacts, header);
        return true;
    }
    if (take(contacts, FAULT_NULL_FLOOD))
        t0_send_nulls(contacts, NULLS_FLOOD, ANSWER_DELAY);
    else if (take(contacts, FAULT_SLOW))
        t0_send_nulls(contacts, NULLS_SLOW, MOST_OF(contacts->wwt));
    return false;
}

/* Sends NULL bytes while the card works, each before the waiting time has passed (10.3.3). */
static void t0_work(struct contacts *contacts)
{
    uint32_t count = contacts->work / MOST_OF(contacts->wwt) + 1;
    if (contacts->work > 0)
        t0_send_nulls(contacts, count, (contacts->work + count - 1) / count);
}

/* Gets the card's answer to one command. Returns false if there is none, or a fault has replaced it. */
static bool t0_ask_card(struct contacts *contacts, const struct step *command, const uint8_t *header)
{
    faults_command_came(card_faults(contacts->card), command->bytes, command->length);
    if (t0_fault(contacts, header, take_fault_in_hand) || !ask_card(contacts, command))
        return false;
    t0_work(contacts);
    return !t0_fault(contacts, header, take_fault_in_hand);
}

/* The TPDU is complete. Gives the commands that result from it to the card, and answers the TPDU. */
static void t0_command(struct contacts *contacts, const struct step *tpdu)
{
    struct t0_tpdu command = {.direction = contacts->to_card ? T0_TO_CARD : T0_FROM_CARD, .ne = contacts->ne};
    if (command.ne == T0_NE_UNKNOWN)
        command.ne = card_takes_case_3(contacts->card) ? 0 : T0_DATA_MAX;
    memcpy(command.header, tpdu->bytes, T0_HEADER_SIZE);
    command.data = tpdu->length > T0_HEADER_SIZE ? tpdu->bytes + T0_HEADER_SIZE : NULL;
    command.length = tpdu->length - T0_HEADER_SIZE;
    t0_apdu_icc_command(&contacts->t0_apdu, &command);
    struct step step;
    for (t0_apdu_icc_next(&contacts->t0_apdu, &step); step.kind == STEP_PROCESS;
         t0_apdu_icc_next(&contacts->t0_apdu, &step)) {
        if (!t0_ask_card(contacts, &step, command.header))
            return;
        t0_apdu_icc_answer(&contacts->t0_apdu, contacts->response, contacts->response_length);
    }
    t0_icc_answer(&contacts->t0, step.bytes, step.length);
}

static void t0_process(struct contacts *contacts, const struct step *step)
{
    if (contacts->t0_taken) {
        t0_command(contacts, step);
        return;
    }
    enum t0_direction direction;
    if (t0_apdu_icc_direction(&contacts->t0_apdu, step->bytes, &direction))
        contacts->to_card = direction == T0_TO_CARD;
    if (t0_fault(contacts, step->bytes, take_fault))
        return;
    contacts->t0_taken = contacts->to_card;
    if (contacts->to_card)
        t0_icc_take(&contacts->t0);
    else
        t0_command(contacts, step);
}

/* The first character of a header has come. */
static void t0_begin_tpdu(struct contacts *contacts)
{
    t0_icc_start(&contacts->t0, &(struct t0_icc_config){.ack = T0_ACK_ALL});
    contacts->t0_begun = true;
    contacts->t0_taken = false;
}

/*
 * T=1
 */

/* Returns *due and clears it. */
static bool take_flag(bool *due)
{
    bool was = *due;
    *due = false;
    return was;
}

/* Sends S(WTX request) for multiplier * BWT. The card will use MOST_OF that time. */
static bool t1_ask_for_time(struct contacts *contacts, uint8_t multiplier)
{
    if (!t1_request_wtx(&contacts->t1, multiplier))
        return false;
    contacts->t1_extension = MOST_OF(multiplier * contacts->bwt);
    return true;
}

/* Asks for time as long as the card works, unless the answer will come in time. */
static bool t1_work(struct contacts *contacts)
{
    uint32_t most = MOST_OF(contacts->bwt), multiplier = contacts->work / most + 1;
    if (contacts->work <= most ||
        !t1_ask_for_time(contacts, multiplier < UINT8_MAX ? (uint8_t)multiplier : UINT8_MAX))
        return false;
    if (contacts->t1_extension > contacts->work)
        contacts->t1_extension = contacts->work;
    contacts->work -= contacts->t1_extension;
    return true;
}

/* Sends one request that comes before the answer, if one is due: S(WTX) or S(IFS). STEP_PROCESS follows again
 * after it. Returns whether it has sent one. */
static bool t1_make_request(struct contacts *contacts)
{
    struct t1 *t1 = &contacts->t1;
    uint8_t ifsc = card_t1_ifsc(contacts->card);
    bool announce = ifsc != 0 && ifsc != t1->ifs_in && t1->ifs_in == contacts->atr.ifsc;
    return t1_work(contacts) || (take_flag(&contacts->t1_due.slow) && t1_ask_for_time(contacts, WTX_SLOW)) ||
           (take_fault(contacts, FAULT_WTX) && t1_ask_for_time(contacts, WTX_FAULT)) ||
           (take_flag(&contacts->t1_due.ifs_change) && t1_request_ifs(t1, IFS_FAULT)) ||
           (announce && t1_request_ifs(t1, ifsc));
}

static const uint8_t nothing[2] = {0x6F, 0x00}; /* the answer in blocks that a fault spoils */

/* Applies the faults of a command. Returns true if a fault has replaced the command, or its answer. */
static bool t1_fault(struct contacts *contacts, take_fault_function *take)
{
    struct t1 *t1 = &contacts->t1;
    if (lost_for_command(contacts, take))
        return true;
    if (take(contacts, FAULT_RESYNCHRONISATION)) {
        contacts->wants_resynch = true;
        contacts->resynchs = t1->counters.resynchs;
        t1_answer(t1, nothing, sizeof nothing);
        return true;
    }
    return take(contacts, FAULT_ABORT) && t1_request_abort(t1);
}

/* Gets the card's answer to the command. Returns false if there is none, or a fault has replaced it. */
static bool t1_ask_card(struct contacts *contacts, const struct step *command)
{
    faults_command_came(card_faults(contacts->card), command->bytes, command->length);
    if (t1_fault(contacts, take_fault) || !ask_card(contacts, command) ||
        t1_fault(contacts, take_fault_in_hand))
        return false;
    contacts->t1_due = (struct due){take_fault(contacts, FAULT_SLOW), take_fault(contacts, FAULT_IFS_CHANGE)};
    return true;
}

static void t1_process(struct contacts *contacts, const struct step *command)
{
    struct t1 *t1 = &contacts->t1;
    if (contacts->wants_resynch) {
        t1_answer(t1, nothing, sizeof nothing);
        return;
    }
    /* after a request of the card, STEP_PROCESS comes again for the same command, whose answer is ready;
     * unless the interface device has resynchronised or aborted the chain, and so sends a command again */
    uint64_t beginnings = t1->counters.resynchs + t1->counters.aborts;
    bool answered = take_flag(&contacts->t1_asked) && contacts->t1_beginnings == beginnings;
    contacts->t1_pause = answered ? contacts->t1_extension : 0;
    contacts->t1_extension = 0;
    if (!answered && !t1_ask_card(contacts, command))
        return;
    contacts->t1_beginnings = beginnings;
    contacts->t1_asked = t1_make_request(contacts);
    if (contacts->t1_asked)
        return;
    contacts->t1_pause += contacts->work;
    contacts->work = 0;
    t1_answer(t1, contacts->response, spoil_response(contacts));
}

static bool is_i_block(const uint8_t *block)
{
    return !(block[1] & 0x80);
}

/* Copies a block to contacts->out and applies faults to it. Returns false if the block is lost. */
static bool t1_spoil(struct contacts *contacts, const struct step *step)
{
    memcpy(contacts->out, step->bytes, step->length);
    contacts->out_length = step->length;
    if (contacts->wants_resynch)
        contacts->wants_resynch = contacts->t1.counters.resynchs == contacts->resynchs;
    if (take_fault(contacts, FAULT_LOST_BLOCK))
        return false;
    if (contacts->wants_resynch || take_fault(contacts, FAULT_WRONG_EDC)) {
        contacts->out[step->length - 1] ^= 0xFF;
    } else if (is_i_block(contacts->out) && take_fault(contacts, FAULT_WRONG_SEQUENCE_NUMBER)) {
        enum t1_edc edc = contacts->t1.parameters.edc;
        struct t1_block block;
        if (t1_block_decode(edc, step->bytes, step->length, &block) == T1_BLOCK_OK)
            contacts->out_length =
                t1_block_encode(edc, block.nad, block.pcb ^ 0x40, block.inf, block.length, contacts->out);
    }
    return true;
}

/*
 * Without contacts
 */

bool contacts_exchange(struct contacts *contacts, const uint8_t *command, size_t length,
                       const uint8_t **response, size_t *response_length)
{
    const struct step step = {.kind = STEP_PROCESS, .bytes = command, .length = length};
    if (contacts->state != STATE_APDU)
        return false;
    faults_command_came(card_faults(contacts->card), command, length);
    if (lost_for_command(contacts, take_fault) || !ask_card(contacts, &step) ||
        lost_for_command(contacts, take_fault_in_hand))
        return false;
    *response = contacts->response;
    *response_length = spoil_response(contacts);
    return true;
}

/*
 * PPS, and the start of a protocol
 */

static void start_protocol(struct contacts *contacts, uint8_t protocol, uint16_t f, uint8_t d)
{
    struct timing timing;
    timing_of(&contacts->atr, f, d, &timing);
    contacts->state = protocol == 1 ? STATE_T1 : STATE_T0;
    contacts->f = f;
    contacts->d = d;
    contacts->wwt = timing.wwt;
    contacts->bwt = timing.bwt;
    contacts->t1_extension = contacts->t1_pause = contacts->work = 0;
    contacts->t0_begun = false;
    t0_apdu_icc_reset(&contacts->t0_apdu);
    card_protocol(contacts->card, protocol);
    struct t1_parameters parameters = {
        .role = T1_CARD,
        .edc = contacts->atr.edc == ATR_EDC_CRC ? T1_CRC : T1_LRC,
        .ifsc = contacts->atr.ifsc,
        .ifsd = T1_IFS_DEFAULT,
        .cwt = timing.cwt,
        .bgt = timing.bgt,
        .buffer = contacts->t1_buffer,
        .capacity = sizeof contacts->t1_buffer,
    };
    if (protocol == 1 && (!t1_init(&contacts->t1, &parameters) || !t1_listen(&contacts->t1)))
        contacts->state = STATE_DEAF;
}

static void pps_process(struct contacts *contacts)
{
    const struct pps *request = &contacts->pps.request;
    struct pps refusal = {.protocol = contacts->atr.first_protocol};
    if (take_fault(contacts, FAULT_PPS_IGNORED)) {
        contacts->state = STATE_DEAF;
    } else if (take_fault(contacts, FAULT_PPS_REFUSED)) {
        /* clause 9 has no response for a refusal; cards that refuse name another protocol */
        if (refusal.protocol == request->protocol)
            refusal.protocol ^= 1;
        uint8_t bytes[PPS_MAX];
        send_raw(contacts, bytes, pps_build(&refusal, bytes));
    } else if (take_fault(contacts, FAULT_PPS_GARBLED)) {
        uint8_t bytes[PPS_MAX];
        size_t length = pps_build(request, bytes);
        bytes[length - 1] ^= 0xFF;
        send_raw(contacts, bytes, length);
    } else {
        pps_icc_answer(&contacts->pps, pps_policy(request, &contacts->atr));
    }
}

/* The first character after the ATR begins a PPS request, or the default protocol of the ATR. */
static void first_bytes(struct contacts *contacts, const uint8_t *bytes, size_t count)
{
    const struct atr *atr = &contacts->atr;
    if (bytes[0] == PPS_PPSS && !atr->specific) {
        contacts->state = STATE_PPS;
        pps_icc_start(&contacts->pps);
    } else {
        uint16_t f;
        uint8_t d;
        atr_default_speed(atr, &f, &d);
        start_protocol(contacts, atr_default_protocol(atr), f, d);
    }
    contacts_bytes(contacts, bytes, count);
}

void contacts_bytes(struct contacts *contacts, const uint8_t *bytes, size_t count)
{
    switch (contacts->state) {
    case STATE_ATR: /* too early: ignored */
    case STATE_OFF:
    case STATE_APDU:
    case STATE_RAW:
    case STATE_DEAF:
        break;
    case STATE_IDLE:
        first_bytes(contacts, bytes, count);
        break;
    case STATE_PPS:
        pps_icc_bytes(&contacts->pps, bytes, count, true);
        break;
    case STATE_T0:
        if (!contacts->t0_begun)
            t0_begin_tpdu(contacts);
        t0_icc_bytes(&contacts->t0, bytes, count, true);
        break;
    case STATE_T1:
        t1_bytes(&contacts->t1, bytes, count, true);
        break;
    }
}

void contacts_timeout(struct contacts *contacts)
{
    if (contacts->state == STATE_T1)
        t1_timeout(&contacts->t1);
}

/* Returns how many etu the card waits before it sends the bytes of a step. */
static uint32_t delay_of(struct contacts *contacts, const struct step *step)
{
    if (contacts->state == STATE_T0 && step->length == 1 && step->bytes[0] == T0_NULL)
        return contacts->null_delay;
    uint32_t pause = contacts->state == STATE_T1 ? contacts->t1_pause : 0;
    contacts->t1_pause = 0;
    return pause > ANSWER_DELAY ? pause : ANSWER_DELAY;
}

/* Carries out one step of the current machine. Returns false if there is no output yet, and the next step
 * must be taken. */
static bool take_step(struct contacts *contacts, const struct step *step, struct contacts_output *output)
{
    switch (step->kind) {
    case STEP_SEND:
        *output = (struct contacts_output){.kind = CONTACTS_SEND, .delay = delay_of(contacts, step)};
        output->bytes = step->bytes;
        output->length = step->length;
        if (contacts->state == STATE_T1) {
            if (!t1_spoil(contacts, step))
                return false;
            output->bytes = contacts->out;
            output->length = contacts->out_length;
        }
        return true;
    case STEP_RECEIVE:
        output->kind = step->timeout == TIMING_NEVER ? CONTACTS_SILENT : CONTACTS_WAIT;
        output->timeout = step->timeout;
        return true;
    case STEP_PROCESS:
        if (contacts->state == STATE_PPS)
            pps_process(contacts);
        else if (contacts->state == STATE_T0)
            t0_process(contacts, step);
        else
            t1_process(contacts, step);
        return false;
    case STEP_DONE:
        if (contacts->state == STATE_PPS) {
            const struct pps_outcome *outcome = &contacts->pps.outcome;
            start_protocol(contacts, outcome->protocol, outcome->f, outcome->d);
        }
        contacts->t0_begun = false;
        output->kind = CONTACTS_SILENT;
        return true;
    case STEP_FAILED:
        break;
    }
    contacts->state = STATE_DEAF;
    return false;
}

void contacts_next(struct contacts *contacts, struct contacts_output *output)
{
    struct step step;
    *output = (struct contacts_output){.kind = CONTACTS_SILENT};
    do {
        switch (contacts->state) {
        case STATE_ATR:
        case STATE_RAW:
            output->kind = CONTACTS_SEND;
            output->delay = contacts->state == STATE_RAW       ? ANSWER_DELAY
                            : take_fault(contacts, FAULT_SLOW) ? ATR_DELAY_SLOW
                                                               : ATR_DELAY;
            output->bytes = contacts->out;
            output->length = contacts->out_length;
            contacts->state = contacts->state == STATE_ATR ? STATE_IDLE : STATE_DEAF;
            return;
        case STATE_PPS:
            pps_icc_next(&contacts->pps, &step);
            break;
        case STATE_T0:
            if (!contacts->t0_begun)
                return;
            t0_icc_next(&contacts->t0, &step);
            break;
        case STATE_T1:
            t1_next(&contacts->t1, &step);
            break;
        default:
            return;
        }
    } while (!take_step(contacts, &step, output));
}
