/* SPDX-License-Identifier: BSD-3-Clause */
/* The report of a reconnect, whose version may differ from that of the library; and the calls. */
#include "internal.h"

#include <string.h>

/* The size of the first version of the struct, without padding. */
#define REPORT_FIRST_VERSION (offsetof(scardmanage_report, new_atr) + SCARDMANAGE_ATR_MAX)

bool reconnect_report_is_valid(const scardmanage_report *report)
{
    return !report || (report->size >= REPORT_FIRST_VERSION && report->size <= OPTIONS_SIZE_MAX);
}

/* Writes the fields that the version of the caller has. Sets fields that only that version has to 0. */
void reconnect_write_report(const scardmanage_report *from, scardmanage_report *to)
{
    if (!to)
        return;
    size_t size = to->size;
    size_t known = size < sizeof *from ? size : sizeof *from;
    memcpy(to, from, known);
    memset((uint8_t *)to + known, 0, size - known);
    to->size = size;
}

scardmanage_result scardmanage_reconnect_ex(scardmanage *m, const scardmanage_options *options,
                                            scardmanage_report *report)
{
    struct call c;
    scardmanage_options read;
    scardmanage_report own = SCARDMANAGE_REPORT_INIT;
    if (!m)
        return SCARDMANAGE_E_POINTER;
    scardmanage_result result = options_read(m, options, &read);
    if (result == SCARDMANAGE_S_OK && !reconnect_report_is_valid(report))
        result = SCARDMANAGE_E_INVALIDARG;
    if (result != SCARDMANAGE_S_OK)
        return result;
    uint64_t start = platform_now_us();
    result = call_begin_unless_nested(&c, m, read.timeout_ms);
    if (result == SCARDMANAGE_S_OK) {
        result = reconnect_in_call(&c, &read, RECONNECT_FOR_CALLER, &own);
        call_end(&c);
    } else {
        own.lock = call_last_lock_state(m);
    }
    own.elapsed_us = platform_now_us() - start;
    if (result != SCARDMANAGE_E_INVALIDARG)
        reconnect_write_report(&own, report);
    return result;
}

scardmanage_result scardmanage_reconnect(scardmanage *m)
{
    return scardmanage_reconnect_ex(m, NULL, NULL);
}
