/* The object, and what its source files know of each other. All functions here want the object's mutex held.
 */
#ifndef SCARDMANAGE_INTERNAL_H
#define SCARDMANAGE_INTERNAL_H

#include "pcsc.h"
#include "platform.h"

/* A card shows a cold and a warm ATR, and a few more if it can be configured or switches mode. */
#define IDENTITY_ATRS 8

/* Which card is meant: the one that was in the reader when its event counter had this value, and the ATRs it
 * has shown. */
typedef struct identity {
    bool known; /* false: no card was ever seen */
    uint32_t counter;
    unsigned atr_count;
    pcsc_atr atrs[IDENTITY_ATRS];
} identity;

typedef enum attachment {
    ATTACHED_NOT = 0,
    ATTACHED_BY_HANDLE,
    ATTACHED_BY_IFD,
} attachment;

struct scardmanage {
    scardmanage_allocator allocator;
    platform_mutex mutex;
    scardmanage_options options;

    attachment attachment;
    char reader[PCSC_READER_MAX]; /* empty: not known yet */
    SCARDCONTEXT context;
    SCARDHANDLE handle;
    bool has_handle;
    scardmanage_share share; /* of the handle: EXCLUSIVE or SHARED */

    identity card;
    pcsc_atr atr;      /* last seen of that card */
    uint32_t protocol; /* the same */

    unsigned lock_count; /* how often the caller has locked */
    bool transacted; /* whether PC/SC holds our transaction; may outlive lock_count if it can't be ended */
    scardmanage_disposition disposition; /* the strongest that nested unlocks asked for */

    /* An event that PC/SC has forgotten, because we had to acknowledge it, but the caller has yet to hear of:
     * W_RESET_CARD or W_REMOVED_CARD, or 0. Nothing is sent to the card until a reconnect succeeds. */
    scardmanage_result pending;
    bool own_reset; /* the event that PC/SC will tell of is a reset the caller asked for */
};

/* allocator.c
 * The one way this library gets memory. read: checks; null is the C library. get: zeroed, null if there is
 * none. */
scardmanage_result allocator_read(const scardmanage_allocator *allocator, scardmanage_allocator *out);
void *allocator_get(const scardmanage_allocator *allocator, size_t size);
void allocator_put(const scardmanage_allocator *allocator, void *memory); /* null is allowed */

/* identity.c */
void identity_clear(identity *card);
void identity_set(identity *card, uint32_t counter, const pcsc_atr *atr); /* a new card */
void identity_add(identity *card, const pcsc_atr *atr);                   /* another ATR of the same card */
bool identity_has(const identity *card, const pcsc_atr *atr);
bool identity_may_offer(const identity *card, const pcsc_atr *atr, uint32_t protocols);

/* options.c
 * Checks and fills in defaults. options null: the object's own. */
scardmanage_result options_read(const scardmanage *m, const scardmanage_options *options,
                                scardmanage_options *out);
/* No version of a struct will be larger. A size that was never set is most likely beyond, and no reason to
 * read there. */
#define OPTIONS_SIZE_MAX 4096

/* Whether a struct of the caller's can be read: it has at least the fields of the first version, and what
 * this version does not know, because the caller is newer, is zero. */
bool options_sized(const void *structure, size_t size, size_t first_version, size_t known);
void options_default(scardmanage_options *options);
/* Which protocols to ask for: those of the options, or to begin with the one in use. */
uint32_t options_protocols(const scardmanage_options *options, uint32_t in_use);
/* Which protocols to ask for if it doesn't matter: asking for raw would make the reader raw, so not unless it
 * is. */
uint32_t options_any_protocol(uint32_t in_use);

/* handle.c
 * Opens the card in m->reader. Sets m->handle and m->share. */
scardmanage_result handle_open(scardmanage *m, const scardmanage_options *options, uint32_t protocols);
void handle_close(scardmanage *m, scardmanage_disposition disposition);
/* Tells a removal that pcsc-lite reports as a reset, because another client reset the new card:
 * W_REMOVED_CARD for W_RESET_CARD if the counter has moved. Any other result is returned as it is. */
scardmanage_result handle_event(scardmanage *m, scardmanage_result result);
/* SCardStatus(), with the caller's own reset acknowledged, and with what is pending. */
scardmanage_result handle_status(scardmanage *m, pcsc_card *card);
/* Acknowledges the reset that the caller asked for. own_reset stays set if it is worth another try. */
scardmanage_result handle_acknowledge(scardmanage *m);
/* The same if there is one. Only E_OUTOFMEMORY is told; the call that follows hears of everything else. */
scardmanage_result handle_settle(scardmanage *m);

/* lock.c */
scardmanage_result lock_begin(scardmanage *m);
/* Ends the transaction. W_RESET_CARD if it was ended, but the card had been reset. E_OUTOFMEMORY: it was not.
 */
scardmanage_result lock_end(scardmanage *m, scardmanage_disposition disposition);

/* attach.c */
scardmanage_result attach_end(scardmanage *m);

#endif
