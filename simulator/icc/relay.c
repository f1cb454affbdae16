/* SPDX-License-Identifier: BSD-3-Clause */
#include "icc/relay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/oneline.h"

/* Time limits for calls to the other service. The driver waits for 10 s. */
#define LIMIT_MS           7000
#define WANTED_PROTOCOL_MS 2500 /* for the additional reset before a command */

/* How long a reset or command waits for the card's removal from the slot, when the card is no longer in the
 * other reader. */
#define GONE_MS          2000

#define PATIENCE_STEP_MS 20

#define NAME_SIZE        129
#define LINE_SIZE        600

struct relay {
    struct card card;
    struct card_host host;
    struct pcsc_client *client;
    char name[NAME_SIZE];
    bool cold;      /* the last reset was a cold one */
    uint8_t wanted; /* the protocol chosen here since the last reset, or PCSC_CLIENT_ANY_PROTOCOL */
    uint8_t active; /* the other service's protocol; PCSC_CLIENT_ANY_PROTOCOL: neither T=0 nor T=1 */
    bool gone;      /* the card is no longer in the other reader */
    bool powered;
};

static const struct card_kind relay_kind;

static struct relay *relay_of(struct card *card)
{
    return (struct relay *)card;
}

const char *relay_reader(const char *name)
{
    size_t length = strlen(RELAY_PREFIX);
    return strncmp(name, RELAY_PREFIX, length) == 0 ? name + length : NULL;
}

static void name_card(struct relay *relay)
{
    char text[300];
    int length = snprintf(text, sizeof text, "relay of %.256s", pcsc_client_reader(relay->client));
    oneline(relay->name, sizeof relay->name, text, (size_t)length);
}

/* Makes the client and connects to the card. card_free closes the client even after a failure. */
static enum pcsc_result connect_with_retries(struct relay *relay, const char *reader, int patience_ms,
                                             uint32_t *counter, struct error *error)
{
    struct pcsc_client_reader_state state = {0};
    relay->client = pcsc_client_new(reader, error);
    if (!relay->client)
        return PCSC_FAILED;
    enum pcsc_result result = pcsc_client_wait_for_change(relay->client, 0, LIMIT_MS, &state);
    if (result == PCSC_OK && !state.present) {
        error_set(error, "no card is in '%s' yet", pcsc_client_reader(relay->client));
        return PCSC_NO_CARD;
    }
    if (result == PCSC_OK)
        result = pcsc_client_connect(relay->client, LIMIT_MS);
    for (int waited = 0; result == PCSC_IN_USE && waited < patience_ms; waited += PATIENCE_STEP_MS) {
        pcsc_client_pause(relay->client, PATIENCE_STEP_MS);
        result = pcsc_client_connect(relay->client, LIMIT_MS);
    }
    if (result == PCSC_MUTE)
        result = PCSC_OK;
    if (result != PCSC_OK)
        error_set(error, "%s", pcsc_client_error(relay->client));
    *counter = state.counter;
    name_card(relay);
    return result;
}

struct card *relay_connect(const char *reader, const struct card_host *host, int patience_ms,
                           uint32_t *counter, enum pcsc_result *result, struct error *error)
{
    struct relay *relay = calloc(1, sizeof *relay);
    struct error why = {""};
    char line[ERROR_TEXT_MAX];
    *result = PCSC_FAILED;
    if (!relay) {
        error_set(error, "out of memory");
        return NULL;
    }
    relay->card.kind = &relay_kind;
    relay->host = *host;
    relay->active = relay->wanted = PCSC_CLIENT_ANY_PROTOCOL;
    *result = connect_with_retries(relay, reader, patience_ms, counter, &why);
    if (*result == PCSC_OK)
        return &relay->card;
    card_free(&relay->card);
    oneline(line, sizeof line, why.text, strlen(why.text));
    error_set(error, RELAY_PREFIX "%.128s: %s", reader, line);
    return NULL;
}

static void free_relay(struct card *card)
{
    pcsc_client_close(relay_of(card)->client);
    free(card);
}

static const char *name(const struct card *card)
{
    return ((const struct relay *)card)->name;
}

/* The ATR is known only after a reset. */
static const uint8_t *atr(const struct card *card, enum card_power how, size_t *length)
{
    (void)card;
    (void)how;
    *length = 0;
    return NULL;
}

static void interrupt(struct card *card)
{
    pcsc_client_interrupt(relay_of(card)->client);
}

/* Handles a result other than PCSC_OK. */
static void note_failure(struct relay *relay, enum pcsc_result result)
{
    char text[LINE_SIZE], line[LINE_SIZE];
    if (result == PCSC_INTERRUPTED)
        return;
    relay->gone = result == PCSC_NO_CARD || result == PCSC_NO_READER || result == PCSC_NO_SERVICE;
    if (relay->gone) {
        pcsc_client_pause(relay->client, GONE_MS); /* the watch of the other reader removes the card */
    } else if (relay->host.log) {
        int length = snprintf(text, sizeof text, "%s: %s", relay->name, pcsc_client_error(relay->client));
        oneline(line, sizeof line, text, (size_t)length < sizeof text ? (size_t)length : sizeof text - 1);
        relay->host.log(relay->host.arg, line);
    }
}

static void power(struct card *card, enum card_power how, uint8_t answer[ATR_MAX], size_t *length)
{
    struct relay *relay = relay_of(card);
    *length = 0;
    relay->wanted = PCSC_CLIENT_ANY_PROTOCOL;
    relay->powered = false;
    /* CARD_OFF leaves the card powered until the next reset, which is a cold one */
    if (how == CARD_OFF || relay->gone)
        return;
    relay->cold = how == CARD_COLD;
    enum pcsc_result result = pcsc_client_reset(relay->client, relay->cold, PCSC_CLIENT_ANY_PROTOCOL,
                                                LIMIT_MS, answer, length, &relay->active);
    relay->powered = result == PCSC_OK;
    if (result != PCSC_OK && result != PCSC_MUTE)
        note_failure(relay, result);
}

static void protocol(struct card *card, uint8_t chosen)
{
    relay_of(card)->wanted = chosen;
}

/* Makes the other service use the protocol that was chosen here. */
static enum pcsc_result reset_to_wanted_protocol(struct relay *relay)
{
    uint8_t bytes[ATR_MAX];
    size_t length;
    if (relay->wanted == PCSC_CLIENT_ANY_PROTOCOL || relay->active == relay->wanted)
        return PCSC_OK;
    return pcsc_client_reset(relay->client, relay->cold, relay->wanted, WANTED_PROTOCOL_MS, bytes, &length,
                             &relay->active);
}

static void command(struct card *card, const uint8_t *cmd, size_t length, uint8_t *resp, size_t resp_capacity,
                    size_t *resp_length)
{
    struct relay *relay = relay_of(card);
    size_t received = resp_capacity;
    *resp_length = 0;
    if (!relay->powered || relay->gone)
        return;
    enum pcsc_result result = reset_to_wanted_protocol(relay);
    if (result == PCSC_OK)
        result = pcsc_client_transmit(relay->client, cmd, length, LIMIT_MS, resp, &received);
    if (result == PCSC_OK && received >= 2)
        *resp_length = received;
    else if (result != PCSC_OK)
        note_failure(relay, result);
}

static const struct card_kind relay_kind = {
    .takes_case_3 = true,
    .free = free_relay,
    .name = name,
    .atr = atr,
    .power = power,
    .protocol = protocol,
    .command = command,
    .interrupt = interrupt,
};
