/* SPDX-License-Identifier: BSD-3-Clause */
/* In memory: each process runs sequences, each in a rig of its own. */
#include "plan.h"
#include "process.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

const char plan_where[] = "a PC/SC stack in memory, on a virtual clock, in which\n"
                          "the seed chooses all that happens";

uint64_t plan_default_rigs(unsigned processors)
{
    return processors;
}

_Noreturn void plan_run_worker(const struct model_plan *plan, const char *programs, const char *log)
{
    (void)programs;
    (void)log;
    static struct model model;
    struct model_shared *shared = plan_map_shared(plan->share);
    model.coverage = &shared->coverage;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    bool ok = plan_run_sequences(&model, plan, shared);
    fflush(stdout);
    exit(ok ? 0 : 1);
}

int plan_run_in_rig(const struct model_plan *plan)
{
    (void)plan;
    return 2;
}
