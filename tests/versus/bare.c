/* SPDX-License-Identifier: BSD-3-Clause */
/* The way to the card over PC/SC itself. */
#include "link.h"

#include <reader.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <winscard.h>

struct link {
    char reader[MAX_READERNAME]; /* its name without the numbers at the end */
    BYTE atr[MAX_ATR_SIZE];
    DWORD atr_len;
    struct link_functions functions;
    SCARDCONTEXT context;
    SCARDHANDLE card;
    DWORD protocol;
    bool lost; /* something has failed since the last recovery */
};

/* With a context of its own; the reader may have got other numbers meanwhile. */
static LONG connect_card(struct link *l)
{
    char names[16 * MAX_READERNAME];
    DWORD size = sizeof names;
    LONG rv = SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &l->context);
    if (rv == SCARD_S_SUCCESS)
        rv = SCardListReaders(l->context, NULL, names, &size);
    if (rv != SCARD_S_SUCCESS)
        return rv;
    for (const char *name = names; *name; name += strlen(name) + 1)
        if (strncmp(name, l->reader, strlen(l->reader)) == 0)
            return SCardConnect(l->context, name, SCARD_SHARE_SHARED, SCARD_PROTOCOL_T1, &l->card,
                                &l->protocol);
    return SCARD_E_UNKNOWN_READER;
}

/* The first card is the right one. */
static LONG check_atr(struct link *l)
{
    BYTE atr[MAX_ATR_SIZE];
    DWORD atr_len = sizeof atr, name_len = 0, state;
    LONG rv = SCardStatus(l->card, NULL, &name_len, &state, &l->protocol, atr, &atr_len);
    if (rv != SCARD_S_SUCCESS)
        return rv;
    if (l->atr_len == 0)
        memcpy(l->atr, atr, l->atr_len = atr_len);
    return atr_len == l->atr_len && memcmp(atr, l->atr, atr_len) == 0 ? SCARD_S_SUCCESS
                                                                      : SCARD_W_REMOVED_CARD;
}

/* In twenty lines. Whatever has happened, it begins with SCardReconnect(); what that cannot mend, a new
 * context can. It resets the card only if it is the right one and does not answer, or not in T=1. pcsc-lite
 * keeps a transaction while it reconnects, so that is ended before it is begun again: it would be held twice.
 */
static LONG recover(struct link *l)
{
    LONG rv = SCARD_E_TIMEOUT;
    for (int i = 0; rv != SCARD_S_SUCCESS && i < 10; usleep((useconds_t)i++ * LINK_LIMIT_MS * 20)) {
        bool leave = i < 2 || rv == SCARD_E_NO_SMARTCARD || rv == SCARD_W_REMOVED_CARD;
        DWORD how = leave ? SCARD_LEAVE_CARD : i % 2 ? SCARD_UNPOWER_CARD : SCARD_RESET_CARD;
        rv = SCardReconnect(l->card, SCARD_SHARE_SHARED, SCARD_PROTOCOL_T1, how, &l->protocol);
        if (rv != SCARD_S_SUCCESS && rv != SCARD_E_NO_SMARTCARD && rv != SCARD_E_PROTO_MISMATCH &&
            rv != SCARD_W_UNRESPONSIVE_CARD) {
            SCardReleaseContext(l->context);
            rv = connect_card(l);
        }
        if (rv == SCARD_S_SUCCESS && (rv = check_atr(l)) == SCARD_S_SUCCESS) {
            SCardEndTransaction(l->card, SCARD_LEAVE_CARD);
            rv = SCardBeginTransaction(l->card);
        }
        if (rv == SCARD_S_SUCCESS)
            rv = l->functions.prepare(l, l->functions.context);
        if (rv != SCARD_S_SUCCESS)
            SCardEndTransaction(l->card, SCARD_LEAVE_CARD);
    }
    return rv;
}

uint32_t link_run(struct link *l, link_function *unit, void *context)
{
    LONG rv = l->lost ? recover(l) : SCardBeginTransaction(l->card);
    l->lost = true;
    if (rv != SCARD_S_SUCCESS)
        return (uint32_t)rv;
    uint32_t done = unit(l, context);
    rv = SCardEndTransaction(l->card, SCARD_LEAVE_CARD);
    l->lost = done != 0 || rv != SCARD_S_SUCCESS;
    return done;
}

uint32_t link_open(const char *reader, const struct link_functions *functions, struct link **out)
{
    struct link *l = calloc(1, sizeof *l);
    if (!l)
        return (uint32_t)SCARD_E_NO_MEMORY;
    l->functions = *functions;
    l->lost = true; /* the card is not prepared yet */
    snprintf(l->reader, sizeof l->reader, "%.*s", (int)(strlen(reader) - strlen("00 00")), reader);
    LONG rv = connect_card(l);
    if (rv == SCARD_S_SUCCESS)
        rv = check_atr(l);
    *out = l;
    if (rv != SCARD_S_SUCCESS)
        link_close(l);
    return (uint32_t)rv;
}

void link_close(struct link *l)
{
    SCardReleaseContext(l->context);
    free(l);
}

uint32_t link_transmit(struct link *l, const uint8_t *command, size_t command_len, uint8_t *answer,
                       size_t *length)
{
    DWORD size = *length;
    LONG rv = SCardTransmit(l->card, SCARD_PCI_T1, command, command_len, NULL, answer, &size);
    *length = rv == SCARD_S_SUCCESS ? size : 0;
    return (uint32_t)rv;
}
