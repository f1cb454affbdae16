/* SPDX-License-Identifier: BSD-3-Clause */
/* libscardmanage: a hook that sees what an object exchanges with its card. */
#ifndef SCARDMANAGE_HOOK_H
#define SCARDMANAGE_HOOK_H

#include "scardmanage_types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum scardmanage_event_kind {
    SCARDMANAGE_EVENT_COMMAND = 1,  /* a command is about to be sent */
    SCARDMANAGE_EVENT_RESPONSE = 2, /* PC/SC has returned from sending it */
    SCARDMANAGE_EVENT_STEP = 3,     /* PC/SC has returned from a step of a reconnect */
} scardmanage_event_kind;

/* What a hook sees. Later versions append fields. */
typedef struct scardmanage_event {
    size_t size; /* sizeof(scardmanage_event) in the version of the library */
    scardmanage_event_kind kind;
    scardmanage_step step;     /* STEP: the step */
    scardmanage_result result; /* RESPONSE and STEP: what PC/SC returned */
    uint64_t session;          /* the number of the session, see scardmanage_get_session() */
    uint64_t elapsed_us;       /* RESPONSE and STEP: how long PC/SC took, in microseconds */
    const uint8_t
        *bytes;    /* COMMAND and RESPONSE: the APDU, valid during the call; may be null if length is 0 */
    size_t length; /* the number of bytes */
    size_t hidden; /* COMMAND: how many of the bytes are secret, and therefore 0. RESPONSE: how many
                                * bytes before the status word are secret, and therefore left out */
} scardmanage_event;

/*
 * Sees an APDU or a step. The library calls it in the thread of the attachment, at the moment when it
 * happens, so also for a call that the caller no longer waits for. It must return soon, since the call
 * waits for it, and must not call any function on the object.
 *
 * The data of the PIN commands of ISO/IEC 7816-4 (VERIFY, CHANGE REFERENCE DATA, RESET RETRY COUNTER,
 * and ENABLE and DISABLE VERIFICATION REQUIREMENT) are always hidden, with their length; and what
 * scardmanage_transmit_secret() marks.
 */
typedef void scardmanage_hook(const scardmanage_event *event, void *context);

/*
 * Sets the hook of an object. It is called for all calls that begin later.
 *
 *   hook     null for none
 *   context  passed to it. Must stay valid until another hook is set and the calls that began before have
 *            ended, or until scardmanage_free() has returned and no PC/SC call is left running, see
 *            scardmanage_allocator
 *
 *   S_OK       success
 *   E_POINTER  m is null
 */
SCARDMANAGE_API scardmanage_result scardmanage_set_hook(scardmanage *m, scardmanage_hook *hook,
                                                        void *context);

#ifdef __cplusplus
}
#endif

#endif
