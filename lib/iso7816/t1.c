/* SPDX-License-Identifier: BSD-3-Clause */
#include "t1.h"

#include <string.h>

static bool is_card(const struct t1 *t1)
{
    return t1->parameters.role == T1_CARD;
}

static void receive(struct t1 *t1)
{
    t1_receiver_start(&t1->receiver, t1->parameters.edc);
    t1->mode = T1_MODE_RECEIVE;
}

static void done(struct t1 *t1)
{
    t1->mode = T1_MODE_DONE;
}

static void fail(struct t1 *t1, enum t1_reason reason)
{
    t1->reason = reason;
    t1->mode = T1_MODE_FAILED;
}

/* Fails in a way that only a reset can help (rules 6.4 and 7.4.1). */
static void require_reset(struct t1 *t1, enum t1_reason reason)
{
    t1->dead = true;
    fail(t1, reason);
}

/*
 * Sending
 */

static void send_block(struct t1 *t1, enum t1_sent sent, uint8_t pcb, const uint8_t *inf, size_t length)
{
    t1->out_length = t1_block_encode(t1->parameters.edc, t1->parameters.nad, pcb, inf, length, t1->out);
    t1->sent = sent;
    t1->mode = T1_MODE_SEND;
}

static void send_again(struct t1 *t1)
{
    t1->counters.retransmissions++;
    t1->mode = T1_MODE_SEND;
}

/*
 * Sends the I-block at tx_at, for the first time or again. It is cut to length each time, because the peer
 * may have announced another IFS since. If the peer wants the block again, it has received none of it.
 */
static void send_i(struct t1 *t1)
{
    size_t left = t1->tx_length - t1->tx_at;

    t1->tx_chunk = left < t1->ifs_out ? left : t1->ifs_out;
    t1->outstanding = true;
    t1->outstanding_more = t1->tx_chunk < left;
    send_block(t1, T1_SENT_I, t1_pcb_i(t1->ns, t1->outstanding_more),
               t1->tx_chunk > 0 ? t1->tx + t1->tx_at : NULL, t1->tx_chunk);
}

static void send_r(struct t1 *t1, enum t1_complaint complaint)
{
    send_block(t1, T1_SENT_R, t1_pcb_r(t1->nr, complaint), NULL, 0);
}

static void send_request(struct t1 *t1, enum t1_function function, uint8_t value)
{
    t1->request = function;
    t1->request_value = value;
    t1->attempts = 1;
    send_block(t1, T1_SENT_REQUEST, t1_pcb_s(function, false), &value,
               function == T1_IFS || function == T1_WTX ? 1 : 0);
}

static void send_response(struct t1 *t1, const struct t1_block *request)
{
    t1->failures = 0;
    send_block(t1, T1_SENT_RESPONSE, t1_pcb_s(request->function, true), request->inf, request->length);
}

static void send_abort(struct t1 *t1)
{
    t1->want_abort = false;
    t1->counters.aborts++;
    send_request(t1, T1_ABORT, 0);
}

static void send_resynch(struct t1 *t1)
{
    t1->want_resynch = false;
    t1->heard = false;
    t1->resynchs++;
    t1->counters.resynchs++;
    send_request(t1, T1_RESYNCH, 0);
}

/* Sends the command from its beginning, as after a reset or a resynchronisation. */
static void send_command(struct t1 *t1)
{
    t1->tx_at = 0;
    t1->rx_length = 0;
    if (t1->parameters.announce_ifsd != 0 && !t1->announced)
        send_request(t1, T1_IFS, t1->parameters.announce_ifsd);
    else
        send_i(t1);
}

/*
 * State that several rules touch
 */

static void on_acknowledged(struct t1 *t1)
{
    if (!t1->outstanding)
        return;
    t1->outstanding = false;
    t1->ns ^= 1;
    t1->tx_at += t1->tx_chunk;
}

/* Sets the initial values (rule 6), which are the same for both sides. */
static void reset_protocol(struct t1 *t1)
{
    t1->ns = 0;
    t1->nr = 0;
    t1->outstanding = false;
    t1->aborting = false;
    t1->want_abort = false;
    t1->announced = false;
    t1->rx_length = 0;
    t1->failures = 0;
    t1->asked = 0;
    t1->multiplier = 1;
    t1->ifs_out = is_card(t1) ? t1->parameters.ifsd : t1->parameters.ifsc;
    t1->ifs_in = is_card(t1) ? t1->parameters.ifsc : t1->parameters.ifsd;
}

/*
 * When things go wrong (11.6.3.2)
 */

/* Handles a failure after all attempts are used up. */
static void on_attempts_used_up(struct t1 *t1)
{
    bool requested = t1->sent == T1_SENT_REQUEST;

    if (is_card(t1)) {
        receive(t1); /* does not answer: waits for an error-free block (rule 7.4.3) */
    } else if (requested && t1->request == T1_RESYNCH) {
        require_reset(t1, t1->heard ? T1_RESYNCH_FAILED : T1_PEER_MUTE);
    } else if (!t1->started) {
        require_reset(t1, t1->heard ? T1_NO_VALID_BLOCK : T1_PEER_MUTE);
    } else if (t1->resynchs >= T1_RESYNCH_MAX) {
        require_reset(t1, T1_RESYNCH_LIMIT);
    } else {
        /* a card that does not know S(IFS request) must be usable after the resynchronisation */
        if (requested && t1->request == T1_IFS)
            t1->parameters.announce_ifsd = 0;
        send_resynch(t1);
    }
}

/* Handles an S(... request) whose response has not come (rule 7.3). */
static void request_unanswered(struct t1 *t1)
{
    if (t1->attempts >= T1_ATTEMPTS) {
        on_attempts_used_up(t1);
        return;
    }
    t1->attempts++;
    send_again(t1);
}

/* Handles that no valid block has come, or a block that is not allowed at this point. */
static void failed_to_receive(struct t1 *t1, enum t1_complaint complaint)
{
    t1->multiplier = 1;
    if (t1->want_resynch) {
        send_resynch(t1);
        return;
    }
    if (t1->sent == T1_SENT_REQUEST) {
        request_unanswered(t1);
        return;
    }
    if (t1->failures < T1_ATTEMPTS)
        t1->failures++;
    if (t1->failures == T1_ATTEMPTS)
        on_attempts_used_up(t1);
    else if (t1->sent == T1_SENT_R)
        send_again(t1); /* rule 7.2 */
    else
        send_r(t1, complaint); /* rules 7.1, 7.3, 7.5, 7.6 */
}

static void not_allowed_here(struct t1 *t1)
{
    t1->counters.invalid++;
    failed_to_receive(t1, T1_OTHER_COMPLAINT);
}

/*
 * Blocks that come in
 */

static void on_i_block(struct t1 *t1, const struct t1_block *block)
{
    bool too_long;

    if (block->number != t1->nr || (t1->outstanding && t1->outstanding_more) || block->length > t1->ifs_in ||
        t1->aborting) {
        not_allowed_here(t1);
        return;
    }
    on_acknowledged(t1); /* rule 2.1 */
    t1->failures = 0;
    t1->asked = 0;
    t1->nr ^= 1;
    too_long = block->length > t1->parameters.capacity - t1->rx_length;
    if (too_long && !is_card(t1)) {
        t1->pending = T1_TOO_LONG;
        if (block->more)
            send_abort(t1);
        else
            fail(t1, T1_TOO_LONG);
        return;
    }
    if (too_long || (block->more && t1->want_abort)) {
        if (!is_card(t1))
            t1->pending = T1_ABORTED_BY_US;
        send_abort(t1);
        return;
    }
    if (block->length > 0)
        memcpy(t1->parameters.buffer + t1->rx_length, block->inf, block->length);
    t1->rx_length += block->length;
    if (block->more)
        send_r(t1, T1_NO_COMPLAINT); /* rule 2.2 */
    else if (is_card(t1))
        t1->mode = T1_MODE_PROCESS;
    else
        done(t1);
}

/* Tells the peer again what this side expects. The peer has received what this side has sent, but does
 * not do what this side expects of it. */
static void repeat_r(struct t1 *t1)
{
    if (++t1->asked >= T1_ATTEMPTS) {
        t1->asked = T1_ATTEMPTS;
        on_attempts_used_up(t1);
    } else if (t1->sent == T1_SENT_R) {
        send_again(t1);
    } else {
        send_r(t1, T1_OTHER_COMPLAINT);
    }
}

static void on_r_block(struct t1 *t1, const struct t1_block *block)
{
    t1->failures = 0;
    if (t1->aborting) {
        /* this side has the right to send again (rule 9); N(R) tells whether its last block counts */
        t1->aborting = false;
        t1->outstanding = false;
        t1->ns = block->number;
        fail(t1, t1->pending);
    } else if (!t1->outstanding) {
        repeat_r(t1);
    } else if (block->number == t1->ns) {
        if (++t1->asked >= T1_ATTEMPTS) {
            t1->asked = T1_ATTEMPTS;
            on_attempts_used_up(t1);
        } else {
            t1->counters.retransmissions++;
            send_i(t1);
        }
    } else if (t1->outstanding_more) {
        on_acknowledged(t1); /* rule 2.2 */
        t1->asked = 0;
        if (t1->want_abort) {
            if (!is_card(t1))
                t1->pending = T1_ABORTED_BY_US;
            send_abort(t1);
        } else {
            send_i(t1);
        }
    } else {
        repeat_r(t1);
    }
}

static void on_request(struct t1 *t1, const struct t1_block *block)
{
    switch (block->function) {
    case T1_WTX: /* rule 3 */
        if (is_card(t1))
            break;
        t1->counters.wtx++;
        t1->counters.last_multiplier = block->inf[0];
        t1->multiplier = block->inf[0] > 0 ? block->inf[0] : 1;
        send_response(t1, block);
        return;
    case T1_IFS: /* rule 4 */
        t1->ifs_out = block->inf[0];
        send_response(t1, block);
        return;
    case T1_ABORT: /* rule 9 */
        t1->counters.aborts++;
        if (is_card(t1)) {
            /* to abort, the interface device must have received the block that gave it its turn */
            on_acknowledged(t1);
            t1->rx_length = 0;
            t1->want_abort = false;
        } else {
            t1->aborting = true;
            t1->pending = T1_ABORTED_BY_PEER;
        }
        send_response(t1, block);
        return;
    case T1_RESYNCH: /* on_block handles it for a card; a card may not send it (rule 6) */
        break;
    }
    not_allowed_here(t1);
}

/* Handles the S(... response) to the request of this side. */
static void on_response(struct t1 *t1)
{
    t1->failures = 0;
    t1->asked = 0;
    switch (t1->request) {
    case T1_RESYNCH:
        reset_protocol(t1);
        if (t1->task == T1_TASK_RESYNCH)
            done(t1);
        else if (t1->task == T1_TASK_IFS)
            fail(t1, T1_IFS_REFUSED);
        else if (t1->pending != T1_NO_REASON)
            fail(t1, t1->pending);
        else
            send_command(t1);
        return;
    case T1_IFS:
        t1->ifs_in = t1->request_value;
        t1->announced = true;
        if (is_card(t1))
            t1->mode = T1_MODE_PROCESS;
        else if (t1->task == T1_TASK_IFS)
            done(t1);
        else
            send_i(t1);
        return;
    case T1_ABORT:
        t1->rx_length = 0;
        if (is_card(t1))
            send_r(t1, T1_NO_COMPLAINT); /* returns the right to send (rule 9) */
        else
            fail(t1, t1->pending);
        return;
    case T1_WTX:
        t1->mode = T1_MODE_PROCESS;
        return;
    }
}

static void on_block(struct t1 *t1, const struct t1_block *block)
{
    t1->counters.blocks_received++;
    t1->started = true;
    t1->multiplier = 1;
    if (is_card(t1)) {
        t1->parameters.nad = t1_nad_swap(block->nad);
        if (block->kind == T1_S_REQUEST && block->function == T1_RESYNCH) {
            /* at any point (rules 6.2, 6.5) */
            reset_protocol(t1);
            t1->counters.resynchs++;
            send_response(t1, block);
            return;
        }
    }
    if (t1->want_resynch) {
        send_resynch(t1);
        return;
    }
    if (t1->sent == T1_SENT_REQUEST) {
        if (block->kind == T1_S_RESPONSE && block->function == t1->request &&
            (block->length == 0 || block->inf[0] == t1->request_value))
            on_response(t1);
        else
            request_unanswered(t1);
        return;
    }
    switch (block->kind) {
    case T1_I_BLOCK:
        on_i_block(t1, block);
        break;
    case T1_R_BLOCK:
        on_r_block(t1, block);
        break;
    case T1_S_REQUEST:
        on_request(t1, block);
        break;
    case T1_S_RESPONSE:
        not_allowed_here(t1);
        break;
    }
}

/* Handles an invalid block. Its end is not known, so the answer has to wait for silence. */
static void wait_for_silence(struct t1 *t1, enum t1_complaint complaint)
{
    t1->counters.invalid++;
    t1->complaint = complaint;
    t1->drained = 0;
    t1->mode = T1_MODE_DRAIN;
}

static void on_complete(struct t1 *t1)
{
    struct t1_block block;
    enum t1_block_result result =
        t1_block_decode(t1->parameters.edc, t1->receiver.bytes, t1->receiver.count, &block);

    if (result == T1_BLOCK_BAD_VPP && !is_card(t1))
        result = T1_BLOCK_OK;
    if (result == T1_BLOCK_OK && !is_card(t1) && (block.nad & 0x77) != t1_nad_swap(t1->parameters.nad))
        result = T1_BLOCK_BAD_NAD;
    if (result == T1_BLOCK_OK)
        on_block(t1, &block);
    else
        wait_for_silence(t1, result == T1_BLOCK_BAD_EDC ? T1_EDC_COMPLAINT : T1_OTHER_COMPLAINT);
}

/*
 * The interface
 */

bool t1_init(struct t1 *t1, const struct t1_parameters *parameters)
{
    uint8_t nad = parameters->nad;

    memset(t1, 0, sizeof *t1);
    if (parameters->ifsc < 1 || parameters->ifsc > T1_INF_MAX || parameters->ifsd < 1 ||
        parameters->ifsd > T1_INF_MAX || parameters->announce_ifsd > T1_INF_MAX || parameters->cwt == 0 ||
        (parameters->role == T1_INTERFACE_DEVICE && parameters->bwt == 0) ||
        (!parameters->buffer && parameters->capacity > 0) || (nad & 0x88) != 0 ||
        (nad != 0 && (nad & 7) == nad >> 4))
        return false;
    t1->parameters = *parameters;
    if (is_card(t1))
        t1->parameters.nad = t1_nad_swap(nad);
    reset_protocol(t1);
    return true;
}

/* Returns whether an interface device may start a task. If so, clears the state of the previous one. */
static bool start_task(struct t1 *t1, enum t1_task task)
{
    if (is_card(t1) || t1->dead ||
        (t1->mode != T1_MODE_IDLE && t1->mode != T1_MODE_DONE && t1->mode != T1_MODE_FAILED))
        return false;
    t1->task = task;
    t1->reason = T1_NO_REASON;
    t1->pending = T1_NO_REASON;
    t1->want_abort = false;
    t1->want_resynch = false;
    t1->rx_length = 0;
    t1->failures = 0;
    t1->asked = 0;
    t1->resynchs = 0;
    return true;
}

bool t1_transmit(struct t1 *t1, const uint8_t *apdu, size_t length)
{
    if (!start_task(t1, T1_TASK_TRANSMIT))
        return false;
    t1->tx = apdu;
    t1->tx_length = length;
    send_command(t1);
    return true;
}

bool t1_listen(struct t1 *t1)
{
    if (!is_card(t1) || t1->mode != T1_MODE_IDLE)
        return false;
    receive(t1);
    return true;
}

bool t1_answer(struct t1 *t1, const uint8_t *bytes, size_t length)
{
    if (t1->mode != T1_MODE_PROCESS)
        return false;
    t1->tx = bytes;
    t1->tx_length = length;
    t1->tx_at = 0;
    t1->rx_length = 0;
    send_i(t1);
    return true;
}

bool t1_request_wtx(struct t1 *t1, uint8_t multiplier)
{
    if (t1->mode != T1_MODE_PROCESS)
        return false;
    t1->counters.wtx++;
    t1->counters.last_multiplier = multiplier;
    send_request(t1, T1_WTX, multiplier);
    return true;
}

bool t1_request_ifs(struct t1 *t1, uint8_t value)
{
    if (value < 1 || value > T1_INF_MAX)
        return false;
    if (is_card(t1)) {
        if (t1->mode != T1_MODE_PROCESS)
            return false;
    } else {
        if (!start_task(t1, T1_TASK_IFS))
            return false;
        t1->parameters.announce_ifsd = value;
    }
    send_request(t1, T1_IFS, value);
    return true;
}

bool t1_request_abort(struct t1 *t1)
{
    if (t1->mode == T1_MODE_PROCESS) {
        send_abort(t1);
        return true;
    }
    if (t1->mode != T1_MODE_SEND && t1->mode != T1_MODE_RECEIVE && t1->mode != T1_MODE_DRAIN)
        return false;
    if (!is_card(t1) && t1->task != T1_TASK_TRANSMIT)
        return false;
    t1->want_abort = true;
    return true;
}

bool t1_resynchronise(struct t1 *t1)
{
    if (is_card(t1) || t1->dead)
        return false;
    if (start_task(t1, T1_TASK_RESYNCH))
        send_resynch(t1);
    else
        t1->want_resynch = true;
    return true;
}

/* Returns how many of the next characters belong to the machine's present mode. The first character of a
 * block has its own time limit. */
static size_t wants(const struct t1 *t1)
{
    return t1->mode == T1_MODE_RECEIVE && t1->receiver.count > 0 ? t1_receiver_wants(&t1->receiver) : 1;
}

void t1_next(struct t1 *t1, struct step *step)
{
    uint64_t wait;

    *step = (struct step){.kind = STEP_DONE};
    switch (t1->mode) {
    case T1_MODE_IDLE:
        break;
    case T1_MODE_SEND:
        step->kind = STEP_SEND;
        step->bytes = t1->out;
        step->length = t1->out_length;
        step->guard = t1->parameters.bgt;
        t1->counters.blocks_sent++;
        receive(t1);
        break;
    case T1_MODE_RECEIVE:
        step->kind = STEP_RECEIVE;
        step->most = wants(t1);
        if (t1->receiver.count > 0) {
            step->timeout = t1->parameters.cwt;
        } else if (is_card(t1)) {
            step->timeout = T1_NO_TIMEOUT;
        } else {
            wait = (uint64_t)t1->parameters.bwt * t1->multiplier;
            step->timeout = wait < T1_NO_TIMEOUT ? (uint32_t)wait : T1_NO_TIMEOUT - 1;
        }
        break;
    case T1_MODE_DRAIN:
        step->kind = STEP_RECEIVE;
        step->most = wants(t1);
        step->timeout = t1->parameters.cwt;
        break;
    case T1_MODE_PROCESS:
        step->kind = STEP_PROCESS;
        step->bytes = t1->parameters.buffer;
        step->length = t1->rx_length;
        break;
    case T1_MODE_DONE:
        step->bytes = t1->parameters.buffer;
        step->length = t1->rx_length;
        break;
    case T1_MODE_FAILED:
        step->kind = STEP_FAILED;
        break;
    }
}

/* Takes characters, not more than wanted. */
static void receive_characters(struct t1 *t1, const uint8_t *bytes, size_t count, bool parity_ok)
{
    if (t1->mode == T1_MODE_DRAIN) {
        if (++t1->drained > T1_BABBLE_MAX && !is_card(t1))
            require_reset(t1, T1_BABBLE);
        return;
    }
    if (t1->mode != T1_MODE_RECEIVE)
        return;
    t1->heard = true;
    switch (t1_receiver_bytes(&t1->receiver, bytes, count, parity_ok)) {
    case T1_RECEIVER_MORE:
        break;
    case T1_RECEIVER_COMPLETE:
        on_complete(t1);
        break;
    case T1_RECEIVER_SPOILT:
        wait_for_silence(t1, t1->receiver.parity_error ? T1_EDC_COMPLAINT : T1_OTHER_COMPLAINT);
        break;
    }
}

void t1_bytes(struct t1 *t1, const uint8_t *bytes, size_t count, bool parity_ok)
{
    while (count > 0) {
        size_t wanted = wants(t1), now = count < wanted ? count : wanted;

        count -= now;
        receive_characters(t1, bytes, now, parity_ok || count > 0);
        bytes += now;
    }
}

void t1_byte(struct t1 *t1, uint8_t byte, bool parity_ok)
{
    t1_bytes(t1, &byte, 1, parity_ok);
}

void t1_timeout(struct t1 *t1)
{
    if (t1->mode == T1_MODE_DRAIN) {
        failed_to_receive(t1, t1->complaint);
    } else if (t1->mode == T1_MODE_RECEIVE && t1->receiver.count > 0) {
        t1->counters.invalid++; /* the block ended too early: CWT is over */
        failed_to_receive(t1, T1_OTHER_COMPLAINT);
    } else if (t1->mode == T1_MODE_RECEIVE && !is_card(t1)) {
        t1->counters.timeouts++; /* BWT is over; a card has no BWT */
        failed_to_receive(t1, T1_OTHER_COMPLAINT);
    }
}

bool t1_needs_reset(const struct t1 *t1)
{
    return t1->dead;
}

const char *t1_reason_text(enum t1_reason reason)
{
    switch (reason) {
    case T1_NO_REASON:
        return "no error";
    case T1_PEER_MUTE:
        return "the card does not answer";
    case T1_NO_VALID_BLOCK:
        return "the card never sent a block without error";
    case T1_RESYNCH_FAILED:
        return "the card did not answer S(RESYNCH request)";
    case T1_RESYNCH_LIMIT:
        return "the exchange fails again and again in spite of resynchronisation";
    case T1_BABBLE:
        return "the card does not stop sending";
    case T1_TOO_LONG:
        return "the answer is too long for the buffer";
    case T1_ABORTED_BY_PEER:
        return "the card aborted the exchange";
    case T1_ABORTED_BY_US:
        return "the exchange was aborted as requested";
    case T1_IFS_REFUSED:
        return "the card did not accept the information field size";
    }
    return "?";
}
