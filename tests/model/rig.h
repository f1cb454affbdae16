/* SPDX-License-Identifier: BSD-3-Clause */
/* The rig of the model test: a simulator with two USB readers, "key" and "other", and a pcscd that
 * can be killed, stopped and started. The state of the card comes from the simulator. An insertion
 * or removal is complete when PC/SC has counted it. */
#ifndef CARDRIG_MODEL_RIG_H
#define CARDRIG_MODEL_RIG_H

#include "cards.h"
#include "control.h"
#include "scardmanage.h"

#include <reader.h>
#include <stdio.h>
#include <sys/types.h>
#include <winscard.h>

#define RIG_KEY   "key"
#define RIG_OTHER "other" /* only there to take a number from the first reader */

struct rig_connection {
    struct control control;
    char folder[128];     /* folder of the card scripts */
    pid_t launcher;       /* the process model_pcscd */
    pid_t pcscd;          /* 0: not running */
    SCARDCONTEXT context; /* to observe the reader */
    bool has_context;
    uint16_t counter;        /* event counter of the reader when it was last read */
    unsigned events_pending; /* insertions and removals since then that pcscd has not counted */
    char error[512];         /* of the last function that returned false */
};

/* The state of the card in the reader "key", from the simulator. */
struct rig_state {
    bool present, powered;
    unsigned atr;             /* a bit of enum cards_atr; 0 without power or answer */
    uint32_t protocol;        /* SCARD_PROTOCOL_ value; 0 if none is active */
    unsigned commands;        /* number of commands since its insertion */
    unsigned cold, warm, off; /* numbers of cold resets, warm resets, and times powered off */
};

/* Runs the function. In memory, everything in it follows from the seed, and nothing outlasts it. Returns null, or
 * why it did not come to its end. */
const char *rig_run(uint64_t seed, void (*run)(void *), void *argument);
/* Returns whether each rig_run() begins with a rig that was just opened. */
bool rig_is_new_for_each_run(void);
/* In memory: follows this version of pcsc-lite, or the last known one before it, in place of one that the seed
 * chooses. For the current run. */
void rig_use_version(const char *version);
/* In memory: runs a storm (memory/storm.h), with this many calls of each user. */
struct model;
void rig_run_storm(struct model *model, unsigned calls, FILE *log);
/* The allocator for objects, or null for that of the C library. */
const scardmanage_allocator *rig_allocator(void);

/* The functions return false and set rig->error on failure. */

/* Connects to the rig that this program runs in. folder has the scripts of the cards. */
bool rig_open(struct rig_connection *rig, const char *folder);
void rig_close(struct rig_connection *rig);

bool rig_get_state(struct rig_connection *rig, struct rig_state *state);

/* Returns the PC/SC name of the reader "key" if it has this number. */
void rig_reader_name(unsigned index, char name[MAX_READERNAME]);

/* Cards. If pcscd_counts is set, rig_wait_for_events() waits until pcscd has counted the event. */
bool rig_insert(struct rig_connection *rig, const struct cards_kind *kind, bool pcscd_counts);
bool rig_remove(struct rig_connection *rig, bool pcscd_counts);
bool rig_fault(struct rig_connection *rig, const char *fault);

/* Waits until PC/SC has counted all insertions and removals so far in the reader with this number. */
bool rig_wait_for_events(struct rig_connection *rig, unsigned index);

/* Waits until the service answers. */
bool rig_wait_for_service(struct rig_connection *rig);

/* Waits until PC/SC has a reader with this number, and knows whether it has a card. The count of
 * events starts from there. */
bool rig_wait_for_reader(struct rig_connection *rig, unsigned index);

/* Readers. reader is RIG_KEY or RIG_OTHER; index is its number. */
bool rig_unplug(struct rig_connection *rig, const char *reader, unsigned index);
bool rig_plug(struct rig_connection *rig, const char *reader);
bool rig_is_plugged(struct rig_connection *rig, const char *reader, bool *plugged);

/* The service. */
bool rig_stop_service(struct rig_connection *rig);
bool rig_continue_service(struct rig_connection *rig);
/* If keep_socket is set, the next client starts the service again. */
bool rig_end_service(struct rig_connection *rig, int signal, bool keep_socket);
bool rig_start_service(struct rig_connection *rig);
/* Returns whether pcscd has ended. */
bool rig_service_has_died(struct rig_connection *rig);

#endif
