/* SPDX-License-Identifier: BSD-3-Clause */
/* One object of libscardmanage, attached to a rig's reader, and a second client that plays "the
 * others". Steps that cannot be done fail the test, too. */
#ifndef TESTS_SUPPORT_ATTACHMENT_H
#define TESTS_SUPPORT_ATTACHMENT_H

#include "scardmanage.h"

#include <check.h>
#include <winscard.h>

#define ANY (SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1)

enum { BY_IFD, BY_HANDLE, WAYS };

/* A test whose _i is how to attach. */
#define BOTH_WAYS(tcase, test) tcase_add_loop_test(tcase, test, 0, WAYS)

extern const uint8_t two_protocols_atr[9], t0_only_atr[8], cold_atr[9], warm_atr[6];

extern char reader[256];
extern SCARDCONTEXT context; /* the caller's */
extern SCARDHANDLE handle;
extern SCARDCONTEXT other_context;
extern SCARDHANDLE other;
extern scardmanage *m;

/* Whether PC/SC reports sharing violations at once, or waits for other clients. */
enum waiting { REPORTS_AT_ONCE, WAITS_FOR_OTHERS };

/* A test case whose tests begin with two-protocols.lua in the reader, and with nothing attached. */
TCase *add_attachment_case(Suite *suite, const char *name, enum waiting waiting);

/* Steps: the card. PC/SC has reported it when they return. */
void put(const char *file);
void pull(void);
void put_back(void);
/* Puts in a card that gets stuck at the first reset of a kind, "warm" or "cold", and is unresponsive from
 * then on until it is taken out and put back. Its ATR and counter are those of two-protocols.lua. */
void put_card_that_falls_silent(const char *when);

/* Steps: the other client. */
void other_connects(void);
void other_leaves(void);
LONG other_reconnects(DWORD initialization);
LONG other_status(void);
void other_resets(void);

/* Steps: we. */
void connect_handle(DWORD share);
void attach(int way);
/* Says what the counter of two-protocols.lua does: 1 for the first command after a reset. */
scardmanage_result count(unsigned *number);
#define OPTIONS(...) ((scardmanage_options){__VA_ARGS__})
#define DEFAULTS     OPTIONS(.size = sizeof(scardmanage_options))
extern scardmanage_report reported; /* by the latest reconnect_with */
scardmanage_result reconnect_with(scardmanage_options options);

/* Checks. */
void assert_locked_out(void); /* the other client, by our lock */
void assert_free(void);       /* nobody has a transaction */
void assert_count(unsigned wanted);
void assert_refuses(scardmanage_result code);
void assert_status(scardmanage_result result, scardmanage_state state, uint32_t protocol);
void assert_atr(const uint8_t *atr, size_t length);
void assert_report(scardmanage_verdict verdict, scardmanage_step step, scardmanage_lock_state lock);
void assert_reconnects(scardmanage_options options, scardmanage_verdict verdict, scardmanage_step step,
                       scardmanage_lock_state lock);
void assert_lock(void);
void assert_unlock(scardmanage_disposition disposition);

#endif
