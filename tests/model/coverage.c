/* SPDX-License-Identifier: BSD-3-Clause */
#include "coverage.h"

#include <inttypes.h>
#include <string.h>

static unsigned code_number(struct coverage *coverage, scardmanage_result result)
{
    for (unsigned i = 1; i < COVERAGE_CODES - 1; i++) {
        int32_t none = 0;
        if (result == SCARDMANAGE_S_OK)
            return 0;
        if (coverage->code[i] == result ||
            atomic_compare_exchange_strong(&coverage->code[i], &none, result) || none == result)
            return i;
    }
    return COVERAGE_CODES - 1;
}

void coverage_result(struct coverage *coverage, enum coverage_call call, enum situation situation,
                     scardmanage_result result)
{
    coverage->result[call][situation][code_number(coverage, result)]++;
}

static void print_states(struct coverage *coverage, FILE *to)
{
    fprintf(to, "\nState                  by reader  with lock  by handle  with lock\n");
    for (int i = 0; i < SITUATIONS; i++)
        fprintf(to, "  %-20s %9" PRIu64 "  %9" PRIu64 "  %9" PRIu64 "  %9" PRIu64 "\n",
                world_situation_name((enum situation)i), coverage->state[0][i][0], coverage->state[0][i][1],
                coverage->state[1][i][0], coverage->state[1][i][1]);
}

static void print_transitions(struct coverage *coverage, FILE *to)
{
    unsigned covered = 0;
    fprintf(to, "\nTransitions, from the state on the left to the one with that number\n%21s", "");
    for (int j = 0; j < SITUATIONS; j++)
        fprintf(to, " %5d", j);
    for (int i = 0; i < SITUATIONS; i++) {
        fprintf(to, "\n  %2d %-16s", i, world_situation_name((enum situation)i));
        for (int j = 0; j < SITUATIONS; j++) {
            covered += coverage->transition[i][j] > 0;
            if (coverage->transition[i][j] > 0)
                fprintf(to, " %5" PRIu64, coverage->transition[i][j]);
            else
                fprintf(to, " %5s", ".");
        }
    }
    fprintf(to, "\n  %u different ones\n", covered);
}

static void print_results(struct coverage *coverage, FILE *to)
{
    static const char *const calls[CALLS] = {"reconnect", "lock", "unlock", "transmit",
                                             "status",    "wait", "attach", "detach"};
    fprintf(to, "\nWhat the calls said\n");
    for (int call = 0; call < CALLS; call++)
        for (int i = 0; i < SITUATIONS; i++) {
            bool first = true;
            for (int code = 0; code < COVERAGE_CODES; code++) {
                if (coverage->result[call][i][code] == 0)
                    continue;
                if (first)
                    fprintf(to, "  %-10s %-16s", calls[call], world_situation_name((enum situation)i));
                fprintf(to, "%s %" PRIu64 " %s", first ? "" : ",", coverage->result[call][i][code],
                        code == 0 ? "ok" : scardmanage_strerror(coverage->code[code]));
                first = false;
            }
            if (!first)
                fputc('\n', to);
        }
}

static void print_words(FILE *to, const char *title, const _Atomic uint64_t *counts,
                        const char *(*name)(unsigned))
{
    fprintf(to, "%s", title);
    for (unsigned i = 0; i < 8; i++)
        if (counts[i] > 0)
            fprintf(to, "%s %s %" PRIu64, i > 0 ? "," : "", name(i), counts[i]);
    fputc('\n', to);
}

static const char *verdict_name(unsigned number)
{
    return scardmanage_verdict_name((scardmanage_verdict)number);
}

static const char *step_name(unsigned number)
{
    return scardmanage_step_name((scardmanage_step)number);
}

static const char *lock_name(unsigned number)
{
    return scardmanage_lock_name((scardmanage_lock_state)number);
}

void coverage_print(struct coverage *coverage, FILE *to, const char *const *action_names,
                    unsigned action_count)
{
    print_states(coverage, to);
    print_transitions(coverage, to);
    print_results(coverage, to);
    fputc('\n', to);
    print_words(to, "Verdicts:", coverage->verdict, verdict_name);
    print_words(to, "Steps:   ", coverage->step, step_name);
    print_words(to, "Locks:   ", coverage->lock, lock_name);
    fprintf(to, "\nAction                                          done  impossible\n");
    for (unsigned i = 0; i < action_count; i++)
        fprintf(to, "  %-42s %8" PRIu64 "  %10" PRIu64 "\n", action_names[i], coverage->done[i],
                coverage->impossible[i]);
}
