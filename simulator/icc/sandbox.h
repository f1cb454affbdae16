/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The Lua machine of one card, and its limits.
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
#include "icc/keep.h"

#define SANDBOX_MEMORY       ((size_t)16 * 1024 * 1024) /* bytes per card */
#define SANDBOX_INSTRUCTIONS 10000000                   /* Lua instructions per call */
#define SANDBOX_INTERVAL     10000                      /* instructions between two checks of the budget */
#define SANDBOX_LOG_LINES    1000                       /* lines that a script may print per call */
#define SANDBOX_LINE_MAX     1024                       /* bytes of a log line, with the final zero */

struct sandbox {
    struct heap heap;
    lua_State *L; /* NULL: the machine is dead, see sandbox_call */
    struct card_host host;
    struct faults *faults;        /* of the card, which owns them */
    atomic_bool interrupted;      /* see sandbox_interrupt */
    const char *chunk;            /* the script's full name, for messages */
    char chunk_short[LUA_IDSIZE]; /* the same as Lua shortens it */
    const char *folder;           /* of the script, with the files that it may read; NULL: none */
    struct keep *keep;            /* for the table persistent; NULL: it is lost with the card */
    bool is_loaded;               /* the script has been run; its functions can be called */
    int intervals;                /* of SANDBOX_INTERVAL, left for the call in progress */
    const char *spent;            /* why the call in progress has failed, as a text; NULL: it has not */
    int spent_line;               /* the line of the script where that happened; 0: unknown */
    unsigned lines;               /* printed by the call in progress */
    uint32_t work_ms;             /* what the script has said that the command takes, see takes() */
    void *attached;               /* see sandbox_attach; NULL: nothing */
    void (*free_attached)(void *attached);
};

/*
 * Returns a new machine without a script. open (globals_open) opens its libraries. Copies host. The Lua
 * function fault() sets faults in `faults`. chunk is the script's file name for messages, and is copied. The
 * caller frees the machine with sandbox_free(). Returns NULL with one line in error on failure.
 */
struct sandbox *sandbox_new(const struct card_host *host, struct faults *faults, void (*open)(lua_State *L),
                            const char *chunk, struct error *error);

/* Lets the script read files in the folder of the file `path`. Returns false if there is no memory. */
bool sandbox_set_folder(struct sandbox *sandbox, const char *path);

/* Frees the machine and everything in its heap. sandbox may be NULL. */
void sandbox_free(struct sandbox *sandbox);

/*
 * Calls body, a Lua C function, with arg as its only argument (a light userdata), within the limits of
 * instructions, memory and time. All use of the Lua state goes through this function. Returns true if body
 * returns without error.
 *
 * Otherwise returns false with one line, "file:line: reason", in error. `line` is the line in it if no better
 * one is known. A call that has used up its instructions fails even if the script catches the error. If the
 * watchdog had to stop the call, the machine is dead: its memory is freed, and every later call fails at
 * once.
 */
bool sandbox_call(struct sandbox *sandbox, lua_CFunction body, void *arg, int line, struct error *error);

/* Makes the call in progress and all later ones fail as if their instructions were used up. May be called
 * from any thread. */
void sandbox_interrupt(struct sandbox *sandbox);

/* Returns whether the machine is dead; see sandbox_call. */
bool sandbox_dead(const struct sandbox *sandbox);

/* Returns the sandbox of L, a Lua thread of its machine. */
struct sandbox *sandbox_of(lua_State *L);

/* Returns whether the call in progress has used up its instructions or its time, or was interrupted. It then
 * fails, whatever the script does. */
bool sandbox_spent(lua_State *L);

/* Takes `intervals`, at least 1, from the budget of the call in progress. Raises a Lua error if too few are
 * left. */
void sandbox_charge(lua_State *L, int intervals);

/*
 * Gives the machine something that is not in its heap. When the machine dies or is freed,
 * free_attached(attached) frees it, before the heap; no code of the script runs then. Nothing may be
 * attached yet.
 */
void sandbox_attach(struct sandbox *sandbox, void *attached, void (*free_attached)(void *attached));

/*
 * Services of the host. The watchdog does not stop a call while it is in one of these.
 */

/* Fills buf with length random bytes. */
void sandbox_random(struct sandbox *sandbox, void *buf, size_t length);

/* Sets a fault as faults_set() does. */
bool sandbox_fault(struct sandbox *sandbox, const char *text, struct error *error);

/* Logs the text as one line. SANDBOX_LOG_LINES does not apply here. */
void sandbox_log(struct sandbox *sandbox, const char *text, size_t length);

#endif
