/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The board shows what the processes and threads of a long run are doing. It is shared memory, created
 * before the processes are forked. Each thread records the call that it is in, so that the test can name
 * a call that does not return.
 */
#ifndef TESTS_SUPPORT_BOARD_H
#define TESTS_SUPPORT_BOARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define BOARD_THREADS 64

/* The line of a thread. Its strings are literals, or were created before the fork. */
struct board_line {
    char who[64];
    struct board *board;
    _Atomic(const char *) call; /* the current call, or null */
    _Atomic int64_t since;      /* when it began, in board_now() time */
    atomic_bool busy;           /* within a group of calls that must not be held */
    _Atomic uint64_t calls;
    _Atomic int64_t longest; /* duration in ms of the longest call that has returned */
    _Atomic(const char *) longest_call;
};

struct board {
    atomic_bool stop;                           /* all threads must end */
    atomic_bool failed;                         /* the reason has been printed */
    _Atomic(const struct board_line *) culprit; /* the line of the first failure, or null */
    /* The time of a call counts from here: before that, pcscd was stopped. */
    _Atomic int64_t grace;
    atomic_bool stopped; /* pcscd is stopped, so calls need not return */
    atomic_bool hold;    /* calls must not begin, but wait until this is false */
    unsigned lines;
    struct board_line line[BOARD_THREADS];
};

/* Returns milliseconds on a monotonic clock. */
int64_t board_now(void);

void board_sleep(int64_t ms);

/* Returns zeroed shared memory, or ends the program. */
void *board_share(unsigned long size);

/* Adds a line for a thread. Call this before the fork. name is a printf() format. */
struct board_line *board_add(struct board *board, const char *name, ...)
    __attribute__((format(printf, 2, 3)));

/* Call these before and after each call. */
void board_enter(struct board_line *line, const char *call);
void board_leave(struct board_line *line);

/* Call these before and after a group of calls that must not be held in between. */
void board_begin(struct board_line *line);
void board_end(struct board_line *line);

/* Returns whether no call is running, except those that only wait for changes. */
bool board_is_quiet(const struct board *board);

/* Prints the failure, and marks the run as failed. */
void board_fail(struct board *board, const struct board_line *line, const char *what, ...)
    __attribute__((format(printf, 3, 4)));

/* Fails if a call has been running for longer than ms. */
void board_watch(struct board *board, int64_t ms);

#endif
