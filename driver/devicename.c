#include "devicename.h"

#include "link/link.h"
#include "link/vpcd.h"

#include <arpa/inet.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A client that waits longer will be taken to hang. */
#define TIMEOUT_MAX_MS  600000
#define TIMEOUT_VPCD_MS 60000

#define PREFIX          "/dev/null:"

/* A decimal number from low to high, and nothing else. */
static bool read_number(const char *text, unsigned low, unsigned high, unsigned *number)
{
    size_t length = strlen(text);
    if (length == 0 || length > 6 || strspn(text, "0123456789") != length)
        return false;
    *number = (unsigned)strtoul(text, NULL, 10);
    return *number >= low && *number <= high;
}

/* An IP address, of either family, which is written to address as it is usually written. */
static bool read_address(const char *text, char *address, size_t size, int *bits)
{
    char plain[INET6_ADDRSTRLEN];
    uint8_t raw[sizeof(struct in6_addr)];
    size_t length = strlen(text);
    if (length >= sizeof plain)
        return false;
    for (size_t i = 0; i <= length; i++)
        plain[i] = text[i] == '_' ? ':' : text[i];
    int family = strchr(plain, ':') ? AF_INET6 : AF_INET;
    *bits = family == AF_INET6 ? 128 : 32;
    return inet_pton(family, plain, raw) == 1 && inet_ntop(family, raw, address, (socklen_t)size);
}

/* The values. Each is read by a function of its own; false: not what is expected. */
typedef bool value_function(char *value, struct devicename *name);

static bool read_rig(char *value, struct devicename *name)
{
    name->kind = DEVICE_RIG;
    if (value[0] != '/' || strlen(value) >= sizeof name->socket)
        return false;
    strcpy(name->socket, value);
    return true;
}

static bool read_vpcd(char *value, struct devicename *name)
{
    name->kind = strcmp(value, "listen") == 0 ? DEVICE_VPCD_LISTEN : DEVICE_VPCD_CONNECT;
    name->timeout_ms = TIMEOUT_VPCD_MS;
    return name->kind == DEVICE_VPCD_LISTEN || strcmp(value, "connect") == 0;
}

static bool read_reader(char *value, struct devicename *name)
{
    return read_number(value, 0, 0xFFFF, &name->reader);
}

static bool read_slots(char *value, struct devicename *name)
{
    return read_number(value, 1, LINK_MAX_SLOTS, &name->slots);
}

static bool read_timeout(char *value, struct devicename *name)
{
    return read_number(value, 1, TIMEOUT_MAX_MS, &name->timeout_ms);
}

static bool read_user(char *value, struct devicename *name)
{
    unsigned number;
    if (read_number(value, 0, 999999, &number)) {
        name->user = number;
        return true;
    }
    struct passwd entry, *found = NULL;
    char buffer[4096];
    if (getpwnam_r(value, &entry, buffer, sizeof buffer, &found) != 0 || !found)
        return false;
    name->user = found->pw_uid;
    return true;
}

static bool read_host(char *value, struct devicename *name)
{
    int bits;
    return read_address(value, name->host, sizeof name->host, &bits);
}

static bool read_port(char *value, struct devicename *name)
{
    return read_number(value, 1, 65535, &name->port);
}

static bool read_fd(char *value, struct devicename *name)
{
    unsigned number;
    if (!read_number(value, 3, 65535, &number))
        return false;
    name->fd = (int)number;
    return true;
}

static bool read_from(char *value, struct devicename *name)
{
    if (strcmp(value, "any") == 0) {
        name->from_bits = 0;
        strcpy(name->from, value);
        return true;
    }
    int most;
    unsigned bits;
    char *slash = strchr(value, '/');
    if (slash)
        *slash = '\0';
    if (!read_address(value, name->from, sizeof name->from, &most) ||
        (slash && !read_number(slash + 1, 1, (unsigned)most, &bits)))
        return false;
    name->from_bits = slash ? (int)bits : most;
    return true;
}

enum applies { TO_RIG = 1, TO_VPCD = 2, TO_BOTH = 3 };

static const struct key {
    const char *name;
    enum applies applies;
    value_function *read;
    const char *expected;
} keys[] = {
    {"rig", TO_RIG, read_rig, "rig must be an absolute path of at most 107 bytes"},
    {"vpcd", TO_VPCD, read_vpcd, "vpcd must be listen or connect"},
    {"reader", TO_RIG, read_reader, "reader must be a number from 0 to 65535"},
    {"user", TO_RIG, read_user, "user must be the name of a user that there is, or a number up to 999999"},
    {"host", TO_VPCD, read_host, "host must be an IP address (with _ in place of :)"},
    {"port", TO_VPCD, read_port, "port must be a number from 1 to 65535"},
    {"fd", TO_VPCD, read_fd, "fd must be a number from 3 to 65535"},
    {"from", TO_VPCD, read_from, "from must be an IP address (with _ in place of :), ADDRESS/BITS, or any"},
    {"slots", TO_BOTH, read_slots, "slots must be a number from 1 to 16"},
    {"timeout", TO_BOTH, read_timeout, "timeout must be a number of milliseconds from 1 to 600000"},
};

#define KEY_COUNT (sizeof keys / sizeof keys[0])

/* KEY=VALUE, for a device of the kind that applies says. False: reason says why. */
static bool read_field(char *field, enum applies applies, struct devicename *name, char *reason,
                       size_t reason_size)
{
    char *value = strchr(field, '=');
    if (value)
        *value++ = '\0';
    for (const struct key *key = keys; value && key < keys + KEY_COUNT; key++) {
        if (strcmp(key->name, field) != 0 || !(key->applies & applies))
            continue;
        if (key->read(value, name))
            return true;
        snprintf(reason, reason_size, "%s", key->expected);
        return false;
    }
    int written = snprintf(reason, reason_size, "'%.100s%s%.100s' is not one of", field, value ? "=" : "",
                           value ? value : "");
    for (const struct key *key = keys; key < keys + KEY_COUNT && (size_t)written < reason_size; key++)
        if (key->applies & applies)
            written += snprintf(reason + written, reason_size - (size_t)written, " %s=", key->name);
    return false;
}

static bool read_fields(char *fields, struct devicename *name, char *reason, size_t reason_size)
{
    /* what comes first says what the rest is about */
    enum applies applies = strncmp(fields, "vpcd=", 5) == 0 ? TO_VPCD : TO_RIG;
    if (applies == TO_RIG && strncmp(fields, "rig=", 4) != 0) {
        snprintf(reason, reason_size, "rig=PATH, vpcd=listen or vpcd=connect must come first");
        return false;
    }
    for (char *field; (field = strsep(&fields, ":"));)
        if (!read_field(field, applies, name, reason, reason_size))
            return false;
    if (name->kind == DEVICE_VPCD_CONNECT && (name->fd >= 0 || name->from[0])) {
        snprintf(reason, reason_size, "fd= and from= are for vpcd=listen");
        return false;
    }
    if (name->port + name->slots - 1 > 65535) {
        snprintf(reason, reason_size, "there are no %u ports from %u on", name->slots, name->port);
        return false;
    }
    return true;
}

bool devicename_parse(const char *text, struct devicename *name, char *error, size_t error_size)
{
    *name = (struct devicename){
        .user = (uid_t)-1,
        .host = "127.0.0.1",
        .port = VPCD_PORT,
        .fd = -1,
        .slots = 1,
        .timeout_ms = LINK_EXCHANGE_TIMEOUT,
    };
    char reason[400];
    if (strncmp(text, PREFIX, strlen(PREFIX)) != 0) {
        snprintf(error, error_size,
                 "DEVICENAME '%.200s': expected " PREFIX "rig=PATH..., or " PREFIX
                 "vpcd=listen... or connect...",
                 text);
        return false;
    }
    char *fields = strdup(text + strlen(PREFIX));
    snprintf(reason, sizeof reason, "out of memory");
    bool ok = fields && read_fields(fields, name, reason, sizeof reason);
    if (!ok)
        snprintf(error, error_size, "DEVICENAME '%.200s': %s", text, reason);
    free(fields);
    return ok;
}
