/* SPDX-License-Identifier: BSD-3-Clause */
/* A client of libscardmanage whose calls come on its standard input, a JSON object a line; it prints the
 * result of each, a JSON object a line:
 *
 *   {"call": "reconnect_ex", "options": {"last_step": "warm"}}
 *   {"code": "S_OK", "report": {"step": "leave", "verdict": "the same card, reset", ...}}
 *
 * "object" is the number of the attachment, "handle" that of a PC/SC handle, each 0 if not given. The calls
 * that begin with pcsc_ are PC/SC's own, for the caller's handle and for the others. Any call can be made in
 * a thread: {"call": "start", "name": "a", "do": {...}}, and then {"call": "finish", "name": "a"} has its
 * answer.
 *
 * "rebuild" in options is what the rebuild function does: a list of calls for each time it is called; the
 * last one is for all times after, too. {"call": "return", "code": N} there is what it returns; {"call":
 * "hold"} waits in it for {"call": "go"}, and {"call": "await_hold"} waits for that. Without "identify" and
 * "accept_unidentified", the latter is set.
 *
 * "identify" is a list in the same way for the identify function. The identity is the data of the last response
 * in it, or "identity", in hexadecimal, of "return".
 */
#include "process.h"
#include "scardmanage.h"
#include "status_change.h"

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define OBJECTS   4
#define HANDLES   4
#define THREADS   16
#define REBUILDS  512
#define HUNG      50 /* seconds; the harness gives up after more */
#define APDU_MAX  65544
#define COUNT(of) (sizeof(of) / sizeof(of)[0])

/* What a rebuild function is to do, and did. */
typedef struct rebuild {
    unsigned object;
    bool identifies;
    json_t *script;
    json_t *log;
} rebuild;

typedef struct thread {
    char name[32]; /* empty: not in use */
    pthread_t id;
    json_t *request, *answer;
    atomic_bool done;
} thread;

static scardmanage *objects[OBJECTS];
static SCARDCONTEXT context;
static SCARDHANDLE handles[HANDLES];
static DWORD protocols[HANDLES];
static thread threads[THREADS];
static rebuild rebuilds[REBUILDS];
static unsigned rebuild_count;
static _Thread_local bool is_caller; /* this thread is in a call that may rebuild */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool holds;

static json_t *carry_out(json_t *request);

/*
 * Words
 */

#define OURS(name)                                                                                           \
    {                                                                                                        \
        SCARDMANAGE_##name, #name                                                                            \
    }
#define THEIRS(name)                                                                                         \
    {                                                                                                        \
        SCARDMANAGE_RESULT(SCARD_##name), #name                                                              \
    }

static const struct {
    scardmanage_result code;
    const char *name;
} codes[] = {
    OURS(S_OK),
    {1, "S_FALSE"},
    OURS(E_POINTER),
    OURS(E_FAIL),
    OURS(E_OUTOFMEMORY),
    OURS(E_INVALIDARG),
    OURS(E_CANCELLED),
    OURS(E_INVALID_HANDLE),
    OURS(E_INSUFFICIENT_BUFFER),
    OURS(E_UNKNOWN_READER),
    OURS(E_TIMEOUT),
    OURS(E_SHARING_VIOLATION),
    OURS(E_NO_SMARTCARD),
    OURS(E_CANT_DISPOSE),
    OURS(E_PROTO_MISMATCH),
    OURS(E_NOT_TRANSACTED),
    OURS(E_READER_UNAVAILABLE),
    OURS(E_NO_SERVICE),
    OURS(W_UNRESPONSIVE_CARD),
    OURS(W_UNPOWERED_CARD),
    OURS(W_RESET_CARD),
    OURS(W_REMOVED_CARD),
    THEIRS(F_INTERNAL_ERROR),
    THEIRS(F_COMM_ERROR),
    THEIRS(E_INVALID_VALUE),
    THEIRS(E_NOT_READY),
    THEIRS(E_COMM_DATA_LOST),
    THEIRS(E_NO_READERS_AVAILABLE),
    THEIRS(E_SERVICE_STOPPED),
    THEIRS(W_SECURITY_VIOLATION),
};

static const char *const steps[] = {"none", "leave", "warm", "cold", "reopen", "restart"};
static const char *const verdicts[] = {"unknown",   "unchanged", "reset", "reinserted",
                                       "different", "first",     "absent"};
static const char *const locks[] = {"none", "kept", "reacquired", "lost"};
static const char *const shares[] = {"keep", "exclusive", "shared"};
static const char *const dispositions[] = {"leave", "reset", "unpower", "eject"};
static const char *const states[] = {"unknown", "absent",     "present", "swallowed",
                                     "powered", "negotiable", "specific"};

#define WORD(words, number) json_string((size_t)(number) < COUNT(words) ? (words)[number] : "?")

static void die(const char *what, const char *why)
{
    fprintf(stderr, "manage_client: %s: %s\n", what, why);
    _exit(99);
}

static int number_of(const char *const *words, size_t count, json_t *value)
{
    const char *word = json_string_value(value);
    if (word == NULL)
        return (int)json_integer_value(value);
    for (size_t i = 0; i < count; i++)
        if (strcmp(words[i], word) == 0)
            return (int)i;
    die("no such word", word);
    return 0;
}

#define NUMBER_OF(words, request, key) number_of(words, COUNT(words), json_object_get(request, key))

static void set_code(json_t *answer, scardmanage_result code)
{
    char hex[16];
    const char *name = hex;
    snprintf(hex, sizeof hex, "%08X", (unsigned)code);
    for (size_t i = 0; i < COUNT(codes); i++)
        if (codes[i].code == code)
            name = codes[i].name;
    json_object_set_new(answer, "code", json_string(name));
}

static scardmanage_result code_of(const char *name)
{
    for (size_t i = 0; i < COUNT(codes); i++)
        if (strcmp(codes[i].name, name) == 0)
            return codes[i].code;
    die("no such code", name);
    return 0;
}

static json_t *hex(const uint8_t *bytes, size_t length)
{
    char *text = malloc(2 * length + 1);
    if (text == NULL)
        die("hex", "no memory");
    for (size_t i = 0; i < length; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    json_t *string = json_stringn(text, 2 * length);
    free(text);
    return string;
}

static size_t unhex(const char *text, uint8_t *bytes, size_t room)
{
    size_t length = strlen(text) / 2;
    if (length > room)
        die("too long", text);
    for (size_t i = 0; i < length; i++) {
        char digits[3] = {text[2 * i], text[2 * i + 1], '\0'};
        bytes[i] = (uint8_t)strtoul(digits, NULL, 16);
    }
    return length;
}

static bool flag(json_t *request, const char *key)
{
    json_t *value = json_object_get(request, key);
    return json_is_true(value) || json_integer_value(value) != 0;
}

static uint32_t number(json_t *request, const char *key, uint32_t otherwise)
{
    json_t *value = json_object_get(request, key);
    return value != NULL ? (uint32_t)json_integer_value(value) : otherwise;
}

static const char *text(json_t *request, const char *key)
{
    const char *value = json_string_value(json_object_get(request, key));
    if (value == NULL)
        die("missing in a request", key);
    return value;
}

static unsigned index_of(json_t *request, const char *key, unsigned count)
{
    uint32_t index = number(request, key, 0);
    if (index >= count)
        die("too high", key);
    return index;
}

static scardmanage **object_of(json_t *request)
{
    return &objects[index_of(request, "object", OBJECTS)];
}

/*
 * Options and reports
 */

/* With room for what a newer version might have. */
typedef union options_buffer {
    scardmanage_options options;
    uint8_t bytes[2 * sizeof(scardmanage_options)];
} options_buffer;

typedef union report_buffer {
    scardmanage_report report;
    uint8_t bytes[2 * sizeof(scardmanage_report)];
} report_buffer;

static json_t *report_to_json(const scardmanage_report *report)
{
    json_t *answer = json_object(), *last = json_object();
    json_object_set_new(answer, "step", WORD(steps, report->step));
    json_object_set_new(answer, "verdict", WORD(verdicts, report->verdict));
    json_object_set_new(answer, "lock", WORD(locks, report->lock));
    json_object_set_new(answer, "attempts", json_integer(report->attempts));
    json_object_set_new(answer, "elapsed_us", json_integer((json_int_t)report->elapsed_us));
    set_code(last, report->last_result);
    json_object_set(answer, "last_result", json_object_get(last, "code"));
    json_decref(last);
    json_object_set_new(answer, "old_protocol", json_integer(report->old_protocol));
    json_object_set_new(answer, "new_protocol", json_integer(report->new_protocol));
    json_object_set_new(answer, "old_atr", hex(report->old_atr, report->old_atr_len));
    json_object_set_new(answer, "new_atr", hex(report->new_atr, report->new_atr_len));
    json_object_set_new(answer, "sent", json_integer(report->sent));
    json_object_set_new(answer, "waited_us", json_integer((json_int_t)report->waited_us));
    return answer;
}

/* A function of the caller; entry is for its log. "identity" in it: in hexadecimal, if there was any. */
static scardmanage_result run_function(scardmanage *m, rebuild *r, json_t *entry)
{
    scardmanage_result result = SCARDMANAGE_S_OK;
    json_t *answers = json_array(), *request;
    size_t i;
    json_object_set_new(entry, "callers_thread", json_boolean(is_caller));
    json_object_set_new(entry, "right_object", json_boolean(m == objects[r->object]));
    json_object_set_new(entry, "answers", answers);
    pthread_mutex_lock(&mutex);
    size_t turn = json_array_size(r->log);
    json_array_append_new(r->log, entry);
    pthread_mutex_unlock(&mutex);
    if (turn >= json_array_size(r->script))
        turn = json_array_size(r->script) - 1;
    json_array_foreach(json_array_get(r->script, turn), i, request)
    {
        if (strcmp(text(request, "call"), "return") == 0) {
            result = code_of(text(request, "code"));
            json_object_set(entry, "identity", json_object_get(request, "identity"));
            continue;
        }
        json_t *answer = carry_out(request);
        const char *response = json_string_value(json_object_get(answer, "response"));
        if (response && strlen(response) >= 4)
            json_object_set_new(entry, "identity", json_stringn(response, strlen(response) - 4));
        pthread_mutex_lock(&mutex);
        json_array_append_new(answers, answer);
        pthread_mutex_unlock(&mutex);
    }
    return result;
}

static scardmanage_result run_rebuild(scardmanage *m, const scardmanage_report *report, void *pointer)
{
    json_t *entry = json_object();
    json_object_set_new(entry, "report", report_to_json(report));
    return run_function(m, pointer, entry);
}

static scardmanage_result run_identify(scardmanage *m, uint8_t *bytes, size_t *length, void *pointer)
{
    size_t room = *length;
    json_t *entry = json_object();
    scardmanage_result result = run_function(m, pointer, json_incref(entry));
    const char *identity = json_string_value(json_object_get(entry, "identity"));
    *length = identity ? strlen(identity) / 2 : 0;
    for (size_t i = 0; i < *length && i < room; i++)
        sscanf(identity + 2 * i, "%2hhx", &bytes[i]);
    json_decref(entry);
    return result;
}

static rebuild *new_rebuild(unsigned object, bool identifies, json_t *script)
{
    pthread_mutex_lock(&mutex);
    if (rebuild_count == REBUILDS)
        die("too many", "rebuild functions");
    rebuild *r = &rebuilds[rebuild_count++];
    pthread_mutex_unlock(&mutex);
    r->object = object;
    r->identifies = identifies;
    r->script = json_incref(script);
    r->log = json_array();
    return r;
}

/* The offset of a field, for structs of older versions. */
static size_t size_of_options(json_t *value)
{
    static const struct {
        const char *field;
        size_t offset;
    } ends[] = {
        {"timeout_ms", offsetof(scardmanage_options, timeout_ms)},
        {"wait_ms", offsetof(scardmanage_options, wait_ms)},
        {"accept_other_index", offsetof(scardmanage_options, accept_other_index)},
        {"rebuild", offsetof(scardmanage_options, rebuild)},
        {"identify", offsetof(scardmanage_options, identify)},
        {"more", sizeof(options_buffer)},
    };
    if (value == NULL)
        return sizeof(scardmanage_options);
    for (size_t i = 0; i < COUNT(ends); i++)
        if (json_is_string(value) && strcmp(ends[i].field, json_string_value(value)) == 0)
            return ends[i].offset;
    return (size_t)json_integer_value(value);
}

/* Null if the request has none. "size" is a number, "more", or the first field that is not there any more;
 * "garbage" what lies in all bytes that are not set. */
static const scardmanage_options *read_options(json_t *request, options_buffer *buffer)
{
    json_t *from = json_object_get(request, "options"), *script = json_object_get(from, "rebuild");
    if (from == NULL)
        return NULL;
    scardmanage_options options = {
        .size = size_of_options(json_object_get(from, "size")),
        .first_step = (scardmanage_step)NUMBER_OF(steps, from, "first_step"),
        .last_step = (scardmanage_step)NUMBER_OF(steps, from, "last_step"),
        .protocols = number(from, "protocols", 0),
        .share = (scardmanage_share)NUMBER_OF(shares, from, "share"),
        .accept_other_card = flag(from, "accept_other_card"),
        .timeout_ms = number(from, "timeout_ms", 0),
        .wait_ms = number(from, "wait_ms", 0),
        .accept_other_index = flag(from, "accept_other_index"),
        .accept_unidentified = flag(from, "accept_unidentified"),
        .rebuild_at_attach = flag(from, "rebuild_at_attach"),
    };
    json_t *identify = json_object_get(from, "identify");
    if (script != NULL) {
        options.rebuild = run_rebuild;
        options.rebuild_context = new_rebuild(index_of(request, "object", OBJECTS), false, script);
    }
    options.accept_unidentified |= !identify && !json_object_get(from, "accept_unidentified");
    if (identify != NULL) {
        options.identify = run_identify;
        options.identify_context = new_rebuild(index_of(request, "object", OBJECTS), true, identify);
    }
    memset(buffer, (int)number(from, "garbage", 0), sizeof *buffer);
    memcpy(buffer, &options, options.size < sizeof options ? options.size : sizeof options);
    return &buffer->options;
}

static scardmanage_report *new_report(json_t *request, report_buffer *buffer)
{
    if (json_is_false(json_object_get(request, "report")))
        return NULL;
    json_t *size = json_object_get(request, "report_size"); /* "sent": as it was before that field */
    memset(buffer, 0xA5, sizeof *buffer);
    buffer->report.size = json_is_string(size) ? offsetof(scardmanage_report, sent)
                                               : number(request, "report_size", sizeof buffer->report);
    return &buffer->report;
}

static void add_report(json_t *answer, const scardmanage_report *report, scardmanage_result result)
{
    if (report != NULL && result != SCARDMANAGE_E_POINTER && result != SCARDMANAGE_E_INVALIDARG)
        json_object_set_new(answer, "report", report_to_json(report));
}

/*
 * The library's functions
 */

static void do_create(json_t *request, json_t *answer)
{
    set_code(answer, scardmanage_create(object_of(request)));
}

static void do_free(json_t *request, json_t *answer)
{
    scardmanage **m = object_of(request);
    scardmanage_free(*m);
    *m = NULL;
    set_code(answer, SCARDMANAGE_S_OK);
}

static void do_set_options(json_t *request, json_t *answer)
{
    options_buffer buffer;
    set_code(answer, scardmanage_set_options(*object_of(request), read_options(request, &buffer)));
}

static void do_cancel(json_t *request, json_t *answer)
{
    set_code(answer, scardmanage_cancel(*object_of(request)));
}

static void do_attach_by_handle(json_t *request, json_t *answer)
{
    SCARDHANDLE handle = handles[index_of(request, "handle", HANDLES)];
    set_code(answer, scardmanage_attach_by_handle(*object_of(request), handle));
}

static void do_attach_by_ifd(json_t *request, json_t *answer)
{
    set_code(answer, scardmanage_attach_by_ifd(*object_of(request), text(request, "reader")));
}

static void do_detach(json_t *request, json_t *answer)
{
    set_code(answer, scardmanage_detach(*object_of(request)));
}

static void do_reconnect(json_t *request, json_t *answer)
{
    bool was = is_caller;
    is_caller = true;
    set_code(answer, scardmanage_reconnect(*object_of(request)));
    is_caller = was;
}

static void do_reconnect_ex(json_t *request, json_t *answer)
{
    options_buffer options;
    report_buffer buffer;
    bool was = is_caller;
    scardmanage_report *report = new_report(request, &buffer);
    is_caller = true;
    scardmanage_result result =
        scardmanage_reconnect_ex(*object_of(request), read_options(request, &options), report);
    is_caller = was;
    set_code(answer, result);
    add_report(answer, report, result);
}

static void do_wait_for_card(json_t *request, json_t *answer)
{
    uint32_t timeout_ms = number(request, "timeout_ms", 0);
    set_code(answer, scardmanage_wait_for_card(*object_of(request), timeout_ms));
}

static void do_lock(json_t *request, json_t *answer)
{
    set_code(answer, scardmanage_lock(*object_of(request)));
}

static void do_unlock(json_t *request, json_t *answer)
{
    scardmanage_disposition how = (scardmanage_disposition)NUMBER_OF(dispositions, request, "disposition");
    set_code(answer, scardmanage_unlock(*object_of(request), how));
}

static void do_status(json_t *request, json_t *answer)
{
    scardmanage_state state = SCARDMANAGE_STATE_UNKNOWN;
    uint32_t protocol = 0;
    set_code(answer, scardmanage_status(*object_of(request), &state, &protocol));
    json_object_set_new(answer, "state", WORD(states, state));
    json_object_set_new(answer, "protocol", json_integer(protocol));
}

static void do_get_atr(json_t *request, json_t *answer)
{
    uint8_t atr[SCARDMANAGE_ATR_MAX];
    size_t length = sizeof atr;
    scardmanage_result result = scardmanage_get_atr(*object_of(request), atr, &length);
    set_code(answer, result);
    if (result == SCARDMANAGE_S_OK)
        json_object_set_new(answer, "atr", hex(atr, length));
}

static void do_get_reader(json_t *request, json_t *answer)
{
    char name[256];
    size_t length = sizeof name;
    scardmanage_result result = scardmanage_get_reader(*object_of(request), name, &length);
    set_code(answer, result);
    if (result == SCARDMANAGE_S_OK)
        json_object_set_new(answer, "reader", json_string(name));
}

static void do_get_handle(json_t *request, json_t *answer)
{
    SCARDHANDLE handle;
    set_code(answer, scardmanage_get_handle(*object_of(request), &handle));
}

static void do_transmit(json_t *request, json_t *answer)
{
    uint8_t command[APDU_MAX], response[APDU_MAX];
    size_t command_len = unhex(text(request, "command"), command, sizeof command);
    size_t response_len = sizeof response;
    scardmanage_result result =
        scardmanage_transmit(*object_of(request), command, command_len, response, &response_len);
    set_code(answer, result);
    json_object_set_new(answer, "response", hex(response, response_len));
}

static void do_transmit_ex(json_t *request, json_t *answer)
{
    uint8_t command[APDU_MAX], response[APDU_MAX];
    size_t command_len = unhex(text(request, "command"), command, sizeof command);
    size_t response_len = sizeof response;
    options_buffer options;
    report_buffer buffer;
    bool was = is_caller;
    scardmanage_report *report = new_report(request, &buffer);
    is_caller = true;
    scardmanage_result result =
        scardmanage_transmit_ex(*object_of(request), command, command_len, response, &response_len,
                                flag(request, "repeatable"), read_options(request, &options), report);
    is_caller = was;
    set_code(answer, result);
    json_object_set_new(answer, "response", hex(response, response_len));
    add_report(answer, report, result);
}

/*
 * PC/SC's functions
 */

static void set_pcsc_code(json_t *answer, LONG rv)
{
    set_code(answer, SCARDMANAGE_RESULT(rv));
}

static DWORD pcsc_share(json_t *request)
{
    static const char *const words[] = {"shared", "exclusive", "direct"};
    static const DWORD values[] = {SCARD_SHARE_SHARED, SCARD_SHARE_EXCLUSIVE, SCARD_SHARE_DIRECT};
    return values[NUMBER_OF(words, request, "share")];
}

static void do_pcsc_establish(json_t *request, json_t *answer)
{
    (void)request;
    set_pcsc_code(answer, SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &context));
}

static void do_pcsc_release(json_t *request, json_t *answer)
{
    (void)request;
    set_pcsc_code(answer, SCardReleaseContext(context));
    context = 0;
}

static void do_pcsc_connect(json_t *request, json_t *answer)
{
    unsigned i = index_of(request, "handle", HANDLES);
    set_pcsc_code(answer, SCardConnect(context, text(request, "reader"), pcsc_share(request),
                                       number(request, "protocols", 3), &handles[i], &protocols[i]));
    json_object_set_new(answer, "protocol", json_integer((json_int_t)protocols[i]));
}

static void do_pcsc_reconnect(json_t *request, json_t *answer)
{
    unsigned i = index_of(request, "handle", HANDLES);
    DWORD how = (DWORD)NUMBER_OF(dispositions, request, "initialization");
    set_pcsc_code(answer, SCardReconnect(handles[i], pcsc_share(request), number(request, "protocols", 3),
                                         how, &protocols[i]));
    json_object_set_new(answer, "protocol", json_integer((json_int_t)protocols[i]));
}

static void do_pcsc_disconnect(json_t *request, json_t *answer)
{
    SCARDHANDLE handle = handles[index_of(request, "handle", HANDLES)];
    set_pcsc_code(answer, SCardDisconnect(handle, (DWORD)NUMBER_OF(dispositions, request, "disposition")));
}

static void do_pcsc_begin(json_t *request, json_t *answer)
{
    set_pcsc_code(answer, SCardBeginTransaction(handles[index_of(request, "handle", HANDLES)]));
}

static void do_pcsc_end(json_t *request, json_t *answer)
{
    SCARDHANDLE handle = handles[index_of(request, "handle", HANDLES)];
    set_pcsc_code(answer,
                  SCardEndTransaction(handle, (DWORD)NUMBER_OF(dispositions, request, "disposition")));
}

static void do_pcsc_status(json_t *request, json_t *answer)
{
    DWORD reader_length = 0, state = 0, protocol = 0, atr_length = 0;
    set_pcsc_code(answer, SCardStatus(handles[index_of(request, "handle", HANDLES)], NULL, &reader_length,
                                      &state, &protocol, NULL, &atr_length));
}

static void do_pcsc_transmit(json_t *request, json_t *answer)
{
    uint8_t command[APDU_MAX], response[APDU_MAX];
    unsigned i = index_of(request, "handle", HANDLES);
    size_t command_len = unhex(text(request, "command"), command, sizeof command);
    DWORD response_len = sizeof response;
    LONG rv = SCardTransmit(handles[i], protocols[i] == SCARD_PROTOCOL_T0 ? SCARD_PCI_T0 : SCARD_PCI_T1,
                            command, (DWORD)command_len, NULL, response, &response_len);
    set_pcsc_code(answer, rv);
    json_object_set_new(answer, "response", hex(response, rv == SCARD_S_SUCCESS ? response_len : 0));
}

/* Waits until the reader has seen "events" more removals and insertions than "before"; with no "events" it only
 * looks. */
static void do_pcsc_events(json_t *request, json_t *answer)
{
    unsigned before = number(request, "before", 0), events = number(request, "events", 0), counter;
    SCARD_READERSTATE state = {.szReader = text(request, "reader"), .dwCurrentState = SCARD_STATE_UNAWARE};
    time_t end = time(NULL) + HUNG;
    LONG rv = status_change(context, 0, &state);
    counter = (unsigned)(state.dwEventState >> 16) & 0xFFFF;
    while (rv == SCARD_S_SUCCESS && ((counter - before) & 0xFFFF) < events && time(NULL) < end) {
        /* libpcsclite compares counters only if the one handed in is not 0 */
        state.dwCurrentState = state.dwEventState & ~(DWORD)SCARD_STATE_CHANGED;
        rv = status_change(context, counter != 0 ? 1000 : 10, &state);
        if (rv == SCARD_E_TIMEOUT)
            rv = SCARD_S_SUCCESS;
        counter = (unsigned)(state.dwEventState >> 16) & 0xFFFF;
    }
    set_pcsc_code(answer, rv);
    json_object_set_new(answer, "counter", json_integer(counter));
    json_object_set_new(answer, "present", json_boolean(state.dwEventState & SCARD_STATE_PRESENT));
    json_object_set_new(answer, "atr", hex(state.rgbAtr, state.cbAtr));
}

/*
 * Threads and the rebuild function
 */

static void *run_thread(void *pointer)
{
    thread *t = pointer;
    t->answer = carry_out(t->request);
    atomic_store(&t->done, true);
    return NULL;
}

static thread *find_thread(const char *name)
{
    for (size_t i = 0; i < THREADS; i++)
        if (strcmp(threads[i].name, name) == 0)
            return &threads[i];
    die("no such thread", name);
    return NULL;
}

static void do_start(json_t *request, json_t *answer)
{
    thread *t = find_thread("");
    snprintf(t->name, sizeof t->name, "%s", text(request, "name"));
    t->request = json_incref(json_object_get(request, "do"));
    atomic_store(&t->done, false);
    if (pthread_create(&t->id, NULL, run_thread, t) != 0)
        die("thread", "cannot be started");
    set_code(answer, SCARDMANAGE_S_OK);
}

static void do_finish(json_t *request, json_t *answer)
{
    thread *t = find_thread(text(request, "name"));
    pthread_join(t->id, NULL);
    json_object_update(answer, t->answer);
    json_decref(t->answer);
    json_decref(t->request);
    t->name[0] = '\0';
}

static void do_is_done(json_t *request, json_t *answer)
{
    json_object_set_new(answer, "done", json_boolean(atomic_load(&find_thread(text(request, "name"))->done)));
}

/* Again and again, as it does nothing to a call that has yet to begin. */
static void do_cancel_until_finished(json_t *request, json_t *answer)
{
    thread *t = find_thread(text(request, "name"));
    while (!atomic_load(&t->done)) {
        if (scardmanage_cancel(*object_of(request)) != SCARDMANAGE_S_OK)
            die("scardmanage_cancel", "has failed");
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    do_finish(request, answer);
}

static void wait_until_holds(json_t *answer, bool wanted)
{
    struct timespec end = {.tv_sec = time(NULL) + HUNG};
    int error = 0;
    pthread_mutex_lock(&mutex);
    while (holds != wanted && error == 0)
        error = pthread_cond_timedwait(&changed, &mutex, &end);
    pthread_mutex_unlock(&mutex);
    set_code(answer, error == 0 ? SCARDMANAGE_S_OK : SCARDMANAGE_E_TIMEOUT);
}

static void set_holds(bool now)
{
    pthread_mutex_lock(&mutex);
    holds = now;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mutex);
}

static void do_hold(json_t *request, json_t *answer)
{
    (void)request;
    set_holds(true);
    wait_until_holds(answer, false);
}

static void do_await_hold(json_t *request, json_t *answer)
{
    (void)request;
    wait_until_holds(answer, true);
}

static void do_go(json_t *request, json_t *answer)
{
    (void)request;
    set_holds(false);
    set_code(answer, SCARDMANAGE_S_OK);
}

static void add_logs(json_t *request, json_t *answer, bool identifies, const char *name)
{
    json_t *all = json_array();
    pthread_mutex_lock(&mutex);
    for (unsigned i = 0; i < rebuild_count; i++)
        if (rebuilds[i].object == index_of(request, "object", OBJECTS) &&
            rebuilds[i].identifies == identifies) {
            json_t *copy = json_deep_copy(rebuilds[i].log);
            json_array_extend(all, copy);
            json_decref(copy);
            json_array_clear(rebuilds[i].log);
        }
    pthread_mutex_unlock(&mutex);
    json_object_set_new(answer, name, all);
}

/* What the rebuild functions of an object have done since this was asked last, in the order in which they
 * were given. */
static void do_rebuilds(json_t *request, json_t *answer)
{
    add_logs(request, answer, false, "rebuilds");
}

/* The same of identify functions. */
static void do_identifications(json_t *request, json_t *answer)
{
    add_logs(request, answer, true, "identifications");
}

/* For a rebuild function that takes too long. */
static void do_sleep(json_t *request, json_t *answer)
{
    uint32_t ms = number(request, "ms", 0);
    nanosleep(&(struct timespec){.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000},
              NULL);
    set_code(answer, SCARDMANAGE_S_OK);
}

static void do_resources(json_t *request, json_t *answer)
{
    struct process self = {.pid = getpid()};
    (void)request;
    if (!process_look(&self))
        die("cannot look at", "myself in /proc");
    json_object_set_new(answer, "threads", json_integer(self.threads));
    json_object_set_new(answer, "descriptors", json_integer(self.descriptors));
}

/*
 * All
 */

#define CALL(name)                                                                                           \
    {                                                                                                        \
#name, do_##name                                                                                     \
    }

static const struct {
    const char *name;
    void (*function)(json_t *request, json_t *answer);
} calls[] = {
    CALL(create),
    CALL(free),
    CALL(set_options),
    CALL(cancel),
    CALL(attach_by_handle),
    CALL(attach_by_ifd),
    CALL(detach),
    CALL(reconnect),
    CALL(reconnect_ex),
    CALL(wait_for_card),
    CALL(lock),
    CALL(unlock),
    CALL(status),
    CALL(get_atr),
    CALL(get_reader),
    CALL(get_handle),
    CALL(transmit),
    CALL(transmit_ex),
    CALL(pcsc_establish),
    CALL(pcsc_release),
    CALL(pcsc_connect),
    CALL(pcsc_reconnect),
    CALL(pcsc_disconnect),
    CALL(pcsc_begin),
    CALL(pcsc_end),
    CALL(pcsc_status),
    CALL(pcsc_transmit),
    CALL(pcsc_events),
    CALL(start),
    CALL(finish),
    CALL(is_done),
    CALL(cancel_until_finished),
    CALL(hold),
    CALL(await_hold),
    CALL(go),
    CALL(rebuilds),
    CALL(identifications),
    CALL(sleep),
    CALL(resources),
};

static json_t *carry_out(json_t *request)
{
    const char *name = text(request, "call");
    json_t *answer = json_object();
    for (size_t i = 0; i < COUNT(calls); i++)
        if (strcmp(calls[i].name, name) == 0) {
            calls[i].function(request, answer);
            return answer;
        }
    die("no such call", name);
    return NULL;
}

int main(void)
{
    char *line = NULL;
    size_t size = 0;
    while (getline(&line, &size, stdin) > 0) {
        json_error_t error;
        json_t *request = json_loads(line, 0, &error);
        if (request == NULL)
            die("not JSON", line);
        json_t *answer = carry_out(request);
        json_dumpf(answer, stdout, JSON_COMPACT);
        putchar('\n');
        fflush(stdout);
        json_decref(answer);
        json_decref(request);
    }
    free(line);
    for (size_t i = 0; i < OBJECTS; i++)
        scardmanage_free(objects[i]);
    if (context != 0)
        SCardReleaseContext(context);
    for (unsigned i = 0; i < rebuild_count; i++) {
        json_decref(rebuilds[i].script);
        json_decref(rebuilds[i].log);
    }
    return EXIT_SUCCESS;
}
