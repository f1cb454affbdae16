/* SPDX-License-Identifier: BSD-3-Clause */
#include "control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

bool control_open(struct control *control)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = getenv("CARDRIG_SOCKET");
    *control = (struct control){0};
    errno = ENOENT;
    if (!path || strlen(path) >= sizeof address.sun_path)
        return false;
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int copy = fd < 0 ? -1 : dup(fd);
    if (copy >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
        (control->from = fdopen(fd, "r")) && (control->to = fdopen(copy, "w")))
        return true;
    int error = errno;
    if (!control->from && fd >= 0)
        close(fd);
    if (copy >= 0)
        close(copy);
    control_close(control);
    errno = error;
    return false;
}

json_t *control_request(struct control *control, json_t *request, char *error, size_t error_size)
{
    const char *reason = "no answer from the simulator";
    json_t *result = NULL, *answer = NULL;
    if (json_dumpf(request, control->to, JSON_COMPACT) == 0 && fputc('\n', control->to) != EOF &&
        fflush(control->to) == 0 && (answer = json_loadf(control->from, JSON_DISABLE_EOF_CHECK, NULL))) {
        result = json_incref(json_object_get(answer, "result"));
        reason = "an answer without a reason";
        json_unpack(answer, "{s:s}", "error", &reason);
    }
    if (!result)
        snprintf(error, error_size, "%s: %s", json_string_value(json_object_get(request, "command")), reason);
    json_decref(answer);
    json_decref(request);
    return result;
}

json_t *control_ask(struct control *control, const char *command, int slot, char *error, size_t error_size)
{
    char number[16];
    snprintf(number, sizeof number, "%d", slot);
    json_t *request = json_pack("{s:s, s:s*}", "command", command, "slot", slot < 0 ? NULL : number);
    return control_request(control, request, error, error_size);
}

void control_close(struct control *control)
{
    if (control->from)
        fclose(control->from);
    if (control->to)
        fclose(control->to);
    *control = (struct control){0};
}
