/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The options and arguments of a subcommand. getopt_long(3), --help and shell completion use the same table,
 * and a test checks the manual page against it.
 */
#ifndef CARDRIG_CLI_OPTIONS_H
#define CARDRIG_CLI_OPTIONS_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * A completion describes the candidates for a value or an argument. It is a list of words separated by
 * spaces, each of them a candidate or one of
 *   ":files" ":directories" ":command" ":users"   completed by the shell
 *   ":card"     the file of a card script, or relay=
 *   ":ready"    the name of a ready card
 *   ":ready-reader"  the name of a ready reader
 *   ":slot"     a slot of the running rig
 *   ":usb"      a USB reader of the running rig
 *   ":fault"    the name of a fault
 *   ":reader"   a reader's name and keys, as --reader takes them
 * NULL means that there are no candidates.
 */

/* The first id of options without a letter. */
#define OPTION_WITHOUT_LETTER 256

struct option_entry {
    int id;            /* its letter, or OPTION_WITHOUT_LETTER and above if it has none */
    const char *name;  /* without the dashes; NULL: the end of the list */
    const char *value; /* the name of its value in the help; NULL: it takes no value */
    const char *completion;
    const char *help; /* a sentence or two, of any length; NULL: hidden from the help */
};

#define OPTION_LISTS   2
#define ARGUMENT_KINDS 2

struct subcommand {
    const char *name, *summary;
    int (*function)(int argc, char **argv);           /* argv[0] is "cardrig NAME"; returns an exit status */
    const char *usage;                                /* the text after the name; one line for each form */
    const char *description;                          /* lines of at most 80 columns */
    const struct option_entry *options[OPTION_LISTS]; /* without --help */
    const char *keys, *notes;                         /* lines after the options in the help, or NULL */
    const char *arguments[ARGUMENT_KINDS];            /* completions: first argument, all others */
    bool runs_command;                                /* options end at the first argument */
};

/* Returns option number i of the subcommand, from 0. --help is the last one; after it returns NULL. */
const struct option_entry *options_at(const struct subcommand *subcommand, size_t i);

/* The most options that the lists of one subcommand can have. */
#define OPTIONS_MAX 32

/*
 * Returns the id of the next option, or -1 after the last one. Sets optarg and optind as getopt_long(3) does.
 * Returns 'h' after printing the help, and '?' after printing an error for a wrong option.
 */
int options_next(const struct subcommand *subcommand, int argc, char **argv);

#endif
