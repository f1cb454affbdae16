/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig/reader_load.h"

#include "base/fields.h"
#include "icc/library.h"
#include "icc/sandbox.h"
#include "icc/source.h"
#include "rig/reader_globals.h"
#include "rig/reader_read.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEYS_MAX 64

/* The text of --reader, taken apart. The pointers point into `fields`. */
struct named_reader {
    char *fields;
    const char *script;               /* the file or ready reader */
    const struct library_text *ready; /* NULL: a file */
    const char *keys[KEYS_MAX];       /* keys of --reader, with their values */
    size_t key_count;
    struct card_name given; /* the arguments of the script */
};

static const struct library_text *find_ready(const char *name)
{
    return library_find(library_readers, name, strlen(name));
}

bool reader_is_script(const char *text)
{
    char *copy = strdup(text), *rest = copy, *first = copy ? fields_next(&rest) : NULL;
    size_t length = first ? strlen(first) : 0;
    bool named = first && (find_ready(first) || strchr(first, '/') ||
                           (length > 4 && strcmp(first + length - 4, ".lua") == 0));
    free(copy);
    return named;
}

static bool add_argument(struct named_reader *name, char *field, struct error *error)
{
    struct card_name *given = &name->given;
    char *equals = strchr(field, '=');
    if (equals)
        *equals = '\0';
    for (size_t i = 0; i < given->argument_count; i++)
        if (strcmp(given->argument[i].key, field) == 0)
            return error_set(error, "%s: '%s' is given twice", name->script, field);
    if (given->argument_count == CARD_ARGUMENTS_MAX)
        return error_set(error, "%s: more than %d arguments", name->script, CARD_ARGUMENTS_MAX);
    given->argument[given->argument_count++] = (struct card_argument){field, equals ? equals + 1 : ""};
    return true;
}

static bool take_apart(struct named_reader *name, const char *text, struct error *error)
{
    *name = (struct named_reader){.fields = strdup(text)};
    if (!name->fields)
        return error_set(error, "out of memory");
    char *rest = name->fields, *field;
    name->script = fields_next(&rest);
    name->ready = find_ready(name->script);
    while ((field = fields_next(&rest))) {
        if (!*field)
            return error_set(error,
                             "%s: expected KEY or KEY=VALUE behind the comma; a comma in a value is "
                             "written twice: ',,'",
                             name->script);
        if (!reader_options_is_key(field)) {
            if (!add_argument(name, field, error))
                return false;
        } else if (name->key_count < KEYS_MAX) {
            name->keys[name->key_count++] = field;
        } else {
            return error_set(error, "%s: more than %d keys", name->script, KEYS_MAX);
        }
    }
    return true;
}

/* The machine calls this only while the script's lock is held. */
static void draw_random(void *arg, uint8_t *out, size_t length)
{
    struct reader_script *script = arg;
    random_bytes(&script->random, out, length);
    if (script->host.random_drawn)
        script->host.random_drawn(script->host.arg);
}

static void log_line(void *arg, const char *line)
{
    struct reader_script *script = arg;
    if (script->host.log)
        script->host.log(script->host.arg, line);
}

static bool run(struct reader_script *script, const struct source *source, const struct named_reader *name,
                struct reader_options *options, struct error *error)
{
    const struct card_host host = {.arg = script, .random = draw_random, .log = log_line};
    struct reader_load load = {.load = {.head = &script->head, .source = source, .given = &name->given},
                               .script = script,
                               .options = options};
    script->sandbox = sandbox_new(&host, NULL, reader_globals_open, source->name, error);
    if (!script->sandbox)
        return false;
    if (!name->ready && !sandbox_set_folder(script->sandbox, name->script))
        return error_set(error, "out of memory");
    load.load.sandbox = script->sandbox;
    script->head.kind = "reader";
    load_default_name(&script->head, source->name);
    return sandbox_call(script->sandbox, reader_read, &load, 1, error);
}

static bool apply_keys(const struct named_reader *name, struct reader_options *options, struct error *error)
{
    bool ok = true;
    for (size_t i = 0; ok && i < name->key_count; i++)
        ok = reader_options_field(options, name->keys[i], error);
    return ok && reader_options_end(options, error);
}

static bool check_antenna(const struct reader_script *script, const struct named_reader *name,
                          const struct reader_options *options, struct error *error)
{
    if (script->antenna == READER_NO_SLOT)
        return true;
    if (options->cards != READER_OWN_CARDS)
        return error_set(error, "%s: vpcd cards have contacts, and this reader has an antenna", name->script);
    return script->antenna < (int)options->slots ||
           error_set(error, "%s: the antenna belongs to slot %d, and the reader has %u", name->script,
                     script->antenna, options->slots);
}

static bool load(struct reader_script *script, const struct named_reader *name,
                 struct reader_options *options, struct error *error)
{
    struct source source;
    char chunk[100];
    if (name->ready) {
        snprintf(chunk, sizeof chunk, "%s.lua", name->ready->name);
        source = (struct source){.name = chunk, .text = name->ready->text, .length = name->ready->length};
    } else if (!source_read(&source, name->script, error)) {
        return false;
    }
    bool ok = run(script, &source, name, options, error) && apply_keys(name, options, error);
    if (ok && script->pin_pad.exists && options->slots != 1)
        ok = error_set(error, "%s: a reader with a PIN pad has one slot", name->script);
    ok = ok && check_antenna(script, name, options, error);
    if (!name->ready)
        source_free(&source);
    return ok;
}

struct reader_script *reader_load(const char *text, const struct reader_script_host *host,
                                  struct reader_options *options, struct error *error)
{
    struct named_reader name = {0};
    struct reader_script *script = calloc(1, sizeof *script);
    if (!script) {
        error_set(error, "out of memory");
        return NULL;
    }
    pthread_mutex_init(&script->lock, NULL);
    script->host = *host;
    script->control.ref = script->command.ref = LUA_NOREF;
    random_start(&script->random, host->seed);
    bool ok = take_apart(&name, text, error) && load(script, &name, options, error);
    free(name.fields);
    if (ok)
        return script;
    reader_script_free(script);
    return NULL;
}

bool reader_describe(const char *text, const struct reader_script_host *host, struct reader_options *options,
                     struct reader_script **script, struct error *error)
{
    bool is_script = reader_is_script(text);
    *script = is_script ? reader_load(text, host, options, error) : NULL;
    return is_script ? *script != NULL : reader_options_parse(text, options, error);
}
