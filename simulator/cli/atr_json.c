/* SPDX-License-Identifier: BSD-3-Clause */
/* cardrig atr: the output for programs. cardrig-atr(1) documents every number and name here. */
#include "cli/atr_output.h"

#include "iso7816/hex.h"

#include <stdlib.h>

static json_t *hex_json(const uint8_t *bytes, size_t length)
{
    char *text = malloc(3 * length + 1);
    if (!text)
        return NULL;
    hex_encode(bytes, length, text, 3 * length + 1, ' ');
    json_t *json = json_string(text);
    free(text);
    return json;
}

static void collect_byte(void *arg, const char *name, size_t position, uint8_t value, const char *meaning)
{
    json_array_append_new(arg, json_pack("{s:s, s:I, s:i, s:s}", "name", name, "position",
                                         (json_int_t)position, "value", value, "meaning", meaning));
}

static json_t *bytes_json(const struct analysis *analysis)
{
    json_t *bytes = json_array();
    analysis_each_byte(analysis, collect_byte, bytes);
    return bytes;
}

static json_t *warnings_json(const struct atr *atr)
{
    static const char *const code[ATR_WARNING_COUNT] = {
        [ATR_WARN_FI_RFU] = "fi_reserved",
        [ATR_WARN_DI_RFU] = "di_reserved",
        [ATR_WARN_TB1_DEPRECATED] = "tb1_deprecated",
        [ATR_WARN_TB2_DEPRECATED] = "tb2_deprecated",
        [ATR_WARN_TA2_RFU] = "ta2_reserved",
        [ATR_WARN_TA2_PROTOCOL] = "ta2_protocol",
        [ATR_WARN_WI_RFU] = "wi_reserved",
        [ATR_WARN_PROTOCOL_RFU] = "protocol_reserved",
        [ATR_WARN_PROTOCOL_ORDER] = "protocol_order",
        [ATR_WARN_IFSC_RFU] = "ifsc_reserved",
        [ATR_WARN_BWI_RFU] = "bwi_reserved",
        [ATR_WARN_EDC_RFU] = "edc_reserved",
        [ATR_WARN_CLASS_RFU] = "class_reserved",
    };
    json_t *warnings = json_array();
    char text[256];
    for (unsigned warning = 0; warning < ATR_WARNING_COUNT; warning++)
        if (atr_warning_text(atr, (enum atr_warning)warning, text, sizeof text) > 0)
            json_array_append_new(warnings, json_pack("{s:s, s:i, s:s}", "code", code[warning], "position",
                                                      atr->warning_at[warning], "text", text));
    return warnings;
}

static const char *error_code(enum atr_result result)
{
    switch (result) {
    case ATR_EMPTY:
        return "empty";
    case ATR_BAD_TS:
        return "bad_ts";
    case ATR_TRUNCATED:
        return "truncated";
    case ATR_TOO_LONG:
        return "too_long";
    case ATR_TRAILING:
        return "trailing";
    case ATR_TCK_UNEXPECTED:
        return "tck_unexpected";
    case ATR_TCK_MISSING:
        return "tck_missing";
    case ATR_T15_FIRST:
        return "t15_first";
    case ATR_TCK_WRONG:
        return "tck_wrong";
    case ATR_OK:
        break; /* not an error */
    }
    return "?";
}

static json_t *error_json(const struct atr_error *error)
{
    char text[256];
    if (error->result == ATR_OK)
        return json_null();
    atr_error_text(error, text, sizeof text);
    return json_pack("{s:s, s:I, s:s, s:s}", "code", error_code(error->result), "position",
                     (json_int_t)error->position, "clause", error->clause, "text", text);
}

static json_t *historical_json(const struct atr *atr)
{
    char text[ATR_HISTORICAL_MAX + 1];
    analysis_historical_text(atr, text);
    return json_pack("{s:o, s:s}", "hex", hex_json(atr->layout.historical, atr->layout.historical_count),
                     "text", text);
}

static json_t *tck_json(const struct analysis *analysis)
{
    const struct atr *atr = &analysis->atr;
    bool present = atr->tck_present || analysis->error.result == ATR_TCK_UNEXPECTED;
    bool wanted = present || atr->tck_required;
    return json_pack("{s:s, s:o, s:o}", "verdict", analysis_tck_verdict(analysis), /**/
                     "value", present ? json_integer(atr->raw[analysis_tck_position(atr)]) : json_null(),
                     "expected", wanted ? json_integer(analysis_tck_expected(atr)) : json_null());
}

static json_t *protocols_json(const struct atr *atr)
{
    json_t *protocols = json_array();
    for (unsigned i = 0; i < atr->protocol_count; i++)
        json_array_append_new(protocols, json_integer(atr->protocol[i]));
    return protocols;
}

static json_t *specific_json(const struct atr *atr)
{
    if (!atr->specific)
        return json_null();
    return json_pack("{s:i, s:b, s:b}", "protocol", atr->specific_protocol, "changeable",
                     atr->mode_changeable, "implicit", atr->implicit_parameters);
}

static json_t *speed_json(const struct atr *atr)
{
    return json_pack("{s:i, s:i, s:i, s:i, s:f, s:i}", "fi", atr->fi, "di", atr->di, "f", atr->f, "d", atr->d,
                     "cycles_per_etu", analysis_cycles_per_etu(atr), "fmax_khz", atr->fmax_khz);
}

static json_t *electrical_json(const struct atr *atr)
{
    static const char *const clock_stop[] = {"none", "low", "high", "any"};
    char classes[4] = "", *end = classes;
    for (unsigned bit = 0; bit < 3; bit++)
        if (atr->classes & 1u << bit)
            *end++ = "ABC"[bit];
    *end = '\0';
    return json_pack("{s:s, s:s, s:i}", "classes", classes, "clock_stop", clock_stop[atr->clock_stop], "spu",
                     atr->spu);
}

static json_t *t0_json(const struct atr *atr)
{
    if (!analysis_concerns(atr, 0))
        return json_null();
    return json_pack("{s:i}", "wi", atr->wi);
}

static json_t *t1_json(const struct atr *atr)
{
    if (!analysis_concerns(atr, 1))
        return json_null();
    return json_pack("{s:i, s:i, s:i, s:s}", "ifsc", atr->ifsc, "cwi", atr->cwi, "bwi", atr->bwi, "edc",
                     atr->edc == ATR_EDC_CRC ? "CRC" : "LRC");
}

static json_t *times_json(const struct atr *atr)
{
    struct times all[TIMES_MAX];
    size_t count = analysis_find_times(atr, all);
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++) {
        const struct timing *timing = &all[i].timing;
        json_t *t0 =
            analysis_concerns(atr, 0) ? json_pack("{s:I}", "wwt", (json_int_t)timing->wwt) : json_null();
        json_t *t1 = analysis_concerns(atr, 1)
                         ? json_pack("{s:I, s:I, s:I, s:I}", "cgt", (json_int_t)timing->cgt, "bgt",
                                     (json_int_t)timing->bgt, "cwt", (json_int_t)timing->cwt, "bwt",
                                     (json_int_t)timing->bwt)
                         : json_null();
        json_array_append_new(array, json_pack("{s:i, s:i, s:I, s:o, s:o}", "f", all[i].f, "d", all[i].d,
                                               "gt", (json_int_t)timing->gt, "t0", t0, "t1", t1));
    }
    return array;
}

/* Returns the members that only a decoded ATR has. */
static json_t *whole_json(const struct analysis *analysis)
{
    const struct atr *atr = &analysis->atr;
    uint8_t by_default = atr_default_protocol(atr);
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:i, s:o, s:o, s:o}",              /**/
                     "historical", historical_json(atr),                                     /**/
                     "tck", tck_json(analysis),                                              /**/
                     "protocols", protocols_json(atr),                                       /**/
                     "default_protocol",                                                     /**/
                     by_default == ATR_NO_PROTOCOL ? json_null() : json_integer(by_default), /**/
                     "specific", specific_json(atr),                                         /**/
                     "speed", speed_json(atr),                                               /**/
                     "electrical", electrical_json(atr),                                     /**/
                     "extra_guard_time", atr->extra_guard_time,                              /**/
                     "t0", t0_json(atr),                                                     /**/
                     "t1", t1_json(atr),                                                     /**/
                     "times", times_json(atr));
}

json_t *atr_json(const struct analysis *analysis)
{
    json_t *json = json_pack("{s:o, s:b, s:b, s:o, s:o, s:o}",                     /**/
                             "atr", hex_json(analysis->bytes, analysis->length),   /**/
                             "valid", analysis->error.result == ATR_OK, "decoded", /**/
                             analysis->decoded, "error", error_json(&analysis->error), "warnings",
                             warnings_json(&analysis->atr), "bytes", bytes_json(analysis));
    if (json && analysis->decoded) {
        json_t *whole = whole_json(analysis);
        if (!whole || json_object_update(json, whole) != 0) {
            json_decref(json);
            json = NULL;
        }
        json_decref(whole);
    }
    return json;
}
