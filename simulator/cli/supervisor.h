/* SPDX-License-Identifier: BSD-3-Clause */
/* Internals of the supervisor, shared by parts.c (the processes of a rig), pcscd_service.c (its pcscd) and
 * supervise.c (the whole run). */
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
    pid_t pid;    /* 0: not running */
    int status;   /* from waitpid(2), once the process has ended */
    bool stopped; /* by a signal */
    bool killed;  /* by the supervisor, so that its end is no failure */
};

struct supervisor {
    const struct supervise_plan *plan;
    char directory[DIRECTORY_MAX];
    char mark[DIRECTORY_MAX + 32]; /* STALE_MARK "=DIRECTORY", for the environment of all programs started */
    const char *around;            /* the directory of the rig that this one runs in, or NULL */
    struct part part[PARTS];
    int lifeline;           /* to the simulator; -1: closed */
    int signal_fd;          /* of origin_open_signal_fd; -1: it could not be made */
    bool front_died;        /* or there never was one */
    bool command_was_there; /* the command ran when signals were last read */
    int early_signal;       /* a signal that came before the command was started; 0: none */
    bool serving;           /* the simulator has loaded its cards and serves */
    bool random_drawn;
    int failed;              /* the exit status if the rig died or never got ready; else 0 */
    int64_t kill_command_at; /* clock_ms() time for SIGKILL; 0: never */

    /* pcscd */
    char socket[PCSCD_SOCKET_MAX];     /* the path of its socket for clients */
    struct question question;          /* asks whether it serves clients yet */
    uint8_t start;                     /* the number of pcscd's latest start */
    bool drivers_ready;                /* all drivers are connected since that start */
    bool down;                         /* on request, so that its end is no failure */
    enum service_state reported_state; /* last sent to the simulator */
    bool requested;                    /* the simulator has sent request, not yet carried out */
    enum service_action request;
};

/*
 * parts.c
 */

/* Both start a process. They return false and set errno on failure. */
bool start_simulator(struct supervisor *supervisor);
bool start_command(struct supervisor *supervisor);

/* Reaps children, and records which parts have ended, stopped or continued. */
void reap(struct supervisor *supervisor);

/* Sends a signal to a part, if it runs, followed by SIGCONT in case it is stopped. For pcscd signals its
 * whole process group, because the configured program may be a wrapper around pcscd. */
void signal_part(struct supervisor *supervisor, enum part_name part, int signal);

/* Waits for the end of a part that has been asked to end. If it does not end within 2 s, logs that and kills
 * it. */
void wait_for_end(struct supervisor *supervisor, enum part_name part);

/* Writes how a part ended, such as "killed by signal 9, Killed", to buffer. Returns buffer. */
const char *how_it_ended(const struct part *part, char *buffer, size_t size);

/*
 * pcscd_service.c
 */

/* Starts pcscd. Returns false and sets *error on failure. */
bool start_pcscd(struct supervisor *supervisor, struct error *error);

/* Waits until pcscd answers and has all readers that are plugged in. Returns false and sets *error if it does
 * not get that far. error->text is empty if the reason has been logged already, or if pcscd is no longer
 * needed. */
bool wait_for_pcscd(struct supervisor *supervisor, struct error *error);

/* Carries out the simulator's request, and answers it. */
void serve_request(struct supervisor *supervisor);

/* Tells the simulator the state of pcscd, if it has changed. */
void tell_state(struct supervisor *supervisor);

/* Logs the last lines of pcscd's log. */
void show_pcscd_log(const struct supervisor *supervisor);

/*
 * supervise.c
 */

/* Waits for events and records them: signals, ended children, messages from the front and the simulator, and
 * pcscd's answer. Returns after the first event, or at the clock_ms() time when, if that is not 0. */
void wait_until(struct supervisor *supervisor, int64_t when);

#endif
