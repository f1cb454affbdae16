/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * soak_cycles: cards go in and out of all readers of a rig at once, while clients send commands to them. Runs
 * inside a rig whose cards are identity.lua's. What must hold:
 *
 *   - each card event raises the reader's event counter by one, and nothing else does;
 *   - every answer is the right one, and all answers on a handle come from one card;
 *   - a call fails only with what a removal explains, and always comes back;
 *   - in the end each reader works, and pcscd and the simulator have no more memory and descriptors than
 * after the first tenth.
 *
 * Each reader has a process of its own: libpcsclite 1.9.9 keeps the states of all readers in one variable of
 * the process (readerStates in winscard_clnt.c, filled without a lock by SCardGetStatusChange), so that of
 * two threads that wait one can find the older state that the other has read, and sleep through an event.
 */
#include "client.h"
#include "control.h"
#include "process.h"

#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <winscard.h>

#define READERS_MAX 16
#define HAMMERS     2     /* clients of each reader that send commands */
#define BURST_MAX   5     /* pairs of card events at once */
#define CALL_MS     60000 /* a call that takes longer hangs; the longest take some 100 ms on two busy cores */
#define EVENT_MS    60000 /* an event that takes longer is lost */
#define SETTLE_MS   500   /* how long the counter must stay where it is in the end */

/*
 * How much more memory may be in use in the end. In a full run of 320,000 card events that is 3 bytes for each of
 * them, and 20 in the simulator: whatever is lost with a card event, a connection or a command shows. What is seen
 * of pcscd is 64 KiB more, which are the stacks of the 16 threads that serve the movers: these send their first
 * command in the end. What is seen of the simulator, beside a full load, is up to 3 MiB more, which malloc has
 * between what is in use: cards of many sizes come and go in its two arenas.
 */
#define PCSCD_GROWTH_KIB     1024
#define SIMULATOR_GROWTH_KIB 6144
#define SETTLED_CYCLES       100

enum phase { RUNNING, DONE };

struct reader {
    int slot;
    char name[MAX_READERNAME];
    uint64_t seed;
    struct board_line *mover, *hammer[HAMMERS];
    _Atomic uint64_t cycles, events, answers, refused;
    atomic_int phase;
};

struct shared {
    struct board board;
    atomic_bool release; /* the readers' processes may end */
    uint64_t target;     /* cycles of each reader; 0: until stopped */
    unsigned count;
    struct reader reader[READERS_MAX];
};

static struct shared *all;

/* A thread of a reader's process. */
struct worker {
    struct client client;
    struct reader *reader;
};

static bool establish(struct worker *worker)
{
    LONG rv =
        CALL(&worker->client, SCardEstablishContext, SCARD_SCOPE_SYSTEM, NULL, NULL, &worker->client.context);
    if (rv != SCARD_S_SUCCESS)
        board_fail(&all->board, worker->client.line, "SCardEstablishContext: %s", pcsc_stringify_error(rv));
    return rv == SCARD_S_SUCCESS;
}

/* Not before descriptors have been counted: a context is one. */
static void leave(struct worker *worker)
{
    while (!all->release)
        board_sleep(20);
    CALL(&worker->client, SCardReleaseContext, worker->client.context);
}

/*
 * Commands
 */

/* What a removal explains, at each of its moments. */
static bool removal_explains(LONG rv)
{
    switch (rv) {
    case SCARD_E_NO_SMARTCARD:      /* before the call */
    case SCARD_W_REMOVED_CARD:      /* since the handle's connect */
    case SCARD_E_NOT_TRANSACTED:    /* in the call */
    case SCARD_W_UNPOWERED_CARD:    /* connect, before the next card is powered */
    case SCARD_W_UNRESPONSIVE_CARD: /* connect, while the protocol is chosen */
    case SCARD_E_PROTO_MISMATCH:    /* the handle is from before the next card's protocol was chosen */
        return true;
    default:
        return false;
    }
}

static bool explained(struct worker *worker, const char *call, LONG rv)
{
    if (removal_explains(rv)) {
        worker->reader->refused++;
        return true;
    }
    if (rv != SCARD_S_SUCCESS)
        board_fail(&all->board, worker->client.line, "%s: %s, which no removal explains", call,
                   pcsc_stringify_error(rv));
    return false;
}

/* Sends commands until one fails; false when that is wrong. Some handles' clients send one after the other
 * without a pause: when a card goes, there is a command on its way to it. */
static bool use_card(struct worker *worker)
{
    unsigned pause = client_below(&worker->client, 4) ? 4 : 1;
    LONG rv;
    while ((rv = client_transmit(&worker->client)) == SCARD_S_SUCCESS) {
        worker->reader->answers++;
        if (all->board.stop)
            return true;
        board_sleep(client_below(&worker->client, pause));
    }
    return !all->board.failed && explained(worker, "SCardTransmit", rv);
}

static void *hammer(void *argument)
{
    struct worker *worker = argument;
    if (!establish(worker))
        return NULL;
    while (!all->board.stop && worker->reader->phase == RUNNING) {
        LONG rv = client_connect(&worker->client, worker->reader->name);
        if (rv != SCARD_S_SUCCESS) {
            if (!explained(worker, "SCardConnect", rv))
                break;
            board_sleep(client_below(&worker->client, 6));
            continue;
        }
        bool right = use_card(worker);
        rv = CALL(&worker->client, SCardDisconnect, worker->client.card, SCARD_LEAVE_CARD);
        if (rv != SCARD_S_SUCCESS)
            board_fail(&all->board, worker->client.line, "SCardDisconnect: %s", pcsc_stringify_error(rv));
        if (!right)
            break;
        /* now and then so long that cards move without anybody who sends commands, too */
        if (client_below(&worker->client, 16) == 0)
            board_sleep(client_below(&worker->client, 300));
    }
    leave(worker);
    return NULL;
}

/*
 * Card events
 */

struct watch {
    SCARD_READERSTATE state;
    uint16_t counter; /* as last seen */
};

/* Looks, or waits for a change for ms. False: failed. */
static bool look(struct worker *worker, struct watch *watch, DWORD ms)
{
    /* libpcsclite takes a counter of 0 for "not known" and would not notice that it has changed: then look
     * only */
    bool known = watch->counter != 0 && ms > 0;
    if (ms > 0 && !known)
        board_sleep(10);
    watch->state.szReader = worker->reader->name;
    watch->state.dwCurrentState =
        known ? watch->state.dwEventState & ~(DWORD)SCARD_STATE_CHANGED : SCARD_STATE_UNAWARE;
    LONG rv = CALL(&worker->client, SCardGetStatusChange, worker->client.context, ms, &watch->state, 1);
    if (rv != SCARD_S_SUCCESS && rv != SCARD_E_TIMEOUT) {
        board_fail(&all->board, worker->client.line, "SCardGetStatusChange: %s", pcsc_stringify_error(rv));
        return false;
    }
    watch->counter = (uint16_t)(watch->state.dwEventState >> 16);
    return true;
}

/* Waits until the counter is where the card events so far have brought it. */
static bool wait_for(struct worker *worker, struct watch *watch, uint16_t expected)
{
    int64_t deadline = board_now() + EVENT_MS;
    while (watch->counter != expected) {
        uint16_t missing = (uint16_t)(expected - watch->counter);
        if (missing > 2 * BURST_MAX) {
            board_fail(&all->board, worker->client.line,
                       "%u events more than the card has moved (event counter %u, not %u)",
                       (uint16_t)-missing, watch->counter, expected);
            return false;
        }
        if (board_now() > deadline) {
            board_fail(
                &all->board, worker->client.line,
                "%u events lost, or the reader is stuck: the event counter stays at %u, not %u; state %04lX",
                missing, watch->counter, expected, watch->state.dwEventState & 0xFFFF);
            return false;
        }
        if (all->board.failed || !look(worker, watch, 1000))
            return false;
    }
    if ((watch->state.dwEventState & SCARD_STATE_PRESENT) && !(watch->state.dwEventState & SCARD_STATE_MUTE))
        return true;
    board_fail(&all->board, worker->client.line,
               "all events have come, and the card is in, but the state is %04lX",
               watch->state.dwEventState & 0xFFFF);
    return false;
}

static bool move_card(struct worker *worker, struct control *control, const char *command)
{
    char error[256];
    board_enter(worker->client.line, command);
    json_t *result = control_ask(control, command, worker->reader->slot, error, sizeof error);
    board_leave(worker->client.line);
    if (!result)
        board_fail(&all->board, worker->client.line, "%s", error);
    json_decref(result);
    return result != NULL;
}

static bool move_all(struct worker *worker, struct watch *watch, struct control *control)
{
    struct reader *reader = worker->reader;
    /* the card that was there when the rig started may not have been powered yet */
    int64_t deadline = board_now() + EVENT_MS;
    do {
        if (board_now() > deadline) {
            board_fail(&all->board, worker->client.line, "the first card does not appear");
            return false;
        }
        board_sleep(10);
        if (!look(worker, watch, 0))
            return false;
    } while (!(watch->state.dwEventState & SCARD_STATE_PRESENT));
    uint16_t expected = watch->counter;
    while (!all->board.stop && (all->target == 0 || reader->cycles < all->target)) {
        unsigned pairs = 1 + client_below(&worker->client, BURST_MAX);
        if (all->target && pairs > all->target - reader->cycles)
            pairs = (unsigned)(all->target - reader->cycles);
        for (unsigned i = 0; i < pairs; i++)
            if (!move_card(worker, control, "remove") || !move_card(worker, control, "insert"))
                return false;
        expected = (uint16_t)(expected + 2 * pairs);
        if (!wait_for(worker, watch, expected))
            return false;
        reader->events += 2 * pairs;
        reader->cycles += pairs;
    }
    return true;
}

/* The counter stays, and the reader works. */
static bool settle(struct worker *worker, struct watch *watch)
{
    uint16_t expected = watch->counter;
    for (int64_t end = board_now() + SETTLE_MS; board_now() < end;)
        if (!look(worker, watch, SETTLE_MS) || !wait_for(worker, watch, expected))
            return false;
    LONG rv = client_connect(&worker->client, worker->reader->name);
    if (rv != SCARD_S_SUCCESS || (rv = client_transmit(&worker->client)) != SCARD_S_SUCCESS) {
        board_fail(&all->board, worker->client.line, "in the end the reader does not work: %s",
                   pcsc_stringify_error(rv));
        return false;
    }
    return CALL(&worker->client, SCardDisconnect, worker->client.card, SCARD_LEAVE_CARD) == SCARD_S_SUCCESS;
}

static void *mover(void *argument)
{
    struct worker *worker = argument;
    struct watch watch = {0};
    struct control control;
    if (!control_open(&control)) {
        board_fail(&all->board, worker->client.line, "cannot connect to the rig at $CARDRIG_SOCKET");
        return NULL;
    }
    if (establish(worker)) {
        if (move_all(worker, &watch, &control))
            settle(worker, &watch);
        worker->reader->phase = DONE;
        leave(worker);
    }
    worker->reader->phase = DONE;
    control_close(&control);
    return NULL;
}

/* The process of a reader. */
static void serve_reader(struct reader *reader)
{
    pthread_t thread[1 + HAMMERS];
    struct worker worker[1 + HAMMERS];
    SCARDCONTEXT first;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    /* libpcsclite before 2.0.1 reads the name of the socket in the first call, without a lock */
    if (SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &first) == SCARD_S_SUCCESS)
        SCardReleaseContext(first);
    for (unsigned i = 0; i <= HAMMERS; i++) {
        struct board_line *line = i ? reader->hammer[i - 1] : reader->mover;
        worker[i] = (struct worker){
            .reader = reader, .client = {.board = &all->board, .line = line, .random = reader->seed + i}};
        if (pthread_create(&thread[i], NULL, i ? hammer : mover, &worker[i]) != 0) {
            board_fail(&all->board, reader->mover, "cannot start a thread");
            exit(1);
        }
    }
    for (unsigned i = 0; i <= HAMMERS; i++)
        pthread_join(thread[i], NULL);
    exit(0);
}

/*
 * All readers
 */

static bool find_readers(uint64_t seed)
{
    struct control control;
    char error[256] = "cannot connect to the rig: run this inside 'cardrig run'";
    json_t *status = control_open(&control) ? control_ask(&control, "status", -1, error, sizeof error) : NULL,
           *slot;
    size_t i;
    json_array_foreach(json_object_get(status, "slots"), i, slot)
    {
        const char *name = NULL;
        struct reader *reader = &all->reader[all->count];
        if (all->count == READERS_MAX ||
            json_unpack(slot, "{s:i, s:s}", "number", &reader->slot, "pcsc_name", &name) != 0)
            continue;
        snprintf(reader->name, sizeof reader->name, "%s", name);
        reader->seed = seed + (uint64_t)reader->slot * (1 + HAMMERS);
        reader->mover = board_add(&all->board, "%s, who moves its card", name);
        for (unsigned h = 0; h < HAMMERS; h++)
            reader->hammer[h] = board_add(&all->board, "%s, client %u", name, h + 1);
        all->count++;
    }
    if (all->count == 0)
        fprintf(stderr, "soak: no readers: %s\n", error);
    json_decref(status);
    control_close(&control);
    return all->count > 0;
}

struct totals {
    uint64_t slowest, events, answers, refused;
    unsigned running;
};

static struct totals add_up(void)
{
    struct totals totals = {.slowest = UINT64_MAX};
    for (unsigned i = 0; i < all->count; i++) {
        const struct reader *reader = &all->reader[i];
        if (reader->cycles < totals.slowest)
            totals.slowest = reader->cycles;
        totals.events += reader->events;
        totals.answers += reader->answers;
        totals.refused += reader->refused;
        totals.running += reader->phase == RUNNING;
    }
    return totals;
}

static void show(const struct totals *totals, int64_t elapsed)
{
    bool terminal = isatty(STDERR_FILENO);
    fprintf(stderr,
            "%ssoak: %3" PRId64 " s: %" PRIu64 " cycles of each reader, %" PRIu64 " events, %" PRIu64
            " answers, %" PRIu64 " calls that met a removal%s",
            terminal ? "\r" : "", elapsed / 1000, totals->slowest, totals->events, totals->answers,
            totals->refused, terminal ? "  " : "\n");
}

#if defined __SANITIZE_ADDRESS__
#define MEMORY_COUNTS false /* the sanitizer keeps what was freed */
#else
#define MEMORY_COUNTS true
#endif

static void compare(const char *name, const struct process *before, const struct process *after,
                    long growth_kib)
{
    /* after the first tenth cards move, and a file of one may be open for a moment */
    if (after->descriptors > before->descriptors)
        board_fail(&all->board, NULL, "%s has %u descriptors in the end, and had %u after the first tenth",
                   name, after->descriptors, before->descriptors);
    if (MEMORY_COUNTS && after->memory_kib - before->memory_kib > growth_kib)
        board_fail(&all->board, NULL, "%s has %ld KiB in the end, and had %ld after the first tenth", name,
                   after->memory_kib, before->memory_kib);
    printf("  %-10s %u descriptors, %u after the first tenth; %ld KiB, %ld after it\n", name,
           after->descriptors, before->descriptors, after->memory_kib, before->memory_kib);
}

static bool look_at(struct process *pcscd, struct process *simulator)
{
    if (process_look(pcscd) && process_look(simulator))
        return true;
    board_fail(&all->board, NULL,
               "cannot look at pcscd and the simulator in /proc: this must be what 'cardrig run' starts");
    return false;
}

/* Whether the first tenth is over. On a busy machine a tenth of the time may be too few cycles for everything
 * that is needed to have been in use. */
static bool is_settled(uint64_t cycles, int64_t passed, int64_t ms)
{
    if (ms == 0)
        return cycles >= all->target / 10;
    return passed >= ms / 10 && (cycles >= SETTLED_CYCLES || passed >= ms / 2);
}

/* Waits until all readers are done, and looks at memory after the first tenth and in the end. */
static void supervise(int64_t ms)
{
    struct process before[2] = {{.pid = process_beside_us("pcscd")}, {.pid = process_beside_us("cardrig")}},
                   after[2];
    memcpy(after, before, sizeof after);
    struct totals totals;
    bool tenth = false;
    int64_t start = board_now(), shown = start, interval = isatty(STDERR_FILENO) ? 1000 : 10000;
    while ((totals = add_up()).running > 0 && !all->board.failed) {
        int64_t now = board_now();
        board_watch(&all->board, CALL_MS);
        if (!tenth && is_settled(totals.slowest, now - start, ms))
            tenth = look_at(&before[0], &before[1]);
        if (ms && now - start >= ms)
            all->board.stop = true;
        if (now - shown >= interval) {
            show(&totals, now - start);
            shown = now;
        }
        board_sleep(50);
    }
    int64_t took = board_now() - start;
    show(&totals, took);
    if (isatty(STDERR_FILENO))
        fputc('\n', stderr);
    if (!all->board.failed && look_at(&after[0], &after[1])) {
        printf("%" PRIu64 " cycles and more of each of %u readers in %" PRId64 " s:\n"
               "  %" PRIu64 " events, none lost and none too many\n"
               "  %" PRIu64 " answers, all of them right; %" PRIu64 " calls met a removal\n",
               totals.slowest, all->count, took / 1000, totals.events, totals.answers, totals.refused);
        compare("pcscd", &before[0], &after[0], PCSCD_GROWTH_KIB);
        compare("simulator", &before[1], &after[1], SIMULATOR_GROWTH_KIB);
    }
}

static void show_longest(void)
{
    const struct board_line *longest = NULL;
    for (unsigned i = 0; i < all->board.lines; i++) {
        const struct board_line *line = &all->board.line[i];
        if (line->longest_call && strcmp(line->longest_call, "SCardGetStatusChange") != 0 &&
            (!longest || line->longest > longest->longest))
            longest = line;
    }
    if (longest)
        printf("  longest call: %s, %" PRId64 " ms (%s)\n", longest->longest_call, longest->longest,
               longest->who);
}

/* After a failure: what the simulator thinks of the reader. */
static void show_culprit(uint64_t seed)
{
    struct control control;
    char error[256] = "";
    json_t *status = control_open(&control) ? control_ask(&control, "status", -1, error, sizeof error) : NULL;
    fprintf(stderr, "soak: --seed %" PRIu64 " moves the cards in the same way\n", seed);
    for (unsigned i = 0; i < all->count; i++) {
        const struct reader *reader = &all->reader[i];
        const struct board_line *culprit = all->board.culprit;
        if (culprit < reader->mover || culprit > reader->hammer[HAMMERS - 1])
            continue;
        char *text =
            json_dumps(json_array_get(json_object_get(status, "slots"), (size_t)reader->slot), JSON_COMPACT);
        fprintf(stderr, "soak: the simulator of this reader: %s\n", text ? text : error);
        free(text);
    }
    json_decref(status);
    control_close(&control);
}

static bool parse_number(const char *text, uint64_t *number)
{
    char *end;
    *number = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && !*end;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"cycles", required_argument, NULL, 'c'},
                                            {"seconds", required_argument, NULL, 's'},
                                            {"seed", required_argument, NULL, 'r'},
                                            {0}};
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t cycles = 10000, seconds = 0, seed = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;)
        if (option == '?' || !parse_number(optarg, option == 'c'   ? &cycles
                                                   : option == 's' ? &seconds
                                                                   : &seed)) {
            fprintf(stderr, "Usage: soak_cycles [--cycles N | --seconds N] [--seed N]\n");
            return 2;
        }
    all = board_share(sizeof *all);
    all->target = seconds ? 0 : cycles;
    if (!find_readers(seed))
        return 1;
    printf("soak: cycles on %u readers, seed %" PRIu64 "\n", all->count, seed);
    fflush(stdout);
    for (unsigned i = 0; i < all->count; i++)
        if (fork() == 0)
            serve_reader(&all->reader[i]);
    supervise((int64_t)seconds * 1000);
    if (all->board.failed)
        show_culprit(seed);
    else
        show_longest();
    all->board.stop = all->release = true;
    int64_t deadline = board_now() + CALL_MS;
    for (unsigned left = all->count; left > 0;) {
        int status;
        pid_t pid = waitpid(-1, &status, WNOHANG);
        if (pid > 0) {
            left--;
            if (status != 0)
                board_fail(&all->board, NULL, "a reader's process ended with wait status %d", status);
        } else if (board_now() > deadline) {
            board_fail(&all->board, NULL, "%u processes of readers do not end", left);
            break;
        } else {
            board_sleep(10);
        }
    }
    return all->board.failed;
}
