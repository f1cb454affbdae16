/* SPDX-License-Identifier: BSD-3-Clause */
#include "plan.h"

#include "sequence.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct model_shared *plan_map_shared(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, sizeof(struct model_shared)) < 0) {
        perror(path);
        exit(1);
    }
    struct model_shared *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (shared == MAP_FAILED) {
        perror(path);
        exit(1);
    }
    return shared;
}

static void print_failure(struct model *model, struct sequence *sequence, const struct model_plan *plan,
                          uint64_t seed)
{
    struct sequence whole = *sequence;
    printf("model: FAILED: %s\n", model->failure);
    if (!plan->actions)
        printf("model: --seed %" PRIu64 " --length %" PRIu64 " --steps 1%s repeats it: %u actions\n", seed,
               plan->length, plan->only_storms ? " --storms" : "", sequence->count);
    fflush(stdout);
    if (sequence->storm > 0) {
        sequence_run(model, sequence, stdout);
        return;
    }
    if (!sequence_shrink(model, sequence)) {
        printf("model: it does not fail each time; the actions were\n");
        *sequence = whole;
    } else {
        printf("model: these are enough (give them to --actions):\n");
    }
    sequence_print(sequence, stdout);
    printf("model: %s\n", model->failure[0] ? model->failure : "which succeeds");
    fflush(stdout);
}

static bool run_one(struct model *model, struct sequence *sequence, const struct model_plan *plan,
                    uint64_t seed)
{
    if (sequence_run(model, sequence, plan->actions && !plan->quiet ? stdout : NULL))
        return true;
    if (model->coverage->failures++ == 0 || plan->actions)
        print_failure(model, sequence, plan, seed);
    return false;
}

static bool run_given(struct model *model, const struct model_plan *plan)
{
    struct sequence sequence;
    char error[256];
    sequence.seed = plan->seed;
    sequence.storm = 0;
    if (sequence_read(&sequence, plan->actions, error, sizeof error))
        return run_one(model, &sequence, plan, plan->seed);
    printf("model: %s\n", error);
    return false;
}

static bool run_random(struct model *model, const struct model_plan *plan, struct model_shared *shared)
{
    while (shared->coverage.steps < plan->steps && shared->coverage.failures == 0) {
        uint64_t seed = plan->seed + shared->next++;
        struct sequence sequence;
        sequence_make(&sequence, seed, (unsigned)plan->length);
        if (rig_is_new_for_each_run() && !plan->no_storms && (seed % 2 == 1 || plan->only_storms)) {
            sequence.storm = sequence.count;
            sequence.count = 0;
        }
        if (!run_one(model, &sequence, plan, seed))
            return false;
    }
    return true;
}

bool plan_run_sequences(struct model *model, const struct model_plan *plan, struct model_shared *shared)
{
    return plan->actions ? run_given(model, plan) : run_random(model, plan, shared);
}
