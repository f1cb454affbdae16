/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sends command APDUs and prints the responses. Reads one command in hexadecimal from each line:
 *
 *     echo 80CA9F7F00 | scardmanage-send READER [SELECT-COMMAND]
 *
 * If the card was reset by another client or removed, the program waits for the card, selects the
 * application again, and repeats the command. Therefore send only commands that may run more than once.
 * The program runs on all systems that the library supports.
 */
#include <scardmanage.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_MS 30000 /* time to insert the card */

struct select_command {
    uint8_t command[261];
    size_t length; /* 0 if there is nothing to select */
};

static uint8_t response[65538];

static int complain(const char *what, scardmanage_result result)
{
    fprintf(stderr, "scardmanage-send: %s: %s (%08X)\n", what, scardmanage_strerror(result),
            (unsigned)result);
    return EXIT_FAILURE;
}

/* Returns the number of bytes, or 0 if the line is not a command. */
static size_t parse(const char *line, uint8_t *command, size_t capacity)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    size_t length = strcspn(line, "\r\n");
    if (length % 2 != 0 || length / 2 > capacity)
        return 0;
    for (size_t i = 0; i < length; i++) {
        const char *digit = strchr(digits, line[i]);
        if (!digit || *digit == '\0')
            return 0;
        command[i / 2] = (uint8_t)(command[i / 2] << 4 | (digit - digits) % 16);
    }
    return length / 2;
}

static scardmanage_result select_application(scardmanage *m, const struct select_command *select)
{
    uint8_t answer[258];
    size_t length = sizeof answer;
    if (select->length == 0)
        return SCARDMANAGE_S_OK;
    return scardmanage_transmit(m, select->command, select->length, answer, &length);
}

/* The card has lost the selection. No other client can use the card between this and the command. */
static scardmanage_result rebuild(scardmanage *m, const scardmanage_report *report, void *select)
{
    fprintf(stderr, "scardmanage-send: reconnected: %s, step %s\n", scardmanage_verdict_name(report->verdict),
            scardmanage_step_name(report->step));
    return select_application(m, select);
}

static int send_lines(scardmanage *m)
{
    char line[1024];
    uint8_t command[sizeof line / 2];
    while (fgets(line, sizeof line, stdin)) {
        size_t response_length = sizeof response;
        size_t command_length = parse(line, command, sizeof command);
        if (command_length == 0) {
            fputs("scardmanage-send: not a command: expected up to 511 bytes in hex\n", stderr);
            return EXIT_FAILURE;
        }
        scardmanage_result result =
            scardmanage_transmit_ex(m, command, command_length, response, &response_length, 1, NULL, NULL);
        if (result != SCARDMANAGE_S_OK)
            return complain("sending", result);
        for (size_t i = 0; i < response_length; i++)
            printf("%02X", response[i]);
        putchar('\n');
        fflush(stdout);
    }
    return EXIT_SUCCESS;
}

static scardmanage_result begin(scardmanage *m, const char *reader, struct select_command *select)
{
    scardmanage_options options = SCARDMANAGE_OPTIONS_INIT;
    options.wait_ms = WAIT_MS;
    options.rebuild = rebuild;
    options.rebuild_context = select;
    options.accept_unidentified = 1; /* SELECT may go to any card; a PIN must not */
    scardmanage_result result = scardmanage_set_options(m, &options);
    if (result == SCARDMANAGE_S_OK)
        result = scardmanage_attach_by_ifd(m, reader);
    if (result == SCARDMANAGE_S_OK)
        result = select_application(m, select);
    return result == SCARDMANAGE_E_NO_SMARTCARD ? SCARDMANAGE_S_OK : result; /* a card may come later */
}

int main(int argc, char **argv)
{
    scardmanage *m;
    struct select_command select = {.length = 0};
    if (argc == 3)
        select.length = parse(argv[2], select.command, sizeof select.command);
    if (argc < 2 || argc > 3 || (argc == 3 && select.length == 0)) {
        fputs("Usage: scardmanage-send READER [SELECT-COMMAND]\n", stderr);
        return EXIT_FAILURE;
    }
    scardmanage_result result = scardmanage_create(&m);
    if (result != SCARDMANAGE_S_OK)
        return complain("making an object", result);
    result = begin(m, argv[1], &select);
    int status = result == SCARDMANAGE_S_OK ? send_lines(m) : complain(argv[1], result);
    scardmanage_free(m);
    return status;
}
