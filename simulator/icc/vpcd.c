/* SPDX-License-Identifier: BSD-3-Clause */
#include "icc/vpcd.h"

#include "base/await.h"
#include "base/clock.h"
#include "link/vpcd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define NAME_MAX_BYTES 128

struct vpcd_card {
    struct card card;
    int fd; /* non-blocking */
    char name[NAME_MAX_BYTES + 1];
    unsigned timeout_ms;
    struct card_host host;
    atomic_bool gone; /* the connection has ended, or is about to end */
    bool powered;
    uint8_t atr[ATR_MAX];
    size_t atr_length;
    struct vpcd_input input;
};

static struct vpcd_card *vpcd_of(struct card *card)
{
    return (struct vpcd_card *)card;
}

static const struct vpcd_card *const_vpcd_of(const struct card *card)
{
    return (const struct vpcd_card *)card;
}

static void log_line(struct vpcd_card *vpcd, const char *text)
{
    char line[NAME_MAX_BYTES + 200];
    snprintf(line, sizeof line, "%s: %s", vpcd->name, text);
    if (vpcd->host.log)
        vpcd->host.log(vpcd->host.arg, line);
}

/* Ends the connection and logs why. Returns false. */
static bool disconnect(struct vpcd_card *vpcd, const char *why)
{
    char text[150];
    snprintf(text, sizeof text, "%s: taken out", why);
    if (!atomic_exchange(&vpcd->gone, true))
        log_line(vpcd, text);
    shutdown(vpcd->fd, SHUT_RDWR);
    return false;
}

/* Returns whether the card has sent something without a request. */
static bool spoke_unasked(struct vpcd_card *vpcd)
{
    uint8_t byte;
    return vpcd->input.used > 0 || recv(vpcd->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/* Receives one message. Returns false if there is none; the card is gone then. */
static bool receive_answer(struct vpcd_card *vpcd, int64_t deadline, const uint8_t **data, size_t *length)
{
    enum vpcd_result result = vpcd_receive_soon(vpcd->fd, &vpcd->input);
    for (; result == VPCD_PARTIAL; result = vpcd_receive(vpcd->fd, MSG_DONTWAIT, &vpcd->input))
        if (!await_ready(vpcd->fd, POLLIN, -1, deadline))
            return disconnect(vpcd, vpcd->input.used ? "part of an answer, and not the rest in time"
                                                     : "no answer in time");
    if (result == VPCD_CLOSED) {
        vpcd->gone = true; /* an ordinary removal is not logged */
        return false;
    }
    size_t used = vpcd->input.used;
    vpcd_message(&vpcd->input, data, length);
    /* the bytes of the message stay in place until the next exchange; any after it are unsolicited */
    vpcd->input.used = 0;
    return used == *length + 2 || disconnect(vpcd, "more than one answer");
}

static void free_vpcd(struct card *card)
{
    struct vpcd_card *vpcd = vpcd_of(card);
    shutdown(vpcd->fd, SHUT_RDWR); /* other descriptors may share the socket: close would not end it */
    close(vpcd->fd);
    free(vpcd);
}

static const char *name(const struct card *card)
{
    return const_vpcd_of(card)->name;
}

static const uint8_t *atr(const struct card *card, enum card_power how, size_t *length)
{
    *length = how == CARD_OFF ? 0 : const_vpcd_of(card)->atr_length;
    return const_vpcd_of(card)->atr;
}

static bool gone(const struct card *card)
{
    return const_vpcd_of(card)->gone;
}

/* Sends the controls for a power change or reset. Returns false if the card is gone. */
static bool send_controls(struct vpcd_card *vpcd, enum card_power how)
{
    static const enum vpcd_control cold[] = {VPCD_POWER_OFF, VPCD_POWER_ON, VPCD_GET_ATR};
    static const enum vpcd_control warm[] = {VPCD_RESET, VPCD_GET_ATR};
    bool was_powered = vpcd->powered, ok;
    vpcd->powered = false;
    if (how == CARD_OFF) {
        ok = !was_powered || vpcd_send_controls(vpcd->fd, cold, 1);
    } else if (how == CARD_WARM && was_powered) {
        ok = vpcd_send_controls(vpcd->fd, warm, 2);
    } else {
        size_t skip = was_powered ? 0 : 1;
        ok = vpcd_send_controls(vpcd->fd, cold + skip, 3 - skip);
    }
    if (ok)
        return true;
    if (errno == EAGAIN)
        return disconnect(vpcd, "it does not take what it is sent");
    vpcd->gone = true;
    return false;
}

static void power(struct card *card, enum card_power how, uint8_t answer[ATR_MAX], size_t *length)
{
    struct vpcd_card *vpcd = vpcd_of(card);
    const uint8_t *bytes;
    size_t count;
    *length = 0;
    if (vpcd->gone || (spoke_unasked(vpcd) && !disconnect(vpcd, "it spoke unasked")) ||
        !send_controls(vpcd, how) || how == CARD_OFF)
        return;
    vpcd->atr_length = 0;
    if (!receive_answer(vpcd, clock_ms() + vpcd->timeout_ms, &bytes, &count))
        return;
    if (count > ATR_MAX)
        log_line(vpcd, "an ATR of more than 33 bytes");
    if (count > ATR_MAX || (count == 0 && !disconnect(vpcd, "an ATR of 0 bytes, so it has no card")))
        return;
    vpcd->powered = true;
    vpcd->atr_length = *length = count;
    memcpy(vpcd->atr, bytes, count);
    memcpy(answer, bytes, count);
}

static bool send_command(struct vpcd_card *vpcd, const uint8_t *bytes, size_t length, int64_t deadline)
{
    size_t done = 0;
    enum vpcd_result result;
    while ((result = vpcd_send(vpcd->fd, MSG_DONTWAIT, bytes, length, &done)) == VPCD_PARTIAL)
        if (!await_ready(vpcd->fd, POLLOUT, -1, deadline))
            return disconnect(vpcd, "it did not take a command in time");
    if (result != VPCD_OK)
        vpcd->gone = true;
    return result == VPCD_OK;
}

static void command(struct card *card, const uint8_t *cmd, size_t length, uint8_t *resp, size_t resp_capacity,
                    size_t *resp_length)
{
    static const uint8_t wrong_length[] = {0x67, 0x00};
    struct vpcd_card *vpcd = vpcd_of(card);
    const uint8_t *bytes = wrong_length;
    size_t count = sizeof wrong_length;
    int64_t deadline = clock_ms() + vpcd->timeout_ms;
    *resp_length = 0;
    if (vpcd->gone || !vpcd->powered || (spoke_unasked(vpcd) && !disconnect(vpcd, "it spoke unasked")))
        return;
    if (length > VPCD_MAX_MESSAGE)
        log_line(vpcd, "vpcd has no message for a command of more than 65,535 bytes: 67 00 instead");
    else if (!send_command(vpcd, cmd, length, deadline) || !receive_answer(vpcd, deadline, &bytes, &count))
        return;
    if (count < 2)
        log_line(vpcd, "an answer without SW1 SW2");
    if (count < 2 || count > resp_capacity)
        return;
    memcpy(resp, bytes, count);
    *resp_length = count;
}

static void interrupt(struct card *card)
{
    struct vpcd_card *vpcd = vpcd_of(card);
    vpcd->gone = true;
    shutdown(vpcd->fd, SHUT_RDWR);
}

static const struct card_kind vpcd_kind = {
    .takes_case_3 = true,
    .free = free_vpcd,
    .name = name,
    .atr = atr,
    .gone = gone,
    .power = power,
    .command = command,
    .interrupt = interrupt,
};

struct card *vpcd_card_new(int fd, const char *name, unsigned timeout_ms, const struct card_host *host)
{
    struct vpcd_card *vpcd = calloc(1, sizeof *vpcd);
    if (!vpcd || fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
        free(vpcd);
        close(fd);
        return NULL;
    }
    vpcd->card.kind = &vpcd_kind;
    vpcd->fd = fd;
    vpcd->timeout_ms = timeout_ms;
    vpcd->host = *host;
    snprintf(vpcd->name, sizeof vpcd->name, "%s", name);
    return &vpcd->card;
}
