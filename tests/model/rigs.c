/* SPDX-License-Identifier: BSD-3-Clause */
/* On the real stack: starts the program again in a rig. */
#include "board.h"
#include "plan.h"
#include "sequence.h"

#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

const char plan_where[] = "a rig in which cards, the reader and pcscd come and go";

/* Rigs mostly wait. */
uint64_t plan_default_rigs(unsigned processors)
{
    return 6 * (uint64_t)processors;
}

/* If a wrong lock blocks a PC/SC call of C forever, only killing pcscd ends the call. */
static void *run_watchdog(void *argument)
{
    struct model *model = argument;
    for (;;) {
        board_sleep(200);
        int64_t begun = model->action_begun;
        if (begun == 0)
            return NULL;
        if (board_now() - begun > 3 * CALL_MS && !model->hung) {
            model->hung = true;
            kill(model->rig.pcscd, SIGKILL);
        }
    }
}

int plan_run_in_rig(const struct model_plan *plan)
{
    static struct model model; /* static, as the watchdog also reads it */
    struct model_shared *shared = plan_map_shared(plan->share);
    struct sequence nothing = {0};
    pthread_t watchdog;
    model.coverage = &shared->coverage;
    model.action_begun = board_now();
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", plan->share);
    if (!model_open(&model, dirname(folder)) || pthread_create(&watchdog, NULL, run_watchdog, &model) != 0) {
        printf("model: %s\n", model.failure);
        return 1;
    }
    bool ok = sequence_run(&model, &nothing, NULL);
    if (!ok)
        printf("model: %s\n", model.failure);
    model_set_idle(&model);
    ok = ok && plan_run_sequences(&model, plan, shared);
    model_recover(&model);
    model.action_begun = 0;
    pthread_join(watchdog, NULL);
    model_close(&model);
    return ok ? 0 : 1;
}

/* B's handle may be closed while an abandoned call still uses it. libpcsclite then reads the name
 * of the reader from freed memory. */
__attribute__((visibility("default"))) const char *__asan_default_suppressions(void);
const char *__asan_default_suppressions(void)
{
    return "interceptor_via_lib:libpcsclite.so\n";
}

_Noreturn void plan_run_worker(const struct model_plan *plan, const char *folder, const char *log)
{
    char cardrig[PATH_MAX], pcscd[PATH_MAX], self[PATH_MAX], steps[24], seed[24], length[24];
    snprintf(cardrig, sizeof cardrig, "%s/cardrig", folder);
    snprintf(pcscd, sizeof pcscd, "%s/model_pcscd", folder);
    snprintf(self, sizeof self, "%s/model", folder);
    snprintf(steps, sizeof steps, "%" PRIu64, plan->steps);
    snprintf(seed, sizeof seed, "%" PRIu64, plan->seed);
    snprintf(length, sizeof length, "%" PRIu64, plan->length);
    const char *arguments[] = {cardrig,       "run",
                               "--pcscd",     pcscd,
                               "--reader",    RIG_KEY ",usb",
                               "--reader",    RIG_OTHER ",usb",
                               "--empty",     "--",
                               self,          "--in-rig",
                               plan->share,   "--steps",
                               steps,         "--seed",
                               seed,          "--length",
                               length,        plan->actions ? "--actions" : NULL,
                               plan->actions, plan->quiet ? "--quiet" : NULL,
                               NULL};
    /* stderr gets a line each time that a card does not answer */
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (fd >= 0)
        dup2(fd, STDERR_FILENO);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    execv(cardrig, (char *const *)(uintptr_t)arguments);
    perror(cardrig);
    _exit(1);
}
