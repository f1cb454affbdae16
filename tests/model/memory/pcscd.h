/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pcscd in memory. The names of files and functions of pcsc-lite are in the comments: this follows its source, with
 * what is wrong there. A request runs in the fiber of the client that waits for it. The service can be stopped,
 * and can end, at each point of a request.
 */
#ifndef CARDRIG_MODEL_PCSCD_H
#define CARDRIG_MODEL_PCSCD_H

#include "card.h"
#include "scheduler.h"
#include "version.h"
#include "world.h"

#include <setjmp.h>

#define PCSCD_READERS 4
#define PCSCD_HANDLES 64
#define PCSCD_FOREVER (10 * 60 * 1000) /* PCSCLITE_STATUS_EVENT_TIMEOUT, in ms */
#define PCSCD_POLL_US 100000           /* PCSCLITE_LOCK_POLL_RATE */
#define PCSCD_RATE_US 400000           /* PCSCLITE_STATUS_POLL_RATE */

/* A mutex within the service. Serves in the order in which its users came: that somebody is overtaken, between two
 * messages of a client, is too rare to allow for. */
struct pcscd_mutex {
    unsigned tickets, serves;
};

/* READER_STATE in eventhandler.h: what clients can read of a reader. */
struct pcscd_state {
    char name[MAX_READERNAME]; /* empty: there is no such reader */
    unsigned counter;
    DWORD state;
    int sharing;
    uint8_t atr[MAX_ATR_SIZE];
    DWORD atr_length;
    DWORD protocol;
};

/* sharing, and contexts of a reader; other values count the handles */
#define PCSCD_EXCLUSIVE (-1)

enum pcscd_event { PCSCD_NONE, PCSCD_RESET, PCSCD_REMOVED };

/* Features of each reader. The codes answer with their last byte, and what was sent. */
#define PCSCD_FEATURE_FIRST     0x08
#define PCSCD_FEATURE_LAST      0x12
#define PCSCD_FEATURE_CODE(tag) ((DWORD)SCARD_CTL_CODE(0x800 + (tag)))

struct pcscd_handle {
    SCARDHANDLE number; /* 0: free */
    enum pcscd_event event;
    enum party owner;
};

enum pcscd_power { PCSCD_UNPOWERED, PCSCD_POWERED, PCSCD_GRACE_PERIOD, PCSCD_IN_USE };

/* READER_CONTEXT in readerfactory.h. */
struct pcscd_reader {
    bool exists;
    struct slot *slot;
    unsigned plugging;        /* slot->plugging when it was added */
    struct pcscd_state state; /* readerState */
    bool initialized;         /* state can be read */
    int contexts;
    SCARDHANDLE lock_id;
    int lock_count;
    enum pcscd_power power;
    struct pcscd_mutex driver, power_lock; /* mMutex, powerState_lock */
    struct pcscd_handle handles[PCSCD_HANDLES];
    int references;
    bool is_removed; /* when the last reference is gone */
    fiber_id thread;
    bool thread_must_end; /* hLockId is 0xFFFF */
};

/* A client's connection to the service, and SCONTEXT in winscard_svc.c. */
struct pcscd_connection {
    bool open;
    unsigned incarnation; /* of the service */
    bool released;        /* the context was released */
    SCARDHANDLE handles[PCSCD_HANDLES];
    bool registered; /* for the next event */
    bool signalled;  /* a message about an event is on its way */
    LONG signal;     /* what it says */
    jmp_buf end;     /* where a request goes on when the service ends */
    bool in_request;
};

struct pcscd {
    bool running, stopped;
    unsigned incarnation;   /* counts starts */
    bool starts_for_client; /* the socket is there; the next client starts the service */
    struct pcscd_reader readers[PCSCD_READERS];
    SCARDHANDLE last_handle; /* counts through all incarnations */
};

extern struct pcscd pcscd_service;

/*
 * service.c: the service, its clients and its readers
 */

void pcscd_begin(void);
void pcscd_start(void);
void pcscd_stop(void);
void pcscd_continue(void);
void pcscd_end(bool starts_for_client);
/* The rig has plugged a reader in, or unplugged it (hotplug_libudev.c). */
void pcscd_notice_readers(void);

/* Returns false if there is no service. */
bool pcscd_connect(struct pcscd_connection *connection);
void pcscd_disconnect(struct pcscd_connection *connection);

/* Sends a request, and waits for the answer (MessageSend() and MessageReceive() in winscard_msg.c). Returns
 * SCARD_S_SUCCESS, or the code for a connection that was lost. */
LONG pcscd_request(struct pcscd_connection *connection, void (*serve)(struct pcscd_connection *, void *),
                   void *argument);
/* Waits for a message about an event (MessageReceiveTimeout()). */
LONG pcscd_receive_signal(struct pcscd_connection *connection, uint64_t until_us, LONG *signal);

/* In the service: closes the connection, which ends the request. Its handles stay connected. */
_Noreturn void pcscd_hang_up(struct pcscd_connection *connection);

/* In the service: others may run, and the service may be stopped, or end here. */
void pcscd_point(void);
/* In the service: waits for fiber_wake(on) or until the time has come, and then as long as the service is stopped. */
void pcscd_wait(const void *on, uint64_t until_us);
void pcscd_sleep(uint64_t us);
void pcscd_lock(struct pcscd_mutex *mutex);
void pcscd_unlock(struct pcscd_mutex *mutex);

/* Tells the registered clients of an event (EHSignalEventToClients()). */
void pcscd_signal_event(void);

/*
 * reader.c: readers (readerfactory.c) and the threads that watch them (eventhandler.c)
 */

void reader_add(struct slot *slot);
void reader_remove(struct pcscd_reader *reader);
/* Both add a reference. */
LONG reader_find(const char *name, struct pcscd_reader **reader);
LONG reader_of_handle(SCARDHANDLE handle, struct pcscd_reader **reader);
void reader_unref(struct pcscd_reader *reader);

LONG reader_check_sharing(const struct pcscd_reader *reader, SCARDHANDLE handle);
LONG reader_lock_sharing(struct pcscd_reader *reader, SCARDHANDLE handle);
LONG reader_unlock_sharing(struct pcscd_reader *reader, SCARDHANDLE handle);
LONG reader_unlock_all_sharing(struct pcscd_reader *reader, SCARDHANDLE handle);
void reader_set_event(struct pcscd_reader *reader, enum pcscd_event event);
LONG reader_check_event(const struct pcscd_reader *reader, SCARDHANDLE handle);
struct pcscd_handle *reader_handle(struct pcscd_reader *reader, SCARDHANDLE handle); /* or null */
LONG reader_check_status(const struct pcscd_reader *reader);
void reader_set_power(struct pcscd_reader *reader, enum pcscd_power power);

/* IFDPowerICC() in ifdwrapper.c. pcscd releases the driver for some microseconds between down and up. A client that
 * asks for an attribute twice in between is too rare to allow for. */
enum reader_action { READER_POWER_UP, READER_POWER_DOWN, READER_POWER_DOWN_AND_UP, READER_RESET };
LONG reader_power(struct pcscd_reader *reader, enum reader_action action);

/*
 * calls.c: the functions of winscard.c, with the parameters that they are sent
 */

LONG pcscd_SCardConnect(const char *name, DWORD share, DWORD protocols, SCARDHANDLE *handle, DWORD *active);
LONG pcscd_SCardReconnect(SCARDHANDLE handle, DWORD share, DWORD protocols, DWORD initialization,
                          DWORD *active);
LONG pcscd_SCardDisconnect(SCARDHANDLE handle, DWORD disposition);
LONG pcscd_SCardBeginTransaction(SCARDHANDLE handle);
LONG pcscd_SCardEndTransaction(SCARDHANDLE handle, DWORD disposition);
LONG pcscd_SCardStatus(SCARDHANDLE handle);
LONG pcscd_SCardGetAttrib(SCARDHANDLE handle, DWORD attribute, BYTE *value, DWORD *length);
LONG pcscd_SCardControl(SCARDHANDLE handle, DWORD code, const uint8_t *data, DWORD length, uint8_t *answer,
                        DWORD *answer_length);
LONG pcscd_SCardTransmit(SCARDHANDLE handle, DWORD protocol, const uint8_t *command, DWORD length,
                         uint8_t *response, DWORD *response_length);
/* A client has released its context, or has gone (MSGRemoveContext() in winscard_svc.c). */
void pcscd_release_handles(struct pcscd_connection *connection);

#endif
