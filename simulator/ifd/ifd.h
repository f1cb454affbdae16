/*
 * The interface device of one slot: what stands between the reader's commands (power, protocol, transmit) and
 * the card. It speaks to the card in whole APDUs; the contacts, with ATR reception, PPS, T=0 and T=1
 * character by character, belong behind these same functions.
 */
#ifndef CARDRIG_IFD_H
#define CARDRIG_IFD_H

#include "icc/card.h"
#include "iso7816/atr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ifd_reset { IFD_COLD, IFD_WARM };

enum ifd_result {
    IFD_RESULT_OK,
    IFD_RESULT_NO_CARD,
    IFD_RESULT_UNPOWERED,            /* the card has not been reset, or has not answered to it */
    IFD_RESULT_MUTE,                 /* the card does not answer */
    IFD_RESULT_PROTOCOL_UNAVAILABLE, /* the ATR does not offer the protocol, or specific mode rules it out */
    IFD_RESULT_GARBLED, /* the card's ATR cannot be decoded; or no protocol, or another, is in use */
};

#define IFD_NO_PROTOCOL 0xFF /* none chosen since the last reset */
#define IFD_RAW         0xFE /* as a protocol of ifd_transmit: whatever is in use */

/* What the card has been through since it was inserted. */
struct ifd_counters {
    unsigned cold, warm, off; /* resets; and how often its power was taken away */
    unsigned parameters;      /* protocols chosen */
    unsigned commands;
};

struct ifd {
    struct card *card; /* not owned; NULL: none */
    bool powered;
    uint8_t protocol; /* T, or IFD_NO_PROTOCOL */
    struct atr atr;   /* of the last reset; len 0 when not powered */
    struct ifd_counters counters;
};

/* Puts a card in, unpowered, or with NULL takes it out. */
void ifd_set_card(struct ifd *ifd, struct card *card);

/* Resets the card. A warm reset of a card without power is a cold one. Afterwards ifd->atr is what it
 * answered. */
enum ifd_result ifd_power_up(struct ifd *ifd, enum ifd_reset reset);
enum ifd_result ifd_power_down(struct ifd *ifd);

/* Chooses protocol T. */
enum ifd_result ifd_set_protocol(struct ifd *ifd, uint8_t protocol);

/* Sends a command APDU, receives the response APDU: at most capacity bytes, of which *length says how many.
 */
enum ifd_result ifd_transmit(struct ifd *ifd, uint8_t protocol, const uint8_t *command, size_t command_length,
                             uint8_t *response, size_t capacity, size_t *length);

#endif
