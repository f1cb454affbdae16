/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig/vpcd_card.h"

#include "base/await.h"
#include "base/backoff.h"
#include "base/clock.h"
#include "link/tcp.h"
#include "link/vpcd.h"
#include "rig/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

/* The delay before the next attempt to find a reader. It doubles from the first to the last. */
#define RETRY_FIRST_MS 1
#define RETRY_LAST_MS  100

/* How long a host may take to accept a connection before the next attempt. */
#define CONNECT_LIMIT_MS 2000

/* How long a reader may take to send the rest of a message, or to receive an answer. */
#define MESSAGE_LIMIT_MS 60000

/* A reader whose commands fail again and again must not fill the log. */
#define LINES_PER_SECOND 10

#define ADDRESS_TEXT     (ADDRESS_MAX + 10)

/* A slot that is offered to a vpcd reader. */
struct vpcd_offer {
    struct vpcd_offers *offers;
    struct slot *slot;
    unsigned port;
    int listen_fd;           /* bound to the port, in reversed mode; else -1 */
    bool listening;          /* under the lock */
    struct session *session; /* of the card in the slot; under the lock */
    atomic_bool said_alone, said_unknown;
};

/*
 * A session lasts from a card's insertion to its removal. It has a thread, which finds the card's reader and
 * serves it. The session is over when its vpcd_offer no longer refers to it. The thread ends after that, when
 * the operation of the card returns, and frees the session.
 */
struct session {
    struct vpcd_offer *offer;
    uint32_t card_event; /* the number of the card's insertion */
    int over_fd;         /* an eventfd that can be read when the session is over */
    int fd;              /* the connection, or -1: no reader; only the thread sets it, under the lock */
    struct backoff retry;
    int64_t second; /* the second of clock_ms in which an operation last failed */
    unsigned lines; /* the number of failures in that second, logged or not */
    struct slot_use use;
    bool unanswered; /* the last reset has failed */
    uint8_t response[LINK_MAX_RESPONSE];
    struct vpcd_input input;
};

struct vpcd_offers {
    struct address address; /* of the first slot */
    bool listen;
    pthread_mutex_t lock;    /* held briefly; a slot's lock may be taken while it is held */
    struct threads *threads; /* NULL while the offers are not served; under the lock */
    unsigned offer_count;
    struct vpcd_offer offer[LINK_MAX_SLOTS]; /* by the slot's number in the rig */
};

/* Writes the slot's host and port to text, for people. Returns text. */
static const char *offer_text(const struct vpcd_offer *offer, char text[ADDRESS_TEXT])
{
    struct address address = offer->offers->address;
    address.port = offer->port;
    return address_text(&address, text, ADDRESS_TEXT);
}

/* Takes the lock, for what only the session of the present card may do. Returns false, with the lock
 * released, if the session is over. */
static bool lock_session(struct session *session)
{
    struct vpcd_offer *offer = session->offer;
    pthread_mutex_lock(&offer->offers->lock);
    if (offer->session == session)
        return true;
    pthread_mutex_unlock(&offer->offers->lock);
    return false;
}

static void unlock_session(struct session *session)
{
    pthread_mutex_unlock(&session->offer->offers->lock);
}

/*
 * Messages
 */

/* Logs why an operation failed, in at most LINES_PER_SECOND lines a second, and later how many lines were
 * left out. */
static void log_failure(struct session *session, const struct slot_use *use, enum ifd_result result)
{
    int64_t second = clock_ms() / 1000;
    if (result == IFD_RESULT_OK)
        return;
    if (second != session->second) {
        if (session->lines > LINES_PER_SECOND)
            rig_log("%s: (%u lines more like these)", slot_text(use->slot),
                    session->lines - LINES_PER_SECOND);
        session->lines = 0;
    }
    session->second = second;
    if (++session->lines <= LINES_PER_SECOND)
        slot_use_report(use);
}

/* Answers a request for the ATR, and returns the length of the answer. The card must not notice the
 * request: a reader sends it several times per second to see whether the card is present, even if the card
 * has no power. */
static size_t give_atr(struct session *session, const struct slot_use *use)
{
    const struct ifd *ifd = use->ifd;
    const uint8_t *atr = ifd->atr.raw;
    size_t length = ifd->atr.length;
    if (!ifd->powered)
        atr = card_atr(use->card, CARD_COLD, &length);
    if (session->unanswered || length == 0) { /* an ATR of 0 bytes would mean that there is no card */
        memset(session->response, 0, ATR_MAX + 1);
        return ATR_MAX + 1;
    }
    memcpy(session->response, atr, length);
    return length;
}

static void power_up(struct session *session, const struct slot_use *use, enum ifd_reset reset)
{
    enum ifd_result result = ifd_power_up(use->ifd, reset);
    session->unanswered = result != IFD_RESULT_OK;
    log_failure(session, use, result);
}

/* Carries out a control. Returns the length of the answer in session->response, or 0 for no answer. */
static size_t on_control(struct session *session, const struct slot_use *use, uint8_t control)
{
    switch (control) {
    case VPCD_POWER_OFF:
        ifd_power_down(use->ifd);
        session->unanswered = false;
        return 0;
    case VPCD_POWER_ON:
        power_up(session, use, IFD_COLD);
        return 0;
    case VPCD_RESET:
        power_up(session, use, IFD_WARM);
        return 0;
    case VPCD_GET_ATR:
        return give_atr(session, use);
    default:
        if (!atomic_exchange(&session->offer->said_unknown, true))
            rig_log("%s: the vpcd reader sent the unknown control %u: ignored", slot_text(use->slot),
                    control);
        return 0;
    }
}

/* Carries out a command. Returns the length of the answer in session->response. */
static size_t on_command(struct session *session, const struct slot_use *use, const uint8_t *command,
                         size_t command_length)
{
    struct ifd *ifd = use->ifd;
    uint8_t *response = session->response;
    size_t length = 0;
    enum ifd_result result = IFD_RESULT_OK;
    /* vpcd does not tell a card which protocol the application has chosen */
    if (ifd->powered && !ifd->as_is && ifd->protocol == IFD_NO_PROTOCOL)
        result = ifd_set_protocol(ifd, atr_default_protocol(&ifd->atr));
    if (result == IFD_RESULT_OK)
        result =
            ifd_transmit(ifd, IFD_RAW, command, command_length, response, sizeof session->response, &length);
    log_failure(session, use, result);
    if (result != IFD_RESULT_OK || length == 0) { /* the card has not answered */
        response[0] = 0;
        return 1;
    }
    if (length <= VPCD_MAX_MESSAGE)
        return length;
    rig_log("%s: an answer of %zu bytes is too long for vpcd: 67 00 instead", slot_text(use->slot), length);
    response[0] = 0x67;
    response[1] = 0x00;
    return 2;
}

/* Logs that the reader has taken too long, if the deadline has passed. Returns false. */
static bool log_time_limit(const struct session *session, int64_t deadline, const char *what)
{
    if (clock_ms() >= deadline)
        rig_log("%s: the vpcd reader %s within %u s: hung up", slot_text(session->offer->slot), what,
                MESSAGE_LIMIT_MS / 1000);
    return false;
}

/* Waits for a message. Returns false if the connection must end. */
static bool receive(struct session *session)
{
    int64_t deadline = AWAIT_FOREVER; /* a reader may be silent; keep-alives detect one that has vanished */
    enum vpcd_result result = vpcd_receive_soon(session->fd, &session->input);
    while (result == VPCD_PARTIAL) {
        if (session->input.used > 0 && deadline == AWAIT_FOREVER)
            deadline = clock_ms() + MESSAGE_LIMIT_MS;
        if (!await_ready(session->fd, POLLIN, session->over_fd, deadline))
            return log_time_limit(session, deadline, "has sent part of a message, and not the rest");
        result = vpcd_receive(session->fd, MSG_DONTWAIT, &session->input);
    }
    return result == VPCD_OK;
}

static bool send_answer(struct session *session, size_t length)
{
    int64_t deadline = clock_ms() + MESSAGE_LIMIT_MS;
    size_t sent = 0;
    enum vpcd_result result;
    while ((result = vpcd_send(session->fd, MSG_DONTWAIT, session->response, length, &sent)) == VPCD_PARTIAL)
        if (!await_ready(session->fd, POLLOUT, session->over_fd, deadline))
            return log_time_limit(session, deadline, "has not taken an answer");
    return result == VPCD_OK;
}

/* Makes the card's time real: waits until time_us, a time of clock_us. If the reader disconnects or the
 * session ends before that, abandons the use. */
static void wait_until(void *arg, int64_t time_us)
{
    struct session *session = arg;
    await_ready(session->fd, POLLRDHUP, session->over_fd, (time_us + 999) / 1000);
    if (clock_us() < time_us)
        slot_use_abandon(&session->use);
}

/* Begins to use the slot for a session. Returns false, without a use, if the session's card was removed. */
static bool begin_use(struct session *session)
{
    struct slot_use *use = &session->use;
    slot_use_begin(session->offer->slot, use);
    use->pace = (struct pace){wait_until, session};
    if (use->card_event == session->card_event)
        return true;
    slot_use_end(use);
    return false;
}

/* Carries out a message with the card and answers it. Returns false if the connection must end. */
static bool serve_message(struct session *session)
{
    struct slot_use *use = &session->use;
    const uint8_t *data;
    size_t length, answer = 0;
    vpcd_message(&session->input, &data, &length);
    if (!begin_use(session))
        return false;
    if (length == 1)
        answer = on_control(session, use, data[0]);
    else if (length > 1)
        answer = on_command(session, use, data, length);
    bool removal = slot_use_wants_removal(use);
    if (!slot_use_end(use) || (removal && slot_remove_at(session->offer->slot, session->card_event)))
        return false;
    vpcd_drop(&session->input);
    return answer == 0 || send_answer(session, answer);
}

static void serve(struct session *session)
{
    session->input.used = 0;
    session->unanswered = false;
    while (receive(session) && serve_message(session))
        backoff_reset(&session->retry); /* the peer is a reader that uses the card */
}

/*
 * Connections
 */

/* Under the lock: listens for a reader, in reversed mode. */
static void begin_to_listen(struct vpcd_offer *offer)
{
    if (offer->listen_fd < 0 || offer->listening)
        return;
    offer->listening = listen(offer->listen_fd, 1) == 0;
    if (!offer->listening && !atomic_exchange(&offer->said_alone, true))
        rig_log("%s: cannot listen on port %u: %s: trying again", slot_text(offer->slot), offer->port,
                strerror(errno));
}

/* Under the lock: stops listening. On Linux a socket that is shut down keeps its port, and can listen
 * again. If it were shut down twice, the connections that it accepts later would be shut down, too. */
static void stop_listening(struct vpcd_offer *offer)
{
    if (offer->listening)
        shutdown(offer->listen_fd, SHUT_RDWR);
    offer->listening = false;
}

/* Waits for a reader to connect. Returns false if there is no connection. A card is in one reader only: the
 * socket stops listening, so that a second reader is refused at once and does not wait. */
static bool accept_reader(struct session *session)
{
    struct vpcd_offer *offer = session->offer;
    if (!await_ready(offer->listen_fd, POLLIN, session->over_fd, AWAIT_FOREVER) || !lock_session(session))
        return false;
    int fd = accept4(offer->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0 && vpcd_prepare(fd)) {
        session->fd = fd;
        stop_listening(offer);
    } else if (fd >= 0) {
        close(fd);
    }
    unlock_session(session);
    return session->fd >= 0;
}

static bool connect_to_reader(struct session *session)
{
    struct vpcd_offer *offer = session->offer;
    char text[ADDRESS_TEXT];
    int fd = tcp_connect(offer->offers->address.host, offer->port);
    bool connected = fd >= 0 && await_ready(fd, POLLOUT, session->over_fd, clock_ms() + CONNECT_LIMIT_MS) &&
                     tcp_connect_result(fd) == 0 && vpcd_prepare(fd);
    if (lock_session(session)) {
        if (connected)
            session->fd = fd;
        else if (!atomic_exchange(&offer->said_alone, true))
            rig_log("%s: no vpcd reader at %s yet: trying again", slot_text(offer->slot),
                    offer_text(offer, text));
        unlock_session(session);
    }
    if (fd >= 0 && session->fd < 0)
        close(fd);
    return session->fd >= 0;
}

/* Powers the card down after its reader has disconnected, and closes the connection. */
static void lose_reader(struct session *session)
{
    struct vpcd_offer *offer = session->offer;
    if (begin_use(session)) {
        ifd_power_down(session->use.ifd);
        slot_use_end(&session->use);
    }
    pthread_mutex_lock(&offer->offers->lock);
    close(session->fd);
    session->fd = -1;
    if (offer->session == session)
        begin_to_listen(offer);
    pthread_mutex_unlock(&offer->offers->lock);
}

/* The session's thread: finds readers and serves one after the other, until the session is over. */
static void attend(void *arg)
{
    struct session *session = arg;
    struct vpcd_offer *offer = session->offer;
    while (lock_session(session)) {
        begin_to_listen(offer);
        unlock_session(session);
        if (offer->listen_fd >= 0 ? accept_reader(session) : connect_to_reader(session)) {
            serve(session);
            lose_reader(session);
        }
        await_ready(-1, 0, session->over_fd,
                    clock_ms() + backoff_next(&session->retry, RETRY_FIRST_MS, RETRY_LAST_MS));
    }
    close(session->over_fd);
    free(session);
}

/*
 * Sessions. The caller of each function holds the lock.
 */

static void begin_session(struct vpcd_offer *offer, uint32_t card_event)
{
    struct session *session = calloc(1, sizeof *session); /* the unused part of its buffers takes no memory */
    int over_fd = eventfd(0, EFD_CLOEXEC);
    if (session && over_fd >= 0) {
        session->offer = offer;
        session->card_event = card_event;
        session->over_fd = over_fd;
        session->fd = -1;
        backoff_reset(&session->retry);
        offer->session = session;
        begin_to_listen(offer); /* now, so that no reader is refused once the card is in the slot */
        if (threads_start(offer->offers->threads, attend, session))
            return;
        stop_listening(offer);
        offer->session = NULL;
    }
    rig_log("%s: no thread for the card: %s: no vpcd reader gets it until it is inserted again",
            slot_text(offer->slot), strerror(errno));
    if (over_fd >= 0)
        close(over_fd);
    free(session);
}

/* Ends the session. The reader notices that at once, even while the card is at work. */
static void end_session(struct vpcd_offer *offer)
{
    const uint64_t one = 1;
    struct session *session = offer->session;
    if (session->fd >= 0) /* before the write to over_fd, after which the card may answer */
        shutdown(session->fd, SHUT_RDWR);
    ssize_t written = write(session->over_fd, &one, sizeof one);
    (void)written; /* the counter has room */
    stop_listening(offer);
    offer->session = NULL;
}

/* Ends the session of a removed card, and begins one for a card that has been inserted. */
static void follow_card(struct vpcd_offer *offer)
{
    uint32_t card_event = offer->slot->card_event;
    bool in = card_event & 1;
    if (offer->session && offer->session->card_event != card_event)
        end_session(offer);
    if (!offer->session && in)
        begin_session(offer, card_event);
}

/*
 * All offers
 */

static bool reserve_port(struct vpcd_offer *offer, struct error *error)
{
    int fd = offer->listen_fd = tcp_listen(offer->offers->address.host, &offer->port, 1);
    offer->listening = fd >= 0;
    if (fd >= 0 && fcntl(fd, F_SETFL, O_NONBLOCK) == 0) {
        if (!offer->slot->card) /* if there is one, a reader can connect, and waits until we serve */
            stop_listening(offer);
        return true;
    }
    char text[ADDRESS_TEXT];
    return error_set(error, "vpcd: cannot listen at %s: %s", offer_text(offer, text), strerror(errno));
}

struct vpcd_offers *vpcd_offers_new(struct slots *slots, const struct address *address, bool listen,
                                    struct error *error)
{
    struct vpcd_offers *offers = calloc(1, sizeof *offers);
    unsigned last = address->port + slots->slot_count - 1;
    error_set(error, "out of memory");
    if (!offers)
        return NULL;
    offers->address = *address;
    offers->listen = listen;
    pthread_mutex_init(&offers->lock, NULL);
    bool ok = last <= UINT16_MAX;
    if (!ok)
        error_set(error, "vpcd: port %u and %u slots: there is no port %u", address->port, slots->slot_count,
                  last);
    for (unsigned i = 0; i < slots->slot_count && ok; i++) {
        struct vpcd_offer *offer = &offers->offer[offers->offer_count++];
        *offer = (struct vpcd_offer){
            .offers = offers, .slot = &slots->slot[i], .port = address->port + i, .listen_fd = -1};
        ok = !listen || reserve_port(offer, error);
    }
    if (ok)
        return offers;
    vpcd_offers_free(offers);
    return NULL;
}

void vpcd_offers_start(struct vpcd_offers *offers, struct threads *threads)
{
    pthread_mutex_lock(&offers->lock);
    offers->threads = threads;
    for (struct vpcd_offer *offer = offers->offer; offer < offers->offer + offers->offer_count; offer++)
        follow_card(offer);
    pthread_mutex_unlock(&offers->lock);
}

void vpcd_offers_stop(struct vpcd_offers *offers)
{
    pthread_mutex_lock(&offers->lock);
    offers->threads = NULL;
    for (struct vpcd_offer *offer = offers->offer; offer < offers->offer + offers->offer_count; offer++)
        if (offer->session)
            end_session(offer);
    pthread_mutex_unlock(&offers->lock);
}

void vpcd_offers_free(struct vpcd_offers *offers)
{
    if (!offers)
        return;
    for (struct vpcd_offer *offer = offers->offer; offer < offers->offer + offers->offer_count; offer++)
        if (offer->listen_fd >= 0)
            close(offer->listen_fd);
    pthread_mutex_destroy(&offers->lock);
    free(offers);
}

void vpcd_offers_on_card_event(struct vpcd_offers *offers, const struct slot *slot)
{
    pthread_mutex_lock(&offers->lock);
    if (offers->threads)
        follow_card(&offers->offer[slot_index(slot->slots, slot)]);
    pthread_mutex_unlock(&offers->lock);
}

bool vpcd_offers_address(struct vpcd_offers *offers, const struct slot *slot, struct address *address,
                         bool *listen)
{
    const struct vpcd_offer *offer = &offers->offer[slot_index(slot->slots, slot)];
    *address = offers->address;
    address->port = offer->port;
    *listen = offers->listen;
    pthread_mutex_lock(&offers->lock);
    bool connected = offer->session && offer->session->fd >= 0;
    pthread_mutex_unlock(&offers->lock);
    return connected;
}
