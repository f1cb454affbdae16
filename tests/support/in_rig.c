/* SPDX-License-Identifier: BSD-3-Clause */
#include "in_rig.h"

#include "run_suite.h"
#include "status_change.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define NOTICED_MS 50000 /* PC/SC must notice a card event within this time */

int run_suite_in_rig(Suite *suite)
{
    if (!getenv("CARDRIG_SOCKET") || !getenv("CARDRIG_READER")) {
        fprintf(stderr, "not in a rig: cardrig run -- %s\n", program_invocation_short_name);
        return EXIT_FAILURE;
    }
    return run_suite(suite);
}

SCARD_READERSTATE reader_state(SCARDCONTEXT context, const char *reader)
{
    SCARD_READERSTATE state = {.szReader = reader, .dwCurrentState = SCARD_STATE_UNAWARE};
    ck_assert_int_eq(status_change(context, 0, &state), SCARD_S_SUCCESS);
    return state;
}

unsigned event_counter(const SCARD_READERSTATE *state)
{
    return (unsigned)(state->dwEventState >> 16 & 0xFFFF);
}

static void find_card(char *path, size_t size, const char *card)
{
    if (card[0] == '/') {
        snprintf(path, size, "%s", card);
        return;
    }
    snprintf(path, size, "%s/cards/%s", FIXTURES_DIR, card);
    if (access(path, R_OK) != 0)
        snprintf(path, size, "%s/%s", FIXTURES_DIR, card);
}

/* Sends a request to the rig, and waits until it is done. Not by a process of cardrig, which takes long to start with
 * sanitizers. */
__attribute__((format(printf, 1, 2))) static void ask_rig(const char *format, ...)
{
    char request[2048], answer[16384] = "";
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval limit = {.tv_sec = NOTICED_MS / 1000};
    va_list values;
    va_start(values, format);
    int length = vsnprintf(request, sizeof request, format, values);
    va_end(values);
    ck_assert_int_lt(length, sizeof request);
    strncpy(address.sun_path, getenv("CARDRIG_SOCKET"), sizeof address.sun_path - 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(send(fd, request, (size_t)length, MSG_NOSIGNAL), length);
    size_t received = 0;
    while (!strchr(answer, '\n') && received < sizeof answer - 1) {
        ssize_t more = recv(fd, answer + received, sizeof answer - 1 - received, 0);
        ck_assert_msg(more > 0, "no answer to %s", request);
        received += (size_t)more;
    }
    close(fd);
    ck_assert_msg(strstr(answer, "\"ok\":true"), "%s%s", request, answer);
}

void set_fault(const char *fault)
{
    ask_rig("{\"command\": \"fault\", \"faults\": [\"%s\"]}\n", fault);
}

void move_card_unnoticed(const char *verb, const char *card)
{
    char path[1024] = "";
    if (card)
        find_card(path, sizeof path, card);
    ask_rig("{\"command\": \"%s\"%s%s%s}\n", verb, card ? ", \"file\": \"" : "", path, card ? "\"" : "");
}

void move_card(SCARDCONTEXT context, const char *reader, const char *verb, const char *card)
{
    SCARD_READERSTATE state = reader_state(context, reader);
    bool was_present = state.dwEventState & SCARD_STATE_PRESENT;
    unsigned before = event_counter(&state);
    unsigned events = was_present && strcmp(verb, "swap") == 0 ? 2 : 1;
    move_card_unnoticed(verb, card);
    state = reader_state(context, reader);
    while (((event_counter(&state) - before) & 0xFFFF) < events) {
        state.dwCurrentState = state.dwEventState & ~(DWORD)SCARD_STATE_CHANGED;
        ck_assert_int_eq(status_change(context, NOTICED_MS, &state), SCARD_S_SUCCESS);
    }
}
