/* SPDX-License-Identifier: BSD-3-Clause */
/* In what the versions of pcsc-lite differ, for the clients that the model has. */
#ifndef CARDRIG_MODEL_VERSION_H
#define CARDRIG_MODEL_VERSION_H

#include <stdbool.h>

struct version {
    const char *name;
    /* SCardGetStatusChange() registers for events and then asks for the states, so it takes an event in between
     * for the beginning of the answer: "An event is taken for an answer" in scardmanage-pcsclite(7) */
    bool takes_event_for_answer;
};

extern const struct version version_list[];
extern const unsigned version_count;
extern const struct version *version_in_use;

/* Returns the version with this name, or the last one before it. */
const struct version *version_find(const char *name);

#endif
