/* SPDX-License-Identifier: BSD-3-Clause */
/* Sequences of actions: made from a seed or read, run, and shrunk when they fail. */
#ifndef CARDRIG_MODEL_SEQUENCE_H
#define CARDRIG_MODEL_SEQUENCE_H

#include "action.h"

#define SEQUENCE_MAX 200

struct sequence {
    unsigned count;
    uint8_t action[SEQUENCE_MAX];
};

/* A seed always makes the same sequence. */
void sequence_make(struct sequence *sequence, uint64_t seed, unsigned count);

/* Reads the names of actions, one on each line, or with semicolons between them; '#' begins a
 * comment. False with error. */
bool sequence_read(struct sequence *sequence, const char *text, char *error, size_t error_size);

/* Runs it. True if nothing has failed, or pcscd has died by a fault of its own; otherwise
 * model->failure is set. log may be null. */
bool sequence_run(struct model *model, struct sequence *sequence, FILE *log);

/* Leaves out actions of a sequence that has failed, as long as the rest fails, too. model->failure
 * is that of the rest. False: the sequence does not fail again. */
bool sequence_shrink(struct model *model, struct sequence *sequence);

void sequence_print(const struct sequence *sequence, FILE *to);

#endif
