/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig/address.h"

#include "base/number.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static bool parse_port(const char *text, unsigned *port)
{
    return number_parse(text, 1, 65535, port);
}

static bool look_up(const char *name, struct address *address, struct error *error)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int failure = getaddrinfo(name, NULL, &hints, &found);
    /* prefer IPv4, for "localhost": vsmartcard's own programs know only IPv4 */
    const struct addrinfo *best = found;
    while (best && best->ai_family != AF_INET)
        best = best->ai_next;
    if (!best)
        best = found;
    if (failure == 0)
        failure = getnameinfo(best->ai_addr, best->ai_addrlen, address->host, sizeof address->host, NULL, 0,
                              NI_NUMERICHOST);
    freeaddrinfo(found);
    if (failure != 0)
        error_set(error, "host '%s': %s", name, gai_strerror(failure));
    else if (strchr(address->host, '%')) /* an interface, which inet_pton(3) cannot read */
        error_set(error, "host '%s': expected an address that is no interface's own", name);
    else
        return true;
    return false;
}

bool address_split(const char *text, char host[ADDRESS_NAME_MAX], unsigned *port, struct error *error)
{
    static const char digits[] = "0123456789";
    const char *start = text, *end, *number;
    if (text[0] == '[') {
        start = text + 1;
        end = start + strcspn(start, "]");
        number = *end == ']' && end[1] == ':' ? end + 2 : NULL;
        if (end == start || *end != ']' || (end[1] && !number))
            goto refuse;
    } else {
        bool lone_port = text[0] && text[strspn(text, digits)] == '\0';
        const char *colon = strrchr(text, ':');
        end = lone_port ? text : colon ? colon : text + strlen(text);
        number = lone_port ? text : colon ? colon + 1 : NULL;
        if (memchr(start, ':', (size_t)(end - start)) || (end == start && !number))
            goto refuse;
    }
    size_t length = (size_t)(end - start);
    if (length >= ADDRESS_NAME_MAX)
        goto refuse;
    if (number && !parse_port(number, port))
        return error_set(error, "'%.200s': expected HOST:PORT, with PORT from 1 to 65535", text);
    memcpy(host, start, length);
    host[length] = '\0';
    return true;
refuse:
    return error_set(error, "'%.200s': expected HOST:PORT, or [HOST]:PORT for an IPv6 address", text);
}

bool address_parse(const char *text, struct address *address, struct error *error)
{
    char host[ADDRESS_NAME_MAX];
    return address_split(text, host, &address->port, error) && (!host[0] || look_up(host, address, error));
}

bool address_is_network(const char *text)
{
    char address[ADDRESS_MAX];
    unsigned char raw[sizeof(struct in6_addr)];
    size_t length = strcspn(text, "/");
    bool v6 = memchr(text, ':', length) != NULL;
    if (length >= sizeof address)
        return false;
    memcpy(address, text, length);
    address[length] = '\0';
    if (inet_pton(v6 ? AF_INET6 : AF_INET, address, raw) != 1)
        return false;
    unsigned bits;
    return text[length] == '\0' || number_parse(text + length + 1, 1, v6 ? 128 : 32, &bits);
}

static const uint8_t v4_prefix[12] = {[10] = 0xFF, [11] = 0xFF};

/* Writes an address as an IPv6 address, an IPv4 one as IPv4-mapped, so that both can be compared. */
static void address_bytes(const union tcp_address *address, uint8_t bytes[16])
{
    if (address->any.sa_family == AF_INET6) {
        memcpy(bytes, &address->v6.sin6_addr, 16);
        return;
    }
    memcpy(bytes, v4_prefix, sizeof v4_prefix);
    memcpy(bytes + sizeof v4_prefix, &address->v4.sin_addr, 4);
}

/* Returns whether an address is in a network. An IPv4 address is in no IPv6 network, even in mapped form. */
static bool same_network(const char *network, unsigned bits, const uint8_t bytes[16])
{
    union tcp_address address;
    uint8_t wanted[16];
    tcp_address(network, 0, &address);
    address_bytes(&address, wanted);
    bool v4 = address.any.sa_family == AF_INET, is_v4 = memcmp(bytes, v4_prefix, sizeof v4_prefix) == 0;
    bits += v4 ? 96 : 0;
    unsigned whole = bits / 8, rest = bits % 8;
    return v4 == is_v4 && memcmp(wanted, bytes, whole) == 0 &&
           (rest == 0 || ((wanted[whole] ^ bytes[whole]) >> (8 - rest)) == 0);
}

bool address_may_come(const char *from, const union tcp_address *peer)
{
    uint8_t bytes[16];
    char network[ADDRESS_MAX];
    address_bytes(peer, bytes);
    if (!*from)
        return same_network("127.0.0.0", 8, bytes) || same_network("::1", 128, bytes);
    if (strcmp(from, "any") == 0)
        return true;
    const char *slash = strchr(from, '/');
    snprintf(network, sizeof network, "%.*s", (int)(slash ? slash - from : (long)strlen(from)), from);
    unsigned bits = strchr(network, ':') ? 128 : 32;
    return (!slash || number_parse(slash + 1, 1, bits, &bits)) && same_network(network, bits, bytes);
}

const char *address_text(const struct address *address, char *text, size_t size)
{
    bool v6 = strchr(address->host, ':') != NULL;
    snprintf(text, size, "%s%s%s:%u", v6 ? "[" : "", address->host, v6 ? "]" : "", address->port);
    return text;
}
