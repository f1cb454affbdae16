/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The interface device of one slot. It carries out the reader's commands (power, protocol, transmit) on the
 * contacts of a card: ISO/IEC 7816-3 as a reader implements it, with activation, reception of the ATR, PPS,
 * T=0 and T=1.
 */
#ifndef CARDRIG_IFD_H
#define CARDRIG_IFD_H

#include "icc/contacts.h"
#include "ifd/line.h"
#include "ifd/trace.h"
#include "iso7816/atr.h"
#include "iso7816/t0_apdu.h"
#include "iso7816/t1.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ifd_reset { IFD_COLD, IFD_WARM };

/* What a reader takes as a command in T=0. */
enum ifd_level {
    IFD_LEVEL_APDU, /* an APDU: the reader handles 61XX, 6CXX and ENVELOPE */
    IFD_LEVEL_TPDU, /* a TPDU: the application handles these */
};

enum ifd_result {
    IFD_RESULT_OK,
    IFD_RESULT_NO_CARD,
    IFD_RESULT_UNPOWERED,            /* the card has not been reset, or has not answered the reset */
    IFD_RESULT_MUTE,                 /* the card does not answer, or the operation took too long */
    IFD_RESULT_GARBLED,              /* the card's answer violates the standard */
    IFD_RESULT_PROTOCOL_UNAVAILABLE, /* the ATR does not offer the protocol, or the card has refused it */
    IFD_RESULT_PPS_FAILED,           /* the PPS exchange went wrong */
    IFD_RESULT_WRONG_PROTOCOL,       /* not the protocol that is in use */
    IFD_RESULT_BAD_COMMAND,          /* the bytes are not a valid command */
};

#define IFD_IFSD 254 /* the IFSD that the interface device announces in T=1 */

#define IFD_NO_PROTOCOL                                                                                      \
    0xFF             /* none has been chosen since the last reset, and none is in use without a choice */
#define IFD_RAW 0xFE /* for ifd_transmit: the protocol in use, whichever it is */

/* What has happened to the card since it was inserted. */
struct ifd_counters {
    unsigned cold, warm, off; /* cold resets, warm resets and deactivations */
    unsigned pps;             /* PPS exchanges */
    unsigned commands;
    struct t1_counters t1; /* since the last reset */
};

/* What to do with an ATR in which only the TCK is wrong. */
enum ifd_tck {
    IFD_TCK_AS_IS,  /* pass it on without a protocol; refuse it if the fault wrong-tck made it */
    IFD_TCK_CHECK,  /* refuse it */
    IFD_TCK_IGNORE, /* accept it */
};

/* The properties of the reader. */
struct ifd_options {
    enum ifd_level level;
    uint16_t response_class; /* of GET RESPONSE, as in t0_apdu_response_class */
    bool refuses_le;         /* refuse a TPDU that has an Le after its data, instead of dropping the Le */
    enum ifd_tck tck;
    /* Milliseconds of real time after which an operation fails; 0: 8,000. With a pace, the limit of the
     * card's time as well. */
    unsigned patience_ms;
};

struct ifd {
    struct contacts *contacts; /* not owned; NULL: no card */
    struct ifd_options options;
    bool powered;
    uint8_t protocol; /* 0 or 1, or IFD_NO_PROTOCOL */
    bool negotiable;  /* another protocol can still be chosen: nothing has been sent since the reset */
    bool as_is;       /* no protocol is run: APDUs go through contacts_exchange */
    uint16_t f;
    uint8_t d;
    struct atr atr; /* of the last reset; length 0 when not powered */
    struct ifd_counters counters;
    bool overdue;           /* the operation took too long */
    uint64_t card_limit_us; /* the card's time at which the operation fails */
    int64_t real_begun_us;  /* the real time at which the operation began */
    uint64_t last_real_us;  /* real time that the last operation took */
    uint64_t last_us;       /* card's time that the last operation took */
    char last_error[160];   /* why the last operation failed, or empty */
    struct line line;
    struct t0_apdu_ifd t0_apdu;
    struct t1 t1;
    uint8_t t1_buffer[T0_APDU_RESPONSE_MAX];
};

/* The state of an interface device, for display. */
struct ifd_view {
    bool powered;
    uint8_t protocol, d;
    uint16_t f;
    uint8_t atr[ATR_MAX];
    size_t atr_length;
    struct ifd_counters counters;
    uint64_t last_us, last_real_us;
    char last_error[160];
};
/* Copies the state to *view. No operation may be in progress. */
void ifd_view(const struct ifd *ifd, struct ifd_view *view);

/* Inserts a card, not powered, or removes it if contacts is NULL. Clears the counters. trace may be NULL;
 * label is the slot's name in the trace. contacts, trace and label are not owned. */
void ifd_set_card(struct ifd *ifd, struct contacts *contacts, struct trace *trace, const char *label);

/* Makes the card's time real (line.h), or virtual if pace is NULL. The pace is not owned. */
void ifd_set_pace(struct ifd *ifd, const struct pace *pace);

/* Resets the card. A card that is not powered gets a cold reset even for IFD_WARM. On success ifd->atr is
 * the ATR; on failure the card is deactivated. */
enum ifd_result ifd_power_up(struct ifd *ifd, enum ifd_reset reset);

/* Deactivates the card. */
enum ifd_result ifd_power_down(struct ifd *ifd);

/* Returns the protocol that is in use right after a reset, without PPS. Returns IFD_NO_PROTOCOL if there is
 * none. */
uint8_t ifd_ready_protocol(const struct ifd *ifd);

/* Selects T=0 (protocol 0) or T=1 (protocol 1), with a PPS exchange if one is necessary. */
enum ifd_result ifd_set_protocol(struct ifd *ifd, uint8_t protocol);

/* Returns the length of the longest command that ifd_transmit takes now. At TPDU level this is that of a
 * short command, unless T=1 is in use or no protocol can be run with the ATR. */
size_t ifd_command_max(const struct ifd *ifd);

/* Sends a command, and receives the response: at most capacity bytes, and their number in *length. protocol
 * is 0, 1 or IFD_RAW. After a failure that the protocol cannot recover from, the contacts are deactivated. */
enum ifd_result ifd_transmit(struct ifd *ifd, uint8_t protocol, const uint8_t *command, size_t command_length,
                             uint8_t *response, size_t capacity, size_t *length);

#endif
