/*
 * pcscd_alone DIRECTORY NAME=DEVICENAME... -- COMMAND...: runs the command with a private pcscd that has
 * these readers, and nothing else: whoever is at the other end of the driver is for somebody else to play, or
 * not. $DRIVER is the driver, $REDIRECT the library for where there are no namespaces. Exits as the command
 * does, or with 125 when pcscd could not be started or has died.
 */
#include "pcscd/pcscd.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define READERS_MAX 16

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
        setenv("PCSCLITE_CSOCK_NAME", socket, 1);
        execvp(command_line[0], command_line);
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
