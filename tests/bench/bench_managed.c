/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench_card.h"
#include "bench_client.h"

#include <scardmanage.h>

#include <string.h>

#define IN_A_ROW      10 /* samples before it is the other's turn, so that each finds its threads awake */
#define UNIT_COMMANDS 3

static const uint8_t command[] = {0x80, 0x01, 0x00, 0x00, 0x08};

static void check_result(scardmanage_result result, const char *what)
{
    if (result != SCARDMANAGE_S_OK)
        die("%s: %s", what, scardmanage_strerror(result));
}

static void check_pcsc(LONG result, const char *what)
{
    check_result(SCARDMANAGE_RESULT(result), what);
}

static void check_answer(const uint8_t *answer, size_t length)
{
    size_t expected_length;
    const uint8_t *expected = bench_card_answer(command, sizeof command, &expected_length);
    if (length != expected_length || memcmp(answer, expected, length) != 0)
        die("an answer of %zu bytes that is not the one of %zu", length, expected_length);
}

struct pair {
    SCARDHANDLE bare;
    scardmanage *managed;
};

static void lock_bare(struct pair *p)
{
    check_pcsc(SCardBeginTransaction(p->bare), "SCardBeginTransaction");
}

static void unlock_bare(struct pair *p)
{
    check_pcsc(SCardEndTransaction(p->bare, SCARD_LEAVE_CARD), "SCardEndTransaction");
}

static void transmit_bare(struct pair *p)
{
    uint8_t answer[258];
    DWORD length = sizeof answer;
    check_pcsc(SCardTransmit(p->bare, SCARD_PCI_T1, command, sizeof command, NULL, answer, &length),
               "SCardTransmit");
    check_answer(answer, length);
}

static void run_bare(struct pair *p)
{
    lock_bare(p);
    for (int i = 0; i < UNIT_COMMANDS; i++)
        transmit_bare(p);
    unlock_bare(p);
}

static void lock_managed(struct pair *p)
{
    check_result(scardmanage_lock(p->managed), "scardmanage_lock");
}

static void unlock_managed(struct pair *p)
{
    check_result(scardmanage_unlock(p->managed, SCARDMANAGE_DISPOSITION_LEAVE), "scardmanage_unlock");
}

static void transmit_managed(struct pair *p)
{
    uint8_t answer[258];
    size_t length = sizeof answer;
    check_result(scardmanage_transmit(p->managed, command, sizeof command, answer, &length),
                 "scardmanage_transmit");
    check_answer(answer, length);
}

static scardmanage_result send_commands(scardmanage *m, const scardmanage_report *report, void *context)
{
    (void)m;
    (void)report;
    for (int i = 0; i < UNIT_COMMANDS; i++)
        transmit_managed(context);
    return SCARDMANAGE_S_OK;
}

static void run_managed(struct pair *p)
{
    check_result(scardmanage_run(p->managed, send_commands, p, 0, NULL, NULL), "scardmanage_run");
}

static void nothing(struct pair *p)
{
    (void)p;
}

struct contender {
    const char *name;
    void (*before)(struct pair *p);
    void (*measured)(struct pair *p);
    void (*after)(struct pair *p);
};

static void take_turn(const struct contender *c, struct pair *p, json_t *samples)
{
    c->before(p);
    c->measured(p); /* to warm up */
    for (int i = 0; i < IN_A_ROW; i++) {
        int64_t begun = now_ns();
        c->measured(p);
        json_array_append_new(samples, json_integer(now_ns() - begun));
    }
    c->after(p);
}

json_t *measure_managed(SCARDHANDLE bare, const char *reader, unsigned rounds, long ms)
{
    static const struct contender contenders[] = {
        {"bare transmit", lock_bare, transmit_bare, unlock_bare},
        {"managed transmit", lock_managed, transmit_managed, unlock_managed},
        {"bare unit", nothing, run_bare, nothing},
        {"managed unit", nothing, run_managed, nothing},
    };
    const size_t count = sizeof contenders / sizeof contenders[0];
    struct pair p = {.bare = bare};
    json_t *answer = json_object();
    check_result(scardmanage_create(&p.managed), "scardmanage_create");
    check_result(scardmanage_attach_by_ifd(p.managed, reader), "scardmanage_attach_by_ifd");
    for (size_t i = 0; i < count; i++)
        json_object_set_new(answer, contenders[i].name, json_array());
    int64_t end = now_ns() + ms * NS_IN_MS;
    for (unsigned round = 0; round < rounds && (round == 0 || now_ns() < end); round++)
        for (size_t i = 0; i < count; i++)
            take_turn(&contenders[i], &p, json_object_get(answer, contenders[i].name));
    scardmanage_free(p.managed);
    return answer;
}
