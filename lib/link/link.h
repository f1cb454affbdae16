/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The rig link: the protocol between the IFD handler in pcscd and the simulator.
 *
 * Transport: AF_UNIX, SOCK_SEQPACKET; the simulator listens, the driver connects; one message is one packet.
 * A slot uses two connections:
 *
 *   exchange  the driver sends requests; each has exactly one answer, in order, except LINK_POWER_OFF,
 *             which has none, since nothing hangs on it and nobody is to wait for it
 *   events    after the hello the simulator sends LINK_EVENT messages, and the driver one LINK_WAITING
 *
 * Every message is a header of 12 bytes, followed by data:
 *
 *   offset 0  type    enum link_type; an answer repeats the type of its request
 *          1  arg     request: see enum link_type; answer: enum link_status
 *          2  flags   enum link_flag
 *          3  zero
 *          4  event   big-endian: the number of a card event, see below
 *          8  value   big-endian: see enum link_type
 *         12  data
 *
 * Card events are numbered: each insertion and each removal adds one (modulo 2^32), and the number is even
 * while the slot is empty, odd while it holds a card. A number thus says both what is in the slot and how
 * many events there were, so a receiver that has seen n and hears m knows each step between, and nothing is
 * lost when one message reports several card events. A simulator starts from a random number, so that one
 * simulator's numbers are not taken for another's.
 *
 * A request that concerns a card carries the number of the last card event that the driver has shown to
 * pcscd. When there was another card event since, the simulator answers LINK_REMOVED and does nothing. The
 * value of an answer to such a request says how long it took the card, in microseconds of the card's own
 * time.
 */
#ifndef CARDRIG_LINK_H
#define CARDRIG_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define LINK_VERSION      2
#define LINK_HEADER_SIZE  12
#define LINK_MAX_COMMAND  65544u /* extended case 4: header 4, Lc 3, data 65,535, Le 2 */
#define LINK_MAX_RESPONSE 65538u /* 65,536 bytes and SW1 SW2 */
#define LINK_MAX_MESSAGE  (LINK_HEADER_SIZE + LINK_MAX_COMMAND)
#define LINK_MAX_SLOTS    255u /* in one reader, and in all: pcscd asks a driver for both numbers in a byte */

/* Deadlines, in milliseconds, on the driver's side. */
#define LINK_HELLO_TIMEOUT    1000
#define LINK_EXCHANGE_TIMEOUT 10000

enum link_type {
    LINK_HELLO = 1,  /* arg: LINK_VERSION; event: enum link_channel; value: reader << 16 | slot;
                        data: pcscd's Lun, four bytes, big-endian.
                        answer: event: the slot's number of card events; value: LINK_VERSION */
    LINK_POWER,      /* arg: enum link_power. LINK_POWER_OFF has no answer; else answer data: the ATR,
                      flags: enum link_flag */
    LINK_PARAMETERS, /* arg: protocol T (0 or 1); value: flags << 24 | PPS1 << 16 | PPS2 << 8 | PPS3 */
    LINK_TRANSMIT,   /* arg: protocol T, or LINK_RAW; data: command. answer data: response */
    LINK_CONTROL,    /* value: control code; data: input. answer data: output */
    LINK_ATTRIBUTE,  /* value: SCARD_ATTR_ tag. answer data: its value */
    LINK_EVENT,      /* only from the simulator, on an events connection; event: the number of card events */
    LINK_WAITING,    /* only from the driver, on an events connection, no answer: pcscd has the slot in use
                      and waits for its card events */
};

/* In the answer to a reset: the card can be spoken to in T=0 or T=1 as it is. To choose that protocol takes
 * no PPS and cannot fail, so it need not be asked for: the first LINK_TRANSMIT says it as well. */
enum link_flag { LINK_READY_T0 = 1, LINK_READY_T1 = 2 };

enum link_channel { LINK_CHANNEL_EXCHANGE, LINK_CHANNEL_EVENTS };

enum link_power { LINK_POWER_COLD = 1, LINK_POWER_WARM, LINK_POWER_OFF };

#define LINK_RAW 0xFF /* a protocol of LINK_TRANSMIT: none, the bytes go to the card as they are */

enum link_status {
    LINK_OK,
    LINK_REMOVED,              /* no card, or not the one that was meant */
    LINK_UNPOWERED,            /* the card is there but has no power, or has not answered to reset */
    LINK_MUTE,                 /* the card does not answer */
    LINK_GARBLED,              /* the card answers, but not by the rules of its protocol */
    LINK_PROTOCOL_UNAVAILABLE, /* the card does not offer that protocol */
    LINK_PPS_FAILED,           /* the card offers the protocol, but the PPS exchange went wrong */
    LINK_UNSUPPORTED,          /* the simulator has no such control code or attribute */
    LINK_BAD_REQUEST,          /* not a request as it is defined here; the simulator hangs up after it */
    LINK_UNPLUGGED,            /* the reader has been pulled out of its computer */
};

struct link_message {
    uint8_t type;
    uint8_t arg;
    uint8_t flags;
    uint32_t event;
    uint32_t value;
    const uint8_t *data; /* not owned; from link_decode: points into the packet */
    size_t length;       /* of data */
};

/* Writes the header of a message (not its data) to out. */
void link_encode_header(const struct link_message *message, uint8_t out[LINK_HEADER_SIZE]);

/* Reads a packet. False: shorter than a header, or a reserved byte that is not zero. data points into packet.
 */
bool link_decode(const uint8_t *packet, size_t length, struct link_message *message);

/* A few words on a status, for logs. Never NULL. */
const char *link_status_text(unsigned status);

/*
 * The sockets. All are close-on-exec. Functions that fail return -1 with errno set.
 */

/* Listens at path (at most 107 bytes), whose mode says who may connect. Non-blocking. type is SOCK_SEQPACKET
 * for the rig link. Changes the process's umask for a moment. */
int link_listen(const char *path, int type, mode_t mode);

/* Who may not open the link at path says so to a socket beside it, in whose datagrams there
 * is nothing: SO_PASSCRED says whose they are. Everybody can write to it. Reporting does
 * not wait, and may come to nothing. */
int link_listen_for_refusals(const char *path);
void link_report_refusal(const char *path);

/* Connects to path and gives the connection a limit of timeout_ms for each single send and receive. Does not
 * wait for a simulator that does not accept: EAGAIN when its backlog is full. EPERM: the socket belongs to
 * somebody that link_peer_trusted does not trust. */
int link_connect(const char *path, int timeout_ms, uid_t user);

#define LINK_NOBODY ((uid_t)-1) /* as a user: nobody */

/* Whether the process at the other end of a connection runs as us, as root, or as the user given
 * (LINK_NOBODY: as nobody else). */
bool link_peer_trusted(int fd, uid_t user);

/* Sends one message as one packet, without SIGPIPE. */
int link_send(int fd, const struct link_message *message);

/* Receives one packet into buffer and decodes it. Returns 0, or -1 with errno: EAGAIN (nothing came in the
 * connection's time), ECONNRESET (the peer hung up), EPROTO (too long for the buffer or not a message),
 * others as recv(2). */
int link_receive(int fd, uint8_t *buffer, size_t capacity, struct link_message *message);

/* The same on a blocking connection, for what is expected at once: see busy_poll.h. */
int link_await(int fd, uint8_t *buffer, size_t capacity, struct link_message *message);

#endif
