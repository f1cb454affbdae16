/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The board: what the processes and threads of a long run know of each other. It is shared memory, made
 * before they are forked; each thread notes the call it is in, so that a call that does not come back can be
 * named.
 */
#ifndef TESTS_SUPPORT_BOARD_H
#define TESTS_SUPPORT_BOARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define BOARD_THREADS 64

/* One thread's line. Its strings are literals or from before the fork. */
struct board_line {
    char who[64];
    struct board *board;
    _Atomic(const char *) call; /* NULL: in none */
    _Atomic int64_t since;      /* as board_now counts */
    atomic_bool busy;           /* between calls that others may wait for the end of */
    _Atomic uint64_t calls;
    _Atomic int64_t longest; /* ms of a call that has come back */
    _Atomic(const char *) longest_call;
};

struct board {
    atomic_bool stop;                           /* everybody is to come to an end */
    atomic_bool failed;                         /* the reason has been printed */
    _Atomic(const struct board_line *) culprit; /* whose it is; NULL: nobody's */
    _Atomic int64_t grace; /* time of a call that counts only from here on: pcscd was stopped until then */
    atomic_bool stopped;   /* pcscd is stopped: no call has to come back */
    atomic_bool hold;      /* no call is to begin, but to wait for this to end */
    unsigned lines;
    struct board_line line[BOARD_THREADS];
};

/* Milliseconds of a clock that only goes forward. */
int64_t board_now(void);

void board_sleep(int64_t ms);

/* Shared, zeroed memory of that size, or the end of the program. */
void *board_share(unsigned long size);

/* A new line for a thread; before the fork. name is printf's. */
struct board_line *board_add(struct board *board, const char *name, ...)
    __attribute__((format(printf, 2, 3)));

/* Around each call. */
void board_enter(struct board_line *line, const char *call);
void board_leave(struct board_line *line);

/* Around calls that are not to be held apart. */
void board_begin(struct board_line *line);
void board_end(struct board_line *line);

/* Whether no call is under way, except those that only wait for changes. */
bool board_is_quiet(const struct board *board);

/* Prints what is wrong, and that the run has failed. */
void board_fail(struct board *board, const struct board_line *line, const char *what, ...)
    __attribute__((format(printf, 3, 4)));

/* Fails when a call has been under way for longer than ms. */
void board_watch(struct board *board, int64_t ms);

#endif
