/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/ready.h"

#include "base/error.h"
#include "cli/cli.h"
#include "rig/log.h"

#include <stdio.h>
#include <string.h>

enum { TEXT = OPTION_WITHOUT_LETTER };

const struct option_entry ready_options[] = {
    {TEXT, "text", NULL, NULL, "print the Lua text, to copy and change it"}, {0}};

void ready_print_summary(const struct library_text *text)
{
    const char *line = strchr(text->text, '\n');
    int length;
    line = line && strncmp(line, "\n-- ", 4) == 0 ? line + 4 : "";
    length = (int)strcspn(line, "\n");
    printf("%-12s %.*s\n", text->name, length, line);
}

static bool print_text(const struct ready *ready, const char *name)
{
    const struct library_text *text = library_find(ready->texts, name, strlen(name));
    if (!text && ready->modules)
        text = library_find(ready->modules, name, strlen(name));
    if (text)
        fwrite(text->text, 1, text->length, stdout);
    else
        rig_log("no ready %s%s '%s': 'cardrig %s' lists them", ready->what,
                ready->modules ? " or module" : "", name, ready->subcommand->name);
    return text;
}

static bool show(const struct ready *ready, const char *name)
{
    struct error error;
    const struct library_text *text = library_find(ready->texts, name, strlen(name));
    if (text)
        return ready->load(text);
    error_set(&error, "no ready %s '%s'", ready->what, name);
    names_suggest(ready->names, name, strlen(name), &error);
    rig_log("%s", error.text);
    return false;
}

static void list(const struct ready *ready)
{
    for (const struct library_text *text = ready->texts; text->name; text++)
        ready_print_summary(text);
    if (ready->modules) {
        printf("\nModules for scripts:");
        for (const struct library_text *module = ready->modules; module->name; module++)
            printf(" %s", module->name);
        printf("\n");
    }
    printf("\n'cardrig %s NAME' lists a %s's arguments.\n", ready->subcommand->name, ready->what);
}

int ready_main(const struct ready *ready, int argc, char **argv)
{
    const char *subcommand = ready->subcommand->name;
    bool as_text = false, ok = true;
    for (int option; (option = options_next(ready->subcommand, argc, argv)) != -1;) {
        if (option != TEXT)
            return option == 'h' ? EXIT_OK : EXIT_USAGE;
        as_text = true;
    }
    if (optind == argc && as_text) {
        fprintf(stderr, "cardrig %s: --text of which %s? 'cardrig %s --help' says more\n", subcommand,
                ready->what, subcommand);
        return EXIT_USAGE;
    }
    if (optind == argc)
        list(ready);
    for (; optind < argc; optind++)
        ok &= (as_text ? print_text : show)(ready, argv[optind]);
    return ok ? EXIT_OK : EXIT_FAILED;
}
