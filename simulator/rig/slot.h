/* SPDX-License-Identifier: BSD-3-Clause */
/* Readers, their slots, and the cards in them. */
#ifndef CARDRIG_RIG_SLOT_H
#define CARDRIG_RIG_SLOT_H

#include "base/error.h"
#include "icc/pcsc_client.h"
#include "ifd/ifd.h"
#include "link/link.h"
#include "rig/random.h"
#include "rig/reader_options.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct slots;
struct relay_watch;

struct reader {
    struct reader_options options; /* as it was asked for; USB readers have a product ID */
    unsigned number;               /* in the rig, from 0 */
    unsigned pcsc_number;          /* what pcscd calls it; before pcscd has said, what it is expected to be */
    atomic_bool plugged;           /* a USB reader is not until reader_plug */
    atomic_uint plugging;          /* how often it was plugged in */
    struct slot *slots;            /* options.slots of them, inside the rig's array */
};

/*
 * A slot. Any thread may look at it, and put a card in or take one out. To have the card do something a
 * thread uses the slot, see slot_use_begin: then the card, its contacts and the interface device are that
 * thread's.
 */
struct slot {
    struct slots *slots;
    struct reader *reader;
    unsigned number;                 /* in the reader, from 0 */
    char text[READER_NAME_MAX + 12]; /* what people call it, see slot_text */
    struct card_host host;           /* what its cards get from the rig */
    _Atomic uint32_t card_event;     /* as link/link.h counts them; changes under the lock */
    bool changing;                   /* for control.c, in its thread: a card is being loaded for it */
    atomic_uint drivers;             /* how many have connected for exchanges; each has the number it made */
    atomic_uint powered_by;          /* the number of the one that has switched the card on last */

    pthread_mutex_t lock; /* of what follows; held for moments only, and never while a card does something */
    struct card *card;    /* NULL: empty */
    struct contacts *contacts; /* of the card */
    struct ifd *ifd;
    char *file; /* of the card that is or was in last, or "relay=READER"; NULL: the built-in card */
    struct relay_watch *watch; /* of a relay, also while the other reader has no card; else NULL */
    struct slot_use *user;     /* who uses it; NULL: nobody */
    struct ifd_view view;      /* of the interface device as it was before */
    bool ending;               /* its card's time is not real any more */
    pthread_cond_t changed;    /* it is used by nobody, or its use is to be over soon */
    struct rig_random random;  /* what is random to its cards */
};

struct slots {
    unsigned reader_count, slot_count;
    uint64_t seed;            /* of what is random to the cards */
    struct trace *trace;      /* owned; NULL: none */
    const char *usb_folder;   /* for usb_bus.h, the caller's; NULL: USB readers can't be plugged in */
    pthread_mutex_t plugging; /* held while a reader is plugged in or out */
    /* called from any thread; NULL: not called */
    void *arg;
    void (*log)(void *arg, const char *line); /* a line of a card's */
    void (*random_drawn)(void *arg);
    void (*on_card_event)(void *arg, struct slot *slot); /* a card was put in, taken out, or both */
    /* has work(work_arg) called in a thread; false with errno. NULL: there are no threads */
    bool (*start)(void *arg, void (*work)(void *work_arg), void *work_arg);
    /* large, and touched only as far as they are in use */
    struct reader reader[LINK_MAX_SLOTS];
    struct slot slot[LINK_MAX_SLOTS];
};

/* To be called before all else. */
void slots_init(struct slots *slots, uint64_t seed);

/* Adds a reader with empty slots. On failure error says why: no room left, or USB IDs of a reader that is
 * called otherwise, by which pcscd could not tell them apart. */
bool slots_add_reader(struct slots *slots, const struct reader_options *options, struct error *error);

/* Empties all slots, without telling anybody. */
void slots_free(struct slots *slots);

/* For a process whose child goes on with the trace. */
void slots_leave_trace(struct slots *slots);

/* Finds the slot that text names: a number as status shows it, a reader's name, or name/number. NULL or "":
 * the only slot there is. NULL with error when there is none, or more than one. */
struct slot *slots_find(struct slots *slots, const char *text, struct error *error);

/* Finds the reader that text names: its name, or one of its slots. NULL or "": the only USB reader there is.
 * NULL with error when there is none, or more than one. */
struct reader *slots_find_reader(struct slots *slots, const char *text, struct error *error);

/* The slot's number in the rig. */
unsigned slot_index(const struct slots *slots, const struct slot *slot);

/* The slot's name for people: "cardrig/0". */
const char *slot_text(const struct slot *slot);

/* Where the reader listens for the slot's vpcd card, or connects to it; false for a slot of the rig's own
 * cards. */
bool slot_vpcd_address(const struct slot *slot, struct address *address);

/* What PC/SC calls the reader of this slot: pcscd appends the reader's and the slot's number. A reader that
 * is not plugged in it does not know. */
const char *slot_pcsc_name(const struct slot *slot, char *buffer, size_t size);

/* Plugs a USB reader in, or pulls it out. Its cards stay in, but lose power. False with error: it is no USB
 * reader, it is so already, or it could not be done. */
bool reader_plug(struct slots *slots, struct reader *reader, struct error *error);
bool reader_unplug(struct slots *slots, struct reader *reader, struct error *error);

/* The number of a USB reader's device on its bus, which is another one each time that it is plugged in. */
unsigned reader_usb_number(const struct reader *reader);

/* Before pcscd starts: plugs in all USB readers, except those that are to be unplugged at first. False with
 * error. */
bool slots_plug_all(struct slots *slots, struct error *error);

/* Puts in the card that file describes; an empty file name stands for the built-in card,
 * "relay=READER" for the card in a reader of another PC/SC service (icc/relay.h), NULL for the
 * card that was in last. False with error: the slot is taken, or for vpcd cards, or the file is no
 * card; nothing has changed then. Takes as long as the script does to load. */
bool slot_insert(struct slot *slot, const char *file, struct error *error);

/* Takes the card out, if there is one, and puts in another: as slot_insert, two card events. A file that is
 * no card leaves the old one in. */
bool slot_swap(struct slot *slot, const char *file, struct error *error);

/* Takes the card out, whatever it is doing: see slot_use_begin. False with error: there is none, or it is one
 * with the reader. */
bool slot_remove(struct slot *slot, struct error *error);

/* The same in two steps, for a thread that cannot wait for a script to load: slot_load in any thread, and
 * then, or when that has failed, incoming_free. */
struct incoming {
    struct card *card;
    struct contacts *contacts;
    char *file;             /* NULL: the built-in card, or none that is a file */
    uint32_t card_event;    /* that put it in */
    uint32_t relay_counter; /* of a relay, set by relay_load, as is the result */
    enum pcsc_result relay_result;
};
bool slot_check(struct slot *slot, bool swap, struct error *error); /* before a file is loaded */
bool slot_load(struct slot *slot, const char *file, struct incoming *incoming, struct error *error);
bool slot_put(struct slot *slot, bool swap, struct incoming *incoming, struct error *error);
void incoming_free(struct incoming *incoming);

/* Inserts a relay, which may come later if its reader has no card, or one that another program
 * uses. False with error. */
bool slot_insert_relay(struct slot *slot, const char *file, struct error *error);

/* The use of a slot by a thread, which owns the struct. */
struct slot_use {
    struct slot *slot;
    uint32_t card_event; /* of the card that it is about */
    struct card *card;   /* NULL: the slot was empty */
    struct contacts *contacts;
    struct ifd *ifd;
    struct pace pace; /* of the interface device, where the reader's time is real; within the use it may be
                         another one, which also sees whether somebody waits for the card */
    bool abandoned;   /* under the lock: see slot_use_abandon */
    /* under the lock: the card was removed meanwhile, and what is above belongs to the use */
    bool removed;
    /* Called when that happens, by who removes the card, under the lock; NULL: nobody cares. The card has
     * been interrupted then, but may go on for a while. */
    void (*on_removal)(struct slot_use *use);
};

/*
 * Waits until nobody else uses the slot; then its card is the caller's to use, until slot_use_end. Nobody
 * waits for the use to end who takes the card out: the slot is empty at once, and who uses it next gets
 * what is in then. slot_use_end returns whether the card is still in.
 */
void slot_use_begin(struct slot *slot, struct slot_use *use);
bool slot_use_end(struct slot_use *use);

/* Within a use: whether the card is to be taken out, by what it did, or has gone by itself. */
bool slot_use_wants_removal(const struct slot_use *use);

/* Within a use: tells the user why the last operation failed; not if that is no news: the card goes, or was
 * removed meanwhile, or the use was abandoned. */
void slot_use_report(const struct slot_use *use);

/* Within a use: nobody waits any more for what comes of it. */
void slot_use_abandon(struct slot_use *use);

/* Where the card's time is real: nobody waits any more for what comes of the use that is under
 * way, as the driver has gone. It goes on at once, in virtual time. False: there is no such use. */
bool slot_abandon(struct slot *slot);

/* Takes the card out that a card event has put in, if it is still in. False: it is not, or is one with its
 * reader. */
bool slot_remove_at(struct slot *slot, uint32_t card_event);

/* Takes power from the card of a reader that is not plugged in. Waits for its turn; in a reader that has been
 * plugged in again by then, the card keeps the power that it may have got since. */
void slot_lose_power(struct slot *slot);

/* Has all that cards do come to an end soon, before slots_free. */
void slots_interrupt(struct slots *slots);

/* Under the slot's lock: how things are, or, while it is used, were before. */
const struct ifd_view *slot_view(struct slot *slot);

#endif
