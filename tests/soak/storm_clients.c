/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * soak_storm_clients: clients that do all that PC/SC has to offer, while pcscd and all behind it come and go.
 * Every error is all right, as long as each call comes back in time and each answer is the right one. One
 * process per client; some are killed and replaced, as somebody orders on standard input, a word a line, and
 * is answered on standard output:
 *
 *   stopped      pcscd has been stopped: calls need not come back
 *   continued    now they must
 *   kill         kill one of the clients, and start another one
 *   hold         no call is to begin; "held" when none is under way, except those that wait for changes
 *   go           and on
 *   pause        all clients leave; "paused" once they have
 *   resume       and come again
 *   check N      N readers must each answer a command, "checked", within CHECK_MS
 *   end          end
 */
#include "client.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define CLIENTS_MAX 32
#define CALL_MS     30000 /* a driver gives an answer 10 s, and a client may wait for two others */
#define CHECK_MS    30000
#define NAMES_SIZE  (16 * MAX_READERNAME)

struct member {
    struct board_line *line;
    atomic_bool idle;
    _Atomic uint64_t answers, errors, connections;
    pid_t pid;
    bool killed;
};

struct shared {
    struct board board;
    atomic_bool paused;
    atomic_bool checked;
    struct board_line *checker;
    unsigned count;
    struct member member[CLIENTS_MAX];
};

static struct shared *all;
static uint64_t seed;

/* The names of all readers, one after the other; the number of them, or a negative PC/SC error. */
static long list_readers(struct client *client, char names[NAMES_SIZE])
{
    DWORD size = NAMES_SIZE;
    LONG rv = CALL(client, SCardListReaders, client->context, NULL, names, &size);
    if (rv == SCARD_E_NO_READERS_AVAILABLE)
        return 0;
    if (rv != SCARD_S_SUCCESS)
        return -1;
    long count = 0;
    for (const char *name = names; *name; name += strlen(name) + 1)
        count++;
    return count;
}

static const char *reader_number(const char *names, unsigned number)
{
    while (number-- > 0)
        names += strlen(names) + 1;
    return names;
}

/*
 * A client
 */

/* Not too many at once: at each look libpcsclite sleeps 410 ms for each card without an ATR
 * (winscard_clnt.c:1924), and does not count that as time waited. */
static void watch_readers(struct client *client, const char *names, unsigned count)
{
    SCARD_READERSTATE state[4] = {0};
    unsigned watched = count < 4 ? count : 4, first = client_below(client, count);
    for (unsigned i = 0; i < watched; i++)
        state[i].szReader = reader_number(names, (first + i) % count);
    LONG rv = CALL(client, SCardGetStatusChange, client->context, 0, state, watched);
    for (unsigned i = 0; i < watched; i++)
        state[i].dwCurrentState = state[i].dwEventState & ~(DWORD)SCARD_STATE_CHANGED;
    if (rv == SCARD_S_SUCCESS)
        CALL(client, SCardGetStatusChange, client->context, client_below(client, 500), state, watched);
}

static LONG reconnect(struct client *client)
{
    static const DWORD how[] = {SCARD_LEAVE_CARD, SCARD_RESET_CARD, SCARD_UNPOWER_CARD};
    client->known = false; /* it may be another card now */
    return CALL(client, SCardReconnect, client->card, SCARD_SHARE_SHARED,
                SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1, how[client_below(client, 3)], &client->protocol);
}

static LONG transact(struct client *client)
{
    board_begin(client->line); /* others wait for its end */
    LONG rv = CALL(client, SCardBeginTransaction, client->card);
    for (unsigned i = client_below(client, 4); rv == SCARD_S_SUCCESS && i > 0; i--)
        rv = client_transmit(client);
    LONG end = CALL(client, SCardEndTransaction, client->card,
                    client_below(client, 8) ? SCARD_LEAVE_CARD : SCARD_RESET_CARD);
    board_end(client->line);
    return rv == SCARD_S_SUCCESS ? end : rv;
}

static LONG ask_status(struct client *client)
{
    char name[MAX_READERNAME];
    BYTE atr[MAX_ATR_SIZE];
    DWORD name_size = sizeof name, atr_size = sizeof atr, state, protocol;
    return CALL(client, SCardStatus, client->card, name, &name_size, &state, &protocol, atr, &atr_size);
}

static LONG ask_attribute(struct client *client)
{
    BYTE value[256];
    DWORD size = sizeof value;
    return CALL(client, SCardGetAttrib, client->card, SCARD_ATTR_VENDOR_NAME, value, &size);
}

/* One call on a handle, or some that belong together. */
static LONG act(struct client *client, struct member *me)
{
    LONG rv = SCARD_S_SUCCESS;
    switch (client_below(client, 8)) {
    case 0:
        return reconnect(client);
    case 1:
        return transact(client);
    case 2:
        return ask_status(client);
    case 3:
        return ask_attribute(client);
    default:
        rv = client_transmit(client);
        me->answers += rv == SCARD_S_SUCCESS;
        return rv;
    }
}

/* From connect to disconnect, with a few errors in between that a client may try to go on after. */
static bool use_card(struct client *client, struct member *me, const char *reader)
{
    LONG rv = client_connect(client, reader);
    if (rv != SCARD_S_SUCCESS) {
        me->errors++;
        return rv != SCARD_E_INVALID_HANDLE && rv != SCARD_E_NO_SERVICE && rv != SCARD_F_COMM_ERROR;
    }
    me->connections++;
    unsigned failures = 0;
    for (unsigned i = 1 + client_below(client, 40); i > 0 && failures < 3 && !all->paused && !all->board.stop;
         i--) {
        if (act(client, me) != SCARD_S_SUCCESS) {
            me->errors++;
            failures++;
        }
        board_sleep(client_below(client, 4));
    }
    CALL(client, SCardDisconnect, client->card,
         client_below(client, 8) ? SCARD_LEAVE_CARD : SCARD_RESET_CARD);
    return failures < 3;
}

static void use_context(struct client *client, struct member *me)
{
    char names[NAMES_SIZE];
    if (CALL(client, SCardEstablishContext, SCARD_SCOPE_SYSTEM, NULL, NULL, &client->context) !=
        SCARD_S_SUCCESS) {
        me->errors++;
        return;
    }
    for (unsigned i = 1 + client_below(client, 10); i > 0 && !all->paused && !all->board.stop; i--) {
        long count = list_readers(client, names);
        if (count < 0)
            break;
        if (count > 0 && client_below(client, 4) == 0)
            watch_readers(client, names, (unsigned)count);
        else if (count > 0 &&
                 !use_card(client, me, reader_number(names, client_below(client, (unsigned)count))))
            break;
    }
    CALL(client, SCardReleaseContext, client->context);
}

static void be_client(struct member *me, uint64_t random)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct client client = {.board = &all->board, .line = me->line, .random = random};
    while (!all->board.stop) {
        me->idle = all->paused;
        if (!me->idle)
            use_context(&client, me);
        board_sleep(1 + client_below(&client, 20));
    }
    _exit(0);
}

static void start(struct member *member)
{
    member->line->call = NULL;
    member->line->busy = false;
    member->idle = false;
    member->killed = false;
    seed += 1000003;
    pid_t pid = fork(); /* the child, whose memory this is, too, must not write its 0 there */
    if (pid == 0)
        be_client(member, seed);
    if (pid < 0) {
        perror("soak: fork");
        exit(1);
    }
    member->pid = pid;
}

/*
 * Checking
 */

/* Tries until the reader has answered a command. */
static bool check_reader(struct client *client, const char *reader, int64_t deadline)
{
    LONG connected, rv = SCARD_S_SUCCESS;
    do {
        connected = client_connect(client, reader);
        if (connected == SCARD_S_SUCCESS) {
            rv = client_transmit(client);
            CALL(client, SCardDisconnect, client->card, SCARD_LEAVE_CARD);
            if (rv == SCARD_S_SUCCESS)
                return true;
        }
        board_sleep(20);
    } while (board_now() < deadline && !all->board.failed);
    board_fail(&all->board, client->line, "the storm is over, and reader '%s' does not work: %s: %s", reader,
               connected == SCARD_S_SUCCESS ? "SCardTransmit" : "SCardConnect",
               pcsc_stringify_error(connected == SCARD_S_SUCCESS ? rv : connected));
    return false;
}

static void be_checker(unsigned wanted)
{
    char names[NAMES_SIZE];
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct client client = {.board = &all->board, .line = all->checker, .random = seed};
    int64_t deadline = board_now() + CHECK_MS;
    LONG rv;
    while ((rv = CALL(&client, SCardEstablishContext, SCARD_SCOPE_SYSTEM, NULL, NULL, &client.context)) !=
               SCARD_S_SUCCESS &&
           board_now() < deadline)
        board_sleep(20);
    long count = 0;
    while (rv == SCARD_S_SUCCESS && (count = list_readers(&client, names)) != (long)wanted &&
           board_now() < deadline)
        board_sleep(20);
    if (count != (long)wanted)
        board_fail(&all->board, client.line, "the storm is over, and there are %ld readers, not %u: %s",
                   count, wanted, pcsc_stringify_error(rv));
    for (long i = 0; i < count && !all->board.failed; i++)
        check_reader(&client, reader_number(names, (unsigned)i), deadline);
    CALL(&client, SCardReleaseContext, client.context);
    all->checked = true;
    _exit(0);
}

/*
 * Orders
 */

static void kill_one(void)
{
    struct member *member = &all->member[seed % all->count];
    member->killed = true;
    kill(member->pid, SIGKILL);
}

static void obey(char *line, unsigned *wanted)
{
    if (strcmp(line, "stopped") == 0) {
        all->board.stopped = true;
    } else if (strcmp(line, "continued") == 0) {
        all->board.grace = board_now();
        all->board.stopped = false;
    } else if (strcmp(line, "kill") == 0) {
        kill_one();
    } else if (strcmp(line, "hold") == 0 || strcmp(line, "go") == 0) {
        all->board.hold = strcmp(line, "hold") == 0;
    } else if (strcmp(line, "pause") == 0 || strcmp(line, "resume") == 0) {
        all->paused = strcmp(line, "pause") == 0;
    } else if (sscanf(line, "check %u", wanted) == 1) {
        all->checked = false;
        if (fork() == 0)
            be_checker(*wanted);
    } else if (strcmp(line, "end") == 0) {
        all->board.stop = true;
    } else {
        board_fail(&all->board, NULL, "an unknown order: %s", line);
    }
}

/* Takes note of those that have ended. */
static void reap(void)
{
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
        for (unsigned i = 0; i < all->count; i++) {
            struct member *member = &all->member[i];
            if (member->pid != pid)
                continue;
            if (!member->killed && !all->board.stop)
                board_fail(&all->board, member->line, "its process has died with wait status %d", status);
            if (all->board.stop)
                member->pid = 0;
            else
                start(member);
        }
}

static bool all_idle(void)
{
    for (unsigned i = 0; i < all->count; i++)
        if (!all->member[i].idle)
            return false;
    return true;
}

static void report(void)
{
    uint64_t answers = 0, errors = 0, connections = 0, calls = 0;
    const struct board_line *longest = NULL;
    for (unsigned i = 0; i < all->count; i++) {
        const struct member *member = &all->member[i];
        answers += member->answers;
        errors += member->errors;
        connections += member->connections;
        calls += member->line->calls;
        if (member->line->longest_call && (!longest || member->line->longest > longest->longest))
            longest = member->line;
    }
    printf("clients: %u; %" PRIu64 " calls, %" PRIu64 " connections to cards, %" PRIu64
           " answers, all right; %" PRIu64 " errors; longest call %" PRId64 " ms (%s)\n",
           all->count, calls, connections, answers, errors, longest ? longest->longest : 0,
           longest ? longest->longest_call : "");
    fflush(stdout);
}

int main(int argc, char **argv)
{
    all = board_share(sizeof *all);
    all->count = argc > 1 ? (unsigned)atoi(argv[1]) : 0;
    seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
    if (all->count == 0 || all->count > CLIENTS_MAX) {
        fprintf(stderr, "Usage: soak_storm_clients CLIENTS SEED\n");
        return 2;
    }
    for (unsigned i = 0; i < all->count; i++)
        all->member[i].line = board_add(&all->board, "client %u", i + 1);
    all->checker = board_add(&all->board, "the check");
    for (unsigned i = 0; i < all->count; i++)
        start(&all->member[i]);

    FILE *orders = fdopen(dup(STDIN_FILENO), "r");
    setvbuf(orders, NULL, _IONBF, 0); /* what poll sees is all there is */
    bool pausing = false, holding = false;
    unsigned checking = 0;
    while (!all->board.stop) {
        char line[64];
        struct pollfd ready = {.fd = STDIN_FILENO, .events = POLLIN};
        if (poll(&ready, 1, 20) > 0) {
            if (!fgets(line, sizeof line, orders))
                break;
            line[strcspn(line, "\n")] = '\0';
            obey(line, &checking);
            pausing |= strcmp(line, "pause") == 0;
            holding |= strcmp(line, "hold") == 0;
        }
        if (holding && board_is_quiet(&all->board)) {
            holding = false;
            puts("held");
        }
        if (pausing && all_idle()) {
            pausing = false;
            puts("paused");
        }
        if (checking && all->checked) {
            checking = 0;
            puts("checked");
        }
        fflush(stdout);
        board_watch(&all->board, CALL_MS);
        reap();
    }
    all->board.stop = true;
    all->board.hold = false;
    for (int64_t deadline = board_now() + CALL_MS; board_now() < deadline;) {
        reap();
        bool left = false;
        for (unsigned i = 0; i < all->count; i++)
            left |= all->member[i].pid != 0;
        if (!left)
            break;
        board_sleep(10);
    }
    for (unsigned i = 0; i < all->count; i++)
        if (all->member[i].pid) {
            board_fail(&all->board, all->member[i].line, "does not end");
            kill(all->member[i].pid, SIGKILL);
        }
    report();
    return all->board.failed;
}
