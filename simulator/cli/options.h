/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a subcommand takes: its options and arguments, written down once. getopt_long(3), --help and the
 * shells' completion use the same table; a test holds the manual page to it.
 */
#ifndef CARDRIG_CLI_OPTIONS_H
#define CARDRIG_CLI_OPTIONS_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * What completes a value or an argument: words with a blank between them, or one of
 *   ":files" ":directories" ":command" ":users"   what the shell knows
 *   ":card"     the file of a card script, or relay=
 *   ":slot"     a slot of the running rig
 *   ":usb"      a USB reader of the running rig
 *   ":fault"    the name of a fault
 *   ":reader"   a reader's name and keys, as --reader takes them
 * NULL: nothing can be proposed.
 */

/* The first id of an option that has no letter. */
#define OPTION_WITHOUT_LETTER 256

struct option_entry {
    int id;            /* its letter; from OPTION_WITHOUT_LETTER on: it has none */
    const char *name;  /* without the dashes; NULL: the end of the list */
    const char *value; /* what its value is called; NULL: it takes none */
    const char *completion;
    const char *help; /* a sentence or two, in any number of columns; NULL: not shown */
};

#define OPTION_LISTS   2
#define ARGUMENT_KINDS 2

struct subcommand {
    const char *name, *summary;
    int (*function)(int argc, char **argv);           /* argv[0] is "cardrig NAME". Returns an exit status */
    const char *usage;                                /* what follows the name; a line for each form */
    const char *description;                          /* lines of at most 80 columns */
    const struct option_entry *options[OPTION_LISTS]; /* besides --help */
    const char *keys, *notes;                         /* lines behind the options, or NULL */
    const char *arguments[ARGUMENT_KINDS];            /* of the first argument, and of all that follow */
    bool runs_command;                                /* options end at the first argument */
};

/* The subcommand's options one after the other, --help at the end; then NULL. */
const struct option_entry *options_at(const struct subcommand *subcommand, size_t i);

/* As many options as the lists of one subcommand can have. */
#define OPTIONS_MAX 32

/*
 * The id of the next option, with optarg and optind as getopt_long(3) sets them; -1 after the last one.
 * 'h': the help has been printed. '?': the option is wrong, which has been printed.
 */
int options_next(const struct subcommand *subcommand, int argc, char **argv);

#endif
