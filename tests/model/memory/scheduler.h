/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fibers on a virtual clock, in place of threads and real time. One fiber runs at a time. At each point where
 * another one could run, a random number from the seed chooses which one does. Time only passes while all
 * fibers wait, and a little at those points. So a seed always gives the same run.
 */
#ifndef CARDRIG_MODEL_SCHEDULER_H
#define CARDRIG_MODEL_SCHEDULER_H

#include <stdbool.h>
#include <stdint.h>

#define FIBER_FOREVER UINT64_MAX

typedef void fiber_function(void *argument);
typedef unsigned fiber_id; /* 0: none. An id is never used again */

/* Runs the function in a first fiber until it returns, and then discards all other fibers. Returns null, or the
 * reason why the run ended early: all fibers wait for each other, or the run does not end. */
const char *scheduler_run(uint64_t seed, fiber_function *run, void *argument);

/* Returns a number from 0 to below - 1. */
unsigned scheduler_random(unsigned below);
/* Returns whether an event of this probability happens: once in so many times. */
bool scheduler_once_in(unsigned times);
uint64_t scheduler_now_us(void);

/* Returns 0 if there are too many fibers. name is a literal. */
fiber_id fiber_start(const char *name, fiber_function *run, void *argument);
fiber_id fiber_self(void);
bool fiber_has_ended(fiber_id id);
/* Discards another fiber, wherever it is. */
void fiber_discard(fiber_id id);
/* Returns how many fibers with this name have not ended. */
unsigned fiber_count(const char *name);
unsigned fiber_count_of_owner(unsigned owner);

/* A number that a fiber hands on to the fibers that it starts; 0 at first. */
void fiber_set_owner(unsigned owner);
unsigned fiber_owner(void);

/* A pointer of the fiber itself; null at first. */
void fiber_set_local(void *local);
void *fiber_local(void);

/* Another fiber may run here. */
void fiber_point(void);
/* Waits for fiber_wake() with the same address. Returns false if until_us comes first. */
bool fiber_wait(const void *on, uint64_t until_us);
void fiber_wake(const void *on);
void fiber_sleep(uint64_t us);
void fiber_join(fiber_id id);

#endif
