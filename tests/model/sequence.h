/* SPDX-License-Identifier: BSD-3-Clause */
/* Sequences of actions: generates them from a seed or reads them, runs them, and shrinks those that
 * fail. */
#ifndef CARDRIG_MODEL_SEQUENCE_H
#define CARDRIG_MODEL_SEQUENCE_H

#include "action.h"

#define SEQUENCE_MAX 200

struct sequence {
    uint64_t seed;  /* of what the rig chooses, in memory */
    unsigned storm; /* not 0: a storm with this many calls of A and of B, and no actions */
    unsigned count;
    uint8_t action[SEQUENCE_MAX];
};

/* The same seed always gives the same sequence. */
void sequence_make(struct sequence *sequence, uint64_t seed, unsigned count);

/* Reads names of actions, separated by newlines or semicolons. '#' begins a comment. Returns false
 * and sets error on failure. */
bool sequence_read(struct sequence *sequence, const char *text, char *error, size_t error_size);

/* Runs the sequence, and checks that nothing has leaked. Returns true if nothing has failed, or if pcscd has died by a fault of its
 * own. Otherwise model->failure is set. log may be null. */
bool sequence_run(struct model *model, struct sequence *sequence, FILE *log);

/* Removes actions from a failed sequence as long as the rest also fails. model->failure is that of
 * the rest. Returns false if the sequence does not fail again. */
bool sequence_shrink(struct model *model, struct sequence *sequence);

void sequence_print(const struct sequence *sequence, FILE *to);

#endif
