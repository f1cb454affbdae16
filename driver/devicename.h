/*
 * DEVICENAME of a reader.conf entry: where the peer of a reader is.
 *
 *   /dev/null:rig=PATH[:reader=N][:user=NAME][:slots=N][:timeout=MS]     a simulator
 *   /dev/null:vpcd=listen[:host=ADDRESS][:port=N][:from=ADDRESS[/BITS]]... the vpcd cards that connect to us
 *   /dev/null:vpcd=listen:fd=N                                the same, at sockets that pcscd was given
 *   /dev/null:vpcd=connect:host=ADDRESS[:port=N]              the vpcd card that listens there
 *
 * PATH is the simulator's socket, reader the number of the reader in that rig (0), user whom the simulator
 * may run as besides root and ourselves. ADDRESS is an IP address (127.0.0.1), in which '_' stands for ':'.
 * Slot N has the port (35963) plus N, or the descriptor plus N. Cards are let in from where from says ("any":
 * from everywhere), else from this machine alone. slots is how many slots the reader has (1), timeout how
 * long an answer may take in ms (10,000; of a vpcd card 60,000).
 *
 * pcscd insists that what stands before the first ':' exists, or that there is a ':'; /dev/null satisfies
 * every version. Its lexer takes only letters, digits and = \ / - . _ @ : so that PATH cannot have other
 * characters.
 */
#ifndef CARDRIG_DRIVER_DEVICENAME_H
#define CARDRIG_DRIVER_DEVICENAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum device_kind { DEVICE_RIG, DEVICE_VPCD_LISTEN, DEVICE_VPCD_CONNECT };

struct devicename {
    enum device_kind kind;
    char socket[108]; /* rig: as long as a socket's path can be */
    unsigned reader;
    uid_t user;    /* (uid_t)-1: nobody */
    char host[64]; /* vpcd: an IP address */
    unsigned port; /* of slot 0 */
    int fd;        /* of slot 0; -1: none was given */
    char from[64]; /* an IP address; "": this machine */
    int from_bits; /* how many bits of it matter; 0: from everywhere */
    unsigned slots;
    unsigned timeout_ms;
};

/* False when text is none; error (of error_size bytes) then says why. */
bool devicename_parse(const char *text, struct devicename *name, char *error, size_t error_size);

#endif
