/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The rig link: the protocol between the IFD handler in pcscd and the simulator.
 *
 * Transport: AF_UNIX, SOCK_SEQPACKET. The simulator listens, the driver connects. One message is one
 * packet. A slot uses two connections:
 *
 *   exchange  The driver sends requests. Each request has exactly one answer, and answers come in order.
 *             LINK_POWER_OFF has no answer: nothing depends on it, so nothing has to wait for it.
 *   events    After the hello, the simulator sends LINK_EVENT messages, and the driver
 *             a LINK_WAITING whenever pcscd has been shown all of them.
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
 * Card events are numbered. Each insertion and each removal adds one, modulo 2^32. The number is even while
 * the slot is empty, and odd while it holds a card. A number thus tells both what is in the slot and how
 * many events there were. A receiver that knows n and is told m knows each event in between, so nothing is
 * lost when one message reports several card events. A simulator starts from a random number, so that its
 * numbers are not taken for those of another simulator.
 *
 * A request that concerns a card carries the number of the last card event that the driver has shown to
 * pcscd. If there has been another card event since, the simulator answers LINK_REMOVED and does nothing.
 * The value of an answer to such a request is the time that it took the card, in microseconds of the card's
 * own time.
 */
#ifndef CARDRIG_LINK_H
#define CARDRIG_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define LINK_VERSION      4
#define LINK_HEADER_SIZE  12
#define LINK_MAX_COMMAND  65544u /* extended case 4: header 4, Lc 3, data 65,535, Le 2 */
#define LINK_MAX_RESPONSE 65538u /* 65,536 bytes and SW1 SW2 */
#define LINK_MAX_MESSAGE  (LINK_HEADER_SIZE + LINK_MAX_COMMAND)
#define LINK_MAX_SLOTS    255u /* per reader, and per driver: pcscd asks for either number in a byte */

/* Deadlines of the driver, in milliseconds. */
#define LINK_HELLO_TIMEOUT    1000
#define LINK_EXCHANGE_TIMEOUT 10000
/* For an answer with extensions: three PINs, each of which may take 255 seconds twice. */
#define LINK_EXTENSIONS_TIMEOUT 1600000

enum link_type {
    LINK_HELLO = 1,  /* arg: LINK_VERSION; event: enum link_connection; value: reader << 16 | slot;
                        data: pcscd's Lun, four bytes, big-endian.
                        answer: event: the slot's number of card events; value: LINK_VERSION */
    LINK_POWER,      /* arg: enum link_power. LINK_POWER_OFF has no answer; else answer data: the ATR,
                      flags: enum link_flag */
    LINK_PARAMETERS, /* arg: protocol T (0 or 1); value: flags << 24 | PPS1 << 16 | PPS2 << 8 | PPS3 */
    LINK_TRANSMIT,   /* arg: protocol T, or LINK_RAW; data: command. answer data: response */
    LINK_CONTROL,    /* value: control code; data: input. answer data: output */
    LINK_ATTRIBUTE,  /* value: SCARD_ATTR_ tag. answer data: its value */
    LINK_EVENT,      /* sent only by the simulator, on an events connection; event: the number of card
                        events */
    LINK_WAITING,    /* sent only by the driver, on an events connection; no answer: pcscd uses the slot,
                        and waits for its card events; event: the last one that it has been shown */
    LINK_EXTENSION,  /* sent only by the simulator, on an exchange connection, before an answer to
                        LINK_CONTROL or LINK_TRANSMIT that takes longer because a person is to press
                        keys: the driver waits again, at most LINK_EXTENSIONS_TIMEOUT in all */
};

/* In the answer to a reset: the card is ready for T=0 or T=1 as it is. Selecting that protocol needs no
 * PPS exchange and cannot fail, so the driver need not send LINK_PARAMETERS: the first LINK_TRANSMIT
 * names the protocol too. */
enum link_flag { LINK_READY_T0 = 1, LINK_READY_T1 = 2 };

enum link_connection { LINK_CONNECTION_EXCHANGE, LINK_CONNECTION_EVENTS };

enum link_power { LINK_POWER_COLD = 1, LINK_POWER_WARM, LINK_POWER_OFF };

#define LINK_RAW 0xFF /* for LINK_TRANSMIT: no protocol, the bytes go to the card unchanged */

enum link_status {
    LINK_OK,
    LINK_REMOVED,              /* no card, or another card than the one meant */
    LINK_UNPOWERED,            /* the card has no power, or has not answered to reset */
    LINK_MUTE,                 /* the card does not answer */
    LINK_GARBLED,              /* the card's answer violates its protocol */
    LINK_PROTOCOL_UNAVAILABLE, /* the card does not offer that protocol */
    LINK_PPS_FAILED,           /* the card offers the protocol, but the PPS exchange failed */
    LINK_UNSUPPORTED,          /* the simulator has no such control code or attribute */
    LINK_BAD_REQUEST,          /* not a valid request; the simulator then closes the connection */
    LINK_UNPLUGGED,            /* the reader is unplugged */
};

struct link_message {
    uint8_t type;
    uint8_t arg;
    uint8_t flags;
    uint32_t event;
    uint32_t value;
    const uint8_t *data; /* not owned; link_decode lets it point into the packet */
    size_t length;       /* of data */
};

/* Writes the header of a message, without its data, to out. */
void link_encode_header(const struct link_message *message, uint8_t out[LINK_HEADER_SIZE]);

/* Decodes a packet. message->data points into packet. Returns false if the packet is shorter than a
 * header, or if a reserved bit or byte is not zero. */
bool link_decode(const uint8_t *packet, size_t length, struct link_message *message);

/* Returns a few words about a status, for logs. Never returns NULL. */
const char *link_status_text(unsigned status);

/* The sockets. All are close-on-exec. Functions that return an int return -1 and set errno on failure. */

/* Listens at path, which has at most 107 bytes. The mode of the path decides who may connect. type is
 * SOCK_SEQPACKET for the rig link. The socket is non-blocking. Changes the umask of the process for a
 * moment. */
int link_listen(const char *path, int type, mode_t mode);

/* A process that may not open the link at path reports that to a second socket, path.refused. Everybody
 * may write to it. The datagrams are empty: SO_PASSCRED tells who has sent them. link_report_refusal
 * does not wait, and its report may be lost. */
int link_listen_for_refusals(const char *path);
void link_report_refusal(const char *path);

/* Connects to path. timeout_ms limits each single send and receive of the connection. Does not wait for
 * a simulator that does not accept: fails with EAGAIN if its backlog is full. Fails with EPERM if
 * link_peer_trusted does not trust the owner of the socket. */
int link_connect(const char *path, int timeout_ms, uid_t user);

#define LINK_NOBODY ((uid_t)-1) /* no user besides root and the own one is trusted */

/* Returns whether the process at the other end of a connection runs as root, as the effective user of
 * this process, or as the given user (LINK_NOBODY: no further user). */
bool link_peer_trusted(int fd, uid_t user);

/* Sends one message as one packet, without SIGPIPE. */
int link_send(int fd, const struct link_message *message);

/* The same without waiting: fails with EAGAIN if the peer has not read what was sent before. */
int link_send_if_room(int fd, const struct link_message *message);

/* Receives one packet into buffer and decodes it. Returns 0, or -1 with errno: EAGAIN if nothing came
 * within the connection's timeout, ECONNRESET if the peer has closed the connection, EPROTO if the
 * packet is too long for the buffer or not a message, or another error of recv(2). */
int link_receive(int fd, uint8_t *buffer, size_t capacity, struct link_message *message);

/* The same on a blocking connection, for a message that is expected at once. See busy_poll.h. */
int link_await(int fd, uint8_t *buffer, size_t capacity, struct link_message *message);

#endif
