/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench_client COUNT: a plain PC/SC client that measures. It waits until COUNT readers have a card, and says
 *
 *   {"answered": NS}     when the first card answered its first command, on CLOCK_MONOTONIC
 *
 * and then carries out what the lines of its standard input say, each answered by a line of JSON:
 *
 *   transmit-10 N MS, transmit-256, transmit-64k, command-64k, leave, warm, cold
 *         at most N times, and as soon as MS milliseconds have passed no more. {"samples": [NS...]}
 *   events N MS
 *         N times, after a pause of up to MS: the card is removed, and inserted; $BENCH_MOVER, a FIFO, takes
 *         lines that have it moved, or else the rig's control socket. {"remove": [NS...], "insert": [NS...]}
 *   readers N MS
 *         on N readers at once, a thread and a context each, for MS: transmit-10.
 *         {"exchanges": [EACH...], "ns": NS}
 *   managed N MS
 *         libscardmanage and PC/SC itself with the first reader, see bench_client.h.
 *         {"bare transmit": [NS...], "managed transmit": ..., "bare unit": ..., "managed unit": ...}
 *
 * What fails ends the program, with one line on the standard error.
 */
#include "bench_client.h"

#include "bench_card.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define READERS_MAX  16
#define START_MS     5000 /* for the cards to be there */
#define EVENT_MS     10000
#define PAUSE_MIN_MS 50 /* so that nothing is under way when a card moves */
#define SETTLE_MS    5  /* for a thread to have begun to wait */

void die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "bench_client: ");
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

static void check(LONG result, const char *what)
{
    if (result != SCARD_S_SUCCESS)
        die("%s: %s", what, pcsc_stringify_error(result));
}

int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void sleep_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * NS_IN_MS}, NULL);
}

static void print(json_t *answer)
{
    json_dumpf(answer, stdout, JSON_COMPACT);
    putchar('\n');
    fflush(stdout);
    json_decref(answer);
}

/*
 * One reader
 */

struct client {
    SCARDCONTEXT context;
    SCARDHANDLE card;
    char reader[MAX_READERNAME];
    uint8_t answer[MAX_BUFFER_SIZE_EXTENDED];
};

static void connect_card(struct client *client)
{
    DWORD protocol;
    check(SCardConnect(client->context, client->reader, SCARD_SHARE_SHARED, SCARD_PROTOCOL_T1, &client->card,
                       &protocol),
          "SCardConnect");
}

static void open_client(struct client *client)
{
    check(SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &client->context), "SCardEstablishContext");
    connect_card(client);
}

static void close_client(struct client *client)
{
    check(SCardDisconnect(client->card, SCARD_LEAVE_CARD), "SCardDisconnect");
    check(SCardReleaseContext(client->context), "SCardReleaseContext");
}

static void transmit(struct client *client, const uint8_t *command, size_t length)
{
    DWORD got = sizeof client->answer;
    check(SCardTransmit(client->card, SCARD_PCI_T1, command, length, NULL, client->answer, &got),
          "SCardTransmit");
    size_t expected;
    const uint8_t *answer = bench_card_answer(command, length, &expected);
    if (got != expected || memcmp(client->answer, answer, expected) != 0)
        die("SCardTransmit: an answer of %lu bytes that is not the one of %zu", (unsigned long)got, expected);
}

static const uint8_t answer_10[] = {0x80, 0x01, 0x00, 0x00, 0x08};

/* The first COUNT readers, when each has a card. */
static void find_readers(struct client *clients, unsigned count)
{
    SCARDCONTEXT context;
    int64_t end = now_ns() + START_MS * NS_IN_MS;
    char names[READERS_MAX * 2 * MAX_READERNAME];
    check(SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &context), "SCardEstablishContext");
    for (unsigned i = 0; i < count; i++) {
        SCARD_READERSTATE state = {0};
        for (;;) {
            DWORD length = sizeof names;
            char *name = names;
            state.szReader = NULL;
            if (SCardListReaders(context, NULL, names, &length) == SCARD_S_SUCCESS) {
                for (unsigned skip = i; skip > 0 && *name; skip--)
                    name += strlen(name) + 1;
                state.szReader = *name ? name : NULL;
            }
            if (state.szReader) {
                LONG result = SCardGetStatusChange(context, 1000, &state, 1);
                if (result == SCARD_S_SUCCESS && (state.dwEventState & SCARD_STATE_PRESENT))
                    break;
                state.dwCurrentState = state.dwEventState;
            } else {
                sleep_ms(1);
            }
            if (now_ns() > end)
                die("no card in reader %u after %d s", i, START_MS / 1000);
        }
        snprintf(clients[i].reader, sizeof clients[i].reader, "%s", state.szReader);
    }
    check(SCardReleaseContext(context), "SCardReleaseContext");
}

static void begin(struct client *clients, unsigned count)
{
    /* of the first reader alone, so that the first answer does not wait for the others */
    find_readers(clients, 1);
    open_client(clients);
    transmit(clients, answer_10, sizeof answer_10);
    int64_t answered = now_ns();
    BYTE atr[MAX_ATR_SIZE];
    DWORD length = sizeof atr;
    check(SCardStatus(clients->card, NULL, NULL, NULL, NULL, atr, &length), "SCardStatus");
    if (length != sizeof bench_card_atr || memcmp(atr, bench_card_atr, sizeof bench_card_atr) != 0)
        die("the card has another ATR than bench_card.h");
    find_readers(clients, count);
    print(json_pack("{s:I}", "answered", (json_int_t)answered));
}

/*
 * What is measured, one after the other
 */

static void reconnect(struct client *client, DWORD how)
{
    DWORD protocol;
    check(SCardReconnect(client->card, SCARD_SHARE_SHARED, SCARD_PROTOCOL_T1, how, &protocol),
          "SCardReconnect");
}

struct operation {
    const char *name;
    DWORD reconnect;
    const uint8_t *command; /* NULL: it is a reconnect */
    size_t length;
};

static const struct operation *find_operation(const char *name)
{
    static const uint8_t answer_256[] = {0x80, 0x02, 0x00, 0x00, 0xFE};
    static const uint8_t answer_64k[] = {0x80, 0x03, 0x00, 0x00, 0x00, 0x00, 0x00};
    static const uint8_t command_64k[BENCH_CARD_MAX] = {0x80, 0x04, 0x00, 0x00, 0x00, 0xFF, 0xF8};
    static const struct operation operations[] = {
        {"transmit-10", 0, answer_10, sizeof answer_10},
        {"transmit-256", 0, answer_256, sizeof answer_256},
        {"transmit-64k", 0, answer_64k, sizeof answer_64k},
        {"command-64k", 0, command_64k, sizeof command_64k},
        {"leave", SCARD_LEAVE_CARD, NULL, 0},
        {"warm", SCARD_RESET_CARD, NULL, 0},
        {"cold", SCARD_UNPOWER_CARD, NULL, 0},
    };
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++)
        if (strcmp(operations[i].name, name) == 0)
            return &operations[i];
    return NULL;
}

static json_t *measure(struct client *client, const struct operation *operation, unsigned rounds, long ms)
{
    json_t *samples = json_array();
    int64_t end = now_ns() + ms * NS_IN_MS;
    for (int64_t before = 0, after = 0; rounds > 0 && after < end; rounds--) {
        before = now_ns();
        if (operation->command)
            transmit(client, operation->command, operation->length);
        else
            reconnect(client, operation->reconnect);
        after = now_ns();
        json_array_append_new(samples, json_integer(after - before));
    }
    return json_pack("{s:o}", "samples", samples);
}

/*
 * Events
 */

/* What moves the card: the rig's control socket, or a FIFO. */
struct mover {
    int fd;
    bool is_rig;
};

static struct mover find_mover(void)
{
    const char *fifo = getenv("BENCH_MOVER"), *path = getenv("CARDRIG_SOCKET");
    if (fifo) {
        struct mover mover = {.fd = open(fifo, O_WRONLY | O_CLOEXEC)};
        if (mover.fd < 0)
            die("cannot open %s: %s", fifo, strerror(errno));
        return mover;
    }
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (!path || strlen(path) >= sizeof address.sun_path)
        die("events: neither BENCH_MOVER nor CARDRIG_SOCKET says who moves the card");
    memcpy(address.sun_path, path, strlen(path));
    struct mover mover = {.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), .is_rig = true};
    if (mover.fd < 0 || connect(mover.fd, (struct sockaddr *)&address, sizeof address) < 0)
        die("cannot connect to %s: %s", path, strerror(errno));
    return mover;
}

/* Returns when it was asked. */
static int64_t move_card(const struct mover *mover, const char *how)
{
    char line[64], answer[4096];
    int length =
        snprintf(line, sizeof line, mover->is_rig ? "{\"command\": \"%s\", \"slot\": \"0\"}\n" : "%s\n", how);
    int64_t asked = now_ns();
    if (write(mover->fd, line, (size_t)length) != length)
        die("events: cannot ask for '%s': %s", how, strerror(errno));
    if (!mover->is_rig)
        return asked;
    size_t got = 0;
    while (got == 0 || answer[got - 1] != '\n') {
        ssize_t count = read(mover->fd, answer + got, sizeof answer - 1 - got);
        if (count <= 0)
            die("events: no answer to '%s'", how);
        got += (size_t)count;
    }
    answer[got] = '\0';
    if (!strstr(answer, "\"ok\":true"))
        die("events: '%s': %s", how, answer);
    return asked;
}

struct wait {
    struct client *client;
    SCARD_READERSTATE state;
    DWORD expected; /* SCARD_STATE_PRESENT or SCARD_STATE_EMPTY */
    int64_t seen;
};

static void *wait_for_state(void *arg)
{
    struct wait *wait = arg;
    do {
        wait->state.dwCurrentState = wait->state.dwEventState & ~(DWORD)SCARD_STATE_CHANGED;
        check(SCardGetStatusChange(wait->client->context, EVENT_MS, &wait->state, 1), "SCardGetStatusChange");
    } while (!(wait->state.dwEventState & wait->expected));
    wait->seen = now_ns();
    return NULL;
}

static int64_t measure_event(struct wait *wait, const struct mover *mover, const char *how, DWORD expected,
                             long pause_ms)
{
    pthread_t thread;
    sleep_ms(PAUSE_MIN_MS);
    wait->expected = expected;
    if (pthread_create(&thread, NULL, wait_for_state, wait) != 0)
        die("events: cannot start a thread");
    /* at any moment of a period in which somebody may be polling */
    sleep_ms(SETTLE_MS + (pause_ms > 0 ? random() % pause_ms : 0));
    int64_t asked = move_card(mover, how);
    pthread_join(thread, NULL);
    return wait->seen - asked;
}

static json_t *measure_events(struct client *client, unsigned rounds, long pause_ms)
{
    struct mover mover = find_mover();
    struct wait wait = {.client = client, .state = {.szReader = client->reader}};
    json_t *removals = json_array(), *insertions = json_array();
    check(SCardDisconnect(client->card, SCARD_LEAVE_CARD), "SCardDisconnect");
    check(SCardGetStatusChange(client->context, 0, &wait.state, 1), "SCardGetStatusChange");
    for (; rounds > 0; rounds--) {
        int64_t ns = measure_event(&wait, &mover, "remove", SCARD_STATE_EMPTY, pause_ms);
        json_array_append_new(removals, json_integer(ns));
        ns = measure_event(&wait, &mover, "insert", SCARD_STATE_PRESENT, pause_ms);
        json_array_append_new(insertions, json_integer(ns));
    }
    close(mover.fd);
    connect_card(client);
    return json_pack("{s:o, s:o}", "remove", removals, "insert", insertions);
}

/*
 * Many readers at once
 */

struct runner {
    struct client *client;
    pthread_barrier_t *start;
    atomic_bool *stop;
    unsigned long exchanges;
};

static void *exchange(void *arg)
{
    struct runner *runner = arg;
    pthread_barrier_wait(runner->start);
    for (; !atomic_load(runner->stop); runner->exchanges++)
        transmit(runner->client, answer_10, sizeof answer_10);
    return NULL;
}

/* The threads only exchange: libpcsclite 1.9.9 can crash where contexts come and go in several at once. */
static json_t *measure_readers(struct client *clients, unsigned count, long ms)
{
    struct runner runners[READERS_MAX];
    pthread_t threads[READERS_MAX];
    pthread_barrier_t start;
    atomic_bool stop = false;
    pthread_barrier_init(&start, NULL, count + 1);
    for (unsigned i = 0; i < count; i++) {
        if (i > 0)
            open_client(&clients[i]);
        transmit(&clients[i], answer_10, sizeof answer_10);
        runners[i] = (struct runner){&clients[i], &start, &stop, 0};
    }
    for (unsigned i = 0; i < count; i++)
        if (pthread_create(&threads[i], NULL, exchange, &runners[i]) != 0)
            die("readers: cannot start a thread");
    pthread_barrier_wait(&start);
    int64_t begun = now_ns();
    sleep_ms(ms);
    atomic_store(&stop, true);
    int64_t ended = now_ns();
    json_t *exchanges = json_array();
    for (unsigned i = 0; i < count; i++) {
        pthread_join(threads[i], NULL);
        json_array_append_new(exchanges, json_integer((json_int_t)runners[i].exchanges));
    }
    for (unsigned i = 1; i < count; i++)
        close_client(&clients[i]);
    pthread_barrier_destroy(&start);
    return json_pack("{s:o, s:I}", "exchanges", exchanges, "ns", (json_int_t)(ended - begun));
}

static json_t *carry_out(struct client *clients, unsigned client_count, const char *line)
{
    char name[32];
    unsigned number;
    long ms;
    if (sscanf(line, "%31s %u %ld", name, &number, &ms) != 3 || ms < 0)
        die("'%s': expected an operation, a number and milliseconds", line);
    if (strcmp(name, "events") == 0)
        return measure_events(clients, number, ms);
    if (strcmp(name, "managed") == 0)
        return measure_managed(clients->card, clients->reader, number, ms);
    if (strcmp(name, "readers") == 0 && number >= 1 && number <= client_count)
        return measure_readers(clients, number, ms);
    const struct operation *operation = find_operation(name);
    if (!operation)
        die("'%s': no such operation, or not so many readers", line);
    return measure(clients, operation, number, ms);
}

int main(int argc, char **argv)
{
    static struct client clients[READERS_MAX];
    int count = argc == 2 ? atoi(argv[1]) : 0;
    if (count < 1 || count > READERS_MAX) {
        fprintf(stderr, "Usage: bench_client COUNT\n");
        return 2;
    }
    srandom((unsigned)now_ns());
    begin(clients, (unsigned)count);
    for (char line[256]; fgets(line, sizeof line, stdin);) {
        line[strcspn(line, "\n")] = '\0';
        print(carry_out(clients, (unsigned)count, line));
    }
    close_client(clients);
    return 0;
}
