/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The Lua machine of one card, and the limits within which it runs.
 */
#ifndef CARDRIG_ICC_SANDBOX_H
#define CARDRIG_ICC_SANDBOX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include <lua.h>

#include "base/error.h"
#include "icc/card.h"
#include "icc/fault.h"
#include "icc/heap.h"

#define SANDBOX_MEMORY       ((size_t)16 * 1024 * 1024) /* bytes per card */
#define SANDBOX_INSTRUCTIONS 10000000                   /* Lua instructions per call */
#define SANDBOX_INTERVAL     10000                      /* how often they are counted */
#define SANDBOX_LOG_LINES    1000                       /* lines a script may print per call */
#define SANDBOX_LINE_MAX     1024                       /* bytes in a line for the log, with the final zero */

struct sandbox {
    struct heap heap;
    lua_State *L; /* NULL: dead, see sandbox_call */
    struct card_host host;
    struct faults *faults;        /* that the card has been asked for; the card's */
    atomic_bool interrupted;      /* see sandbox_interrupt */
    const char *chunk;            /* the script's name in messages, in full */
    char chunk_short[LUA_IDSIZE]; /* what Lua makes of it */
    int intervals;                /* left for the call in progress */
    const char *spent;            /* what the call in progress has used up; NULL: nothing yet */
    int spent_line;               /* in this line of the script; 0 if not known */
    unsigned lines;               /* printed in this call */
};

/*
 * A machine with the libraries that `open` gives it (globals_open), and no script. `host` is copied; `faults`
 * are where fault() puts them. `chunk` is the script's file name for messages, and is copied. NULL on
 * failure, with a line in `error`. To be freed with sandbox_free().
 */
struct sandbox *sandbox_new(const struct card_host *host, struct faults *faults, void (*open)(lua_State *L),
                            const char *chunk, struct error *error);

/* Frees the machine and all that was allocated in its heap. NULL is allowed. */
void sandbox_free(struct sandbox *sandbox);

/*
 * Calls `body`, a Lua C function, with `arg` as its only argument (a light userdata), within the limits of
 * instructions, memory and time. All that touches Lua goes through here. Returns true if it came to its end.
 *
 * Otherwise `error` holds one line, "file:line: reason"; `line` is the line to name when nothing better is
 * known. A call that has used up its instructions has failed, no matter what the script made of that. When
 * time has run out the machine is dead: its memory is freed, and every further call fails at once.
 */
bool sandbox_call(struct sandbox *sandbox, lua_CFunction body, void *arg, int line, struct error *error);

/* From any thread: the call in progress and all later ones fail, as if their instructions were used up. */
void sandbox_interrupt(struct sandbox *sandbox);

/* Is the machine dead? */
bool sandbox_dead(const struct sandbox *sandbox);

/* The sandbox that L, a thread of its machine, belongs to. */
struct sandbox *sandbox_of(lua_State *L);

/* Has the call in progress used up its instructions or its time, so that it fails whatever it does? */
bool sandbox_spent(lua_State *L);

/* Takes one interval off the budget of the call in progress; a Lua error if there is none left. */
void sandbox_charge(lua_State *L);

/* The host's services, kept safe from the watchdog. */
void sandbox_random(struct sandbox *sandbox, void *buf, size_t length);
/* Sets a fault, as faults_set(). */
bool sandbox_fault(struct sandbox *sandbox, const char *text, struct error *error);
/* Makes one line of the text and logs it, however many were printed. */
void sandbox_log(struct sandbox *sandbox, const char *text, size_t length);

#endif
