/* SPDX-License-Identifier: BSD-3-Clause */
/* The actions that sequences are made of. A sequence is printed and read by their names. */
#ifndef CARDRIG_MODEL_ACTION_H
#define CARDRIG_MODEL_ACTION_H

#include "model.h"

struct action {
    const char *name;
    unsigned weight; /* how likely it is */
    /* one of these: */
    bool (*run)(struct model *model);
    bool (*run_with)(struct model *model, unsigned argument);
    bool (*run_user)(struct model *model, unsigned user);
    bool (*run_user_with)(struct model *model, unsigned user, unsigned argument);
    unsigned user; /* 0: A, 1: B */
    unsigned argument;
};

extern const struct action actions[];
extern const unsigned action_count;

/* False: the action is impossible at the moment. */
bool action_run(const struct action *action, struct model *model);

/* The number of an action, or -1. */
int action_find(const char *name, size_t length);

#endif
