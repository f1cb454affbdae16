/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig/control_server.h"

#include "rig/listener.h"
#include "rig/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENTS_MAX 32

struct client {
    struct control_server *server;
    int fd;     /* -1: the entry is free */
    char *line; /* CONTROL_LINE_MAX bytes, allocated while fd is open: received and not answered yet */
    size_t length;
    uint64_t ticket; /* of the current request; 0: none */
    bool parked;     /* the current request was CONTROL_BUSY: it waits, and is still at the start of line */
    char *answer;    /* an answer that has not been sent completely; NULL: none */
    size_t sent;     /* how many bytes of it have been sent */
};

struct control_server {
    struct loop *loop;
    struct listener *listener;
    control_function *answer;
    struct rig *rig;
    uint64_t tickets; /* the last ticket that was given to a request */
    struct client client[CLIENTS_MAX];
};

static void hang_up(struct client *client)
{
    loop_remove(client->server->loop, client->fd);
    close(client->fd);
    explicit_bzero(client->line, client->length);
    free(client->line);
    free(client->answer);
    client->fd = -1;
    client->ticket = 0;
    client->parked = false;
}

/* Sends the answer, as far as there is room. Reads nothing from the client until it has received all of it.
 * Returns false if the client was disconnected. */
static bool send_answer(struct client *client)
{
    const char *rest = client->answer + client->sent;
    ssize_t sent = send(client->fd, rest, strlen(rest), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno != EAGAIN) {
        hang_up(client);
        return false;
    }
    client->sent += sent > 0 ? (size_t)sent : 0;
    bool done = client->answer[client->sent] == '\0';
    if (done) {
        free(client->answer);
        client->answer = NULL;
    }
    loop_change(client->server->loop, client->fd, done ? EPOLLIN : EPOLLOUT);
    return true;
}

/* Removes the first request, which has length bytes with its newline. */
static void take_line(struct client *client, size_t length)
{
    client->length -= length;
    memmove(client->line, client->line + length, client->length);
    explicit_bzero(client->line + client->length, length); /* it may have keys of a PIN pad */
}

/* Answers the first of the received lines, which has length bytes without its newline. Returns false if it
 * is not answered yet, or if the client was disconnected. */
static bool serve_line(struct client *client, size_t length)
{
    enum control_when when;
    if (!client->ticket)
        client->ticket = ++client->server->tickets;
    const struct control_server *server = client->server;
    char *answer = server->answer(server->rig, client->ticket, client->line, length, &when);
    client->parked = when == CONTROL_BUSY;
    if (when != CONTROL_NOW)
        loop_change(client->server->loop, client->fd, 0);
    if (client->parked)
        return false;
    take_line(client, length + 1);
    if (when == CONTROL_LATER)
        return false;
    client->ticket = 0;
    client->answer = answer;
    client->sent = 0;
    if (answer)
        return send_answer(client);
    hang_up(client);
    return false;
}

/* Answers the complete lines that have come, one after the other, as long as the client takes the answers.
 * Keeps the rest. */
static void answer_lines(struct client *client)
{
    char *newline;
    while (!client->answer && (newline = memchr(client->line, '\n', client->length)))
        if (!serve_line(client, (size_t)(newline - client->line)))
            return;
    if (!client->answer && client->length == CONTROL_LINE_MAX) {
        static const char error[] = "{\"ok\": false, \"error\": \"a line of more than 65535 bytes\"}\n";
        rig_log("control socket: a line of more than %d bytes: hung up", CONTROL_LINE_MAX - 1);
        send(client->fd, error, sizeof error - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
        hang_up(client);
    }
}

static void on_client(void *arg, uint32_t events)
{
    struct client *client = arg;
    if (client->answer) {
        if (send_answer(client))
            answer_lines(client);
        return;
    }
    if (client->ticket) { /* until its answer, watched only for a disconnect */
        if (events & (EPOLLHUP | EPOLLERR))
            hang_up(client);
        return;
    }
    ssize_t count = recv(client->fd, client->line + client->length, CONTROL_LINE_MAX - client->length, 0);
    if (count > 0) {
        client->length += (size_t)count;
        answer_lines(client);
    } else if (count == 0 || errno != EAGAIN) {
        hang_up(client);
    }
}

static void on_accepted(void *arg, int fd)
{
    struct control_server *server = arg;
    for (struct client *client = server->client; client < server->client + CLIENTS_MAX; client++)
        if (client->fd < 0) {
            *client = (struct client){.server = server, .fd = fd, .line = malloc(CONTROL_LINE_MAX)};
            if (client->line && loop_add(server->loop, fd, EPOLLIN, on_client, client))
                return;
            free(client->line);
            client->fd = -1;
            break;
        }
    rig_log("control socket: %d clients are connected: refused another one", CLIENTS_MAX);
    close(fd);
}

struct control_server *control_server_new(struct loop *loop, int fd, control_function *answer,
                                          struct rig *rig)
{
    struct control_server *server = calloc(1, sizeof *server);
    if (!server) {
        close(fd);
        return NULL;
    }
    server->loop = loop;
    server->answer = answer;
    server->rig = rig;
    for (struct client *client = server->client; client < server->client + CLIENTS_MAX; client++)
        client->fd = -1;
    server->listener = listener_new(loop, fd, "control socket", NULL, on_accepted, server);
    if (!server->listener) {
        free(server);
        return NULL;
    }
    return server;
}

void control_server_free(struct control_server *server)
{
    if (!server)
        return;
    for (struct client *client = server->client; client < server->client + CLIENTS_MAX; client++)
        if (client->fd >= 0)
            hang_up(client);
    listener_free(server->listener);
    free(server);
}

/* The oldest comes first. */
void control_server_retry(struct control_server *server)
{
    uint64_t last = 0;
    for (;;) {
        struct client *next = NULL;
        for (struct client *client = server->client; client < server->client + CLIENTS_MAX; client++)
            if (client->fd >= 0 && client->parked && client->ticket > last &&
                (!next || client->ticket < next->ticket))
                next = client;
        if (!next)
            return;
        last = next->ticket;
        answer_lines(next);
    }
}

void control_server_answer(struct control_server *server, uint64_t ticket, char *answer)
{
    struct client *client = server->client;
    while (client < server->client + CLIENTS_MAX && (client->fd < 0 || client->ticket != ticket))
        client++;
    if (client == server->client + CLIENTS_MAX) {
        free(answer);
    } else {
        client->ticket = 0;
        client->answer = answer;
        client->sent = 0;
        if (!answer)
            hang_up(client);
        else if (send_answer(client))
            answer_lines(client);
    }
    control_server_retry(server);
}
