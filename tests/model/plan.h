/* SPDX-License-Identifier: BSD-3-Clause */
/* A run of the model test: what to run, and the processes that do. */
#ifndef CARDRIG_MODEL_PLAN_H
#define CARDRIG_MODEL_PLAN_H

#include "coverage.h"
#include "model.h"

struct model_plan {
    uint64_t steps, seed, length, rigs;
    const char *actions;         /* null for random actions */
    const char *share;           /* the path of the file with struct model_shared */
    bool no_storms, only_storms; /* in memory */
    bool in_rig;                 /* this process runs in a rig */
    bool quiet;
};

/* Shared by all rigs of a run. */
struct model_shared {
    struct coverage coverage;
    _Atomic uint64_t next; /* the number of the next sequence */
};

struct model_shared *plan_map_shared(const char *path);

/* Runs sequences until the plan is fulfilled. Returns false if one has failed, which it prints. */
bool plan_run_sequences(struct model *model, const struct model_plan *plan, struct model_shared *shared);

/*
 * rigs.c, and memory/worker.c
 */

extern const char plan_where[]; /* for the help: where A, B and C are */
uint64_t plan_default_rigs(unsigned processors);
/* In a process of its own: runs sequences in a rig, and ends the process. programs is the folder of the programs,
 * log a file for messages. */
_Noreturn void plan_run_worker(const struct model_plan *plan, const char *programs, const char *log);
/* With --in-rig. Returns the exit status. */
int plan_run_in_rig(const struct model_plan *plan);

#endif
