/* SPDX-License-Identifier: BSD-3-Clause */
#include "action.h"

#include <signal.h>
#include <string.h>

/* The ways in which A and B reconnect. */
enum way { PLAINLY, ACCEPTING, WARM, COLD, REOPENING, GENTLY, WITH_T0, WITH_T1, ANY_NUMBER };

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
    options.accept_other_index = way == ANY_NUMBER;
    return options;
}

static bool reconnect(struct model *model, unsigned user, unsigned way)
{
    scardmanage_options options = options_for((enum way)way);
    return user_reconnect(model, user, &options);
}

#define EVENT(name, weight, function)                                                                        \
    {                                                                                                        \
        name, weight, .run = function                                                                        \
    }
#define EVENT_WITH(name, weight, function, value)                                                            \
    {                                                                                                        \
        name, weight, .run_with = function, .argument = value                                                \
    }
#define CLIENT_C(name, weight, function)             EVENT("C " name, weight, function)
#define CLIENT_C_WITH(name, weight, function, value) EVENT_WITH("C " name, weight, function, value)

#define USER(name, weight, function, number)                                                                 \
    {                                                                                                        \
        name, weight, .run_user = function, .user = number                                                   \
    }
#define USER_WITH(name, weight, function, number, value)                                                     \
    {                                                                                                        \
        name, weight, .run_user_with = function, .user = number, .argument = value                           \
    }
/* The same action for A and for B. */
#define USERS(name, weight, function)                                                                        \
    USER("A " name, weight, function, 0), USER("B " name, weight, function, 1)
#define USERS_WITH(name, weight, function, value)                                                            \
    USER_WITH("A " name, weight, function, 0, value), USER_WITH("B " name, weight, function, 1, value)

/* Sequences in files refer to actions by name. A seed chooses them by order and weight, so a change
 * here changes the sequences of all seeds. */
const struct action actions[] = {
    USERS_WITH("reconnects", 200, reconnect, PLAINLY),
    USERS_WITH("reconnects, accepting another card", 40, reconnect, ACCEPTING),
    USERS_WITH("reconnects by a warm reset", 10, reconnect, WARM),
    USERS_WITH("reconnects by a cold reset", 10, reconnect, COLD),
    USERS_WITH("reconnects without touching the card", 10, reconnect, GENTLY),
    USERS_WITH("reconnects with T=0", 8, reconnect, WITH_T0),
    USERS_WITH("reconnects with T=1", 8, reconnect, WITH_T1),
    USERS_WITH("reconnects, accepting another reader number", 10, reconnect, ANY_NUMBER),
    USER_WITH("A reconnects by a new handle", 8, reconnect, 0, REOPENING),
    USERS_WITH("reconnects and waits, the red card is inserted", 10, concurrent_insert, CARD_RED),
    USERS_WITH("reconnects and waits, the blue card is inserted", 6, concurrent_insert, CARD_BLUE),
    USERS("waits and is cancelled", 10, concurrent_cancel),
    USERS("attaches", 40, user_attach),
    USERS("detaches", 8, user_detach),
    USERS("locks", 40, user_lock),
    USERS_WITH("unlocks", 24, user_unlock, SCARDMANAGE_DISPOSITION_LEAVE),
    USERS_WITH("unlocks with a reset", 6, user_unlock, SCARDMANAGE_DISPOSITION_RESET),
    USERS_WITH("unlocks with power off and on", 4, user_unlock, SCARDMANAGE_DISPOSITION_UNPOWER),
    USERS_WITH("unlocks with an ejection", 2, user_unlock, SCARDMANAGE_DISPOSITION_EJECT),
    USERS("asks for the status", 24, user_status),
    USERS("sends a command", 24, user_transmit),
    USERS("waits for a card", 8, user_wait_for_card),

    CLIENT_C_WITH("connects", 25, client_c_connect, SCARD_SHARE_SHARED),
    CLIENT_C_WITH("connects exclusively", 10, client_c_connect, SCARD_SHARE_EXCLUSIVE),
    CLIENT_C_WITH("disconnects", 10, client_c_disconnect, SCARD_LEAVE_CARD),
    CLIENT_C_WITH("disconnects with a reset", 6, client_c_disconnect, SCARD_RESET_CARD),
    CLIENT_C_WITH("disconnects and powers the card off", 6, client_c_disconnect, SCARD_UNPOWER_CARD),
    CLIENT_C_WITH("resets the card", 30, client_c_reset, SCARD_RESET_CARD),
    CLIENT_C_WITH("powers the card off and on", 15, client_c_reset, SCARD_UNPOWER_CARD),
    CLIENT_C("resets the card three times", 8, client_c_reset_three_times),
    CLIENT_C_WITH("resets the card and chooses T=0", 10, client_c_choose_protocol, SCARD_PROTOCOL_T0),
    CLIENT_C_WITH("resets the card and chooses T=1", 10, client_c_choose_protocol, SCARD_PROTOCOL_T1),
    CLIENT_C("begins a transaction", 12, client_c_begin_transaction),
    CLIENT_C_WITH("ends its transaction", 30, client_c_end_transaction, SCARD_LEAVE_CARD),
    CLIENT_C_WITH("ends its transaction with a reset", 10, client_c_end_transaction, SCARD_RESET_CARD),

    EVENT("the card is removed", 30, event_remove_card),
    EVENT_WITH("the red card is inserted", 40, event_insert_card, CARD_RED),
    EVENT_WITH("the twin is inserted", 15, event_insert_card, CARD_TWIN),
    EVENT_WITH("the blue card is inserted", 10, event_insert_card, CARD_BLUE),
    EVENT_WITH("the green card is inserted", 8, event_insert_card, CARD_GREEN),
    EVENT_WITH("the changing card is inserted", 10, event_insert_card, CARD_CHANGING),
    EVENT_WITH("the red card replaces the other", 15, event_swap_card, CARD_RED),
    EVENT_WITH("the twin replaces the other", 8, event_swap_card, CARD_TWIN),
    EVENT_WITH("the blue card replaces the other", 8, event_swap_card, CARD_BLUE),
    EVENT_WITH("the green card replaces the other", 5, event_swap_card, CARD_GREEN),
    EVENT_WITH("the changing card replaces the other", 8, event_swap_card, CARD_CHANGING),

    EVENT("the card becomes unresponsive", 1, event_mute_card),
    EVENT("the card can answer again", 20, event_unmute_card),

    EVENT("the reader is unplugged", 4, event_unplug_reader),
    EVENT("the reader is plugged in", 20, event_plug_reader),
    EVENT("the reader is plugged in after another one", 4, event_plug_both_readers),
    EVENT("the other reader is unplugged", 4, event_unplug_other_reader),

    EVENT("the service is stopped", 5, event_stop_service),
    EVENT("the service continues", 40, event_continue_service),
    EVENT_WITH("the service ends", 2, event_end_service, SIGTERM),
    EVENT_WITH("the service is killed", 2, event_end_service, SIGKILL),
    EVENT("the service starts", 40, event_start_service),
    EVENT_WITH("the service is restarted", 2, event_restart_service, SIGTERM),
    EVENT_WITH("the service is killed and started", 2, event_restart_service, SIGKILL),
    EVENT_WITH("the service ends, and a client starts it", 2, event_end_service_until_used, SIGTERM),
};
const unsigned action_count = sizeof actions / sizeof actions[0];

bool action_run(const struct action *action, struct model *model)
{
    if (action->run)
        return action->run(model);
    if (action->run_with)
        return action->run_with(model, action->argument);
    if (action->run_user)
        return action->run_user(model, action->user);
    return action->run_user_with(model, action->user, action->argument);
}

int action_find(const char *name, size_t length)
{
    for (unsigned i = 0; i < action_count; i++)
        if (strlen(actions[i].name) == length && memcmp(actions[i].name, name, length) == 0)
            return (int)i;
    return -1;
}
