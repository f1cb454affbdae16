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
struct pin_pad;
struct reader_script;
struct relay_watch;

struct reader {
    struct reader_options options; /* as requested, plus a USB reader's product ID */
    struct reader_script *script;  /* owned; NULL: the reader is not a script */
    struct pin_pad *pin_pad;       /* owned; NULL: the reader has none */
    unsigned number;               /* in the rig, from 0 */
    unsigned pcsc_number;   /* pcscd's number in the name; the expected one until the driver has told it */
    atomic_bool plugged;    /* false for a USB reader until reader_plug */
    atomic_uint plug_count; /* how many times it has been plugged in */
    struct slot *slots;     /* options.slots of them, in the array of struct slots */
};

/*
 * A slot. Any thread may look at a slot, insert a card and remove one. To operate the card, a thread must use
 * the slot, see slot_use_begin: until it ends the use, it alone may access the card, its contacts and the
 * interface device.
 */
struct slot {
    struct slots *slots;
    struct reader *reader;
    unsigned number;                 /* in the reader, from 0 */
    char text[READER_NAME_MAX + 12]; /* its name for people, see slot_text */
    struct card_host host;           /* the rig's services for its cards */
    _Atomic uint32_t card_event;     /* the event counter, see link/link.h; changes under the lock */
    bool changing;                   /* a card is being loaded for it; for control.c, in its thread only */
    atomic_uint drivers;             /* connections for exchanges so far; the n-th driver has the number n */
    atomic_uint powered_by;          /* number of the driver that last powered or reset the card */

    pthread_mutex_t lock;      /* of the fields below; held briefly, never while a card is at work */
    struct card *card;         /* NULL: no card */
    struct contacts *contacts; /* of the card */
    struct ifd *ifd;
    char *file;                /* of the present or last card, or "relay=READER"; NULL: the built-in card */
    struct relay_watch *watch; /* of a relay, even while its reader has no card; or NULL */
    struct slot_use *current_use; /* the current use, or NULL */
    struct ifd_view view;         /* of the interface device before the current use */
    bool asks_person;             /* the current use waits for a person at the PIN pad */
    bool interrupted;             /* the rig ends: nobody waits for the card any more */
    bool ending;                  /* the same, so that the card's time is no longer real */
    pthread_cond_t changed;       /* signalled when a use ends, or must end soon */
    struct rig_random random;     /* the source of random numbers for its cards */
};

struct slots {
    unsigned reader_count, slot_count;
    uint64_t seed;                 /* of the random numbers for cards */
    struct trace *trace;           /* owned; NULL: none */
    struct keep_store *keep_store; /* owned; NULL: there was no memory for it */
    const char *usb_folder;        /* for usb_bus.h, not owned; NULL: USB readers cannot be plugged in */
    pthread_mutex_t plug_lock;     /* held while a reader is plugged in or unplugged */
    /* these functions are called from any thread; each may be NULL */
    void *arg;
    void (*log)(void *arg, const char *line);            /* a card logs a line */
    void (*random_drawn)(void *arg);                     /* a card has drawn a random number */
    void (*on_card_event)(void *arg, struct slot *slot); /* a card was inserted, removed, or both */
    void (*on_pin_pad)(void *arg);                       /* a PIN pad asks for a PIN */
    /* runs work(work_arg) in a thread; returns false with errno on failure. NULL: there are no threads */
    bool (*start)(void *arg, void (*work)(void *work_arg), void *work_arg);
    /* large; memory is only needed for the entries in use */
    struct reader reader[LINK_MAX_SLOTS];
    struct slot slot[LINK_MAX_SLOTS];
};

/* Initializes the struct. Call this first. */
void slots_init(struct slots *slots, uint64_t seed);

/* Adds a reader with empty slots. Returns false and sets *error if there is no room or memory, or if a
 * reader of another name has the same USB IDs: pcscd finds a USB reader's name by its IDs. */
bool slots_add_reader(struct slots *slots, const struct reader_options *options, struct error *error);

/* Adds the reader that text describes as the option --reader does: NAME[,KEY[=VALUE]]..., or a script
 * (reader_script.h). real_time: the card's time is real, unless the text says otherwise. slots->arg and the
 * functions for scripts must be set before. Returns false and sets *error on failure. */
bool slots_add_described(struct slots *slots, const char *text, bool real_time, struct error *error);

/* For slot.c: frees what slots_add_described has added to a reader, and makes the calls of its script end
 * soon. */
void reader_free(struct reader *reader);
void reader_interrupt(struct reader *reader);

/* For slot.c: by what the cards in a slot of the reader are used. */
enum card_interface reader_interface(const struct reader *reader, unsigned slot);

/* Frees all cards and slots and closes the trace, without reporting card events. */
void slots_free(struct slots *slots);

/* Drops the trace without writing to it, and closes the cards' files, for a process whose child continues the
 * rig. */
void slots_leave(struct slots *slots);

/* Finds the slot that text names: by its number in the status, by the name of a reader with one slot, or by
 * name/number. With NULL or "", finds the only slot. Returns NULL and sets *error if there is no such slot,
 * or more than one. */
struct slot *slots_find(struct slots *slots, const char *text, struct error *error);

/* Finds the reader that text names, by its name or by one of its slots. With NULL or "", finds the only USB
 * reader. Returns NULL and sets *error if there is no such reader, or more than one. */
struct reader *slots_find_reader(struct slots *slots, const char *text, struct error *error);

/* Returns the slot's number in the rig, from 0. */
unsigned slot_index(const struct slots *slots, const struct slot *slot);

/* Returns the slot's name for people, such as "cardrig/0". */
const char *slot_text(const struct slot *slot);

/* Sets *address to where the reader listens for the slot's vpcd card, or connects to it. Returns false if
 * the slot takes no vpcd cards. */
bool slot_vpcd_address(const struct slot *slot, struct address *address);

/* Writes the slot's name in PC/SC to buffer: the reader's name with the numbers of the reader and the slot,
 * which pcscd appends. PC/SC has the name only while the reader is plugged in. Returns buffer. */
const char *slot_pcsc_name(const struct slot *slot, char *buffer, size_t size);

/* Plugs in or unplugs a USB reader. Its cards stay in their slots, but lose power. Returns false and sets
 * *error if it is not a USB reader, if it is already plugged in (or unplugged), or on failure. */
bool reader_plug(struct slots *slots, struct reader *reader, struct error *error);
bool reader_unplug(struct slots *slots, struct reader *reader, struct error *error);

/* Returns the number of a USB reader's device on its bus. It changes each time the reader is plugged in. */
unsigned reader_usb_number(const struct reader *reader);

/* Plugs in all USB readers except those with the option unplugged. Call this before pcscd starts. Returns
 * false and sets *error on failure. */
bool slots_plug_all(struct slots *slots, struct error *error);

/* Inserts the card that file describes. "" means the built-in card, "relay=READER" the card in a reader of
 * another PC/SC service (icc/relay.h), and NULL the card that was in the slot last. Returns false and sets
 * *error, and changes nothing, if the slot holds a card, if it is for vpcd cards, or if the card cannot be
 * loaded. Takes as long as the script takes to load. */
bool slot_insert(struct slot *slot, const char *file, struct error *error);

/* Removes the card, if there is one, and inserts another one as slot_insert does: two card events. If the
 * new card cannot be loaded, the old one stays. */
bool slot_swap(struct slot *slot, const char *file, struct error *error);

/* Removes the card, even while it is at work: see slot_use_begin. Returns false and sets *error if the slot
 * is empty or the reader is a token. */
bool slot_remove(struct slot *slot, struct error *error);

/* Insert or swap a card in steps, for a thread that cannot wait for a script to load: slot_check first,
 * slot_load in any thread, slot_put, and finally incoming_free, whether they have succeeded or not.
 * slot_put leaves what the caller must free in *incoming. Each returns false and sets *error on failure. */
struct incoming {
    struct card *card;
    struct contacts *contacts;
    char *file;             /* NULL: the built-in card, or a card without a file */
    uint32_t card_event;    /* after slot_put: the number of the insertion */
    uint32_t relay_counter; /* these two come from relay_connect */
    enum pcsc_result relay_result;
};
bool slot_check(struct slot *slot, bool swap, struct error *error);
bool slot_load(struct slot *slot, const char *file, struct incoming *incoming, struct error *error);
bool slot_put(struct slot *slot, bool swap, struct incoming *incoming, struct error *error);
void incoming_free(struct incoming *incoming);

/* Inserts a relay. If its reader has no card, or another program uses that card, returns true and inserts
 * the card when it becomes available. Returns false and sets *error on failure. */
bool slot_insert_relay(struct slot *slot, const char *file, struct error *error);

/* The use of a slot by a thread. The thread owns the struct. */
struct slot_use {
    struct slot *slot;
    uint32_t card_event; /* the slot's event counter when the use began */
    struct card *card;   /* NULL: the slot is empty */
    struct contacts *contacts;
    struct ifd *ifd;
    /* For the interface device, if the reader's time is real. The thread may replace it by one that also
     * notices when its peer disconnects. */
    struct pace pace;
    bool abandoned; /* under the lock: see slot_use_abandon and slot_abandon */
    /* under the lock: the card has been removed, and the use owns card, contacts and ifd */
    bool removed;
    /* Called by the thread that removes the card, under the lock; may be NULL. The card has been interrupted
     * by then, but may continue for a while. */
    void (*on_removal)(struct slot_use *use);
    /* Called under the lock while the use waits for a person: asks the peer for patience. Returns false if it
     * is gone. NULL: the peer waits anyway. */
    bool (*extend)(struct slot_use *use);
};

/*
 * slot_use_begin waits until no other thread uses the slot. Then the caller may use the card until
 * slot_use_end. A removal does not wait for the end of the use: the slot is empty at once, and the next use
 * gets the card that is in the slot by then. slot_use_end returns false if the card was removed meanwhile,
 * and frees that card.
 */
void slot_use_begin(struct slot *slot, struct slot_use *use);
bool slot_use_end(struct slot_use *use);

/* Within a use: returns whether the card must be removed, because a fault has asked for it or because the
 * card has gone by itself. */
bool slot_use_wants_removal(const struct slot_use *use);

/* Within a use: logs why the last operation failed, unless that is expected: the card must be removed, has
 * been removed, or the use has been abandoned. */
void slot_use_report(const struct slot_use *use);

/* Within a use: says that the caller no longer waits for the result. */
void slot_use_abandon(struct slot_use *use);

/* If the card's time is real, or the use waits for a person, abandons the current use, because the driver no
 * longer waits for the result: the use continues at once, in virtual time. Returns false if there is no such
 * use. */
bool slot_abandon(struct slot *slot);

/* Removes the card that was inserted by this card event. Returns false if it is no longer in the slot, or
 * if the reader is a token. */
bool slot_remove_at(struct slot *slot, uint32_t card_event);

/* Powers down the card of an unplugged reader. Waits until no other thread uses the slot. If the reader has
 * been plugged in again by then, does nothing: the card may have been powered since. */
void slot_lose_power(struct slot *slot);

/* Makes all operations of cards end soon. Call this before slots_free. */
void slots_interrupt(struct slots *slots);

/* Under the slot's lock: returns the state of the interface device, or while the slot is in use, the state
 * before that use. */
const struct ifd_view *slot_view(struct slot *slot);

#endif
