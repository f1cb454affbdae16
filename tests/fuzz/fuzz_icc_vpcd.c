/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A card at the other end of a vpcd connection that says anything, late or never, and goes at any time.
 * Each call is back in time; a response is the one message that has come since the command was sent, and
 * nothing else. A card that breaks the protocol is gone for good, and sees it by the end of its connection; one
 * that does not can be used on.
 */
#include "virtual.h"
#include "vpcd_message.h"

#include "icc/vpcd.h"
#include "link/vpcd.h"

#include <unistd.h>

#define TIMEOUT_MS 3000
#define OPS_MAX    64

static struct card *card;
static int peer;           /* the card's end; -1: it has hung up */
static bool good, resets;  /* it answers; what is waited for is an ATR */
static bool calling;       /* a call is under way */
static bool unasked, shut; /* it has spoken before it was asked; it has said its last */
static unsigned ops, lines;

/* What it has said since the call began. */
static uint8_t said[4 * VPCD_MAX_MESSAGE];
static size_t said_length;

static void take_line(void *arg, const char *line)
{
    (void)arg;
    CHECK(strncmp(line, "vpcd card: ", 11) == 0 && strlen(line) < 1024);
    lines++;
}

static void give_random(void *arg, uint8_t *bytes, size_t length)
{
    (void)arg;
    memset(bytes, 0, length);
}

static void say(const void *bytes, size_t length)
{
    if (peer < 0 || shut || length > sizeof said - said_length)
        return;
    ssize_t sent = send(peer, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent <= 0)
        return;
    memcpy(said + said_length, bytes, (size_t)sent);
    said_length += (size_t)sent;
    unasked = unasked || !calling;
}

static void hear(void)
{
    static uint8_t bytes[VPCD_MAX_MESSAGE];
    while (peer >= 0 && recv(peer, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
        ;
}

static void say_message(void)
{
    static uint8_t message[2 + VPCD_MAX_MESSAGE];
    unsigned length = next();
    say(message, vpcd_message_make(message, length, next()));
}

static void say_bytes(void)
{
    uint8_t bytes[256];
    unsigned length = next();
    for (unsigned i = 0; i < length; i++)
        bytes[i] = (uint8_t)next();
    say(bytes, length);
}

static int act(void)
{
    if (good) {
        hear();
        say(resets ? "\0\2\x3B" : "\0\2\x90", 4); /* and a zero */
        return 1;
    }
    if (input.at >= input.end || ops++ >= OPS_MAX)
        return -1;
    switch (next() % 10) {
    case 0:
        return (int)next() * 16;
    case 1:
        say_message();
        break;
    case 2:
        say_bytes();
        break;
    case 3:
        hear();
        break;
    case 4:
        say("\0\2\x3B", 4);
        break;
    case 5:
        if (next() == 5 && peer >= 0) {
            close(peer);
            peer = -1;
        }
        break;
    case 6:
        if (next() == 6 && peer >= 0)
            shut = shutdown(peer, SHUT_WR) == 0;
        break;
    case 7:
        if (next() == 7)
            card_interrupt(card);
        break;
    case 8: /* nothing of it is read, and no more has room */
        say("\xFF\xFF", 2);
        break;
    default:
        return (int)next();
    }
    return 0;
}

/* Whether what has been said since is one message, of those bytes. */
static void check_said(const uint8_t *bytes, size_t length)
{
    CHECK(said_length == 2 + length && (size_t)(said[0] << 8 | said[1]) == length);
    CHECK(memcmp(said + 2, bytes, length) == 0);
}

struct begun {
    int64_t ms;
    bool gone;
};

static struct begun begin_call(void)
{
    calling = true;
    said_length = 0;
    lines = 0;
    return (struct begun){virtual_ms(), card_gone(card)};
}

static void end_call(const struct begun *begun, size_t length)
{
    calling = false;
    CHECK(virtual_ms() - begun->ms <= (begun->gone ? 1 : TIMEOUT_MS + 1));
    CHECK(lines <= 2);
    if (begun->gone)
        CHECK(card_gone(card) && length == 0 && lines == 0);
}

static size_t power(enum card_power how)
{
    uint8_t *atr = malloc(ATR_MAX);
    size_t length, known;
    struct begun begun = begin_call();
    CHECK(atr);
    card_power(card, how, atr, &length);
    end_call(&begun, length);
    CHECK(length <= ATR_MAX && (length == 0 || how != CARD_OFF));
    if (length > 0) {
        check_said(atr, length);
        CHECK(memcmp(card_atr(card, how, &known), atr, length) == 0 && known == length);
    }
    free(atr);
    return length;
}

static size_t command(size_t size)
{
    static uint8_t response[CARD_RESPONSE_MAX], bytes[APDU_COMMAND_MAX];
    size_t length;
    struct begun begun = begin_call();
    card_command(card, bytes, size, response, sizeof response, &length);
    end_call(&begun, length);
    CHECK(length == 0 || (length >= 2 && length <= sizeof response));
    if (length > 0 && size <= VPCD_MAX_MESSAGE)
        check_said(response, length);
    return length;
}

static void call(void)
{
    static const size_t sizes[] = {4, 5, 260, VPCD_MAX_MESSAGE, APDU_COMMAND_MAX};
    unsigned what = next() % 8;
    if (what < 2)
        act();
    else if (what < 5)
        power(what == 2 ? CARD_COLD : what == 3 ? CARD_WARM : CARD_OFF);
    else
        command(sizes[next() % 5]);
}

static void check_disconnected(void)
{
    uint8_t byte;
    hear();
    CHECK(peer < 0 || recv(peer, &byte, 1, MSG_DONTWAIT) == 0 || errno == ECONNRESET);
}

/* One that was disconnected sees it; one that has done nothing wrong is still a card. */
static void check_end(void)
{
    hear();
    if (card_gone(card) && !shut) {
        check_disconnected();
    } else if (!card_gone(card) && !unasked && !shut && peer >= 0) {
        good = resets = true;
        CHECK(power(CARD_COLD) == 2);
        resets = false;
        CHECK(command(5) == 2);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int pair[2];
    const struct card_host host = {.random = give_random, .log = take_line};
    input = (struct input){data, data + size};
    good = calling = unasked = shut = false;
    ops = 0;
    said_length = 0;
    virtual_us = 1000000000;
    virtual_time = true;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    peer = pair[1];
    card = vpcd_card_new(pair[0], "vpcd card", TIMEOUT_MS, &host);
    CHECK(card && !card_gone(card));
    while (input.at < input.end && ops++ < OPS_MAX)
        call();
    check_end();
    card_free(card);
    check_disconnected();
    if (peer >= 0)
        close(peer);
    virtual_time = false;
    return 0;
}
