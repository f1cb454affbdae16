#include "rig/control_server.h"

#include "rig/control.h"
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
    int fd;     /* -1: free */
    char *line; /* of CONTROL_LINE_MAX bytes, while fd is open: what has come and is not answered yet */
    size_t length;
    char *answer; /* what the client has had no room for so far, from sent on; NULL: nothing */
    size_t sent;
};

struct control_server {
    struct loop *loop;
    struct listener *listener;
    struct rig *rig;
    struct client *waiting; /* for control_server_answer; NULL: none, or it has hung up */
    struct client client[CLIENTS_MAX];
};

static void hang_up(struct client *client)
{
    loop_remove(client->server->loop, client->fd);
    close(client->fd);
    free(client->line);
    free(client->answer);
    client->fd = -1;
    if (client->server->waiting == client)
        client->server->waiting = NULL;
}

/* Sends the answer, as far as there is room; the client is not heard until it has taken it all. False: hung
 * up. */
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

/* Answers the whole lines that have come, as long as there is room for the answers, and no answer is to come
 * later; keeps the rest. */
static void answer_lines(struct client *client)
{
    char *newline;
    bool later;
    while (!client->answer && (newline = memchr(client->line, '\n', client->length))) {
        size_t length = (size_t)(newline - client->line);
        client->answer = control_answer(client->server->rig, client->line, length, &later);
        client->sent = 0;
        client->length -= length + 1;
        memmove(client->line, newline + 1, client->length);
        if (later) {
            client->server->waiting = client;
            loop_change(client->server->loop, client->fd, 0);
            return;
        }
        if (!client->answer) {
            hang_up(client);
            return;
        }
        if (!send_answer(client))
            return;
    }
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
    if (client == client->server->waiting) { /* only for its end */
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
    rig_log("control socket: no room for more than %d clients: one refused", CLIENTS_MAX);
    close(fd);
}

struct control_server *control_server_new(struct loop *loop, int fd, struct rig *rig)
{
    struct control_server *server = calloc(1, sizeof *server);
    if (!server) {
        close(fd);
        return NULL;
    }
    server->loop = loop;
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

void control_server_answer(struct control_server *server, const char *error)
{
    struct client *client = server->waiting;
    if (!client)
        return;
    server->waiting = NULL;
    client->answer = control_late_answer(server->rig, error);
    client->sent = 0;
    if (!client->answer)
        hang_up(client);
    else if (send_answer(client))
        answer_lines(client);
}
