/* SPDX-License-Identifier: BSD-3-Clause */
/* Sequences of actions: made from a seed, run, and made short when they fail. */
#ifndef CARDRIG_MODEL_SEQUENCE_H
#define CARDRIG_MODEL_SEQUENCE_H

#include "action.h"

#define SEQUENCE_MAX 200

struct sequence {
    unsigned count;
    uint8_t action[SEQUENCE_MAX];
};

/* The same for the same seed. */
void sequence_make(struct sequence *sequence, uint64_t seed, unsigned count);

/* Reads the names of actions, a line each, or with semicolons between them; what follows a '#' is left out.
 * False with error. */
bool sequence_read(struct sequence *sequence, const char *text, char *error, size_t error_size);

/* Runs it; true if the model was right, or pcscd has died by its own fault. Else model->failure is set. */
bool sequence_run(struct model *model, struct sequence *sequence, FILE *log);

/* Leaves out of a sequence that has failed what it needs not to fail. False: it does not fail again.
 * model->failure is that of the short one. */
bool sequence_shrink(struct model *model, struct sequence *sequence);

void sequence_print(const struct sequence *sequence, FILE *to);

#endif
