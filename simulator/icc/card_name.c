/* SPDX-License-Identifier: BSD-3-Clause */
#include "icc/card_name.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fields.h"
#include "base/names.h"

static bool is_file(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && !S_ISDIR(st.st_mode);
}

static bool looks_like_file(const char *text)
{
    size_t length = strlen(text);
    return strchr(text, '/') || (length > 4 && strcmp(text + length - 4, ".lua") == 0);
}

size_t card_name_length_without_arguments(const char *text)
{
    const char *end = text;
    if (is_file(text))
        return strlen(text);
    while (*end && (*end != ',' || end[1] == ','))
        end += *end == ',' ? 2 : 1;
    return (size_t)(end - text);
}

bool card_name_is_ready(const char *text)
{
    return library_find(library_cards, text, card_name_length_without_arguments(text)) && !is_file(text);
}

/* Splits KEY[=VALUE]. */
static bool add_argument(struct card_name *name, const char *card, char *field, struct error *error)
{
    char *equals = strchr(field, '=');
    struct card_argument argument = {.key = field, .value = equals ? equals + 1 : ""};
    if (equals)
        *equals = '\0';
    if (!*field)
        return error_set(error,
                         "%s: expected KEY or KEY=VALUE behind the comma; a comma in a name or value is "
                         "written twice: ',,'",
                         card);
    for (size_t i = 0; i < name->argument_count; i++)
        if (strcmp(name->argument[i].key, field) == 0)
            return error_set(error, "%s: '%s' is given twice", card, field);
    if (name->argument_count == CARD_ARGUMENTS_MAX)
        return error_set(error, "%s: more than %d arguments", card, CARD_ARGUMENTS_MAX);
    name->argument[name->argument_count++] = argument;
    return true;
}

static bool find_card(struct card_name *name, const char *card, struct error *error)
{
    name->ready = is_file(card) ? NULL : library_find(library_cards, card, strlen(card));
    if (name->ready || is_file(card) || looks_like_file(card)) {
        name->file = name->ready ? NULL : card;
        return true;
    }
    error_set(error, "%s: no such file, and no ready card", card);
    names_suggest(library_card_name, card, strlen(card), error);
    return false;
}

bool card_name_parse(struct card_name *name, const char *text, struct error *error)
{
    *name = (struct card_name){.text = strdup(text)};
    if (!name->text)
        return error_set(error, "out of memory");
    if (is_file(text)) {
        name->file = name->text;
        return true;
    }
    char *rest = name->text, *card = fields_next(&rest), *field;
    bool ok = find_card(name, card, error);
    while (ok && (field = fields_next(&rest)))
        ok = add_argument(name, card, field, error);
    if (!ok)
        card_name_free(name);
    return ok;
}

void card_name_free(struct card_name *name)
{
    free(name->text);
    *name = (struct card_name){0};
}

/* Returns the path with each comma twice, followed by the arguments. */
static char *with_arguments(const char *path, const char *arguments)
{
    char *text = malloc(2 * strlen(path) + strlen(arguments) + 1), *to = text;
    if (!text)
        return NULL;
    for (; *path; path++) {
        *to++ = *path;
        if (*path == ',')
            *to++ = ',';
    }
    strcpy(to, arguments);
    return text;
}

char *card_name_absolute(const char *text, struct error *error)
{
    struct card_name name;
    char absolute[PATH_MAX], *result = NULL;
    if (!card_name_parse(&name, text, error))
        return NULL;
    error_set(error, "out of memory");
    if (name.ready)
        result = strdup(text);
    else if (!realpath(name.file, absolute))
        error_set(error, "%s: %s", name.file, strerror(errno));
    else if (is_file(text))
        result = strdup(absolute);
    else
        result = with_arguments(absolute, text + card_name_length_without_arguments(text));
    card_name_free(&name);
    return result;
}
