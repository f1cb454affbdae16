/* SPDX-License-Identifier: BSD-3-Clause */
/* The supervisor, inside: the parts of a rig (parts.c), its pcscd (pcscd_service.c), and the run as a whole
 * (supervise.c). */
#ifndef CARDRIG_CLI_SUPERVISOR_H
#define CARDRIG_CLI_SUPERVISOR_H

#include "base/error.h"
#include "pcscd/pcscd.h"
#include "pcscd/question.h"
#include "rig/directory.h"
#include "rig/lifeline.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct supervise_plan;

enum part_name { SIMULATOR, PCSCD, COMMAND, PARTS };

struct part {
    pid_t pid;    /* 0: does not run */
    int status;   /* as of waitpid, once it has run and ended */
    bool stopped; /* by a signal */
    bool killed;  /* by us: its end is no failure */
};

struct supervisor {
    const struct supervise_plan *plan;
    char directory[DIRECTORY_MAX];
    char mark[DIRECTORY_MAX + 32]; /* the environment entry of all that is started here */
    const char *around;            /* the directory of a rig around this one; NULL: there is none */
    struct part part[PARTS];
    int lifeline;           /* to the simulator */
    int signal_fd;          /* -1: none */
    bool front_died;        /* or it was never there */
    bool command_was_there; /* when signals were last taken */
    int early_signal;       /* one that came before the command was there; 0: none */
    bool serving;           /* the simulator has its cards */
    bool random_drawn;
    int failed;              /* the exit status where the rig died, or was never ready; else 0 */
    int64_t kill_command_at; /* 0: never */

    /* pcscd */
    char socket[PCSCD_SOCKET_MAX]; /* where clients reach it */
    struct question question;      /* whether it answers */
    uint8_t start;                 /* which start of pcscd this is */
    bool drivers_ready;            /* in that one */
    bool down;                     /* because that was asked for */
    enum service_state told_state; /* to the simulator */
    bool requested;                /* by the simulator */
    enum service_action request;
};

/*
 * parts.c
 */

/* False with errno. */
bool start_simulator(struct supervisor *supervisor);
bool start_command(struct supervisor *supervisor);

/* Puts down which children have ended or were stopped. */
void reap(struct supervisor *supervisor);

/* Sends a signal to a part, if it runs, and continues it if it is stopped. (pcscd leads a group: the
 * program that was given may be a wrapper around it.) */
void signal_part(struct supervisor *supervisor, enum part_name part, int signal);

/* Waits for a part that has been asked to end; kills it when it does not, which is said. */
void wait_for_end(struct supervisor *supervisor, enum part_name part);

/* "killed by signal 9, Killed". */
const char *how_it_ended(const struct part *part, char *buffer, size_t size);

/*
 * pcscd_service.c
 */

/* Starts pcscd. False with error. */
bool start_pcscd(struct supervisor *supervisor, struct error *error);

/* Waits until it answers and has all readers that are plugged in. False: it has not, and error says why, or
 * is empty: that has been said, or nobody needs it any more. */
bool wait_for_pcscd(struct supervisor *supervisor, struct error *error);

/* Does what the simulator has asked for, and answers. */
void serve_request(struct supervisor *supervisor);

/* Tells the simulator in which state pcscd is, if that has changed. */
void tell_state(struct supervisor *supervisor);

/* Shows the end of pcscd's log. */
void show_pcscd_log(const struct supervisor *supervisor);

/*
 * supervise.c
 */

/* Waits until something happens, but not longer than to the time given (0: without end), and takes note of
 * it. */
void wait_until(struct supervisor *supervisor, int64_t when);

#endif
