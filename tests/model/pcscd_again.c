/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * model_pcscd ARGUMENTS...: stands where 'cardrig run --pcscd' wants pcscd, and runs the real one as a child
 * that may die and be started again, while the rig goes on. What is asked of it by signals:
 *
 *   SIGUSR1  start pcscd, if there is none, with a new socket in the old place
 *   SIGUSR2  the next time that pcscd ends, keep the socket, and start pcscd when a client connects, as
 * systemd does SIGTERM  end
 *
 * Otherwise the socket goes when pcscd has ended, so that clients find no service rather than wait for one.
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

struct service {
    char program[PATH_MAX];
    char **arguments;
    struct sockaddr_un address;
    int listening; /* -1: no service */
    pid_t pid;     /* 0: does not run */
    bool keep_socket;
};

static volatile sig_atomic_t start_asked, keep_asked, end_asked;

static void note(int number)
{
    if (number == SIGUSR1)
        start_asked = 1;
    else if (number == SIGUSR2)
        keep_asked = 1;
    else if (number == SIGTERM)
        end_asked = 1;
}

static void die(const char *what)
{
    fprintf(stderr, "model_pcscd: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void make_socket(struct service *service)
{
    if (service->listening >= 0)
        return;
    unlink(service->address.sun_path);
    service->listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (service->listening < 0 ||
        bind(service->listening, (const struct sockaddr *)&service->address, sizeof service->address) < 0 ||
        listen(service->listening, 16) < 0)
        die(service->address.sun_path);
}

static void become_pcscd(const struct service *service, const sigset_t *mask, pid_t parent)
{
    char pid[16];
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    sigprocmask(SIG_SETMASK, mask, NULL);
    /* it may be there already: then dup2() would leave it to be closed */
    if (dup2(service->listening, LISTEN_FD) == LISTEN_FD && fcntl(LISTEN_FD, F_SETFD, 0) == 0 &&
        setenv("LISTEN_PID", pid, 1) == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent)
        execv(service->program, service->arguments);
    _exit(127);
}

static void start(struct service *service, const sigset_t *mask)
{
    pid_t parent = getpid();
    make_socket(service);
    service->pid = fork();
    if (service->pid == 0)
        become_pcscd(service, mask, parent);
    if (service->pid < 0)
        die("fork");
}

static void reap(struct service *service)
{
    int status;
    if (service->pid == 0 || waitpid(service->pid, &status, WNOHANG) != service->pid)
        return;
    service->pid = 0;
    if (!service->keep_socket) {
        unlink(service->address.sun_path);
        close(service->listening);
        service->listening = -1;
    }
}

/* Until a signal comes, or a client while pcscd does not run. */
static bool wait_for_work(const struct service *service, const sigset_t *mask)
{
    struct pollfd fd = {.fd = service->pid == 0 ? service->listening : -1, .events = POLLIN};
    return ppoll(&fd, 1, NULL, mask) == 1;
}

static int end(struct service *service)
{
    int status = 0;
    if (service->pid > 0) {
        kill(service->pid, SIGCONT);
        kill(service->pid, SIGTERM);
        waitpid(service->pid, &status, 0);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 0;
}

int main(int argc, char **argv)
{
    (void)argc;
    struct error error;
    struct service service = {.arguments = argv, .listening = LISTEN_FD};
    socklen_t size = sizeof service.address;
    if (getsockname(LISTEN_FD, (struct sockaddr *)&service.address, &size) < 0)
        die("descriptor 3 is to be the socket for clients");
    if (!pcscd_find(getenv("CARDRIG_PCSCD"), service.program, sizeof service.program, &error)) {
        fprintf(stderr, "model_pcscd: %s\n", error.text);
        return 1;
    }
    /* out of the way: pcscd gets a copy as descriptor 3 */
    service.listening = fcntl(LISTEN_FD, F_DUPFD_CLOEXEC, LISTEN_FD + 1);
    close(LISTEN_FD);

    struct sigaction action = {.sa_handler = note};
    int numbers[] = {SIGUSR1, SIGUSR2, SIGTERM, SIGCHLD};
    sigset_t blocked, before;
    sigemptyset(&blocked);
    for (unsigned i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        sigaction(numbers[i], &action, NULL);
        sigaddset(&blocked, numbers[i]);
    }
    sigprocmask(SIG_BLOCK, &blocked, &before);
    start(&service, &before);
    while (!end_asked) {
        bool client = wait_for_work(&service, &before);
        service.keep_socket |= keep_asked;
        keep_asked = 0;
        reap(&service);
        if (service.pid == 0 && (start_asked || client)) {
            start(&service, &before);
            service.keep_socket = false;
        }
        start_asked = 0;
    }
    return end(&service);
}
