/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/front.h"

#include "base/clock.h"
#include "cli/cli.h"
#include "cli/origin.h"
#include "cli/stale.h"
#include "rig/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIMULATOR_MS 2000 /* time for the simulator to end after the supervisor was killed */

struct front {
    int socket, signal_fd;
    pid_t supervisor; /* 0: has ended */
    int status;       /* from waitpid(2) */
    int end_by;       /* the signal to end by; 0: none */
    bool closed;      /* no process holds the other end of the socket */
};

static void take_signals(struct front *front)
{
    struct signalfd_siginfo info;
    while (read(front->signal_fd, &info, sizeof info) == sizeof info) {
        struct front_signal signal = {(int)info.ssi_signo,
                                      info.ssi_code == SI_KERNEL &&
                                          (info.ssi_signo == SIGINT || info.ssi_signo == SIGQUIT)};
        if (signal.number == SIGCHLD) { /* may come from a child that this process had before */
            if (front->supervisor && waitpid(front->supervisor, &front->status, WNOHANG) > 0)
                front->supervisor = 0;
        } else {
            send(front->socket, &signal, sizeof signal, MSG_NOSIGNAL | MSG_DONTWAIT);
        }
    }
}

static void take_message(struct front *front)
{
    ssize_t size = recv(front->socket, &front->end_by, sizeof front->end_by, MSG_DONTWAIT);
    front->closed = size == 0 || (size < 0 && errno != EAGAIN);
}

/* Waits for the end of the supervisor, and of the simulator, which has inherited the supervisor's end of the
 * socket. Waits for the simulator for at most SIMULATOR_MS. */
static void wait_for_end(struct front *front)
{
    int64_t deadline = 0;
    while (front->supervisor || !front->closed) {
        if (!front->supervisor && deadline == 0)
            deadline = clock_ms() + SIMULATOR_MS;
        int64_t left = deadline - clock_ms();
        if (!front->supervisor && left <= 0)
            return;
        struct pollfd ready[] = {{.fd = front->signal_fd, .events = POLLIN},
                                 {.fd = front->closed ? -1 : front->socket, .events = POLLIN}};
        if (poll(ready, 2, front->supervisor ? -1 : (int)left) <= 0)
            continue;
        if (ready[0].revents)
            take_signals(front);
        if (ready[1].revents)
            take_message(front);
    }
}

/* Ends this process by a signal. Returns if the default action of the signal does not end a process. */
static void end_by(int number)
{
    struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core); /* the core dump that matters is the command's */
    signal(number, SIG_DFL);
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, number);
    raise(number);
    sigprocmask(SIG_UNBLOCK, &mask, NULL);
}

static int be_front(int socket, int signal_fd, pid_t supervisor)
{
    struct front front = {.socket = socket, .signal_fd = signal_fd, .supervisor = supervisor};
    wait_for_end(&front);
    if (front.end_by) {
        end_by(front.end_by);
        return 128 + front.end_by;
    }
    if (WIFEXITED(front.status))
        return WEXITSTATUS(front.status);
    rig_log("the rig's supervisor was killed (signal %d): clearing away", WTERMSIG(front.status));
    stale_rigs_clear(getenv(STALE_MARK));
    return EXIT_RIG_FAILED;
}

int front_split(void)
{
    int ends[2], signal_fd = origin_open_signal_fd();
    if (signal_fd < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return -1;
    pid_t pid = fork();
    if (pid < 0)
        return -1;
    if (pid > 0) {
        close(ends[1]);
        exit(be_front(ends[0], signal_fd, pid));
    }
    close(ends[0]);
    close(signal_fd);
    /* When a process ends, Linux releases its files in descending order of their numbers (task_work_run(),
     * from 4.3 on). The socket therefore gets a number below that of the directory's lock, which is opened
     * later: once the front sees the socket closed, the lock is free. */
    int first = fcntl(ends[1], F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    close(ends[1]);
    setpgid(0, 0); /* so that a signal that kills the caller's group does not prevent clearing away */
    return first;
}

void front_end_by(int front, int signal)
{
    send(front, &signal, sizeof signal, MSG_NOSIGNAL | MSG_DONTWAIT);
}
