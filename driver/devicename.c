#include "devicename.h"

#include "link/link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A client that waits longer will be taken to hang. */
#define TIMEOUT_MAX_MS 60000

/* A decimal number from low to high, and nothing else. */
static bool parse_number(const char *text, size_t length, unsigned low, unsigned high, unsigned *number)
{
    if (length == 0 || length > 5)
        return false;
    unsigned value = 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        value = value * 10 + (unsigned)(text[i] - '0');
    }
    *number = value;
    return value >= low && value <= high;
}

/* If the field is key=..., the length of the value and a pointer to it. */
static bool field_is(const char *field, size_t length, const char *key, const char **value,
                     size_t *value_length)
{
    size_t key_length = strlen(key);
    if (length <= key_length || memcmp(field, key, key_length) != 0 || field[key_length] != '=')
        return false;
    *value = field + key_length + 1;
    *value_length = length - key_length - 1;
    return true;
}

bool devicename_parse(const char *text, struct devicename *name, char *error, size_t error_size)
{
    static const char prefix[] = "/dev/null:";
    *name = (struct devicename){.slots = 1, .timeout_ms = LINK_EXCHANGE_TIMEOUT};
    if (strncmp(text, prefix, sizeof prefix - 1) != 0) {
        snprintf(error, error_size,
                 "DEVICENAME '%s': expected /dev/null:rig=PATH[:reader=N][:slots=N][:timeout=MS]", text);
        return false;
    }
    const char *field = text + sizeof prefix - 1;
    for (;;) {
        size_t length = strcspn(field, ":");
        const char *value;
        size_t value_length;
        if (field_is(field, length, "rig", &value, &value_length)) {
            if (value_length == 0 || value_length >= sizeof name->socket || value[0] != '/') {
                snprintf(error, error_size,
                         "DEVICENAME '%s': rig must be an absolute path of at most %zu bytes", text,
                         sizeof name->socket - 1);
                return false;
            }
            memcpy(name->socket, value, value_length);
            name->socket[value_length] = '\0';
        } else if (field_is(field, length, "reader", &value, &value_length)) {
            if (!parse_number(value, value_length, 0, 0xFFFF, &name->reader)) {
                snprintf(error, error_size, "DEVICENAME '%s': reader must be a number from 0 to 65535", text);
                return false;
            }
        } else if (field_is(field, length, "slots", &value, &value_length)) {
            if (!parse_number(value, value_length, 1, LINK_MAX_SLOTS, &name->slots)) {
                snprintf(error, error_size, "DEVICENAME '%s': slots must be a number from 1 to %u", text,
                         LINK_MAX_SLOTS);
                return false;
            }
        } else if (field_is(field, length, "timeout", &value, &value_length)) {
            if (!parse_number(value, value_length, 1, TIMEOUT_MAX_MS, &name->timeout_ms)) {
                snprintf(error, error_size, "DEVICENAME '%s': timeout must be a number from 1 to %d", text,
                         TIMEOUT_MAX_MS);
                return false;
            }
        } else {
            snprintf(error, error_size,
                     "DEVICENAME '%s': '%.*s' is not rig=, reader=, slots= or timeout=", text, (int)length,
                     field);
            return false;
        }
        if (field[length] == '\0')
            break;
        field += length + 1;
    }
    if (name->socket[0] == '\0') {
        snprintf(error, error_size, "DEVICENAME '%s': rig=PATH is missing", text);
        return false;
    }
    return true;
}
