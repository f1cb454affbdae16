/* Processes that a command has left behind. */
#ifndef CARDRIG_CLI_LEFTOVERS_H
#define CARDRIG_CLI_LEFTOVERS_H

/* Ends all processes whose environment has this "NAME=VALUE" entry, but for the caller: by SIGTERM, and those
 * that are still there after a second by SIGKILL. Returns how many there were. */
unsigned leftovers_end(const char *entry);

#endif
