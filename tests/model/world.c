/* SPDX-License-Identifier: BSD-3-Clause */
#include "world.h"

const char *world_situation_name(enum situation situation)
{
    static const char *const names[SITUATIONS] = {
        [DETACHED] = "detached",
        [STOPPED] = "service stopped",
        [DOWN] = "service down",
        [UNPLUGGED] = "unplugged",
        [DEAD] = "handle dead",
        [EMPTY] = "no card",
        [RESERVED] = "used exclusively",
        [BUSY] = "locked by others",
        [UNRESPONSIVE] = "unresponsive",
        [OTHER_CARD] = "other card",
        [RESTARTED] = "restarted",
        [REPLUGGED] = "replugged",
        [REINSERTED] = "card reinserted",
        [FIRST] = "first card",
        [RESET] = "reset",
        [WORKING] = "working",
    };
    return names[situation];
}

bool world_handle_is_dead(const struct world *world, const struct user *user)
{
    return user->has_handle &&
           (user->handle_incarnation != world->incarnation || user->handle_plugging != world->plugging);
}

bool world_is_busy(const struct world *world, const struct user *user)
{
    return world->holder != NOBODY && world->holder != user->party;
}

void world_notice_losses(const struct world *world, struct user *user)
{
    bool new_service = world->service == SERVICE_DOWN || user->context_incarnation != world->incarnation;
    user->removal_noticed = user->removal_noticed || world_was_removed(world, user);
    user->context_incarnation = world->service == SERVICE_DOWN ? 0 : world->incarnation;
    if (new_service && user->party == PARTY_A)
        user->has_handle = user->in_transaction = false;
}

bool world_was_removed(const struct world *world, const struct user *user)
{
    bool there = world->service != SERVICE_DOWN && world->plugged && world->card;
    /* without a handle, the library has not observed whether the card was removed */
    return user->has_seen_card &&
           (!there || !user->has_handle || user->card_insertion != world->insertion ||
            user->handle_incarnation != world->incarnation || user->handle_plugging != world->plugging);
}

enum difference world_difference(const struct world *world, const struct user *user)
{
    if (!world_was_removed(world, user))
        return SAME_CARD;
    if (user->may_accept_late)
        return PERHAPS_DIFFERENT;
    if (world->atr & user->atrs_seen)
        return SAME_CARD;
    return world->atr & user->atrs_shown ? PERHAPS_DIFFERENT : DIFFERENT_CARD;
}

enum situation world_situation(const struct world *world, const struct user *user)
{
    if (!user->attached)
        return DETACHED;
    if (world->service == SERVICE_STOPPED)
        return STOPPED;
    if (world->service == SERVICE_DOWN)
        return DOWN;
    if (!world->plugged || user->index != world->index)
        return UNPLUGGED;
    if (user->party == PARTY_B && world_handle_is_dead(world, user))
        return DEAD;
    if (!world->card)
        return EMPTY;
    if (world->exclusive != NOBODY && world->exclusive != user->party)
        return RESERVED;
    if (world_is_busy(world, user))
        return BUSY;
    if (world->swallowed)
        return UNRESPONSIVE;
    if (world_difference(world, user) != SAME_CARD)
        return OTHER_CARD;
    if (user->handle_incarnation != world->incarnation)
        return RESTARTED;
    if (user->handle_plugging != world->plugging)
        return REPLUGGED;
    if (world_was_removed(world, user))
        return REINSERTED;
    if (!user->has_seen_card)
        return FIRST;
    return user->was_reset ? RESET : WORKING;
}
