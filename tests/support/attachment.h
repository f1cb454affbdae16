/* SPDX-License-Identifier: BSD-3-Clause */
/* An object of libscardmanage, attached to the reader of a rig, and a second PC/SC client that
 * plays the other clients. A step that cannot be done fails the test. */
#ifndef TESTS_SUPPORT_ATTACHMENT_H
#define TESTS_SUPPORT_ATTACHMENT_H

#include "scardmanage.h"

#include <check.h>
#include <winscard.h>

#define ANY (SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1)

enum { BY_IFD, BY_HANDLE, WAYS };

/* Adds a test whose _i is the way to attach. */
#define BOTH_WAYS(tcase, test) tcase_add_loop_test(tcase, test, 0, WAYS)

extern const uint8_t two_protocols_atr[9], t0_only_atr[8], cold_atr[9], warm_atr[6];

extern char reader[256];
extern SCARDCONTEXT context; /* the caller's */
extern SCARDHANDLE handle;
extern SCARDCONTEXT other_context;
extern SCARDHANDLE other;
extern scardmanage *m;

/* Whether libpcsclite reports sharing violations at once, or waits for other clients. */
enum waiting { REPORTS_AT_ONCE, WAITS_FOR_OTHERS };

/* Adds a test case. Its tests begin with two-protocols.lua in the reader, and with a detached
 * object. */
TCase *add_attachment_case(Suite *suite, const char *name, enum waiting waiting);

/* Steps: the card. They return after PC/SC has reported the card event. */
void put(const char *file);
void pull(void);
void put_back(void);
/* Inserts a card that becomes unresponsive at its first "warm" or "cold" reset, until it is removed
 * and inserted again. Its ATR and its counter are those of two-protocols.lua. */
void put_card_that_falls_silent(const char *when);

/* Steps: the other client. */
void other_connects(void);
void other_leaves(void);
LONG other_reconnects(DWORD initialization);
LONG other_status(void);
void other_resets(void);

/* Steps: the caller. */
void connect_handle(DWORD share);
void attach(int way);
/* Reads the counter of two-protocols.lua, which is 1 for the first command after a reset. */
scardmanage_result count(unsigned *number);
#define OPTIONS(...) ((scardmanage_options){__VA_ARGS__})
#define DEFAULTS     OPTIONS(.size = sizeof(scardmanage_options))
extern scardmanage_report reported; /* by the last reconnect_with() */
scardmanage_result reconnect_with(scardmanage_options options);

/* Checks. */
void assert_locked_out(void); /* our lock keeps the other client from the card */
void assert_free(void);       /* no client has a transaction */
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
