/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/options.h"

#include <stdio.h>
#include <string.h>

#define COLUMNS     79
#define HELP_COLUMN 26 /* the rightmost column where explanations of options may begin */

static const struct option_entry help_option = {'h', "help", NULL, NULL, "show this help"};

const struct option_entry *options_at(const struct subcommand *subcommand, size_t i)
{
    for (unsigned list = 0; list < OPTION_LISTS && subcommand->options[list]; list++)
        for (const struct option_entry *option = subcommand->options[list]; option->name; option++)
            if (i-- == 0)
                return option;
    return i == 0 ? &help_option : NULL;
}

/*
 * Help
 */

/* Writes the label of an option, "  -c, --card [SLOT=]CARD". Returns its length. */
static size_t label(const struct option_entry *option, char *text, size_t size)
{
    char letter[8] = "   ";
    if (option->id < OPTION_WITHOUT_LETTER)
        snprintf(letter, sizeof letter, "-%c,", option->id);
    int length = snprintf(text, size, "  %s --%s%s%s", letter, option->name, option->value ? " " : "",
                          option->value ? option->value : "");
    return (size_t)length;
}

/* Returns the column where explanations begin, after the longest label that leaves them at HELP_COLUMN or
 * before. The explanation of an option with a longer label begins on the next line. */
static size_t find_column(const struct subcommand *subcommand)
{
    const struct option_entry *option;
    size_t column = 0;
    char text[80];
    for (size_t i = 0; (option = options_at(subcommand, i)); i++) {
        size_t length = label(option, text, sizeof text) + 2;
        if (option->help && length > column && length <= HELP_COLUMN)
            column = length;
    }
    return column;
}

/* Prints words from this column on, and wraps them to further lines that begin at the same column. */
static void print_words(const char *words, size_t column)
{
    size_t at = column;
    while (*words) {
        size_t length = strcspn(words, " ");
        if (at > column && at + 1 + length > COLUMNS) {
            printf("\n%*s", (int)column, "");
            at = column;
        }
        printf("%s%.*s", at > column ? " " : "", (int)length, words);
        at += length + (at > column);
        words += length + strspn(words + length, " ");
    }
    putchar('\n');
}

static void print_option(const struct option_entry *option, size_t column)
{
    char text[80];
    if (label(option, text, sizeof text) + 2 > column)
        printf("%s\n%*s", text, (int)column, "");
    else
        printf("%-*s", (int)column, text);
    print_words(option->help, column);
}

static void print_help(const struct subcommand *subcommand)
{
    const char *before = "Usage:";
    for (const char *form = subcommand->usage; form;) {
        size_t length = strcspn(form, "\n");
        printf("%-6s cardrig %s%s%.*s\n", before, subcommand->name, length ? " " : "", (int)length, form);
        before = "";
        form = form[length] ? form + length + 1 : NULL;
    }
    printf("%s\n", subcommand->description);
    const struct option_entry *option;
    size_t column = find_column(subcommand);
    for (size_t i = 0; (option = options_at(subcommand, i)); i++)
        if (option->help)
            print_option(option, column);
    if (subcommand->keys)
        printf("\n%s", subcommand->keys);
    if (subcommand->notes)
        printf("\n%s", subcommand->notes);
}

/*
 * getopt_long(3)
 */

struct lists {
    struct option all[OPTIONS_MAX + 1];
    unsigned count;
    char letters[2 * OPTIONS_MAX + 2];
};

static void add_option(struct lists *lists, const struct option_entry *option)
{
    size_t length = strlen(lists->letters);
    if (lists->count == OPTIONS_MAX)
        return;
    lists->all[lists->count++] =
        (struct option){option->name, option->value ? required_argument : no_argument, NULL, option->id};
    if (option->id < OPTION_WITHOUT_LETTER)
        snprintf(lists->letters + length, sizeof lists->letters - length, "%c%s", option->id,
                 option->value ? ":" : "");
}

int options_next(const struct subcommand *subcommand, int argc, char **argv)
{
    struct lists lists = {.letters = ""};
    if (subcommand->runs_command)
        strcpy(lists.letters, "+");
    const struct option_entry *option;
    for (size_t i = 0; (option = options_at(subcommand, i)); i++)
        add_option(&lists, option);
    int id = getopt_long(argc, argv, lists.letters, lists.all, NULL);
    if (id == 'h')
        print_help(subcommand);
    if (id == '?')
        fprintf(stderr, "'cardrig %s --help' lists the options\n", subcommand->name);
    return id;
}
