/* SPDX-License-Identifier: BSD-3-Clause */
/* client READER: a program that uses a card, with the way to it that it is linked with (link.h).
 *
 * It makes purchases. Each takes the card for itself, reads the balance, debits, checks what the card says of
 * the balance then, and lets go of the card. If anything fails it recovers, for as long as it takes.
 *
 * What it does is reported on standard output, a line each, with seconds on the monotonic clock in front: "call
 * NAME" and "back NAME CODE" for all that goes to the card, "at idle" and "at locked" where it waits for a
 * line on standard input, "wrong TEXT" if a card has answered what the right card, prepared, does not. */
#include "link.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
}

static void report(const char *what, const char *text)
{
    printf("%.6f %s %s\n", seconds(), what, text);
    fflush(stdout);
}

static uint32_t report_result(const char *name, uint32_t code)
{
    printf("%.6f back %s %08X\n", seconds(), name, (unsigned)code);
    fflush(stdout);
    return code;
}

#define CALL(name, ...) (report("call", #name), report_result(#name, link_##name(__VA_ARGS__)))

/* Waits until versus.py lets us go on; false: we shall end. */
static bool stop_at(const char *place)
{
    char line[16];
    report("at", place);
    return fgets(line, sizeof line, stdin) != NULL;
}

/* Sends a command. The answer is to have so much data, and 90 00. */
static uint32_t ask(struct link *link, const char *what, const uint8_t *command, size_t command_len,
                    uint8_t *data, size_t data_len)
{
    uint8_t answer[258];
    size_t length = sizeof answer;
    uint32_t rv = link_transmit(link, command, command_len, answer, &length);
    if (rv != 0)
        return rv;
    if (length == data_len + 2 && answer[data_len] == 0x90 && answer[data_len + 1] == 0x00) {
        if (data)
            memcpy(data, answer, data_len);
        return 0;
    }
    char text[64];
    snprintf(text, sizeof text, "%s: %zu bytes, %02X %02X", what, length, length < 2 ? 0 : answer[length - 2],
             length < 2 ? 0 : answer[length - 1]);
    report("wrong", text);
    return LINK_WRONG_ANSWER;
}

static uint32_t prepare(struct link *link, void *context)
{
    static const uint8_t select[] = {0x00, 0xA4, 0x04, 0x00, 0x05, 'p', 'u', 'r', 's', 'e'};
    static const uint8_t verify[] = {0x00, 0x20, 0x00, 0x01, 0x04, '1', '2', '3', '4'};
    (void)context;
    uint32_t rv = ask(link, "SELECT", select, sizeof select, NULL, 0);
    return rv == 0 ? ask(link, "VERIFY", verify, sizeof verify, NULL, 0) : rv;
}

static uint32_t ask_balance(struct link *link, const char *what, uint8_t instruction, unsigned *balance)
{
    uint8_t command[] = {0x80, instruction, 0x00, 0x00, 0x02}, data[2];
    report("call", what);
    uint32_t rv = report_result(what, ask(link, what, command, sizeof command, data, sizeof data));
    if (rv == 0)
        *balance = (unsigned)data[0] << 8 | data[1];
    return rv;
}

/* For as long as it takes. */
static void recover(struct link *link)
{
    while (CALL(recover, link) != 0)
        pause_ms(20);
}

static void lock(struct link *link)
{
    while (CALL(lock, link) != 0)
        recover(link);
}

/* If that fails it is released all the same, which is for recover to see to. */
static void unlock(struct link *link)
{
    if (CALL(unlock, link) != 0)
        recover(link);
}

/* With the card locked, which it stays; false: we shall end. */
static bool purchase(struct link *link)
{
    unsigned before, after;
    for (;;) {
        uint32_t rv = ask_balance(link, "read", 0x50, &before);
        if (rv == 0 && !stop_at("locked"))
            return false;
        if (rv == 0)
            rv = ask_balance(link, "debit", 0x54, &after);
        if (rv == 0)
            break;
        recover(link);
    }
    /* while the card was locked nobody else can have debited */
    if (after != ((before - 1) & 0xFFFF))
        report("wrong", "the balance is that of another card");
    return true;
}

int main(int argc, char **argv)
{
    struct link *link = NULL;
    if (argc != 2) {
        fprintf(stderr, "Usage: client READER\n");
        return 2;
    }
    uint32_t rv = link_open(argv[1], prepare, NULL, &link);
    if (rv != 0) {
        fprintf(stderr, "client: %s: %08X\n", argv[1], (unsigned)rv);
        return 1;
    }
    lock(link);
    while (prepare(link, NULL) != 0)
        recover(link);
    unlock(link);
    bool on = true;
    while (on && (on = stop_at("idle"))) {
        lock(link);
        on = purchase(link);
        unlock(link);
        pause_ms(2);
    }
    link_close(link);
    return 0;
}
