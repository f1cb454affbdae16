/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The simulator's link server and its workers, and drivers that say anything, on several
 * connections, while cards move and readers are plugged in and out. The threads and the loop
 * are the real ones. Each answer is one to a request that was made, in order; a card's
 * events are reported in order, and the last one is. Afterwards a good driver is served at
 * each slot, and nothing is left: no thread, no connection, no memory.
 *
 * The input: what drivers and the user do, one after the other. Mostly the next comes when
 * the last has been answered, so that the same input does the same; a card that is stuck,
 * and drivers that do not listen, have threads wait meanwhile.
 */
#include "base/error.h"
#include "fuzz.h"

#include "base/thread.h"
#include "rig/link_server.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "link_path.h"
#include "loop.h"
#include "quarantine.h"
#include "test_card.h"

#define CONNS_MAX  12
#define SENT_MAX   64
#define OPS_MAX    64
#define SEND_US    2000 /* for a driver to take an answer, instead of a second */
#define PATIENT_MS 9000 /* for what is to happen soon; libFuzzer gives up after 10 s */

int __real_accept4(int listener, struct sockaddr *address, socklen_t *length, int flags);
int __wrap_accept4(int listener, struct sockaddr *address, socklen_t *length, int flags);
int __real_setsockopt(int fd, int level, int option, const void *value, socklen_t length);
int __wrap_setsockopt(int fd, int level, int option, const void *value, socklen_t length);
bool __wrap_usb_bus_plug(const char *folder, const void *device);
bool __wrap_usb_bus_unplug(const char *folder, const void *device);

static struct slots slots;
static struct threads threads;
static struct link_server *server;
static const uint8_t *at, *end;

static unsigned next(void)
{
    return at < end ? *at++ : 0;
}

/*
 * What the server calls
 */

int __wrap_setsockopt(int fd, int level, int option, const void *value, socklen_t length)
{
    struct timeval limit = {.tv_usec = SEND_US};
    return __real_setsockopt(fd, level, option, option == SO_SNDTIMEO ? &limit : value, length);
}

bool __wrap_usb_bus_plug(const char *usb_folder, const void *device)
{
    return usb_folder && device;
}

bool __wrap_usb_bus_unplug(const char *usb_folder, const void *device)
{
    return usb_folder && device;
}

/*
 * Cards that are stuck
 */

static pthread_mutex_t cards_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cards_changed;
static unsigned stuck; /* cards that are */
static bool let_go;    /* none is */

static void wait_in_card(struct test_card *card)
{
    pthread_mutex_lock(&cards_lock);
    stuck++;
    pthread_cond_broadcast(&cards_changed);
    while (!let_go && !card->interrupted)
        pthread_cond_wait(&cards_changed, &cards_lock);
    stuck--;
    pthread_cond_broadcast(&cards_changed);
    pthread_mutex_unlock(&cards_lock);
}

static void interrupt_test_card(struct card *card)
{
    pthread_mutex_lock(&cards_lock);
    test_card(card)->interrupted = true;
    pthread_cond_broadcast(&cards_changed);
    pthread_mutex_unlock(&cards_lock);
}

static bool is_any_stuck(void)
{
    pthread_mutex_lock(&cards_lock);
    bool any = stuck > 0;
    pthread_mutex_unlock(&cards_lock);
    return any;
}

/* Until no card is, or one is, or, for that, a moment has passed. */
static void wait_for_stuck(bool any, int limit_ms)
{
    struct timespec limit = thread_deadline(limit_ms);
    pthread_mutex_lock(&cards_lock);
    while ((stuck > 0) != any && pthread_cond_timedwait(&cards_changed, &cards_lock, &limit) == 0)
        ;
    pthread_mutex_unlock(&cards_lock);
}

static void release_cards(void)
{
    pthread_mutex_lock(&cards_lock);
    let_go = true;
    pthread_cond_broadcast(&cards_changed);
    pthread_mutex_unlock(&cards_lock);
    wait_for_stuck(false, PATIENT_MS);
    CHECK(!is_any_stuck());
}

static void let_cards_be_stuck(void)
{
    pthread_mutex_lock(&cards_lock);
    let_go = false;
    pthread_mutex_unlock(&cards_lock);
}

/*
 * Drivers
 */

/* A connection, on the side of the driver. */
struct conn {
    int fd; /* -1: none */
    bool ended;
    const struct slot *slot; /* of events; NULL: none are reported */
    unsigned plug_count;
    uint32_t reported;
    unsigned sent_count;
    struct {
        uint8_t type;
        bool certain; /* that there is an answer, or the connection ends */
    } sent[SENT_MAX]; /* what may yet be answered */
};

static struct conn conns[CONNS_MAX];
static bool small_buffers; /* of who connects now: few answers that it does not read have room */

int __wrap_accept4(int listener, struct sockaddr *address, socklen_t *length, int flags)
{
    int fd = __real_accept4(listener, address, length, flags);
    if (fd >= 0 && small_buffers)
        CHECK(__real_setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &(int){1}, sizeof(int)) == 0);
    return fd;
}

static void close_conn(struct conn *conn)
{
    if (conn->fd >= 0)
        close(conn->fd);
    *conn = (struct conn){.fd = -1};
}

static void connect_conn(struct conn *conn, bool small)
{
    close_conn(conn);
    conn->fd = link_connect(path, PATIENT_MS, LINK_NOBODY);
    CHECK(conn->fd >= 0);
    small_buffers = small;
    run_loop();
}

/* Each request is answered, in order, except those that are answered only when they are refused. */
static void check_answer(struct conn *conn, const struct link_message *answer)
{
    unsigned i = 0;
    while (i < conn->sent_count && !conn->sent[i].certain &&
           !(answer->arg == LINK_BAD_REQUEST && answer->type == conn->sent[i].type))
        i++;
    CHECK(i < conn->sent_count && answer->type == conn->sent[i].type);
    conn->sent_count -= i + 1;
    memmove(conn->sent, conn->sent + i + 1, conn->sent_count * sizeof conn->sent[0]);
    CHECK(answer->arg <= LINK_UNPLUGGED && (answer->arg == LINK_OK || answer->length == 0));
}

static void check_message(struct conn *conn, const struct link_message *message)
{
    if (message->type == LINK_EVENT && message->arg == LINK_OK && conn->slot && conn->reported) {
        CHECK(message->length == 0 && (int32_t)(message->event - conn->reported) > 0);
        conn->reported = message->event;
        return;
    }
    check_answer(conn, message);
    if (message->type == LINK_HELLO && message->arg == LINK_OK)
        conn->reported = message->event;
    else if (message->type == LINK_HELLO)
        conn->slot = NULL;
}

/* Takes a message that has come, into message, or the end. With wait, one that is certain
 * to come. False: nothing has. */
static bool hear(struct conn *conn, bool wait, struct link_message *message)
{
    static uint8_t packet[LINK_HEADER_SIZE + LINK_MAX_RESPONSE + 1];
    if (conn->fd < 0 || conn->ended)
        return false;
    ssize_t got;
    do
        got = recv(conn->fd, packet, sizeof packet, wait ? 0 : MSG_DONTWAIT);
    while (got < 0 && errno == EINTR); /* libFuzzer's clock */
    if (got < 0 && errno == EAGAIN && !wait)
        return false;
    CHECK(got >= 0 || errno == ECONNRESET);
    conn->ended = got <= 0;
    if (conn->ended)
        return true;
    CHECK(link_decode(packet, (size_t)got, message));
    check_message(conn, message);
    return true;
}

static bool expects_answer(const struct conn *conn)
{
    for (unsigned i = 0; i < conn->sent_count; i++)
        if (conn->sent[i].certain)
            return conn->fd >= 0 && !conn->ended;
    return false;
}

/* Waits for all answers; while a card is stuck, which may be why there is none, takes what
 * there is. The last one. */
static struct link_message hear_answers(struct conn *conn)
{
    struct link_message answer = {0};
    run_loop();
    while (expects_answer(conn) && hear(conn, !is_any_stuck(), &answer))
        ;
    run_loop();
    return answer;
}

/* Takes what has come to all. */
static void hear_all(void)
{
    struct link_message message;
    bool more = true;
    while (more) {
        more = false;
        for (struct conn *conn = conns; conn < conns + CONNS_MAX; conn++)
            while (hear(conn, false, &message))
                more = true;
        run_loop(); /* there is room again */
    }
}

/* A hello for events, and for a slot that there is: its events are reported from then on. */
static void note_hello(struct conn *conn, const struct link_message *hello)
{
    struct link_message message;
    while (hear(conn, false, &message)) /* what was said before may have been refused */
        ;
    unsigned reader = hello->value >> 16, slot = hello->value & 0xFFFF;
    if (hello->type != LINK_HELLO || conn->sent_count > 0 || conn->reported ||
        hello->event != LINK_CONNECTION_EVENTS || reader >= slots.reader_count ||
        slot >= slots.reader[reader].options.slots)
        return;
    conn->slot = &slots.reader[reader].slots[slot];
    conn->plug_count = slots.reader[reader].plug_count;
}

static void send_packet(struct conn *conn, const uint8_t *packet, size_t length)
{
    struct link_message message;
    if (conn->fd < 0 || conn->sent_count == SENT_MAX)
        return;
    bool ok = link_decode(packet, length, &message);
    if (ok)
        note_hello(conn, &message);
    if (send(conn->fd, packet, length, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)length)
        return;
    conn->sent[conn->sent_count].type = length > 0 ? packet[0] : 0;
    conn->sent[conn->sent_count++].certain =
        !ok ||
        !(message.type == LINK_WAITING || (message.type == LINK_POWER && message.arg == LINK_POWER_OFF));
}

static void say(struct conn *conn, const struct link_message *message)
{
    uint8_t *packet = malloc(LINK_HEADER_SIZE + message->length);
    CHECK(packet);
    link_encode_header(message, packet);
    if (message->length)
        memcpy(packet + LINK_HEADER_SIZE, message->data, message->length);
    send_packet(conn, packet, LINK_HEADER_SIZE + message->length);
    free(packet);
}

static void say_hello(struct conn *conn, const struct slot *slot, enum link_connection channel)
{
    say(conn, &(struct link_message){.type = LINK_HELLO,
                                     .arg = LINK_VERSION,
                                     .event = channel,
                                     .value = slot->reader->number << 16 | slot->number});
}

/*
 * What the input has them do
 */

static struct conn *any_conn(void)
{
    return &conns[next() % CONNS_MAX];
}

static struct slot *any_slot(void)
{
    return &slots.slot[next() % slots.slot_count];
}

static void say_bytes(struct conn *conn)
{
    size_t length = next();
    if (length > (size_t)(end - at))
        length = (size_t)(end - at);
    uint8_t *bytes = exact_copy(at, length);
    at += length;
    send_packet(conn, bytes, length);
    free(bytes);
}

/* With the number of an event that may be the last one. */
static void say_request(struct conn *conn, uint8_t type)
{
    static uint8_t data[LINK_MAX_COMMAND + 4];
    unsigned length = next();
    struct link_message request = {.type = type, .data = data};
    request.length = length < 0xF0 ? length : sizeof data - (0xFF - length);
    request.event = any_slot()->card_event - next() % 4 / 3;
    request.arg = (uint8_t)next();
    request.value = next() << 24 | next() << 8 | next();
    say(conn, &request);
}

static void say_command(struct conn *conn, const struct slot *slot)
{
    uint8_t command[] = {0x00, (uint8_t)next(), 0x00, 0x00, 0x00};
    if (command[1] == STUCK && is_any_stuck())
        command[1] = 0;
    say(conn, &(struct link_message){.type = LINK_TRANSMIT,
                                     .arg = (uint8_t)next(),
                                     .event = slot->card_event,
                                     .data = command,
                                     .length = 4 + (command[1] & 1)});
    run_loop();
    struct pollfd answered = {.fd = conn->fd, .events = POLLIN};
    for (unsigned ms = 0; command[1] == STUCK && expects_answer(conn) && !is_any_stuck(); ms++) {
        CHECK(ms < PATIENT_MS);
        if (poll(&answered, 1, 0) != 0)
            return;
        wait_for_stuck(true, 1);
    }
}

static void power_card(struct conn *conn, const struct slot *slot, uint8_t how)
{
    say(conn, &(struct link_message){.type = LINK_POWER, .arg = how, .event = slot->card_event});
}

static void move_card(struct slot *slot)
{
    struct error error;
    unsigned how = next();
    if (how % 3 == 0)
        slot_remove(slot, &error);
    else
        insert(slot, how % 3 == 1, how / 3);
}

static void plug_reader(struct reader *reader)
{
    struct error error;
    if (!reader_plug(&slots, reader, &error))
        reader_unplug(&slots, reader, &error);
}

static void check_server(void)
{
    bool ready, all = link_server_all_ready(server);
    for (unsigned i = 0; i < slots.slot_count; i++) {
        bool connected = link_server_is_connected(server, &slots.slot[i], &ready);
        CHECK(connected || !ready);
        CHECK(!all || ready || !slots.slot[i].reader->plugged);
    }
}

static void act(void)
{
    unsigned what = next();
    bool wait = what & 0x80;
    struct conn *conn = any_conn();
    switch (what % 16) {
    case 0:
        connect_conn(conn, what & 0x40);
        break;
    case 1:
        say_bytes(conn);
        break;
    case 2:
    case 3:
        if (conn->fd < 0)
            connect_conn(conn, what & 0x40);
        say_hello(conn, any_slot(), what % 16 == 2 ? LINK_CONNECTION_EXCHANGE : LINK_CONNECTION_EVENTS);
        break;
    case 4:
        say_request(conn, (uint8_t)next());
        break;
    case 5:
        say_command(conn, any_slot());
        break;
    case 6:
        power_card(conn, any_slot(), (uint8_t)(1 + next() % 4));
        break;
    case 7:
        close_conn(conn);
        break;
    case 8:
        if (conn->fd >= 0)
            shutdown(conn->fd, next() % 3);
        break;
    case 9:
    case 10:
        move_card(any_slot());
        break;
    case 11:
        plug_reader(any_slot()->reader);
        break;
    case 12:
        release_cards();
        let_cards_be_stuck();
        break;
    case 13:
        if (next() == 13)
            link_server_forget(server);
        break;
    case 14:
        check_server();
        break;
    default:
        hear_all();
    }
    if (wait)
        hear_answers(conn);
    run_loop();
}

/*
 * The end
 */

static void check_events(void)
{
    for (const struct conn *conn = conns; conn < conns + CONNS_MAX; conn++)
        if (conn->fd >= 0 && !conn->ended && conn->slot && conn->reported && conn->slot->reader->plugged &&
            conn->slot->reader->plug_count == conn->plug_count)
            CHECK(conn->reported == conn->slot->card_event);
}

static void end_drivers(void)
{
    for (struct conn *conn = conns; conn < conns + CONNS_MAX; conn++)
        close_conn(conn);
    run_loop();
    CHECK(threads_wait(&threads, PATIENT_MS));
    run_loop();
}

/* A good driver, with a card that has done nothing yet. */
static void check_slot(struct slot *slot)
{
    struct conn *exchange = &conns[0], *events = &conns[1];
    struct link_message answer,
        command = {.type = LINK_TRANSMIT, .data = (const uint8_t *)"\0\0\0\0", .length = 4};
    if (!slot->reader->plugged)
        plug_reader(slot->reader);
    if (!slot->reader->options.token)
        CHECK(insert(slot, true, 0));
    connect_conn(exchange, false);
    say_hello(exchange, slot, LINK_CONNECTION_EXCHANGE);
    answer = hear_answers(exchange);
    CHECK(answer.type == LINK_HELLO && answer.arg == LINK_OK);
    connect_conn(events, false);
    say_hello(events, slot, LINK_CONNECTION_EVENTS);
    answer = hear_answers(events);
    CHECK(answer.type == LINK_HELLO && answer.arg == LINK_OK && answer.event == slot->card_event);
    if (slot->reader->options.token)
        return;
    power_card(exchange, slot, LINK_POWER_COLD);
    answer = hear_answers(exchange);
    CHECK(answer.type == LINK_POWER && answer.arg == LINK_OK && answer.length == atrs[0].length);
    command.event = slot->card_event;
    say(exchange, &command);
    answer = hear_answers(exchange);
    CHECK(answer.type == LINK_TRANSMIT && answer.arg == LINK_OK && answer.length == 2);
    CHECK(slot_remove(slot, &(struct error){""}));
    CHECK(hear(events, true, &answer) && answer.type == LINK_EVENT && answer.event == slot->card_event);
}

/*
 * The simulator
 */

static void on_card_event(void *arg, struct slot *slot)
{
    (void)arg;
    if (server)
        link_server_on_card_event(server, slot);
}

static bool start_thread(void *arg, void (*work)(void *work_arg), void *work_arg)
{
    (void)arg;
    return threads_start(&threads, work, work_arg);
}

static void driver_connecting(void *arg)
{
    (void)arg;
}

static void driver_ready(void *arg)
{
    (void)arg;
    check_server();
}

static void add_reader(const char *text)
{
    struct reader_options options;
    struct error error;
    CHECK(reader_options_parse(text, &options, &error));
    CHECK(slots_add_reader(&slots, &options, &error));
}

static void begin_simulator(void)
{
    const struct link_host host = {NULL, driver_connecting, driver_ready};
    slots_init(&slots, 1);
    slots.usb_folder = folder;
    slots.on_card_event = on_card_event;
    slots.start = start_thread;
    add_reader("two,slots=2");
    add_reader("usb,usb");
    add_reader("token,usb,token");
    loop = loop_new();
    CHECK(loop);
    unlink(path);
    server = link_server_new(loop, link_listen(path, SOCK_SEQPACKET, 0600), &slots, NULL, &threads, &host);
    CHECK(server);
    CHECK(insert(&slots.slot[3], false, 0));
}

static void end_simulator(void)
{
    link_server_stop(server);
    slots_interrupt(&slots);
    CHECK(threads_wait(&threads, PATIENT_MS));
    loop_make_posted_calls(loop);
    link_server_free(server);
    server = NULL;
    slots_free(&slots);
    loop_free(loop);
    CHECK(test_cards == 0);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    make_folder();
    thread_condition_init(&cards_changed);
    threads_init(&threads);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned descriptors = count_descriptors();
    at = data;
    end = data + size;
    for (struct conn *conn = conns; conn < conns + CONNS_MAX; conn++)
        *conn = (struct conn){.fd = -1};
    begin_simulator();
    let_cards_be_stuck();
    for (unsigned ops = 0; at < end && ops < OPS_MAX; ops++)
        act();
    release_cards();
    for (struct conn *conn = conns; conn < conns + CONNS_MAX; conn++)
        hear_answers(conn);
    hear_all();
    check_events();
    end_drivers();
    for (unsigned i = 0; i < slots.slot_count; i++)
        check_slot(&slots.slot[i]);
    end_drivers();
    end_simulator();
    CHECK(count_descriptors() == descriptors);
    return 0;
}
