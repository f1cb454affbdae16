/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A simulator that a test plays, at the other end of the driver's link. Each connection of the driver's waits to be
 * accepted. A thread answers the requests on the exchange connection with what the test has put down.
 */
#ifndef CARDRIG_PLAYED_SIMULATOR_H
#define CARDRIG_PLAYED_SIMULATOR_H

#include "link/link.h"

#include <ifdhandler.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define LUN     0x00030000
#define ABSENT  IFD_ICC_NOT_PRESENT
#define PRESENT IFD_ICC_PRESENT

enum behaviour { ANSWER, SILENT, HANG_UP, WRONG_TYPE, SHORT_PACKET, TOO_MUCH, EXTEND };

extern struct played_simulator {
    char device[200];       /* the device name for the driver */
    int listener, events;   /* sockets: that of the driver's next connection, and the events connection */
    uint32_t event_counter; /* of the slot */
    enum behaviour behaviour;
    struct link_message answer; /* of ANSWER */
    _Atomic uint8_t last_type;
    struct link_message last; /* the last request, without its data */
    struct link_message last_power_off;
    uint8_t last_data[64];
    pthread_t player;
    bool playing; /* the thread runs */
} played;

/* Fixtures: a simulator to which nothing is connected, and the end of it and of the channel. */
void set_up_simulator(void);
void tear_down_simulator(void);

void raise_simulator(void);
void end_simulator(void);
/* Accepts a connection, reads its hello and answers it. */
int welcome(enum link_connection connection);
/* The same for the events connection; a thread function. */
void *welcome_events(void *unused);
/* Tells the driver of the card event with this number. */
void report_event(uint32_t number);
/* Starts the thread that answers. */
void start_playing(enum behaviour how);

/* What pcscd does. open_channel(): with the slot in the state that event_counter says. */
void open_channel(void);
RESPONSECODE (*stop_function(void))(DWORD);
/* Waits for a card event, for up to timeout ms. Returns how long it took in ms. */
long wait_ms(int timeout);
RESPONSECODE transmit(const char *command, size_t length, UCHAR *response, DWORD *response_length);

#endif
