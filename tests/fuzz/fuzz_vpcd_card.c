/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Our cards in others' vpcd readers, which say anything: half of a message, a command while
 * they take no answers, and hang up and come again, while cards move. A card has one reader
 * at a time, which is disconnected with the card's removal, or when it has kept the card
 * waiting for a minute, and never otherwise. Each request has its answer, and nothing else
 * is said. Afterwards a good reader gets the card of each slot.
 *
 * The input: which end listens, and then what readers, users and the time do. All is in
 * virtual time and in one thread: one that is started runs when it is its turn, to its end,
 * also in the middle of another's wait. A connection is a socketpair.
 */
#include "base/error.h"
#include "virtual.h"

#include "link/tcp.h"
#include "rig/vpcd_card.h"

#include <sys/eventfd.h>

#include "quarantine.h"
#include "rig.h"
#include "test_card.h"
#include "vpcd_peer.h"

#define SLOTS       2
#define READERS_MAX 6
#define OPS_MAX     64
#define DEPTH_MAX   3
#define PORT        1000u
#define PATIENCE_MS 60000 /* of a card with its reader */

int __wrap_accept4(int listener, struct sockaddr *address, socklen_t *length, int flags);
int __wrap_listen(int fd, int backlog);
int __real_shutdown(int fd, int how);
int __wrap_shutdown(int fd, int how);
int __wrap_tcp_listen(const char *host, unsigned *port, int backlog);
int __wrap_tcp_connect(const char *host, unsigned port);
bool __wrap_vpcd_prepare(int fd);
bool __wrap_threads_start(struct threads *threads, void (*function)(void *arg), void *arg);

static struct slots slots;
static struct vpcd_offers *offers;
static bool listens;
static unsigned ops;
static bool good; /* the reader is, and does not do what the input says */

/* What goes wrong next. */
static int accept_failure, listen_failure; /* an errno; 0: none */
static bool cannot_prepare, no_thread;

/*
 * Threads
 */

static struct {
    void (*function)(void *arg);
    void *arg;
} started[OPS_MAX + 2 * SLOTS];
static unsigned started_count, depth;

bool __wrap_threads_start(struct threads *threads, void (*function)(void *arg), void *arg)
{
    CHECK(threads && started_count < sizeof started / sizeof started[0]);
    errno = EAGAIN;
    if (no_thread)
        return no_thread = false;
    started[started_count].function = function;
    started[started_count++].arg = arg;
    return true;
}

/* The one that was started first. */
static void run_thread(void)
{
    void (*function)(void *arg) = started[0].function;
    void *arg = started[0].arg;
    memmove(started, started + 1, --started_count * sizeof started[0]);
    depth++;
    function(arg);
    depth--;
}

/*
 * Readers
 */

/* What one end has said: messages, the last of which may not be whole. */
struct stream {
    unsigned head, length, got; /* bytes of the length, what it is, and bytes behind it */
    uint8_t last;
};

struct reader_end {
    int fd;      /* -1: none, or it has hung up */
    int card_fd; /* the card's end */
    unsigned slot;
    bool taken; /* by the card that came with this event */
    uint32_t event;
    bool hung_up; /* half of it, at least */
    bool ended;   /* by the card, as was seen */
    struct stream said, heard;
    unsigned owed;     /* answers, to what was said */
    int64_t rested_ms; /* when nothing was owed, and nothing said in part */
};

static struct reader_end readers[READERS_MAX];

/* Of each slot where readers connect: an eventfd that can be read when somebody waits, with
 * who that is, and when nobody is listened to, as such a socket. */
static struct {
    int fd;
    bool listening;
    struct reader_end *waiting[READERS_MAX];
    unsigned count;
} listeners[SLOTS];
static unsigned listener_count;

/* Takes the next byte. Whether it is the last one of a message, which is in the stream until
 * stream_next. */
static bool stream_byte(struct stream *stream, uint8_t byte)
{
    if (stream->head < 2) {
        stream->length = stream->length << 8 | byte;
        stream->head++;
    } else {
        stream->last = byte;
        stream->got++;
    }
    return stream->head == 2 && stream->got == stream->length;
}

static void stream_next(struct stream *stream)
{
    *stream = (struct stream){0};
}

static bool is_at_rest(const struct reader_end *reader)
{
    return reader->owed == 0 && reader->said.head == 0;
}

static void say(struct reader_end *reader, const void *bytes, size_t length)
{
    ssize_t sent = reader->fd < 0 ? 0 : send(reader->fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (is_at_rest(reader))
        reader->rested_ms = virtual_ms();
    for (ssize_t i = 0; i < sent; i++) {
        struct stream *said = &reader->said;
        if (!stream_byte(said, ((const uint8_t *)bytes)[i]))
            continue;
        reader->owed += said->length > 1 || (said->length == 1 && said->last == VPCD_GET_ATR);
        stream_next(said);
    }
}

static void hear(struct reader_end *reader)
{
    static uint8_t bytes[65536];
    ssize_t got;
    while (reader->fd >= 0 && (got = recv(reader->fd, bytes, sizeof bytes, MSG_DONTWAIT)) > 0)
        for (ssize_t i = 0; i < got; i++)
            if (stream_byte(&reader->heard, bytes[i])) {
                CHECK(reader->heard.length > 0 && reader->owed > 0);
                reader->owed--;
                stream_next(&reader->heard);
            }
}

static void hang_up(struct reader_end *reader)
{
    if (reader->fd >= 0)
        close(reader->fd);
    reader->fd = -1;
}

/* A card ends a connection with a reader that keeps it waiting, or when it goes. */
static void check_end(struct reader_end *reader)
{
    reader->ended = true;
    hear(reader);
    if (reader->taken && !reader->hung_up && slots.slot[reader->slot].card_event == reader->event)
        CHECK(!is_at_rest(reader) && virtual_ms() - reader->rested_ms >= PATIENCE_MS);
}

/* The card has closed its end of the connection whose number another one now has. */
static void end_earlier_ones(int card_fd)
{
    for (struct reader_end *reader = readers; reader < readers + READERS_MAX; reader++)
        if (reader->fd >= 0 && !reader->ended && reader->card_fd == card_fd)
            check_end(reader);
}

/* NULL: there are too many. */
static struct reader_end *new_reader(unsigned slot)
{
    int pair[2], small = 1;
    struct reader_end *reader = readers;
    while (reader < readers + READERS_MAX && reader->fd >= 0)
        reader++;
    if (reader == readers + READERS_MAX)
        return NULL;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    CHECK(setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small) == 0);
    end_earlier_ones(pair[0]);
    *reader = (struct reader_end){.fd = pair[1], .card_fd = pair[0], .slot = slot};
    return reader;
}

/*
 * What the cards call
 */

static void show_readiness(unsigned slot)
{
    bool ready = !listeners[slot].listening || listeners[slot].count > 0;
    uint64_t number = 1;
    ssize_t got = read(listeners[slot].fd, &number, sizeof number);
    (void)got; /* nothing, where it could not be read */
    CHECK(!ready || write(listeners[slot].fd, &number, sizeof number) > 0);
}

static unsigned find_listener(int fd)
{
    unsigned i = 0;
    while (i < listener_count && listeners[i].fd != fd)
        i++;
    return i;
}

int __wrap_tcp_listen(const char *host, unsigned *port, int backlog)
{
    CHECK(host && *port == PORT + listener_count && backlog > 0 && listener_count < SLOTS);
    listeners[listener_count].count = 0;
    listeners[listener_count].listening = true;
    return listeners[listener_count++].fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

int __wrap_listen(int fd, int backlog)
{
    unsigned slot = find_listener(fd);
    CHECK(slot < listener_count && backlog > 0);
    errno = listen_failure;
    listen_failure = 0;
    if (errno)
        return -1;
    listeners[slot].listening = true;
    show_readiness(slot);
    return 0;
}

int __wrap_shutdown(int fd, int how)
{
    unsigned slot = find_listener(fd);
    if (slot == listener_count)
        return __real_shutdown(fd, how);
    for (unsigned i = 0; i < listeners[slot].count; i++)
        close(listeners[slot].waiting[i]->card_fd);
    listeners[slot].count = 0;
    listeners[slot].listening = false;
    show_readiness(slot);
    return 0;
}

int __wrap_accept4(int listener, struct sockaddr *address, socklen_t *length, int flags)
{
    unsigned slot = find_listener(listener);
    CHECK(slot < listener_count && !address && !length && flags == SOCK_CLOEXEC);
    errno = accept_failure ? accept_failure : listeners[slot].listening ? EAGAIN : EINVAL;
    if (accept_failure || listeners[slot].count == 0)
        return accept_failure = 0, -1;
    int fd = listeners[slot].waiting[0]->card_fd;
    listeners[slot].count--;
    memmove(listeners[slot].waiting, listeners[slot].waiting + 1,
            listeners[slot].count * sizeof listeners[slot].waiting[0]);
    show_readiness(slot);
    return fd;
}

int __wrap_tcp_connect(const char *host, unsigned port)
{
    CHECK(host && port >= PORT && port < PORT + SLOTS);
    if (outcome == NOTHING) { /* it can never be written */
        uint64_t full = UINT64_MAX - 1;
        int fd = eventfd(0, EFD_CLOEXEC);
        CHECK(fd >= 0 && write(fd, &full, sizeof full) > 0);
        return fd;
    }
    struct reader_end *reader = outcome == REFUSED ? NULL : new_reader(port - PORT);
    errno = ECONNREFUSED;
    return reader ? reader->card_fd : -1;
}

bool __wrap_vpcd_prepare(int fd)
{
    bool ok = !cannot_prepare;
    cannot_prepare = false;
    for (struct reader_end *reader = readers; reader < readers + READERS_MAX; reader++)
        if (reader->fd >= 0 && !reader->ended && reader->card_fd == fd) {
            reader->taken = ok;
            reader->event = slots.slot[reader->slot].card_event;
        }
    errno = ENOTCONN;
    return ok && fd >= 0;
}

/*
 * What must hold, whenever nothing is under way
 */

static void check_readers(void)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        unsigned open = 0, whole = 0;
        struct address address;
        bool listening;
        for (struct reader_end *reader = readers; reader < readers + READERS_MAX; reader++) {
            if (reader->fd < 0 || reader->slot != i)
                continue;
            if (!reader->ended && !peer_is_open(reader->fd))
                check_end(reader);
            bool connected = reader->taken && !reader->ended;
            open += connected;
            whole += connected && !reader->hung_up;
        }
        const struct slot *slot = &slots.slot[i];
        CHECK(open <= (slot->card != NULL));
        CHECK(!slot->card || slot->current_use || !test_card(slot->card)->gone);
        bool connected = vpcd_offers_address(offers, slot, &address, &listening);
        CHECK(address.port == PORT + i && listening == listens && (connected || whole == 0));
        CHECK(!listens || !listeners[i].listening || (slot->card && !connected));
    }
}

/*
 * What the input has them do
 */

static struct reader_end *any_reader(void)
{
    return &readers[next() % READERS_MAX];
}

static struct slot *any_slot(void)
{
    return &slots.slot[next() % SLOTS];
}

static void connect_reader(unsigned slot)
{
    if (!listens || !listeners[slot].listening)
        return;
    struct reader_end *reader = new_reader(slot);
    if (!reader)
        return;
    listeners[slot].waiting[listeners[slot].count++] = reader;
    show_readiness(slot);
}

static void hang_up_now(struct reader_end *reader)
{
    for (unsigned i = 0; i < listener_count; i++) /* one that waits to be accepted does not */
        for (unsigned k = 0; k < listeners[i].count; k++)
            if (listeners[i].waiting[k] == reader)
                return;
    hang_up(reader);
}

static void say_message(struct reader_end *reader, bool whole)
{
    static uint8_t message[2 + VPCD_MAX_MESSAGE];
    say(reader, message, peer_message(message, whole));
}

static void say_control(struct reader_end *reader, unsigned control)
{
    const uint8_t message[] = {0, 1, (uint8_t)control};
    say(reader, message, sizeof message);
}

static void say_command(struct reader_end *reader, unsigned ins, unsigned p1)
{
    const uint8_t message[] = {0, 7, 0, (uint8_t)ins, (uint8_t)p1, 0, 0, 0, 0};
    say(reader, message, sizeof message);
}

static void say_bytes(struct reader_end *reader)
{
    uint8_t bytes[PEER_BYTES_MAX];
    say(reader, bytes, peer_bytes(bytes));
}

static void fail(unsigned how)
{
    switch (how % 8) {
    case 0:
        accept_failure = how & 0x10 ? EMFILE : ECONNABORTED;
        break;
    case 1:
        listen_failure = EADDRINUSE;
        break;
    case 2:
        cannot_prepare = true;
        break;
    case 3:
        no_thread = true;
        break;
    default:
        outcome = how % 8 - 4;
    }
}

static void move_card(struct slot *slot, unsigned how)
{
    struct error error;
    if (how % 3 == 0)
        slot_remove(slot, &error);
    else
        insert(slot, how % 3 == 1, how / 3);
}

/* Returns how many milliseconds pass. */
static int act_as(unsigned what)
{
    switch (what % 16) {
    case 0:
        connect_reader(next() % SLOTS);
        break;
    case 1:
        say_message(any_reader(), true);
        break;
    case 2:
        say_message(any_reader(), false);
        break;
    case 3:
        say_control(any_reader(), what >> 4);
        break;
    case 4:
    case 5: {
        struct reader_end *reader = any_reader();
        unsigned ins = next();
        say_command(reader, ins, next());
        break;
    }
    case 6:
        say_bytes(any_reader());
        break;
    case 7:
        hear(any_reader());
        break;
    case 8:
        hang_up_now(any_reader());
        break;
    case 9: {
        struct reader_end *reader = any_reader();
        reader->hung_up = (reader->fd >= 0 && __real_shutdown(reader->fd, SHUT_WR) == 0) || reader->hung_up;
        break;
    }
    case 10:
        fail(next());
        break;
    case 11:
    case 12:
        move_card(any_slot(), what >> 4);
        break;
    case 13:
        if (started_count > 0 && depth < DEPTH_MAX)
            run_thread();
        break;
    case 14:
        return (int)next();
    default:
        return (int)next() * 256;
    }
    return 0;
}

static void remove_cards(void)
{
    for (unsigned i = 0; i < SLOTS; i++)
        slot_remove(&slots.slot[i], &(struct error){""});
}

static int act_well(void);

static int act(void)
{
    if (good)
        return act_well();
    int ms = 0;
    if (input.at < input.end && ops++ < OPS_MAX)
        ms = act_as(next());
    else
        remove_cards(); /* all that is under way ends with that */
    check_readers();
    return ms;
}

static void wait_in_card(struct test_card *card)
{
    for (unsigned i = next() % 4; i > 0 && !card->interrupted && !good; i--)
        act();
}

static void interrupt_test_card(struct card *card)
{
    test_card(card)->interrupted = true;
}

/*
 * A good reader, with one card that has done nothing yet
 */

static unsigned good_slot, step;

static struct reader_end *good_reader(void)
{
    for (struct reader_end *reader = readers; reader < readers + READERS_MAX; reader++)
        if (reader->fd >= 0 && reader->taken)
            return reader;
    return NULL;
}

static int act_well(void)
{
    struct reader_end *reader = good_reader();
    struct address address;
    bool listening;
    switch (step++) {
    case 0:
        connect_reader(good_slot);
        return 0;
    case 1:
        CHECK(reader);
        say_control(reader, VPCD_GET_ATR);
        say_control(reader, VPCD_POWER_ON);
        say_control(reader, VPCD_GET_ATR);
        say_command(reader, 0, 0);
        say_command(reader, MUTE, 0);
        say_control(reader, VPCD_GET_ATR);
        return 0;
    case 2:
        CHECK(vpcd_offers_address(offers, &slots.slot[good_slot], &address, &listening));
        hear(reader);
        CHECK(reader && reader->owed == 0);
        return 1000000; /* it may be silent */
    case 3:
        CHECK(reader && peer_is_open(reader->fd));
        hang_up(reader);
        outcome = REFUSED;
        return 1000;
    case 4:
        CHECK(!vpcd_offers_address(offers, &slots.slot[good_slot], &address, &listening));
        if (good_slot == SLOTS - 1) {
            vpcd_offers_stop(offers);
            return 0;
        }
        remove_cards();
        return 0;
    default:
        return -1;
    }
}

static void check_slot(unsigned i, unsigned kind)
{
    good_slot = i;
    step = listens ? 0 : 1;
    good = true;
    outcome = CONNECTED;
    listen_failure = EADDRINUSE; /* at first */
    CHECK(insert(&slots.slot[i], false, kind));
    run_thread();
    CHECK(step == 5 && started_count == 0);
}

/*
 * The simulator
 */

static struct reader_options options;

static void on_card_event(void *arg, struct slot *slot)
{
    (void)arg;
    if (offers)
        vpcd_offers_on_card_event(offers, slot);
}

static void begin(unsigned how)
{
    static const struct address address = {.host = "127.0.0.1", .port = PORT};
    static struct threads threads;
    struct error error;
    listens = how & 1;
    outcome = how & 4 ? CONNECTED : REFUSED;
    accept_failure = listen_failure = 0;
    good = cannot_prepare = no_thread = false;
    listener_count = started_count = depth = ops = 0;
    for (struct reader_end *reader = readers; reader < readers + READERS_MAX; reader++)
        *reader = (struct reader_end){.fd = -1};
    slots_init(&slots, 1);
    slots.on_card_event = on_card_event;
    CHECK(slots_add_reader(&slots, &options, &error));
    if (how & 2)
        CHECK(insert(&slots.slot[0], false, how >> 4));
    offers = vpcd_offers_new(&slots, &address, listens, &error);
    CHECK(offers);
    vpcd_offers_start(offers, &threads);
}

static void end(void)
{
    vpcd_offers_free(offers);
    offers = NULL;
    slots_free(&slots);
    CHECK(test_cards == 0);
}

static void hang_up_all(void)
{
    for (struct reader_end *reader = readers; reader < readers + READERS_MAX; reader++)
        hang_up(reader);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct error error;
    (void)argc, (void)argv;
    CHECK(reader_options_parse("two,slots=2", &options, &error));
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned descriptors = count_descriptors();
    input = (struct input){data, data + size};
    virtual_us = 1000000000;
    virtual_time = true;
    unsigned how = next();
    begin(how);
    while (started_count > 0 || (input.at < input.end && ops < OPS_MAX)) {
        if (started_count > 0)
            run_thread();
        else
            act();
    }
    remove_cards();
    check_readers();
    hang_up_all();
    accept_failure = 0;
    cannot_prepare = no_thread = false;
    for (unsigned i = 0; i < SLOTS; i++)
        check_slot(i, i == 0 ? how >> 4 : 0);
    end();
    virtual_time = false;
    CHECK(count_descriptors() == descriptors);
    return 0;
}
