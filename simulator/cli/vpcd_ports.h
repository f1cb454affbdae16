/* The sockets at which the readers for vpcd cards listen. They are opened here and handed to pcscd, so that a
 * free port stays ours from the moment it is found, and a card that connects before pcscd is ready waits. */
#ifndef CARDRIG_CLI_VPCD_PORTS_H
#define CARDRIG_CLI_VPCD_PORTS_H

#include "rig/slot.h"

#include <stdbool.h>
#include <stddef.h>

struct vpcd_ports {
    int fd[LINK_MAX_SLOTS]; /* in the order of the slots that they are for */
    unsigned count;
};

/* Listens for each slot of the readers that listen; a reader whose port is 0 gets free ones, one after the
 * other, which are put down in its options. False with error. */
bool vpcd_ports_open(struct vpcd_ports *ports, struct slots *slots, char *error, size_t error_size);
void vpcd_ports_close(struct vpcd_ports *ports);

/* Tells in the environment where the readers listen: CARDRIG_VPCD_HOST and CARDRIG_VPCD_PORT, of the first
 * such slot, and CARDRIG_VPCD_PORTS, of all, separated by spaces. Without such a reader there are none of
 * these. */
bool vpcd_ports_set_environment(const struct slots *slots);

#endif
