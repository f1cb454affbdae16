/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A driver's channel, and a simulator that says anything, late or never, and goes at any time. Whatever it
 * does, each call is back in time, the card's presence changes only in channel_wait, once a call, and each
 * status is one that is documented. Afterwards a good simulator is found, and its card is used and taken out.
 *
 * The input: what pcscd calls, and, while that waits, what the simulator does. Other threads of pcscd are
 * played by calls that begin while one waits.
 */
#include "link_path.h"
#include "quarantine.h"
#include "virtual.h"

#include "channel.h"
#include "connection.h"

#include <stdarg.h>
#include <unistd.h>

#define TIMEOUT_MS 300 /* of the device */
#define CONNS_MAX  16
#define OPS_MAX    64 /* calls and actions, of one input */

int __real_connect(int fd, const struct sockaddr *address, socklen_t length);
int __wrap_connect(int fd, const struct sockaddr *address, socklen_t length);
ssize_t __real_recvmsg(int fd, struct msghdr *message, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags);
ssize_t __real_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);
void log_msg(int priority, const char *format, ...) __attribute__((format(printf, 2, 3)));

static struct devicename name;
static struct channel *channel;
static bool waiting, exchanging; /* calls that are under way */
static bool hung_up;
static unsigned ops, connects;
static unsigned other_calls;
static int64_t others_ms; /* how long calls of other threads took, while a call waited */

/* A connection, on the side of the simulator. */
struct conn {
    int fd;
    bool events;                 /* what the hello said */
    struct link_message request; /* the last, without data; type 0: none that has to be answered */
};

static struct {
    int listener; /* -1: nobody listens */
    struct conn conn[CONNS_MAX];
    unsigned count;
    struct conn *asked; /* where the last request came */
    uint32_t event;
    bool good; /* it does what a simulator is to do, and not what the input says */
} simulator;

static const uint8_t zeros[LINK_MAX_RESPONSE + 64];

/*
 * The driver's calls of the system
 */

void log_msg(int priority, const char *format, ...)
{
    char line[1000];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    CHECK(priority >= 0 && priority <= 3 && length > 0 && length < (int)sizeof line);
}

int __wrap_connect(int fd, const struct sockaddr *address, socklen_t length)
{
    connects++;
    return __real_connect(fd, address, length);
}

/* How long a call of the driver may wait at a connection: not for ever. */
static int64_t limit_us(int fd, int option)
{
    struct timeval limit = {0};
    socklen_t length = sizeof limit;
    CHECK(getsockopt(fd, SOL_SOCKET, option, &limit, &length) == 0);
    int64_t us = (int64_t)limit.tv_sec * 1000000 + limit.tv_usec;
    CHECK(us > 0 && us <= LINK_HELLO_TIMEOUT * 1000);
    return us;
}

ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags)
{
    ssize_t got = __real_recvmsg(fd, message, flags | MSG_DONTWAIT);
    if (got >= 0 || errno != EAGAIN || (flags & MSG_DONTWAIT))
        return got;
    int64_t end_us = virtual_us + limit_us(fd, SO_RCVTIMEO);
    bool more = true;
    do {
        more = act_before(end_us);
        got = __real_recvmsg(fd, message, flags | MSG_DONTWAIT);
    } while (more && got < 0 && errno == EAGAIN);
    return got;
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags)
{
    ssize_t sent = __real_sendmsg(fd, message, flags | MSG_DONTWAIT);
    if (sent < 0 && errno == EAGAIN) {
        virtual_us += limit_us(fd, SO_SNDTIMEO);
        errno = EAGAIN;
    }
    return sent;
}

/*
 * The simulator
 */

static void begin_to_listen(void)
{
    if (simulator.listener < 0)
        simulator.listener = link_listen(path, SOCK_SEQPACKET, 0600);
    CHECK(simulator.listener >= 0);
}

static void end_listening(void)
{
    if (simulator.listener >= 0)
        close(simulator.listener);
    simulator.listener = -1;
    unlink(path);
}

static void hang_up(struct conn *conn)
{
    close(conn->fd);
    *conn = simulator.conn[--simulator.count];
    simulator.asked = NULL;
}

/* Accepts who has connected, and hears what was asked. */
static void hear(void)
{
    static uint8_t packet[LINK_MAX_MESSAGE];
    int fd;
    while (simulator.count < CONNS_MAX && simulator.listener >= 0 &&
           (fd = accept(simulator.listener, NULL, NULL)) >= 0)
        simulator.conn[simulator.count++] = (struct conn){.fd = fd};
    for (struct conn *conn = simulator.conn; conn < simulator.conn + simulator.count; conn++) {
        ssize_t got;
        struct link_message request;
        while ((got = recv(conn->fd, packet, sizeof packet, MSG_DONTWAIT)) > 0) {
            CHECK(link_decode(packet, (size_t)got, &request)); /* the driver's are messages */
            if (request.type == LINK_HELLO)
                conn->events = request.event == LINK_CONNECTION_EVENTS;
            if (request.type == LINK_WAITING || (request.type == LINK_POWER && request.arg == LINK_POWER_OFF))
                continue;
            conn->request = request;
            simulator.asked = conn;
        }
    }
}

static void say(struct conn *conn, const struct link_message *message)
{
    static uint8_t packet[LINK_HEADER_SIZE + sizeof zeros];
    size_t length = message->length < sizeof zeros ? message->length : sizeof zeros;
    link_encode_header(message, packet);
    memcpy(packet + LINK_HEADER_SIZE, message->data ? message->data : zeros, length);
    send(conn->fd, packet, LINK_HEADER_SIZE + length, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void answer_hello(struct conn *conn)
{
    say(conn, &(struct link_message){
                  .type = LINK_HELLO, .arg = LINK_OK, .event = simulator.event, .value = LINK_VERSION});
}

static void report_event(void)
{
    for (unsigned i = 0; i < simulator.count; i++)
        if (simulator.conn[i].events)
            say(&simulator.conn[i], &(struct link_message){LINK_EVENT, .event = simulator.event});
}

/* Whether the driver has connected for events. */
static bool hears_events(void)
{
    for (unsigned i = 0; i < simulator.count; i++)
        if (simulator.conn[i].events)
            return true;
    return false;
}

static struct conn *any_conn(void)
{
    unsigned which = next();
    return simulator.count > 0 ? &simulator.conn[which % simulator.count] : NULL;
}

/* The status is one of the input's, and so is how much data there is. */
static void answer_anything(struct conn *conn)
{
    struct link_message answer = {.type = conn->request.type, .arg = (uint8_t)next(), .flags = next() & 7};
    unsigned length = next();
    answer.length = length < 192 ? length : length < 224 ? 65536 : sizeof zeros - (255 - length);
    say(conn, &answer);
}

static void say_anything(struct conn *conn)
{
    unsigned length = next();
    if (length > input.end - input.at)
        length = (unsigned)(input.end - input.at);
    uint8_t *packet = exact_copy(input.at, length);
    input.at += length;
    send(conn->fd, packet, length, MSG_DONTWAIT | MSG_NOSIGNAL);
    free(packet);
}

static void be_good(void)
{
    hear();
    struct conn *conn = simulator.asked;
    simulator.asked = NULL;
    if (!conn)
        return;
    if (conn->request.type == LINK_HELLO)
        answer_hello(conn);
    else
        say(conn,
            &(struct link_message){
                .type = conn->request.type, .arg = LINK_OK, .data = (const uint8_t *)"\x90", .length = 2});
}

static void call(void);

static int act(void)
{
    if (simulator.good) {
        be_good();
        return 1;
    }
    if (input.at >= input.end || ops++ >= OPS_MAX)
        return -1;
    hear();
    struct conn *conn;
    unsigned what = next() % 16;
    if (!channel && what >= 7 && what <= 9)
        return 0;
    switch (what) {
    case 0:
        return (int)next();
    case 1:
        simulator.event += next() % 4;
        if (simulator.asked)
            answer_hello(simulator.asked);
        break;
    case 2:
        if (simulator.asked)
            answer_anything(simulator.asked);
        break;
    case 3:
        if ((conn = any_conn()))
            say_anything(conn);
        break;
    case 4:
        simulator.event += next();
        report_event();
        break;
    case 5:
        if ((conn = any_conn()))
            hang_up(conn);
        break;
    case 6:
        simulator.listener < 0 ? begin_to_listen() : end_listening();
        break;
    case 7:
        channel_wake(channel);
        break;
    case 8:
        if (next() == 8) {
            channel_hang_up(channel);
            hung_up = true;
        }
        break;
    case 9: {
        int64_t began = virtual_ms();
        other_calls++;
        call();
        others_ms += virtual_ms() - began;
        break;
    }
    case 10:
        simulator.event = next() * 0x01000001u;
        report_event();
        break;
    case 11:
        if ((conn = any_conn()))
            say(conn, &(struct link_message){
                          .type = (uint8_t)next(), .arg = (uint8_t)next(), .event = next(), .value = next()});
        break;
    case 12:
        if ((conn = any_conn()))
            shutdown(conn->fd, SHUT_WR);
        break;
    case 13:
        for (unsigned i = next(); i > 0; i--)
            report_event();
        break;
    default:
        return (int)next() * 8;
    }
    return 0;
}

/*
 * pcscd
 */

/* How long a call may have taken: so many ms, besides what others did meanwhile. */
struct stopwatch {
    int64_t began, others;
    unsigned calls;
    bool was_hung_up;
};

static struct stopwatch start_stopwatch(void)
{
    return (struct stopwatch){virtual_ms(), others_ms, other_calls, hung_up};
}

static int64_t check_stopwatch(const struct stopwatch *watch, int64_t limit_ms)
{
    int64_t took = virtual_ms() - watch->began - (others_ms - watch->others);
    CHECK(took <= (watch->was_hung_up ? 2 : limit_ms));
    return took;
}

/* A wait may begin to connect just before its time is over: to say hello, and to hear the answer. */
static void wait_for_event(int timeout_ms)
{
    if (waiting)
        return;
    uint32_t shown = channel->shown;
    unsigned connected = connects;
    struct stopwatch watch = start_stopwatch();
    waiting = true;
    channel_wait(channel, timeout_ms);
    waiting = false;
    int64_t took = check_stopwatch(&watch, timeout_ms + 3 * LINK_HELLO_TIMEOUT + 2);
    /* one card event; or another simulator's numbers, which only an empty slot takes */
    CHECK(channel->shown - shown <= 1 || (!channel_card_in(shown) && connects > connected));
    if (other_calls == watch.calls) /* a simulator that hangs up is not connected to again and again */
        CHECK(connects - connected <= 2 + took / 10);
}

static unsigned exchange(struct link_message *request, size_t capacity, size_t *length)
{
    uint8_t *out = capacity ? exact_copy(zeros, capacity) : NULL;
    uint32_t shown = channel->shown;
    bool nested = waiting;
    *length = capacity;
    struct stopwatch watch = start_stopwatch();
    exchanging = true;
    unsigned status = channel_exchange(channel, request, out, length);
    exchanging = false;
    check_stopwatch(&watch, TIMEOUT_MS + 4 * LINK_HELLO_TIMEOUT + 2);
    CHECK(status <= LINK_UNPLUGGED || status == CHANNEL_LOST || status == CHANNEL_TOO_LONG);
    CHECK((status == CHANNEL_TOO_LONG) == (*length > capacity) && *length <= LINK_MAX_RESPONSE + 64);
    CHECK(other_calls != watch.calls || nested || channel->shown == shown);
    /* a late answer must not be taken for that of the next request; that to power off is not waited for */
    if (status == CHANNEL_LOST)
        CHECK(*length == 0 && (channel->exchange_fd < 0 || request->arg == LINK_POWER_OFF));
    free(out);
    return status;
}

static void exchange_anything(void)
{
    static const struct link_message requests[] = {
        {.type = LINK_POWER, .arg = LINK_POWER_COLD},
        {.type = LINK_POWER, .arg = LINK_POWER_WARM},
        {.type = LINK_POWER, .arg = LINK_POWER_OFF},
        {.type = LINK_PARAMETERS, .arg = 0},
        {.type = LINK_PARAMETERS, .arg = 1},
        {.type = LINK_TRANSMIT, .arg = 0, .data = zeros, .length = 5},
        {.type = LINK_TRANSMIT, .arg = LINK_RAW, .data = zeros, .length = LINK_MAX_COMMAND},
        {.type = LINK_CONTROL},
    };
    static const size_t capacities[] = {0, 2, 33, 264, LINK_MAX_RESPONSE};
    size_t length;
    unsigned what = next();
    if (exchanging)
        return;
    struct link_message request = requests[what % 8];
    exchange(&request, capacities[what / 8 % 5], &length);
}

static void call(void)
{
    switch (next() % 4) {
    case 0:
        wait_for_event((int)next() * 4);
        break;
    case 1:
        exchange_anything();
        break;
    case 2:
        channel_wake(channel);
        break;
    case 3:
        act();
    }
}

/* Waits until the card is in, or out. */
static void wait_until(bool present)
{
    for (unsigned i = 0; channel_card_present(channel) != present; i++) {
        CHECK(i < 10);
        wait_for_event(1000);
    }
}

/* The driver comes back to a simulator that is as it should be. */
static void check_recovery(void)
{
    size_t length;
    struct link_message reset = {.type = LINK_POWER, .arg = LINK_POWER_COLD};
    struct link_message command = {.type = LINK_TRANSMIT, .arg = 0, .data = zeros, .length = 5};
    while (simulator.count > 0)
        hang_up(simulator.conn);
    end_listening();
    begin_to_listen();
    simulator.good = true;
    simulator.event = 7;
    /* events that were reported to it are shown first; they are few enough to come to an end */
    for (unsigned i = 0; !hears_events(); i++) {
        CHECK(i < 100000);
        wait_for_event(1000);
    }
    wait_until(true);
    CHECK(exchange(&reset, 33, &length) == LINK_OK && length == 2);
    CHECK(exchange(&command, LINK_MAX_RESPONSE, &length) == LINK_OK && length == 2);
    hear();
    simulator.event = 10; /* out, in, and out */
    report_event();
    wait_until(false);
    wait_until(true);
    wait_until(false);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    make_folder();
    name = (struct devicename){.user = LINK_NOBODY, .slots = 1, .timeout_ms = TIMEOUT_MS};
    strcpy(name.socket, path);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input = (struct input){data, data + size};
    memset(&simulator, 0, sizeof simulator);
    simulator.listener = -1;
    simulator.event = next();
    if (simulator.event & 0x80)
        begin_to_listen();
    waiting = exchanging = hung_up = false;
    ops = connects = 0;
    others_ms = 0;
    virtual_us = 1000000000;
    virtual_time = true;
    channel = NULL; /* nobody else has it yet */
    channel = channel_new(&name, 0);
    CHECK(channel);
    while (input.at < input.end && ops++ < OPS_MAX)
        call();
    if (hung_up)
        CHECK(exchange(&(struct link_message){.type = LINK_CONTROL}, 0, &(size_t){0}) == CHANNEL_LOST);
    else
        check_recovery();
    channel_free(channel);
    while (simulator.count > 0)
        hang_up(simulator.conn);
    end_listening();
    virtual_time = false;
    return 0;
}
