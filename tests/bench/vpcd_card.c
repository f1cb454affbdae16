/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vpcd_card [--listen] [--quick-ack] HOST PORT [COUNT]: COUNT (1) cards of bench_card.h that speak the vpcd
 * protocol, the first with a reader at PORT, the next at PORT + 1 and so on. They connect to their readers,
 * and again when a connection has ended; with --listen the readers connect to them. HOST is an address.
 *
 * On the standard input, a line 'remove' closes the connections, 'insert' lets them be made again. The end of
 * it is the end of the program.
 *
 * It reads as other vpcd cards do, and so, like them, is slowed down by the kernel's delayed acknowledgement
 * where a reader sends a message in two pieces; --quick-ack has it acknowledge at once.
 */
#include "bench_card.h"

#include "link/vpcd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CARDS_MAX 16
#define RETRY_MS  1 /* so that a reader's start is measured, and not the time between two tries */

struct card {
    struct sockaddr_in address;
    int listen_fd; /* -1: it connects */
    int fd;        /* -1: no reader */
    struct vpcd_input input;
};

struct options {
    bool listens, quick_ack;
    unsigned count;
};

static struct card cards[CARDS_MAX];

static void hang_up(struct card *card)
{
    close(card->fd);
    card->fd = -1;
}

static void meet(struct card *card, int fd)
{
    card->fd = fd;
    card->input.used = 0;
    if (fd >= 0 && !vpcd_prepare(fd))
        hang_up(card);
}

static void try_connect(struct card *card)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&card->address, sizeof card->address) < 0) {
        close(fd);
        fd = -1;
    }
    meet(card, fd);
}

static bool start_listening(struct card *card)
{
    int on = 1;
    card->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return card->listen_fd >= 0 &&
           setsockopt(card->listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
           bind(card->listen_fd, (struct sockaddr *)&card->address, sizeof card->address) == 0 &&
           listen(card->listen_fd, 1) == 0;
}

static bool send_all(int fd, const uint8_t *bytes, size_t length)
{
    size_t done = 0;
    enum vpcd_result result;
    do
        result = vpcd_send(fd, 0, bytes, length, &done);
    while (result == VPCD_PARTIAL);
    return result == VPCD_OK;
}

static bool serve(struct card *card, const uint8_t *message, size_t length)
{
    if (length == 0 || (length == 1 && message[0] != VPCD_GET_ATR))
        return true;
    size_t answer_length = sizeof bench_card_atr;
    const uint8_t *answer = length == 1 ? bench_card_atr : bench_card_answer(message, length, &answer_length);
    return send_all(card->fd, answer, answer_length);
}

static void on_input(struct card *card, bool quick_ack)
{
    static const int on = 1;
    struct vpcd_input *input = &card->input;
    ssize_t count = recv(card->fd, input->bytes + input->used, sizeof input->bytes - input->used, 0);
    if (count <= 0) {
        hang_up(card);
        return;
    }
    input->used += (size_t)count;
    if (quick_ack)
        setsockopt(card->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
    const uint8_t *message;
    for (size_t length; vpcd_message(input, &message, &length); vpcd_drop(input))
        if (!serve(card, message, length)) {
            hang_up(card);
            return;
        }
}

static void remove_all(unsigned count)
{
    for (struct card *card = cards; card < cards + count; card++)
        if (card->fd >= 0)
            hang_up(card);
}

/* False when the input has ended. */
static bool take_line(unsigned count, bool *inserted)
{
    char line[64];
    ssize_t length = read(STDIN_FILENO, line, sizeof line - 1);
    if (length <= 0)
        return false;
    line[length] = '\0';
    *inserted = strncmp(line, "insert", 6) == 0;
    if (!*inserted)
        remove_all(count);
    return true;
}

static int run(const struct options *options)
{
    bool inserted = true;
    for (;;) {
        struct pollfd ready[1 + CARDS_MAX] = {{.fd = STDIN_FILENO, .events = POLLIN}};
        bool retry = false;
        for (unsigned i = 0; i < options->count; i++) {
            struct card *card = &cards[i];
            if (card->fd < 0 && inserted && !options->listens)
                try_connect(card);
            retry = retry || (card->fd < 0 && inserted && !options->listens);
            ready[1 + i] = (struct pollfd){.fd = card->fd, .events = POLLIN};
            if (card->fd < 0 && inserted)
                ready[1 + i].fd = card->listen_fd; /* ignored when negative */
        }
        if (poll(ready, 1 + options->count, retry ? RETRY_MS : -1) < 0 && errno != EINTR)
            return 1;
        for (unsigned i = 0; i < options->count; i++) {
            struct card *card = &cards[i];
            if (!ready[1 + i].revents)
                continue;
            if (card->fd >= 0)
                on_input(card, options->quick_ack);
            else
                meet(card, accept(card->listen_fd, NULL, NULL));
        }
        if (ready[0].revents && !take_line(options->count, &inserted))
            return 0;
    }
}

static int usage(void)
{
    fprintf(stderr, "Usage: vpcd_card [--listen] [--quick-ack] HOST PORT [COUNT]\n");
    return 2;
}

int main(int argc, char **argv)
{
    struct options options = {.count = 1};
    int next = 1;
    for (; next < argc && strncmp(argv[next], "--", 2) == 0; next++) {
        if (strcmp(argv[next], "--listen") == 0)
            options.listens = true;
        else if (strcmp(argv[next], "--quick-ack") == 0)
            options.quick_ack = true;
        else
            return usage();
    }
    if (argc - next < 2 || argc - next > 3)
        return usage();
    struct sockaddr_in address = {.sin_family = AF_INET};
    int port = atoi(argv[next + 1]), count = argc - next == 3 ? atoi(argv[next + 2]) : 1;
    if (inet_pton(AF_INET, argv[next], &address.sin_addr) != 1 || count < 1 || count > CARDS_MAX ||
        port < 1 || port + count > 65536)
        return usage();
    options.count = (unsigned)count;
    for (int i = 0; i < count; i++) {
        cards[i] = (struct card){.address = address, .listen_fd = -1, .fd = -1};
        cards[i].address.sin_port = htons((uint16_t)(port + i));
        if (options.listens && !start_listening(&cards[i])) {
            fprintf(stderr, "vpcd_card: cannot listen at %s:%d: %s\n", argv[next], port + i, strerror(errno));
            return 1;
        }
    }
    int status = run(&options);
    remove_all(options.count);
    return status;
}
