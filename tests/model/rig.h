/* SPDX-License-Identifier: BSD-3-Clause */
/* The rig of the model test: a simulator with two USB readers, "key" and "other", and a pcscd that
 * can be killed, stopped and started. The simulator says what state the card is in. An insertion or
 * removal has only happened when PC/SC has counted it. */
#ifndef CARDRIG_MODEL_RIG_H
#define CARDRIG_MODEL_RIG_H

#include "cards.h"
#include "control.h"

#include <reader.h>
#include <sys/types.h>
#include <winscard.h>

#define RIG_KEY   "key"
#define RIG_OTHER "other" /* only takes a number away from the first */

struct rig_connection {
    struct control control;
    char folder[128];     /* with the cards' scripts */
    pid_t launcher;       /* model_pcscd */
    pid_t pcscd;          /* 0: none */
    SCARDCONTEXT context; /* to observe the reader with */
    bool has_context;
    uint16_t counter;        /* the reader's event counter when it was read last */
    unsigned events_pending; /* insertions and removals since, which a stopped pcscd has not counted yet */
    char error[512];         /* of the latest function that returned false */
};

/* What the simulator says of the card in the reader "key". */
struct rig_state {
    bool present, powered;
    unsigned atr;             /* a bit of enum cards_atr; 0: no power, or no answer */
    uint32_t protocol;        /* SCARD_PROTOCOL_, 0: none chosen */
    unsigned commands;        /* that it has had since it was inserted */
    unsigned cold, warm, off; /* how often it was reset and powered off */
};

/* The functions return false with an error in rig->error. */

/* Connects to the rig that this program runs in. folder: of the cards' scripts. */
bool rig_open(struct rig_connection *rig, const char *folder);
void rig_close(struct rig_connection *rig);

bool rig_get_state(struct rig_connection *rig, struct rig_state *state);

/* The name in PC/SC of the reader "key" when it has this number. */
void rig_reader_name(unsigned index, char name[MAX_READERNAME]);

/* Cards. pcscd_counts: rig_wait_for_events() is to wait until pcscd has counted this. */
bool rig_insert(struct rig_connection *rig, const struct cards_kind *kind, bool pcscd_counts);
bool rig_remove(struct rig_connection *rig, bool pcscd_counts);
bool rig_fault(struct rig_connection *rig, const char *fault);

/* Waits until PC/SC has counted all insertions and removals so far in the reader with this
 * number. */
bool rig_wait_for_events(struct rig_connection *rig, unsigned index);

/* Waits until the service answers. */
bool rig_wait_for_service(struct rig_connection *rig);

/* Waits until PC/SC has a reader with this number and knows whether there is a card; counts from
 * there on. */
bool rig_wait_for_reader(struct rig_connection *rig, unsigned index);

/* Readers. reader: RIG_KEY or RIG_OTHER. index: its number. */
bool rig_unplug(struct rig_connection *rig, const char *reader, unsigned index);
bool rig_plug(struct rig_connection *rig, const char *reader);
bool rig_is_plugged(struct rig_connection *rig, const char *reader, bool *plugged);

/* The service. */
bool rig_stop_service(struct rig_connection *rig);
bool rig_continue_service(struct rig_connection *rig);
/* With keep_socket the next client starts it again. */
bool rig_end_service(struct rig_connection *rig, int signal, bool keep_socket);
bool rig_start_service(struct rig_connection *rig);
/* Whether pcscd has died by itself. */
bool rig_service_has_died(struct rig_connection *rig);

#endif
