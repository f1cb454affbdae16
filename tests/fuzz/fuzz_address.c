/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any text as HOST:PORT, and as a network. What is taken is one of the forms that are documented, letter for
 * letter; what is made from a host and a port is taken. An IP address is written as it is read. Names are not
 * looked up: see numeric.h.
 */
#include "base/error.h"
#include "fuzz.h"
#include "numeric.h"

#include "rig/address.h"

#include <arpa/inet.h>

#define LEFT_OUT 70000u /* no port */

static bool is_ip(const char *host)
{
    unsigned char raw[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, raw) == 1 || inet_pton(AF_INET6, host, raw) == 1;
}

/* What was taken: HOST, [HOST], and behind either, or behind nothing, ':' and the number; or the number
 * alone. */
static void check_taken(const char *text, const char *host, unsigned port)
{
    char name[ADDRESS_NAME_MAX + 2];
    const char *number = text + strlen(text);
    size_t length = strlen(host);
    CHECK(length < ADDRESS_NAME_MAX);
    if (port == LEFT_OUT) {
        CHECK(length > 0);
    } else {
        while (number > text && number[-1] >= '0' && number[-1] <= '9')
            number--;
        CHECK(*number && port == strtoul(number, NULL, 10));
        CHECK(port >= 1 && port <= 65535);
        if (number == text)
            CHECK(length == 0);
        else
            CHECK(*--number == ':');
    }
    snprintf(name, sizeof name, text[0] == '[' ? "[%s]" : "%s", host);
    CHECK(strlen(name) == (size_t)(number - text) && memcmp(name, text, strlen(name)) == 0);
    CHECK(text[0] == '[' ? !strchr(host, ']') && length > 0 : !strchr(host, ':'));
}

static void check_address(const char *text)
{
    struct address address = {.host = "127.0.0.1", .port = LEFT_OUT}, again;
    char written[ADDRESS_MAX + 10];
    struct error error;
    if (!address_parse(text, &address, &error))
        return; /* an address of an interface's own, or a name */
    CHECK(is_ip(address.host));
    if (address.port == LEFT_OUT)
        address.port = 1;
    CHECK(address_text(&address, written, sizeof written) == written && strlen(written) < sizeof written - 1);
    CHECK(address_parse(written, &again, &error));
    CHECK(strcmp(again.host, address.host) == 0 && again.port == address.port);
}

static void check_text(const char *text)
{
    char host[ADDRESS_NAME_MAX];
    struct error error;
    unsigned port = LEFT_OUT;
    memset(&error, 'x', sizeof error);
    if (address_split(text, host, &port, &error)) {
        check_taken(text, host, port);
        check_address(text);
    } else {
        CHECK(port == LEFT_OUT && memchr(error.text, '\0', sizeof error.text));
        size_t quoted = strnlen(text, 200);
        CHECK(error.text[0] == '\'' && memcmp(error.text + 1, text, quoted) == 0);
    }
}

/* As much of the text as can be a host, with a port. */
static void check_made(const char *text, unsigned number)
{
    char host[ADDRESS_NAME_MAX], name[ADDRESS_NAME_MAX], made[ADDRESS_NAME_MAX + 10];
    struct error error;
    unsigned port = LEFT_OUT;
    bool v6 = number & 1;
    size_t length = strcspn(text, v6 ? "]" : ":[");
    snprintf(name, sizeof name, "%.*s", (int)length, text);
    if (!*name)
        return;
    number = 1 + number % 65535;
    snprintf(made, sizeof made, v6 ? "[%s]:%u" : "%s:%u", name, number);
    CHECK(address_split(made, host, &port, &error));
    CHECK(port == number && strcmp(host, name) == 0);
}

/* A network is an address, behind which there may be '/' and how many of its bits count. */
static void check_network(const char *text)
{
    char host[INET6_ADDRSTRLEN];
    const char *slash = strchr(text, '/');
    size_t length = slash ? (size_t)(slash - text) : strlen(text);
    snprintf(host, sizeof host, "%.*s", (int)length, text);
    bool ip = length < sizeof host && is_ip(host);
    if (!slash)
        CHECK(address_is_network(text) == ip);
    if (!slash || !address_is_network(text))
        return;
    CHECK(ip && slash[1] && strspn(slash + 1, "0123456789") == strlen(slash + 1));
    CHECK(strtoul(slash + 1, NULL, 10) <= (strchr(host, ':') ? 128 : 32));
    /* it has the address in it that it is named after */
    union tcp_address address;
    tcp_address(host, 1, &address);
    CHECK(address_may_come(text, &address) && address_may_come("any", &address));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    char *text = malloc(size - 1);
    CHECK(text);
    memcpy(text, data + 2, size - 2);
    text[size - 2] = '\0';
    check_text(text);
    check_made(text, data[0] * 256u + data[1]);
    check_network(text);
    free(text);
    return 0;
}
