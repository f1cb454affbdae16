/* SPDX-License-Identifier: BSD-3-Clause */
/* Timers for the event loop: descriptors of timerfd_create(2), which the loop watches for EPOLLIN. */
#ifndef CARDRIG_RIG_TIMER_H
#define CARDRIG_RIG_TIMER_H

#include <stdbool.h>

/* Returns -1 with errno on failure. */
int timer_new(void);

/* Makes the timer expire after ms milliseconds; 0 stops it. */
void timer_set(int timer, unsigned ms);

/* For the timer's callback: returns false if the timer has been set again since it expired. */
bool timer_went_off(int timer);

#endif
