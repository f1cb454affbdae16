/* SPDX-License-Identifier: BSD-3-Clause */
/* What a reader is to be like, and how that is written: NAME[,KEY=VALUE]... */
#ifndef CARDRIG_RIG_READER_OPTIONS_H
#define CARDRIG_RIG_READER_OPTIONS_H

#include "base/error.h"
#include "ifd/ifd.h"
#include "rig/address.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What pcscd has room for: 128 bytes less its " RR SS" and the NUL. */
#define READER_NAME_MAX       121

#define READER_TEXT_MAX       63
#define READER_ATTRIBUTES_MAX 32
#define READER_ATTRIBUTE_SIZE 264 /* the longest attribute that pcscd hands on */

/* An attribute that is as the user wants it, whatever the simulator would say. */
struct reader_attribute {
    uint32_t tag;
    uint16_t length; /* 0: the reader does not tell it */
    uint8_t value[READER_ATTRIBUTE_SIZE];
};

#define READER_VPCD_TIMEOUT_MS 60000 /* how long an answer of a vpcd card may take, if nothing else is said */

/* How long an operation may take where the card's time is real. A card has good reasons for
 * minutes: 64 KiB each way without a PPS take three. */
#define READER_REAL_TIME_MS 600000

/* Whose cards are in it. */
enum reader_cards {
    READER_OWN_CARDS,   /* the rig's */
    READER_VPCD_LISTEN, /* vpcd cards that connect to it */
    READER_VPCD_CONNECT /* vpcd cards that it connects to */
};

/* pid.codes keeps 1209:0001 to 1209:0010 for testing: no product has them. */
#define READER_USB_VENDOR 0x1209

struct reader_options {
    char name[READER_NAME_MAX + 1];
    unsigned slots;
    struct ifd_options ifd;
    bool real_time;  /* the card's time is real */
    bool time_given; /* the text says whether it is */
    enum reader_cards cards;
    struct address vpcd;    /* of the first slot; port 0: a free one is to be found */
    unsigned timeout_ms;    /* how long an answer of a vpcd card may take */
    char from[ADDRESS_MAX]; /* where vpcd cards may come from, see driver/devicename.h; "": from this
                               machine */
    /* its attributes; an empty text is not given to clients */
    char vendor[READER_TEXT_MAX + 1];
    char type[READER_TEXT_MAX + 1];
    char serial[READER_TEXT_MAX + 1];
    uint32_t version; /* 0xMMmmbbbb, as in SCARD_ATTR_VENDOR_IFD_VERSION */
    unsigned attribute_count;
    struct reader_attribute attribute[READER_ATTRIBUTES_MAX];
    bool usb; /* it can be plugged in and pulled out; the rest is for such readers only */
    uint16_t vendor_id, product_id; /* 0: the first of READER_USB_VENDOR's that is free */
    char interface[READER_TEXT_MAX + 1];
    bool token;     /* it and its card are one */
    bool unplugged; /* at first */
};

/* Reads text, in which a comma of a name or value is written twice; what it does not say gets its default.
 * False: it is wrong, and error says what was expected. */
bool reader_options_parse(const char *text, struct reader_options *options, struct error *error);

/* Makes the card's time real, unless the text says something else. */
void reader_options_real_time(struct reader_options *options);

/* What PC/SC calls such a reader before it appends numbers: with the interface and the serial number of a USB
 * reader. reader_options_parse takes none whose name has no room there. */
void reader_options_pcsc_name(const struct reader_options *options, char name[READER_NAME_MAX + 1]);

/* The names of the keys, one after the other; then NULL. */
const char *reader_options_key(unsigned i);

#endif
