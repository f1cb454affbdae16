#include "cli/vpcd_ports.h"

#include "link/tcp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BACKLOG 4
#define TRIES   100 /* to find free ports in a row */

/* Listens at as many ports in a row as the reader has slots; all or none. */
static bool open_row(struct vpcd_ports *ports, const char *host, unsigned *first, unsigned count)
{
    unsigned base = *first, opened = 0;
    for (; opened < count; opened++) {
        unsigned port = opened == 0 ? base : base + opened;
        int fd = port <= 65535 ? tcp_listen(host, &port, BACKLOG) : -1;
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
                 reason == EADDRINUSE
                     ? ": vpcd without a port finds a free one, and with --private-network all are free"
                     : "");
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
