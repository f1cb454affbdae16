/* What a reader is to be like, and how that is written: NAME[,KEY=VALUE]... */
#ifndef CARDRIG_RIG_READER_OPTIONS_H
#define CARDRIG_RIG_READER_OPTIONS_H

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

/* An attribute that is as the user has it, whatever the simulator would say. */
struct reader_attribute {
    uint32_t tag;
    uint16_t length; /* 0: the reader does not tell it */
    uint8_t value[READER_ATTRIBUTE_SIZE];
};

/* Whose cards are in it. */
enum reader_cards {
    READER_OWN_CARDS,   /* the rig's */
    READER_VPCD_LISTEN, /* vpcd cards that connect to it */
    READER_VPCD_CONNECT /* vpcd cards that it connects to */
};

struct reader_options {
    char name[READER_NAME_MAX + 1];
    unsigned slots;
    enum ifd_level level;
    enum reader_cards cards;
    struct address vpcd;    /* of the first slot; port 0: a free one is to be found */
    unsigned timeout_ms;    /* how long an answer of a vpcd card may take; 0: as the driver has it */
    char from[ADDRESS_MAX]; /* where vpcd cards may come from, as driver/devicename.h has it; "": from this
                               machine */
    /* what it tells of itself; an empty text is not told */
    char vendor[READER_TEXT_MAX + 1];
    char type[READER_TEXT_MAX + 1];
    char serial[READER_TEXT_MAX + 1];
    uint32_t version; /* 0xMMmmbbbb, as SCARD_ATTR_VENDOR_IFD_VERSION has it */
    unsigned attribute_count;
    struct reader_attribute attribute[READER_ATTRIBUTES_MAX];
};

/* Reads text, whose values cannot contain a comma; what it does not say gets its default. False: it is wrong,
 * and error says what was expected. */
bool reader_options_parse(const char *text, struct reader_options *options, char *error, size_t error_size);

#endif
