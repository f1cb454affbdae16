/* SPDX-License-Identifier: BSD-3-Clause */
/* cardrig: one program, a subcommand each for what it does. */
#include "base/similar.h"
#include "cli/cli.h"
#include "rig/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *name, *summary;
    int (*function)(int argc, char **argv);
} subcommands[] = {
    {"run", "run a command with a private pcscd, a virtual reader and a card", run_main},
    {"serve", "be the readers and cards of an installed pcscd, or of vpcd", serve_main},
    {"insert", "put a card into a slot of the running rig", insert_main},
    {"remove", "take the card out of a slot", remove_main},
    {"swap", "take the card out and put another one in", swap_main},
    {"plug", "plug a USB reader of the running rig in", plug_main},
    {"unplug", "pull a USB reader of the running rig out", unplug_main},
    {"fault", "have a card do something wrong on purpose", fault_main},
    {"service", "stop, continue, kill or restart the rig's pcscd", service_main},
    {"status", "show readers, slots and cards of the running rig", status_main},
    {"check", "say whether card scripts are sound, and what is wrong with them", check_main},
    {"atr", "explain an Answer-to-Reset, byte by byte", atr_main},
    {"doctor", "say what this machine has and lacks for 'cardrig run'", doctor_main},
};

#define SUBCOMMAND_COUNT (sizeof subcommands / sizeof subcommands[0])

static void print_help(FILE *to)
{
    fprintf(to, "Usage: cardrig SUBCOMMAND [OPTION]... [ARGUMENT]...\n"
                "Scriptable smart cards in virtual readers, under a real pcscd.\n\n");
    for (size_t i = 0; i < SUBCOMMAND_COUNT; i++)
        fprintf(to, "  %-8s %s\n", subcommands[i].name, subcommands[i].summary);
    fprintf(to, "\n'cardrig SUBCOMMAND --help' and 'man cardrig-SUBCOMMAND' say more.\n"
                "Try:  cardrig run -- opensc-tool --atr\n");
}

/* What we open is not to be taken for standard input, output or error, should one of them be closed. */
static bool standard_descriptors(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    return fd >= 0 && close(fd) == 0;
}

/* What a subcommand printed has to get there, too. */
static int finish(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    rig_log("cannot write to standard output: %s", strerror(errno));
    return status == EXIT_OK ? EXIT_FAILED : status;
}

typedef int subcommand_function(int argc, char **argv);

/* Says so if there is none of that name. */
static subcommand_function *find(const char *name)
{
    struct similar similar = similar_to(name, strlen(name));
    for (size_t i = 0; i < SUBCOMMAND_COUNT; i++) {
        if (strcmp(name, subcommands[i].name) == 0)
            return subcommands[i].function;
        similar_consider(&similar, subcommands[i].name);
    }
    if (similar.best)
        rig_log("there is no subcommand '%s': did you mean '%s'?", name, similar.best);
    else
        rig_log("there is no subcommand '%s'; 'cardrig --help' lists them", name);
    return NULL;
}

/* A subcommand's own messages and those of getopt begin with both names. */
static int call(char *name, int argc, char **argv)
{
    subcommand_function *function = find(name);
    char both[40];
    if (!function)
        return EXIT_USAGE;
    snprintf(both, sizeof both, "cardrig %s", name);
    argv[0] = both;
    return finish(function(argc, argv));
}

int main(int argc, char **argv)
{
    if (!standard_descriptors())
        return EXIT_FAILED;
    if (argc < 2) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    bool help = strcmp(argv[1], "help") == 0;
    if (help && argc > 2)
        return call(argv[2], 2, (char *[]){NULL, "--help", NULL});
    if (help || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help(stdout);
        return finish(EXIT_OK);
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("cardrig %s\n", CARDRIG_VERSION);
        return finish(EXIT_OK);
    }
    return call(argv[1], argc - 1, argv + 1);
}
