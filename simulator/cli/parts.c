/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/clock.h"
#include "base/error.h"
#include "cli/cli.h"
#include "cli/supervise.h"
#include "cli/supervisor.h"
#include "cli/vpcd_ports.h"
#include "rig/control.h"
#include "rig/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define OWN_GRACE_MS 2000 /* time for the simulator or pcscd to end on request, before SIGKILL */

/* Inserts the cards, while pcscd starts, and serves until the supervisor requests the end or dies. Returns an
 * exit status. */
static int serve(const struct supervisor *supervisor, int lifeline)
{
    struct rig *rig = supervisor->plan->rig;
    struct error error;
    rig_set_lifeline(rig, lifeline);
    int status = rig_options_insert_cards(supervisor->plan->rig_options, rig_slots_of(rig), &error);
    if (status == EXIT_OK)
        return rig_serve(rig, control_answer, -1) ? EXIT_OK : EXIT_RIG_FAILED;
    rig_log("%s", error.text);
    return status;
}

/* Runs the simulator in this process. Does not return. */
static void be_simulator(const struct supervisor *supervisor, int lifeline)
{
    setsid(); /* signals from the terminal must reach only the command */
    sigprocmask(SIG_SETMASK, &supervisor->plan->origin->mask, NULL);
    /* a rig around this one may signal all its processes, but only our supervisor ends the simulator */
    signal(SIGHUP, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    /* a reader of the command's output must see its end even while the simulator still runs */
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null_fd >= 0) {
        dup2(null_fd, STDIN_FILENO);
        dup2(null_fd, STDOUT_FILENO);
    }
    int status = serve(supervisor, lifeline);
    if (rig_free(supervisor->plan->rig))
        exit(status);
    fflush(NULL);
    _exit(status); /* a thread still runs, and must not run into the cleanup of exit() */
}

bool start_simulator(struct supervisor *supervisor)
{
    int lifeline[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, lifeline) < 0)
        return false;
    pid_t pid = fork();
    if (pid == 0) {
        close(lifeline[1]);
        be_simulator(supervisor, lifeline[0]);
    }
    rig_leave(supervisor->plan->rig);
    close(lifeline[0]);
    supervisor->lifeline = lifeline[1];
    supervisor->part[SIMULATOR] = (struct part){.pid = pid < 0 ? 0 : pid};
    return pid > 0;
}

static int cannot_execute(const char *command)
{
    int error = errno;
    rig_log("cannot run %s: %s", command, strerror(error));
    return error == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_EXECUTE;
}

static void be_command(const struct supervisor *supervisor, pid_t parent)
{
    char **command = supervisor->plan->command, reader[READER_NAME_MAX + 8], control[DIRECTORY_MAX + 8];
    const struct slots *slots = rig_slots_of(supervisor->plan->rig);
    slot_pcsc_name(&slots->slot[0], reader, sizeof reader);
    snprintf(control, sizeof control, "%s/control", supervisor->directory);
    if (setenv("PCSCLITE_CSOCK_NAME", supervisor->socket, 1) < 0 || setenv("CARDRIG_READER", reader, 1) < 0 ||
        setenv("CARDRIG_SOCKET", control, 1) < 0 || !vpcd_ports_set_environment(slots) ||
        prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent ||
        !origin_restore(supervisor->plan->origin))
        _exit(cannot_execute(command[0]));
    execvp(command[0], command);
    _exit(cannot_execute(command[0]));
}

bool start_command(struct supervisor *supervisor)
{
    pid_t parent = getpid(), pid = fork();
    if (pid == 0)
        be_command(supervisor, parent);
    supervisor->part[COMMAND] = (struct part){.pid = pid < 0 ? 0 : pid};
    return pid > 0;
}

static void record_wait_status(struct part *part, int status)
{
    if (WIFSTOPPED(status) || WIFCONTINUED(status)) {
        part->stopped = WIFSTOPPED(status);
        return;
    }
    part->pid = 0;
    part->status = status;
    part->stopped = false;
}

void reap(struct supervisor *supervisor)
{
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG | WUNTRACED | WCONTINUED)) > 0;)
        for (struct part *part = supervisor->part; part < supervisor->part + PARTS; part++)
            if (part->pid == pid)
                record_wait_status(part, status);
}

void signal_part(struct supervisor *supervisor, enum part_name part, int signal)
{
    pid_t pid = supervisor->part[part].pid, target = part == PCSCD ? -pid : pid;
    if (pid) {
        kill(target, signal);
        kill(target, SIGCONT);
    }
}

void wait_for_end(struct supervisor *supervisor, enum part_name name)
{
    struct part *part = &supervisor->part[name];
    int64_t deadline = clock_ms() + OWN_GRACE_MS;
    while (part->pid && clock_ms() < deadline)
        wait_until(supervisor, deadline);
    if (!part->pid)
        return;
    rig_log("%s did not end within %d s, and was killed", name == PCSCD ? "pcscd" : "the simulator",
            OWN_GRACE_MS / 1000);
    part->killed = true;
    signal_part(supervisor, name, SIGKILL);
    while (part->pid)
        wait_until(supervisor, 0);
}

const char *how_it_ended(const struct part *part, char *buffer, size_t size)
{
    if (WIFSIGNALED(part->status))
        snprintf(buffer, size, "killed by signal %d, %s", WTERMSIG(part->status),
                 strsignal(WTERMSIG(part->status)));
    else
        snprintf(buffer, size, "exit status %d", WEXITSTATUS(part->status));
    return buffer;
}
