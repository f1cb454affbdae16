/* SPDX-License-Identifier: BSD-3-Clause */
#include "action.h"

#include <signal.h>
#include <string.h>

/* How A and B reconnect. */
enum way { PLAINLY, ACCEPTING, WARM, COLD, REOPENING, GENTLY, WITH_T0, WITH_T1, ANYWHERE };

static scardmanage_options options_for(enum way way)
{
    scardmanage_options options = SCARDMANAGE_OPTIONS_INIT;
    options.accept_other_card = way == ACCEPTING;
    if (way == WARM)
        options.first_step = SCARDMANAGE_STEP_WARM;
    if (way == COLD)
        options.first_step = SCARDMANAGE_STEP_COLD;
    if (way == REOPENING)
        options.first_step = SCARDMANAGE_STEP_REOPEN;
    if (way == GENTLY)
        options.last_step = SCARDMANAGE_STEP_LEAVE;
    if (way == WITH_T0)
        options.protocols = SCARDMANAGE_PROTOCOL_T0;
    if (way == WITH_T1)
        options.protocols = SCARDMANAGE_PROTOCOL_T1;
    options.accept_other_index = way == ANYWHERE;
    return options;
}

static bool reconnect(struct model *model, unsigned argument)
{
    scardmanage_options options = options_for((enum way)(argument / 2));
    return user_reconnect(model, argument % 2, &options);
}

static bool unlock(struct model *model, unsigned argument)
{
    return user_unlock(model, argument % 2, (scardmanage_disposition)(argument / 2));
}

#define BOTH(name, weight, run, argument)                                                                    \
    {"A " name, weight, run, 2 * (argument)},                                                                \
    {                                                                                                        \
        "B " name, weight, run, 2 * (argument) + 1                                                           \
    }

const struct action actions[] = {
    BOTH("reconnects", 200, reconnect, PLAINLY),
    BOTH("reconnects, accepting another card", 40, reconnect, ACCEPTING),
    BOTH("reconnects by a warm reset", 10, reconnect, WARM),
    BOTH("reconnects by a cold reset", 10, reconnect, COLD),
    BOTH("reconnects without touching the card", 10, reconnect, GENTLY),
    BOTH("reconnects with T=0", 8, reconnect, WITH_T0),
    BOTH("reconnects with T=1", 8, reconnect, WITH_T1),
    BOTH("reconnects, whatever the reader's number", 10, reconnect, ANYWHERE),
    {"A reconnects by a new handle", 8, reconnect, 2 * REOPENING},
    BOTH("waits to reconnect, the red card is put in", 10, together_insert, CARD_RED),
    BOTH("waits to reconnect, the blue card is put in", 6, together_insert, CARD_BLUE),
    BOTH("is cancelled", 10, together_cancel, 0),
    BOTH("attaches", 40, user_attach, 0),
    BOTH("detaches", 8, user_detach, 0),
    BOTH("locks", 40, user_lock, 0),
    BOTH("unlocks", 24, unlock, SCARDMANAGE_LEAVE),
    BOTH("unlocks with a reset", 6, unlock, SCARDMANAGE_RESET),
    BOTH("unlocks with the power off and on", 4, unlock, SCARDMANAGE_UNPOWER),
    BOTH("unlocks with an ejection", 2, unlock, SCARDMANAGE_EJECT),
    BOTH("asks for the status", 24, user_status, 0),
    BOTH("sends a command", 24, user_transmit, 0),
    BOTH("waits for a card", 8, user_wait, 0),

    {"C connects", 25, other_connect, SCARD_SHARE_SHARED},
    {"C takes the reader for itself", 10, other_connect, SCARD_SHARE_EXCLUSIVE},
    {"C disconnects", 10, other_disconnect, SCARD_LEAVE_CARD},
    {"C disconnects with a reset", 6, other_disconnect, SCARD_RESET_CARD},
    {"C disconnects and takes the power away", 6, other_disconnect, SCARD_UNPOWER_CARD},
    {"C resets the card", 30, other_reset, SCARD_RESET_CARD},
    {"C switches the card off and on", 15, other_reset, SCARD_UNPOWER_CARD},
    {"C resets the card three times", 8, other_reset_often, 0},
    {"C chooses T=0", 10, other_choose, SCARD_PROTOCOL_T0},
    {"C chooses T=1", 10, other_choose, SCARD_PROTOCOL_T1},
    {"C begins a transaction", 12, other_begin, 0},
    {"C ends its transaction", 30, other_end, SCARD_LEAVE_CARD},
    {"C ends its transaction with a reset", 10, other_end, SCARD_RESET_CARD},

    {"the card is taken out", 30, thing_remove, 0},
    {"the red card is put in", 40, thing_insert, CARD_RED},
    {"the twin is put in", 15, thing_insert, CARD_TWIN},
    {"the blue card is put in", 10, thing_insert, CARD_BLUE},
    {"the green card is put in", 8, thing_insert, CARD_GREEN},
    {"the changing card is put in", 10, thing_insert, CARD_CHANGING},
    {"the red card takes the other's place", 15, thing_swap, CARD_RED},
    {"the twin takes the other's place", 8, thing_swap, CARD_TWIN},
    {"the blue card takes the other's place", 8, thing_swap, CARD_BLUE},
    {"the green card takes the other's place", 5, thing_swap, CARD_GREEN},
    {"the changing card takes the other's place", 8, thing_swap, CARD_CHANGING},

    {"the card falls silent", 1, thing_silence, 0},
    {"the card will answer again", 20, thing_wake, 0},

    {"the reader is unplugged", 4, thing_unplug, 0},
    {"the reader is plugged in", 20, thing_plug, 0},
    {"the reader is plugged in after another one", 4, thing_plug, 1},
    {"the other reader is unplugged", 4, thing_unplug_other, 0},

    {"the service is stopped", 5, thing_stop, 0},
    {"the service goes on", 40, thing_continue, 0},
    {"the service ends", 2, thing_down, SIGTERM},
    {"the service is killed", 2, thing_down, SIGKILL},
    {"the service starts", 40, thing_up, 0},
    {"the service is restarted", 2, thing_restart, SIGTERM},
    {"the service is killed and started", 2, thing_restart, SIGKILL},
    {"the service ends, and is activated again", 2, thing_activate, SIGTERM},
};
const unsigned action_count = sizeof actions / sizeof actions[0];

int action_find(const char *name, size_t length)
{
    for (unsigned i = 0; i < action_count; i++)
        if (strlen(actions[i].name) == length && memcmp(actions[i].name, name, length) == 0)
            return (int)i;
    return -1;
}
