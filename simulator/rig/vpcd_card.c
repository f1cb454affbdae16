#include "rig/vpcd_card.h"

#include "link/tcp.h"
#include "link/vpcd.h"
#include "rig/log.h"
#include "rig/timer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* How long to wait before looking for a reader again: it doubles from the first to the last. */
#define RETRY_FIRST_MS 1
#define RETRY_LAST_MS  100

/* How long a host may take to accept before it is tried anew. */
#define CONNECT_LIMIT_MS 2000

/* Of a reader that sends faster than it is served: so many messages, then it is the others' turn. */
#define TURN_MESSAGES 16

/* A reader that does nothing but what fails is not to fill the log. */
#define LINES_PER_SECOND 10

#define ADDRESS_TEXT     (ADDRESS_MAX + 10)

enum state {
    IDLE,       /* no card in the slot, or not started */
    LISTENING,  /* for a reader */
    WAITING,    /* for the time to look for a reader */
    CONNECTING, /* to a reader */
    SERVING,    /* one */
};

/* A slot, as a vpcd reader sees it. */
struct end {
    struct vpcd_cards *cards;
    struct slot *slot;
    unsigned port;
    enum state state;
    int listen_fd; /* bound to the port, in reversed mode; else -1 */
    int fd;        /* of the connection, while there is one or is to be one; else -1 */
    int timer_fd;
    bool watched; /* the timer, by the loop */
    unsigned retry_ms;
    bool told_alone, told_unknown; /* what is said once */
    time_t second;                 /* in which something was said last, */
    unsigned lines;                /* and how often it was to be */
    bool unanswered;               /* the card has failed to answer to its last reset */
    bool sending;                  /* an answer has not left entirely yet; nothing is read meanwhile */
    size_t sent, answer_length;
    const uint8_t *answer;
    uint8_t response[LINK_MAX_RESPONSE];
    struct vpcd_input input;
};

struct vpcd_cards {
    struct slots *slots;
    struct address address; /* of the first slot */
    bool listen;
    struct loop *loop; /* NULL until it is started */
    struct end *end;   /* of each slot, by its number */
    unsigned end_count;
};

/*
 * Addresses
 */

/* host:port of the slot, for people */
static const char *end_text(const struct end *end, char text[ADDRESS_TEXT])
{
    struct address address = end->cards->address;
    address.port = end->port;
    return address_text(&address, text, ADDRESS_TEXT);
}

/*
 * Connections
 */

static void on_connection(void *arg, uint32_t events);
static void on_knock(void *arg, uint32_t events);

static void close_connection(struct end *end)
{
    if (end->fd >= 0) {
        loop_remove(end->cards->loop, end->fd);
        close(end->fd);
    }
    end->fd = -1;
    end->sending = end->unanswered = false;
    end->input.used = 0;
}

static void wait_to_retry(struct end *end)
{
    end->state = WAITING;
    timer_set(end->timer_fd, end->retry_ms);
    end->retry_ms = end->retry_ms * 2 < RETRY_LAST_MS ? end->retry_ms * 2 : RETRY_LAST_MS;
}

static void begin_to_serve(struct end *end)
{
    timer_set(end->timer_fd, 0);
    end->state = SERVING;
}

static bool connect_to_reader(struct end *end)
{
    int fd = tcp_connect(end->cards->address.host, end->port);
    if (fd < 0)
        return false;
    if (!vpcd_prepare(fd) || !loop_add(end->cards->loop, fd, EPOLLOUT, on_connection, end)) {
        close(fd);
        return false;
    }
    end->fd = fd;
    end->state = CONNECTING; /* also if it is done: the loop will say so */
    timer_set(end->timer_fd, CONNECT_LIMIT_MS);
    return true;
}

static void no_reader(struct end *end)
{
    char text[ADDRESS_TEXT];
    close_connection(end);
    if (!end->told_alone)
        rig_log("%s: no vpcd reader at %s yet: looking for it until there is one", slot_text(end->slot),
                end_text(end, text));
    end->told_alone = true;
    wait_to_retry(end);
}

static void on_connected(struct end *end)
{
    if (tcp_connect_result(end->fd) != 0 || !loop_change(end->cards->loop, end->fd, EPOLLIN)) {
        no_reader(end);
        return;
    }
    begin_to_serve(end);
}

static void stop_listening(struct end *end)
{
    loop_remove(end->cards->loop, end->listen_fd);
    shutdown(end->listen_fd, SHUT_RDWR); /* on Linux it keeps its port, and can listen again */
}

static void begin_to_listen(struct end *end)
{
    if (listen(end->listen_fd, 1) == 0 &&
        loop_add(end->cards->loop, end->listen_fd, EPOLLIN, on_knock, end)) {
        end->state = LISTENING;
        return;
    }
    rig_log("%s: cannot listen on port %u: %s", slot_text(end->slot), end->port, strerror(errno));
    wait_to_retry(end);
}

static void on_knock(void *arg, uint32_t events)
{
    struct end *end = arg;
    (void)events;
    int fd = accept4(end->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0 && (errno == EMFILE || errno == ENFILE)) {
        stop_listening(end); /* it would come back at once */
        wait_to_retry(end);
    }
    if (fd < 0)
        return;
    if (!vpcd_prepare(fd) || !loop_add(end->cards->loop, fd, EPOLLIN, on_connection, end)) {
        close(fd);
        return;
    }
    stop_listening(end); /* a card is in one reader only: the next one is refused, and not kept waiting */
    end->fd = fd;
    begin_to_serve(end);
}

/* A card waits for a reader. */
static void begin(struct end *end)
{
    if (end->listen_fd >= 0)
        begin_to_listen(end);
    else if (!connect_to_reader(end))
        no_reader(end);
}

/* The reader is gone, and the power that it gave with it. */
static void lost(struct end *end)
{
    close_connection(end);
    ifd_power_down(end->slot->ifd);
    if (end->listen_fd >= 0)
        begin_to_listen(end);
    else
        wait_to_retry(end);
}

/*
 * Messages
 */

static void send_answer(struct end *end)
{
    switch (vpcd_send(end->fd, MSG_DONTWAIT, end->answer, end->answer_length, &end->sent)) {
    case VPCD_CLOSED:
        lost(end);
        return;
    case VPCD_OK:
        if (end->sending)
            loop_change(end->cards->loop, end->fd, EPOLLIN);
        end->sending = false;
        return;
    case VPCD_PARTIAL:
        if (!end->sending)
            loop_change(end->cards->loop, end->fd, EPOLLOUT);
        end->sending = true;
    }
}

/* bytes live until the answer has left. */
static void answer(struct end *end, const uint8_t *bytes, size_t length)
{
    end->answer = bytes;
    end->answer_length = length;
    end->sent = 0;
    send_answer(end);
}

/* Whether there is to be another line on what the reader does. Says how many there were not. */
static bool may_say(struct end *end)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (now.tv_sec != end->second) {
        if (end->lines > LINES_PER_SECOND)
            rig_log("%s: (%u lines more like these)", slot_text(end->slot), end->lines - LINES_PER_SECOND);
        end->lines = 0;
    }
    end->second = now.tv_sec;
    return ++end->lines <= LINES_PER_SECOND;
}

/* Tells the user why an operation failed. */
static bool judge(struct end *end, enum ifd_result result)
{
    const struct ifd *ifd = end->slot->ifd;
    if (result != IFD_RESULT_OK && ifd->last_error[0] && may_say(end))
        rig_log("%s: %s (after %.3f s of the card's time, %.1f ms of ours)", slot_text(end->slot),
                ifd->last_error, (double)ifd->last_us / 1e6, (double)ifd->last_real_us / 1e3);
    return result == IFD_RESULT_OK;
}

/* A reader asks several times per second whether the card is there, and whether it has power or not: the card
 * is to notice nothing of it. */
static void answer_atr(struct end *end)
{
    static const uint8_t none[ATR_MAX + 1] = {0};
    const struct ifd *ifd = end->slot->ifd;
    const uint8_t *atr = ifd->atr.raw;
    size_t length = ifd->atr.len;
    if (!ifd->powered)
        atr = card_atr(end->slot->card, CARD_COLD, &length);
    if (end->unanswered || length == 0) { /* an ATR of no bytes would say that there is no card */
        atr = none;
        length = sizeof none;
    }
    memcpy(end->response, atr, length); /* which a card that goes does not take along */
    answer(end, end->response, length);
}

static void on_control(struct end *end, uint8_t control)
{
    struct ifd *ifd = end->slot->ifd;
    switch (control) {
    case VPCD_POWER_OFF:
        ifd_power_down(ifd);
        end->unanswered = false;
        return;
    case VPCD_POWER_ON:
        end->unanswered = !judge(end, ifd_power_up(ifd, IFD_COLD));
        return;
    case VPCD_RESET:
        end->unanswered = !judge(end, ifd_power_up(ifd, IFD_WARM));
        return;
    case VPCD_GET_ATR:
        answer_atr(end);
        return;
    default:
        if (!end->told_unknown)
            rig_log("%s: the vpcd reader sends a control %u, which is none: ignored", slot_text(end->slot),
                    control);
        end->told_unknown = true;
    }
}

static void on_command(struct end *end, const uint8_t *command, size_t command_length)
{
    static const uint8_t too_long[] = {0x67, 0x00};
    static const uint8_t nothing[] = {0x00};
    struct slot *slot = end->slot;
    struct ifd *ifd = slot->ifd;
    size_t length = 0;
    enum ifd_result result = IFD_RESULT_OK;
    char error[200];
    /* the protocol of the reader is not told to a card */
    if (ifd->powered && !ifd->as_is && ifd->protocol == IFD_NO_PROTOCOL)
        result = ifd_set_protocol(ifd, atr_default_protocol(&ifd->atr));
    if (result == IFD_RESULT_OK)
        result =
            ifd_transmit(ifd, IFD_RAW, command, command_length, end->response, sizeof end->response, &length);
    if (contacts_wants_removal(slot->contacts)) {
        slot_remove(slot, error, sizeof error); /* which closes the connection */
        return;
    }
    bool done = judge(end, result) && length > 0;
    if (done && length > VPCD_MAX_MESSAGE && may_say(end))
        rig_log("%s: an answer of %zu bytes is too long for vpcd: 67 00 instead", slot_text(slot), length);
    if (!done)
        answer(end, nothing, sizeof nothing);
    else if (length > VPCD_MAX_MESSAGE)
        answer(end, too_long, sizeof too_long);
    else
        answer(end, end->response, length);
}

/* The messages that have come; others get their turn before there have been too many. */
static void serve_messages(struct end *end)
{
    const uint8_t *data;
    size_t length;
    for (unsigned turn = 0; end->state == SERVING && !end->sending; turn++) {
        if (!vpcd_message(&end->input, &data, &length))
            return;
        if (turn == TURN_MESSAGES) {
            timer_set_soon(end->timer_fd);
            return;
        }
        end->retry_ms = RETRY_FIRST_MS; /* it is a reader that uses the card */
        if (length == 1)
            on_control(end, data[0]);
        else if (length > 0)
            on_command(end, data, length);
        if (end->state == SERVING) /* else the card or the reader is gone, and what it said with it */
            vpcd_drop(&end->input);
    }
}

static void on_connection(void *arg, uint32_t events)
{
    struct end *end = arg;
    (void)events;
    if (end->state == CONNECTING) {
        on_connected(end);
        return;
    }
    if (end->sending)
        send_answer(end);
    else if (vpcd_receive(end->fd, MSG_DONTWAIT, &end->input) == VPCD_CLOSED)
        lost(end);
    serve_messages(end);
}

static void on_timer(void *arg, uint32_t events)
{
    struct end *end = arg;
    (void)events;
    if (!timer_went_off(end->timer_fd))
        return;
    if (end->state == WAITING) {
        begin(end);
    } else if (end->state == CONNECTING) { /* for too long */
        no_reader(end);
    } else {
        serve_messages(end);
    }
}

/*
 * All of them
 */

static bool take_port(struct end *end, char *error, size_t error_size)
{
    int fd = end->listen_fd = tcp_listen(end->cards->address.host, &end->port, 1);
    if (fd >= 0 && fcntl(fd, F_SETFL, O_NONBLOCK) == 0) {
        if (!end->slot->card) /* a reader that comes before we serve waits */
            shutdown(fd, SHUT_RDWR);
        return true;
    }
    char text[ADDRESS_TEXT];
    snprintf(error, error_size, "vpcd: cannot listen at %s: %s", end_text(end, text), strerror(errno));
    return false;
}

static bool prepare_end(struct vpcd_cards *cards, unsigned number, char *error, size_t error_size)
{
    struct end *end = &cards->end[number];
    end->cards = cards;
    end->slot = &cards->slots->slot[number];
    end->port = cards->address.port + number;
    end->retry_ms = RETRY_FIRST_MS;
    end->fd = end->listen_fd = -1;
    end->timer_fd = timer_new();
    cards->end_count = number + 1;
    if (end->timer_fd < 0)
        snprintf(error, error_size, "vpcd: no timer: %s", strerror(errno));
    return end->timer_fd >= 0 && (!cards->listen || take_port(end, error, error_size));
}

struct vpcd_cards *vpcd_cards_new(struct slots *slots, const struct address *address, bool listen,
                                  char *error, size_t error_size)
{
    struct vpcd_cards *cards = calloc(1, sizeof *cards);
    snprintf(error, error_size, "out of memory");
    if (!cards)
        return NULL;
    cards->slots = slots;
    cards->address = *address;
    cards->listen = listen;
    cards->end = calloc(slots->slot_count, sizeof *cards->end);
    if (!cards->end)
        goto failed;
    if (address->port + slots->slot_count - 1 > UINT16_MAX) {
        snprintf(error, error_size, "vpcd: port %u and %u slots: there is no port %u", address->port,
                 slots->slot_count, address->port + slots->slot_count - 1);
        goto failed;
    }
    for (unsigned i = 0; i < slots->slot_count; i++)
        if (!prepare_end(cards, i, error, error_size))
            goto failed;
    return cards;
failed:
    vpcd_cards_free(cards);
    return NULL;
}

bool vpcd_cards_start(struct vpcd_cards *cards, struct loop *loop)
{
    cards->loop = loop;
    for (unsigned i = 0; i < cards->end_count; i++) {
        if (!loop_add(loop, cards->end[i].timer_fd, EPOLLIN, on_timer, &cards->end[i]))
            return false;
        cards->end[i].watched = true;
        vpcd_cards_moved(cards, cards->end[i].slot);
    }
    return true;
}

void vpcd_cards_free(struct vpcd_cards *cards)
{
    if (!cards)
        return;
    for (unsigned i = 0; i < cards->end_count; i++) {
        struct end *end = &cards->end[i];
        if (end->state == LISTENING)
            stop_listening(end);
        close_connection(end);
        if (end->watched)
            loop_remove(cards->loop, end->timer_fd);
        if (end->timer_fd >= 0)
            close(end->timer_fd);
        if (end->listen_fd >= 0)
            close(end->listen_fd);
    }
    free(cards->end);
    free(cards);
}

void vpcd_cards_moved(struct vpcd_cards *cards, const struct slot *slot)
{
    if (!cards->loop)
        return;
    struct end *end = &cards->end[slot_index(cards->slots, slot)];
    if (end->state == LISTENING)
        stop_listening(end);
    close_connection(end);
    timer_set(end->timer_fd, 0);
    end->state = IDLE;
    end->retry_ms = RETRY_FIRST_MS;
    if (slot->card)
        begin(end);
}

bool vpcd_cards_address(const struct vpcd_cards *cards, const struct slot *slot, struct address *address,
                        bool *listen)
{
    const struct end *end = &cards->end[slot_index(cards->slots, slot)];
    *address = cards->address;
    address->port = end->port;
    *listen = cards->listen;
    return end->state == SERVING;
}
