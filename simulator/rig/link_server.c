#include "rig/link_server.h"

#include "link/link.h"
#include "rig/attribute.h"
#include "rig/feature.h"
#include "rig/listener.h"
#include "rig/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/* Two connections for each slot, and as many for a pcscd that is on its way out. */
#define PEERS_MAX (4 * LINK_MAX_SLOTS)

/* One connection of a driver's. */
struct peer {
    struct link_server *server;
    int fd;            /* -1: free */
    struct slot *slot; /* NULL: has not said hello yet */
    enum link_channel channel;
    unsigned plugging; /* of the reader's: a peer from an earlier one is cut off */
    bool waiting;      /* events channel: for room to send */
    bool ready;        /* events channel: it has said so */
    uint32_t told;     /* events channel: the last movement that was sent */
};

struct link_server {
    struct loop *loop;
    struct listener *listener;
    struct slots *slots;
    void (*ready)(void *arg);
    void *ready_arg;
    struct peer peer[PEERS_MAX];
    uint8_t request[LINK_MAX_MESSAGE];
    uint8_t response[LINK_MAX_RESPONSE];
};

static void hang_up(struct peer *peer)
{
    loop_remove(peer->server->loop, peer->fd);
    close(peer->fd);
    peer->fd = -1;
}

static bool is_cut_off(const struct peer *peer)
{
    const struct reader *reader = peer->slot->reader;
    return !reader->plugged || reader->plugging != peer->plugging;
}

/* Sends the slot's movement, or, when the driver is slow to read, waits until it can. Intermediate movements
 * need not be sent one by one: their number says it all. */
static void tell_movement(struct peer *peer)
{
    struct link_message event = {.type = LINK_EVENT, .event = peer->slot->movement};
    bool waiting = false;
    if (peer->told != event.event && !is_cut_off(peer)) {
        if (link_send(peer->fd, &event) == 0)
            peer->told = event.event;
        else if (errno == EAGAIN)
            waiting = true;
        else {
            hang_up(peer);
            return;
        }
    }
    if (waiting != peer->waiting)
        loop_change(peer->server->loop, peer->fd, waiting ? EPOLLIN | EPOLLOUT : EPOLLIN);
    peer->waiting = waiting;
}

static uint8_t hello(struct peer *peer, const struct link_message *request, struct link_message *answer)
{
    struct slots *slots = peer->server->slots;
    unsigned reader = request->value >> 16, slot = request->value & 0xFFFF;
    if (request->arg != LINK_VERSION) {
        rig_log("rig link: a driver of protocol version %u; this simulator speaks version %u", request->arg,
                LINK_VERSION);
        return LINK_BAD_REQUEST;
    }
    if (reader >= slots->reader_count || slot >= slots->reader[reader].options.slots || request->event > 1 ||
        (request->length != 0 && request->length != 4)) {
        rig_log("rig link: hello for reader %u slot %u channel %u with %zu bytes, which there is not", reader,
                slot, request->event, request->length);
        return LINK_BAD_REQUEST;
    }
    if (!slots->reader[reader].plugged)
        return LINK_UNPLUGGED;
    if (request->length == 4) /* the Lun: its upper half is the number that pcscd appends to the name */
        slots->reader[reader].pcsc_number = (unsigned)(request->data[0] << 8 | request->data[1]);
    peer->slot = &slots->reader[reader].slots[slot];
    peer->plugging = slots->reader[reader].plugging;
    peer->channel = request->event == LINK_CHANNEL_EVENTS ? LINK_CHANNEL_EVENTS : LINK_CHANNEL_EXCHANGE;
    peer->told = peer->slot->movement;
    answer->value = LINK_VERSION;
    return LINK_OK;
}

static uint8_t link_status(enum ifd_result result)
{
    static const uint8_t statuses[] = {
        [IFD_RESULT_OK] = LINK_OK,
        [IFD_RESULT_NO_CARD] = LINK_REMOVED,
        [IFD_RESULT_UNPOWERED] = LINK_UNPOWERED,
        [IFD_RESULT_MUTE] = LINK_MUTE,
        [IFD_RESULT_GARBLED] = LINK_GARBLED,
        [IFD_RESULT_PROTOCOL_UNAVAILABLE] = LINK_PROTOCOL_UNAVAILABLE,
        [IFD_RESULT_PPS_FAILED] = LINK_PPS_FAILED,
        [IFD_RESULT_WRONG_PROTOCOL] = LINK_GARBLED,
        [IFD_RESULT_BAD_COMMAND] = LINK_GARBLED,
    };
    return statuses[result];
}

/* Puts down how long an operation took the card, and tells the user why it failed. */
static uint8_t report(const struct slot *slot, uint8_t status, struct link_message *answer)
{
    const struct ifd *ifd = slot->ifd;
    answer->value = ifd->last_us < UINT32_MAX ? (uint32_t)ifd->last_us : UINT32_MAX;
    if (status != LINK_OK && ifd->last_error[0])
        rig_log("%s: %s (after %.3f s of the card's time, %.1f ms of ours)", slot_text(slot), ifd->last_error,
                (double)ifd->last_us / 1e6, (double)ifd->last_real_us / 1e3);
    return status;
}

static uint8_t power(struct ifd *ifd, uint8_t how, struct link_message *answer)
{
    enum ifd_result result;
    switch (how) {
    case LINK_POWER_COLD:
        result = ifd_power_up(ifd, IFD_COLD);
        break;
    case LINK_POWER_WARM:
        result = ifd_power_up(ifd, IFD_WARM);
        break;
    case LINK_POWER_OFF:
        result = ifd_power_down(ifd);
        break;
    default:
        return LINK_BAD_REQUEST;
    }
    answer->data = ifd->atr.raw;
    answer->length = ifd->atr.len;
    uint8_t ready = ifd_ready_protocol(ifd);
    answer->flags = ready == 0 ? LINK_READY_T0 : ready == 1 ? LINK_READY_T1 : 0;
    return link_status(result);
}

static uint8_t transmit(struct link_server *server, struct slot *slot, const struct link_message *request,
                        struct link_message *answer)
{
    if (request->length > LINK_MAX_COMMAND)
        return LINK_BAD_REQUEST;
    uint8_t protocol = request->arg == LINK_RAW ? IFD_RAW : request->arg;
    answer->data = server->response;
    enum ifd_result result = ifd_transmit(slot->ifd, protocol, request->data, request->length,
                                          server->response, sizeof server->response, &answer->length);
    uint8_t status = report(slot, link_status(result), answer);
    char error[200];
    if (slot->contacts && contacts_wants_removal(slot->contacts)) {
        if (slot->reader->options.token && reader_unplug(server->slots, slot->reader, error, sizeof error))
            return LINK_UNPLUGGED;
        if (slot_remove(server->slots, slot, error, sizeof error))
            return LINK_REMOVED;
    }
    return status;
}

static uint8_t attribute(struct link_server *server, const struct slot *slot, uint32_t tag,
                         struct link_message *answer)
{
    answer->data = server->response;
    return attribute_get(slot, tag, server->response, &answer->length) ? LINK_OK : LINK_UNSUPPORTED;
}

static uint8_t control(struct link_server *server, const struct slot *slot, uint32_t code,
                       struct link_message *answer)
{
    answer->data = server->response;
    return feature_control(slot, code, server->response, &answer->length) ? LINK_OK : LINK_UNSUPPORTED;
}

/* Does what a request after the hello asks; answer has its type and the slot's movement filled in. */
static uint8_t serve(struct peer *peer, const struct link_message *request, struct link_message *answer)
{
    struct slot *slot = peer->slot;
    bool concerns_card =
        request->type == LINK_POWER || request->type == LINK_PARAMETERS || request->type == LINK_TRANSMIT;
    if (is_cut_off(peer))
        return LINK_UNPLUGGED;
    if (concerns_card && request->event != slot->movement)
        return LINK_REMOVED;
    switch (request->type) {
    case LINK_POWER:
        return report(slot, power(slot->ifd, request->arg, answer), answer);
    case LINK_PARAMETERS:
        return report(slot, link_status(ifd_set_protocol(slot->ifd, request->arg)), answer);
    case LINK_TRANSMIT:
        return transmit(peer->server, slot, request, answer);
    case LINK_CONTROL:
        return control(peer->server, slot, request->value, answer);
    case LINK_ATTRIBUTE:
        return attribute(peer->server, slot, request->value, answer);
    default:
        return LINK_BAD_REQUEST;
    }
}

/* The one request that is not answered. */
static bool is_power_off(const struct link_message *request)
{
    return request->type == LINK_POWER && request->arg == LINK_POWER_OFF;
}

static void on_request(struct peer *peer)
{
    struct link_server *server = peer->server;
    struct link_message request;
    if (link_receive(peer->fd, server->request, sizeof server->request, &request) < 0) {
        if (errno == EAGAIN)
            return;
        if (errno == EPROTO)
            rig_log("rig link: a packet that is no message: hung up");
        hang_up(peer);
        return;
    }
    if (peer->slot && peer->channel == LINK_CHANNEL_EVENTS && request.type == LINK_WAITING) {
        peer->ready = true;
        peer->server->ready(peer->server->ready_arg);
        return;
    }
    struct link_message answer = {.type = request.type};
    if (!peer->slot)
        answer.arg = request.type == LINK_HELLO ? hello(peer, &request, &answer) : LINK_BAD_REQUEST;
    else if (peer->channel == LINK_CHANNEL_EVENTS)
        answer.arg = LINK_BAD_REQUEST; /* there, only the simulator speaks */
    else
        answer.arg = serve(peer, &request, &answer);
    if (peer->slot)
        answer.event = peer->slot->movement;
    if (answer.arg != LINK_OK) {
        answer.length = 0;
        answer.flags = 0;
    }
    bool sent = is_power_off(&request) || link_send(peer->fd, &answer) == 0;
    if (answer.arg == LINK_BAD_REQUEST)
        rig_log("rig link: a request of type %u that is not as it should be: hung up", request.type);
    if (!sent || answer.arg == LINK_BAD_REQUEST)
        hang_up(peer);
}

static void on_peer(void *arg, uint32_t events)
{
    struct peer *peer = arg;
    if ((events & EPOLLOUT) && peer->slot && peer->channel == LINK_CHANNEL_EVENTS) {
        tell_movement(peer);
        if (peer->fd < 0)
            return;
    }
    if (events & ~(uint32_t)EPOLLOUT)
        on_request(peer);
}

static void on_accepted(void *arg, int fd)
{
    struct link_server *server = arg;
    for (struct peer *peer = server->peer; peer < server->peer + PEERS_MAX; peer++)
        if (peer->fd < 0) {
            *peer = (struct peer){.server = server, .fd = fd};
            if (loop_add(server->loop, fd, EPOLLIN, on_peer, peer))
                return;
            peer->fd = -1;
            break;
        }
    rig_log("rig link: no room for more than %u connections: one refused", PEERS_MAX);
    close(fd);
}

struct link_server *link_server_new(struct loop *loop, int fd, struct slots *slots,
                                    const struct access_list *users, void (*ready)(void *arg),
                                    void *ready_arg)
{
    struct link_server *server = calloc(1, sizeof *server);
    if (!server) {
        close(fd);
        return NULL;
    }
    server->loop = loop;
    server->slots = slots;
    server->ready = ready;
    server->ready_arg = ready_arg;
    for (struct peer *peer = server->peer; peer < server->peer + PEERS_MAX; peer++)
        peer->fd = -1;
    server->listener = listener_new(loop, fd, "rig link", users, on_accepted, server);
    if (!server->listener) {
        free(server);
        return NULL;
    }
    return server;
}

void link_server_forget(struct link_server *server)
{
    for (struct peer *peer = server->peer; peer < server->peer + PEERS_MAX; peer++)
        if (peer->fd >= 0)
            hang_up(peer);
}

void link_server_free(struct link_server *server)
{
    if (!server)
        return;
    link_server_forget(server);
    listener_free(server->listener);
    free(server);
}

void link_server_card_moved(struct link_server *server, const struct slot *slot)
{
    for (struct peer *peer = server->peer; peer < server->peer + PEERS_MAX; peer++)
        if (peer->fd >= 0 && peer->slot == slot && peer->channel == LINK_CHANNEL_EVENTS)
            tell_movement(peer);
}

bool link_server_is_connected(const struct link_server *server, const struct slot *slot, bool *ready)
{
    *ready = false;
    for (const struct peer *peer = server->peer; peer < server->peer + PEERS_MAX; peer++)
        if (peer->fd >= 0 && peer->slot == slot && peer->channel == LINK_CHANNEL_EVENTS &&
            peer->plugging == slot->reader->plugging) {
            *ready = peer->ready;
            return true;
        }
    return false;
}

bool link_server_all_ready(const struct link_server *server)
{
    const struct slots *slots = server->slots;
    for (const struct slot *slot = slots->slot; slot < slots->slot + slots->slot_count; slot++) {
        bool ready, expected = slot->reader->plugged && slot->reader->options.cards == READER_OWN_CARDS;
        if (expected && !(link_server_is_connected(server, slot, &ready) && ready))
            return false;
    }
    return true;
}
