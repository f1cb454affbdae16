#include "cli/vpcd_ports.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 4
#define TRIES   100 /* to find free ports in a row */

/* A socket that listens there. *port 0 is replaced by the port that the system has chosen. -1 with errno. */
static int listen_at(const char *host, unsigned *port)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address = {.v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)*port)}};
    socklen_t length = sizeof address.v4;
    int yes = 1;
    if (inet_pton(AF_INET, host, &address.v4.sin_addr) != 1) {
        address.v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)*port)};
        inet_pton(AF_INET6, host, &address.v6.sin6_addr);
        length = sizeof address.v6;
    }
    int fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    /* an address that a rig before us has used is free; one that is in use is still refused */
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0 &&
        bind(fd, &address.any, length) == 0 && listen(fd, BACKLOG) == 0 &&
        getsockname(fd, &address.any, &length) == 0) {
        *port = ntohs(address.any.sa_family == AF_INET ? address.v4.sin_port : address.v6.sin6_port);
        return fd;
    }
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

/* Listens at as many ports in a row as the reader has slots; all or none. */
static bool open_row(struct vpcd_ports *ports, const char *host, unsigned *first, unsigned count)
{
    unsigned base = *first, opened = 0;
    for (; opened < count; opened++) {
        unsigned port = opened == 0 ? base : base + opened;
        int fd = port <= 65535 ? listen_at(host, &port) : -1;
        if (fd < 0)
            break;
        ports->fd[ports->count + opened] = fd;
        if (opened == 0)
            base = port;
    }
    if (opened == count) {
        ports->count += count;
        *first = base;
        return true;
    }
    int error = errno;
    while (opened > 0)
        close(ports->fd[ports->count + --opened]);
    errno = error;
    return false;
}

bool vpcd_ports_open(struct vpcd_ports *ports, struct slots *slots, char *error, size_t error_size)
{
    ports->count = 0;
    for (unsigned i = 0; i < slots->reader_count; i++) {
        struct reader_options *options = &slots->reader[i].options;
        if (options->cards != READER_VPCD_LISTEN)
            continue;
        bool any = options->vpcd.port == 0, ok = false;
        for (int tries = any ? TRIES : 1; !ok && tries > 0; tries--)
            ok = open_row(ports, options->vpcd.host, &options->vpcd.port, options->slots);
        if (ok)
            continue;
        char where[ADDRESS_MAX + 10];
        int reason = errno;
        address_text(&options->vpcd, where, sizeof where);
        snprintf(error, error_size, "reader '%s': cannot listen at %s for %u slot%s: %s%s", options->name,
                 where, options->slots, options->slots == 1 ? "" : "s", strerror(reason),
                 reason == EADDRINUSE ? ": vpcd without a port finds a free one" : "");
        vpcd_ports_close(ports);
        return false;
    }
    return true;
}

void vpcd_ports_close(struct vpcd_ports *ports)
{
    while (ports->count > 0)
        close(ports->fd[--ports->count]);
}

bool vpcd_ports_set_environment(const struct slots *slots)
{
    char all[LINK_MAX_SLOTS * 6 + 1] = "", port[12];
    struct address first = {.port = 0}, address;
    for (unsigned i = 0; i < slots->slot_count; i++) {
        const struct slot *slot = &slots->slot[i];
        if (!slot_vpcd_address(slot, &address) || slot->reader->options.cards != READER_VPCD_LISTEN)
            continue;
        if (first.port == 0)
            first = address;
        size_t used = strlen(all);
        snprintf(all + used, sizeof all - used, "%s%u", used ? " " : "", address.port);
    }
    if (first.port == 0)
        return unsetenv("CARDRIG_VPCD_HOST") == 0 && unsetenv("CARDRIG_VPCD_PORT") == 0 &&
               unsetenv("CARDRIG_VPCD_PORTS") == 0;
    snprintf(port, sizeof port, "%u", first.port);
    return setenv("CARDRIG_VPCD_HOST", first.host, 1) == 0 && setenv("CARDRIG_VPCD_PORT", port, 1) == 0 &&
           setenv("CARDRIG_VPCD_PORTS", all, 1) == 0;
}
