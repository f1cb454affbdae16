/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig/relay_watch.h"

#include "icc/pcsc_client.h"
#include "icc/relay.h"
#include "rig/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How long the watch waits for a card event before it looks at the reader without one: card events can be
 * lost (scardmanage-pcsclite(7)). FIRST_EVENT_MS is for a card at an event counter of 0, which libpcsclite
 * does not compare. */
#define EVENT_MS       1000
#define FIRST_EVENT_MS 100

/* The delay before the next look at a missing reader or service, or a card that another program uses. */
#define RETRY_MS 250

/* The limit for an answer of the service: long, because nothing is known of its cards until it answers. */
#define LIMIT_MS 3600000

struct relay_watch {
    struct relay_watch_host host;
    struct pcsc_client *client;
    char *reader;
    bool card_in;     /* the reader's card is in the slot */
    uint32_t counter; /* the reader's event counter when the card was found */
    bool in_use; /* another client had the card at the last attempt; perhaps our own, of the card before */
    char said[ERROR_TEXT_MAX]; /* the reason last logged why the card is not in the slot */
};

/* Logs why there is no card, unless that was logged last. "" means that there is no reason to log. */
static void log_reason_once(struct relay_watch *watch, const char *why)
{
    if (strcmp(watch->said, why) == 0)
        return;
    snprintf(watch->said, sizeof watch->said, "%s", why);
    if (*why)
        rig_log("%s: %s; waiting for it", watch->host.name, why);
}

static void remove_relayed_card(struct relay_watch *watch)
{
    if (watch->card_in)
        watch->host.remove(watch->host.arg, watch);
    watch->card_in = false;
}

static void put_in(struct relay_watch *watch)
{
    enum pcsc_result result;
    struct error error;
    struct card *card =
        relay_connect(watch->reader, watch->host.card_host, 0, &watch->counter, &result, &error);
    if (card)
        watch->card_in = watch->host.insert(watch->host.arg, watch, card);
    else if (result != PCSC_NO_CARD && (result != PCSC_IN_USE || watch->in_use))
        log_reason_once(watch, error.text);
    watch->in_use = result == PCSC_IN_USE;
    if (watch->card_in)
        log_reason_once(watch, "");
    else
        pcsc_client_pause(watch->client, RETRY_MS);
}

/* Looks at the reader once. Returns false if the watch was interrupted. */
static bool follow_reader_once(struct relay_watch *watch)
{
    struct pcsc_client_reader_state seen;
    struct error error;
    bool counted = watch->counter != 0 || !watch->card_in;
    enum pcsc_result result =
        pcsc_client_wait_for_change(watch->client, counted ? EVENT_MS : FIRST_EVENT_MS, LIMIT_MS, &seen);
    if (result == PCSC_INTERRUPTED)
        return false;
    if (result == PCSC_LATE)
        return true;
    if (result != PCSC_OK) {
        error_set(&error, RELAY_PREFIX "%.128s: %s", watch->reader, pcsc_client_error(watch->client));
        remove_relayed_card(watch);
        log_reason_once(watch, error.text);
        return !pcsc_client_pause(watch->client, RETRY_MS);
    }
    if (!seen.present || seen.counter != watch->counter)
        remove_relayed_card(watch);
    if (seen.present && !watch->card_in)
        put_in(watch);
    else if (!seen.present)
        log_reason_once(watch, "");
    return true;
}

static void free_watch(struct relay_watch *watch)
{
    pcsc_client_close(watch->client);
    free(watch->reader);
    free(watch);
}

static void work(void *arg)
{
    struct relay_watch *watch = arg;
    while (follow_reader_once(watch))
        ;
    watch->host.ended(watch->host.arg, watch);
    free_watch(watch);
}

struct relay_watch *relay_watch_new(const struct relay_watch_host *host, const char *reader, bool card_in,
                                    uint32_t counter, struct error *error)
{
    struct relay_watch *watch = calloc(1, sizeof *watch);
    error_set(error, "out of memory");
    if (!watch)
        return NULL;
    watch->host = *host;
    watch->card_in = card_in;
    watch->counter = counter;
    watch->reader = strdup(reader);
    watch->client = watch->reader ? pcsc_client_new(reader, error) : NULL;
    if (watch->client && host->start(host->arg, work, watch))
        return watch;
    if (watch->client)
        error_set(error, "a relay needs a thread: %s", strerror(errno));
    free_watch(watch);
    return NULL;
}

void relay_watch_interrupt(struct relay_watch *watch)
{
    pcsc_client_interrupt(watch->client);
}
