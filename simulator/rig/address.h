/* SPDX-License-Identifier: BSD-3-Clause */
/* Parsing and printing of HOST:PORT, and the check of where a connection comes from. */
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
 * Splits HOST:PORT, [HOST]:PORT (for a HOST that contains colons), HOST, [HOST], PORT or :PORT. Without a
 * host, host becomes ""; without a port, *port does not change. Returns false and sets *error if text has
 * none of these forms; *port does not change then.
 */
bool address_split(const char *text, char host[ADDRESS_NAME_MAX], unsigned *port, struct error *error);

/*
 * Reads text in one of these forms. A part that is missing in text does not change in *address. Looks up a
 * host's name and takes its first IPv4 address or, if it has none, its first address. Returns false and sets
 * *error on failure.
 */
bool address_parse(const char *text, struct address *address, struct error *error);

/* Returns whether text is an IP address or, with /BITS, a network. */
bool address_is_network(const char *text);

/* Returns whether from allows a connection from peer. from is an address or a network as above, "any", or ""
 * for this machine alone. */
bool address_may_come(const char *from, const union tcp_address *peer);

/* Writes HOST:PORT, or [HOST]:PORT for IPv6, to text, which needs at least ADDRESS_MAX + 10 bytes. Returns
 * text. */
const char *address_text(const struct address *address, char *text, size_t size);

#endif
