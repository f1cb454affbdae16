/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/complete.h"

#include "base/names.h"
#include "base/oneline.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "icc/fault.h"
#include "icc/library.h"
#include "rig/reader_options.h"

#include <stdio.h>
#include <string.h>

/* The word to complete. Each candidate for text is printed after head ("--card="), which stays as it is. */
struct unfinished {
    const char *head;
    size_t head_length;
    const char *text;
};

static void propose(const struct unfinished *word, const char *candidate, const char *explanation)
{
    char line[200];
    if (strncmp(candidate, word->text, strlen(word->text)) != 0)
        return;
    oneline(line, sizeof line, explanation ? explanation : "", explanation ? strlen(explanation) : 0);
    printf("%.*s%s%s%s\n", (int)word->head_length, word->head, candidate, *line ? "\t" : "", line);
}

/*
 * Values
 */

/* Calls function for each slot of the running rig, if there is one. */
static void for_each_slot(void (*function)(const struct unfinished *word, json_t *slot),
                          const struct unfinished *word)
{
    json_t *status = client_request("status", NULL, NULL, NULL), *slot;
    size_t i;
    json_array_foreach(json_object_get(status, "slots"), i, slot)
    {
        function(word, slot);
    }
    json_decref(status);
}

static const char *text_of(json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

/* Proposes a slot by its number, because a reader's name may have characters that are special to the shell.
 */
static void propose_number(const struct unfinished *word, json_t *slot, const char *state)
{
    char number[16], explanation[200];
    snprintf(number, sizeof number, "%lld", (long long)json_integer_value(json_object_get(slot, "number")));
    snprintf(explanation, sizeof explanation, "%s: %s", text_of(slot, "slot"), state);
    propose(word, number, explanation);
}

static void propose_slot(const struct unfinished *word, json_t *slot)
{
    const char *card = text_of(json_object_get(slot, "card"), "name");
    propose_number(word, slot, card ? card : "empty");
}

/* Proposes a USB reader, by the number of its first slot. */
static void propose_usb_reader(const struct unfinished *word, json_t *slot)
{
    json_t *usb = json_object_get(slot, "usb");
    const char *slash = strrchr(text_of(slot, "slot"), '/');
    if (json_is_object(usb) && slash && strcmp(slash, "/0") == 0)
        propose_number(word, slot,
                       json_is_true(json_object_get(usb, "plugged")) ? "plugged in" : "not plugged in");
}

static void propose_names(const struct unfinished *word, name_list *names)
{
    const char *name;
    for (unsigned i = 0; (name = names(i)); i++)
        propose(word, name, NULL);
}

/* Proposes ready readers and files, for scripts, and keys after a comma. Any other name is the user's choice. */
static void propose_reader_keys(const struct unfinished *word)
{
    const char *comma = strrchr(word->text, ',');
    if (!comma) {
        propose_names(word, library_reader_name);
        puts(":files");
        return;
    }
    struct unfinished rest = {word->head, (size_t)(comma + 1 - word->head), comma + 1};
    propose_names(&rest, reader_options_key);
}

static void propose_value(const struct unfinished *word, const char *completion)
{
    char one[32];
    for (const char *next = completion; next && *next; next += strspn(next, " ")) {
        int length = (int)strcspn(next, " ");
        snprintf(one, sizeof one, "%.*s", length, next);
        next += length;
        if (strcmp(one, ":slot") == 0) {
            for_each_slot(propose_slot, word);
        } else if (strcmp(one, ":usb") == 0) {
            for_each_slot(propose_usb_reader, word);
        } else if (strcmp(one, ":fault") == 0) {
            propose_names(word, fault_name);
        } else if (strcmp(one, ":ready") == 0) {
            propose_names(word, library_card_name);
        } else if (strcmp(one, ":ready-reader") == 0) {
            propose_names(word, library_reader_name);
        } else if (strcmp(one, ":reader") == 0) {
            propose_reader_keys(word);
        } else if (strcmp(one, ":card") == 0) {
            propose(word, "relay=", "the card in a reader of another PC/SC service");
            propose_names(word, library_card_name);
            puts(":files");
        } else if (one[0] == ':') {
            puts(one);
        } else {
            propose(word, one, NULL);
        }
    }
}

/*
 * Options
 */

/* Returns the option that word names, or NULL. */
static const struct option_entry *find_option(const struct subcommand *subcommand, const char *word)
{
    const struct option_entry *option;
    for (size_t i = 0; (option = options_at(subcommand, i)); i++) {
        char letter[3] = {'-', option->id < OPTION_WITHOUT_LETTER ? (char)option->id : '\0', '\0'};
        if ((letter[1] && strcmp(word, letter) == 0) ||
            (strncmp(word, "--", 2) == 0 && strcmp(word + 2, option->name) == 0))
            return option;
    }
    return NULL;
}

static void propose_options(const struct subcommand *subcommand, const struct unfinished *word)
{
    const struct option_entry *option;
    char text[40];
    for (size_t i = 0; (option = options_at(subcommand, i)); i++) {
        snprintf(text, sizeof text, "--%s", option->name);
        if (option->help)
            propose(word, text, option->help);
    }
}

/* Completes the last of the words that follow the subcommand's name. */
static void complete_subcommand(const struct subcommand *subcommand, char **words, size_t count)
{
    const char *last = words[count - 1], *equals = strchr(last, '=');
    const struct option_entry *waiting = NULL; /* the option that takes the next word as its value */
    struct unfinished word = {last, 0, last};
    size_t arguments = 0;
    bool options_over = false;
    for (size_t i = 0; i + 1 < count; i++) {
        const struct option_entry *option =
            options_over || waiting ? NULL : find_option(subcommand, words[i]);
        if (waiting) {
            waiting = NULL;
        } else if (option) {
            waiting = option->value ? option : NULL;
        } else if (!options_over && strcmp(words[i], "--") == 0) {
            options_over = true;
        } else if (options_over || words[i][0] != '-') {
            options_over = options_over || subcommand->runs_command;
            arguments++;
        }
    }
    if (!waiting && !options_over && equals && strncmp(last, "--", 2) == 0) {
        char name[40];
        snprintf(name, sizeof name, "%.*s", (int)(equals - last), last);
        if ((waiting = find_option(subcommand, name)))
            word = (struct unfinished){last, (size_t)(equals + 1 - last), equals + 1};
    }
    if (waiting)
        propose_value(&word, waiting->completion);
    else if (!options_over && last[0] == '-')
        propose_options(subcommand, &word);
    else
        propose_value(&word,
                      subcommand->arguments[arguments < ARGUMENT_KINDS ? arguments : ARGUMENT_KINDS - 1]);
}

void complete(const struct subcommand *const *subcommands, size_t subcommand_count, char **words,
              size_t word_count)
{
    if (word_count == 0)
        return;
    bool help = word_count == 2 && strcmp(words[0], "help") == 0;
    struct unfinished word = {"", 0, words[word_count - 1]};
    if (word_count == 1 || help) {
        for (size_t i = 0; i < subcommand_count; i++)
            propose(&word, subcommands[i]->name, subcommands[i]->summary);
        if (!help)
            propose(&word, "help", "show a subcommand's help");
        return;
    }
    for (size_t i = 0; i < subcommand_count; i++)
        if (strcmp(words[0], subcommands[i]->name) == 0)
            complete_subcommand(subcommands[i], words + 1, word_count - 1);
}
