/* SPDX-License-Identifier: BSD-3-Clause */
/* The memory of the objects of the library, and of PC/SC. Allocations fail when the seed says so. */
#ifndef CARDRIG_MODEL_FAILURES_H
#define CARDRIG_MODEL_FAILURES_H

#include "scardmanage.h"

#include <stdbool.h>

/* Frees what an earlier run has left. From now on nothing fails. */
void failures_begin(void);
/* Until the next call, one in so many allocations fails, and one in so many calls of PC/SC; 0: none. */
void failures_set_rates(unsigned allocations, unsigned calls_of_pcsc);
/* Returns whether something fails that needs memory. */
bool failures_happen(void);
bool failures_happen_in_pcsc(bool is_likely);
/* Returns how many have happened in this run. */
unsigned failures_count(void);

extern const scardmanage_allocator failures_allocator;
/* Returns how many blocks had a PIN in them when they were released. */
unsigned failures_secrets(void);
/* Returns how many blocks have not been released. */
unsigned failures_blocks(void);

#endif
