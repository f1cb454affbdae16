/* SPDX-License-Identifier: BSD-3-Clause */
#include "board.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

int64_t board_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void board_sleep(int64_t ms)
{
    if (ms <= 0)
        return;
    struct timespec time = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
    nanosleep(&time, NULL);
}

void *board_share(unsigned long size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        perror("soak: mmap");
        exit(1);
    }
    return memory;
}

struct board_line *board_add(struct board *board, const char *name, ...)
{
    if (board->lines == BOARD_THREADS) {
        fprintf(stderr, "soak: no room for more than %d threads\n", BOARD_THREADS);
        exit(1);
    }
    struct board_line *line = &board->line[board->lines++];
    line->board = board;
    va_list arguments;
    va_start(arguments, name);
    vsnprintf(line->who, sizeof line->who, name, arguments);
    va_end(arguments);
    return line;
}

void board_enter(struct board_line *line, const char *call)
{
    for (;;) {
        line->since = board_now();
        line->call = call; /* before hold is read: board_is_quiet() reads the calls after hold was set */
        if (!line->board->hold || line->busy)
            break;
        line->call = NULL;
        board_sleep(1);
    }
    line->calls++;
}

void board_begin(struct board_line *line)
{
    for (;;) {
        line->busy = true; /* before hold is read, as above */
        if (!line->board->hold)
            return;
        line->busy = false;
        board_sleep(1);
    }
}

void board_end(struct board_line *line)
{
    line->busy = false;
}

bool board_is_quiet(const struct board *board)
{
    for (unsigned i = 0; i < board->lines; i++) {
        const char *call = board->line[i].call;
        if (board->line[i].busy || (call && strcmp(call, "SCardGetStatusChange") != 0))
            return false;
    }
    return true;
}

void board_leave(struct board_line *line)
{
    int64_t took = board_now() - line->since;
    if (took > line->longest) {
        line->longest = took;
        line->longest_call = line->call;
    }
    line->call = NULL;
}

void board_fail(struct board *board, const struct board_line *line, const char *what, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, what);
    vsnprintf(text, sizeof text, what, arguments);
    va_end(arguments);
    /* in one write, as several processes may fail at the same time */
    fprintf(stderr, "\nsoak: FAILED: %s%s%s\n", line ? line->who : "", line ? ": " : "", text);
    if (!board->failed) /* later failures may be consequences of the first */
        board->culprit = line;
    board->failed = true;
    board->stop = true;
}

void board_watch(struct board *board, int64_t ms)
{
    if (board->stopped)
        return;
    for (unsigned i = 0; i < board->lines; i++) {
        struct board_line *line = &board->line[i];
        int64_t since = line->since;
        const char *call = line->call;
        if (since < board->grace)
            since = board->grace;
        /* the call may have ended between the two reads, and another may have begun */
        if (call && board_now() - since > ms && line->since <= since && line->call)
            board_fail(board, line, "%s has not come back for %lld ms", call,
                       (long long)(board_now() - since));
    }
}
