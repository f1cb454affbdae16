/* SPDX-License-Identifier: BSD-3-Clause */
/* What the model test is done to: a simulator with two readers on USB, "key" and "other", and a pcscd that
 * can be killed, stopped and started. What is true is asked of the simulator; and before a movement counts as
 * done, PC/SC must have heard of it. */
#ifndef CARDRIG_MODEL_RIG_H
#define CARDRIG_MODEL_RIG_H

#include "cards.h"
#include "control.h"

#include <reader.h>
#include <sys/types.h>
#include <winscard.h>

#define RIG_KEY   "key"
#define RIG_OTHER "other" /* is there to take a number away from the other one */

struct rig {
    struct control control;
    char folder[128]; /* with the cards' scripts */
    pid_t launcher;   /* model_pcscd */
    pid_t pcscd;      /* 0: none */
    SCARDCONTEXT watch;
    bool watching;
    uint16_t counter; /* the event counter of the reader when it was last heard of */
    unsigned unheard; /* movements since: pcscd is stopped */
    char error[512];  /* of the latest function that returned false */
};

/* What the simulator says of card and reader. */
struct rig_truth {
    bool present, powered;
    unsigned atr;      /* a bit of cards_atr; 0: no power, no answer */
    uint32_t protocol; /* SCARD_PROTOCOL_, 0: none chosen */
    unsigned commands, cold, warm, off;
};

/* All of these return false with an error in rig->error. */

/* Inside 'cardrig run'. folder: where the cards' scripts are. */
bool rig_open(struct rig *rig, const char *folder);
void rig_close(struct rig *rig);

bool rig_look(struct rig *rig, struct rig_truth *truth);

/* The name of a reader with this number in PC/SC. */
void rig_reader_name(unsigned index, char name[MAX_READERNAME]);

/* Cards: the movements are waited for if pcscd can hear of them, which hears says. */
bool rig_insert(struct rig *rig, const struct cards_kind *kind, bool hears);
bool rig_remove(struct rig *rig, bool hears);
bool rig_fault(struct rig *rig, const char *fault);

/* Waits until PC/SC has heard of all movements so far, of the reader with this number. */
bool rig_hear(struct rig *rig, unsigned index);

/* Waits until the service answers. */
bool rig_greet(struct rig *rig);

/* Waits until PC/SC has a reader with this number and knows whether there is a card, then counts from there.
 */
bool rig_meet(struct rig *rig, unsigned index);

/* Readers. reader: RIG_KEY or RIG_OTHER; index: the number that it has. */
bool rig_unplug(struct rig *rig, const char *reader, unsigned index);
bool rig_plug(struct rig *rig, const char *reader);
bool rig_is_plugged(struct rig *rig, const char *reader, bool *plugged);

/* The service. */
bool rig_stop(struct rig *rig);
bool rig_continue(struct rig *rig);
bool rig_end(struct rig *rig, int signal,
             bool keep_socket); /* with keep_socket it comes again with the next client */
bool rig_start(struct rig *rig);
/* Whether pcscd has died of its own. */
bool rig_has_died(struct rig *rig);

#endif
