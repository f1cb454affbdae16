/* SPDX-License-Identifier: BSD-3-Clause */
/* The actions of a sequence. Sequences are printed and read by the names of their actions. */
#ifndef CARDRIG_MODEL_ACTION_H
#define CARDRIG_MODEL_ACTION_H

#include "model.h"

struct action {
    const char *name;
    unsigned weight; /* relative probability */
    /* exactly one of these is set: */
    bool (*run)(struct model *model);
    bool (*run_with)(struct model *model, unsigned argument);
    bool (*run_user)(struct model *model, unsigned user);
    bool (*run_user_with)(struct model *model, unsigned user, unsigned argument);
    unsigned user; /* 0 for A, 1 for B */
    unsigned argument;
};

extern const struct action actions[];
extern const unsigned action_count;

/* Returns false if the action is not possible at the moment. */
bool action_run(const struct action *action, struct model *model);

/* Returns the index of the action in actions, or -1. */
int action_find(const char *name, size_t length);

#endif
