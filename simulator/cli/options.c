/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/options.h"

#include <stdio.h>
#include <string.h>

#define COLUMNS     79
#define HELP_COLUMN 26 /* of the options' explanations, at most */
#define LETTERS_END 256

static const struct option_entry help_option = {'h', "help", NULL, NULL, "show this help"};

/* Calls function for each option, --help at the end. */
static void for_each_option(const struct subcommand *subcommand,
                            void (*function)(const struct option_entry *option, void *arg), void *arg)
{
    for (unsigned list = 0; list < OPTION_LISTS && subcommand->options[list]; list++)
        for (const struct option_entry *option = subcommand->options[list]; option->name; option++)
            function(option, arg);
    function(&help_option, arg);
}

/*
 * Help
 */

/* "  -c, --card [SLOT=]CARD". Returns its length. */
static size_t label(const struct option_entry *option, char *text, size_t size)
{
    char letter[8] = "   ";
    if (option->id < LETTERS_END)
        snprintf(letter, sizeof letter, "-%c,", option->id);
    int length = snprintf(text, size, "  %s --%s%s%s", letter, option->name, option->value ? " " : "",
                          option->value ? option->value : "");
    return (size_t)length;
}

static void find_column(const struct option_entry *option, void *arg)
{
    size_t *column = arg;
    char text[80];
    size_t length = label(option, text, sizeof text) + 2;
    if (option->help && length > *column && length <= HELP_COLUMN)
        *column = length;
}

/* Prints words from this column on, and goes on in the same one in further lines. */
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

static void print_option(const struct option_entry *option, void *arg)
{
    const size_t *column = arg;
    char text[80];
    if (!option->help)
        return;
    if (label(option, text, sizeof text) + 2 > *column)
        printf("%s\n%*s", text, (int)*column, "");
    else
        printf("%-*s", (int)*column, text);
    print_words(option->help, *column);
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
    size_t column = 0;
    for_each_option(subcommand, find_column, &column);
    printf("%s\n", subcommand->description);
    for_each_option(subcommand, print_option, &column);
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

static void add_option(const struct option_entry *option, void *arg)
{
    struct lists *lists = arg;
    size_t length = strlen(lists->letters);
    if (lists->count == OPTIONS_MAX)
        return;
    lists->all[lists->count++] =
        (struct option){option->name, option->value ? required_argument : no_argument, NULL, option->id};
    if (option->id < LETTERS_END)
        snprintf(lists->letters + length, sizeof lists->letters - length, "%c%s", option->id,
                 option->value ? ":" : "");
}

int options_next(const struct subcommand *subcommand, int argc, char **argv)
{
    struct lists lists = {.letters = ""};
    if (subcommand->runs_command)
        strcpy(lists.letters, "+");
    for_each_option(subcommand, add_option, &lists);
    int id = getopt_long(argc, argv, lists.letters, lists.all, NULL);
    if (id == 'h')
        print_help(subcommand);
    if (id == '?')
        fprintf(stderr, "'cardrig %s --help' lists the options\n", subcommand->name);
    return id;
}
