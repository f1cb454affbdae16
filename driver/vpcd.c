/*
 * A vpcd card as a peer (link/vpcd.h): its connection is its insertion, and its end is its removal.
 *
 * Connections are accepted or made, and closed, in channel_wait alone. An exchange that goes wrong shuts its
 * connection down, which channel_wait then sees; before that closes a connection it waits for the exchange
 * that uses it, which a connection that is shut down ends at once.
 */
#include "link/vpcd.h"
#include "link/linger.h"

#include "channel.h"
#include "link/linger.h"
#include "link/tcp.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <reader.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include <winscard.h> /* reader.h needs its types */

/* How long to wait before looking for a card again that is to listen: it doubles from the first to the last.
 */
#define RETRY_FIRST_MS 10
#define RETRY_LAST_MS  100
#define CONNECT_MS     5000 /* how long a connection may take to come about */
#define RESET_MS       2000 /* for an ATR: what pcscd waits for before it is ready itself */
#define LISTEN_BACKLOG 4
#define REFUSALS_MS    1000 /* refused connections are logged once in that time */
#define ATR_MAX        33u

/* What a command can hold: a message, less header, extended Lc and Le. */
#define APDU_DATA_MAX (VPCD_MAX_MESSAGE - 4 - 3 - 2)

enum { CARD, DOOR }; /* what is watched */

struct vpcd {
    struct channel channel;
    int card_fd;            /* -1: no card */
    uint32_t card_movement; /* the card's insertion */
    char card_address[TCP_TEXT_MAX];
    /* in channel_wait */
    int door_fd; /* where cards come in: it listens, or (reversed mode) is being connected */
    int64_t retry_at, retry_ms, give_up_at; /* reversed mode; retry_at also after a failure to accept */
    int complaint;                          /* the errno last logged */
    int64_t refused_at;                     /* when that was last logged */
    unsigned refused;                       /* since then */
    /* in an exchange */
    bool powered, answered; /* answered: it has given an ATR, and is a card indeed */
    uint8_t atr[ATR_MAX];
    size_t atr_length;
    uint8_t small[64]; /* answers of our own making */
    struct vpcd_input input;
};

static struct vpcd *vpcd_of(struct channel *channel)
{
    return (struct vpcd *)channel;
}

/*
 * Addresses
 */

static const uint8_t v4_prefix[12] = {[10] = 0xFF, [11] = 0xFF};

/* The bytes of an address, as one of IPv6: that makes one family of them. */
static void address_bytes(const union tcp_address *address, uint8_t bytes[16])
{
    if (address->any.sa_family == AF_INET6) {
        memcpy(bytes, &address->v6.sin6_addr, 16);
        return;
    }
    memcpy(bytes, v4_prefix, sizeof v4_prefix);
    memcpy(bytes + sizeof v4_prefix, &address->v4.sin_addr, 4);
}

static bool is_v4(const uint8_t bytes[16])
{
    return memcmp(bytes, v4_prefix, sizeof v4_prefix) == 0;
}

/* An address of IPv4 is in no network of IPv6, though it looks like one of its. */
static bool same_network(const char *network, int bits, const uint8_t bytes[16])
{
    union tcp_address address;
    uint8_t wanted[16];
    tcp_address(network, 0, &address);
    address_bytes(&address, wanted);
    bool v4 = address.any.sa_family == AF_INET;
    bits += v4 ? 96 : 0;
    int whole = bits / 8, rest = bits % 8;
    return v4 == is_v4(bytes) && memcmp(wanted, bytes, (size_t)whole) == 0 &&
           (rest == 0 || ((wanted[whole] ^ bytes[whole]) >> (8 - rest)) == 0);
}

static bool let_in(const struct devicename *name, const union tcp_address *peer)
{
    uint8_t bytes[16];
    address_bytes(peer, bytes);
    if (name->from[0])
        return name->from_bits == 0 || same_network(name->from, name->from_bits, bytes);
    return same_network("127.0.0.0", 8, bytes) || same_network("::1", 128, bytes);
}

/*
 * Cards coming and going, in channel_wait
 */

static void log_slot(struct vpcd *vpcd, enum log_level level, const char *what, const char *more)
{
    char text[CHANNEL_TEXT_MAX];
    driver_log(level, "%s: %s%s", channel_text(&vpcd->channel, text), what, more);
}

/* How long the first receive of an answer waits by itself, in ms; an ATR may not take longer. */
static unsigned first_limit(const struct vpcd *vpcd)
{
    unsigned ms = vpcd->channel.name.timeout_ms;
    return ms < RESET_MS ? ms : RESET_MS;
}

/* A connection becomes the card; takes fd over. Blocking, with a limit for each receive. */
static void admit(struct vpcd *vpcd, int fd, const union tcp_address *address)
{
    unsigned ms = first_limit(vpcd);
    struct timeval limit = {.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000)};
    if (!vpcd_prepare(fd) || fcntl(fd, F_SETFL, 0) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) < 0) {
        log_slot(vpcd, LOG_LEVEL_ERROR, "card refused: ", strerror(errno));
        close(fd);
        return;
    }
    tcp_text(address, vpcd->card_address);
    pthread_mutex_lock(&vpcd->channel.exchanging);
    vpcd->input.used = 0;
    vpcd->powered = vpcd->answered = false;
    vpcd->atr_length = 0;
    pthread_mutex_lock(&vpcd->channel.lock);
    bool hung_up = vpcd->channel.hung_up;
    if (!hung_up) {
        vpcd->card_fd = fd;
        vpcd->card_movement = ++vpcd->channel.latest;
    }
    pthread_mutex_unlock(&vpcd->channel.lock);
    pthread_mutex_unlock(&vpcd->channel.exchanging);
    if (hung_up)
        close(fd);
    else
        log_slot(vpcd, LOG_LEVEL_INFO, "card from ", vpcd->card_address);
}

/* The card's connection has ended, or has been shut down. */
static void dismiss(struct vpcd *vpcd)
{
    pthread_mutex_lock(&vpcd->channel.lock);
    shutdown(vpcd->card_fd, SHUT_RDWR);
    pthread_mutex_unlock(&vpcd->channel.lock);
    pthread_mutex_lock(&vpcd->channel.exchanging);
    channel_drop(&vpcd->channel, &vpcd->card_fd);
    if (vpcd->answered)
        vpcd->retry_at = 0; /* else whoever hangs up at once would be called at once, for ever */
    pthread_mutex_unlock(&vpcd->channel.exchanging);
    vpcd->channel.latest++;
    log_slot(vpcd, LOG_LEVEL_INFO, "card gone: ", vpcd->card_address);
}

/* Logged now and then: whoever connects again and again is not to fill the log. */
static void refuse(struct vpcd *vpcd, int fd, const char *why, const union tcp_address *address)
{
    close(fd);
    vpcd->refused++;
    int64_t now = channel_now();
    if (vpcd->refused_at && now - vpcd->refused_at < REFUSALS_MS)
        return;
    char peer[TCP_TEXT_MAX], text[160];
    snprintf(text, sizeof text, "%s: %s (%u refused since this was last said)", tcp_text(address, peer), why,
             vpcd->refused);
    log_slot(vpcd, LOG_LEVEL_ERROR, "connection refused: ", text);
    vpcd->refused_at = now;
    vpcd->refused = 0;
}

/* What could not be accepted would be at the door again at once. */
static void shut_door_for_a_while(struct vpcd *vpcd, int reason)
{
    vpcd->retry_at = channel_now() + RETRY_LAST_MS;
    if (reason != vpcd->complaint)
        log_slot(vpcd, LOG_LEVEL_ERROR, "no card can come in: ", strerror(reason));
    vpcd->complaint = reason;
}

static void answer_door(struct vpcd *vpcd)
{
    union tcp_address address = {0};
    socklen_t length = sizeof address;
    int fd = accept4(vpcd->door_fd, &address.any, &length, SOCK_CLOEXEC);
    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            shut_door_for_a_while(vpcd, errno);
        return;
    }
    vpcd->complaint = 0;
    if (!let_in(&vpcd->channel.name, &address))
        refuse(vpcd, fd, "not from where cards may come from", &address);
    else if (vpcd->card_fd >= 0)
        refuse(vpcd, fd, "there is a card already", &address);
    else
        admit(vpcd, fd, &address);
}

/* Logs why there is no connection, when that is news. */
static void complain(struct vpcd *vpcd, int reason)
{
    if (reason && reason != vpcd->complaint)
        log_slot(vpcd, LOG_LEVEL_INFO, "no card listens there: ", strerror(reason));
    vpcd->complaint = reason;
}

/* Reversed mode: begins to connect to the card. */
static void knock(struct vpcd *vpcd)
{
    union tcp_address address;
    const struct devicename *name = &vpcd->channel.name;
    unsigned slot = (unsigned)(vpcd->channel.number & 0xFFFF);
    socklen_t length = tcp_address(name->host, name->port + slot, &address);
    vpcd->retry_ms = vpcd->retry_at == 0 ? RETRY_FIRST_MS : vpcd->retry_ms * 2;
    if (vpcd->retry_ms > RETRY_LAST_MS)
        vpcd->retry_ms = RETRY_LAST_MS;
    vpcd->retry_at = channel_now() + vpcd->retry_ms;
    vpcd->give_up_at = channel_now() + CONNECT_MS;
    int fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return;
    if (connect(fd, &address.any, length) == 0 || errno == EINPROGRESS) {
        vpcd->door_fd = fd;
    } else {
        complain(vpcd, errno);
        close(fd);
    }
}

/* Whether the connection that was being made is there. Takes it out of the door. */
static void enter(struct vpcd *vpcd)
{
    union tcp_address address = {0};
    socklen_t length = sizeof address, size = sizeof(int);
    int fd = vpcd->door_fd, failure = 0;
    vpcd->door_fd = -1;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &size) < 0 || failure ||
        getpeername(fd, &address.any, &length) < 0 || tcp_met_itself(fd)) {
        complain(vpcd, failure);
        close(fd);
        return;
    }
    vpcd->complaint = 0;
    admit(vpcd, fd, &address);
}

static int64_t watch(struct channel *channel, struct pollfd watch[CHANNEL_WATCHES])
{
    struct vpcd *vpcd = vpcd_of(channel);
    bool reversed = channel->name.kind == DEVICE_VPCD_CONNECT;
    int64_t again = INT64_MAX;
    if (reversed && vpcd->card_fd < 0) {
        if (vpcd->door_fd >= 0 && channel_now() >= vpcd->give_up_at) {
            close(vpcd->door_fd);
            vpcd->door_fd = -1;
        }
        if (vpcd->door_fd < 0 && channel_now() >= vpcd->retry_at)
            knock(vpcd);
        again = vpcd->door_fd < 0 ? vpcd->retry_at : vpcd->give_up_at;
    }
    bool door_shut = !reversed && channel_now() < vpcd->retry_at;
    if (door_shut)
        again = vpcd->retry_at;
    /* of a card's connection only the end is of interest here: what it says is for the exchange */
    watch[CARD] = (struct pollfd){.fd = vpcd->card_fd, .events = POLLRDHUP};
    watch[DOOR] =
        (struct pollfd){.fd = door_shut ? -1 : vpcd->door_fd, .events = reversed ? POLLOUT : POLLIN};
    return again;
}

static void heed(struct channel *channel, const struct pollfd watch[CHANNEL_WATCHES])
{
    struct vpcd *vpcd = vpcd_of(channel);
    if (watch[CARD].revents)
        dismiss(vpcd); /* first, for the next card may already be at the door */
    if (!watch[DOOR].revents)
        return;
    if (channel->name.kind == DEVICE_VPCD_CONNECT) {
        enter(vpcd);
        return;
    }
    /* a card that went and came back between that poll and now went first */
    struct pollfd card = {.fd = vpcd->card_fd, .events = POLLRDHUP};
    if (poll(&card, 1, 0) > 0)
        dismiss(vpcd);
    answer_door(vpcd);
}

/*
 * Exchanges
 */

/* Says what the card did wrong, and ends its connection: nothing that it says now could be told from an
 * answer. */
static unsigned expel(struct vpcd *vpcd, const char *why)
{
    char text[200];
    snprintf(text, sizeof text, "%s: %s: taken out", vpcd->card_address, why);
    log_slot(vpcd, LOG_LEVEL_ERROR, "card ", text);
    shutdown(vpcd->card_fd, SHUT_RDWR);
    return CHANNEL_LOST;
}

static bool wait_until(int fd, short events, int64_t deadline)
{
    struct pollfd ready = {.fd = fd, .events = events};
    int64_t left;
    int count = 0;
    while ((left = deadline - channel_now()) > 0 && (count = poll(&ready, 1, (int)left)) < 0 &&
           errno == EINTR)
        ;
    return left > 0 && count > 0;
}

/* Whether something has come that nothing was asked for. */
static bool spoke_unasked(struct vpcd *vpcd)
{
    uint8_t byte;
    return vpcd->input.used > 0 || recv(vpcd->card_fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/* The first of an answer, which is mostly all of it: awake for a moment, then asleep for as long as the
 * socket's own limit has it. */
static enum vpcd_result receive_first(struct vpcd *vpcd)
{
    int64_t end = linger_begin();
    do {
        enum vpcd_result result = vpcd_receive(vpcd->card_fd, MSG_DONTWAIT, &vpcd->input);
        if (result != VPCD_PARTIAL || vpcd->input.used > 0)
            return result;
    } while (linger(end));
    return vpcd_receive(vpcd->card_fd, 0, &vpcd->input);
}

static unsigned receive_answer(struct vpcd *vpcd, int64_t deadline, const uint8_t **data, size_t *length)
{
    enum vpcd_result result = receive_first(vpcd);
    for (; result == VPCD_PARTIAL; result = vpcd_receive(vpcd->card_fd, MSG_DONTWAIT, &vpcd->input))
        if (!wait_until(vpcd->card_fd, POLLIN, deadline))
            return expel(vpcd, vpcd->input.used ? "part of an answer, and not the rest in time"
                                                : "no answer in time");
    if (result == VPCD_CLOSED)
        return LINK_REMOVED;
    size_t used = vpcd->input.used;
    vpcd_message(&vpcd->input, data, length);
    /* the message stays where it is until the next exchange; what came behind it was not asked for */
    vpcd->input.used = 0;
    if (used != *length + 2)
        return expel(vpcd, "more than one answer");
    return LINK_OK;
}

static unsigned read_atr(struct vpcd *vpcd, const uint8_t **data, size_t *length)
{
    vpcd->atr_length = 0;
    unsigned status = receive_answer(vpcd, channel_now() + first_limit(vpcd), data, length);
    if (status != LINK_OK)
        return status;
    if (*length == 0 || *length > ATR_MAX) {
        log_slot(vpcd, LOG_LEVEL_ERROR, *length ? "an ATR of more than 33 bytes" : "an ATR of 0 bytes", "");
        unsigned what = *length ? LINK_GARBLED : LINK_MUTE;
        *length = 0;
        return what;
    }
    memcpy(vpcd->atr, *data, *length);
    vpcd->atr_length = *length;
    vpcd->powered = vpcd->answered = true;
    return LINK_OK;
}

static unsigned power(struct vpcd *vpcd, uint8_t how, const uint8_t **data, size_t *length)
{
    static const enum vpcd_control cold[] = {VPCD_POWER_OFF, VPCD_POWER_ON, VPCD_GET_ATR};
    static const enum vpcd_control warm[] = {VPCD_RESET, VPCD_GET_ATR};
    bool was_powered = vpcd->powered, ok;
    vpcd->powered = false;
    if (how == LINK_POWER_OFF) {
        ok = !was_powered || vpcd_send_controls(vpcd->card_fd, cold, 1);
    } else if (how == LINK_POWER_WARM && was_powered) {
        ok = vpcd_send_controls(vpcd->card_fd, warm, 2);
    } else {
        size_t skip = was_powered ? 0 : 1;
        ok = vpcd_send_controls(vpcd->card_fd, cold + skip, 3 - skip);
    }
    if (!ok)
        return errno == EAGAIN ? expel(vpcd, "it does not take what it is told") : LINK_REMOVED;
    return how == LINK_POWER_OFF ? LINK_OK : read_atr(vpcd, data, length);
}

static unsigned transmit(struct vpcd *vpcd, const struct link_message *request, const uint8_t **data,
                         size_t *length)
{
    if (!vpcd->powered)
        return LINK_UNPOWERED;
    if (request->length < 2 || request->length > VPCD_MAX_MESSAGE) {
        /* a message of one byte is a control */
        log_slot(vpcd, LOG_LEVEL_ERROR,
                 "vpcd has no message for a command of less than 2 bytes or more than 65,535", "");
        return LINK_GARBLED;
    }
    int64_t deadline = channel_now() + vpcd->channel.name.timeout_ms;
    size_t done = 0;
    enum vpcd_result result;
    while ((result = vpcd_send(vpcd->card_fd, MSG_DONTWAIT, request->data, request->length, &done)) ==
           VPCD_PARTIAL)
        if (!wait_until(vpcd->card_fd, POLLOUT, deadline))
            return expel(vpcd, "it did not take a command in time");
    unsigned status = result == VPCD_OK ? receive_answer(vpcd, deadline, data, length) : LINK_REMOVED;
    if (status != LINK_OK || *length >= 2)
        return status;
    log_slot(vpcd, LOG_LEVEL_ERROR, "an answer without SW1 SW2", "");
    *length = 0;
    return LINK_GARBLED;
}

/* Whether the card is the one that pcscd knows of. */
static bool is_shown(struct vpcd *vpcd, const struct link_message *request)
{
    pthread_mutex_lock(&vpcd->channel.lock);
    bool shown = vpcd->card_fd >= 0 && request->event == vpcd->card_movement;
    pthread_mutex_unlock(&vpcd->channel.lock);
    return shown;
}

static unsigned attribute(struct vpcd *vpcd, uint32_t tag, bool present, const uint8_t **data, size_t *length)
{
    static const uint8_t absent_byte = 0, present_byte = 2, zero = 0, one = 1; /* PC/SC part 3, 3.1.1 */
    static const char vendor[] = "cardrig", type[] = "vpcd";
    switch (tag) {
    case SCARD_ATTR_VENDOR_NAME:
        *data = (const uint8_t *)vendor;
        *length = sizeof vendor - 1;
        return LINK_OK;
    case SCARD_ATTR_VENDOR_IFD_TYPE:
        *data = (const uint8_t *)type;
        *length = sizeof type - 1;
        return LINK_OK;
    case SCARD_ATTR_ICC_PRESENCE:
        *data = present ? &present_byte : &absent_byte;
        *length = 1;
        return LINK_OK;
    case SCARD_ATTR_ICC_INTERFACE_STATUS:
        *data = present && vpcd->powered ? &one : &zero;
        *length = 1;
        return LINK_OK;
    case SCARD_ATTR_ATR_STRING:
        *data = vpcd->atr;
        *length = vpcd->atr_length;
        return present && vpcd->powered ? LINK_OK : LINK_UNSUPPORTED;
    case SCARD_ATTR_MAXINPUT: {
        const uint32_t most = VPCD_MAX_MESSAGE;
        memcpy(vpcd->small, &most, sizeof most);
        *data = vpcd->small;
        *length = sizeof most;
        return LINK_OK;
    }
    default:
        return LINK_UNSUPPORTED;
    }
}

/* PC/SC part 10: the list of features, and the one that there is. */
static unsigned control(struct vpcd *vpcd, uint32_t code, const uint8_t **data, size_t *length)
{
    enum { TLV_PROPERTIES_CODE = SCARD_CTL_CODE(3500) };
    size_t n = 0;
    if (code == CM_IOCTL_GET_FEATURE_REQUEST) {
        vpcd->small[n++] = FEATURE_GET_TLV_PROPERTIES;
        vpcd->small[n++] = 4;
        for (int shift = 24; shift >= 0; shift -= 8) /* big-endian: 2.2 */
            vpcd->small[n++] = (uint8_t)(TLV_PROPERTIES_CODE >> shift);
    } else if (code == TLV_PROPERTIES_CODE) {
        vpcd->small[n++] = PCSCv2_PART10_PROPERTY_dwMaxAPDUDataSize;
        vpcd->small[n++] = 4;
        for (int shift = 0; shift <= 24; shift += 8) /* little-endian: 2.6.14 */
            vpcd->small[n++] = (uint8_t)(APDU_DATA_MAX >> shift);
    } else {
        return LINK_UNSUPPORTED;
    }
    *data = vpcd->small;
    *length = n;
    return LINK_OK;
}

static unsigned exchange(struct channel *channel, const struct link_message *request, const uint8_t **data,
                         size_t *length)
{
    struct vpcd *vpcd = vpcd_of(channel);
    bool shown = is_shown(vpcd, request);
    if (request->type == LINK_ATTRIBUTE)
        return attribute(vpcd, request->value, shown, data, length);
    if (request->type == LINK_CONTROL)
        return control(vpcd, request->value, data, length);
    if (!shown)
        return LINK_REMOVED;
    if (request->type == LINK_PARAMETERS)
        return vpcd->powered ? LINK_OK
                             : LINK_UNPOWERED; /* pcscd asks for what the ATR offers; vpcd has no PPS */
    if (spoke_unasked(vpcd))
        return expel(vpcd, "it spoke unasked");
    return request->type == LINK_POWER ? power(vpcd, request->arg, data, length)
                                       : transmit(vpcd, request, data, length);
}

static void shut(struct channel *channel)
{
    struct vpcd *vpcd = vpcd_of(channel);
    if (vpcd->card_fd >= 0)
        shutdown(vpcd->card_fd, SHUT_RDWR);
}

static void free_vpcd(struct channel *channel)
{
    struct vpcd *vpcd = vpcd_of(channel);
    if (vpcd->card_fd >= 0)
        close(vpcd->card_fd);
    if (vpcd->door_fd >= 0)
        close(vpcd->door_fd);
    free(vpcd);
}

static const struct peer vpcd_card = {
    .watch = watch, .heed = heed, .exchange = exchange, .shut = shut, .free = free_vpcd};

/* A copy of the socket that pcscd was given: it belongs to whoever gave it, and a reader may come back. -1
 * with errno.
 */
static int take_listening(int given)
{
    int listening = 0;
    socklen_t size = sizeof listening;
    if (getsockopt(given, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) < 0)
        return -1;
    if (!listening) {
        errno = EINVAL;
        return -1;
    }
    int fd = fcntl(given, F_DUPFD_CLOEXEC, 0);
    return fd;
}

static bool open_door(struct vpcd *vpcd)
{
    const struct devicename *name = &vpcd->channel.name;
    unsigned slot = (unsigned)(vpcd->channel.number & 0xFFFF), port = name->port + slot;
    if (name->kind == DEVICE_VPCD_CONNECT)
        return true; /* watch sees to it */
    vpcd->door_fd =
        name->fd >= 0 ? take_listening(name->fd + (int)slot) : tcp_listen(name->host, &port, LISTEN_BACKLOG);
    /* a connection that is gone before it is accepted must not have us wait for the next one */
    if (vpcd->door_fd >= 0 && fcntl(vpcd->door_fd, F_SETFL, O_NONBLOCK) == 0)
        return true;
    log_slot(vpcd, LOG_LEVEL_CRITICAL, "cannot listen: ", strerror(errno));
    return false;
}

struct channel *vpcd_new(const struct devicename *name, lun number)
{
    struct vpcd *vpcd = calloc(1, sizeof *vpcd);
    if (!vpcd) {
        driver_log(LOG_LEVEL_CRITICAL, "no memory left for a slot");
        return NULL;
    }
    vpcd->card_fd = vpcd->door_fd = -1;
    if (channel_begin(&vpcd->channel, &vpcd_card, name, number) && open_door(vpcd)) {
        if (name->kind == DEVICE_VPCD_LISTEN)
            answer_door(vpcd); /* a card that came before us */
        return &vpcd->channel;
    }
    channel_free(&vpcd->channel);
    return NULL;
}
