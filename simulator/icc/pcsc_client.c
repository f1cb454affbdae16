/* SPDX-License-Identifier: BSD-3-Clause */
#include "icc/pcsc_client.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <winscard.h>

#include "base/thread.h"
#include "base/threads.h"
#include "iso7816/apdu.h"

#define LIBRARY      "libpcsclite.so.1"
#define ATR_LENGTH   33
#define RESPONSE_MAX (APDU_NE_MAX + 2)
#define NAME_MAX_    256   /* pcsc-lite allows 128 */
#define NAMES_MAX    40000 /* for the names of all readers */
#define LOOKS        16    /* this many events in a row do not come at the wrong moment, see misread() */

/* The functions of libpcsclite. The program loads it with dlopen and is not linked with it, because only
 * relays need it. */
struct library {
    __typeof__(&SCardEstablishContext) establish;
    __typeof__(&SCardReleaseContext) release;
    __typeof__(&SCardListReaders) list;
    __typeof__(&SCardGetStatusChange) status_change;
    __typeof__(&SCardConnect) connect;
    __typeof__(&SCardReconnect) reconnect;
    __typeof__(&SCardDisconnect) disconnect;
    __typeof__(&SCardStatus) status;
    __typeof__(&SCardTransmit) transmit;
    __typeof__(&pcsc_stringify_error) error_text;
};

enum job { JOB_WAIT_FOR_READER_STATE, JOB_CONNECT, JOB_RESET, JOB_TRANSMIT };

struct pcsc_client {
    struct library library;
    char wanted[NAME_MAX_]; /* the name given to pcsc_client_new */
    pthread_mutex_t lock;   /* protects busy, interrupted and freed; see below for the rest */
    pthread_cond_t changed;
    bool busy, interrupted, freed;

    /* The job and its result. They belong to the client's thread while busy, otherwise to the caller. */
    enum job job;
    int timeout_ms;
    bool cold;
    uint8_t protocol;
    enum pcsc_result result;
    struct error error;
    struct pcsc_client_reader_state state;
    uint8_t atr[ATR_LENGTH];
    size_t atr_length;
    uint8_t command[APDU_COMMAND_MAX];
    size_t command_length;
    uint8_t response[RESPONSE_MAX];
    size_t response_length;

    /* Only the client's thread uses these, except reader and active, which are like the job. */
    char reader[NAME_MAX_]; /* the full name; "": unknown */
    bool has_context, has_card;
    SCARDCONTEXT context;
    SCARDHANDLE card;
    DWORD active; /* the protocol in use, as SCARD_PROTOCOL_ bits */
    DWORD seen;   /* the reader's state after the last wait for it */
    char names[NAMES_MAX];
};

/*
 * Results
 */

/* Sets the error text. Returns result. */
static enum pcsc_result fail(struct pcsc_client *client, enum pcsc_result result, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static enum pcsc_result fail(struct pcsc_client *client, enum pcsc_result result, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(client->error.text, sizeof client->error.text, format, arguments);
    va_end(arguments);
    return result;
}

/* Returns a PC/SC code as 32 bits. LONG has 64 bits, and some versions set the upper half. */
static uint32_t code(LONG rv)
{
    return (uint32_t)rv;
}

/* Translates a PC/SC code of a call that has a context. */
static enum pcsc_result result_of_code(LONG rv)
{
    switch (code(rv)) {
    case (uint32_t)SCARD_S_SUCCESS:
        return PCSC_OK;
    case (uint32_t)SCARD_E_NO_SERVICE:
    case (uint32_t)SCARD_F_COMM_ERROR:
    case (uint32_t)SCARD_E_SERVICE_STOPPED:
    case (uint32_t)SCARD_W_SECURITY_VIOLATION: /* MessageReceive() in winscard_msg.c */
    case (uint32_t)SCARD_E_INVALID_HANDLE:
        return PCSC_NO_SERVICE;
    case (uint32_t)SCARD_E_UNKNOWN_READER:
    case (uint32_t)SCARD_E_READER_UNAVAILABLE:
    case (uint32_t)SCARD_E_NO_READERS_AVAILABLE:
    case (uint32_t)SCARD_E_INVALID_VALUE: /* the handle's reader was unplugged: RFReaderInfoById() */
        return PCSC_NO_READER;
    case (uint32_t)SCARD_E_NO_SMARTCARD:
    case (uint32_t)SCARD_W_REMOVED_CARD:
        return PCSC_NO_CARD;
    case (uint32_t)SCARD_W_UNRESPONSIVE_CARD:
    case (uint32_t)SCARD_W_UNPOWERED_CARD:
        return PCSC_MUTE;
    case (uint32_t)SCARD_E_SHARING_VIOLATION:
        return PCSC_IN_USE;
    default:
        return PCSC_FAILED;
    }
}

/* Reads ATR and protocol from the card's handle. */
static LONG get_status(struct pcsc_client *client)
{
    DWORD state, length = sizeof client->atr, name_length = 0;
    LONG rv = client->library.status(client->card, NULL, &name_length, &state, &client->active, client->atr,
                                     &length);
    client->atr_length = rv == SCARD_S_SUCCESS && length <= sizeof client->atr ? length : 0;
    return rv;
}

/* Disconnects from the card and releases the context. Does not power off after a removal: the reader may hold
 * another card by now, which would lose its power. */
static void disconnect_and_release(struct pcsc_client *client)
{
    if (client->has_card)
        client->library.disconnect(client->card, result_of_code(get_status(client)) == PCSC_NO_CARD
                                                     ? SCARD_LEAVE_CARD
                                                     : SCARD_UNPOWER_CARD);
    if (client->has_context)
        client->library.release(client->context);
    client->has_card = client->has_context = false;
    client->reader[0] = '\0';
    client->seen = SCARD_STATE_UNAWARE;
}

/* Translates the code of a call. On failure sets the error text and drops context or reader if they are
 * gone. */
static enum pcsc_result result_of_call(struct pcsc_client *client, const char *function, LONG rv)
{
    enum pcsc_result result = result_of_code(rv);
    if (result == PCSC_OK)
        return result;
    const char *text = client->library.error_text(rv);
    if (result == PCSC_NO_SERVICE) {
        disconnect_and_release(client);
        return fail(client, result, "the PC/SC service has ended (%s)", text);
    }
    if (result == PCSC_NO_READER) {
        fail(client, result, "reader '%s' is not there any more",
             client->reader[0] ? client->reader : client->wanted);
        client->reader[0] = '\0';
        client->seen = SCARD_STATE_UNAWARE;
        return result;
    }
    if (result == PCSC_IN_USE)
        return fail(client, result, "the card in '%s' is in use by another program: cardrig needs it alone",
                    client->reader);
    return fail(client, result, "%s: %s", function, text);
}

/*
 * Context and reader
 */

/* libpcsclite before 2.0.1 reads the name of the service's socket in its first call, without a lock. If two
 * threads make the first call at the same time, one can see half of the name, and so find no service. */
static LONG establish_alone(struct pcsc_client *client)
{
    static pthread_mutex_t first = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&first);
    LONG rv = client->library.establish(SCARD_SCOPE_SYSTEM, NULL, NULL, &client->context);
    pthread_mutex_unlock(&first);
    return rv;
}

static enum pcsc_result establish(struct pcsc_client *client)
{
    const struct library *library = &client->library;
    if (client->has_context)
        return PCSC_OK;
    LONG rv = establish_alone(client);
    /* access is denied, or the service died just then; a second call tells which */
    if (code(rv) == (uint32_t)SCARD_W_SECURITY_VIOLATION)
        rv = establish_alone(client);
    client->has_context = rv == SCARD_S_SUCCESS;
    if (client->has_context)
        return PCSC_OK;
    const char *path = getenv("PCSCLITE_CSOCK_NAME");
    if (code(rv) == (uint32_t)SCARD_W_SECURITY_VIOLATION)
        return fail(client, PCSC_NO_SERVICE,
                    "the PC/SC service denies access: its polkit rules are to allow it");
    return fail(client, PCSC_NO_SERVICE, "no PC/SC service at %s (%s): start pcscd",
                path ? path : "the system's socket, and PCSCLITE_CSOCK_NAME is not set",
                library->error_text(rv));
}

/* Reads the names of all readers. From this call libpcsclite 2.5 learns how many readers a service before 2.5
 * reports. Until then its SCardGetStatusChange() returns SCARD_E_NO_SERVICE. */
static LONG list_readers(struct pcsc_client *client)
{
    DWORD length = sizeof client->names;
    LONG rv = client->library.list(client->context, NULL, client->names, &length);
    if (rv != SCARD_S_SUCCESS)
        memset(client->names, 0, 2);
    return rv;
}

static bool check_is_listed(struct pcsc_client *client, const char *reader)
{
    list_readers(client);
    for (const char *name = client->names; *name; name += strlen(name) + 1)
        if (strcmp(name, reader) == 0)
            return true;
    return false;
}

/* Returns the name of the wanted reader, or NULL with error. */
static const char *choose_reader(struct pcsc_client *client)
{
    const char *wanted = client->wanted, *found = NULL;
    unsigned count = 0;
    for (const char *name = client->names; *name; name += strlen(name) + 1) {
        if (strcmp(name, wanted) == 0)
            return name;
        if (strncmp(name, wanted, strlen(wanted)) == 0) {
            found = name;
            count++;
        }
    }
    if (count == 1 && strlen(found) < sizeof client->reader)
        return found;
    error_set(&client->error, "%s reader '%.128s': %s",
              count > 1 ? "there are several whose names begin like" : "there is no", wanted,
              client->names[0] ? "there are" : "the PC/SC service has none");
    for (const char *name = client->names; *name; name += strlen(name) + 1)
        error_add(&client->error, "%s '%s'", name == client->names ? "" : ",", name);
    return NULL;
}

/* Establishes a context and finds the reader, unless that has been done. */
static enum pcsc_result find_reader(struct pcsc_client *client)
{
    enum pcsc_result result = establish(client);
    if (result != PCSC_OK || client->reader[0])
        return result;
    result = result_of_code(list_readers(client));
    if (result == PCSC_NO_SERVICE)
        return result_of_call(client, "SCardListReaders", SCARD_E_NO_SERVICE);
    const char *reader = choose_reader(client);
    if (!reader)
        return PCSC_NO_READER;
    memcpy(client->reader, reader, strlen(reader) + 1); /* it fits: choose_reader checks that */
    client->seen = SCARD_STATE_UNAWARE;
    return PCSC_OK;
}

/*
 * Jobs, in the client's thread
 */

/*
 * libpcsclite 2.5.0 to 2.5.3 registers for events before it asks for the states of all readers, and takes an
 * event in between for the beginning of the answer (getReaderStatesAndRegisterForEvents() in
 * winscard_clnt.c). Older ones do so with a service from 2.5.0 on. SCardGetStatusChange() then returns one of
 * these codes. Before that it reads the rest of the answer, so that the context still works.
 */
static bool misread(struct pcsc_client *client, LONG rv)
{
    return code(rv) == (uint32_t)SCARD_E_UNSUPPORTED_FEATURE ||
           code(rv) == (uint32_t)SCARD_E_INSUFFICIENT_BUFFER ||
           (code(rv) == (uint32_t)SCARD_E_UNKNOWN_READER && check_is_listed(client, client->reader));
}

static enum pcsc_result wait_for_reader_state(struct pcsc_client *client)
{
    enum pcsc_result result = find_reader(client);
    if (result != PCSC_OK)
        return result;
    SCARD_READERSTATE state;
    LONG rv;
    int looks = 0;
    do {
        state = (SCARD_READERSTATE){.szReader = client->reader, .dwCurrentState = client->seen};
        rv = client->library.status_change(client->context, (DWORD)client->timeout_ms, &state, 1);
    } while (misread(client, rv) && ++looks < LOOKS);
    if (code(rv) == (uint32_t)SCARD_E_TIMEOUT)
        rv = SCARD_S_SUCCESS;
    if (rv == SCARD_S_SUCCESS && state.dwEventState & (SCARD_STATE_UNKNOWN | SCARD_STATE_UNAVAILABLE))
        rv = SCARD_E_READER_UNAVAILABLE;
    if (rv != SCARD_S_SUCCESS)
        return result_of_call(client, "SCardGetStatusChange", rv);
    client->seen = state.dwEventState & ~(DWORD)SCARD_STATE_CHANGED;
    client->state.present = (state.dwEventState & SCARD_STATE_PRESENT) != 0;
    client->state.counter = (uint32_t)(state.dwEventState >> 16);
    return PCSC_OK;
}

static LONG try_connect(struct pcsc_client *client, DWORD protocols)
{
    return client->library.connect(client->context, client->reader, SCARD_SHARE_EXCLUSIVE, protocols,
                                   &client->card, &client->active);
}

static enum pcsc_result connect_to_card(struct pcsc_client *client)
{
    enum pcsc_result result = find_reader(client);
    if (result != PCSC_OK || client->has_card)
        return result;
    LONG rv = try_connect(client, SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1);
    if (code(rv) == (uint32_t)SCARD_E_PROTO_MISMATCH) /* its ATR offers neither of these */
        rv = try_connect(client, SCARD_PROTOCOL_RAW);
    client->has_card = rv == SCARD_S_SUCCESS;
    return result_of_call(client, "SCardConnect", rv);
}

static DWORD protocol_bits(uint8_t protocol)
{
    return protocol == 0   ? SCARD_PROTOCOL_T0
           : protocol == 1 ? SCARD_PROTOCOL_T1
                           : SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1;
}

/*
 * Connects to the reader, not to the card. If a client powers a card off while the next card is being
 * inserted, pcscd takes the new card for powered, and SCardConnect only tries to choose its protocol
 * (SCardDisconnect() in winscard.c does not wait for EHStatusHandlerThread()). With a direct handle
 * SCardReconnect resets such a card.
 */
static bool connect_directly(struct pcsc_client *client)
{
    LONG rv = client->library.connect(client->context, client->reader, SCARD_SHARE_DIRECT, 0, &client->card,
                                      &client->active);
    return (client->has_card = rv == SCARD_S_SUCCESS);
}

static enum pcsc_result reset(struct pcsc_client *client)
{
    const struct library *library = &client->library;
    DWORD how = client->cold ? SCARD_UNPOWER_CARD : SCARD_RESET_CARD;
    bool connected = client->has_card;
    enum pcsc_result result = connect_to_card(client);
    client->atr_length = 0;
    bool direct = result == PCSC_MUTE && connect_directly(client);
    if (result != PCSC_OK && !direct)
        return result;
    if (direct)
        how = SCARD_UNPOWER_CARD;
    LONG rv;
    /* SCardReconnect would succeed with another card that has been inserted since */
    if (connected && result_of_code(rv = get_status(client)) == PCSC_NO_CARD)
        return result_of_call(client, "SCardStatus", rv);
    rv = library->reconnect(client->card, SCARD_SHARE_EXCLUSIVE, protocol_bits(client->protocol), how,
                            &client->active);
    if (code(rv) == (uint32_t)SCARD_E_PROTO_MISMATCH && client->protocol == PCSC_CLIENT_ANY_PROTOCOL)
        rv =
            library->reconnect(client->card, SCARD_SHARE_EXCLUSIVE, SCARD_PROTOCOL_RAW, how, &client->active);
    if (rv != SCARD_S_SUCCESS && direct) {
        client->library.disconnect(client->card, SCARD_LEAVE_CARD);
        client->has_card = false;
    }
    if (rv != SCARD_S_SUCCESS)
        return result_of_call(client, "SCardReconnect", rv);
    return result_of_call(client, "SCardStatus", get_status(client));
}

static enum pcsc_result transmit(struct pcsc_client *client)
{
    const SCARD_IO_REQUEST pci = {client->active, sizeof pci};
    DWORD length = sizeof client->response;
    if (!client->has_card)
        return fail(client, PCSC_NO_CARD, "the card has not been reset");
    LONG rv = client->library.transmit(client->card, &pci, client->command, (DWORD)client->command_length,
                                       NULL, client->response, &length);
    client->response_length = length <= sizeof client->response ? length : 0;
    return result_of_call(client, "SCardTransmit", rv);
}

static enum pcsc_result run(struct pcsc_client *client)
{
    switch (client->job) {
    case JOB_WAIT_FOR_READER_STATE:
        return wait_for_reader_state(client);
    case JOB_CONNECT:
        return connect_to_card(client);
    case JOB_RESET:
        return reset(client);
    case JOB_TRANSMIT:
        return transmit(client);
    }
    return PCSC_FAILED;
}

/* The threads of all clients. libpcsclite frees its data when the process exits. No thread may be in one of
 * its functions then. */
static struct threads threads;
static pthread_once_t threads_once = PTHREAD_ONCE_INIT;

static void prepare_threads(void)
{
    threads_init(&threads);
}

static void destroy(struct pcsc_client *client)
{
    pthread_cond_destroy(&client->changed);
    pthread_mutex_destroy(&client->lock);
    free(client);
}

static void work(void *arg)
{
    struct pcsc_client *client = arg;
    pthread_mutex_lock(&client->lock);
    while (!client->freed) {
        if (!client->busy) {
            pthread_cond_wait(&client->changed, &client->lock);
            continue;
        }
        pthread_mutex_unlock(&client->lock);
        enum pcsc_result result = run(client);
        pthread_mutex_lock(&client->lock);
        client->result = result;
        client->busy = false;
        pthread_cond_broadcast(&client->changed);
    }
    pthread_mutex_unlock(&client->lock);
    disconnect_and_release(client);
    destroy(client);
}

/*
 * The callers that wait for the jobs
 */

/* Waits until the thread is not busy. Called with the lock held. */
static enum pcsc_result wait_for_thread(struct pcsc_client *client, const struct timespec *deadline)
{
    while (client->busy && !client->interrupted)
        if (pthread_cond_timedwait(&client->changed, &client->lock, deadline) == ETIMEDOUT && client->busy)
            return PCSC_LATE;
    return client->interrupted ? PCSC_INTERRUPTED : PCSC_OK;
}

/* Prepares for a new job. First waits for an earlier job that is still running because its caller has run
 * into its time limit. Holds the lock if it returns PCSC_OK. */
static enum pcsc_result lock_for_job(struct pcsc_client *client, const struct timespec *deadline)
{
    pthread_mutex_lock(&client->lock);
    enum pcsc_result result = wait_for_thread(client, deadline);
    if (result != PCSC_OK)
        pthread_mutex_unlock(&client->lock);
    return result;
}

/* Lets the thread do the job, and waits for it. Still holds the lock if it returns PCSC_OK; otherwise
 * releases it. */
static enum pcsc_result do_job(struct pcsc_client *client, enum job job, const struct timespec *deadline)
{
    client->job = job;
    client->busy = true;
    pthread_cond_broadcast(&client->changed);
    enum pcsc_result result = wait_for_thread(client, deadline);
    if (result == PCSC_OK)
        result = client->result;
    if (result != PCSC_OK)
        pthread_mutex_unlock(&client->lock);
    return result;
}

enum pcsc_result pcsc_client_wait_for_change(struct pcsc_client *client, int timeout_ms, int limit_ms,
                                             struct pcsc_client_reader_state *state)
{
    struct timespec deadline = thread_deadline(limit_ms);
    enum pcsc_result result = lock_for_job(client, &deadline);
    if (result != PCSC_OK)
        return result;
    client->timeout_ms = timeout_ms;
    result = do_job(client, JOB_WAIT_FOR_READER_STATE, &deadline);
    if (result != PCSC_OK)
        return result;
    *state = client->state;
    pthread_mutex_unlock(&client->lock);
    return PCSC_OK;
}

enum pcsc_result pcsc_client_connect(struct pcsc_client *client, int limit_ms)
{
    struct timespec deadline = thread_deadline(limit_ms);
    enum pcsc_result result = lock_for_job(client, &deadline);
    if (result == PCSC_OK && (result = do_job(client, JOB_CONNECT, &deadline)) == PCSC_OK)
        pthread_mutex_unlock(&client->lock);
    return result;
}

enum pcsc_result pcsc_client_reset(struct pcsc_client *client, bool cold, uint8_t protocol, int limit_ms,
                                   uint8_t *atr, size_t *atr_length, uint8_t *active)
{
    struct timespec deadline = thread_deadline(limit_ms);
    *atr_length = 0;
    enum pcsc_result result = lock_for_job(client, &deadline);
    if (result != PCSC_OK)
        return result;
    client->cold = cold;
    client->protocol = protocol;
    result = do_job(client, JOB_RESET, &deadline);
    if (result != PCSC_OK)
        return result;
    memcpy(atr, client->atr, client->atr_length);
    *atr_length = client->atr_length;
    *active = client->active == SCARD_PROTOCOL_T0   ? 0
              : client->active == SCARD_PROTOCOL_T1 ? 1
                                                    : PCSC_CLIENT_ANY_PROTOCOL;
    pthread_mutex_unlock(&client->lock);
    return PCSC_OK;
}

enum pcsc_result pcsc_client_transmit(struct pcsc_client *client, const uint8_t *command, size_t length,
                                      int limit_ms, uint8_t *response, size_t *response_length)
{
    size_t capacity = *response_length;
    struct timespec deadline = thread_deadline(limit_ms);
    *response_length = 0;
    enum pcsc_result result =
        length <= sizeof client->command ? lock_for_job(client, &deadline) : PCSC_FAILED;
    if (result != PCSC_OK)
        return result;
    memcpy(client->command, command, length);
    client->command_length = length;
    result = do_job(client, JOB_TRANSMIT, &deadline);
    if (result != PCSC_OK)
        return result;
    *response_length = client->response_length < capacity ? client->response_length : capacity;
    memcpy(response, client->response, *response_length);
    pthread_mutex_unlock(&client->lock);
    return PCSC_OK;
}

bool pcsc_client_pause(struct pcsc_client *client, int milliseconds)
{
    struct timespec deadline = thread_deadline(milliseconds);
    pthread_mutex_lock(&client->lock);
    while (!client->interrupted &&
           pthread_cond_timedwait(&client->changed, &client->lock, &deadline) != ETIMEDOUT)
        ;
    bool interrupted = client->interrupted;
    pthread_mutex_unlock(&client->lock);
    return interrupted;
}

void pcsc_client_interrupt(struct pcsc_client *client)
{
    pthread_mutex_lock(&client->lock);
    client->interrupted = true;
    pthread_cond_broadcast(&client->changed);
    pthread_mutex_unlock(&client->lock);
}

/* While this returns true, the error text and the reader's name belong to the thread. */
static bool is_busy(struct pcsc_client *client)
{
    pthread_mutex_lock(&client->lock);
    bool busy = client->busy;
    pthread_mutex_unlock(&client->lock);
    return busy;
}

const char *pcsc_client_error(struct pcsc_client *client)
{
    return is_busy(client) ? "the PC/SC service does not answer in time" : client->error.text;
}

const char *pcsc_client_reader(struct pcsc_client *client)
{
    return is_busy(client) || !client->reader[0] ? client->wanted : client->reader;
}

/*
 * Creation and destruction
 */

static bool load_library(struct library *library, struct error *error)
{
    void *loaded = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL); /* stays loaded */
    if (!loaded)
        return error_set(error, "a relay needs the library of PC/SC's clients: %s (Debian: libpcsclite1)",
                         dlerror());
#define FIND(member, name) (library->member = __extension__(__typeof__(&name)) dlsym(loaded, #name))
    bool found = FIND(establish, SCardEstablishContext) && FIND(release, SCardReleaseContext) &&
                 FIND(list, SCardListReaders) && FIND(status_change, SCardGetStatusChange) &&
                 FIND(connect, SCardConnect) && FIND(reconnect, SCardReconnect) &&
                 FIND(disconnect, SCardDisconnect) && FIND(status, SCardStatus) &&
                 FIND(transmit, SCardTransmit) && FIND(error_text, pcsc_stringify_error);
#undef FIND
    if (!found)
        error_set(error, LIBRARY ": a function is missing in it: %s", dlerror());
    return found;
}

struct pcsc_client *pcsc_client_new(const char *reader, struct error *error)
{
    struct library library;
    if (!load_library(&library, error))
        return NULL;
    struct pcsc_client *client = calloc(1, sizeof *client);
    if (!client) {
        error_set(error, "out of memory");
        return NULL;
    }
    pthread_mutex_init(&client->lock, NULL);
    thread_condition_init(&client->changed);
    client->library = library;
    snprintf(client->wanted, sizeof client->wanted, "%s", reader);
    pthread_once(&threads_once, prepare_threads);
    if (threads_start(&threads, work, client))
        return client;
    error_set(error, "a relay needs a thread: %s", strerror(errno));
    destroy(client);
    return NULL;
}

void pcsc_client_close(struct pcsc_client *client)
{
    if (!client)
        return;
    pthread_mutex_lock(&client->lock);
    client->freed = true;
    pthread_cond_broadcast(&client->changed);
    pthread_mutex_unlock(&client->lock);
}

bool pcsc_clients_await(int limit_ms)
{
    pthread_once(&threads_once, prepare_threads);
    return threads_wait(&threads, limit_ms);
}
