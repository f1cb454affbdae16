/*
 * DEVICENAME of a reader.conf entry: where the peer of a reader is.
 *
 *   /dev/null:rig=PATH[:reader=N][:slots=N][:timeout=MS]
 *
 * PATH is the simulator's socket, reader the number of the reader in that rig (0), slots how many slots it
 * has (1), timeout how long an answer of the simulator may take (10,000 ms). pcscd insists that what stands
 * before the first ':' exists, or that there is a ':'; /dev/null satisfies every version. Its lexer takes
 * only letters, digits and = \ / - . _ @ : so that PATH cannot have other characters.
 */
#ifndef CARDRIG_DRIVER_DEVICENAME_H
#define CARDRIG_DRIVER_DEVICENAME_H

#include <stdbool.h>
#include <stddef.h>

struct devicename {
    char socket[108]; /* as long as a socket's path can be */
    unsigned reader;
    unsigned slots;
    unsigned timeout_ms;
};

/* False when text is none; error (of error_size bytes) then says why. */
bool devicename_parse(const char *text, struct devicename *name, char *error, size_t error_size);

#endif
