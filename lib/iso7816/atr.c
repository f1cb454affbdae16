/* SPDX-License-Identifier: BSD-3-Clause */
#include "atr.h"

#include <stdio.h>
#include <string.h>

#define STANDARD "ISO/IEC 7816-3:2006"

/* ISO/IEC 7816-3:2006, 8.3, table 7; f 0 is RFU */
static const struct {
    uint16_t f;
    uint16_t fmax_khz;
} fi_table[16] = {
    {372, 4000}, {372, 5000}, {558, 6000}, {744, 8000},   {1116, 12000}, {1488, 16000}, {1860, 20000}, {0, 0},
    {0, 0},      {512, 5000}, {768, 7500}, {1024, 10000}, {1536, 15000}, {2048, 20000}, {0, 0},        {0, 0},
};

/* ISO/IEC 7816-3:2006, 8.3, table 8; 0 is RFU */
static const uint8_t di_table[16] = {0, 1, 2, 4, 8, 16, 32, 64, 12, 20, 0, 0, 0, 0, 0, 0};

/* The position in the ATR, and the interface bytes seen so far. For T=1 and T=15, only the first TA, TB
 * and TC are defined. */
struct walk {
    size_t at;           /* position of the next byte */
    uint8_t t1_seen;     /* ATR_TA, ATR_TB, ATR_TC */
    uint8_t t15_seen;    /* ATR_TA, ATR_TB, ATR_TC */
    uint8_t td_previous; /* T of the previous TD */
};

static const char *reason_text(enum atr_result result)
{
    switch (result) {
    case ATR_OK:
        return "no error";
    case ATR_EMPTY:
        return "the ATR is empty";
    case ATR_BAD_TS:
        return "TS is neither 3B nor 3F";
    case ATR_TRUNCATED:
        return "the ATR ends before a byte that it announced";
    case ATR_TOO_LONG:
        return "more than 32 bytes follow TS";
    case ATR_TRAILING:
        return "bytes follow after the end of the ATR";
    case ATR_TCK_UNEXPECTED:
        return "a TCK follows although only T=0 is offered";
    case ATR_TCK_MISSING:
        return "TCK is missing";
    case ATR_T15_FIRST:
        return "TD1 names T=15, which is no transmission protocol";
    case ATR_TCK_WRONG:
        return "TCK is wrong";
    }
    return "unknown error";
}

static const char *reason_clause(enum atr_result result)
{
    switch (result) {
    case ATR_BAD_TS:
        return "8.1";
    case ATR_TRUNCATED:
        return "8.2.2";
    case ATR_T15_FIRST:
        return "8.2.3";
    case ATR_TCK_UNEXPECTED:
    case ATR_TCK_MISSING:
    case ATR_TCK_WRONG:
        return "8.2.5";
    case ATR_OK:
    case ATR_EMPTY:
    case ATR_TOO_LONG:
    case ATR_TRAILING:
        break;
    }
    return "8.2.1";
}

static enum atr_result fail(struct atr_error *error, enum atr_result result, size_t position, size_t expected,
                            size_t found)
{
    error->result = result;
    error->position = position;
    error->reason = reason_text(result);
    error->clause = reason_clause(result);
    error->expected = expected;
    error->found = found;
    return result;
}

static void warn(struct atr *atr, enum atr_warning warning, size_t at)
{
    if ((atr->warnings & 1u << warning) == 0)
        atr->warning_at[warning] = (uint8_t)at;
    atr->warnings |= 1u << warning;
}

static void set_defaults(struct atr *atr)
{
    memset(atr, 0, sizeof *atr);
    atr->layout.convention = ATR_DIRECT;
    atr->first_protocol = ATR_NO_PROTOCOL;
    atr->fi = 1;
    atr->di = 1;
    atr->f = 372;
    atr->d = 1;
    atr->fmax_khz = 5000;
    atr->classes = ATR_CLASS_A;
    atr->clock_stop = ATR_CLOCK_STOP_NONE;
    atr->wi = 10;
    atr->ifsc = 32;
    atr->cwi = 13;
    atr->bwi = 4;
    atr->edc = ATR_EDC_LRC;
}

static void offer(struct atr *atr, uint8_t protocol)
{
    if (atr->protocols & 1u << protocol)
        return;
    atr->protocols = (uint16_t)(atr->protocols | 1u << protocol);
    atr->protocol[atr->protocol_count++] = protocol;
    atr->first_protocol = atr->protocol[0];
}

static void decode_ta1(struct atr *atr, uint8_t value, size_t at)
{
    atr->fi = value >> 4;
    atr->di = value & 0x0F;
    if (fi_table[atr->fi].f == 0)
        warn(atr, ATR_WARN_FI_RFU, at);
    if (di_table[atr->di] == 0)
        warn(atr, ATR_WARN_DI_RFU, at);
    /* F and D make sense only as a pair, so if one of them is RFU, both keep their defaults. */
    if (fi_table[atr->fi].f == 0 || di_table[atr->di] == 0)
        return;
    atr->f = fi_table[atr->fi].f;
    atr->fmax_khz = fi_table[atr->fi].fmax_khz;
    atr->d = di_table[atr->di];
}

static void decode_ta2(struct atr *atr, uint8_t value, size_t at)
{
    atr->specific = true;
    atr->specific_protocol = value & 0x0F;
    atr->mode_changeable = (value & 0x80) == 0;
    atr->implicit_parameters = (value & 0x10) != 0;
    if (value & 0x60)
        warn(atr, ATR_WARN_TA2_RFU, at);
}

/* Decodes the first TA, TB or TC for T=1: ISO/IEC 7816-3:2006, 11.4.2 to 11.4.4. */
static void decode_t1(struct atr *atr, uint8_t which, uint8_t value, size_t at)
{
    if (which == ATR_TA) {
        if (value == 0x00 || value == 0xFF)
            warn(atr, ATR_WARN_IFSC_RFU, at);
        else
            atr->ifsc = value;
    } else if (which == ATR_TB) {
        atr->cwi = value & 0x0F;
        if (value >> 4 > 9)
            warn(atr, ATR_WARN_BWI_RFU, at);
        else
            atr->bwi = value >> 4;
    } else {
        atr->edc = value & 0x01 ? ATR_EDC_CRC : ATR_EDC_LRC;
        if (value & 0xFE)
            warn(atr, ATR_WARN_EDC_RFU, at);
    }
}

/* Decodes the first TA or TB for T=15: ISO/IEC 7816-3:2006, 8.3. */
static void decode_t15(struct atr *atr, uint8_t which, uint8_t value, size_t at)
{
    if (which == ATR_TA) {
        uint8_t classes = value & 0x3F;

        atr->clock_stop = (enum atr_clock_stop)(value >> 6);
        /* A, B, AB, C, BC and ABC are defined; A and C without B is not */
        if (classes == 0 || classes == (ATR_CLASS_A | ATR_CLASS_C) || classes > 7)
            warn(atr, ATR_WARN_CLASS_RFU, at);
        else
            atr->classes = classes;
    } else if (which == ATR_TB) {
        atr->spu = value;
    }
}

/* Decodes TAi, TBi or TCi. Up to i = 2 the meaning is fixed, from i = 3 on the previous TD decides
 * (ISO/IEC 7816-3:2006, 8.2.3). */
static void decode_interface_byte(struct atr *atr, struct walk *walk, size_t i, uint8_t which, uint8_t value)
{
    size_t at = walk->at;

    if (i == 1) {
        if (which == ATR_TA)
            decode_ta1(atr, value, at);
        else if (which == ATR_TB)
            warn(atr, ATR_WARN_TB1_DEPRECATED, at);
        else
            atr->extra_guard_time = value;
    } else if (i == 2) {
        if (which == ATR_TA)
            decode_ta2(atr, value, at);
        else if (which == ATR_TB)
            warn(atr, ATR_WARN_TB2_DEPRECATED, at);
        else if (value == 0)
            warn(atr, ATR_WARN_WI_RFU, at);
        else
            atr->wi = value;
    } else if (walk->td_previous == 1 && (walk->t1_seen & which) == 0) {
        walk->t1_seen |= which;
        decode_t1(atr, which, value, at);
    } else if (walk->td_previous == ATR_T15 && (walk->t15_seen & which) == 0) {
        walk->t15_seen |= which;
        decode_t15(atr, which, value, at);
    }
}

static void decode_td(struct atr *atr, struct walk *walk, size_t i, uint8_t value)
{
    uint8_t protocol = value & 0x0F;

    if (protocol == ATR_T15)
        atr->has_t15 = true;
    else
        offer(atr, protocol);
    if (protocol != 0)
        atr->tck_required = true;
    if (protocol >= 2 && protocol <= 13)
        warn(atr, ATR_WARN_PROTOCOL_RFU, walk->at);
    /* T=15 is the highest number, so this also checks that it comes last. */
    if (i > 1 && protocol < walk->td_previous)
        warn(atr, ATR_WARN_PROTOCOL_ORDER, walk->at);
    walk->td_previous = protocol;
}

/* Fails because the next byte is missing: the ATR ends here, or already has the maximum length. */
static enum atr_result fail_missing(const struct atr *atr, struct atr_error *error)
{
    return fail(error, atr->length < ATR_MAX ? ATR_TRUNCATED : ATR_TOO_LONG, atr->length, 0, 0);
}

static void store(struct atr_layout *layout, size_t i, uint8_t which, uint8_t value)
{
    struct atr_group *group = &layout->group[i - 1];

    if (which == ATR_TA)
        group->ta = value;
    else if (which == ATR_TB)
        group->tb = value;
    else if (which == ATR_TC)
        group->tc = value;
    else
        group->td = value;
    group->present |= which;
    layout->group_count = (uint8_t)i;
}

static enum atr_result walk_interface_bytes(struct atr *atr, struct walk *walk, struct atr_error *error)
{
    uint8_t present = atr->raw[1] >> 4;

    /* The layout has room for every group, because each takes at least one of the 31 bytes after T0. */
    for (size_t i = 1; present != 0; i++) {
        uint8_t announced = present;

        present = 0;
        for (unsigned bit = 0; bit < 4; bit++) {
            uint8_t which = (uint8_t)(1u << bit);
            uint8_t value;

            if ((announced & which) == 0)
                continue;
            if (walk->at == atr->length) {
                error->missing = which;
                error->group = (uint8_t)i;
                fail_missing(atr, error);
                if (i > 1 && error->result == ATR_TRUNCATED)
                    error->clause = "8.2.3"; /* a TD announced it, not T0 */
                return error->result;
            }
            value = atr->raw[walk->at];
            store(&atr->layout, i, which, value);
            if (which == ATR_TD) {
                decode_td(atr, walk, i, value);
                present = value >> 4;
            } else {
                decode_interface_byte(atr, walk, i, which, value);
            }
            walk->at++;
        }
    }
    return ATR_OK;
}

static enum atr_result walk_historical_bytes(struct atr *atr, struct walk *walk, struct atr_error *error)
{
    size_t count = atr->raw[1] & 0x0F;
    size_t left = atr->length - walk->at;
    size_t there = left < count ? left : count;

    atr->historical_at = walk->at;
    atr->layout.historical_count = (uint8_t)there;
    memcpy(atr->layout.historical, atr->raw + walk->at, there);
    walk->at += there;
    if (there < count) {
        fail_missing(atr, error);
        error->expected = count;
        error->found = there;
        return error->result;
    }
    return ATR_OK;
}

/* Returns the position of TA2, if there is one. TD1 is the byte before it. */
static size_t group_2_at(const struct atr *atr)
{
    size_t at = 2;

    for (unsigned bit = 0; bit < 4; bit++)
        at += atr->layout.group[0].present >> bit & 1u;
    return at;
}

/* Checks the rules for the whole ATR: the protocols offered, TCK, and what may follow. */
static enum atr_result check_end(struct atr *atr, const struct walk *walk, struct atr_error *error)
{
    bool has_td1 = (atr->layout.group[0].present & ATR_TD) != 0;
    size_t end = walk->at;
    uint8_t expected = atr_check_byte(atr->raw, end);

    if (!has_td1)
        offer(atr, 0);
    if (atr->specific && (atr->protocols & 1u << atr->specific_protocol) == 0)
        warn(atr, ATR_WARN_TA2_PROTOCOL, group_2_at(atr));

    if (atr->tck_required) {
        if (end == ATR_MAX)
            return fail(error, ATR_TOO_LONG, end, 0, 0);
        if (end == atr->length)
            return fail(error, ATR_TCK_MISSING, end, expected, 0);
        atr->tck_present = true;
        atr->tck = atr->raw[end];
        end++;
    }
    if (!atr->tck_required && atr->length == end + 1 && atr->raw[end] == expected)
        return fail(error, ATR_TCK_UNEXPECTED, end, 0, expected);
    if (atr->length > end)
        return fail(error, ATR_TRAILING, end, 0, atr->length - end);
    if (has_td1 && (atr->layout.group[0].td & 0x0F) == ATR_T15)
        return fail(error, ATR_T15_FIRST, group_2_at(atr) - 1, 0, 0);
    if (atr->tck_present && atr->tck != expected)
        return fail(error, ATR_TCK_WRONG, end - 1, expected, atr->tck);
    return ATR_OK;
}

enum atr_result atr_parse(const uint8_t *bytes, size_t length, struct atr *out, struct atr_error *error)
{
    struct walk walk = {.at = 2};
    struct atr_error unwanted;
    enum atr_result result;

    if (!error)
        error = &unwanted;
    memset(error, 0, sizeof *error);
    fail(error, ATR_OK, 0, 0, 0);
    set_defaults(out);

    if (length == 0)
        return fail(error, ATR_EMPTY, 0, 0, 0);
    out->length = length < ATR_MAX ? length : ATR_MAX;
    memcpy(out->raw, bytes, out->length);
    if (bytes[0] != ATR_DIRECT && bytes[0] != ATR_INVERSE)
        return fail(error, ATR_BAD_TS, 0, 0, bytes[0]);
    out->layout.convention = (enum atr_convention)bytes[0];
    if (length > ATR_MAX)
        return fail(error, ATR_TOO_LONG, ATR_MAX, 0, length - 1);
    if (length == 1) {
        fail(error, ATR_TRUNCATED, 1, 0, 0);
        error->clause = "8.2.1";
        return ATR_TRUNCATED;
    }

    result = walk_interface_bytes(out, &walk, error);
    if (result == ATR_OK)
        result = walk_historical_bytes(out, &walk, error);
    if (result == ATR_OK)
        result = check_end(out, &walk, error);
    return result;
}

size_t atr_announced(const uint8_t *bytes, size_t length)
{
    size_t end = 2; /* TS and T0 */
    bool tck = false;

    if (length < end)
        return end;
    for (unsigned present = bytes[1] >> 4u; present != 0;) {
        for (unsigned bit = 0; bit < 4; bit++)
            end += present >> bit & 1u;
        if ((present & ATR_TD) == 0 || end > length)
            break;
        tck = tck || (bytes[end - 1] & 0x0F) != 0;
        present = bytes[end - 1] >> 4u;
    }
    return end + (bytes[1] & 0x0F) + tck;
}

bool atr_is_decoded(enum atr_result result)
{
    return result == ATR_OK || (result >= ATR_TRAILING && result <= ATR_TCK_WRONG);
}

uint8_t atr_default_protocol(const struct atr *atr)
{
    return atr->specific ? atr->specific_protocol : atr->first_protocol;
}

void atr_default_speed(const struct atr *atr, uint16_t *f, uint8_t *d)
{
    bool said = atr->specific && !atr->implicit_parameters;
    *f = said ? atr->f : 372;
    *d = said ? atr->d : 1;
}

uint8_t atr_check_byte(const uint8_t *bytes, size_t length)
{
    uint8_t check = 0;

    for (size_t i = 1; i < length; i++)
        check ^= bytes[i];
    return check;
}

/* Returns the length of a text from snprintf. snprintf can fail only inside the C library; the text is
 * then empty. */
static size_t text_length(int n, char *buf, size_t capacity)
{
    if (n >= 0)
        return (size_t)n;
    if (capacity > 0)
        buf[0] = '\0';
    return 0;
}

static char interface_letter(uint8_t which)
{
    return which == ATR_TA ? 'A' : which == ATR_TB ? 'B' : which == ATR_TC ? 'C' : 'D';
}

/* Writes what is wrong. The text is short, so a buffer of fixed size is enough. */
static void describe(const struct atr_error *error, char *buf, size_t capacity)
{
    unsigned group = error->group;
    const char *plural = error->found == 1 ? "" : "s";

    snprintf(buf, capacity, "%s", error->reason ? error->reason : reason_text(error->result));
    switch (error->result) {
    case ATR_BAD_TS:
        snprintf(buf, capacity, "TS is %02zX, expected 3B or 3F", error->found);
        break;
    case ATR_TRUNCATED:
        if (group > 1)
            snprintf(buf, capacity, "TD%u says that T%c%u follows, but the ATR ends", group - 1,
                     interface_letter(error->missing), group);
        else if (group == 1)
            snprintf(buf, capacity, "T0 says that T%c1 follows, but the ATR ends",
                     interface_letter(error->missing));
        else if (error->expected > 0)
            snprintf(buf, capacity, "T0 says that %zu historical byte%s, %zu %s there", error->expected,
                     error->expected == 1 ? " follows" : "s follow", error->found,
                     error->found == 1 ? "is" : "are");
        else
            snprintf(buf, capacity, "T0 must follow TS, but the ATR ends");
        break;
    case ATR_TOO_LONG:
        if (error->found > 0)
            snprintf(buf, capacity, "%zu bytes follow TS, at most 32 may", error->found);
        else
            snprintf(buf, capacity, "the ATR announces more than the 32 bytes that may follow TS");
        break;
    case ATR_TRAILING:
        snprintf(buf, capacity, "%zu byte%s too many after the end of the ATR", error->found, plural);
        break;
    case ATR_TCK_UNEXPECTED:
        snprintf(buf, capacity, "TCK %02zX follows although only T=0 is offered", error->found);
        break;
    case ATR_TCK_MISSING:
        snprintf(buf, capacity, "TCK is missing, expected %02zX", error->expected);
        break;
    case ATR_TCK_WRONG:
        snprintf(buf, capacity, "TCK is %02zX, expected %02zX", error->found, error->expected);
        break;
    case ATR_OK:
    case ATR_EMPTY:
    case ATR_T15_FIRST:
        break; /* the reason needs no figures */
    }
}

size_t atr_error_text(const struct atr_error *error, char *buf, size_t capacity)
{
    const char *clause = error->clause ? error->clause : reason_clause(error->result);
    char what[128];
    int n;

    describe(error, what, sizeof what);
    if (error->result == ATR_OK || error->result > ATR_TCK_WRONG)
        n = snprintf(buf, capacity, "%s", what);
    else
        n = snprintf(buf, capacity, "byte %zu: %s (" STANDARD ", %s)", error->position, what, clause);
    return text_length(n, buf, capacity);
}

size_t atr_warning_text(const struct atr *atr, enum atr_warning warning, char *buf, size_t capacity)
{
    static const struct {
        const char *what;
        const char *clause;
    } text[ATR_WARNING_COUNT] = {
        [ATR_WARN_FI_RFU] = {"TA1 has a value for Fi that is reserved", "8.3"},
        [ATR_WARN_DI_RFU] = {"TA1 has a value for Di that is reserved", "8.3"},
        [ATR_WARN_TB1_DEPRECATED] = {"TB1 is deprecated", "8.3"},
        [ATR_WARN_TB2_DEPRECATED] = {"TB2 is deprecated", "8.3"},
        [ATR_WARN_TA2_RFU] = {"bits 7 and 6 of TA2 are reserved and should be 0", "8.3"},
        [ATR_WARN_TA2_PROTOCOL] = {"TA2 names a protocol that is not offered", "8.3"},
        [ATR_WARN_WI_RFU] = {"TC2 is 00, a waiting time integer that is reserved", "10.2"},
        [ATR_WARN_PROTOCOL_RFU] = {"the protocol offered is reserved", "8.2.3"},
        [ATR_WARN_PROTOCOL_ORDER] = {"the protocols are not in ascending order", "8.2.3"},
        [ATR_WARN_IFSC_RFU] = {"the information field size for T=1 is reserved", "11.4.2"},
        [ATR_WARN_BWI_RFU] = {"the block waiting time integer for T=1 is reserved", "11.4.3"},
        [ATR_WARN_EDC_RFU] = {"bits 8 to 2 of the first TC for T=1 are reserved and should be 0", "11.4.4"},
        [ATR_WARN_CLASS_RFU] = {"the class indicator in the first TA for T=15 is reserved", "8.3"},
    };
    int n = 0;

    if (capacity > 0)
        buf[0] = '\0';
    if ((unsigned)warning < ATR_WARNING_COUNT && (atr->warnings & 1u << warning) != 0)
        n = snprintf(buf, capacity, "byte %u: %s (" STANDARD ", %s)", atr->warning_at[warning],
                     text[warning].what, text[warning].clause);
    return text_length(n, buf, capacity);
}
