/* SPDX-License-Identifier: BSD-3-Clause */
/* What a call waits for, and what it has seen of the reader: see wait.h. */
#ifndef SCARDMANAGE_CONDITION_H
#define SCARDMANAGE_CONDITION_H

#include "pcsc.h"

enum wait_what {
    WAIT_CARD,                /* there is a card */
    WAIT_REMOVAL,             /* there is no card, or another one than the attachment knows */
    WAIT_CHANGE,              /* anything differs from what was seen before */
    WAIT_CARD_OR_DEAD_HANDLE, /* there is a card; or there is the reader, and the caller's handle is dead */
    WAIT_OTHER_CARD,          /* the event counter is another one, or there is no card */
};

/* What a wait has seen. */
struct wait_sight {
    scardmanage_result result; /* S_OK, E_READER_UNAVAILABLE or E_NO_SERVICE */
    struct pcsc_reader_state state;
    unsigned contexts_opened, gaps; /* of the connection */
};

struct wait_condition {
    enum wait_what what;
    bool any_index;         /* a reader with another number will do */
    bool no_restart;        /* the service must stay the same: no new context */
    bool probes;            /* for WAIT_REMOVAL and WAIT_CHANGE: ask for the handle, too */
    uint32_t counter;       /* for WAIT_OTHER_CARD */
    struct wait_sight seen; /* for WAIT_CHANGE */
    struct wait_sight now;  /* what the last look has found */
};

#endif
