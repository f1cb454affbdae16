/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig/lifeline.h"

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

bool service_action_find(const char *name, enum service_action *action)
{
    static const char *const actions[] = {"stop", "continue", "kill", "restart"};
    for (unsigned i = 0; i < sizeof actions / sizeof actions[0]; i++)
        if (strcmp(name, actions[i]) == 0) {
            *action = (enum service_action)i;
            return true;
        }
    return false;
}
