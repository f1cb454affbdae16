/* SPDX-License-Identifier: BSD-3-Clause */
/* cardrig: finds and calls the subcommand */
#include "base/names.h"
#include "cli/cli.h"
#include "cli/complete.h"
#include "rig/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct subcommand *const subcommands[] = {
    &run_subcommand,  &serve_subcommand,  &insert_subcommand, &remove_subcommand,  &swap_subcommand,
    &plug_subcommand, &unplug_subcommand, &fault_subcommand,  &service_subcommand, &press_subcommand,
    &wait_subcommand, &status_subcommand, &cards_subcommand,  &readers_subcommand, &check_subcommand,
    &atr_subcommand,  &doctor_subcommand,
};

#define SUBCOMMAND_COUNT (sizeof subcommands / sizeof subcommands[0])

static void print_help(FILE *to)
{
    fprintf(to, "Usage: cardrig SUBCOMMAND [OPTION]... [ARGUMENT]...\n"
                "Scriptable smart cards in virtual readers, under a real pcscd.\n\n");
    for (size_t i = 0; i < SUBCOMMAND_COUNT; i++)
        fprintf(to, "  %-8s %s\n", subcommands[i]->name, subcommands[i]->summary);
    fprintf(to, "\n'cardrig SUBCOMMAND --help' and 'man cardrig-SUBCOMMAND' say more.\n"
                "Try:  cardrig run -- opensc-tool --atr\n");
}

/* Opens /dev/null for each of standard input, output and error that is closed, so that no later descriptor
 * gets one of their numbers. */
static bool standard_descriptors(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    return fd >= 0 && close(fd) == 0;
}

/* Flushes standard output. Returns status, or EXIT_FAILED if the output could not be written. */
static int finish(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    rig_log("cannot write to standard output: %s", strerror(errno));
    return status == EXIT_OK ? EXIT_FAILED : status;
}

static const char *subcommand_name(unsigned i)
{
    return i < SUBCOMMAND_COUNT ? subcommands[i]->name : NULL;
}

/* Returns the subcommand of that name, or NULL after printing an error if there is none. */
static const struct subcommand *find_or_complain(const char *name)
{
    unsigned i;
    if (names_find(subcommand_name, name, strlen(name), &i))
        return subcommands[i];
    const char *similar = names_similar(subcommand_name, name, strlen(name));
    if (similar)
        rig_log("there is no subcommand '%s': did you mean '%s'?", name, similar);
    else
        rig_log("there is no subcommand '%s'; 'cardrig --help' lists them", name);
    return NULL;
}

/* Calls a subcommand, with "cardrig NAME" as argv[0], which begins the messages of getopt_long(3). */
static int call(char *name, int argc, char **argv)
{
    const struct subcommand *subcommand = find_or_complain(name);
    char both[40];
    if (!subcommand)
        return EXIT_USAGE;
    snprintf(both, sizeof both, "cardrig %s", name);
    argv[0] = both;
    return finish(subcommand->function(argc, argv));
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
    if (strcmp(argv[1], "__complete") == 0) {
        complete(subcommands, SUBCOMMAND_COUNT, argv + 2, (size_t)argc - 2);
        return finish(EXIT_OK);
    }
    return call(argv[1], argc - 1, argv + 1);
}
