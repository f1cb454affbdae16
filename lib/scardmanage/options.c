/* SPDX-License-Identifier: BSD-3-Clause */
/* Options, and structs of the caller whose version may differ from that of the library. */
#include "internal.h"

#include <string.h>

static const scardmanage_options defaults = SCARDMANAGE_OPTIONS_INIT;

bool options_accept_unidentified(const scardmanage_options *options)
{
    return options->accept_unidentified || options->accept_other_card;
}

void options_set_defaults(scardmanage_options *options)
{
    *options = defaults;
}

static bool protocols_valid(uint32_t protocols)
{
    return protocols == SCARDMANAGE_PROTOCOL_RAW || (protocols & ~PCSC_PROTOCOL_ANY) == 0;
}

static bool options_valid(const scardmanage_options *options)
{
    int first = (int)options->first_step;
    int last = (int)options->last_step;
    int share = (int)options->share;
    return options->reserved == 0 && first >= SCARDMANAGE_STEP_LEAVE && first <= SCARDMANAGE_STEP_REOPEN &&
           last >= first && last <= SCARDMANAGE_STEP_RESTART && protocols_valid(options->protocols) &&
           share >= SCARDMANAGE_SHARE_KEEP && share <= SCARDMANAGE_SHARE_SHARED;
}

/* The struct must have no padding at its end: the next version may append a field there, and an
 * older program leaves padding uninitialized. */
_Static_assert(sizeof(scardmanage_options) ==
                   offsetof(scardmanage_options, reserved) + sizeof((scardmanage_options *)NULL)->reserved,
               "a field that is appended takes the place of padding");

#define OPTIONS_FIRST_VERSION offsetof(scardmanage_options, timeout_ms)

bool options_struct_is_readable(const void *structure, size_t size, size_t first_version, size_t known)
{
    const unsigned char *bytes = structure;
    if (size < first_version || size > OPTIONS_SIZE_MAX)
        return false;
    for (size_t i = known; i < size; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

scardmanage_result options_read(scardmanage *m, const scardmanage_options *options, scardmanage_options *out)
{
    if (!options) {
        platform_lock(&m->mutex);
        *out = m->options;
        platform_unlock(&m->mutex);
        return SCARDMANAGE_S_OK;
    }
    if (!options_struct_is_readable(options, options->size, OPTIONS_FIRST_VERSION, sizeof *options))
        return SCARDMANAGE_E_INVALIDARG;
    memset(out, 0, sizeof *out);
    memcpy(out, options, options->size < sizeof *out ? options->size : sizeof *out);
    out->size = sizeof *out;
    if (out->first_step == SCARDMANAGE_STEP_NONE)
        out->first_step = SCARDMANAGE_STEP_LEAVE;
    if (out->last_step == SCARDMANAGE_STEP_NONE)
        out->last_step = SCARDMANAGE_STEP_RESTART;
    if (out->timeout_ms == 0)
        out->timeout_ms = defaults.timeout_ms;
    return options_valid(out) ? SCARDMANAGE_S_OK : SCARDMANAGE_E_INVALIDARG;
}

uint32_t options_protocols(const scardmanage_options *options, uint32_t in_use)
{
    if (options->protocols != 0)
        return options->protocols;
    return in_use != 0 ? in_use : PCSC_PROTOCOL_ANY;
}

uint32_t options_any_protocol(uint32_t in_use)
{
    return in_use == SCARDMANAGE_PROTOCOL_RAW ? in_use : PCSC_PROTOCOL_ANY;
}

scardmanage_result scardmanage_set_options(scardmanage *m, const scardmanage_options *options)
{
    scardmanage_options read;
    if (!m)
        return SCARDMANAGE_E_POINTER;
    scardmanage_result result = SCARDMANAGE_S_OK;
    if (!options)
        options_set_defaults(&read);
    else
        result = options_read(m, options, &read);
    if (result != SCARDMANAGE_S_OK)
        return result;
    platform_lock(&m->mutex);
    if (call_is_nested(m))
        result = SCARDMANAGE_E_FAIL;
    else
        m->options = read;
    platform_unlock(&m->mutex);
    return result;
}

scardmanage_result scardmanage_set_timeout(scardmanage *m, uint32_t timeout_ms)
{
    if (!m)
        return SCARDMANAGE_E_POINTER;
    platform_lock(&m->mutex);
    m->options.timeout_ms = timeout_ms != 0 ? timeout_ms : defaults.timeout_ms;
    platform_unlock(&m->mutex);
    return SCARDMANAGE_S_OK;
}
