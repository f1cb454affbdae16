/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A tour of libscardmanage. Run it in a rig:
 *
 *     cardrig run --card CARDS_DIR/two-protocols.lua -- scardmanage-tour CARDS_DIR
 *
 * It resets, removes and exchanges the card, and prints what the library reports. It fails if a report
 * is not as expected.
 */
#include <scardmanage.h>

#include <reader.h>

#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CARD_EVENT_WITHIN_MS 10000

extern char **environ;

static char reader[256];
static SCARDCONTEXT other_context; /* the other client */
static SCARDHANDLE other_handle;
static bool colour;

static _Noreturn void __attribute__((format(printf, 1, 2))) fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fflush(stdout);
    fputs("scardmanage-tour: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(EXIT_FAILURE);
}

static void expect(scardmanage_result got, scardmanage_result wanted, const char *what)
{
    if (got != wanted)
        fail("%s: expected \"%s\", got \"%s\" (%08X)", what, scardmanage_strerror(wanted),
             scardmanage_strerror(got), (unsigned)got);
}

static void pcsc(LONG rv, const char *what)
{
    expect(SCARDMANAGE_RESULT(rv), SCARDMANAGE_S_OK, what);
}

/*
 * Printing
 */

static const char *style(const char *sequence)
{
    return colour ? sequence : "";
}

static void heading(const char *text)
{
    printf("\n%s%s%s\n", style("\033[1m"), text, style("\033[0m"));
}

static void row(const char *what, const char *verdict, const char *step, const char *protocol,
                const char *lock, uint64_t us)
{
    printf("  %-21s %-14s  %-6s  %-11s %-10s %4lu.%02lu\n", what, verdict, step, protocol, lock,
           (unsigned long)(us / 1000), (unsigned long)(us % 1000 / 10));
}

static void row_atr(const uint8_t *atr, size_t length)
{
    char text[3 * SCARDMANAGE_ATR_MAX + 1] = "";
    for (size_t i = 0; i < length; i++)
        snprintf(text + 3 * i, sizeof text - 3 * i, " %02X", atr[i]);
    printf("%s%*s ATR%.50s%s%s\n", style("\033[2m"), 23, "", text, length > 16 ? " .." : "",
           style("\033[0m"));
}

static void print_report(const char *what, const scardmanage_report *report)
{
    char protocol[32];
    const char *from = scardmanage_protocol_name(report->old_protocol);
    const char *to = scardmanage_protocol_name(report->new_protocol);
    bool changed = report->old_protocol != report->new_protocol && report->new_protocol != 0;
    snprintf(protocol, sizeof protocol, changed ? "%s to %s" : "%s", changed ? from : to, to);
    const char *lock = report->lock == SCARDMANAGE_LOCK_NONE ? "-" : scardmanage_lock_name(report->lock);
    const char *step = report->step == SCARDMANAGE_STEP_NONE ? "-" : scardmanage_step_name(report->step);
    row(what, scardmanage_verdict_name(report->verdict), step, report->new_protocol ? protocol : "-", lock,
        report->elapsed_us);
    if (report->new_atr_len > 0)
        row_atr(report->new_atr, report->new_atr_len);
}

/*
 * What happens to the card
 */

static SCARD_READERSTATE get_reader_state(DWORD known, DWORD timeout)
{
    SCARD_READERSTATE state = {.szReader = reader, .dwCurrentState = known};
    LONG rv;
    do /* pcsc-lite 2.5 sometimes returns these although the reader is there: scardmanage-pcsclite(7) */
        rv = SCardGetStatusChange(other_context, timeout, &state, 1);
    while (rv == SCARD_E_UNKNOWN_READER || rv == SCARD_E_UNSUPPORTED_FEATURE);
    pcsc(rv, "waiting for the card");
    return state;
}

static unsigned event_counter_of(const SCARD_READERSTATE *state)
{
    return (unsigned)(state->dwEventState >> 16 & 0xFFFF);
}

static void run(char *const command[])
{
    pid_t child;
    int status;
    posix_spawn_file_actions_t quiet;
    posix_spawn_file_actions_init(&quiet);
    posix_spawn_file_actions_addopen(&quiet, STDOUT_FILENO, "/dev/null", 0x1 /* O_WRONLY */, 0);
    int error = posix_spawnp(&child, command[0], &quiet, NULL, command, environ);
    posix_spawn_file_actions_destroy(&quiet);
    if (error != 0)
        fail("cannot run %s: %s", command[0], strerror(error));
    if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail("%s %s failed", command[0], command[1]);
}

/* Runs cardrig, and waits until PC/SC has counted this number of insertions and removals. */
static void cardrig(const char *verb, const char *file, unsigned events)
{
    char *command[] = {strdup("cardrig"), strdup(verb), file ? strdup(file) : NULL, NULL};
    char title[128];
    SCARD_READERSTATE state = get_reader_state(SCARD_STATE_UNAWARE, 0);
    unsigned before = event_counter_of(&state);
    snprintf(title, sizeof title, "$ cardrig %s%s%s", verb, file ? " " : "", file ? file : "");
    heading(title);
    run(command);
    while ((unsigned)((event_counter_of(&state) - before) & 0xFFFF) < events)
        state = get_reader_state(state.dwEventState & ~(DWORD)SCARD_STATE_CHANGED, CARD_EVENT_WITHIN_MS);
    for (size_t i = 0; command[i]; i++)
        free(command[i]);
}

static void other_client_connects(void)
{
    DWORD protocol;
    pcsc(SCardConnect(other_context, reader, SCARD_SHARE_SHARED, SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1,
                      &other_handle, &protocol),
         "the other client connects");
}

static void other_client_resets(void)
{
    DWORD protocol;
    heading("another client resets the card");
    pcsc(SCardReconnect(other_handle, SCARD_SHARE_SHARED, SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1,
                        SCARD_RESET_CARD, &protocol),
         "the other client resets the card");
}

/* SCardGetAttrib() returns at once if the card is locked; other functions of libpcsclite wait. */
static void other_client_tries(bool locked_out)
{
    DWORD length = 0;
    LONG rv = SCardGetAttrib(other_handle, SCARD_ATTR_ATR_STRING, NULL, &length);
    bool violation = SCARDMANAGE_RESULT(rv) == SCARDMANAGE_E_SHARING_VIOLATION;
    if (violation != locked_out)
        fail("the other client is %slocked out, but should%s be", violation ? "" : "not ",
             locked_out ? "" : " not");
    printf("  %-21s %s\n", "the other client", locked_out ? "is locked out" : "gets in");
}

/*
 * What the library reports
 */

/* Sends a command. The card returns the number of these commands since its last reset. */
static void send_count_command(scardmanage *m, scardmanage_result wanted, unsigned number)
{
    static const uint8_t command[] = {0x80, 0x10, 0x00, 0x00, 0x02};
    uint8_t response[258];
    size_t length = sizeof response;
    scardmanage_result result = scardmanage_transmit(m, command, sizeof command, response, &length);
    expect(result, wanted, "the command 80 10 00 00 02");
    if (result != SCARDMANAGE_S_OK) {
        printf("  %-21s %s\n", "80 10 00 00 02", scardmanage_strerror(result));
        return;
    }
    if (length != 4 || response[2] != 0x90 || response[3] != 0x00)
        fail("the command 80 10 00 00 02: expected 2 bytes and 90 00");
    printf("  %-21s %02X %02X %02X %02X\n", "80 10 00 00 02", response[0], response[1], response[2],
           response[3]);
    if ((unsigned)(response[0] << 8 | response[1]) != number)
        fail("the card's counter: expected %u, got %u", number, (unsigned)(response[0] << 8 | response[1]));
}

struct expectation {
    const char *what;
    scardmanage_options options;
    scardmanage_result result;
    scardmanage_verdict verdict;
    scardmanage_step step;
    scardmanage_lock_state lock;
    uint32_t protocol;
};

static void reconnect(scardmanage *m, struct expectation e)
{
    scardmanage_report report = SCARDMANAGE_REPORT_INIT;
    e.options.size = sizeof e.options;
    scardmanage_result result = scardmanage_reconnect_ex(m, &e.options, &report);
    print_report(e.what, &report);
    if (result != SCARDMANAGE_S_OK)
        printf("  %-21s error %08X: %s\n", "", (unsigned)result, scardmanage_strerror(result));
    expect(result, e.result, e.what);
    if (report.verdict != e.verdict)
        fail("%s: expected the verdict \"%s\"", e.what, scardmanage_verdict_name(e.verdict));
    if (report.step != e.step)
        fail("%s: expected the step \"%s\"", e.what, scardmanage_step_name(e.step));
    if (report.lock != e.lock)
        fail("%s: expected the lock to be \"%s\"", e.what, scardmanage_lock_name(e.lock));
    if (e.protocol != 0 && report.new_protocol != e.protocol)
        fail("%s: expected %s", e.what, scardmanage_protocol_name(e.protocol));
}

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void attach(scardmanage *m)
{
    uint8_t atr[SCARDMANAGE_ATR_MAX];
    size_t length = sizeof atr;
    scardmanage_state state;
    uint32_t protocol;
    uint64_t start = now_us();
    expect(scardmanage_attach_by_ifd(m, reader), SCARDMANAGE_S_OK, "attach");
    uint64_t end = now_us();
    expect(scardmanage_status(m, &state, &protocol), SCARDMANAGE_S_OK, "status");
    expect(scardmanage_get_atr(m, atr, &length), SCARDMANAGE_S_OK, "ATR");
    row("attach", "-", "-", scardmanage_protocol_name(protocol), "-", end - start);
    row_atr(atr, length);
}

/*
 * The tour
 */

static void resets(scardmanage *m)
{
    send_count_command(m, SCARDMANAGE_S_OK, 1);
    send_count_command(m, SCARDMANAGE_S_OK, 2);
    other_client_resets();
    send_count_command(m, SCARDMANAGE_W_RESET_CARD, 0);
    reconnect(m, (struct expectation){.what = "reconnect",
                                      .verdict = SCARDMANAGE_VERDICT_RESET,
                                      .step = SCARDMANAGE_STEP_LEAVE,
                                      .protocol = SCARDMANAGE_PROTOCOL_T1});
    send_count_command(m, SCARDMANAGE_S_OK, 1);
    heading("lock the card, then ask for a cold reset");
    expect(scardmanage_lock(m), SCARDMANAGE_S_OK, "lock");
    reconnect(m, (struct expectation){.what = "reconnect",
                                      .options = {.first_step = SCARDMANAGE_STEP_COLD},
                                      .verdict = SCARDMANAGE_VERDICT_UNCHANGED,
                                      .step = SCARDMANAGE_STEP_COLD,
                                      .lock = SCARDMANAGE_LOCK_KEPT,
                                      .protocol = SCARDMANAGE_PROTOCOL_T1});
    other_client_tries(true);
    send_count_command(m, SCARDMANAGE_S_OK, 1);
}

static void removal(scardmanage *m)
{
    cardrig("remove", NULL, 1);
    send_count_command(m, SCARDMANAGE_W_REMOVED_CARD, 0);
    reconnect(m, (struct expectation){.what = "reconnect",
                                      .result = SCARDMANAGE_E_NO_SMARTCARD,
                                      .verdict = SCARDMANAGE_VERDICT_ABSENT,
                                      .lock = SCARDMANAGE_LOCK_LOST});
    cardrig("insert", NULL, 1);
    reconnect(m, (struct expectation){.what = "reconnect",
                                      .verdict = SCARDMANAGE_VERDICT_REINSERTED,
                                      .step = SCARDMANAGE_STEP_LEAVE,
                                      .lock = SCARDMANAGE_LOCK_REACQUIRED,
                                      .protocol = SCARDMANAGE_PROTOCOL_T1});
    other_client_tries(true);
}

static void exchange(scardmanage *m)
{
    cardrig("swap", "t0-only.lua", 2);
    reconnect(m, (struct expectation){.what = "reconnect",
                                      .result = SCARDMANAGE_W_REMOVED_CARD,
                                      .verdict = SCARDMANAGE_VERDICT_DIFFERENT,
                                      .lock = SCARDMANAGE_LOCK_LOST});
    send_count_command(m, SCARDMANAGE_W_REMOVED_CARD, 0);
    reconnect(m, (struct expectation){.what = "reconnect, accepted",
                                      .options = {.accept_other_card = 1},
                                      .verdict = SCARDMANAGE_VERDICT_DIFFERENT,
                                      .step = SCARDMANAGE_STEP_LEAVE,
                                      .lock = SCARDMANAGE_LOCK_REACQUIRED,
                                      .protocol = SCARDMANAGE_PROTOCOL_T0});
    cardrig("swap", "two-protocols.lua", 2);
    reconnect(m, (struct expectation){.what = "reconnect, accepted",
                                      .options = {.accept_other_card = 1},
                                      .verdict = SCARDMANAGE_VERDICT_DIFFERENT,
                                      .step = SCARDMANAGE_STEP_LEAVE,
                                      .lock = SCARDMANAGE_LOCK_REACQUIRED,
                                      .protocol = SCARDMANAGE_PROTOCOL_T1});
}

static void protocols(scardmanage *m)
{
    heading("ask for T=0, then for T=1 again");
    for (int i = 0; i < 2; i++) {
        uint32_t protocol = i == 0 ? SCARDMANAGE_PROTOCOL_T0 : SCARDMANAGE_PROTOCOL_T1;
        reconnect(m, (struct expectation){.what = i == 0 ? "reconnect, T=0 only" : "reconnect, T=1 only",
                                          .options = {.protocols = protocol},
                                          .verdict = SCARDMANAGE_VERDICT_UNCHANGED,
                                          .step = SCARDMANAGE_STEP_WARM,
                                          .lock = SCARDMANAGE_LOCK_KEPT,
                                          .protocol = protocol});
        send_count_command(m, SCARDMANAGE_S_OK, 1);
    }
    heading("unlock, once: nothing has leaked");
    expect(scardmanage_unlock(m, SCARDMANAGE_DISPOSITION_LEAVE), SCARDMANAGE_S_OK, "unlock");
    other_client_tries(false);
}

static void find_reader(void)
{
    const char *rig = getenv("CARDRIG_READER"); /* the PC/SC name of the first slot */
    char names[4096];
    DWORD length = sizeof names;
    pcsc(SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &other_context), "establishing a context");
    if (!rig) {
        pcsc(SCardListReaders(other_context, NULL, names, &length), "listing readers");
        rig = names;
    }
    snprintf(reader, sizeof reader, "%.255s", rig);
}

/* In a build tree, cardrig is in the folder of this program, which may not be in PATH. */
static void add_own_folder_to_path(void)
{
    char program[4096], path[8192];
    const char *old = getenv("PATH");
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (length <= 0)
        return;
    program[length] = '\0';
    *strrchr(program, '/') = '\0';
    snprintf(path, sizeof path, "%s:%.4000s", program, old ? old : "/usr/bin:/bin");
    setenv("PATH", path, 1);
}

int main(int argc, char **argv)
{
    scardmanage *m;
    if (argc != 2 || argv[1][0] == '-')
        fail("usage: cardrig run --card CARDS_DIR/two-protocols.lua -- scardmanage-tour CARDS_DIR");
    if (!getenv("CARDRIG_SOCKET"))
        fail("not in a rig: cardrig run --card CARDS_DIR/two-protocols.lua -- scardmanage-tour CARDS_DIR");
    if (chdir(argv[1]) != 0)
        fail("%s: no such directory", argv[1]);
    colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
    setvbuf(stdout, NULL, _IOLBF, 0);
    add_own_folder_to_path();
    find_reader();
    other_client_connects();

    printf("A tour of libscardmanage, reader \"%s\"\n\n", reader);
    printf("  %-21s %-14s  %-6s  %-11s %-10s %7s\n", "", "verdict", "step", "protocol", "lock", "ms");
    expect(scardmanage_create(&m), SCARDMANAGE_S_OK, "create");
    attach(m);
    resets(m);
    removal(m);
    exchange(m);
    protocols(m);
    expect(scardmanage_detach(m), SCARDMANAGE_S_OK, "detach");
    scardmanage_free(m);
    SCardDisconnect(other_handle, SCARD_LEAVE_CARD);
    SCardReleaseContext(other_context);
    return EXIT_SUCCESS;
}
