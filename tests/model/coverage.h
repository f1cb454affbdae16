/* SPDX-License-Identifier: BSD-3-Clause */
/* The coverage of a run: situations, transitions, results and actions, counted for all rigs in
 * shared memory. */
#ifndef CARDRIG_MODEL_COVERAGE_H
#define CARDRIG_MODEL_COVERAGE_H

#include "world.h"

#include <stdatomic.h>
#include <stdio.h>

#define COVERAGE_ACTIONS 96
#define COVERAGE_CODES   32

enum coverage_call {
    CALL_RECONNECT,
    CALL_LOCK,
    CALL_UNLOCK,
    CALL_TRANSMIT,
    CALL_STATUS,
    CALL_WAIT,
    CALL_ATTACH,
    CALL_DETACH,
    CALLS
};

struct coverage {
    _Atomic uint64_t steps, sequences, deaths; /* deaths: of pcscd, by a fault of its own */
    _Atomic uint64_t failures;
    _Atomic uint64_t done[COVERAGE_ACTIONS], impossible[COVERAGE_ACTIONS];
    _Atomic uint64_t state[2][SITUATIONS][2]; /* [A or B][situation][without or with a lock] */
    _Atomic uint64_t transition[SITUATIONS][SITUATIONS];
    _Atomic uint64_t result[CALLS][SITUATIONS][COVERAGE_CODES];
    _Atomic uint64_t verdict[8], step[8], lock[8];
    _Atomic int32_t code[COVERAGE_CODES]; /* code[0] is S_OK */
};

void coverage_result(struct coverage *coverage, enum coverage_call call, enum situation situation,
                     scardmanage_result result);
void coverage_print(struct coverage *coverage, FILE *to, const char *const *action_names,
                    unsigned action_count);

#endif
