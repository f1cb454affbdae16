/* SPDX-License-Identifier: BSD-3-Clause */
/* A clock that never goes back: CLOCK_MONOTONIC, in microseconds and in milliseconds. */
#ifndef CARDRIG_BASE_CLOCK_H
#define CARDRIG_BASE_CLOCK_H

#include <stdint.h>

int64_t clock_us(void);
int64_t clock_ms(void);

#endif
