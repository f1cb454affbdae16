/* SPDX-License-Identifier: BSD-3-Clause */
/* Timers for the event loop: descriptors of timerfd_create(2), to be watched for EPOLLIN. */
#ifndef CARDRIG_RIG_TIMER_H
#define CARDRIG_RIG_TIMER_H

#include <stdbool.h>

/* -1 with errno. */
int timer_new(void);

/* It goes off after ms; 0 stops it. */
void timer_set(int timer, unsigned ms);

/* In its callback: false if it has been set again since it went off. */
bool timer_went_off(int timer);

#endif
