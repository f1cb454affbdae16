/* What a reader is to be like, and how that is written: NAME[,KEY=VALUE]... */
#ifndef CARDRIG_RIG_READER_OPTIONS_H
#define CARDRIG_RIG_READER_OPTIONS_H

#include "ifd/ifd.h"
#include "rig/address.h"

#include <stdbool.h>
#include <stddef.h>

/* What pcscd has room for: 128 bytes less its " RR SS" and the NUL. */
#define READER_NAME_MAX 121

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
};

/* Reads text; what it does not say gets its default. False: it is wrong, and error says what was expected. */
bool reader_options_parse(const char *text, struct reader_options *options, char *error, size_t error_size);

#endif
