/*
 * pcscd_alone DIRECTORY SLOTS COMMAND...: runs the command with a private pcscd whose reader "alone" looks
 * for a simulator at DIRECTORY/link, which is for somebody else to play, or not. $DRIVER is the driver,
 * $REDIRECT the library for where there are no namespaces.
 */
#include "pcscd/pcscd.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    char error[512], program[PATH_MAX], log[PATH_MAX], socket[PATH_MAX];
    if (argc < 4 || !pcscd_find(NULL, program, sizeof program, error, sizeof error))
        return 125;
    snprintf(log, sizeof log, "%s/pcscd.log", argv[1]);
    snprintf(socket, sizeof socket, "%s/pcscd.comm", argv[1]);
    struct pcscd pcscd = {.program = program,
                          .directory = argv[1],
                          .driver = getenv("DRIVER"),
                          .redirect = getenv("REDIRECT"),
                          .log = log};
    struct pcscd_reader reader = {"alone", (unsigned)atoi(argv[2])};
    if (!pcscd_configure(&pcscd, &reader, 1, error, sizeof error) ||
        !pcscd_start(&pcscd, error, sizeof error)) {
        fprintf(stderr, "pcscd_alone: %s\n", error);
        return 125;
    }
    pid_t command = fork();
    if (command == 0) {
        setenv("PCSCLITE_CSOCK_NAME", socket, 1);
        execvp(argv[3], argv + 3);
        _exit(127);
    }
    int status = 0, pcscd_status = 0;
    waitpid(command, &status, 0);
    /* a pcscd that has died meanwhile, of its driver say, is what such a test is about */
    bool died = waitpid(pcscd.pid, &pcscd_status, WNOHANG) != 0;
    if (!died) {
        kill(pcscd.pid, SIGTERM);
        waitpid(pcscd.pid, &pcscd_status, 0);
    }
    if (died)
        fprintf(stderr, "pcscd_alone: pcscd died with wait status %d\n", pcscd_status);
    return died ? 125 : WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}
