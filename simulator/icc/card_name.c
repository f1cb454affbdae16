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

/* Returns the length of the text up to the first single comma. */
static size_t first_field_length(const char *text)
{
    const char *end = text;
    while (*end && (*end != ',' || end[1] == ','))
        end += *end == ',' ? 2 : 1;
    return (size_t)(end - text);
}

bool card_name_is_ready(const char *text)
{
    return library_find(library_cards, text, first_field_length(text));
}

/* A file of the name of a ready card has to be given with a slash: which card is meant depends on no folder. */
static bool is_one_file(const char *text)
{
    return !card_name_is_ready(text) && is_file(text);
}

size_t card_name_length_without_arguments(const char *text)
{
    return is_one_file(text) ? strlen(text) : first_field_length(text);
}

void card_name_shorten(const struct card_name *name, char out[CARD_NAME_SHORT_MAX + 1])
{
    const char *card = name->ready ? name->ready->name : name->file;
    const char *slash = strrchr(card, '/');
    snprintf(out, CARD_NAME_SHORT_MAX + 1, "%s", slash ? slash + 1 : card);
    size_t length = strlen(out);
    if (length > 4 && strcmp(out + length - 4, ".lua") == 0)
        out[length - 4] = '\0';
    for (char *c = out; *c; c++)
        if (*c == '\n')
            *c = '?';
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
    if (strcmp(field, "state") == 0) {
        if (name->state || !*argument.value)
            return error_set(error, "%s: expected state=FILE, once", card);
        name->state = argument.value;
        return true;
    }
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
    name->ready = library_find(library_cards, card, strlen(card));
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
    *name = (struct card_name){.text = strdup(text), .whole = text};
    if (!name->text)
        return error_set(error, "out of memory");
    if (is_one_file(text)) {
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

/* Appends text at `to`, with each comma twice. Returns its end. */
static char *append(char *to, const char *text)
{
    for (; *text; text++) {
        *to++ = *text;
        if (*text == ',')
            *to++ = ',';
    }
    *to = '\0';
    return to;
}

/* Writes the name again, with these paths. text was its whole text. */
static char *join(const struct card_name *name, const char *card, const char *state, const char *text)
{
    char *joined = malloc(2 * (strlen(card) + strlen(state) + strlen(text)) + sizeof ",state=");
    char *to = joined;
    if (!joined)
        return NULL;
    to = append(to, card);
    for (size_t i = 0; i < name->argument_count; i++) {
        *to++ = ',';
        to = append(to, name->argument[i].key);
        *to++ = '=';
        to = append(to, name->argument[i].value);
    }
    if (*state) {
        to = stpcpy(to, ",state=");
        append(to, state);
    }
    return joined;
}

/* Writes the absolute path of a file that need not exist, without symbolic links. Returns false and sets errno if its
 * folder does not exist, or the path is too long. */
static bool absolute_path(const char *path, char absolute[PATH_MAX])
{
    char folder[PATH_MAX], real[PATH_MAX];
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    if (realpath(path, absolute))
        return true;
    if (snprintf(folder, sizeof folder, "%.*s.", (int)(name - path), path) >= (int)sizeof folder) {
        errno = ENAMETOOLONG;
        return false;
    }
    if (!realpath(folder, real))
        return false;
    errno = ENAMETOOLONG;
    return snprintf(absolute, PATH_MAX, "%s/%s", real, name) < PATH_MAX;
}

char *card_name_absolute(const char *text, struct error *error)
{
    struct card_name name;
    char file[PATH_MAX], state[PATH_MAX] = "", *result = NULL;
    if (!card_name_parse(&name, text, error))
        return NULL;
    if (name.file && !realpath(name.file, file))
        error_set(error, "%s: %s", name.file, strerror(errno));
    else if (name.state && !absolute_path(name.state, state))
        error_set(error, "state=%s: %s", name.state, strerror(errno));
    else if (!(result = name.file && is_file(text)
                            ? strdup(file)
                            : join(&name, name.ready ? name.ready->name : file, state, text)))
        error_set(error, "out of memory");
    card_name_free(&name);
    return result;
}
