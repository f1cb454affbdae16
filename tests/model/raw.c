/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * raw FOLDER SEED COUNT VERSION, and raw_memory: print what calls of PC/SC return, in COUNT sequences of calls and
 * card events, the first one from SEED. compare_raw.py compares what both print. FOLDER is for the scripts of cards.
 * VERSION is that of pcsc-lite, which the stack in memory follows.
 *
 * Left out is what depends on time, or would not return: see raw.h, and LATE_MS.
 */
#include "raw.h"

#include "board.h"

#include <inttypes.h>
#include <stdlib.h>

#define ACTIONS      50
#define LATE_MS      4500 /* after 5 s, pcscd powers a card off that nobody uses */
#define ATTEMPTS_MAX 5    /* of a sequence that is late */

/*
 * Card events
 */

static bool check(struct raw *raw, bool ok)
{
    if (!ok)
        printf(": %s", raw->rig.error);
    raw->failed = raw->failed || !ok;
    return true;
}

static bool insert_or_remove(struct raw *raw, struct raw_handle *handle)
{
    (void)handle;
    const struct cards_kind *kind = &RAW_ONE_OF(raw, cards_kinds);
    if (raw->has_card && raw_choose(raw, 3) > 0)
        return false;
    bool done = raw->has_card ? rig_remove(&raw->rig, true) : rig_insert(&raw->rig, kind, true);
    printf(raw->has_card ? "the card is removed" : "the card %s is inserted", kind->name);
    raw->has_card = !raw->has_card;
    raw->is_mute = false;
    raw->drops = 0;
    for (unsigned i = 0; i < RAW_HANDLES && !raw->has_card; i++)
        raw->handle[i].locks = 0;
    return check(raw, done && rig_wait_for_events(&raw->rig, 0));
}

static bool mute(struct raw *raw, struct raw_handle *handle)
{
    (void)handle;
    if (!raw->has_card || (!raw->is_mute && raw_choose(raw, 2) > 0))
        return false;
    raw->is_mute = !raw->is_mute;
    printf(raw->is_mute ? "the card is mute" : "the card can answer again");
    return check(raw, rig_fault(&raw->rig, raw->is_mute ? "mute@1" : "mute*0"));
}

/*
 * Sequences
 */

static const struct {
    unsigned weight;
    bool (*run)(struct raw *raw, struct raw_handle *handle);
    enum { WITHOUT_HANDLE, WITH_HANDLE, WITHOUT_WAITING } how; /* the last one also needs a handle */
} actions[] = {
    {12, raw_connect, WITHOUT_HANDLE},
    {8, raw_reconnect, WITHOUT_WAITING},
    {4, raw_disconnect, WITH_HANDLE},
    {1, raw_release, WITH_HANDLE},
    {6, raw_begin, WITHOUT_WAITING},
    {6, raw_end, WITH_HANDLE},
    {8, raw_transmit, WITHOUT_WAITING},
    {6, raw_status, WITHOUT_WAITING},
    {4, raw_status_change, WITHOUT_HANDLE},
    {4, raw_attribute, WITH_HANDLE},
    {2, raw_control, WITH_HANDLE},
    {8, insert_or_remove, WITHOUT_HANDLE},
    {2, mute, WITHOUT_HANDLE},
};

static void print_card(struct raw *raw)
{
    struct rig_state card;
    int64_t end = board_now() + LATE_MS;
    do
        check(raw, rig_get_state(&raw->rig, &card));
    while (raw->powers_off && card.powered && board_now() < end);
    raw->powers_off = false;
    printf(" | %u handles; ", raw_count_connected(raw));
    if (card.present)
        printf("card %s, ATR %X, protocol %u, %u commands, %u cold, %u warm, %u off\n",
               card.powered ? "on" : "off", card.atr, card.protocol, card.commands, card.cold, card.warm,
               card.off);
    else
        printf("no card\n");
}

/* Returns false if it could not be done now. */
static bool run_action(struct raw *raw)
{
    unsigned total = 0, i = 0;
    struct raw_handle *handle = &RAW_ONE_OF(raw, raw->handle);
    for (unsigned j = 0; j < sizeof actions / sizeof actions[0]; j++)
        total += actions[j].weight;
    for (unsigned chosen = raw_choose(raw, total); chosen >= actions[i].weight; i++)
        chosen -= actions[i].weight;
    if ((actions[i].how != WITHOUT_HANDLE && !handle->connected) ||
        (actions[i].how == WITHOUT_WAITING && raw_would_wait(handle)) || !actions[i].run(raw, handle))
        return false;
    printf(" by %u", (unsigned)(handle - raw->handle));
    print_card(raw);
    fflush(stdout);
    return true;
}

static void begin(struct raw *raw)
{
    rig_use_version(raw->version);
    check(raw, rig_open(&raw->rig, raw->folder) && rig_wait_for_reader(&raw->rig, 0));
    raw->first_count = raw->rig.counter;
    rig_reader_name(0, raw->reader);
    for (unsigned i = 0; i < RAW_CONTEXTS; i++)
        SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &raw->context[i]);
    for (unsigned i = 0; i < RAW_HANDLES; i++)
        raw->handle[i].context = &raw->context[i % RAW_CONTEXTS];
    insert_or_remove(raw, NULL); /* a counter of 0 would mean that the client does not know it */
    print_card(raw);
}

static void end(struct raw *raw)
{
    for (unsigned i = 0; i < RAW_CONTEXTS; i++)
        SCardReleaseContext(raw->context[i]);
    if (raw->has_card)
        check(raw, rig_remove(&raw->rig, true) && rig_wait_for_events(&raw->rig, 0));
    rig_close(&raw->rig);
}

static void run(void *argument)
{
    struct raw *raw = argument;
    int64_t begun = board_now();
    begin(raw);
    for (unsigned i = 0; i < ACTIONS && !raw->failed;)
        i += run_action(raw);
    raw->is_late = board_now() - begun > LATE_MS;
    end(raw);
}

int main(int argc, char **argv)
{
    if (argc != 5 || !cards_write(argv[1])) {
        fprintf(stderr, "raw FOLDER SEED COUNT VERSION\n");
        return 2;
    }
    uint64_t seed = strtoull(argv[2], NULL, 10), count = strtoull(argv[3], NULL, 10);
    const char *failure = NULL;
    for (uint64_t attempts = 0; count > 0 && !failure; count--, seed++, attempts = 0) {
        struct raw raw = {.is_late = true};
        for (; raw.is_late && !raw.failed && !failure && attempts < ATTEMPTS_MAX; attempts++) {
            raw = (struct raw){.folder = argv[1], .version = argv[4], .random = seed};
            printf("sequence %" PRIu64 "\n", seed); /* the last one with this seed counts */
            failure = rig_run(seed, run, &raw);
        }
        if (raw.is_late || raw.failed)
            failure = raw.failed ? "the rig fails" : "the sequence takes too long";
    }
    puts(failure ? failure : "the end");
    return failure ? 1 : 0;
}
