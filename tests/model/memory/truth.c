/* SPDX-License-Identifier: BSD-3-Clause */
#include "truth.h"

#include "scheduler.h"

#include <string.h>

struct truth truth_now;
struct truth_command truth_last[TRUTH_PARTIES];
struct truth_step truth_last_step[TRUTH_PARTIES];
uint32_t truth_last_protocol[TRUTH_PARTIES];
static bool selected[TRUTH_PARTIES];

const uint8_t truth_select[5] = {0x80, 0x30, 0, 0, 0};
const uint8_t truth_verify[13] = {0x80, 0x20, 0, 0, 8, 'S', 'e', 'C', 'r', 'E', 't', '0', '1'};

void truth_begin(void)
{
    memset(&truth_now, 0, sizeof truth_now);
    memset(truth_last, 0, sizeof truth_last);
    memset(truth_last_protocol, 0, sizeof truth_last_protocol);
    memset(selected, 0, sizeof selected);
}

enum party truth_actor(void)
{
    return (enum party)fiber_owner();
}

void truth_set_actor(enum party party)
{
    fiber_set_owner((unsigned)party);
}

void truth_session_ends(const struct slot *slot)
{
    if (slot != &card_slots[0])
        return;
    truth_now.session++;
    memset(selected, 0, sizeof selected);
}

void truth_reset(const struct slot *slot)
{
    truth_session_ends(slot);
    truth_now.resets[truth_actor()] += slot == &card_slots[0];
}

void truth_command(const struct slot *slot)
{
    enum party party = truth_actor();
    truth_now.commands[party]++;
    truth_last[party] = (struct truth_command){.card = slot->events,
                                               .session = truth_now.session,
                                               .kind = (unsigned)(slot->card - cards_kinds),
                                               .is_selected = selected[party]};
    if (slot->last_instruction == truth_select[1])
        selected[party] = true;
}

void truth_notice(const struct slot *slot)
{
    if (slot != &card_slots[0])
        return;
    truth_now.noticed_events = slot->shown;
    truth_now.noticed_us = scheduler_now_us();
}

void truth_service(void)
{
    truth_now.services++;
    truth_now.noticed_us = scheduler_now_us();
}

void truth_plug(void)
{
    truth_now.plugs++;
    truth_now.plugs_us = truth_now.noticed_us = scheduler_now_us();
}

void truth_exclusive(void)
{
    truth_now.exclusives++;
    truth_now.exclusives_us = scheduler_now_us();
}

void truth_step(scardmanage_step step, uint64_t begun_us, bool succeeded)
{
    truth_now.failed_steps[truth_actor()] += !succeeded;
    truth_last_step[truth_actor()] = (struct truth_step){step, begun_us, succeeded};
}
