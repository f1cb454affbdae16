/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any line as the answer of a control server, to any of the commands. What is taken has all that the
 * subcommands read; `cardrig status` prints it in whole lines, each of which is one for people, and as the
 * same JSON. What is refused is said in a line.
 *
 * The first byte says which command.
 */
#include "base/error.h"
#include "fuzz.h"

#include "base/oneline.h"
#include "cli/answer.h"
#include "cli/cli.h"
#include "cli/client.h"

#include <getopt.h>

static const char *answer;
static size_t answer_length;

static json_t *read_answer(const char *command)
{
    struct error error;
    char *copy = exact_copy(answer, answer_length);
    memset(&error, 'X', sizeof error);
    json_t *result = answer_read(command, copy, answer_length, &error);
    if (!result)
        CHECK(memchr(error.text, '\0', sizeof error.text) && error.text[0]);
    free(copy);
    return result;
}

/* In the place of the client's, which would ask a server. */
json_t *client_request(const char *command, const char *slot, const char *file, json_t *faults)
{
    CHECK(strcmp(command, "status") == 0 && !slot && !file && !faults);
    return read_answer(command);
}

/* What `cardrig status` prints; NULL when it failed. */
static char *status_text(const char *option)
{
    char *arguments[] = {(char[]){"status"}, (char *)(uintptr_t)option, NULL}, *text = NULL;
    size_t length = 0;
    FILE *terminal = stdout;
    stdout = open_memstream(&text, &length);
    CHECK(stdout);
    optind = 0;
    int status = status_subcommand.function(option ? 2 : 1, arguments);
    CHECK(fclose(stdout) == 0);
    stdout = terminal;
    CHECK(status == EXIT_OK ? length > 0 && text[length - 1] == '\n' && strlen(text) == length : length == 0);
    if (status == EXIT_OK)
        return text;
    free(text);
    return NULL;
}

/* Each line is as oneline() makes it. */
static void check_lines(const char *text)
{
    for (const char *end; (end = strchr(text, '\n')); text = end + 1) {
        size_t length = (size_t)(end - text), size = 4 * length + 8;
        char *line = malloc(size);
        CHECK(line);
        oneline(line, size, text, length);
        CHECK(strlen(line) == length && memcmp(line, text, length) == 0);
        free(line);
    }
}

static void check_status(const json_t *result)
{
    char *text = status_text(NULL), *json_text = status_text("--json");
    CHECK((text != NULL) == (result != NULL) && (json_text != NULL) == (result != NULL));
    if (!result)
        return;
    check_lines(text);
    for (const char *c = json_text; *c; c++)
        CHECK(*c == '\n' || (*c >= 0x20 && *c <= 0x7F)); /* DEL does nothing */
    size_t lines = 0;
    for (const char *c = text; *c; c++)
        lines += *c == '\n';
    CHECK(lines > 2 * json_array_size(json_object_get(result, "slots")));
    json_t *json = json_loads(json_text, 0, NULL);
    CHECK(json && json_equal(json, result));
    json_decref(json);
    free(json_text);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const commands[] = {"status", "insert", "remove", "swap",
                                           "fault",  "plug",   "unplug", "service"};
    if (size == 0)
        return 0;
    answer = (const char *)data + 1;
    answer_length = size - 1;
    size_t which = data[0] % (sizeof commands / sizeof commands[0]);
    json_t *result = read_answer(commands[which]);
    if (which == 0)
        check_status(result);
    json_decref(result);
    return 0;
}
