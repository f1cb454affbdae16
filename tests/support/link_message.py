# SPDX-License-Identifier: BSD-3-Clause
"""Messages between the driver and the simulator (lib/link/link.h), for tests that play one of them."""

import re
import struct

from programs import SOURCE

HEADER = ">BBHII"
HEADER_SIZE = struct.calcsize(HEADER)
VERSION = int(re.search(r"^#define LINK_VERSION +(\d+)$", (SOURCE / "lib" / "link" / "link.h").read_text(), re.MULTILINE)[1])
HELLO, POWER, PARAMETERS, TRANSMIT, CONTROL, ATTRIBUTE, EVENT, WAITING, EXTENSION = range(1, 10)
OK, REMOVED, UNPOWERED, MUTE, GARBLED, UNAVAILABLE, PPS_FAILED, UNSUPPORTED, BAD_REQUEST = range(9)
OFF = 3  # the argument of POWER


def packet(kind, argument=0, event=0, value=0, data=b"", reserved=0):
    return struct.pack(HEADER, kind, argument, reserved, event, value) + data


def header(message):
    """The type, the argument, the reserved bytes, the event counter and the value."""
    return struct.unpack(HEADER, message[:HEADER_SIZE])
