/* SPDX-License-Identifier: BSD-3-Clause */
#include "icc/selection.h"

#include <string.h>

#define INS_SELECT 0xA4
#define BY_AID     0x04 /* P1 */

enum { FIRST_OCCURRENCE, LAST_OCCURRENCE, NEXT_OCCURRENCE, PREVIOUS_OCCURRENCE }; /* bits 1 and 2 of P2 */

static const struct script_application *default_application(const struct script *script)
{
    for (size_t i = 0; i < script->application_count; i++)
        if (script->applications[i].is_default)
            return &script->applications[i];
    return NULL;
}

void selection_reset(struct selection *selection, const struct script *script)
{
    memset(selection, 0, sizeof *selection);
    selection->is_open[0] = true;
    selection->selected[0] = default_application(script);
}

/*
 * The class: X00C SSNN has a channel from 0 to 3, and X1SC NNNN one from 4 to 19. X is 1 in proprietary classes, S stands
 * for secure messaging, C for chaining, and N for the channel. FF is not a class.
 */

static bool is_further(uint8_t cla)
{
    return cla & 0x40;
}

unsigned selection_channel(uint8_t cla)
{
    return is_further(cla) ? 4u + (cla & 0x0F) : cla & 0x03;
}

bool selection_is_secure(uint8_t cla)
{
    return is_further(cla) ? cla & 0x20 : cla & 0x0C;
}

uint8_t selection_basic_class(uint8_t cla)
{
    if (!is_further(cla))
        return cla & 0xFC;
    return (uint8_t)((cla & 0x90) | (cla & 0x20 ? 0x0C : 0));
}

bool selection_is_by_aid(const struct apdu_command *command)
{
    return (command->cla & 0x80) == 0 && command->ins == INS_SELECT && command->p1 == BY_AID;
}

const struct script_application *selection_find(const struct script *script,
                                                const struct script_application *current,
                                                const struct apdu_command *command)
{
    const struct script_application *found = NULL;
    unsigned occurrence = command->p2 & 3;
    if (command->nc == 0 && occurrence == FIRST_OCCURRENCE && default_application(script))
        return default_application(script);
    for (size_t i = 0; i < script->application_count; i++) {
        const struct script_application *one = &script->applications[i];
        bool matches = command->nc <= one->aid_length &&
                       (command->nc == 0 || memcmp(one->aid, command->data, command->nc) == 0);
        if (!matches || (occurrence == NEXT_OCCURRENCE && current && one <= current) ||
            (occurrence == PREVIOUS_OCCURRENCE && current && one >= current))
            continue;
        found = one;
        if (occurrence == FIRST_OCCURRENCE || occurrence == NEXT_OCCURRENCE)
            break;
    }
    return found;
}

static uint16_t open_channel(struct selection *selection, const struct script *script, unsigned from,
                             unsigned wanted, int *opened)
{
    unsigned channel = wanted > 0 ? wanted : 1;
    while (wanted == 0 && channel <= script->channels && selection->is_open[channel])
        channel++;
    if (channel > script->channels || selection->is_open[channel])
        return 0x6A81;
    selection->is_open[channel] = true;
    selection->selected[channel] = from == 0 ? default_application(script) : selection->selected[from];
    *opened = wanted > 0 ? -1 : (int)channel;
    return 0x9000;
}

uint16_t selection_manage_channel(struct selection *selection, const struct script *script,
                                  const struct apdu_command *command, int *opened)
{
    unsigned channel = command->p2;
    *opened = -1;
    if (command->p1 == 0x00 && channel <= SCRIPT_CHANNELS_MAX)
        return open_channel(selection, script, selection_channel(command->cla), channel, opened);
    if (command->p1 != 0x80 || channel == 0 || channel > script->channels)
        return 0x6A86;
    if (!selection->is_open[channel])
        return 0x6200; /* it was closed before */
    selection->is_open[channel] = false;
    selection->selected[channel] = NULL;
    return 0x9000;
}
