#include "rig/reader_options.h"

#include "link/link.h"
#include "link/vpcd.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Each key's function reads its value (NULL when there is no '='). False: not what it expects. */
typedef bool value_function(const char *value, struct reader_options *options);

static bool read_slots(const char *value, struct reader_options *options)
{
    if (!value || strlen(value) > 3 || strspn(value, "0123456789") != strlen(value))
        return false;
    options->slots = (unsigned)atoi(value);
    return options->slots >= 1 && options->slots <= LINK_MAX_SLOTS;
}

static bool read_level(const char *value, struct reader_options *options)
{
    if (!value || (strcmp(value, "apdu") != 0 && strcmp(value, "tpdu") != 0))
        return false;
    options->level = value[0] == 't' ? IFD_LEVEL_TPDU : IFD_LEVEL_APDU;
    return true;
}

static bool read_vpcd(const char *value, struct reader_options *options)
{
    char error[400];
    options->cards = READER_VPCD_LISTEN;
    return !value || address_parse(value, &options->vpcd, error, sizeof error);
}

static bool read_vpcd_connect(const char *value, struct reader_options *options)
{
    char error[400];
    options->cards = READER_VPCD_CONNECT;
    options->vpcd.port = VPCD_PORT;
    return value && address_parse(value, &options->vpcd, error, sizeof error);
}

static bool read_from(const char *value, struct reader_options *options)
{
    if (!value || strlen(value) >= sizeof options->from ||
        !(strcmp(value, "any") == 0 || address_is_network(value)))
        return false;
    strcpy(options->from, value);
    return true;
}

static bool read_timeout(const char *value, struct reader_options *options)
{
    if (!value || strlen(value) > 6 || strspn(value, "0123456789") != strlen(value))
        return false;
    options->timeout_ms = (unsigned)atoi(value);
    return options->timeout_ms >= 1 && options->timeout_ms <= 600000;
}

static const struct key {
    const char *name, *expected;
    value_function *read;
} keys[] = {
    {"slots", "slots=N, with N from 1 to 16", read_slots},
    {"level", "level=apdu or level=tpdu", read_level},
    {"vpcd", "vpcd, vpcd=PORT or vpcd=HOST:PORT, where the reader is to listen", read_vpcd},
    {"vpcd-connect", "vpcd-connect=HOST:PORT, where a vpcd card listens", read_vpcd_connect},
    {"from", "from=ADDRESS, from=ADDRESS/BITS or from=any", read_from},
    {"timeout", "timeout=MS, with MS from 1 to 600000", read_timeout},
};

#define KEY_COUNT (sizeof keys / sizeof keys[0])

/* What reader.conf's quoted FRIENDLYNAME can hold, and a slot's text can mean. */
static bool check_name(const char *name, size_t length, char *error, size_t error_size)
{
    if (length == 0 || length > READER_NAME_MAX) {
        snprintf(error, error_size, "reader name '%.40s': must have 1 to %d bytes, has %zu", name,
                 READER_NAME_MAX, length);
        return false;
    }
    json_t *utf8 = json_stringn(name, length);
    json_decref(utf8);
    if (!utf8) {
        snprintf(error, error_size, "reader name: not UTF-8");
        return false;
    }
    for (size_t i = 0; i < length; i++)
        if (iscntrl((unsigned char)name[i]) || name[i] == '"' || name[i] == '/') {
            snprintf(error, error_size,
                     "reader name '%.*s': must not contain '\"', '/' or control characters", (int)length,
                     name);
            return false;
        }
    return true;
}

static bool read_field(const char *field, struct reader_options *options, char *error, size_t error_size)
{
    const char *equals = strchr(field, '='), *value = equals ? equals + 1 : NULL;
    size_t length = equals ? (size_t)(equals - field) : strlen(field);
    for (const struct key *key = keys; key < keys + KEY_COUNT; key++) {
        if (strlen(key->name) != length || memcmp(key->name, field, length) != 0)
            continue;
        if (key->read(value, options))
            return true;
        snprintf(error, error_size, "reader '%s': '%.200s': expected %s", options->name, field,
                 key->expected);
        return false;
    }
    int written = snprintf(error, error_size, "reader '%s': '%.200s': expected one of", options->name, field);
    for (size_t i = 0; i < KEY_COUNT && (size_t)written < error_size; i++)
        written +=
            snprintf(error + written, error_size - (size_t)written, "%s %s", i ? "," : "", keys[i].name);
    return false;
}

bool reader_options_parse(const char *text, struct reader_options *options, char *error, size_t error_size)
{
    *options = (struct reader_options){.slots = 1, .vpcd.host = "127.0.0.1"};
    size_t length = strcspn(text, ",");
    if (!check_name(text, length, error, error_size))
        return false;
    memcpy(options->name, text, length);
    char *fields = strdup(text + length), *rest = fields;
    bool ok = fields != NULL;
    if (!ok)
        snprintf(error, error_size, "out of memory");
    strsep(&rest, ",");
    for (char *field; ok && (field = strsep(&rest, ","));)
        ok = read_field(field, options, error, error_size);
    free(fields);
    if (ok && options->from[0] && options->cards != READER_VPCD_LISTEN) {
        snprintf(error, error_size, "reader '%s': from= goes with vpcd, where the reader listens",
                 options->name);
        ok = false;
    }
    if (ok && options->timeout_ms && options->cards == READER_OWN_CARDS) {
        snprintf(error, error_size, "reader '%s': timeout= is for vpcd cards", options->name);
        ok = false;
    }
    if (ok && options->vpcd.port + options->slots - 1 > 65535) {
        snprintf(error, error_size, "reader '%s': there are no %u ports from %u on", options->name,
                 options->slots, options->vpcd.port);
        ok = false;
    }
    return ok;
}
