/* SPDX-License-Identifier: BSD-3-Clause */
/* The actions that sequences are made of. Each has a name, by which a sequence can be printed and given
 * again. */
#ifndef CARDRIG_MODEL_ACTION_H
#define CARDRIG_MODEL_ACTION_H

#include "model.h"

struct action {
    const char *name;
    unsigned weight; /* how likely it is */
    bool (*run)(struct model *model, unsigned argument);
    unsigned argument;
};

extern const struct action actions[];
extern const unsigned action_count;

/* The number of an action, or -1. */
int action_find(const char *name, size_t length);

#endif
