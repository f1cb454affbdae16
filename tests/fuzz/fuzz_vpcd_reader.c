/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The simulator's readers for vpcd cards, and cards that connect, or listen, and say
 * anything: they come when there is another, say half of a message, hang up and come again,
 * while somebody uses the slot. A slot has one connection at a time, its end takes the card
 * out at once, and who is refused is disconnected. Afterwards a good card is put in at each
 * slot, is used, and goes.
 *
 * The input: what the cards, the time and the users do. All is in virtual time, timers too,
 * and in one thread; a connection is a socketpair.
 */
#include "base/error.h"
#include "virtual.h"

#include "link/tcp.h"
#include "link/vpcd.h"
#include "rig/vpcd_reader.h"

#include <netinet/in.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "loop.h"
#include "quarantine.h"
#include "vpcd_peer.h"

#define SLOTS      3 /* two where cards connect, one that connects */
#define PEERS_MAX  8
#define TIMERS_MAX 8
#define OPS_MAX    64
#define LATER_MS   2000 /* all that is tried again has been by then */

int __wrap_accept4(int listener, struct sockaddr *address, socklen_t *length, int flags);
int __wrap_getpeername(int fd, struct sockaddr *address, socklen_t *length);
int __wrap_tcp_listen(const char *host, unsigned *port, int backlog);
int __wrap_tcp_connect(const char *host, unsigned port);
bool __wrap_vpcd_prepare(int fd);
int __wrap_timer_new(void);
void __wrap_timer_set(int timer, unsigned ms);
bool __wrap_timer_went_off(int timer);

static struct slots slots;
static struct vpcd_readers *readers;
static unsigned ops;
static bool good; /* cards answer, and do not do what the input says */

/* A connection, as the card has it. */
struct peer {
    int fd; /* -1: none, or it has hung up */
    unsigned slot;
    bool hung_up; /* half of it, at least */
};

static struct peer peers[PEERS_MAX];

/* Where cards connect: an eventfd that counts who waits, with the reader's ends of their
 * connections. */
static struct {
    int fd;
    int waiting[PEERS_MAX];
    unsigned count;
    bool from_elsewhere;
} listeners[SLOTS];
static unsigned listener_count;

static int accept_failure;  /* an errno; 0: none */
static bool cannot_prepare; /* the next connection */

static struct {
    int fd;
    int64_t due_us; /* 0: it is stopped */
} timers[TIMERS_MAX];
static unsigned timer_count;

/*
 * What the readers call
 */

bool __wrap_vpcd_prepare(int fd)
{
    bool ok = !cannot_prepare;
    cannot_prepare = false;
    errno = ENOTCONN;
    return ok && fd >= 0;
}

int __wrap_timer_new(void)
{
    CHECK(timer_count < TIMERS_MAX);
    timers[timer_count].due_us = 0;
    return timers[timer_count++].fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

bool __wrap_timer_went_off(int timer)
{
    uint64_t times;
    return read(timer, &times, sizeof times) == sizeof times;
}

void __wrap_timer_set(int timer, unsigned ms)
{
    __wrap_timer_went_off(timer);
    for (unsigned i = 0; i < timer_count; i++)
        if (timers[i].fd == timer)
            timers[i].due_us = ms ? virtual_us + (int64_t)ms * 1000 : 0;
}

/* The reader's end of a new connection, -1: there are too many. */
static int new_connection(unsigned slot)
{
    int pair[2];
    struct peer *peer = peers;
    while (peer < peers + PEERS_MAX && peer->fd >= 0)
        peer++;
    if (peer == peers + PEERS_MAX)
        return -1;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    *peer = (struct peer){.fd = pair[1], .slot = slot};
    return pair[0];
}

int __wrap_tcp_listen(const char *host, unsigned *port, int backlog)
{
    CHECK(host && backlog > 0 && listener_count < SLOTS);
    if (*port == 0)
        *port = 1024;
    listeners[listener_count].count = 0;
    return listeners[listener_count++].fd = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE);
}

static void fill_address(bool elsewhere, struct sockaddr *address, socklen_t *length)
{
    struct sockaddr_in ours = {.sin_family = AF_INET, .sin_port = htons(1025)};
    ours.sin_addr.s_addr = htonl(elsewhere ? 0x0A000009 : INADDR_LOOPBACK);
    CHECK(*length >= sizeof ours);
    memcpy(address, &ours, sizeof ours);
    *length = sizeof ours;
}

int __wrap_accept4(int listener, struct sockaddr *address, socklen_t *length, int flags)
{
    uint64_t one;
    (void)flags;
    for (unsigned i = 0; i < listener_count; i++) {
        if (listeners[i].fd != listener)
            continue;
        errno = accept_failure ? accept_failure : EAGAIN;
        if (accept_failure || read(listener, &one, sizeof one) != sizeof one)
            return accept_failure = 0, -1;
        fill_address(listeners[i].from_elsewhere, address, length);
        int fd = listeners[i].waiting[0];
        memmove(listeners[i].waiting, listeners[i].waiting + 1, --listeners[i].count * sizeof(int));
        return fd;
    }
    CHECK(false);
    return -1;
}

int __wrap_getpeername(int fd, struct sockaddr *address, socklen_t *length)
{
    CHECK(fd >= 0);
    fill_address(false, address, length);
    return 0;
}

int __wrap_tcp_connect(const char *host, unsigned port)
{
    static char bytes[65536];
    CHECK(host && port > 0);
    int fd = outcome == REFUSED ? -1 : new_connection(SLOTS - 1);
    errno = ECONNREFUSED;
    if (fd >= 0 && outcome == NOTHING) /* it cannot be written, until the card hears */
        while (send(fd, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
            ;
    return fd;
}

/*
 * Time
 */

static void run(void)
{
    bool more = true;
    while (more) {
        more = false;
        run_loop();
        for (unsigned i = 0; i < timer_count; i++)
            if (timers[i].due_us && timers[i].due_us <= virtual_us) {
                timers[i].due_us = 0;
                more = write(timers[i].fd, &(uint64_t){1}, sizeof(uint64_t)) > 0;
            }
    }
}

/* Each timer goes off when it is time for it. */
static void pass(unsigned ms)
{
    int64_t end_us = virtual_us + (int64_t)ms * 1000;
    while (virtual_us < end_us) {
        int64_t then_us = end_us;
        for (unsigned i = 0; i < timer_count; i++)
            if (timers[i].due_us && timers[i].due_us < then_us)
                then_us = timers[i].due_us;
        if (then_us > virtual_us)
            virtual_us = then_us;
        run();
    }
}

/*
 * Cards
 */

static struct peer *any_peer(void)
{
    return &peers[next() % PEERS_MAX];
}

static void hear(struct peer *peer)
{
    static uint8_t bytes[65536];
    while (peer->fd >= 0 && recv(peer->fd, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
        ;
}

static void say(struct peer *peer, const void *bytes, size_t length)
{
    if (peer->fd >= 0)
        send(peer->fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* As a card does. */
static void answer(struct peer *peer)
{
    uint8_t bytes[64];
    ssize_t got = peer->fd >= 0 ? recv(peer->fd, bytes, sizeof bytes, MSG_DONTWAIT) : 0;
    if (got > 0)
        say(peer, bytes[got - 1] == VPCD_GET_ATR ? "\0\2\x3B" : "\0\2\x90", 4); /* and a zero */
}

static void hang_up(struct peer *peer)
{
    if (peer->fd >= 0)
        close(peer->fd);
    peer->fd = -1;
}

/* A message of a length that the input chooses, or the first bytes of one. */
static void say_message(struct peer *peer, bool whole)
{
    static uint8_t message[2 + VPCD_MAX_MESSAGE];
    say(peer, message, peer_message(message, whole));
}

static void say_bytes(struct peer *peer)
{
    uint8_t bytes[PEER_BYTES_MAX];
    say(peer, bytes, peer_bytes(bytes));
}

static void connect_card(unsigned slot, bool elsewhere)
{
    int fd = slot < listener_count ? new_connection(slot) : -1;
    if (fd < 0)
        return;
    listeners[slot].from_elsewhere = elsewhere;
    listeners[slot].waiting[listeners[slot].count++] = fd;
    CHECK(write(listeners[slot].fd, &(uint64_t){1}, sizeof(uint64_t)) > 0);
}

/* When the loop has done what there was to do: connections of a slot, besides those that
 * wait to be accepted. */
static void check_slots(void)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        unsigned open = 0, whole = 0;
        for (struct peer *peer = peers; peer < peers + PEERS_MAX; peer++) {
            bool is = peer->slot == i && peer_is_open(peer->fd);
            open += is;
            whole += is && !peer->hung_up;
        }
        unsigned waiting = i < listener_count ? listeners[i].count : 0;
        CHECK(open <= 1 + waiting);
        CHECK(!slots.slot[i].card || whole >= 1);
    }
}

/*
 * Users
 */

/* Does with the card what takes an answer, while the input goes on. */
static bool use(struct slot *slot, unsigned what)
{
    static uint8_t response[CARD_RESPONSE_MAX];
    static const uint8_t command[5] = {0};
    static unsigned users;
    size_t length = 0;
    struct slot_use user = {0};
    if (users > 0) /* it would wait */
        return false;
    users++;
    slot_use_begin(slot, &user);
    bool ok = user.card && ifd_power_up(user.ifd, what & 1 ? IFD_WARM : IFD_COLD) == IFD_RESULT_OK &&
              ifd_transmit(user.ifd, 0, command, sizeof command, response, sizeof response, &length) ==
                  IFD_RESULT_OK;
    bool gone = user.card && card_gone(user.card);
    bool in = slot_use_end(&user);
    if (in && gone)
        slot_remove_at(slot, user.card_event);
    users--;
    run();
    return ok && in && length == 2;
}

static int act(void)
{
    if (good) {
        for (struct peer *peer = peers; peer < peers + PEERS_MAX; peer++)
            answer(peer);
        return 1;
    }
    if (input.at >= input.end || ops++ >= OPS_MAX)
        return -1;
    unsigned what = next();
    switch (what % 16) {
    case 0:
    case 1:
        connect_card(next() % SLOTS, what & 0x40);
        break;
    case 2:
        say_message(any_peer(), true);
        break;
    case 3:
        say_message(any_peer(), false);
        break;
    case 4:
        say(any_peer(), "\0\2\x3B", 4);
        break;
    case 5:
        say_bytes(any_peer());
        break;
    case 6:
        hang_up(any_peer());
        break;
    case 7: {
        struct peer *peer = any_peer();
        if (peer->fd >= 0)
            peer->hung_up = shutdown(peer->fd, SHUT_WR) == 0 || peer->hung_up;
        break;
    }
    case 8:
        hear(any_peer());
        break;
    case 9:
        outcome = next() % OUTCOMES;
        break;
    case 10:
        accept_failure = next() % 2 ? EMFILE : ECONNABORTED;
        break;
    case 11:
        cannot_prepare = true;
        break;
    case 12:
        use(&slots.slot[next() % SLOTS], what >> 4);
        break;
    case 13: /* as somebody who has found it gone */
        slot_remove_at(&slots.slot[what / 16 % SLOTS], slots.slot[what / 16 % SLOTS].card_event);
        break;
    default:
        pass(next() * 8);
    }
    if (!(what & 0x80)) { /* else the next one comes before the loop has had its turn */
        run();
        check_slots();
    }
    return 1;
}

/*
 * The end
 */

static void hang_up_all(void)
{
    for (struct peer *peer = peers; peer < peers + PEERS_MAX; peer++)
        hang_up(peer);
    run();
    for (unsigned i = 0; i < SLOTS; i++)
        CHECK(!slots.slot[i].card);
}

static void check_slot(unsigned i)
{
    struct slot *slot = &slots.slot[i];
    outcome = i == SLOTS - 1 ? CONNECTED : REFUSED;
    connect_card(i, false);
    pass(LATER_MS);
    CHECK(!slot->card); /* it has not said who it is */
    act();
    run();
    CHECK(slot->card);
    CHECK(use(slot, 0) && use(slot, 1));
    outcome = REFUSED;
    hang_up_all();
}

static void on_card_event(void *arg, struct slot *slot)
{
    (void)arg;
    if (readers)
        vpcd_readers_on_card_event(readers, slot);
}

static struct reader_options listening, connecting;

static void begin(void)
{
    struct error error;
    outcome = REFUSED;
    accept_failure = 0;
    cannot_prepare = good = false;
    listener_count = timer_count = ops = 0;
    for (struct peer *peer = peers; peer < peers + PEERS_MAX; peer++)
        *peer = (struct peer){.fd = -1};
    slots_init(&slots, 1);
    slots.on_card_event = on_card_event;
    CHECK(slots_add_reader(&slots, &listening, &error));
    CHECK(slots_add_reader(&slots, &connecting, &error));
    readers = vpcd_readers_new(&slots, &error);
    loop = loop_new();
    CHECK(readers && loop && vpcd_readers_start(readers, loop));
    run();
}

static void end(void)
{
    vpcd_readers_free(readers);
    readers = NULL;
    slots_free(&slots);
    loop_free(loop);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct error error;
    (void)argc, (void)argv;
    CHECK(reader_options_parse("listens,vpcd,slots=2,timeout=3000", &listening, &error));
    CHECK(reader_options_parse("connects,vpcd-connect=127.0.0.1:1000,timeout=3000", &connecting, &error));
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned descriptors = count_descriptors();
    input = (struct input){data, data + size};
    virtual_us = 1000000000;
    virtual_time = true;
    begin();
    while (act() >= 0)
        ;
    accept_failure = 0;
    cannot_prepare = false;
    outcome = REFUSED;
    hang_up_all();
    pass(LATER_MS);
    good = true;
    for (unsigned i = 0; i < SLOTS; i++)
        check_slot(i);
    end();
    virtual_time = false;
    CHECK(count_descriptors() == descriptors);
    return 0;
}
