/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls of PC/SC, which print what they return. See raw.c. */
#ifndef CARDRIG_MODEL_RAW_H
#define CARDRIG_MODEL_RAW_H

#include "random64.h"
#include "rig.h"

#define RAW_HANDLES  3
#define RAW_CONTEXTS 2

struct raw_handle {
    SCARDCONTEXT *context;
    SCARDHANDLE number;
    bool connected;
    DWORD share, protocol;
    unsigned locks; /* it has a transaction, or exclusive use, at most this often */
};

struct raw {
    const char *folder, *version;
    uint64_t random;
    bool is_late, failed;
    struct rig_connection rig;
    char reader[MAX_READERNAME];
    SCARDCONTEXT context[RAW_CONTEXTS];
    struct raw_handle handle[RAW_HANDLES];
    unsigned changes;
    DWORD known;          /* the last state of the reader */
    uint16_t first_count; /* of events, when the sequence begins */
    bool has_card, is_mute;
    bool powers_off; /* the last call does, and pcscd does not wait for it */
    /* The last handle was closed so often since the last card event. That wakes pcscd's thread of the reader. If
     * the second time comes before it is awake, it powers the card off at once. */
    unsigned drops;
};

static inline unsigned raw_choose(struct raw *raw, unsigned below)
{
    return (unsigned)(random64(&raw->random) % below);
}

#define RAW_ONE_OF(raw, list) ((list)[raw_choose(raw, sizeof(list) / sizeof *(list))])

unsigned raw_count_connected(const struct raw *raw);
/* Returns whether calls with this handle wait for another one's transaction. SCardGetAttrib() looks for one first,
 * and libpcsclite does not repeat it. */
bool raw_would_wait(const struct raw_handle *handle);

/* Each returns false if the call cannot be made now. All but the first two need a handle that is connected. */
bool raw_connect(struct raw *raw, struct raw_handle *handle);
bool raw_status_change(struct raw *raw, struct raw_handle *handle);
bool raw_reconnect(struct raw *raw, struct raw_handle *handle);
bool raw_disconnect(struct raw *raw, struct raw_handle *handle);
bool raw_release(struct raw *raw, struct raw_handle *handle);
bool raw_begin(struct raw *raw, struct raw_handle *handle);
bool raw_end(struct raw *raw, struct raw_handle *handle);
bool raw_transmit(struct raw *raw, struct raw_handle *handle);
bool raw_status(struct raw *raw, struct raw_handle *handle);
bool raw_attribute(struct raw *raw, struct raw_handle *handle);
bool raw_control(struct raw *raw, struct raw_handle *handle);

#endif
