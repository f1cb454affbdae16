/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * model_pcscd ARGUMENTS...: for 'cardrig run --pcscd'. Runs the real pcscd as a child, which can die and be
 * started again while the rig keeps running. Signals control it:
 *
 *   SIGUSR1  start pcscd if it is not running, with a new socket at the old path
 *   SIGUSR2  the next time that pcscd ends, keep the socket, and start pcscd when a client connects, as
 *            systemd does
 *   SIGTERM  end
 *
 * If pcscd ends without SIGUSR2, model_pcscd removes the socket, so that clients find no service instead of
 * waiting.
 */
#include "base/error.h"
#include "pcscd/pcscd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define LISTEN_FD 3 /* sd_listen_fds(3) */

struct launcher {
    char program[PATH_MAX];
    char **arguments;
    struct sockaddr_un address;
    int listening; /* -1: no service */
    pid_t pid;     /* 0: pcscd is not running */
    bool keep_socket;
};

static volatile sig_atomic_t start_requested, keep_requested, end_requested;

static void on_signal(int number)
{
    if (number == SIGUSR1)
        start_requested = 1;
    else if (number == SIGUSR2)
        keep_requested = 1;
    else if (number == SIGTERM)
        end_requested = 1;
}

static void fail(const char *what)
{
    fprintf(stderr, "model_pcscd: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void make_socket(struct launcher *launcher)
{
    if (launcher->listening >= 0)
        return;
    unlink(launcher->address.sun_path);
    launcher->listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (launcher->listening < 0 ||
        bind(launcher->listening, (const struct sockaddr *)&launcher->address, sizeof launcher->address) <
            0 ||
        listen(launcher->listening, 16) < 0)
        fail(launcher->address.sun_path);
}

static void exec_pcscd(const struct launcher *launcher, const sigset_t *mask, pid_t parent)
{
    char pid[16];
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    sigprocmask(SIG_SETMASK, mask, NULL);
    /* if the descriptor is LISTEN_FD already, dup2() does not clear FD_CLOEXEC */
    if (dup2(launcher->listening, LISTEN_FD) == LISTEN_FD && fcntl(LISTEN_FD, F_SETFD, 0) == 0 &&
        setenv("LISTEN_PID", pid, 1) == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent)
        execv(launcher->program, launcher->arguments);
    _exit(127);
}

static void start_pcscd(struct launcher *launcher, const sigset_t *mask)
{
    pid_t parent = getpid();
    make_socket(launcher);
    launcher->pid = fork();
    if (launcher->pid == 0)
        exec_pcscd(launcher, mask, parent);
    if (launcher->pid < 0)
        fail("fork");
}

static void reap(struct launcher *launcher)
{
    int status;
    if (launcher->pid == 0 || waitpid(launcher->pid, &status, WNOHANG) != launcher->pid)
        return;
    launcher->pid = 0;
    if (!launcher->keep_socket) {
        unlink(launcher->address.sun_path);
        close(launcher->listening);
        launcher->listening = -1;
    }
}

/* Waits for a signal or, while pcscd is not running, for a client. Returns true if there is a
 * client. */
static bool wait_for_work(const struct launcher *launcher, const sigset_t *mask)
{
    struct pollfd fd = {.fd = launcher->pid == 0 ? launcher->listening : -1, .events = POLLIN};
    return ppoll(&fd, 1, NULL, mask) == 1;
}

static int end_pcscd(struct launcher *launcher)
{
    int status = 0;
    if (launcher->pid > 0) {
        kill(launcher->pid, SIGCONT);
        kill(launcher->pid, SIGTERM);
        waitpid(launcher->pid, &status, 0);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 0;
}

int main(int argc, char **argv)
{
    (void)argc;
    struct error error;
    struct launcher launcher = {.arguments = argv, .listening = LISTEN_FD};
    socklen_t size = sizeof launcher.address;
    if (getsockname(LISTEN_FD, (struct sockaddr *)&launcher.address, &size) < 0)
        fail("descriptor 3 must be the socket for clients");
    if (!pcscd_find(getenv("CARDRIG_PCSCD"), launcher.program, sizeof launcher.program, &error)) {
        fprintf(stderr, "model_pcscd: %s\n", error.text);
        return 1;
    }
    /* descriptor 3 is for the copy that pcscd gets */
    launcher.listening = fcntl(LISTEN_FD, F_DUPFD_CLOEXEC, LISTEN_FD + 1);
    close(LISTEN_FD);

    struct sigaction action = {.sa_handler = on_signal};
    int numbers[] = {SIGUSR1, SIGUSR2, SIGTERM, SIGCHLD};
    sigset_t blocked, before;
    sigemptyset(&blocked);
    for (unsigned i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        sigaction(numbers[i], &action, NULL);
        sigaddset(&blocked, numbers[i]);
    }
    sigprocmask(SIG_BLOCK, &blocked, &before);
    start_pcscd(&launcher, &before);
    while (!end_requested) {
        bool client = wait_for_work(&launcher, &before);
        launcher.keep_socket |= keep_requested;
        keep_requested = 0;
        reap(&launcher);
        if (launcher.pid == 0 && (start_requested || client)) {
            start_pcscd(&launcher, &before);
            launcher.keep_socket = false;
        }
        start_requested = 0;
    }
    return end_pcscd(&launcher);
}
