/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/client.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/unix_socket.h"
#include "cli/answer.h"
#include "cli/cli.h"
#include "cli/print.h"
#include "icc/card_name.h"
#include "icc/relay.h"
#include "rig/directory.h"
#include "rig/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* The time limit for a whole request. A script may take two seconds of CPU time, which is much more time on a
 * busy machine. */
#define ANSWER_MS 30000

/* The time limit for "service", which may have to end a pcscd that hangs, and start a new one. */
#define SERVICE_MS 40000

/* The limit for an answer, in bytes. The longest one, to status with as many slots as a rig can have, takes a
 * fraction of it. */
#define ANSWER_MAX (1 << 20)

/* Sets a timeout option of the socket to the time that is left until the deadline. Returns false and sets
 * errno on failure: EAGAIN if the deadline has passed. */
static bool limit(int fd, int option, int64_t deadline)
{
    int64_t left = deadline - clock_ms();
    struct timeval time = {.tv_sec = (time_t)(left / 1000), .tv_usec = (suseconds_t)(left % 1000 * 1000)};
    if (left > 0)
        return setsockopt(fd, SOL_SOCKET, option, &time, sizeof time) == 0;
    errno = EAGAIN;
    return false;
}

/* Returns a connected socket, or -1 after printing an error. */
static int connect_to_rig(int64_t deadline)
{
    static const char served[] = DIRECTORY_DEFAULT "/control";
    const char *path = getenv("CARDRIG_SOCKET");
    if (!path || !*path) {
        path = served;
        if (access(path, F_OK) < 0) {
            rig_log(
                "no rig: CARDRIG_SOCKET is not set, and there is no %s; this works inside 'cardrig run -- "
                "COMMAND', or while 'cardrig serve' runs",
                path);
            return -1;
        }
    }
    struct sockaddr_un address;
    if (!unix_address(&address, path)) {
        rig_log("CARDRIG_SOCKET is longer than a socket's path can be");
        return -1;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && limit(fd, SO_SNDTIMEO, deadline) &&
        connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    rig_log("cannot reach the rig at %s: %s%s", path, errno == EAGAIN ? "it is too busy" : strerror(errno),
            errno == ENOENT || errno == ECONNREFUSED ? " (has it ended?)" : "");
    if (fd >= 0)
        close(fd);
    return -1;
}

static bool send_line(int fd, const char *line, int64_t deadline)
{
    for (size_t length = strlen(line), done = 0; done < length;) {
        if (!limit(fd, SO_SNDTIMEO, deadline))
            return false;
        ssize_t sent = send(fd, line + done, length - done, MSG_NOSIGNAL);
        if (sent < 0)
            return false;
        done += (size_t)sent;
    }
    return true;
}

/* Receives a line into text, which has room for ANSWER_MAX bytes. *length does not include the newline.
 * Returns false and sets errno on failure. */
static bool receive_line(int fd, char *text, size_t *length, int64_t deadline)
{
    *length = 0;
    while (*length < ANSWER_MAX) {
        if (!limit(fd, SO_RCVTIMEO, deadline))
            return false;
        ssize_t got = recv(fd, text + *length, ANSWER_MAX - *length, 0);
        if (got <= 0) {
            errno = got == 0 ? ECONNRESET : errno;
            return false;
        }
        const char *end = memchr(text + *length, '\n', (size_t)got);
        *length = end ? (size_t)(end - text) : *length + (size_t)got;
        if (end)
            return true;
    }
    errno = EMSGSIZE;
    return false;
}

/* Sends the line and returns the rig's answer, or NULL after printing an error. */
static json_t *converse(int fd, const char *command, const char *line, int64_t deadline)
{
    struct error error;
    size_t length;
    char *text = malloc(ANSWER_MAX);
    json_t *result = NULL;
    if (!text || !send_line(fd, line, deadline) || !receive_line(fd, text, &length, deadline))
        rig_log("the rig did not answer: %s",
                errno == EAGAIN ? strcmp(command, "wait") == 0 ? "nothing has asked for a PIN in this time"
                                                               : "it took too long"
                : errno == EMSGSIZE ? "its answer has more than a megabyte"
                                    : strerror(errno));
    else if (!(result = answer_read(command, text, length, &error)))
        rig_log("%s", error.text);
    free(text);
    return result;
}

/* Sends a request and returns its answer, or NULL after printing an error. Releases the request. */
static json_t *ask(const char *command, json_t *request, int milliseconds)
{
    char *text = request ? json_dumps(request, JSON_COMPACT) : NULL;
    char *line = NULL;
    json_t *result = NULL;
    int fd = -1;
    int64_t deadline = clock_ms() + milliseconds;
    if (!text || asprintf(&line, "%s\n", text) < 0) {
        line = NULL;
        rig_log("the slot or file is not UTF-8");
        goto out;
    }
    if ((fd = connect_to_rig(deadline)) >= 0)
        result = converse(fd, command, line, deadline);
out:
    if (fd >= 0)
        close(fd);
    free(line);
    free(text);
    json_decref(request);
    return result;
}

json_t *client_request(const char *command, const char *slot, const char *file, json_t *faults)
{
    char *absolute = NULL;
    struct error error;
    if (file && *file && !relay_reader(file)) {
        absolute = card_name_absolute(file, &error);
        if (!absolute) {
            rig_log("%s", error.text);
            return NULL;
        }
        file = absolute;
    }
    json_t *request = json_pack("{s:s, s:s*, s:s*, s:O*}", "command", command, "slot", slot, "file", file,
                                "faults", faults);
    free(absolute);
    return ask(command, request, ANSWER_MS);
}

json_t *client_request_service(const char *action)
{
    return ask("service", json_pack("{s:s, s:s}", "command", "service", "action", action), SERVICE_MS);
}

json_t *client_request_press(const char *reader, json_t *keys)
{
    return ask("press", json_pack("{s:s, s:s*, s:O}", "command", "press", "slot", reader, "keys", keys),
               ANSWER_MS);
}

json_t *client_request_wait(const char *reader, int milliseconds)
{
    return ask("wait", json_pack("{s:s, s:s*, s:s}", "command", "wait", "slot", reader, "event", "pin"),
               milliseconds);
}

#define LOOK_MS 2 /* how often to ask */

int client_wait_for_status(bool (*is_done)(const json_t *status, void *arg), void *arg, int milliseconds)
{
    for (int64_t deadline = clock_ms() + milliseconds;;) {
        json_t *status = client_request("status", NULL, NULL, NULL);
        bool failed = !status, done = status && is_done(status, arg);
        json_decref(status);
        if (failed || done)
            return failed ? -1 : 1;
        if (clock_ms() >= deadline)
            return 0;
        nanosleep(&(struct timespec){.tv_nsec = LOOK_MS * 1000000L}, NULL);
    }
}

enum { BUILTIN = OPTION_WITHOUT_LETTER };

const struct option_entry client_change_card_options[] = {
    {BUILTIN, "builtin", NULL, NULL, "put in the built-in card"}, {0}};

/* The arguments [SLOT] [FILE] of subcommands that insert, remove or swap cards. A single argument is a file
 * if it begins with '/' or '.', ends in ".lua", or names a ready card or a relay; otherwise it is a slot. */
struct client_arguments {
    const char *slot, *file;
    bool builtin; /* --builtin was given */
    bool alone;   /* slot is the only argument, and may have been meant as a file */
};

static bool looks_like_file(const char *text)
{
    size_t length = strlen(text);
    return text[0] == '/' || text[0] == '.' || relay_reader(text) || card_name_is_ready(text) ||
           (length > 4 && strcmp(text + length - 4, ".lua") == 0) || strstr(text, ".lua,");
}

/* Returns EXIT_OK, another exit status after printing an error, or -1 after printing the help. */
static int parse_arguments(const struct client_change_card *change, int argc, char **argv,
                           struct client_arguments *arguments)
{
    for (int option; (option = options_next(change->subcommand, argc, argv)) != -1;) {
        if (option != BUILTIN)
            return option == 'h' ? -1 : EXIT_USAGE;
        arguments->builtin = true;
    }
    int left = argc - optind;
    bool file_allowed = change->takes_file && !arguments->builtin;
    if (left == 2 && file_allowed) {
        arguments->slot = argv[optind];
        arguments->file = argv[optind + 1];
    } else if (left == 1) {
        if (file_allowed && (change->needs_file || looks_like_file(argv[optind])))
            arguments->file = argv[optind];
        else
            arguments->slot = argv[optind];
        arguments->alone = file_allowed && arguments->slot;
    } else if (left != 0) {
        goto usage;
    }
    if (arguments->file && !*arguments->file)
        goto usage; /* probably an unset variable, and not a request for the built-in card */
    if (arguments->builtin)
        arguments->file = "";
    if (change->needs_file && !arguments->file)
        goto usage;
    return EXIT_OK;
usage:
    fprintf(stderr, "cardrig %s: wrong arguments; 'cardrig %s --help' shows the right ones\n",
            change->subcommand->name, change->subcommand->name);
    return EXIT_USAGE;
}

/* pcscd keeps a card that is removed for as long as it takes to end the calls that use it. */
#define NOTICE_MS 3000

static bool slot_is_noticed(const json_t *slot)
{
    return json_is_true(json_object_get(slot, "ready")) ||
           !json_is_true(json_object_get(slot, "driver_connected")) ||
           !json_is_null(
               json_object_get(slot, "vpcd_card")); /* vpcd's driver does not say what pcscd knows */
}

/* Returns whether pcscd has noticed what happened to this slot, or there is no pcscd that could. */
static bool is_noticed(const json_t *status, void *changed)
{
    const json_t *service = json_object_get(status, "service");
    const char *state = json_string_value(json_object_get(service, "state"));
    size_t i;
    json_t *slot;
    if (state && strcmp(state, "running") != 0)
        return true;
    json_array_foreach(json_object_get(status, "slots"), i, slot)
    {
        if (json_equal(json_object_get(slot, "number"), json_object_get(changed, "number")))
            return slot_is_noticed(slot);
    }
    return true;
}

int client_change_card(const struct client_change_card *change, int argc, char **argv)
{
    struct client_arguments arguments = {0};
    int status = parse_arguments(change, argc, argv, &arguments);
    if (status != EXIT_OK)
        return status < 0 ? EXIT_OK : status;
    json_t *result = client_request(change->subcommand->name, arguments.slot, arguments.file, NULL);
    if (!result && arguments.alone && access(arguments.slot, F_OK) == 0)
        rig_log("'%s' is a file, but was taken for a slot: write ./%s for the card in it", arguments.slot,
                arguments.slot);
    if (!result)
        return EXIT_FAILED;
    const char *slot = json_string_value(json_object_get(result, "slot"));
    const char *name = json_string_value(json_object_get(json_object_get(result, "card"), "name"));
    print_line("%s: %s%s%s%s", slot, change->done, name ? " '" : "", name ? name : "", name ? "'" : "");
    if (!slot_is_noticed(result))
        client_wait_for_status(is_noticed, result, NOTICE_MS);
    json_decref(result);
    return EXIT_OK;
}
