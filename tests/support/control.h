/* SPDX-License-Identifier: BSD-3-Clause */
/* A connection to the rig's control socket (CARDRIG_SOCKET): a line of JSON each way. */
#ifndef TESTS_SUPPORT_CONTROL_H
#define TESTS_SUPPORT_CONTROL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

struct control {
    FILE *to, *from;
};

/* False with errno. */
bool control_open(struct control *control);

/* Asks; the request is taken. The result, to be freed by json_decref, or NULL with error. */
json_t *control_request(struct control *control, json_t *request, char *error, size_t error_size);

/* The same for a command without anything else; slot may be negative: none. */
json_t *control_ask(struct control *control, const char *command, int slot, char *error, size_t error_size);

void control_close(struct control *control);

#endif
