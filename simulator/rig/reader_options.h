/* SPDX-License-Identifier: BSD-3-Clause */
/* The properties of a reader, and their text form: NAME[,KEY=VALUE]... */
#ifndef CARDRIG_RIG_READER_OPTIONS_H
#define CARDRIG_RIG_READER_OPTIONS_H

#include "base/error.h"
#include "ifd/ifd.h"
#include "rig/address.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The longest name, in bytes: pcscd has 128 bytes, of which its " RR SS" and the NUL take seven. */
#define READER_NAME_MAX       121

#define READER_TEXT_MAX       63
#define READER_ATTRIBUTES_MAX 32
#define READER_ATTRIBUTE_SIZE 264 /* the longest attribute that pcscd returns */

/* An attribute that the user has set. It takes precedence over the simulator's own value. */
struct reader_attribute {
    uint32_t tag;
    uint16_t length; /* 0: the reader does not support the attribute */
    uint8_t value[READER_ATTRIBUTE_SIZE];
};

#define READER_VPCD_TIMEOUT_MS 60000 /* default limit for an answer of a vpcd card */

/* The limit for an operation where the card's time is real. An operation can properly take minutes: 64 KiB
 * each way without a PPS take three. */
#define READER_REAL_TIME_MS 600000

/* Which cards the reader takes. */
enum reader_cards {
    READER_OWN_CARDS,   /* the rig's own cards */
    READER_VPCD_LISTEN, /* vpcd cards, which connect to the reader */
    READER_VPCD_CONNECT /* vpcd cards, to which the reader connects */
};

/* pid.codes reserves 1209:0001 to 1209:0010 for tests: no product has them. */
#define READER_USB_VENDOR 0x1209

struct reader_options {
    char name[READER_NAME_MAX + 1];
    unsigned slots;
    struct ifd_options ifd;
    bool real_time;  /* the card's time is real */
    bool time_given; /* the text has the key time */
    enum reader_cards cards;
    struct address vpcd;    /* for the first slot; port 0: any free port */
    unsigned timeout_ms;    /* limit for an answer of a vpcd card */
    char from[ADDRESS_MAX]; /* from where vpcd cards may connect, see address_may_come */
    /* attributes; one with an empty text is not supported */
    char vendor[READER_TEXT_MAX + 1];
    char type[READER_TEXT_MAX + 1];
    char serial[READER_TEXT_MAX + 1];
    uint32_t version; /* 0xMMmmbbbb, as in SCARD_ATTR_VENDOR_IFD_VERSION */
    unsigned attribute_count;
    struct reader_attribute attribute[READER_ATTRIBUTES_MAX];
    bool usb; /* it can be plugged in and unplugged; the following fields are for USB readers only */
    uint16_t vendor_id, product_id; /* product_id 0: the first that no other reader name has */
    char interface[READER_TEXT_MAX + 1];
    bool token;     /* reader and card are one */
    bool unplugged; /* at the start */
};

/* Reads text. A comma that belongs to a name or value is written twice. Options that text does not mention
 * get their defaults. Returns false and sets *error, which says what was expected, if text is invalid. */
bool reader_options_parse(const char *text, struct reader_options *options, struct error *error);

/* The same in steps, for a reader whose options come from more than one text. Begin sets the defaults, and
 * the name. Each field is KEY or KEY=VALUE, without commas written twice. End checks that the options go
 * together. */
bool reader_options_begin(struct reader_options *options, const char *name, struct error *error);
bool reader_options_field(struct reader_options *options, const char *field, struct error *error);
bool reader_options_end(struct reader_options *options, struct error *error);

/* Sets an attribute; with no bytes the reader does not have it. Returns false if there is no room for it. */
bool reader_options_attribute(struct reader_options *options, uint32_t tag, const uint8_t *bytes,
                              size_t length);

/* Makes the card's time real, unless the text has set it with the key time. */
void reader_options_real_time(struct reader_options *options);

/* Writes the reader's name in PC/SC, without the numbers that pcscd appends, but with the interface and the
 * serial number of a USB reader. reader_options_parse refuses a reader whose name does not fit. */
void reader_options_pcsc_name(const struct reader_options *options, char name[READER_NAME_MAX + 1]);

/* Returns the name of the i-th key, or NULL after the last one. */
const char *reader_options_key(unsigned i);

/* Returns whether the field, KEY or KEY=VALUE, begins with one of the keys. */
bool reader_options_is_key(const char *field);

#endif
