#include "cli/supervise.h"

#include "cli/cli.h"
#include "cli/clock.h"
#include "cli/leftovers.h"
#include "cli/vpcd_ports.h"
#include "rig/directory.h"
#include "rig/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define COMMAND_GRACE_MS   5000 /* for a command whose rig has died */
#define LEFTOVERS_GRACE_MS 1000
#define OWN_GRACE_MS       2000 /* for the simulator and pcscd, when they are told to end */

enum part { SIMULATOR, PCSCD, COMMAND, PARTS };

struct supervisor {
    char directory[DIRECTORY_MAX];
    char cookie[DIRECTORY_MAX + 32]; /* the environment entry that marks the command and what it starts */
    struct pcscd *pcscd;
    pid_t pid[PARTS];  /* 0: not running */
    int status[PARTS]; /* as of waitpid, once it has run and ended */
    int lifeline;      /* the simulator ends when a byte comes, and clears away when it closes without one */
    int signal_fd;
    const struct supervise_origin *origin;
    bool command_was_there; /* when signals were last taken */
    struct sigaction original_pipe;
    bool failed; /* the rig died */
    uint64_t seed;
    int64_t kill_command_at; /* 0: never */
};

static const char *how_it_ended(int status, char *buffer, size_t size)
{
    if (WIFSIGNALED(status))
        snprintf(buffer, size, "killed by signal %d, %s", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        snprintf(buffer, size, "exit status %d", WEXITSTATUS(status));
    return buffer;
}

/*
 * The simulator
 */

static void end_leftovers(const char *cookie, const pid_t *parts)
{
    unsigned count = leftovers_end(cookie, parts, PARTS, LEFTOVERS_GRACE_MS);
    if (count > 0)
        rig_log("ended %u process%s that the command had left running", count, count > 1 ? "es" : "");
}

/* The simulator's process: serves until the supervisor has ended, and does what that should have done if it
 * was killed before it could. */
static void be_simulator(struct supervisor *supervisor, struct rig *rig, int lifeline)
{
    setsid(); /* signals of the terminal are for the command */
    sigprocmask(SIG_SETMASK, &supervisor->origin->mask, NULL);
    /* whoever ends all of a rig around this one is to end the supervisor, and let us clear away */
    signal(SIGHUP, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    char *outer = getenv("CARDRIG_SOCKET");
    if (outer)
        memset(outer, 0, strlen(outer)); /* in /proc, too, where leftovers_end looks */
    /* whoever reads what the command prints is not to wait for us */
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null_fd >= 0) {
        dup2(null_fd, STDIN_FILENO);
        dup2(null_fd, STDOUT_FILENO);
    }
    pcscd_close_sockets(supervisor->pcscd);
    bool ok = rig_serve(rig, lifeline);
    rig_free(rig);
    char farewell;
    if (ok && read(lifeline, &farewell, 1) == 0) {
        rig_log("cardrig was killed: ending its command and clearing away");
        leftovers_end(supervisor->cookie, NULL, 0, 0); /* at once: somebody may be about to kill us, too */
        directory_remove(supervisor->directory);
    }
    exit(ok ? EXIT_OK : EXIT_RIG_FAILED);
}

static bool start_simulator(struct supervisor *supervisor, struct rig *rig)
{
    int lifeline[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, lifeline) < 0)
        return false;
    pid_t pid = fork();
    if (pid == 0) {
        close(lifeline[1]);
        be_simulator(supervisor, rig, lifeline[0]);
    }
    rig_leave(rig);
    close(lifeline[0]);
    supervisor->lifeline = lifeline[1];
    supervisor->pid[SIMULATOR] = pid < 0 ? 0 : pid;
    return pid > 0;
}

/*
 * The command
 */

static int cannot_execute(const char *command)
{
    int error = errno;
    rig_log("cannot run %s: %s", command, strerror(error));
    return error == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_EXECUTE;
}

static void be_command(const struct supervisor *supervisor, char **command, const struct slots *slots,
                       pid_t parent)
{
    char socket[PCSCD_SOCKET_MAX], reader[READER_NAME_MAX + 8];
    pcscd_socket(supervisor->directory, socket);
    slot_pcsc_name(&slots->slot[0], reader, sizeof reader);
    umask(supervisor->origin->umask);
    if (sigaction(SIGPIPE, &supervisor->original_pipe, NULL) < 0 ||
        setenv("PCSCLITE_CSOCK_NAME", socket, 1) < 0 || setenv("CARDRIG_READER", reader, 1) < 0 ||
        !vpcd_ports_set_environment(slots) || putenv((char *)(uintptr_t)supervisor->cookie) != 0 ||
        prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent)
        _exit(cannot_execute(command[0]));
    sigprocmask(SIG_SETMASK, &supervisor->origin->mask, NULL);
    execvp(command[0], command);
    _exit(cannot_execute(command[0]));
}

static bool start_command(struct supervisor *supervisor, char **command, const struct slots *slots)
{
    pid_t parent = getpid(), pid = fork();
    if (pid == 0)
        be_command(supervisor, command, slots, parent);
    supervisor->pid[COMMAND] = pid < 0 ? 0 : pid;
    return pid > 0;
}

/*
 * Waiting
 */

/* Shows the end of pcscd's log, which is about to be removed. */
static void show_pcscd_log(const struct supervisor *supervisor)
{
    struct stat status;
    /* another file could be without end, or without anybody who writes to it */
    if (stat(supervisor->pcscd->log, &status) < 0 || !S_ISREG(status.st_mode))
        return;
    FILE *file = fopen(supervisor->pcscd->log, "re");
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

/* The rig is broken, and a command might wait for it for ever. */
static void rig_died(struct supervisor *supervisor, enum part part)
{
    char how[80];
    rig_log("%s has died (%s): ending the command%s", part == PCSCD ? "pcscd" : "the simulator",
            how_it_ended(supervisor->status[part], how, sizeof how),
            part == PCSCD ? "; 'cardrig run --pcscd-log FILE' keeps what it says" : "");
    if (part == PCSCD)
        show_pcscd_log(supervisor);
    if (!supervisor->failed && supervisor->pid[COMMAND]) {
        kill(supervisor->pid[COMMAND], SIGTERM);
        kill(supervisor->pid[COMMAND], SIGCONT); /* it may be stopped */
        supervisor->kill_command_at = now_ms() + COMMAND_GRACE_MS;
    }
    supervisor->failed = true;
}

/* Takes note of the children that have ended. */
static void reap(struct supervisor *supervisor)
{
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
        for (int part = 0; part < PARTS; part++)
            if (supervisor->pid[part] == pid) {
                supervisor->pid[part] = 0;
                supervisor->status[part] = status;
            }
}

/* Handles the signals that have come: they go to the command, but for those that a terminal has sent to it,
 * too. */
static void take_signals(struct supervisor *supervisor)
{
    struct signalfd_siginfo info;
    while (read(supervisor->signal_fd, &info, sizeof info) == sizeof info) {
        bool typed = info.ssi_code == SI_KERNEL && supervisor->command_was_there &&
                     (info.ssi_signo == SIGINT || info.ssi_signo == SIGQUIT);
        if (info.ssi_signo == SIGCHLD)
            reap(supervisor);
        else if (!typed && supervisor->pid[COMMAND])
            kill(supervisor->pid[COMMAND], (int)info.ssi_signo);
    }
    supervisor->command_was_there = supervisor->pid[COMMAND] != 0;
}

/* Waits for signals, until the time given (0: without end). */
static void wait_until(struct supervisor *supervisor, int64_t when)
{
    struct pollfd ready = {.fd = supervisor->signal_fd, .events = POLLIN};
    int64_t left = when - now_ms();
    poll(&ready, 1, when == 0 ? -1 : left > 0 ? (int)left : 0);
    take_signals(supervisor);
}

static void wait_for_command(struct supervisor *supervisor)
{
    bool told[PARTS] = {false};
    take_signals(supervisor); /* those from before the command was there */
    for (; supervisor->pid[COMMAND]; wait_until(supervisor, supervisor->kill_command_at)) {
        /* a command that ended in the same moment was not cut short */
        for (int part = 0; part < COMMAND && supervisor->pid[COMMAND]; part++)
            if (!supervisor->pid[part] && !told[part]) {
                told[part] = true;
                rig_died(supervisor, (enum part)part);
            }
        if (supervisor->kill_command_at && now_ms() >= supervisor->kill_command_at &&
            supervisor->pid[COMMAND]) {
            kill(supervisor->pid[COMMAND], SIGKILL);
            supervisor->kill_command_at = 0;
        }
    }
}

/* Waits for a part that has been told to end, and kills it when it does not. */
static void wait_for_end(struct supervisor *supervisor, enum part part)
{
    int64_t deadline = now_ms() + OWN_GRACE_MS;
    while (supervisor->pid[part] && now_ms() < deadline)
        wait_until(supervisor, deadline);
    if (supervisor->pid[part]) {
        kill(supervisor->pid[part], SIGKILL);
        while (supervisor->pid[part])
            wait_until(supervisor, 0);
    }
}

/* A part that ended in another way than by being told to has failed, even if the command did not notice. */
static void judge_end(struct supervisor *supervisor, enum part part)
{
    int status = supervisor->status[part];
    char how[80];
    if (supervisor->failed || status == 0 || (WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM))
        return;
    rig_log("%s did not end well (%s)", part == PCSCD ? "pcscd" : "the simulator",
            how_it_ended(status, how, sizeof how));
    if (part == PCSCD)
        show_pcscd_log(supervisor);
    supervisor->failed = true;
}

static void clear_away(struct supervisor *supervisor)
{
    end_leftovers(supervisor->cookie, supervisor->pid);
    if (supervisor->pid[PCSCD])
        kill(supervisor->pid[PCSCD], SIGTERM);
    wait_for_end(supervisor, PCSCD);
    char error[512];
    if (supervisor->pcscd->debug && !pcscd_finish_log(supervisor->pcscd, error, sizeof error))
        rig_log("%s", error);
    if (supervisor->lifeline >= 0)
        send(supervisor->lifeline, "", 1, MSG_NOSIGNAL); /* fails only if it has died, which has been said */
    wait_for_end(supervisor, SIMULATOR);
    judge_end(supervisor, SIMULATOR);
    judge_end(supervisor, PCSCD);
    close(supervisor->signal_fd); /* which leaves a descriptor, at least, to work with */
    directory_remove(supervisor->directory);
}

/* Ends as the command has ended. */
static int command_status(const struct supervisor *supervisor)
{
    int status = supervisor->status[COMMAND];
    if (supervisor->failed)
        return EXIT_RIG_FAILED;
    if (status != 0)
        rig_log("the command failed; --seed %llu repeats what was random",
                (unsigned long long)supervisor->seed);
    if (!WIFSIGNALED(status))
        return WEXITSTATUS(status);
    int number = WTERMSIG(status);
    struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core); /* the command has left its own */
    signal(number, SIG_DFL);
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, number);
    raise(number);
    sigprocmask(SIG_UNBLOCK, &mask, NULL);
    return 128 + number; /* where the signal is one that does not end a process */
}

static void our_signals(sigset_t *mask)
{
    static const int ours[] = {SIGCHLD, SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGALRM};
    sigemptyset(mask);
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        sigaddset(mask, ours[i]);
}

void supervise_prepare(struct supervise_origin *origin)
{
    sigset_t mask;
    our_signals(&mask);
    sigprocmask(SIG_BLOCK, &mask, &origin->mask);
    origin->umask = umask(077);
}

static bool take_over_signals(struct supervisor *supervisor)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigset_t mask;
    our_signals(&mask);
    /* an inherited "ignore" would have the kernel reap our children */
    signal(SIGCHLD, SIG_DFL);
    /* what the command leaves behind becomes our child, and can be found */
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    supervisor->signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    return supervisor->signal_fd >= 0 && sigaction(SIGPIPE, &ignore, &supervisor->original_pipe) == 0;
}

int supervise(struct rig *rig, struct pcscd *pcscd, char **command, const struct supervise_origin *origin)
{
    struct supervisor supervisor = {
        .pcscd = pcscd, .lifeline = -1, .seed = rig_seed(rig), .origin = origin, .signal_fd = -1};
    snprintf(supervisor.directory, sizeof supervisor.directory, "%s", rig_directory(rig));
    snprintf(supervisor.cookie, sizeof supervisor.cookie, "CARDRIG_SOCKET=%s/control", supervisor.directory);
    char error[512];
    bool ran = false;

    if (!take_over_signals(&supervisor) || !start_simulator(&supervisor, rig)) {
        rig_log("cannot start the simulator: %s", strerror(errno));
        goto out;
    }
    if (!pcscd_start(pcscd, error, sizeof error)) {
        rig_log("%s", error);
        goto out;
    }
    supervisor.pid[PCSCD] = pcscd->pid;
    if (pcscd->note[0])
        rig_log("%s", pcscd->note);
    if (!start_command(&supervisor, command, rig_slots_of(rig))) {
        rig_log("cannot start the command: %s", strerror(errno));
        goto out;
    }
    wait_for_command(&supervisor);
    ran = true;
out:
    clear_away(&supervisor);
    rig_free(rig);
    if (ran)
        return command_status(&supervisor);
    doctor_hint();
    return EXIT_RIG_FAILED;
}
