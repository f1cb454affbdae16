/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig/vpcd_reader.h"

#include "base/backoff.h"
#include "base/clock.h"
#include "icc/vpcd.h"
#include "link/tcp.h"
#include "link/vpcd.h"
#include "rig/log.h"
#include "rig/timer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG    64   /* if it is full, a client's TCP tries again only after a second */
#define TRIES      100  /* attempts to find consecutive free ports */
#define CONNECT_MS 5000 /* how long it may take to connect */
/* The delay before the next attempt to connect to a card. It doubles from the first to the last. */
#define RETRY_FIRST_MS 10
#define RETRY_LAST_MS  100
#define RETRY_RESET_MS 500 /* a card that stays this long resets the delay */

/* A slot. Only the loop's thread uses it, except that any thread may post the call. */
struct vpcd_reader_slot {
    struct vpcd_readers *readers; /* NULL: the slot takes no vpcd cards */
    struct slot *slot;
    int listen_fd; /* -1: the slot connects to its card */
    enum { EMPTY, CONNECTING, ASKING, INSERTED } state;
    int fd;                    /* the connection; once inserted, a duplicate, to detect its end; -1: none */
    union tcp_address address; /* of the card */
    struct vpcd_input *input;  /* while the card is asked for its ATR */
    bool paused;               /* the slot does not accept until the pause is over */
    uint32_t card_event;       /* the number of the insertion, while a card is inserted */
    int64_t inserted_at;       /* the time of the insertion */
    int timer_fd;
    struct backoff retry;
    int last_logged_errno; /* the errno that was logged last */
    int64_t refused_at;    /* the time in seconds when a refusal was last logged */
    unsigned refused;      /* the number of refusals since then */
    struct loop_call card_event_call;
};

struct vpcd_readers {
    struct slots *slots;
    struct loop *loop;                     /* NULL before vpcd_readers_start */
    int pause_fd;                          /* a timer, after which paused slots accept again */
    struct vpcd_reader_slot reader_slot[]; /* one for each slot of the rig */
};

static bool is_reversed(const struct vpcd_reader_slot *reader_slot)
{
    return reader_slot->slot->reader->options.cards == READER_VPCD_CONNECT;
}

/* Writes the address of the slot's vpcd card to text, for people. Returns text. */
static const char *card_text(const struct vpcd_reader_slot *reader_slot, char text[ADDRESS_MAX + 10])
{
    struct address address;
    slot_vpcd_address(reader_slot->slot, &address);
    return address_text(&address, text, ADDRESS_MAX + 10);
}

/* Logs that a connection is refused, at most once a second: a card that connects again and again must not
 * fill the log. */
static void report_refusal(struct vpcd_reader_slot *reader_slot, const union tcp_address *address,
                           const char *why)
{
    char text[TCP_TEXT_MAX], more[40] = "";
    int64_t second = clock_ms() / 1000;
    reader_slot->refused++;
    if (reader_slot->refused_at == second)
        return;
    if (reader_slot->refused > 1)
        snprintf(more, sizeof more, " (%u more since the last time)", reader_slot->refused - 1);
    reader_slot->refused = 0;
    reader_slot->refused_at = second;
    rig_log("%s: a vpcd card from %s is refused: %s%s", slot_text(reader_slot->slot), tcp_text(address, text),
            why, more);
}

/*
 * Cards
 */

static void on_end(void *arg, uint32_t events);

static void close_connection(struct vpcd_reader_slot *reader_slot)
{
    if (reader_slot->fd >= 0) {
        loop_remove(reader_slot->readers->loop, reader_slot->fd);
        close(reader_slot->fd);
    }
    free(reader_slot->input);
    reader_slot->input = NULL;
    reader_slot->fd = -1;
    reader_slot->state = EMPTY;
    timer_set(reader_slot->timer_fd, 0);
}

static void wait_to_retry(struct vpcd_reader_slot *reader_slot, int reason);

/* Closes the connection, so that the slot can have another one, which in reversed mode it tries after a
 * delay. Only a card that was inserted for RETRY_RESET_MS resets the delay: otherwise the reader would
 * connect without end to a card that always disconnects at once. */
static void close_and_retry(struct vpcd_reader_slot *reader_slot)
{
    bool long_ago = reader_slot->state == INSERTED && clock_ms() - reader_slot->inserted_at >= RETRY_RESET_MS;
    close_connection(reader_slot);
    if (!is_reversed(reader_slot))
        return;
    if (long_ago)
        backoff_reset(&reader_slot->retry);
    wait_to_retry(reader_slot, 0);
}

static void refuse_connection(struct vpcd_reader_slot *reader_slot, const char *why)
{
    report_refusal(reader_slot, &reader_slot->address, why);
    close_and_retry(reader_slot);
}

/* Inserts the card at the connection, which has sent its ATR. Any ATR will do. */
static void insert(struct vpcd_reader_slot *reader_slot)
{
    char name[TCP_TEXT_MAX + 20], text[TCP_TEXT_MAX];
    struct error error = {"out of memory"};
    struct slot *slot = reader_slot->slot;
    struct incoming incoming = {0};
    int fd = reader_slot->fd;
    loop_remove(reader_slot->readers->loop, fd);
    free(reader_slot->input);
    reader_slot->input = NULL;
    timer_set(reader_slot->timer_fd, 0);
    reader_slot->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    reader_slot->state = INSERTED;
    reader_slot->inserted_at = clock_ms();
    snprintf(name, sizeof name, "vpcd card %s", tcp_text(&reader_slot->address, text));
    incoming.card =
        vpcd_card_new(fd, name, slot->reader->options.timeout_ms, &slot->host); /* takes over fd */
    if (incoming.card)
        incoming.contacts = contacts_new(incoming.card);
    if (incoming.contacts && reader_slot->fd >= 0 &&
        loop_add(reader_slot->readers->loop, reader_slot->fd, EPOLLRDHUP, on_end, reader_slot) &&
        slot_put(slot, false, &incoming, &error)) {
        reader_slot->card_event = incoming.card_event;
        reader_slot->last_logged_errno = 0;
        return;
    }
    incoming_free(&incoming);
    refuse_connection(reader_slot, error.text);
}

/* Handles a connection that has ended before the ATR came. In reversed mode that is no refusal: a port
 * forwarder, for example, may accept the connection in the card's place, and disconnect as long as there is
 * no card. */
static void hung_up(struct vpcd_reader_slot *reader_slot)
{
    if (is_reversed(reader_slot))
        wait_to_retry(reader_slot, ECONNRESET);
    else
        refuse_connection(reader_slot, "it has hung up without an ATR");
}

/* Inserts the card when its ATR has come, as vpcd's own reader does. Some cards take seconds for the ATR,
 * and pcscd would wait for a card that is already inserted. */
static void on_answer(void *arg, uint32_t events)
{
    struct vpcd_reader_slot *reader_slot = arg;
    const uint8_t *atr;
    size_t length;
    (void)events;
    switch (vpcd_receive(reader_slot->fd, MSG_DONTWAIT, reader_slot->input)) {
    case VPCD_CLOSED:
        hung_up(reader_slot);
        return;
    case VPCD_PARTIAL:
        return;
    case VPCD_OK:
        vpcd_message(reader_slot->input, &atr, &length);
        if (reader_slot->input->used != length + 2)
            refuse_connection(reader_slot, "more than one answer");
        else if (length == 0) /* vpcd's own reader takes that as no card, too, and disconnects */
            refuse_connection(reader_slot, "an ATR of 0 bytes, so it has no card");
        else
            insert(reader_slot);
    }
}

/* Takes over a new connection, and asks the card for its ATR. */
static void begin(struct vpcd_reader_slot *reader_slot, int fd, const union tcp_address *address)
{
    static const enum vpcd_control get_atr[] = {VPCD_GET_ATR};
    reader_slot->fd = fd;
    reader_slot->address = *address;
    reader_slot->state = ASKING;
    reader_slot->input = calloc(1, sizeof *reader_slot->input);
    if (reader_slot->input && vpcd_prepare(fd) && vpcd_send_controls(fd, get_atr, 1) &&
        loop_add(reader_slot->readers->loop, fd, EPOLLIN, on_answer, reader_slot)) {
        timer_set(reader_slot->timer_fd, reader_slot->slot->reader->options.timeout_ms);
        return;
    }
    const char *why = strerror(errno);
    close(reader_slot->fd); /* the loop does not watch it */
    reader_slot->fd = -1;
    refuse_connection(reader_slot, why);
}

/* Removes the card, because its connection has ended. */
static void on_end(void *arg, uint32_t events)
{
    struct vpcd_reader_slot *reader_slot = arg;
    (void)events;
    slot_remove_at(reader_slot->slot, reader_slot->card_event);
    close_and_retry(reader_slot);
}

/* Closes the connection of a card that has been removed from the slot. */
static void on_card_event(void *arg)
{
    struct vpcd_reader_slot *reader_slot = arg;
    if (reader_slot->state == INSERTED && reader_slot->slot->card_event != reader_slot->card_event)
        close_and_retry(reader_slot);
}

/* Before a new connection is accepted, handles what has happened on the old one. A card that disconnects
 * and connects again at once must be removed first, and an ATR that it has sent before counts. */
static void take_out_what_has_gone(struct vpcd_reader_slot *reader_slot)
{
    on_card_event(reader_slot);
    if (reader_slot->state == ASKING)
        on_answer(reader_slot, 0);
    struct pollfd card = {.fd = reader_slot->fd, .events = POLLRDHUP};
    if (reader_slot->state == INSERTED && poll(&card, 1, 0) > 0)
        on_end(reader_slot, 0);
}

/*
 * Normal mode: the reader listens
 */

static void on_connect(void *arg, uint32_t events);

/* Stops accepting for a while when there are no descriptors or memory left. Otherwise the loop would report
 * the pending connections again at once. */
static void pause_listening(struct vpcd_reader_slot *reader_slot, int reason)
{
    if (reason != reader_slot->last_logged_errno)
        rig_log("%s: cannot accept vpcd cards: %s", slot_text(reader_slot->slot), strerror(reason));
    reader_slot->last_logged_errno = reason;
    reader_slot->paused = true;
    loop_remove(reader_slot->readers->loop, reader_slot->listen_fd);
    timer_set(reader_slot->readers->pause_fd, RETRY_LAST_MS);
}

static void on_pause_over(void *arg, uint32_t events)
{
    struct vpcd_readers *readers = arg;
    (void)events;
    if (!timer_went_off(readers->pause_fd))
        return;
    for (struct vpcd_reader_slot *reader_slot = readers->reader_slot;
         reader_slot < readers->reader_slot + readers->slots->slot_count; reader_slot++)
        if (reader_slot->paused) {
            reader_slot->paused =
                !loop_add(readers->loop, reader_slot->listen_fd, EPOLLIN, on_connect, reader_slot);
            if (reader_slot->paused)
                timer_set(readers->pause_fd, RETRY_LAST_MS);
        }
}

static void on_connect(void *arg, uint32_t events)
{
    struct vpcd_reader_slot *reader_slot = arg;
    union tcp_address address = {0};
    socklen_t length = sizeof address;
    (void)events;
    int fd = accept4(reader_slot->listen_fd, &address.any, &length, SOCK_CLOEXEC);
    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            pause_listening(reader_slot, errno);
        return;
    }
    reader_slot->last_logged_errno = 0;
    take_out_what_has_gone(reader_slot);
    const char *why = !address_may_come(reader_slot->slot->reader->options.from, &address)
                          ? "from= does not allow it"
                      : reader_slot->state != EMPTY ? "there is a card already"
                                                    : NULL;
    if (!why) {
        begin(reader_slot, fd, &address);
        return;
    }
    close(fd);
    report_refusal(reader_slot, &address, why);
}

/*
 * Reversed mode: the card listens
 */

static void wait_to_retry(struct vpcd_reader_slot *reader_slot, int reason)
{
    char text[ADDRESS_MAX + 10];
    if (reason && reason != reader_slot->last_logged_errno)
        rig_log("%s: no vpcd card at %s yet (%s): trying again", slot_text(reader_slot->slot),
                card_text(reader_slot, text), strerror(reason));
    reader_slot->last_logged_errno = reason;
    close_connection(reader_slot);
    timer_set(reader_slot->timer_fd, backoff_next(&reader_slot->retry, RETRY_FIRST_MS, RETRY_LAST_MS));
}

/* Called when it is known whether the connection has been made. */
static void on_connected(void *arg, uint32_t events)
{
    struct vpcd_reader_slot *reader_slot = arg;
    union tcp_address address = {0};
    socklen_t length = sizeof address;
    (void)events;
    int failure = tcp_connect_result(reader_slot->fd);
    if (!failure && getpeername(reader_slot->fd, &address.any, &length) < 0)
        failure = errno;
    if (failure) {
        wait_to_retry(reader_slot, failure);
        return;
    }
    loop_remove(reader_slot->readers->loop, reader_slot->fd);
    begin(reader_slot, reader_slot->fd, &address);
}

static void connect_to_card(struct vpcd_reader_slot *reader_slot)
{
    struct address address;
    slot_vpcd_address(reader_slot->slot, &address);
    int fd = tcp_connect(address.host, address.port);
    if (fd < 0 || !loop_add(reader_slot->readers->loop, fd, EPOLLOUT, on_connected, reader_slot)) {
        int reason = errno;
        if (fd >= 0)
            close(fd);
        wait_to_retry(reader_slot, reason);
        return;
    }
    reader_slot->fd = fd;
    reader_slot->state = CONNECTING;
    timer_set(reader_slot->timer_fd, CONNECT_MS);
}

static void on_timer(void *arg, uint32_t events)
{
    struct vpcd_reader_slot *reader_slot = arg;
    (void)events;
    if (!timer_went_off(reader_slot->timer_fd))
        return;
    if (reader_slot->state == CONNECTING) {
        wait_to_retry(reader_slot, ETIMEDOUT);
    } else if (reader_slot->state == ASKING) {
        refuse_connection(reader_slot, "no answer in time");
    } else if (reader_slot->state == EMPTY && is_reversed(reader_slot)) {
        connect_to_card(reader_slot);
    }
}

/*
 * All readers
 */

/* Listens at as many consecutive ports as the reader has slots. Returns false with errno, and listens at
 * none, on failure. */
static bool listen_in_a_row(struct vpcd_readers *readers, struct reader *reader)
{
    struct reader_options *options = &reader->options;
    struct vpcd_reader_slot *reader_slot = &readers->reader_slot[slot_index(readers->slots, reader->slots)];
    unsigned base = options->vpcd.port, opened = 0;
    for (; opened < options->slots; opened++) {
        unsigned port = opened == 0 ? base : base + opened;
        int fd = port <= 65535 ? tcp_listen(options->vpcd.host, &port, BACKLOG) : -1;
        if (fd < 0)
            break;
        reader_slot[opened].listen_fd = fd;
        if (opened == 0)
            base = port;
        /* if a connection is gone before it is accepted, accept4() must not wait for the next one */
        if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
            break;
    }
    if (opened == options->slots) {
        options->vpcd.port = base;
        return true;
    }
    int reason = errno;
    for (unsigned i = 0; i < options->slots; i++)
        if (reader_slot[i].listen_fd >= 0) {
            close(reader_slot[i].listen_fd);
            reader_slot[i].listen_fd = -1;
        }
    errno = reason;
    return false;
}

static bool listen_for(struct vpcd_readers *readers, struct reader *reader, struct error *error)
{
    const struct reader_options *options = &reader->options;
    bool ok = false;
    for (int tries = options->vpcd.port == 0 ? TRIES : 1; !ok && tries > 0; tries--)
        ok = listen_in_a_row(readers, reader);
    if (ok)
        return true;
    char where[ADDRESS_MAX + 10];
    int reason = errno;
    address_text(&options->vpcd, where, sizeof where);
    return error_set(error, "reader '%s': cannot listen at %s for %u slot%s: %s%s", options->name, where,
                     options->slots, options->slots == 1 ? "" : "s", strerror(reason),
                     reason == EADDRINUSE
                         ? ": vpcd without a port finds a free one, and with --private-network all are free"
                         : "");
}

static bool prepare_end(struct vpcd_readers *readers, struct slot *slot)
{
    struct vpcd_reader_slot *reader_slot = &readers->reader_slot[slot_index(readers->slots, slot)];
    reader_slot->readers = readers;
    backoff_reset(&reader_slot->retry);
    reader_slot->card_event_call = (struct loop_call){.function = on_card_event, .arg = reader_slot};
    reader_slot->timer_fd = timer_new();
    return reader_slot->timer_fd >= 0;
}

struct vpcd_readers *vpcd_readers_new(struct slots *slots, struct error *error)
{
    struct vpcd_readers *readers =
        calloc(1, sizeof *readers + slots->slot_count * sizeof readers->reader_slot[0]);
    error_set(error, "out of memory");
    if (!readers)
        return NULL;
    readers->slots = slots;
    for (unsigned i = 0; i < slots->slot_count; i++)
        readers->reader_slot[i] =
            (struct vpcd_reader_slot){.slot = &slots->slot[i], .fd = -1, .listen_fd = -1, .timer_fd = -1};
    readers->pause_fd = timer_new();
    bool ok = readers->pause_fd >= 0;
    if (!ok)
        error_set(error, "no timer for vpcd cards: %s", strerror(errno));
    for (struct reader *reader = slots->reader; ok && reader < slots->reader + slots->reader_count;
         reader++) {
        if (reader->options.cards == READER_OWN_CARDS)
            continue;
        ok = reader->options.cards == READER_VPCD_CONNECT || listen_for(readers, reader, error);
        for (unsigned i = 0; i < reader->options.slots && ok; i++)
            if (!(ok = prepare_end(readers, &reader->slots[i])))
                error_set(error, "no timer for vpcd cards: %s", strerror(errno));
    }
    if (ok)
        return readers;
    vpcd_readers_free(readers);
    return NULL;
}

bool vpcd_readers_start(struct vpcd_readers *readers, struct loop *loop)
{
    readers->loop = loop;
    if (!loop_add(loop, readers->pause_fd, EPOLLIN, on_pause_over, readers))
        return false;
    for (struct vpcd_reader_slot *reader_slot = readers->reader_slot;
         reader_slot < readers->reader_slot + readers->slots->slot_count; reader_slot++) {
        if (!reader_slot->readers)
            continue;
        if (!loop_add(loop, reader_slot->timer_fd, EPOLLIN, on_timer, reader_slot))
            return false;
        if (is_reversed(reader_slot))
            connect_to_card(reader_slot);
        else if (!loop_add(loop, reader_slot->listen_fd, EPOLLIN, on_connect, reader_slot))
            return false;
    }
    return true;
}

void vpcd_readers_free(struct vpcd_readers *readers)
{
    if (!readers)
        return;
    for (struct vpcd_reader_slot *reader_slot = readers->reader_slot;
         reader_slot < readers->reader_slot + readers->slots->slot_count; reader_slot++) {
        if (readers->loop && reader_slot->readers)
            close_connection(reader_slot);
        const int fds[] = {reader_slot->listen_fd, reader_slot->timer_fd};
        for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) {
            if (fds[i] >= 0 && readers->loop && !(i == 0 && reader_slot->paused))
                loop_remove(readers->loop, fds[i]);
            if (fds[i] >= 0)
                close(fds[i]);
        }
    }
    if (readers->pause_fd >= 0 && readers->loop)
        loop_remove(readers->loop, readers->pause_fd);
    if (readers->pause_fd >= 0)
        close(readers->pause_fd);
    free(readers);
}

void vpcd_readers_on_card_event(struct vpcd_readers *readers, const struct slot *slot)
{
    struct vpcd_reader_slot *reader_slot = &readers->reader_slot[slot_index(readers->slots, slot)];
    if (reader_slot->readers && readers->loop)
        loop_post(readers->loop, &reader_slot->card_event_call);
}
