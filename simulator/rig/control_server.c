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
    char *line; /* of CONTROL_LINE_MAX bytes, while fd is open */
    size_t length;
};

struct control_server {
    struct loop *loop;
    struct listener *listener;
    struct rig *rig;
    struct client client[CLIENTS_MAX];
};

static void hang_up(struct client *client)
{
    loop_remove(client->server->loop, client->fd);
    close(client->fd);
    free(client->line);
    client->fd = -1;
}

/* A client that does not read its answers is let go. */
static bool send_text(struct client *client, const char *text)
{
    size_t length = strlen(text);
    if (send(client->fd, text, length, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)length)
        return true;
    hang_up(client);
    return false;
}

/* Answers the whole lines that have come; keeps the rest. */
static void answer_lines(struct client *client)
{
    char *start = client->line, *end = client->line + client->length, *newline;
    while ((newline = memchr(start, '\n', (size_t)(end - start)))) {
        char *answer = control_answer(client->server->rig, start, (size_t)(newline - start));
        bool sent = answer && send_text(client, answer);
        if (!answer)
            hang_up(client);
        free(answer);
        if (!sent)
            return;
        start = newline + 1;
    }
    client->length = (size_t)(end - start);
    memmove(client->line, start, client->length);
    if (client->length == CONTROL_LINE_MAX &&
        send_text(client, "{\"ok\": false, \"error\": \"a line of more than 65535 bytes\"}\n")) {
        rig_log("control socket: a line of more than %d bytes: hung up", CONTROL_LINE_MAX - 1);
        hang_up(client);
    }
}

static void on_client(void *arg, uint32_t events)
{
    struct client *client = arg;
    (void)events;
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
    rig_log("control socket: more than %d clients: one refused", CLIENTS_MAX);
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
    server->listener = listener_new(loop, fd, "control socket", on_accepted, server);
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
