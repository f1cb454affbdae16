/* SPDX-License-Identifier: BSD-3-Clause */
#include "devicename.h"

#include "base/number.h"
#include "link/link.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A client that waits longer than this would be thought to hang. */
#define TIMEOUT_MAX_MS 700000

#define PREFIX         "/dev/null:"

/* A function that reads the value of one key. Returns false if the value is not valid. */
typedef bool value_function(char *value, struct devicename *name);

static bool read_rig(char *value, struct devicename *name)
{
    if (value[0] != '/' || strlen(value) >= sizeof name->socket)
        return false;
    strcpy(name->socket, value);
    return true;
}

static bool read_reader(char *value, struct devicename *name)
{
    return number_parse(value, 0, 0xFFFF, &name->reader);
}

static bool read_slots(char *value, struct devicename *name)
{
    return number_parse(value, 1, LINK_MAX_SLOTS, &name->slots);
}

static bool read_timeout(char *value, struct devicename *name)
{
    return number_parse(value, 1, TIMEOUT_MAX_MS, &name->timeout_ms);
}

static bool read_user(char *value, struct devicename *name)
{
    unsigned number;
    if (number_parse(value, 0, 999999, &number)) {
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

static const struct devicename_key {
    const char *name;
    value_function *read;
    const char *expected;
} keys[] = {
    {"rig", read_rig, "rig must be an absolute path of at most 107 bytes"},
    {"reader", read_reader, "reader must be a number from 0 to 65535"},
    {"user", read_user, "user must be the name of an existing user, or a number up to 999999"},
    {"slots", read_slots, "slots must be a number from 1 to 255"},
    {"timeout", read_timeout, "timeout must be a number of milliseconds from 1 to 700000"},
};

#define KEY_COUNT (sizeof keys / sizeof keys[0])

/* Reads KEY=VALUE. Returns false and writes the reason to reason if it is not valid. */
static bool read_field(char *field, struct devicename *name, char *reason, size_t reason_size)
{
    char *value = strchr(field, '=');
    if (value)
        *value++ = '\0';
    for (const struct devicename_key *key = keys; value && key < keys + KEY_COUNT; key++) {
        if (strcmp(key->name, field) != 0)
            continue;
        if (key->read(value, name))
            return true;
        snprintf(reason, reason_size, "%s", key->expected);
        return false;
    }
    int written = snprintf(reason, reason_size, "'%.100s%s%.100s' is not one of", field, value ? "=" : "",
                           value ? value : "");
    for (const struct devicename_key *key = keys; key < keys + KEY_COUNT && (size_t)written < reason_size;
         key++)
        written += snprintf(reason + written, reason_size - (size_t)written, " %s=", key->name);
    return false;
}

static bool read_fields(char *fields, struct devicename *name, char *reason, size_t reason_size)
{
    if (strncmp(fields, "vpcd=", 5) == 0) {
        snprintf(reason, reason_size,
                 "vpcd cards are the simulator's now: 'cardrig serve --reader NAME,vpcd', "
                 "and here what its --config prints");
        return false;
    }
    if (strncmp(fields, "rig=", 4) != 0) {
        snprintf(reason, reason_size, "rig=PATH must come first");
        return false;
    }
    for (char *field; (field = strsep(&fields, ":"));)
        if (!read_field(field, name, reason, reason_size))
            return false;
    return true;
}

bool devicename_parse(const char *text, struct devicename *name, struct error *error)
{
    *name = (struct devicename){
        .user = (uid_t)-1,
        .slots = 1,
        .timeout_ms = LINK_EXCHANGE_TIMEOUT,
    };
    char reason[400];
    if (strncmp(text, PREFIX, strlen(PREFIX)) != 0)
        return error_set(error, "DEVICENAME '%.200s': expected " PREFIX "rig=PATH...", text);
    char *fields = strdup(text + strlen(PREFIX));
    snprintf(reason, sizeof reason, "out of memory");
    bool ok = fields && read_fields(fields, name, reason, sizeof reason);
    if (!ok)
        error_set(error, "DEVICENAME '%.200s': %s", text, reason);
    free(fields);
    return ok;
}
