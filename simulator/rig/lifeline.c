/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig/lifeline.h"

#include "base/names.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

bool lifeline_send(int fd, const struct lifeline_message *message)
{
    size_t size = offsetof(struct lifeline_message, text) + strlen(message->text) + 1;
    return send(fd, message, size, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)size;
}

int lifeline_receive(int fd, struct lifeline_message *message)
{
    *message = (struct lifeline_message){0};
    ssize_t size = recv(fd, message, sizeof *message - 1, MSG_DONTWAIT);
    return size > 0 ? 1 : size < 0 && errno == EAGAIN ? -1 : 0;
}

const char *service_state_name(enum service_state state)
{
    static const char *const states[] = {"starting", "running", "stopped", "down"};
    return states[state];
}

static const char *action_name(unsigned i)
{
    static const char *const actions[] = {"stop", "continue", "kill", "restart"};
    return i < sizeof actions / sizeof actions[0] ? actions[i] : NULL;
}

bool service_action_find(const char *name, enum service_action *action, struct error *error)
{
    unsigned i;
    if (names_find(action_name, name, strlen(name), &i)) {
        *action = (enum service_action)i;
        return true;
    }
    error_set(error, "there is no action '%.40s'", name);
    names_suggest(action_name, name, strlen(name), error);
    return false;
}
