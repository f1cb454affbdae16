/* SPDX-License-Identifier: BSD-3-Clause */
/* The subcommands that list what is ready in the program: cards, and readers. */
#ifndef CARDRIG_CLI_READY_H
#define CARDRIG_CLI_READY_H

#include "base/names.h"
#include "cli/options.h"
#include "icc/library.h"

#include <stdbool.h>

struct ready {
    const struct subcommand *subcommand;
    const char *what; /* "card" */
    const struct library_text *texts;
    name_list *names;                               /* of the texts */
    const struct library_text *modules;             /* whose text can be printed, too; NULL: none */
    bool (*load)(const struct library_text *ready); /* prints summary and arguments, or an error */
};

/* The option --text. */
extern const struct option_entry ready_options[];

/* Carries out the subcommand. Returns an exit status. */
int ready_main(const struct ready *ready, int argc, char **argv);

/* Prints the name and what the first comment line after the licence says. */
void ready_print_summary(const struct library_text *text);

#endif
