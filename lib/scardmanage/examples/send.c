/* Sends command APDUs, a line of hex each, and prints what the card answers:
 *
 *     echo 00A4040000 | scardmanage-send READER
 *
 * When others have reset the card meanwhile, or it was out, it gets back to it and sends the command again.
 * That is right for commands that may be repeated, and for a card that has nothing to forget; others select
 * their application anew first. Runs wherever the library does. */
#include <scardmanage.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRIES 10 /* how often others may come between */

static uint8_t response[65538];

static int complain(const char *what, scardmanage_result result)
{
    fprintf(stderr, "scardmanage-send: %s: %s (%08X)\n", what, scardmanage_strerror(result),
            (unsigned)result);
    return EXIT_FAILURE;
}

/* Returns the number of bytes, 0 if the line is no command. */
static size_t parse(const char *line, uint8_t *command, size_t room)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    size_t length = strcspn(line, "\r\n");
    if (length % 2 != 0 || length / 2 > room)
        return 0;
    for (size_t i = 0; i < length; i++) {
        const char *digit = strchr(digits, line[i]);
        if (digit == NULL || *digit == '\0')
            return 0;
        command[i / 2] = (uint8_t)(command[i / 2] << 4 | (digit - digits) % 16);
    }
    return length / 2;
}

static scardmanage_result get_back(scardmanage *m)
{
    scardmanage_report report = SCARDMANAGE_REPORT_INIT;
    scardmanage_result result = scardmanage_reconnect_ex(m, NULL, &report);
    fprintf(stderr, "scardmanage-send: reconnected: %s, step %s\n", scardmanage_verdict_name(report.verdict),
            scardmanage_step_name(report.step));
    return result;
}

static scardmanage_result send_command(scardmanage *m, const uint8_t *command, size_t command_len,
                                       size_t *response_len)
{
    scardmanage_result result = SCARDMANAGE_S_OK;
    for (int i = 0; i < TRIES && result == SCARDMANAGE_S_OK; i++) {
        *response_len = sizeof response;
        result = scardmanage_transmit(m, command, command_len, response, response_len);
        if (result != SCARDMANAGE_W_RESET_CARD && result != SCARDMANAGE_W_REMOVED_CARD)
            return result;
        result = get_back(m);
    }
    return result == SCARDMANAGE_S_OK ? SCARDMANAGE_W_RESET_CARD : result;
}

static int send_lines(scardmanage *m)
{
    char line[1024];
    uint8_t command[sizeof line / 2];
    while (fgets(line, sizeof line, stdin) != NULL) {
        size_t response_len;
        size_t command_len = parse(line, command, sizeof command);
        if (command_len == 0) {
            fputs("scardmanage-send: a line is no command: expected up to 511 bytes in hex\n", stderr);
            return EXIT_FAILURE;
        }
        scardmanage_result result = send_command(m, command, command_len, &response_len);
        if (result != SCARDMANAGE_S_OK)
            return complain("sending", result);
        for (size_t i = 0; i < response_len; i++)
            printf("%02X", response[i]);
        putchar('\n');
        fflush(stdout);
    }
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    scardmanage *m;
    if (argc != 2) {
        fputs("Usage: scardmanage-send READER\n", stderr);
        return EXIT_FAILURE;
    }
    scardmanage_result result = scardmanage_create(&m);
    if (result != SCARDMANAGE_S_OK)
        return complain("making an object", result);
    result = scardmanage_attach_by_ifd(m, argv[1]);
    int status = result == SCARDMANAGE_S_OK ? send_lines(m) : complain(argv[1], result);
    scardmanage_free(m);
    return status;
}
