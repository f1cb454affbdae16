/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/supervise.h"

#include "base/clock.h"
#include "base/error.h"
#include "cli/cli.h"
#include "cli/front.h"
#include "cli/orphans.h"
#include "cli/stale.h"
#include "cli/supervisor.h"
#include "rig/log.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define COMMAND_GRACE_MS 5000 /* time for a command to end after its rig has died, before SIGKILL */
#define ORPHANS_GRACE_MS 1000

/*
 * Events
 */

static bool is_ignored(int signal)
{
    struct sigaction action;
    return sigaction(signal, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

/* Passes a signal on to the command, unless the terminal has sent it to the command as well. Records a
 * signal that comes before the command is started, unless it is ignored. */
static void take_signal(struct supervisor *supervisor, int number, bool typed)
{
    if (supervisor->part[COMMAND].pid && !(typed && supervisor->command_was_there))
        kill(supervisor->part[COMMAND].pid, number);
    else if (!supervisor->part[COMMAND].pid && !supervisor->command_was_there && !is_ignored(number))
        supervisor->early_signal = number;
}

static void take_signals(struct supervisor *supervisor)
{
    struct signalfd_siginfo info;
    while (read(supervisor->signal_fd, &info, sizeof info) == sizeof info)
        if (info.ssi_signo == SIGCHLD)
            reap(supervisor);
        else
            take_signal(supervisor, (int)info.ssi_signo, false);
    tell_state(supervisor);
}

static void take_from_front(struct supervisor *supervisor)
{
    struct front_signal signal;
    ssize_t size;
    while ((size = recv(supervisor->plan->front, &signal, sizeof signal, MSG_DONTWAIT)) == sizeof signal)
        take_signal(supervisor, signal.number, signal.typed);
    if (size == 0)
        supervisor->front_died = true;
}

static void take_from_simulator(struct supervisor *supervisor)
{
    struct lifeline_message message;
    int got;
    while ((got = lifeline_receive(supervisor->lifeline, &message)) > 0)
        switch (message.type) {
        case LIFELINE_SERVING:
            supervisor->serving = true;
            break;
        case LIFELINE_READY:
            supervisor->drivers_ready = message.start == supervisor->start;
            break;
        case LIFELINE_DRAWN:
            supervisor->random_drawn = true;
            break;
        case LIFELINE_REQUEST:
            supervisor->requested = message.value <= SERVICE_RESTART;
            supervisor->request = (enum service_action)message.value;
            break;
        }
    if (got == 0) { /* the simulator has closed its end; SIGCHLD reports its death */
        close(supervisor->lifeline);
        supervisor->lifeline = -1;
    }
}

void wait_until(struct supervisor *supervisor, int64_t when)
{
    struct pollfd ready[] = {
        {.fd = supervisor->signal_fd, .events = POLLIN},
        {.fd = supervisor->front_died ? -1 : supervisor->plan->front, .events = POLLIN},
        {.fd = supervisor->lifeline, .events = POLLIN},
        {.fd = supervisor->question.fd, .events = POLLIN},
    };
    int64_t left = when - clock_ms();
    poll(ready, 4, when == 0 ? -1 : left > 0 ? (int)left : 0);
    if (ready[2].revents)
        take_from_simulator(supervisor);
    if (ready[3].revents)
        question_step(&supervisor->question);
    if (ready[0].revents)
        take_signals(supervisor);
    if (ready[1].revents)
        take_from_front(supervisor);
    supervisor->command_was_there |= supervisor->part[COMMAND].pid != 0;
}

/*
 * While the command runs
 */

/* Logs that a part of the rig has died, and ends the command, which might wait for the rig forever. */
static void rig_died(struct supervisor *supervisor, enum part_name part)
{
    char how[80];
    rig_log("%s has died (%s): ending the command%s", part == PCSCD ? "pcscd" : "the simulator",
            how_it_ended(&supervisor->part[part], how, sizeof how),
            part == PCSCD ? "; 'cardrig run --pcscd-log FILE' keeps what it says" : "");
    if (part == PCSCD)
        show_pcscd_log(supervisor);
    if (!supervisor->failed) {
        signal_part(supervisor, COMMAND, SIGTERM);
        supervisor->kill_command_at = clock_ms() + COMMAND_GRACE_MS;
    }
    supervisor->failed = EXIT_RIG_FAILED;
}

static void look_after_parts(struct supervisor *supervisor, bool reported[COMMAND])
{
    const bool gone[COMMAND] = {
        [SIMULATOR] = !supervisor->part[SIMULATOR].pid,
        [PCSCD] = !supervisor->part[PCSCD].pid && !supervisor->down,
    };
    for (int part = 0; part < COMMAND; part++)
        if (gone[part] && !reported[part]) {
            reported[part] = true;
            rig_died(supervisor, (enum part_name)part);
        }
}

static void wait_for_command(struct supervisor *supervisor)
{
    bool reported[COMMAND] = {false};
    wait_until(supervisor, clock_ms()); /* reads signals that came before the command was started */
    /* a command that ends at the same moment as the rig counts as ended by itself */
    while (supervisor->part[COMMAND].pid && !supervisor->front_died) {
        look_after_parts(supervisor, reported);
        if (supervisor->kill_command_at && clock_ms() >= supervisor->kill_command_at) {
            kill(supervisor->part[COMMAND].pid, SIGKILL);
            supervisor->kill_command_at = 0;
        }
        if (supervisor->requested)
            serve_request(supervisor);
        else
            wait_until(supervisor, supervisor->kill_command_at);
    }
    if (supervisor->front_died)
        rig_log("cardrig was killed: ending its command and clearing away");
}

/*
 * The end
 */

static void end_orphans(struct supervisor *supervisor)
{
    const pid_t ours[] = {supervisor->part[SIMULATOR].pid, supervisor->part[PCSCD].pid,
                          supervisor->plan->keeper};
    /* who killed the front may be about to kill this process as well, so there is no time to wait */
    unsigned count = orphans_end(ours, 3, supervisor->front_died ? 0 : ORPHANS_GRACE_MS);
    if (count > 0 && !supervisor->front_died)
        rig_log("ended %u process%s that the command had left running", count, count > 1 ? "es" : "");
}

/* Makes the run fail if a part ended with an error, even if the command did not notice. */
static void fail_if_ended_badly(struct supervisor *supervisor, enum part_name name)
{
    const struct part *part = &supervisor->part[name];
    int status = part->status;
    char how[80];
    if (supervisor->failed || part->killed || status == 0 ||
        (WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM))
        return;
    rig_log("%s failed at the end (%s)", name == PCSCD ? "pcscd" : "the simulator",
            how_it_ended(part, how, sizeof how));
    if (name == PCSCD)
        show_pcscd_log(supervisor);
    supervisor->failed = EXIT_RIG_FAILED;
}

static void clear_away(struct supervisor *supervisor)
{
    const struct lifeline_message end = {.type = LIFELINE_END};
    end_orphans(supervisor);
    signal_part(supervisor, PCSCD, SIGTERM);
    wait_for_end(supervisor, PCSCD);
    struct error error;
    if (supervisor->plan->pcscd->debug && !pcscd_finish_log(supervisor->plan->pcscd, &error))
        rig_log("%s", error.text);
    if (supervisor->lifeline >= 0)
        lifeline_send(supervisor->lifeline, &end);
    wait_for_end(supervisor, SIMULATOR);
    fail_if_ended_badly(supervisor, SIMULATOR);
    fail_if_ended_badly(supervisor, PCSCD);
    close(supervisor->signal_fd); /* frees a descriptor for directory_remove, in case the limit is reached */
    directory_remove(supervisor->directory);
}

/* Returns the exit status for the run. If it is to end by a signal, also tells the front. */
static int end_status(const struct supervisor *supervisor)
{
    int status = supervisor->part[COMMAND].status;
    int number = supervisor->early_signal ? supervisor->early_signal
                 : WIFSIGNALED(status)    ? WTERMSIG(status)
                                          : 0;
    if (supervisor->failed)
        return supervisor->failed;
    if (status != 0 && supervisor->random_drawn && !supervisor->plan->rig_options->seed_text)
        rig_log("the command failed; --seed %llu repeats what was random",
                (unsigned long long)rig_seed(supervisor->plan->rig));
    if (number != 0)
        front_end_by(supervisor->plan->front, number);
    return number != 0 ? 128 + number : WEXITSTATUS(status);
}

static void fail(struct supervisor *supervisor, const char *why)
{
    supervisor->failed = EXIT_RIG_FAILED;
    rig_log("%s", why);
    if (supervisor->plan->pcscd->note[0])
        rig_log("%s", supervisor->plan->pcscd->note);
    show_pcscd_log(supervisor);
    doctor_hint();
}

/* Starts the simulator and pcscd, and waits until they are ready. Returns false and sets *error on failure.
 * error->text is empty if there is nothing left to log. */
static bool set_up(struct supervisor *supervisor, struct error *error)
{
    if (supervisor->signal_fd < 0 || !start_simulator(supervisor))
        return error_set(error, "cannot start the simulator: %s", strerror(errno));
    if (!start_pcscd(supervisor, error))
        return false;
    if (!supervisor->plan->stale_cleared)
        stale_rigs_clear(supervisor->around); /* while pcscd starts */
    return wait_for_pcscd(supervisor, error);
}

/* Starts the rig and runs the command, up to the command's end. */
static void run(struct supervisor *supervisor)
{
    struct error error;
    if (!set_up(supervisor, &error)) {
        if (error.text[0])
            fail(supervisor, error.text);
    } else if (start_command(supervisor)) {
        wait_for_command(supervisor);
    } else {
        error_set(&error, "cannot start the command: %s", strerror(errno));
        fail(supervisor, error.text);
    }
}

int supervise(const struct supervise_plan *plan)
{
    struct supervisor supervisor = {
        .plan = plan,
        .around = getenv(STALE_MARK),
        .lifeline = -1,
        .signal_fd = origin_open_signal_fd(),
        .question = {.fd = -1},
    };
    snprintf(supervisor.directory, sizeof supervisor.directory, "%s", rig_directory(plan->rig));
    pcscd_socket(supervisor.directory, supervisor.socket);
    snprintf(supervisor.mark, sizeof supervisor.mark, STALE_MARK "=%s", supervisor.directory);
    /* marks the programs that this rig starts, so that another rig can end them if this one is killed */
    putenv(supervisor.mark);
    /* makes processes that the command leaves behind our children, so that they can be found */
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    run(&supervisor);
    clear_away(&supervisor);
    int status = end_status(&supervisor);
    rig_free(plan->rig);
    return status;
}
