/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/clock.h"
#include "base/error.h"
#include "cli/cli.h"
#include "cli/supervise.h"
#include "cli/supervisor.h"
#include "rig/log.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define READY_MS   20000 /* time for pcscd to answer and to add its readers */
#define REFUSED_MS 1000  /* time to see pcscd's end, if it has refused the question because it is dying */
#define HALT_MS    2000  /* time for pcscd to stop or to continue */

void show_pcscd_log(const struct supervisor *supervisor)
{
    struct stat status;
    /* a device may have no end, and a FIFO without a writer would block */
    if (stat(supervisor->plan->pcscd->log, &status) < 0 || !S_ISREG(status.st_mode))
        return;
    FILE *file = fopen(supervisor->plan->pcscd->log, "re");
    if (!file)
        return;
    char line[512];
    if (fseek(file, -2000, SEEK_END) == 0 && !fgets(line, sizeof line, file)) {
        fclose(file);
        return;
    }
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        rig_log("pcscd: %s", line);
    }
    fclose(file);
}

static void send_lifeline(struct supervisor *supervisor, enum lifeline_type type, uint8_t value,
                          const char *text)
{
    struct lifeline_message message = {.type = (uint8_t)type, .value = value, .start = supervisor->start};
    snprintf(message.text, sizeof message.text, "%s", text);
    lifeline_send(supervisor->lifeline, &message); /* fails if the simulator has died; reap() detects that */
}

static void tell_state_of(struct supervisor *supervisor, enum service_state state)
{
    send_lifeline(supervisor, LIFELINE_STATE, (uint8_t)state, supervisor->plan->pcscd->note);
    supervisor->reported_state = state;
}

void tell_state(struct supervisor *supervisor)
{
    const struct part *pcscd = &supervisor->part[PCSCD];
    enum service_state state = !pcscd->pid      ? SERVICE_DOWN
                               : pcscd->stopped ? SERVICE_STOPPED
                                                : SERVICE_RUNNING;
    if (supervisor->reported_state != SERVICE_STARTING && supervisor->reported_state != state)
        tell_state_of(supervisor, state);
}

/* Returns whether waiting for pcscd has no purpose, because the run ends anyway. */
static bool is_in_vain(const struct supervisor *supervisor)
{
    return supervisor->early_signal || supervisor->front_died || supervisor->failed ||
           (supervisor->command_was_there && !supervisor->part[COMMAND].pid);
}

/* Returns why pcscd is not ready at the deadline. */
static const char *wrong_at_deadline(const struct supervisor *supervisor)
{
    switch (supervisor->question.state) {
    case QUESTION_OPEN:
        return "it does not answer (after 20 s)";
    case QUESTION_REFUSED:
        return "it refuses its clients";
    case QUESTION_ANSWERED:
        break;
    }
    return "it has not taken in all readers (after 20 s)";
}

/* Returns whether pcscd can no longer get ready, because it or the simulator has died. Sets *error, unless
 * the simulator has logged the reason itself. */
static bool is_out_of_reach(struct supervisor *supervisor, struct error *error)
{
    const struct part *simulator = &supervisor->part[SIMULATOR], *pcscd = &supervisor->part[PCSCD];
    char how[80];
    if (!simulator->pid) {
        /* a simulator that exits before it serves has logged what is wrong with its cards */
        if (WIFSIGNALED(simulator->status) || supervisor->serving)
            error_set(error, "the simulator has died (%s)", how_it_ended(simulator, how, sizeof how));
        supervisor->failed = WIFEXITED(simulator->status) ? WEXITSTATUS(simulator->status) : EXIT_RIG_FAILED;
    } else if (!pcscd->pid) {
        error_set(error, "pcscd has died before it was ready (%s): is %s a pcscd?",
                  how_it_ended(pcscd, how, sizeof how), supervisor->plan->pcscd->program);
    }
    return !simulator->pid || !pcscd->pid;
}

/* Waits as wait_for_pcscd does, with the same results. */
static bool wait_for_readiness(struct supervisor *supervisor, struct error *error)
{
    int64_t deadline = 0; /* none until the cards are loaded; their scripts have limits of their own */
    error->text[0] = '\0';
    while (supervisor->question.state != QUESTION_ANSWERED || !supervisor->drivers_ready) {
        if (is_in_vain(supervisor) || is_out_of_reach(supervisor, error))
            return false;
        if (supervisor->serving && deadline == 0)
            deadline = clock_ms() + READY_MS;
        if (supervisor->question.state == QUESTION_REFUSED &&
            (deadline == 0 || deadline > clock_ms() + REFUSED_MS))
            deadline = clock_ms() + REFUSED_MS;
        if (deadline != 0 && clock_ms() >= deadline)
            return error_set(error, "pcscd (%s) did not get ready: %s", supervisor->plan->pcscd->program,
                             wrong_at_deadline(supervisor));
        wait_until(supervisor, deadline);
    }
    return true;
}

bool start_pcscd(struct supervisor *supervisor, struct error *error)
{
    struct pcscd *pcscd = supervisor->plan->pcscd;
    supervisor->start++;
    supervisor->drivers_ready = false;
    tell_state_of(supervisor, SERVICE_STARTING);
    if (!pcscd_start(pcscd, error))
        return false;
    supervisor->part[PCSCD] = (struct part){.pid = pcscd->pid};
    question_ask(&supervisor->question, supervisor->socket);
    return true;
}

bool wait_for_pcscd(struct supervisor *supervisor, struct error *error)
{
    bool ready = wait_for_readiness(supervisor, error);
    question_end(&supervisor->question);
    if (ready)
        tell_state_of(supervisor, SERVICE_RUNNING);
    return ready;
}

/*
 * Requests while the command runs
 */

static void end_pcscd(struct supervisor *supervisor, int signal)
{
    struct part *pcscd = &supervisor->part[PCSCD];
    supervisor->down = true;
    pcscd->killed = true;
    signal_part(supervisor, PCSCD, signal);
    wait_for_end(supervisor, PCSCD);
}

static void halt(struct supervisor *supervisor, bool stopped, struct error *error)
{
    struct part *pcscd = &supervisor->part[PCSCD];
    int64_t deadline = clock_ms() + HALT_MS;
    if (pcscd->stopped != stopped)
        kill(-pcscd->pid, stopped ? SIGSTOP : SIGCONT);
    while (pcscd->pid && pcscd->stopped != stopped && clock_ms() < deadline)
        wait_until(supervisor, deadline);
    if (!pcscd->pid || pcscd->stopped != stopped)
        error_set(error, "pcscd has not taken the signal");
}

static void restart(struct supervisor *supervisor, struct error *error)
{
    end_pcscd(supervisor, SIGTERM);
    unlink(supervisor->socket);
    supervisor->down = false;
    if (start_pcscd(supervisor, error) && wait_for_pcscd(supervisor, error))
        return;
    if (error->text[0]) {
        rig_log("%s", error->text);
        show_pcscd_log(supervisor);
    } else {
        error_set(error, "the rig is ending");
    }
    end_pcscd(supervisor, SIGKILL);
    tell_state_of(supervisor, SERVICE_DOWN);
}

void serve_request(struct supervisor *supervisor)
{
    enum service_action action = supervisor->request;
    struct error error = {""};
    supervisor->requested = false;
    if (action == SERVICE_RESTART)
        restart(supervisor, &error);
    else if (action == SERVICE_KILL)
        end_pcscd(supervisor, SIGKILL);
    else if (!supervisor->part[PCSCD].pid)
        error_set(&error, "pcscd is down: 'cardrig service restart' starts it");
    else
        halt(supervisor, action == SERVICE_STOP, &error);
    tell_state(supervisor);
    send_lifeline(supervisor, LIFELINE_ANSWER, (uint8_t)action, error.text);
}
