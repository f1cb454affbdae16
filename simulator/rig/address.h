/* HOST:PORT as people write it, and what it stands for. */
#ifndef CARDRIG_RIG_ADDRESS_H
#define CARDRIG_RIG_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#define ADDRESS_MAX 64

struct address {
    char host[ADDRESS_MAX]; /* an IP address, as inet_ntop(3) writes it */
    unsigned port;
};

/*
 * Reads HOST:PORT, [HOST]:PORT (where HOST has colons itself), HOST, PORT or :PORT; what is left out is as
 * *address has it. A host's name is looked up: the first of its addresses is taken,
 * of IPv4 if there is one. False: none, and error
 * (of error_size bytes) says why.
 */
bool address_parse(const char *text, struct address *address, char *error, size_t error_size);

/* Whether text is an IP address, or with /BITS a network of such. */
bool address_is_network(const char *text);

/* HOST:PORT or [HOST]:PORT in text, of at least ADDRESS_MAX + 10 bytes. Returns text. */
const char *address_text(const struct address *address, char *text, size_t size);

#endif
