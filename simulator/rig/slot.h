/* Readers, their slots, and the cards in them. */
#ifndef CARDRIG_RIG_SLOT_H
#define CARDRIG_RIG_SLOT_H

#include "ifd/ifd.h"
#include "link/link.h"
#include "rig/reader_options.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reader {
    struct reader_options options; /* as it was asked for; USB readers have a product ID */
    unsigned number;               /* in the rig, from 0 */
    unsigned pcsc_number;          /* what pcscd calls it; before pcscd has told, what it is expected to be */
    bool plugged;                  /* a USB reader is not until reader_plug */
    unsigned plugging;             /* how often it was plugged in */
    struct slot *slots;            /* options.slots of them, inside the rig's array */
};

struct slot {
    struct reader *reader;
    unsigned number;           /* in the reader, from 0 */
    uint32_t movement;         /* as link/link.h counts them */
    struct card *card;         /* NULL: empty */
    struct contacts *contacts; /* of the card */
    char *file;                /* of the card that is or was in last; NULL: the built-in card */
    struct ifd *ifd;
    char text[READER_NAME_MAX + 12]; /* what people call it, see slot_text */
};

struct slots {
    struct reader reader[LINK_MAX_SLOTS];
    unsigned reader_count;
    struct slot slot[LINK_MAX_SLOTS];
    unsigned slot_count;
    /* how cards get what they need from the rig, and who is told that a card has moved */
    struct card_host host;
    struct trace *trace;    /* owned; NULL: none */
    const char *usb_folder; /* for usb_bus.h, the caller's; NULL: USB readers can't be plugged in */
    void (*moved)(void *arg, struct slot *slot);
    void *moved_arg;
};

/* Adds a reader with empty slots. On failure error says why: no room left, or USB IDs of a reader that is
 * called otherwise, by which pcscd could not tell them apart. */
bool slots_add_reader(struct slots *slots, const struct reader_options *options, char *error,
                      size_t error_size);

/* Empties all slots, without telling anybody. */
void slots_free(struct slots *slots);

/* For a process whose child goes on with the trace. */
void slots_leave_trace(struct slots *slots);

/* Finds the slot that text names: a number as status shows it, a reader's name, or name/number. NULL or "":
 * the only slot there is. NULL with error when there is none, or more than one. */
struct slot *slots_find(struct slots *slots, const char *text, char *error, size_t error_size);

/* Finds the reader that text names: its name, or one of its slots. NULL or "": the only USB reader there is.
 * NULL with error when there is none, or more than one. */
struct reader *slots_find_reader(struct slots *slots, const char *text, char *error, size_t error_size);

/* The slot's number in the rig. */
unsigned slot_index(const struct slots *slots, const struct slot *slot);

/* How people are told of the slot: "cardrig/0". */
const char *slot_text(const struct slot *slot);

/* Where the reader listens for the slot's vpcd card, or connects to it; false for a slot of the rig's own
 * cards. */
bool slot_vpcd_address(const struct slot *slot, struct address *address);

/* What PC/SC calls the reader of this slot: pcscd appends the reader's and the slot's number. A reader that
 * is not plugged in it does not know. */
const char *slot_pcsc_name(const struct slot *slot, char *buffer, size_t size);

/* Plugs a USB reader in, or pulls it out. Its cards stay in, but lose power. False with error: it is no USB
 * reader, it is so already, or it could not be done. */
bool reader_plug(struct slots *slots, struct reader *reader, char *error, size_t error_size);
bool reader_unplug(struct slots *slots, struct reader *reader, char *error, size_t error_size);

/* The number of a USB reader's device on its bus, which is another one each time that it is plugged in. */
unsigned reader_usb_number(const struct reader *reader);

/* Before pcscd starts: plugs in all USB readers, but for those that are to be unplugged at first. False with
 * error. */
bool slots_plug_all(struct slots *slots, char *error, size_t error_size);

/* Puts in the card that file describes; an empty file name stands for the built-in card, NULL for the card
 * that was in last. False with error: the slot is
 * taken, or for vpcd cards, or the file is no card; nothing has changed then. */
bool slot_insert(struct slots *slots, struct slot *slot, const char *file, char *error, size_t error_size);

/* Takes the card out. False with error: there is none, or it is one with the reader. */
bool slot_remove(struct slots *slots, struct slot *slot, char *error, size_t error_size);

/* Takes the card out, if there is one, and puts in another: as slot_insert, two movements. A file that is no
 * card leaves the old one in. */
bool slot_swap(struct slots *slots, struct slot *slot, const char *file, char *error, size_t error_size);

#endif
