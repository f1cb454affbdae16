/* SPDX-License-Identifier: BSD-3-Clause */
#include "sequence.h"

#include "board.h"
#include "random64.h"
#include "wall_clock.h"

#include <string.h>

#define TRIES_MAX       300
#define SHRINK_MS       60000 /* time limit, so a slow failure does not become as short as possible */
#define REPRODUCE_TRIES 5     /* attempts to reproduce a failure, which may depend on timing */

static unsigned choose(uint64_t *state)
{
    unsigned total = 0, i = 0;
    for (unsigned j = 0; j < action_count; j++)
        total += actions[j].weight;
    for (unsigned at = (unsigned)(random64(state) % total); at >= actions[i].weight; i++)
        at -= actions[i].weight;
    return i;
}

void sequence_make(struct sequence *sequence, uint64_t seed, unsigned count)
{
    sequence->count = count;
    sequence->seed = seed;
    sequence->storm = 0;
    for (unsigned i = 0; i < count; i++)
        sequence->action[i] = (uint8_t)choose(&seed);
}

bool sequence_read(struct sequence *sequence, const char *text, char *error, size_t error_size)
{
    sequence->count = 0;
    while (*text) {
        size_t length = strcspn(text, "#\n;"), line = text[length] == '#' ? strcspn(text, "\n") : length;
        const char *next = text + line + (text[line] != '\0');
        for (; length > 0 && *text == ' '; text++)
            length--;
        while (length > 0 && text[length - 1] == ' ')
            length--;
        int action = length > 0 ? action_find(text, length) : 0;
        if (action < 0 || sequence->count == SEQUENCE_MAX) {
            snprintf(error, error_size, "'%.*s': %s", (int)length, text,
                     action < 0 ? "there is no such action" : "too many actions");
            return false;
        }
        if (length > 0)
            sequence->action[sequence->count++] = (uint8_t)action;
        text = next;
    }
    return true;
}

void sequence_print(const struct sequence *sequence, FILE *to)
{
    for (unsigned i = 0; i < sequence->count; i++)
        fprintf(to, "    %s\n", actions[sequence->action[i]].name);
}

/*
 * Running
 */

static void count_state(struct model *model, const enum situation before[MODEL_USERS])
{
    for (unsigned i = 0; i < MODEL_USERS; i++) {
        const struct user *user = &model->user[i];
        enum situation now = world_situation(&model->world, user);
        model->coverage->state[i][now][user->lock_count > 0]++;
        model->coverage->transition[before[i]][now]++;
    }
}

static void run_action(struct model *model, unsigned number, FILE *log)
{
    enum situation before[MODEL_USERS];
    for (unsigned i = 0; i < MODEL_USERS; i++)
        before[i] = world_situation(&model->world, &model->user[i]);
    model->action_name = actions[number].name;
    model->action_begun = board_now();
    bool done = action_run(&actions[number], model);
    if (!model->failure[0])
        model_check_after_action(model);
    if (model->hung)
        model_check(model, false, "a call of C does not return");
    if (log) {
        fprintf(log, "%s %s\n        card: %s%s, %s\n", done ? "   " : "  -", actions[number].name,
                model->world.card ? model->world.card->name : "none", model->world.powered ? ", powered" : "",
                scardmanage_protocol_name(model->world.protocol));
        for (unsigned i = 0; i < MODEL_USERS; i++) {
            const struct user *user = &model->user[i];
            fprintf(log, "        %c: %s, %u locks%s%s\n", i == 0 ? 'A' : 'B',
                    world_situation_name(world_situation(&model->world, user)), user->lock_count,
                    user->in_transaction ? ", in a transaction" : "",
                    user->call_running ? ", its call still runs" : "");
        }
    }
    (done ? model->coverage->done : model->coverage->impossible)[number]++;
    model->coverage->steps++;
    count_state(model, before);
}

struct run {
    struct model *model;
    const struct sequence *sequence;
    FILE *log;
    unsigned done; /* actions */
};

static void check_for_leaks(struct model *model)
{
    struct process now = model->idle;
    if (model->idle.pid == 0)
        return;
    model->action_name = "after the end";
    model_check(model, model_wait_until_idle(model, &now), "%u descriptors and %u threads, %u and %u before",
                now.descriptors, now.threads, model->idle.descriptors, model->idle.threads);
    if (rig_is_new_for_each_run()) /* the only rig that knows the blocks of the objects */
        model_check(model, now.memory_kib == model->idle.memory_kib, "%ld blocks of memory were not released",
                    now.memory_kib - model->idle.memory_kib);
}

static void run_actions(void *argument)
{
    struct run *run = argument;
    struct model *model = run->model;
    if (rig_is_new_for_each_run() && !model_open(model, ""))
        return;
    if (run->sequence->storm > 0) {
        rig_run_storm(model, run->sequence->storm, run->log);
        model->coverage->steps += run->sequence->storm; /* of A; B's come on top */
        return;
    }
    bool begun = model_begin(model);
    while (begun && run->done < run->sequence->count && !model->failure[0] && !model->pcscd_died)
        run_action(model, run->sequence->action[run->done++], run->log);
    if (!model->failure[0])
        model_end(model);
    if (!model->failure[0] && !model->pcscd_died)
        check_for_leaks(model);
    if (rig_is_new_for_each_run())
        model_close(model);
}

bool sequence_run(struct model *model, struct sequence *sequence, FILE *log)
{
    struct run run = {.model = model, .sequence = sequence, .log = log};
    model->failure[0] = '\0';
    const char *reason = rig_run(sequence->seed, run_actions, &run);
    model_check(model, !reason, "%s", reason ? reason : "");
    model->coverage->sequences++;
    if (model->pcscd_died) {
        model_recover(model);
        return true;
    }
    if (!model->failure[0])
        return true;
    sequence->count = run.done; /* the actions after the failure do not matter */
    return false;
}

/*
 * Shrinking
 */

/* Runs a copy of the sequence with a new pcscd. */
static bool fails_again(struct model *model, const struct sequence *sequence)
{
    struct sequence copy = *sequence;
    return (rig_is_new_for_each_run() || model_recover(model)) && !sequence_run(model, &copy, NULL);
}

static struct sequence without(const struct sequence *sequence, unsigned at, unsigned count)
{
    struct sequence shorter = *sequence;
    memmove(shorter.action + at, shorter.action + at + count, shorter.count - at - count);
    shorter.count -= count;
    return shorter;
}

bool sequence_shrink(struct model *model, struct sequence *sequence)
{
    char failure[sizeof model->failure];
    unsigned tries = 0;
    int64_t end = wall_clock_ms() + SHRINK_MS;
    bool again = false;
    for (unsigned i = 0; i < REPRODUCE_TRIES && !again; i++)
        again = fails_again(model, sequence);
    if (!again)
        return false;
    memcpy(failure, model->failure, sizeof failure);
    for (unsigned size = sequence->count / 2; size > 0; size /= 2)
        for (unsigned at = 0; at + size <= sequence->count && tries < TRIES_MAX && wall_clock_ms() < end;
             tries++) {
            struct sequence shorter = without(sequence, at, size);
            if (fails_again(model, &shorter)) {
                *sequence = shorter;
                memcpy(failure, model->failure, sizeof failure);
            } else {
                at += size;
            }
        }
    memcpy(model->failure, failure, sizeof failure);
    return true;
}
