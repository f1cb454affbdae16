/* SPDX-License-Identifier: BSD-3-Clause */
#include "client.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define DATA_MAX 200

LONG client_returned(struct client *client, LONG result)
{
    board_leave(client->line);
    return result;
}

/* splitmix64 (Steele, Lea, Flood 2014): any seed is a good one. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27) * 0x94D049BB133111EB;
    return z ^ z >> 31;
}

unsigned client_below(struct client *client, unsigned limit)
{
    return (unsigned)(next_random(&client->random) % limit);
}

LONG client_connect(struct client *client, const char *reader)
{
    client->known = false;
    return CALL(client, SCardConnect, client->context, reader, SCARD_SHARE_SHARED,
                SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1, &client->card, &client->protocol);
}

static LONG wrong(struct client *client, const char *what, const uint8_t *answer, unsigned long length)
{
    char hex[2 * (CLIENT_IDENTITY + DATA_MAX + 2) + 1] = "";
    for (unsigned long i = 0; i < length; i++)
        sprintf(hex + 2 * i, "%02X", answer[i]);
    board_fail(client->board, client->line, "%s: %s", what, hex);
    return SCARD_F_UNKNOWN_ERROR;
}

LONG client_transmit(struct client *client)
{
    uint8_t command[5 + DATA_MAX + 1] = {0x80, 0x12}, answer[CLIENT_IDENTITY + DATA_MAX + 2];
    unsigned size = client_below(client, 8) ? 8 : 8 + client_below(client, DATA_MAX - 8 + 1);
    command[4] = (uint8_t)size;
    for (unsigned i = 0; i < size; i++)
        command[5 + i] = (uint8_t)next_random(&client->random);
    DWORD length = sizeof answer;
    const SCARD_IO_REQUEST *pci = client->protocol == SCARD_PROTOCOL_T0 ? SCARD_PCI_T0 : SCARD_PCI_T1;
    LONG rv = CALL(client, SCardTransmit, client->card, pci, command, 5 + size + 1, NULL, answer, &length);
    if (rv != SCARD_S_SUCCESS)
        return rv;
    if (length != CLIENT_IDENTITY + size + 2 || memcmp(answer + CLIENT_IDENTITY, command + 5, size) != 0 ||
        answer[length - 2] != 0x90 || answer[length - 1] != 0x00)
        return wrong(client, "an answer that is not that of the command", answer, length);
    if (client->known && memcmp(client->identity, answer, CLIENT_IDENTITY) != 0)
        return wrong(client, "an answer of another card than the first on this handle", answer, length);
    memcpy(client->identity, answer, CLIENT_IDENTITY);
    client->known = true;
    return SCARD_S_SUCCESS;
}
