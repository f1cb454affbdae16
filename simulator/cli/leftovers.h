/* Processes that a command has left behind. */
#ifndef CARDRIG_CLI_LEFTOVERS_H
#define CARDRIG_CLI_LEFTOVERS_H

#include <sys/types.h>

/* Ends all processes whose environment has this "NAME=VALUE" entry, but for the caller: by SIGTERM, and those
 * that are still there after patience_ms by SIGKILL. With parts, which is a list of children to spare, all
 * other children of the caller are ended, too. Returns how many there were. */
unsigned leftovers_end(const char *entry, const pid_t *parts, unsigned part_count, int patience_ms);

#endif
