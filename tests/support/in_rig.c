/* SPDX-License-Identifier: BSD-3-Clause */
#include "in_rig.h"

#include "run_suite.h"
#include "status_change.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOTICED_MS 50000 /* PC/SC must notice a card event within this time */

extern char **environ;

static void find_cardrig_beside_us(void)
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

int run_suite_in_rig(Suite *suite)
{
    if (!getenv("CARDRIG_SOCKET") || !getenv("CARDRIG_READER")) {
        fprintf(stderr, "not in a rig: cardrig run -- %s\n", program_invocation_short_name);
        return EXIT_FAILURE;
    }
    find_cardrig_beside_us();
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

static void run_cardrig(const char *verb, const char *card)
{
    char path[1024] = "";
    char *command[] = {strdup("cardrig"), strdup(verb), card ? path : NULL, NULL};
    pid_t child;
    int status;
    if (card)
        find_card(path, sizeof path, card);
    posix_spawn_file_actions_t quiet;
    posix_spawn_file_actions_init(&quiet);
    posix_spawn_file_actions_addopen(&quiet, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    ck_assert_int_eq(posix_spawnp(&child, command[0], &quiet, NULL, command, environ), 0);
    posix_spawn_file_actions_destroy(&quiet);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "cardrig %s failed", verb);
    free(command[0]);
    free(command[1]);
}

void move_card(SCARDCONTEXT context, const char *reader, const char *verb, const char *card)
{
    SCARD_READERSTATE state = reader_state(context, reader);
    bool was_present = state.dwEventState & SCARD_STATE_PRESENT;
    unsigned before = event_counter(&state);
    unsigned events = was_present && strcmp(verb, "swap") == 0 ? 2 : 1;
    run_cardrig(verb, card);
    state = reader_state(context, reader);
    while (((event_counter(&state) - before) & 0xFFFF) < events) {
        state.dwCurrentState = state.dwEventState & ~(DWORD)SCARD_STATE_CHANGED;
        ck_assert_int_eq(status_change(context, NOTICED_MS, &state), SCARD_S_SUCCESS);
    }
}
