/* SPDX-License-Identifier: BSD-3-Clause */
#include "world.h"

const char *world_situation_name(enum situation situation)
{
    static const char *const names[SITUATIONS] = {
        [DETACHED] = "detached",   [STOPPED] = "service stopped",
        [DOWN] = "service down",   [UNPLUGGED] = "unplugged",
        [DEAD] = "handle dead",    [EMPTY] = "no card",
        [RESERVED] = "reserved",   [BUSY] = "busy",
        [MUTE] = "mute",           [OTHER_CARD] = "other card",
        [RESTARTED] = "restarted", [REPLUGGED] = "replugged",
        [BACK] = "card back",      [FIRST] = "first card",
        [RESET] = "reset",         [WORKING] = "working",
    };
    return names[situation];
}

bool world_handle_is_dead(const struct world *world, const struct attachment *x)
{
    return x->open && (x->incarnation != world->incarnation || x->plugging != world->plugging);
}

bool world_is_busy(const struct world *world, const struct attachment *x)
{
    return world->holder != NOBODY && world->holder != x->party;
}

void world_notice(const struct world *world, struct attachment *x)
{
    bool new_service = world->service == SERVICE_DOWN || x->service != world->incarnation;
    x->told = x->told || world_moved(world, x);
    x->service = world->service == SERVICE_DOWN ? 0 : world->incarnation;
    if (new_service && x->party == PARTY_A)
        x->open = x->held = false;
}

bool world_moved(const struct world *world, const struct attachment *x)
{
    bool there = world->service != SERVICE_DOWN && world->plugged && world->card;
    /* and without a handle, nobody has watched it */
    return x->known && (!there || !x->open || x->insertion != world->insertion ||
                        x->incarnation != world->incarnation || x->plugging != world->plugging);
}

enum difference world_difference(const struct world *world, const struct attachment *x)
{
    if (!world_moved(world, x) || world->atr & x->seen)
        return SAME_CARD;
    return world->atr & x->shown ? PERHAPS_DIFFERENT : DIFFERENT_CARD;
}

enum situation world_situation(const struct world *world, const struct attachment *x)
{
    if (!x->attached)
        return DETACHED;
    if (world->service == SERVICE_STOPPED)
        return STOPPED;
    if (world->service == SERVICE_DOWN)
        return DOWN;
    if (!world->plugged || x->index != world->index)
        return UNPLUGGED;
    if (x->party == PARTY_B && world_handle_is_dead(world, x))
        return DEAD;
    if (!world->card)
        return EMPTY;
    if (world->exclusive != NOBODY && world->exclusive != x->party)
        return RESERVED;
    if (world_is_busy(world, x))
        return BUSY;
    if (world->swallowed)
        return MUTE;
    if (world_difference(world, x) != SAME_CARD)
        return OTHER_CARD;
    if (x->incarnation != world->incarnation)
        return RESTARTED;
    if (x->plugging != world->plugging)
        return REPLUGGED;
    if (world_moved(world, x))
        return BACK;
    if (!x->known)
        return FIRST;
    return x->reset ? RESET : WORKING;
}
