/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pcscd_alone DIRECTORY NAME=DEVICENAME... -- COMMAND...: runs the command with a private pcscd that has
 * these readers, and nothing else: what is at the other end of the driver, if anything is, is the test's
 * business. $DRIVER is the driver, $REDIRECT the library to preload; $REDIRECTED says that no namespaces are
 * wanted. Exits as the command does, or with 125 when pcscd could not be started or has died.
 *
 * Signals are orders to it:
 *
 *   SIGUSR1     ends pcscd and starts it again, in the same place; if it is down, starts it
 *   SIGUSR2     the same, but kills it
 *   SIGRTMIN    ends it, and its socket is gone
 *   SIGRTMIN+1  kills it; its socket stays, but nobody listens
 *   SIGRTMIN+2  ends it, and listens in its place: the first client that connects has it started, as with
 *               systemd
 */
#include "base/error.h"
#include "pcscd/pcscd.h"

#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define READERS_MAX 16
#define END_SECONDS 10 /* for pcscd to end when it is asked to */

/* Waits for a child without taking its signal away from others that wait for it; false: it stays. */
static bool wait_for_end(pid_t pid, int *status)
{
    for (int i = 0; i < END_SECONDS * 100; i++) {
        if (waitpid(pid, status, WNOHANG) == pid)
            return true;
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    kill(pid, SIGKILL);
    waitpid(pid, status, 0);
    return false;
}

/*
 * Ends it by a signal; false, which has been printed: it died in another way. One that stays is killed: a client's
 * unlocking, at that moment, can overwrite by 0 what tells pcscd's event thread to end (hLockId, which
 * RFUnlockSharing() checks and sets under another lock than EHDestroyEventHandler(), which then waits for ever).
 */
static bool end(struct pcscd *pcscd, int number)
{
    int status;
    kill(pcscd->pid, number);
    kill(pcscd->pid, SIGCONT); /* a test may have stopped it */
    if (!wait_for_end(pcscd->pid, &status)) {
        fprintf(stderr, "pcscd_alone: killed a pcscd that had not ended %d s after signal %d\n", END_SECONDS,
                number);
        return true;
    }
    if (status == 0 || (WIFSIGNALED(status) && WTERMSIG(status) == number))
        return true;
    fprintf(stderr, "pcscd_alone: pcscd, asked to end by signal %d, died with wait status %d\n", number,
            status);
    return false;
}

static bool start(struct pcscd *pcscd)
{
    struct error error;
    if (pcscd_start(pcscd, &error))
        return true;
    fprintf(stderr, "pcscd_alone: %s\n", error.text);
    return false;
}

/* Listens where pcscd did, and keeps that. It comes there in one piece: nobody finds it refusing. */
static bool listen_in_its_place(struct pcscd *pcscd, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (pcscd->listen_fd > 0)
        return true;
    snprintf(address.sun_path, sizeof address.sun_path, "%.100s/new", pcscd->directory);
    pcscd->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (pcscd->listen_fd > 0 && bind(pcscd->listen_fd, (struct sockaddr *)&address, sizeof address) == 0 &&
        listen(pcscd->listen_fd, SOMAXCONN) == 0 && rename(address.sun_path, path) == 0)
        return true;
    perror("pcscd_alone: cannot listen");
    return false;
}

static void give_socket_up(struct pcscd *pcscd)
{
    if (pcscd->listen_fd > 0)
        close(pcscd->listen_fd);
    pcscd->listen_fd = 0;
}

/* False: something went wrong, and has been printed. */
static bool obey(struct pcscd *pcscd, int order, bool *up, const char *path)
{
    bool kills = order == SIGUSR2 || order == SIGRTMIN + 1;
    if (*up && !end(pcscd, kills ? SIGKILL : SIGTERM))
        return false;
    *up = false;
    if (order == SIGRTMIN + 2)
        return listen_in_its_place(pcscd, path);
    if (order == SIGRTMIN || order == SIGRTMIN + 1)
        give_socket_up(pcscd);
    if (order != SIGRTMIN + 1 && pcscd->listen_fd == 0)
        unlink(path);
    if (order == SIGUSR1 || order == SIGUSR2)
        *up = start(pcscd);
    return *up == (order == SIGUSR1 || order == SIGUSR2);
}

/* The next signal; 0: while pcscd is down, somebody has connected, or there was nothing. */
static int next_order(const struct pcscd *pcscd, int signals, bool up)
{
    struct pollfd polled[] = {{.fd = signals, .events = POLLIN},
                              {.fd = up || pcscd->listen_fd == 0 ? -1 : pcscd->listen_fd, .events = POLLIN}};
    struct signalfd_siginfo signal;
    if (poll(polled, 2, -1) <= 0 || !(polled[0].revents & POLLIN))
        return 0;
    return read(signals, &signal, sizeof signal) == sizeof signal ? (int)signal.ssi_signo : SIGCHLD;
}

int main(int argc, char **argv)
{
    struct error error;
    char program[PATH_MAX], log[PATH_MAX], path[PCSCD_SOCKET_MAX];
    struct pcscd_reader readers[READERS_MAX];
    unsigned count = 0;
    int next = 2;
    for (char *device; next < argc && count < READERS_MAX && (device = strchr(argv[next], '=')); next++) {
        *device = '\0';
        readers[count++] = (struct pcscd_reader){.name = argv[next], .device = device + 1};
    }
    if (count == 0 || next + 1 >= argc || strcmp(argv[next], "--") != 0) {
        fprintf(stderr, "Usage: pcscd_alone DIRECTORY NAME=DEVICENAME... -- COMMAND...\n");
        return 125;
    }
    char **command_line = argv + next + 1;
    snprintf(log, sizeof log, "%s/pcscd.log", argv[1]);
    pcscd_socket(argv[1], path);
    sigset_t ours, before;
    sigemptyset(&ours);
    const int orders[] = {SIGCHLD, SIGUSR1, SIGUSR2, SIGRTMIN, SIGRTMIN + 1, SIGRTMIN + 2};
    for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++)
        sigaddset(&ours, orders[i]);
    sigprocmask(SIG_BLOCK, &ours, &before);
    int signals = signalfd(-1, &ours, SFD_CLOEXEC);
    struct pcscd pcscd = {.program = program,
                          .directory = argv[1],
                          .driver = getenv("DRIVER"),
                          .redirect = getenv("REDIRECT"),
                          .isolation = getenv("REDIRECTED") ? PCSCD_ISOLATION_REDIRECT : PCSCD_ISOLATION_AUTO,
                          .log = log};
    if (!pcscd_find(getenv("CARDRIG_PCSCD"), program, sizeof program, &error) ||
        !pcscd_configure(&pcscd, readers, count, &error) || !pcscd_start(&pcscd, &error)) {
        fprintf(stderr, "pcscd_alone: %s\n", error.text);
        return 125;
    }
    pid_t command = fork();
    if (command == 0) {
        sigprocmask(SIG_SETMASK, &before, NULL);
        setenv("PCSCLITE_CSOCK_NAME", path, 1);
        execvp(command_line[0], command_line);
        _exit(127);
    }
    int status = 0, pcscd_status = 0;
    /* a pcscd that has died meanwhile, of its driver say, is what such a test is about */
    bool lives = true, up = true;
    while (waitpid(command, &status, WNOHANG) == 0) {
        int order = next_order(&pcscd, signals, up);
        if (lives && up && waitpid(pcscd.pid, &pcscd_status, WNOHANG) != 0) {
            fprintf(stderr, "pcscd_alone: pcscd died with wait status %d\n", pcscd_status);
            lives = up = false;
        }
        if (lives && !up && order == 0)
            lives = up = start(&pcscd);
        else if (lives && order != 0 && order != SIGCHLD)
            lives = obey(&pcscd, order, &up, path);
    }
    if (up)
        lives = end(&pcscd, SIGTERM);
    return !lives ? 125 : WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}
