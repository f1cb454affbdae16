/* SPDX-License-Identifier: BSD-3-Clause */
/* client READER: a program that uses a card, with the way to it that it is linked with (link.h).
 *
 * It makes purchases. Each is a unit of commands: it takes the card for itself, reads the balance, chooses a key, signs with it,
 * debits, checks each answer, and lets go of the card. If anything fails it tries again, for as long as it takes. With its
 * PIN it does as scardmanage(3) says.
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

static uint32_t report_status(const char *what, const uint8_t *answer, size_t length)
{
    char text[64];
    const uint8_t *sw = length < 2 ? (const uint8_t[2]){0} : answer + length - 2;
    if (sw[0] == 0x6D) /* the command is not known: that is another application */
        return LINK_SESSION_LOST;
    snprintf(text, sizeof text, "%s: %zu bytes, %02X %02X", what, length, sw[0], sw[1]);
    report("wrong", text);
    return LINK_WRONG_ANSWER;
}

/* Sends a command. The answer is to have so much data, and 90 00. */
static uint32_t ask(struct link *link, const char *what, const uint8_t *command, size_t command_len,
                    uint8_t *data, size_t data_len)
{
    uint8_t answer[258];
    size_t length = sizeof answer;
    report("call", what);
    uint32_t rv = report_result(what, link_transmit(link, command, command_len, answer, &length));
    if (rv != 0)
        return rv;
    if (length != data_len + 2 || answer[data_len] != 0x90 || answer[data_len + 1] != 0x00)
        return report_status(what, answer, length);
    if (data)
        memcpy(data, answer, data_len);
    return 0;
}

struct program {
    char pin[4];
    bool pin_refused; /* it is not presented again */
    bool ended;
};

static uint32_t select_purse(struct link *link)
{
    static const uint8_t select[] = {0x00, 0xA4, 0x04, 0x00, 0x05, 'p', 'u', 'r', 's', 'e'};
    return ask(link, "SELECT", select, sizeof select, NULL, 0);
}

#define SERIAL_LENGTH 4

static uint32_t identify(struct link *link, uint8_t *serial, size_t *length)
{
    static const uint8_t get_data[] = {0x00, 0xCA, 0x00, 0x5A, SERIAL_LENGTH};
    uint32_t rv = select_purse(link);
    *length = SERIAL_LENGTH;
    return rv == 0 ? ask(link, "GET DATA", get_data, sizeof get_data, serial, SERIAL_LENGTH) : rv;
}

/* Sends VERIFY with the PIN, or without one, to ask for the tries left. */
static uint32_t send_verify(struct link *link, const char *pin, size_t pin_len, uint8_t sw[2])
{
    uint8_t command[9] = {0x00, 0x20, 0x00, 0x01, (uint8_t)pin_len}, answer[258];
    size_t length = sizeof answer;
    memcpy(command + 5, pin, pin_len);
    report("call", "VERIFY");
    uint32_t rv = link_transmit(link, command, pin_len > 0 ? 5 + pin_len : 4, answer, &length);
    explicit_bzero(command, sizeof command);
    if (report_result("VERIFY", rv) == 0 && length != 2)
        rv = report_status("VERIFY", answer, length);
    if (rv == 0)
        memcpy(sw, answer, 2);
    return rv;
}

/* Leaves the last try to the owner of the card. */
static uint32_t present_pin(struct link *link, struct program *p)
{
    uint8_t sw[2];
    if (p->pin_refused)
        return LINK_WRONG_PIN;
    uint32_t rv = send_verify(link, NULL, 0, sw);
    if (rv != 0)
        return rv;
    if (sw[0] != 0x63 || (sw[1] & 0x0F) < 2)
        return LINK_PIN_BLOCKED;
    rv = send_verify(link, p->pin, sizeof p->pin, sw);
    p->pin_refused = rv == 0 && sw[0] != 0x90;
    return p->pin_refused ? LINK_WRONG_PIN : rv;
}

static uint32_t prepare(struct link *link, void *context)
{
    uint32_t rv = select_purse(link);
    return rv == 0 ? present_pin(link, context) : rv;
}

/* The balance, and the number that the card has given the session. */
struct state {
    unsigned balance;
    unsigned session;
};

static uint32_t ask_state(struct link *link, const char *what, uint8_t instruction, struct state *state)
{
    uint8_t command[] = {0x80, instruction, 0x00, 0x00, 0x04}, data[4];
    uint32_t rv = ask(link, what, command, sizeof command, data, sizeof data);
    if (rv == 0)
        *state = (struct state){(unsigned)data[0] << 8 | data[1], (unsigned)data[2] << 8 | data[3]};
    return rv;
}

#define KEY 2 /* another key than the one that the card takes if none is chosen */

static uint32_t choose_key(struct link *link)
{
    static const uint8_t mse[] = {0x00, 0x22, 0x41, 0xB6, 0x03, 0x84, 0x01, KEY};
    return ask(link, "MSE", mse, sizeof mse, NULL, 0);
}

static uint32_t sign(struct link *link)
{
    static const uint8_t pso[] = {0x00, 0x2A, 0x9E, 0x9A, 0x02, 'O', 'K', 0x03};
    uint8_t signature[3];
    uint32_t rv = ask(link, "PSO", pso, sizeof pso, signature, sizeof signature);
    if (rv == 0 && signature[0] != KEY)
        report("wrong", "signed with another key");
    return rv;
}

/* A unit: with the card locked. */
static uint32_t purchase(struct link *link, void *context)
{
    struct program *p = context;
    struct state before, after;
    uint32_t rv = ask_state(link, "read", 0x50, &before);
    if (rv == 0)
        rv = choose_key(link);
    if (rv == 0 && !stop_at("locked")) {
        p->ended = true;
        return LINK_ENDED;
    }
    if (rv == 0)
        rv = sign(link);
    if (rv == 0)
        rv = ask_state(link, "debit", 0x54, &after);
    if (rv != 0)
        return rv;
    if (after.session != before.session)
        report("wrong", "a unit in two sessions");
    else if (after.balance != ((before.balance - 1) & 0xFFFF)) /* nobody else can have debited */
        report("wrong", "the balance is that of another card");
    return 0;
}

/* For as long as it takes. */
static void buy(struct link *link, struct program *p)
{
    while (CALL(run, link, purchase, p) != 0 && !p->ended)
        pause_ms(20);
}

int main(int argc, char **argv)
{
    struct link *link = NULL;
    struct program p = {.pin = {'1', '2', '3', '4'}};
    const struct link_functions functions = {identify, prepare, &p};
    if (argc != 2) {
        fprintf(stderr, "Usage: client READER\n");
        return 2;
    }
    uint32_t rv = link_open(argv[1], &functions, &link);
    if (rv != 0) {
        fprintf(stderr, "client: %s: %08X\n", argv[1], (unsigned)rv);
        return 1;
    }
    while (!p.ended && stop_at("idle")) {
        buy(link, &p);
        pause_ms(2);
    }
    link_close(link);
    explicit_bzero(p.pin, sizeof p.pin);
    return 0;
}
