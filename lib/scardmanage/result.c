/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages and names. */
#include "scardmanage.h"

struct result_text {
    uint32_t code;
    const char *text;
};

/* Replaces pcsc_stringify_error(): only pcsc-lite has that function, and its old versions write to
 * a static buffer. */
static const struct result_text results[] = {
    {0x00000000, "success"},
    {0x80004001, "not implemented"},
    {0x80004003, "null pointer"},
    {0x80004005, "unspecified failure"},
    {0x8007000E, "out of memory"},
    {0x80070057, "invalid argument"},
    {0x80100001, "internal error of the smart card service"},
    {0x80100002, "cancelled"},
    {0x80100003, "not attached, or the card handle is not valid"},
    {0x80100004, "invalid parameter"},
    {0x80100005, "invalid startup information"},
    {0x80100006, "out of memory"},
    {0x80100007, "internal timeout of the smart card service"},
    {0x80100008, "buffer too small"},
    {0x80100009, "no such reader"},
    {0x8010000A, "time is up"},
    {0x8010000B, "another client uses the card"},
    {0x8010000C, "no card in the reader"},
    {0x8010000D, "unknown card"},
    {0x8010000E, "the reader cannot do this with the card"},
    {0x8010000F, "the card does not speak the protocol asked for"},
    {0x80100010, "reader or card not ready"},
    {0x80100011, "invalid value"},
    {0x80100012, "cancelled by the system"},
    {0x80100013, "communication with the smart card service failed"},
    {0x80100014, "unknown internal error of the smart card service"},
    {0x80100015, "invalid ATR"},
    {0x80100016, "not transacted"},
    {0x80100017, "reader not available"},
    {0x80100018, "the smart card service is shutting down"},
    {0x80100019, "PCI buffer too small"},
    {0x8010001A, "reader not supported"},
    {0x8010001B, "a reader of this name is there already"},
    {0x8010001C, "card not supported"},
    {0x8010001D, "smart card service not running"},
    {0x8010001E, "smart card service stopped"},
    {0x8010001F, "unexpected card error, or feature not supported"}, /* pcsc-lite: the latter */
    {0x80100020, "no provider for this interface"},
    {0x80100021, "object cannot be created yet"},
    {0x80100022, "feature not supported"},
    {0x80100023, "directory not found on the card"},
    {0x80100024, "file not found on the card"},
    {0x80100025, "not a directory of the card"},
    {0x80100026, "not a file of the card"},
    {0x80100027, "access to the file is denied"},
    {0x80100028, "no room left on the card"},
    {0x80100029, "position outside the file"},
    {0x8010002A, "the PIN has the wrong form"},
    {0x8010002B, "unknown error of a layer below"},
    {0x8010002C, "no such certificate"},
    {0x8010002D, "certificate not available"},
    {0x8010002E, "no reader"},
    {0x8010002F, "communication with the card failed"},
    {0x80100030, "no such key container"},
    {0x80100031, "smart card service too busy"},
    {0x80100065, "the ATR of the card is not supported"},
    {0x80100066, "the card does not answer"},
    {0x80100067, "the card has no power"},
    {0x80100068, "the card was reset"},
    {0x80100069, "the card was removed"},
    {0x8010006A, "access denied, or the service has too many clients"},
    {0x8010006B, "wrong PIN"},
    {0x8010006C, "the PIN is blocked"},
    {0x8010006D, "end of the file"},
    {0x8010006E, "cancelled by the user"},
    {0x8010006F, "no PIN was presented"},
    {0xA0100001, "the state on the card is lost"},
    {0xA0100002, "too few tries"},
};

const char *scardmanage_strerror(scardmanage_result result)
{
    for (size_t i = 0; i < sizeof results / sizeof results[0]; i++)
        if (SCARDMANAGE_RESULT(results[i].code) == result)
            return results[i].text;
    return "unknown error";
}

static const char *name_of(int value, const char *const *names, size_t count)
{
    return value >= 0 && (size_t)value < count ? names[value] : "unknown";
}

#define NAME_OF(value, names) name_of((int)(value), names, sizeof names / sizeof names[0])

const char *scardmanage_step_name(scardmanage_step step)
{
    static const char *const names[] = {"none", "leave", "warm", "cold", "reopen", "restart"};
    return NAME_OF(step, names);
}

const char *scardmanage_verdict_name(scardmanage_verdict verdict)
{
    static const char *const names[] = {
        "unknown", "unchanged", "reset", "reinserted", "different card", "first card", "no card",
    };
    return NAME_OF(verdict, names);
}

const char *scardmanage_lock_name(scardmanage_lock_state lock)
{
    static const char *const names[] = {"none", "kept", "reacquired", "lost"};
    return NAME_OF(lock, names);
}

const char *scardmanage_state_name(scardmanage_state state)
{
    static const char *const names[] = {
        "unknown", "absent", "present", "swallowed", "powered", "negotiable", "specific",
    };
    return NAME_OF(state, names);
}

const char *scardmanage_protocol_name(uint32_t protocol)
{
    switch (protocol) {
    case 0:
        return "none";
    case SCARDMANAGE_PROTOCOL_T0:
        return "T=0";
    case SCARDMANAGE_PROTOCOL_T1:
        return "T=1";
    case SCARDMANAGE_PROTOCOL_RAW:
        return "raw";
    default:
        return "unknown";
    }
}
