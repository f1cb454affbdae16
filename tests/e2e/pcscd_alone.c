/*
 * pcscd_alone DIRECTORY NAME=DEVICENAME... -- COMMAND...: runs the command with a private pcscd that has
 * these readers, and nothing else: whoever is at the other end of the driver is for somebody else to play, or
 * not. $DRIVER is the driver, $REDIRECT the library for where there are no namespaces. Exits as the command
 * does, or with 125 when pcscd could not be started or has died.
 *
 * SIGUSR1 ends pcscd and starts it again, in the same place; SIGUSR2 kills it for that.
 */
#include "pcscd/pcscd.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define READERS_MAX 16
#define END_SECONDS 10 /* for pcscd, to end when it is told to */

/* Waits for a child without taking its signal away from whoever waits for that; false: it stays. */
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

/* Ends it by a signal; false, which has been printed, if it did not, or ended in another way. */
static bool end(struct pcscd *pcscd, int number)
{
    int status;
    kill(pcscd->pid, number);
    if (!wait_for_end(pcscd->pid, &status))
        fprintf(stderr, "pcscd_alone: pcscd has not ended %d s after signal %d\n", END_SECONDS, number);
    else if (status == 0 || (WIFSIGNALED(status) && WTERMSIG(status) == number))
        return true;
    else
        fprintf(stderr, "pcscd_alone: pcscd, told to end by signal %d, died with wait status %d\n", number,
                status);
    return false;
}

static bool restart(struct pcscd *pcscd, int number, const char *socket)
{
    char error[512];
    if (!end(pcscd, number))
        return false;
    unlink(socket);
    if (pcscd_start(pcscd, error, sizeof error))
        return true;
    fprintf(stderr, "pcscd_alone: %s\n", error);
    return false;
}

int main(int argc, char **argv)
{
    char error[512], program[PATH_MAX], log[PATH_MAX], socket[PATH_MAX];
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
    snprintf(socket, sizeof socket, "%s/pcscd.comm", argv[1]);
    sigset_t ours, before;
    sigemptyset(&ours);
    sigaddset(&ours, SIGCHLD);
    sigaddset(&ours, SIGUSR1);
    sigaddset(&ours, SIGUSR2);
    sigprocmask(SIG_BLOCK, &ours, &before);
    struct pcscd pcscd = {.program = program,
                          .directory = argv[1],
                          .driver = getenv("DRIVER"),
                          .redirect = getenv("REDIRECT"),
                          .log = log};
    if (!pcscd_find(NULL, program, sizeof program, error, sizeof error) ||
        !pcscd_configure(&pcscd, readers, count, error, sizeof error) ||
        !pcscd_start(&pcscd, error, sizeof error)) {
        fprintf(stderr, "pcscd_alone: %s\n", error);
        return 125;
    }
    pid_t command = fork();
    if (command == 0) {
        sigprocmask(SIG_SETMASK, &before, NULL);
        setenv("PCSCLITE_CSOCK_NAME", socket, 1);
        execvp(command_line[0], command_line);
        _exit(127);
    }
    int status = 0, pcscd_status = 0;
    /* a pcscd that has died meanwhile, of its driver say, is what such a test is about */
    bool lives = true;
    while (waitpid(command, &status, WNOHANG) == 0) {
        int number = sigwaitinfo(&ours, NULL);
        if (lives && waitpid(pcscd.pid, &pcscd_status, WNOHANG) != 0) {
            fprintf(stderr, "pcscd_alone: pcscd died with wait status %d\n", pcscd_status);
            lives = false;
        }
        if (lives && (number == SIGUSR1 || number == SIGUSR2))
            lives = restart(&pcscd, number == SIGUSR1 ? SIGTERM : SIGKILL, socket);
    }
    if (lives)
        lives = end(&pcscd, SIGTERM);
    return !lives ? 125 : WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}
