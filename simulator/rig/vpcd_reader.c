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

/* A slot. Only the loop's thread uses it, except that any thread may post the letter. */
struct reader_end {
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
    int complaint;      /* the errno that was logged last */
    int64_t refused_at; /* the time in seconds when a refusal was last logged */
    unsigned refused;   /* the number of refusals since then */
    struct loop_letter card_event_letter;
};

struct vpcd_readers {
    struct slots *slots;
    struct loop *loop;       /* NULL before vpcd_readers_start */
    int pause_fd;            /* a timer, after which paused slots accept again */
    struct reader_end end[]; /* one for each slot of the rig */
};

static bool is_reversed(const struct reader_end *end)
{
    return end->slot->reader->options.cards == READER_VPCD_CONNECT;
}

/* Writes the address of the slot's vpcd card to text, for people. Returns text. */
static const char *end_text(const struct reader_end *end, char text[ADDRESS_MAX + 10])
{
    struct address address;
    slot_vpcd_address(end->slot, &address);
    return address_text(&address, text, ADDRESS_MAX + 10);
}

/* Logs that a connection is refused, at most once a second: a card that connects again and again must not
 * fill the log. */
static void report_refusal(struct reader_end *end, const union tcp_address *address, const char *why)
{
    char text[TCP_TEXT_MAX], more[40] = "";
    int64_t second = clock_ms() / 1000;
    end->refused++;
    if (end->refused_at == second)
        return;
    if (end->refused > 1)
        snprintf(more, sizeof more, " (%u more since the last time)", end->refused - 1);
    end->refused = 0;
    end->refused_at = second;
    rig_log("%s: a vpcd card from %s is refused: %s%s", slot_text(end->slot), tcp_text(address, text), why,
            more);
}

/*
 * Cards
 */

static void on_end(void *arg, uint32_t events);

static void close_connection(struct reader_end *end)
{
    if (end->fd >= 0) {
        loop_remove(end->readers->loop, end->fd);
        close(end->fd);
    }
    free(end->input);
    end->input = NULL;
    end->fd = -1;
    end->state = EMPTY;
    timer_set(end->timer_fd, 0);
}

static void wait_to_retry(struct reader_end *end, int reason);

/* Closes the connection, so that the slot can have another one, which in reversed mode it tries after a
 * delay. Only a card that was inserted for RETRY_RESET_MS resets the delay: otherwise the reader would
 * connect without end to a card that always disconnects at once. */
static void close_and_retry(struct reader_end *end)
{
    bool long_ago = end->state == INSERTED && clock_ms() - end->inserted_at >= RETRY_RESET_MS;
    close_connection(end);
    if (!is_reversed(end))
        return;
    if (long_ago)
        backoff_reset(&end->retry);
    wait_to_retry(end, 0);
}

static void refuse_connection(struct reader_end *end, const char *why)
{
    report_refusal(end, &end->address, why);
    close_and_retry(end);
}

/* Inserts the card at the connection, which has sent its ATR. Any ATR will do. */
static void insert(struct reader_end *end)
{
    char name[TCP_TEXT_MAX + 20], text[TCP_TEXT_MAX];
    struct error error = {"out of memory"};
    struct slot *slot = end->slot;
    struct incoming incoming = {0};
    int fd = end->fd;
    loop_remove(end->readers->loop, fd);
    free(end->input);
    end->input = NULL;
    timer_set(end->timer_fd, 0);
    end->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    end->state = INSERTED;
    end->inserted_at = clock_ms();
    snprintf(name, sizeof name, "vpcd card %s", tcp_text(&end->address, text));
    incoming.card =
        vpcd_card_new(fd, name, slot->reader->options.timeout_ms, &slot->host); /* takes over fd */
    if (incoming.card)
        incoming.contacts = contacts_new(incoming.card);
    if (incoming.contacts && end->fd >= 0 && loop_add(end->readers->loop, end->fd, EPOLLRDHUP, on_end, end) &&
        slot_put(slot, false, &incoming, &error)) {
        end->card_event = incoming.card_event;
        end->complaint = 0;
        return;
    }
    incoming_free(&incoming);
    refuse_connection(end, error.text);
}

/* Handles a connection that has ended before the ATR came. In reversed mode that is no refusal: a port
 * forwarder, for example, may accept the connection in the card's place, and disconnect as long as there is
 * no card. */
static void hung_up(struct reader_end *end)
{
    if (is_reversed(end))
        wait_to_retry(end, ECONNRESET);
    else
        refuse_connection(end, "it has hung up without an ATR");
}

/* Inserts the card when its ATR has come, as vpcd's own reader does. Some cards take seconds for the ATR,
 * and pcscd would wait for a card that is already inserted. */
static void on_answer(void *arg, uint32_t events)
{
    struct reader_end *end = arg;
    const uint8_t *atr;
    size_t length;
    (void)events;
    switch (vpcd_receive(end->fd, MSG_DONTWAIT, end->input)) {
    case VPCD_CLOSED:
        hung_up(end);
        return;
    case VPCD_PARTIAL:
        return;
    case VPCD_OK:
        vpcd_message(end->input, &atr, &length);
        if (end->input->used != length + 2)
            refuse_connection(end, "more than one answer");
        else if (length == 0) /* vpcd's own reader takes that as no card, too, and disconnects */
            refuse_connection(end, "an ATR of 0 bytes, so it has no card");
        else
            insert(end);
    }
}

/* Takes over a new connection, and asks the card for its ATR. */
static void begin(struct reader_end *end, int fd, const union tcp_address *address)
{
    static const enum vpcd_control get_atr[] = {VPCD_GET_ATR};
    end->fd = fd;
    end->address = *address;
    end->state = ASKING;
    end->input = calloc(1, sizeof *end->input);
    if (end->input && vpcd_prepare(fd) && vpcd_send_controls(fd, get_atr, 1) &&
        loop_add(end->readers->loop, fd, EPOLLIN, on_answer, end)) {
        timer_set(end->timer_fd, end->slot->reader->options.timeout_ms);
        return;
    }
    const char *why = strerror(errno);
    close(end->fd); /* the loop does not watch it */
    end->fd = -1;
    refuse_connection(end, why);
}

/* Removes the card, because its connection has ended. */
static void on_end(void *arg, uint32_t events)
{
    struct reader_end *end = arg;
    (void)events;
    slot_remove_at(end->slot, end->card_event);
    close_and_retry(end);
}

/* Closes the connection of a card that has been removed from the slot. */
static void on_card_event(void *arg)
{
    struct reader_end *end = arg;
    if (end->state == INSERTED && end->slot->card_event != end->card_event)
        close_and_retry(end);
}

/* Before a new connection is accepted, handles what has happened on the old one. A card that disconnects
 * and connects again at once must be removed first, and an ATR that it has sent before counts. */
static void take_out_what_has_gone(struct reader_end *end)
{
    on_card_event(end);
    if (end->state == ASKING)
        on_answer(end, 0);
    struct pollfd card = {.fd = end->fd, .events = POLLRDHUP};
    if (end->state == INSERTED && poll(&card, 1, 0) > 0)
        on_end(end, 0);
}

/*
 * Normal mode: the reader listens
 */

static void on_connect(void *arg, uint32_t events);

/* Stops accepting for a while when there are no descriptors or memory left. Otherwise the loop would report
 * the pending connections again at once. */
static void pause_listening(struct reader_end *end, int reason)
{
    if (reason != end->complaint)
        rig_log("%s: cannot accept vpcd cards: %s", slot_text(end->slot), strerror(reason));
    end->complaint = reason;
    end->paused = true;
    loop_remove(end->readers->loop, end->listen_fd);
    timer_set(end->readers->pause_fd, RETRY_LAST_MS);
}

static void on_pause_over(void *arg, uint32_t events)
{
    struct vpcd_readers *readers = arg;
    (void)events;
    if (!timer_went_off(readers->pause_fd))
        return;
    for (struct reader_end *end = readers->end; end < readers->end + readers->slots->slot_count; end++)
        if (end->paused) {
            end->paused = !loop_add(readers->loop, end->listen_fd, EPOLLIN, on_connect, end);
            if (end->paused)
                timer_set(readers->pause_fd, RETRY_LAST_MS);
        }
}

static void on_connect(void *arg, uint32_t events)
{
    struct reader_end *end = arg;
    union tcp_address address = {0};
    socklen_t length = sizeof address;
    (void)events;
    int fd = accept4(end->listen_fd, &address.any, &length, SOCK_CLOEXEC);
    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            pause_listening(end, errno);
        return;
    }
    end->complaint = 0;
    take_out_what_has_gone(end);
    const char *why = !address_may_come(end->slot->reader->options.from, &address) ? "from= does not allow it"
                      : end->state != EMPTY                                        ? "there is a card already"
                                                                                   : NULL;
    if (!why) {
        begin(end, fd, &address);
        return;
    }
    close(fd);
    report_refusal(end, &address, why);
}

/*
 * Reversed mode: the card listens
 */

static void wait_to_retry(struct reader_end *end, int reason)
{
    char text[ADDRESS_MAX + 10];
    if (reason && reason != end->complaint)
        rig_log("%s: no vpcd card at %s yet (%s): trying again", slot_text(end->slot), end_text(end, text),
                strerror(reason));
    end->complaint = reason;
    close_connection(end);
    timer_set(end->timer_fd, backoff_next(&end->retry, RETRY_FIRST_MS, RETRY_LAST_MS));
}

/* Called when it is known whether the connection has been made. */
static void on_connected(void *arg, uint32_t events)
{
    struct reader_end *end = arg;
    union tcp_address address = {0};
    socklen_t length = sizeof address;
    (void)events;
    int failure = tcp_connect_result(end->fd);
    if (!failure && getpeername(end->fd, &address.any, &length) < 0)
        failure = errno;
    if (failure) {
        wait_to_retry(end, failure);
        return;
    }
    loop_remove(end->readers->loop, end->fd);
    begin(end, end->fd, &address);
}

static void connect_to_card(struct reader_end *end)
{
    struct address address;
    slot_vpcd_address(end->slot, &address);
    int fd = tcp_connect(address.host, address.port);
    if (fd < 0 || !loop_add(end->readers->loop, fd, EPOLLOUT, on_connected, end)) {
        int reason = errno;
        if (fd >= 0)
            close(fd);
        wait_to_retry(end, reason);
        return;
    }
    end->fd = fd;
    end->state = CONNECTING;
    timer_set(end->timer_fd, CONNECT_MS);
}

static void on_timer(void *arg, uint32_t events)
{
    struct reader_end *end = arg;
    (void)events;
    if (!timer_went_off(end->timer_fd))
        return;
    if (end->state == CONNECTING) {
        wait_to_retry(end, ETIMEDOUT);
    } else if (end->state == ASKING) {
        refuse_connection(end, "no answer in time");
    } else if (end->state == EMPTY && is_reversed(end)) {
        connect_to_card(end);
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
    struct reader_end *end = &readers->end[slot_index(readers->slots, reader->slots)];
    unsigned base = options->vpcd.port, opened = 0;
    for (; opened < options->slots; opened++) {
        unsigned port = opened == 0 ? base : base + opened;
        int fd = port <= 65535 ? tcp_listen(options->vpcd.host, &port, BACKLOG) : -1;
        if (fd < 0)
            break;
        end[opened].listen_fd = fd;
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
        if (end[i].listen_fd >= 0) {
            close(end[i].listen_fd);
            end[i].listen_fd = -1;
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
    struct reader_end *end = &readers->end[slot_index(readers->slots, slot)];
    end->readers = readers;
    backoff_reset(&end->retry);
    end->card_event_letter = (struct loop_letter){.function = on_card_event, .arg = end};
    end->timer_fd = timer_new();
    return end->timer_fd >= 0;
}

struct vpcd_readers *vpcd_readers_new(struct slots *slots, struct error *error)
{
    struct vpcd_readers *readers = calloc(1, sizeof *readers + slots->slot_count * sizeof readers->end[0]);
    error_set(error, "out of memory");
    if (!readers)
        return NULL;
    readers->slots = slots;
    for (unsigned i = 0; i < slots->slot_count; i++)
        readers->end[i] =
            (struct reader_end){.slot = &slots->slot[i], .fd = -1, .listen_fd = -1, .timer_fd = -1};
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
    for (struct reader_end *end = readers->end; end < readers->end + readers->slots->slot_count; end++) {
        if (!end->readers)
            continue;
        if (!loop_add(loop, end->timer_fd, EPOLLIN, on_timer, end))
            return false;
        if (is_reversed(end))
            connect_to_card(end);
        else if (!loop_add(loop, end->listen_fd, EPOLLIN, on_connect, end))
            return false;
    }
    return true;
}

void vpcd_readers_free(struct vpcd_readers *readers)
{
    if (!readers)
        return;
    for (struct reader_end *end = readers->end; end < readers->end + readers->slots->slot_count; end++) {
        if (readers->loop && end->readers)
            close_connection(end);
        const int fds[] = {end->listen_fd, end->timer_fd};
        for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) {
            if (fds[i] >= 0 && readers->loop && !(i == 0 && end->paused))
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
    struct reader_end *end = &readers->end[slot_index(readers->slots, slot)];
    if (end->readers && readers->loop)
        loop_post(readers->loop, &end->card_event_letter);
}
