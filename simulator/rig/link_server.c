/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig/link_server.h"

#include "link/link.h"
#include "rig/link_worker.h"
#include "rig/listener.h"
#include "rig/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* Each slot needs two connections, and two more for a previous pcscd that has not ended yet. There are at
 * least PEERS_MIN, so that idle connections of other programs do not keep a driver out. */
#define SLOT_CONNECTIONS 4
#define PEERS_MIN        64

/* A connection that is new, or one for events. The server's lock protects the fields that other threads
 * use, too; the rest are for the loop only. */
struct peer {
    struct link_server *server;
    int fd;              /* -1: the entry is free */
    struct slot *slot;   /* NULL: the driver has not said hello yet */
    unsigned plug_count; /* of the reader, at the hello */
    bool waiting;        /* an event waits for room in the socket */
    bool ready;          /* pcscd uses the slot, and has been shown the last card event */
    uint32_t reported;   /* the last card event sent */
};

struct link_server {
    struct loop *loop;
    struct listener *listener;
    struct slots *slots;
    struct link_workers *workers;
    struct link_host host;
    struct loop_call no_room; /* posted when a driver is slow to read */
    pthread_mutex_t lock;
    unsigned peer_count;
    struct peer peer[];
};

static void hang_up(struct peer *peer)
{
    loop_remove(peer->server->loop, peer->fd);
    pthread_mutex_lock(&peer->server->lock);
    close(peer->fd);
    peer->fd = -1;
    pthread_mutex_unlock(&peer->server->lock);
    if (peer->slot) /* its driver is gone, or is being disconnected */
        slot_abandon(peer->slot);
}

/* Returns whether the reader has been unplugged since the hello. */
static bool is_cut_off(const struct peer *peer)
{
    const struct reader *reader = peer->slot->reader;
    return !reader->plugged || reader->plug_count != peer->plug_count;
}

/* Under the lock: sends the slot's latest card event. Earlier ones need not be sent one by one, because the
 * number tells the driver about them. A driver that is slow to read gets the event later. If the driver is
 * gone, the loop closes the connection after the shutdown. */
static void send_event(struct peer *peer)
{
    struct link_message event = {.type = LINK_EVENT, .event = peer->slot->card_event};
    peer->waiting = false;
    if (peer->reported == event.event || is_cut_off(peer))
        return;
    peer->ready = false;
    if (link_send(peer->fd, &event) == 0)
        peer->reported = event.event;
    else if (errno == EAGAIN)
        peer->waiting = true;
    else
        shutdown(peer->fd, SHUT_RDWR);
}

/* In the loop: watches for room in the sockets for which an event waits. */
static void watch_for_room(void *arg)
{
    struct link_server *server = arg;
    pthread_mutex_lock(&server->lock);
    for (struct peer *peer = server->peer; peer < server->peer + server->peer_count; peer++)
        if (peer->fd >= 0 && peer->slot)
            loop_change(server->loop, peer->fd, peer->waiting ? EPOLLIN | EPOLLOUT : EPOLLIN);
    pthread_mutex_unlock(&server->lock);
}

/* Returns the slot of a hello, and sets *status. Returns NULL if there is no such slot. */
static struct slot *slot_of_hello(struct slots *slots, const struct link_message *request, uint8_t *status)
{
    unsigned reader = request->value >> 16, slot = request->value & 0xFFFF;
    *status = LINK_BAD_REQUEST;
    if (request->type != LINK_HELLO)
        return NULL;
    if (request->arg != LINK_VERSION) {
        rig_log("rig link: a driver of protocol version %u; this simulator speaks version %u", request->arg,
                LINK_VERSION);
        return NULL;
    }
    if (reader >= slots->reader_count || slot >= slots->reader[reader].options.slots || request->event > 1 ||
        (request->length != 0 && request->length != 4)) {
        rig_log("rig link: hello for reader %u slot %u channel %u with %zu bytes, which there is not", reader,
                slot, request->event, request->length);
        return NULL;
    }
    if (!slots->reader[reader].plugged) {
        *status = LINK_UNPLUGGED;
        return NULL;
    }
    if (request->length == 4) /* the Lun: its upper half is the number that pcscd appends to the name */
        slots->reader[reader].pcsc_number = (unsigned)(request->data[0] << 8 | request->data[1]);
    *status = LINK_OK;
    return &slots->reader[reader].slots[slot];
}

static void refuse_request(struct peer *peer, const struct link_message *request)
{
    link_send(peer->fd, &(struct link_message){.type = request->type, .arg = LINK_BAD_REQUEST});
    link_worker_log_bad_request(request->type);
    hang_up(peer);
}

/* Answers a hello for events. The lock ensures that no event is sent before the answer, and that none is
 * lost after it. */
static void answer_events_hello(struct peer *peer, struct slot *slot, struct link_message *answer)
{
    pthread_mutex_lock(&peer->server->lock);
    peer->plug_count = slot->reader->plug_count;
    peer->reported = answer->event = slot->card_event;
    if (link_send(peer->fd, answer) == 0)
        peer->slot = slot;
    pthread_mutex_unlock(&peer->server->lock);
    if (!peer->slot)
        hang_up(peer);
}

/* Abandons a request that is still under way when its driver connects again: the driver has not waited for
 * the answer. */
static void end_last_request(struct slot *slot)
{
    if (slot_abandon(slot) && slot->reader->options.real_time)
        rig_log(
            "%s: the driver has not waited for the card, whose time is real: in reader.conf its DEVICENAME needs "
            "the timeout= that 'cardrig serve --config' prints with these readers",
            slot_text(slot));
}

/* Answers a hello for exchanges, and passes the connection to a thread. */
static void begin_exchanges(struct peer *peer, struct slot *slot, struct link_message *answer)
{
    struct link_server *server = peer->server;
    unsigned plug_count = slot->reader->plug_count, driver = ++slot->drivers;
    answer->event = slot->card_event;
    if (link_send(peer->fd, answer) < 0) {
        hang_up(peer);
        return;
    }
    end_last_request(slot);
    loop_remove(server->loop, peer->fd);
    pthread_mutex_lock(&server->lock);
    int fd = peer->fd;
    peer->fd = -1;
    pthread_mutex_unlock(&server->lock);
    link_workers_add(server->workers, fd, slot, plug_count, driver);
}

static void on_hello(struct peer *peer, const struct link_message *request)
{
    struct link_message answer = {.type = LINK_HELLO, .value = LINK_VERSION};
    struct slot *slot = slot_of_hello(peer->server->slots, request, &answer.arg);
    if (!slot && answer.arg == LINK_BAD_REQUEST)
        refuse_request(peer, request);
    else if (!slot && link_send(peer->fd, &answer) < 0)
        hang_up(peer);
    else if (slot && request->event == LINK_CONNECTION_EVENTS)
        answer_events_hello(peer, slot, &answer);
    else if (slot)
        begin_exchanges(peer, slot, &answer);
}

static void on_request(struct peer *peer)
{
    uint8_t buffer[LINK_HEADER_SIZE + 16];
    struct link_message request;
    if (link_receive(peer->fd, buffer, sizeof buffer, &request) < 0) {
        if (errno == EAGAIN)
            return;
        if (errno == EPROTO)
            rig_log("rig link: a packet that is no message: hung up");
        hang_up(peer);
        return;
    }
    if (!peer->slot) {
        on_hello(peer, &request);
    } else if (request.type == LINK_WAITING) {
        pthread_mutex_lock(&peer->server->lock);
        peer->ready = request.event == peer->reported && !peer->waiting;
        pthread_mutex_unlock(&peer->server->lock);
        peer->server->host.ready(peer->server->host.arg);
    } else { /* after the hello, drivers send only LINK_WAITING there */
        refuse_request(peer, &request);
    }
}

static void on_peer(void *arg, uint32_t events)
{
    struct peer *peer = arg;
    if ((events & EPOLLOUT) && peer->slot) {
        pthread_mutex_lock(&peer->server->lock);
        send_event(peer);
        pthread_mutex_unlock(&peer->server->lock);
        watch_for_room(peer->server);
    }
    if (events & ~(uint32_t)EPOLLOUT)
        on_request(peer);
}

static void on_accepted(void *arg, int fd)
{
    struct link_server *server = arg;
    server->host.connecting(server->host.arg);
    unsigned room = server->peer_count - link_workers_count(server->workers);
    for (struct peer *peer = server->peer; peer < server->peer + server->peer_count && room > 0; peer++)
        if (peer->fd >= 0) {
            room--;
        } else {
            if (!loop_add(server->loop, fd, EPOLLIN, on_peer, peer))
                break;
            pthread_mutex_lock(&server->lock);
            *peer = (struct peer){.server = server, .fd = fd};
            pthread_mutex_unlock(&server->lock);
            return;
        }
    rig_log("rig link: %u connections are open: refused another one", server->peer_count);
    close(fd);
}

struct link_server *link_server_new(struct loop *loop, int fd, struct slots *slots,
                                    const struct access_list *users, struct threads *threads,
                                    const struct link_host *host)
{
    unsigned count = SLOT_CONNECTIONS * slots->slot_count;
    count = count < PEERS_MIN ? PEERS_MIN : count;
    struct link_server *server = calloc(1, sizeof *server + count * sizeof server->peer[0]);
    if (!server) {
        close(fd);
        return NULL;
    }
    server->loop = loop;
    server->slots = slots;
    server->host = *host;
    server->peer_count = count;
    server->no_room = (struct loop_call){.function = watch_for_room, .arg = server};
    pthread_mutex_init(&server->lock, NULL);
    for (struct peer *peer = server->peer; peer < server->peer + server->peer_count; peer++)
        peer->fd = -1;
    server->listener = listener_new(loop, fd, "rig link", users, on_accepted, server);
    server->workers = server->listener ? link_workers_new(threads) : NULL;
    if (server->workers)
        return server;
    listener_free(server->listener);
    pthread_mutex_destroy(&server->lock);
    free(server);
    return NULL;
}

void link_server_forget(struct link_server *server)
{
    for (struct peer *peer = server->peer; peer < server->peer + server->peer_count; peer++)
        if (peer->fd >= 0)
            hang_up(peer);
    link_workers_hang_up(server->workers);
}

void link_server_stop(struct link_server *server)
{
    if (!server)
        return;
    listener_free(server->listener);
    server->listener = NULL;
    link_server_forget(server);
}

void link_server_free(struct link_server *server)
{
    if (!server)
        return;
    link_workers_free(server->workers);
    pthread_mutex_destroy(&server->lock);
    free(server);
}

void link_server_on_card_event(struct link_server *server, const struct slot *slot)
{
    bool waiting = false;
    pthread_mutex_lock(&server->lock);
    for (struct peer *peer = server->peer; peer < server->peer + server->peer_count; peer++)
        if (peer->fd >= 0 && peer->slot == slot) {
            send_event(peer);
            waiting = waiting || peer->waiting;
        }
    pthread_mutex_unlock(&server->lock);
    if (waiting)
        loop_post(server->loop, &server->no_room);
}

/* The caller holds the lock. */
static bool is_connected(const struct link_server *server, const struct slot *slot, bool *ready)
{
    *ready = false;
    for (const struct peer *peer = server->peer; peer < server->peer + server->peer_count; peer++)
        if (peer->fd >= 0 && peer->slot == slot && peer->plug_count == slot->reader->plug_count) {
            *ready = peer->ready;
            return true;
        }
    return false;
}

bool link_server_is_connected(struct link_server *server, const struct slot *slot, bool *ready)
{
    pthread_mutex_lock(&server->lock);
    bool connected = is_connected(server, slot, ready);
    pthread_mutex_unlock(&server->lock);
    return connected;
}

bool link_server_all_ready(struct link_server *server)
{
    const struct slots *slots = server->slots;
    for (const struct slot *slot = slots->slot; slot < slots->slot + slots->slot_count; slot++) {
        bool ready;
        if (slot->reader->plugged && !(link_server_is_connected(server, slot, &ready) && ready))
            return false;
    }
    return true;
}
