/* SPDX-License-Identifier: BSD-3-Clause */
/* A connection to the control socket of the rig (CARDRIG_SOCKET). Requests and answers are lines of
 * JSON. */
#ifndef TESTS_SUPPORT_CONTROL_H
#define TESTS_SUPPORT_CONTROL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

struct control {
    FILE *to, *from;
};

/* Returns false and sets errno on failure. */
bool control_open(struct control *control);

/* Sends a request, and takes ownership of it. Returns the result, which the caller frees with
 * json_decref(), or null and an error message. */
json_t *control_request(struct control *control, json_t *request, char *error, size_t error_size);

/* The same for a command without other members. A negative slot stands for none. */
json_t *control_ask(struct control *control, const char *command, int slot, char *error, size_t error_size);

void control_close(struct control *control);

#endif
