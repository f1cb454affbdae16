/* SPDX-License-Identifier: BSD-3-Clause */
/* HOST:PORT as people write it, and what it stands for. */
#ifndef CARDRIG_RIG_ADDRESS_H
#define CARDRIG_RIG_ADDRESS_H

#include "base/error.h"
#include "link/tcp.h"

#include <stdbool.h>
#include <stddef.h>

#define ADDRESS_MAX 64

struct address {
    char host[ADDRESS_MAX]; /* an IP address, as inet_ntop(3) writes it */
    unsigned port;
};

#define ADDRESS_NAME_MAX 256 /* a host's name, with its NUL */

/*
 * Takes HOST:PORT, [HOST]:PORT (where HOST has colons itself), HOST, [HOST], PORT or :PORT apart. A host that
 * is left out is "", a port that is left out leaves *port as it is. False: text is not one of these, and
 * error says so; *port is as it was.
 */
bool address_split(const char *text, char host[ADDRESS_NAME_MAX], unsigned *port, struct error *error);

/*
 * Reads such a text; what is left out stays as it is in *address. A host's name is looked up: the first of
 * its IPv4 addresses is taken, or else the first of all. False: error says why.
 */
bool address_parse(const char *text, struct address *address, struct error *error);

/* Whether text is an IP address, or with /BITS a network of such. */
bool address_is_network(const char *text);

/* Whether a connection from there is allowed by from: such a network, "any", or "" for this machine alone. */
bool address_may_come(const char *from, const union tcp_address *peer);

/* HOST:PORT or [HOST]:PORT in text, of at least ADDRESS_MAX + 10 bytes. Returns text. */
const char *address_text(const struct address *address, char *text, size_t size);

#endif
