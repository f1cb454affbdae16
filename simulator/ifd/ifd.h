/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The interface device of one slot: what stands between the reader's commands (power, protocol, transmit) and
 * the contacts of a card. ISO/IEC 7816-3 from the reader's end: activation, reception of the ATR, PPS, T=0
 * and T=1.
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

/* What a command of T=0 is to the reader. */
enum ifd_level {
    IFD_LEVEL_APDU, /* an APDU: the reader sees to 61XX, 6CXX and ENVELOPE */
    IFD_LEVEL_TPDU, /* a TPDU: the application does */
};

enum ifd_result {
    IFD_RESULT_OK,
    IFD_RESULT_NO_CARD,
    IFD_RESULT_UNPOWERED,            /* the card has not been reset, or has not answered to it */
    IFD_RESULT_MUTE,                 /* the card does not answer */
    IFD_RESULT_GARBLED,              /* the card answers, but not as the standard says */
    IFD_RESULT_PROTOCOL_UNAVAILABLE, /* the ATR does not offer the protocol, or the card has refused it */
    IFD_RESULT_PPS_FAILED,           /* the PPS exchange went wrong */
    IFD_RESULT_WRONG_PROTOCOL,       /* another protocol than the one that was chosen */
    IFD_RESULT_BAD_COMMAND,          /* the bytes are no command */
};

#define IFD_IFSD 254 /* the information field size that we announce in T=1 */

#define IFD_NO_PROTOCOL                                                                                      \
    0xFF             /* none chosen since the last reset, and none that is used without being chosen */
#define IFD_RAW 0xFE /* as a protocol of ifd_transmit: whatever is in use */

/* What the card has been through since it was inserted. */
struct ifd_counters {
    unsigned cold, warm, off; /* resets; and how often its power was taken away */
    unsigned pps;             /* PPS exchanges */
    unsigned commands;
    struct t1_counters t1; /* since the last reset */
};

/* An ATR whose TCK is wrong, and nothing else. */
enum ifd_tck {
    IFD_TCK_AS_IS,  /* is taken as it is, if it comes from the card; one that a fault has made is refused */
    IFD_TCK_CHECK,  /* is refused */
    IFD_TCK_IGNORE, /* is as good as any */
};

/* What kind of reader it is part of. */
struct ifd_options {
    enum ifd_level level;
    uint16_t response_class; /* of GET RESPONSE, as t0_apdu_response_class takes it */
    bool refuses_le;         /* behind the data of a TPDU, instead of dropping it */
    enum ifd_tck tck;
    /* of our time, after which an operation is given up; 0: 8,000. Where the card's time is real,
     * of that as well */
    unsigned patience_ms;
};

struct ifd {
    struct contacts *contacts; /* not owned; NULL: no card */
    struct ifd_options options;
    bool powered;
    uint8_t protocol; /* T, or IFD_NO_PROTOCOL */
    bool negotiable;  /* nothing has been sent since the reset: another protocol can still be chosen */
    bool as_is;       /* no protocol can be run by the ATR: APDUs go without contacts, in any protocol */
    uint16_t f;
    uint8_t d;
    struct atr atr; /* of the last reset; length 0 when not powered */
    struct ifd_counters counters;
    bool overdue; /* the operation took too long */
    uint64_t card_limit_us;
    int64_t real_begun_us;
    uint64_t last_real_us; /* and ours */
    uint64_t last_us;      /* the card's time that the last operation took */
    char last_error[160];  /* why it failed, or empty */
    struct line line;
    struct t0_apdu_ifd t0_apdu;
    struct t1 t1;
    uint8_t t1_buffer[T0_APDU_RESPONSE_MAX];
};

/* What there is to tell of an interface device, at rest. */
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
void ifd_view(const struct ifd *ifd, struct ifd_view *view);

/* Puts the contacts of a card in, unpowered, or with NULL takes it out. */
void ifd_set_card(struct ifd *ifd, struct contacts *contacts, struct trace *trace, const char *label);

/* Makes the card's time real, see line.h, or virtual again, with NULL. The pace is not owned. */
void ifd_set_pace(struct ifd *ifd, const struct pace *pace);

/* Resets the card. A warm reset of a card without power is a cold one. Afterwards ifd->atr is what it
 * answered. */
enum ifd_result ifd_power_up(struct ifd *ifd, enum ifd_reset reset);
enum ifd_result ifd_power_down(struct ifd *ifd);

/* The protocol that is in use after a reset, as it takes no PPS exchange; or IFD_NO_PROTOCOL. */
uint8_t ifd_ready_protocol(const struct ifd *ifd);

/* Chooses protocol T, by PPS where it takes one. */
enum ifd_result ifd_set_protocol(struct ifd *ifd, uint8_t protocol);

/* The longest command that ifd_transmit takes as things are: of T=0 at TPDU level a short one, unless T=1 is
 * in use. */
size_t ifd_command_max(const struct ifd *ifd);

/* Sends a command, receives the response: at most capacity bytes, of which *length says how many. After a
 * failure that the protocol cannot recover from the contacts are deactivated. */
enum ifd_result ifd_transmit(struct ifd *ifd, uint8_t protocol, const uint8_t *command, size_t command_length,
                             uint8_t *response, size_t capacity, size_t *length);

#endif
