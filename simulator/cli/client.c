#include "cli/client.h"

#include "cli/cli.h"
#include "rig/directory.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

/* A rig that does not answer within this time is stuck. */
#define ANSWER_SECONDS 10

static int connect_to_rig(void)
{
    static const char served[] = DIRECTORY_DEFAULT "/control";
    const char *path = getenv("CARDRIG_SOCKET");
    if (!path || !*path) {
        path = served;
        if (access(path, F_OK) < 0) {
            fprintf(
                stderr,
                "cardrig: no rig: CARDRIG_SOCKET is not set, and there is no %s; this works inside 'cardrig "
                "run -- COMMAND', or while 'cardrig serve' runs\n",
                path);
            return -1;
        }
    }
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        fprintf(stderr, "cardrig: CARDRIG_SOCKET is longer than a socket's path can be\n");
        return -1;
    }
    strcpy(address.sun_path, path);
    struct timeval limit = {.tv_sec = ANSWER_SECONDS};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) < 0 ||
        connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        fprintf(stderr, "cardrig: cannot reach the rig at %s: %s%s\n", path, strerror(errno),
                errno == ENOENT || errno == ECONNREFUSED ? " (has it ended?)" : "");
        if (fd >= 0)
            close(fd);
        return -1;
    }
    return fd;
}

/* The answer's line, to be freed; NULL with errno. */
static char *converse(int fd, const char *request)
{
    size_t length = strlen(request), done = 0;
    while (done < length) {
        ssize_t sent = send(fd, request + done, length - done, MSG_NOSIGNAL);
        if (sent < 0)
            return NULL;
        done += (size_t)sent;
    }
    char *answer = NULL;
    size_t size = 0, used = 0;
    for (;;) {
        if (used + 1 >= size) {
            size += 65536;
            char *grown = realloc(answer, size);
            if (!grown)
                break;
            answer = grown;
        }
        ssize_t got = recv(fd, answer + used, size - used - 1, 0);
        if (got <= 0) {
            if (got == 0)
                errno = ECONNRESET;
            break;
        }
        used += (size_t)got;
        answer[used] = '\0';
        if (answer[used - 1] == '\n')
            return answer;
    }
    free(answer);
    return NULL;
}

static json_t *understand(const char *line)
{
    json_t *answer = json_loads(line, 0, NULL), *result = NULL;
    int ok;
    const char *error = "an answer that makes no sense";
    if (answer && json_unpack(answer, "{s:b}", "ok", &ok) == 0) {
        if (ok)
            result = json_incref(json_object_get(answer, "result"));
        else
            json_unpack(answer, "{s:s}", "error", &error);
    }
    if (!result)
        fprintf(stderr, "cardrig: %s\n", error);
    json_decref(answer);
    return result;
}

json_t *client_request(const char *command, const char *slot, const char *file, json_t *faults)
{
    char absolute[PATH_MAX];
    if (file && *file) {
        if (!realpath(file, absolute)) {
            fprintf(stderr, "cardrig: %s: %s\n", file, strerror(errno));
            return NULL;
        }
        file = absolute;
    }
    json_t *request = json_pack("{s:s, s:s*, s:s*, s:O*}", "command", command, "slot", slot, "file", file,
                                "faults", faults);
    char *text = request ? json_dumps(request, JSON_COMPACT) : NULL;
    char *line = NULL, *answer = NULL;
    json_t *result = NULL;
    int fd = -1;
    if (!text || asprintf(&line, "%s\n", text) < 0) {
        line = NULL;
        fprintf(stderr, "cardrig: the slot or file is not UTF-8\n");
        goto out;
    }
    if ((fd = connect_to_rig()) < 0)
        goto out;
    answer = converse(fd, line);
    if (answer)
        result = understand(answer);
    else
        fprintf(stderr, "cardrig: the rig did not answer: %s\n",
                errno == EAGAIN ? "it took too long" : strerror(errno));
out:
    if (fd >= 0)
        close(fd);
    free(answer);
    free(line);
    free(text);
    json_decref(request);
    return result;
}

/* The arguments [SLOT] [FILE] of subcommands that move cards. A lone argument is a file if it begins with '/'
 * or '.' or ends in ".lua", else a slot. */
struct client_arguments {
    const char *slot, *file;
    bool builtin; /* --builtin was given */
};

static bool looks_like_file(const char *text)
{
    size_t length = strlen(text);
    return text[0] == '/' || text[0] == '.' || (length > 4 && strcmp(text + length - 4, ".lua") == 0);
}

/* Returns EXIT_OK, or an exit status after an error that has been printed; help is printed and gives -1. */
static int parse_arguments(const struct client_move *move, int argc, char **argv,
                           struct client_arguments *arguments)
{
    static const struct option options[] = {
        {"help", no_argument, NULL, 'h'}, {"builtin", no_argument, NULL, 'b'}, {0}};
    for (int option; (option = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        if (option == 'h') {
            fputs(move->help, stdout);
            return -1;
        }
        if (option != 'b' || !move->takes_file)
            goto usage;
        arguments->builtin = true;
    }
    int left = argc - optind;
    bool file_allowed = move->takes_file && !arguments->builtin;
    if (left == 2 && file_allowed) {
        arguments->slot = argv[optind];
        arguments->file = argv[optind + 1];
    } else if (left == 1) {
        if (file_allowed && (move->needs_file || looks_like_file(argv[optind])))
            arguments->file = argv[optind];
        else
            arguments->slot = argv[optind];
    } else if (left != 0) {
        goto usage;
    }
    if (arguments->file && !*arguments->file)
        goto usage; /* an unset variable, say: not the built-in card */
    if (arguments->builtin)
        arguments->file = "";
    if (move->needs_file && !arguments->file)
        goto usage;
    return EXIT_OK;
usage:
    fprintf(stderr, "cardrig %s: wrong arguments; 'cardrig %s --help' shows the right ones\n", move->command,
            move->command);
    return EXIT_USAGE;
}

int client_move(const struct client_move *move, int argc, char **argv)
{
    struct client_arguments arguments = {0};
    int status = parse_arguments(move, argc, argv, &arguments);
    if (status != EXIT_OK)
        return status < 0 ? EXIT_OK : status;
    json_t *result = client_request(move->command, arguments.slot, arguments.file, NULL);
    if (!result)
        return EXIT_FAILED;
    const char *slot = "?", *name = NULL;
    json_unpack(result, "{s:s}", "slot", &slot);
    json_unpack(result, "{s:{s:s}}", "card", "name", &name);
    printf("%s: %s%s%s%s\n", slot, move->done, name ? " '" : "", name ? name : "", name ? "'" : "");
    json_decref(result);
    return EXIT_OK;
}
