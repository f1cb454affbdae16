# SPDX-License-Identifier: BSD-3-Clause
"""A PC/SC client whose calls come on its standard input, a JSON line each; it prints the result of each.

Results are lists, with the PC/SC code first, in words.
"""

import ctypes
import json
import os
import sys
import time

from smartcard import scard

from pcsc_codes import CODES

NAMES = {0: "ok", **CODES}
MISREAD = ("SCARD_E_UNSUPPORTED_FEATURE", "SCARD_E_INSUFFICIENT_BUFFER", "SCARD_E_UNKNOWN_READER")
STATES = ("UNKNOWN", "IGNORE", "PRESENT", "EMPTY", "MUTE", "UNAVAILABLE", "INUSE", "EXCLUSIVE")
STEPS = {"leave": scard.SCARD_LEAVE_CARD, "warm": scard.SCARD_RESET_CARD, "cold": scard.SCARD_UNPOWER_CARD}
PCI = {scard.SCARD_PROTOCOL_T0: scard.SCARD_PCI_T0, scard.SCARD_PROTOCOL_T1: scard.SCARD_PCI_T1,
       scard.SCARD_PROTOCOL_RAW: scard.SCARD_PCI_RAW}

reader = os.environ["CARDRIG_READER"]
context = handle = protocol = None


def code(value):
    return NAMES.get(value & 0xFFFFFFFF, hex(value & 0xFFFFFFFF))


def establish():
    global context
    result, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
    return [code(result)]


def valid():
    return [code(scard.SCardIsValidContext(context))]


def release():
    return [code(scard.SCardReleaseContext(context))]


def readers():
    result, names = scard.SCardListReaders(context, [])
    return [code(result), names]


def status_change_once(current=0, timeout=0):
    """One call: the state after current, with the event counter in it, and the ATR."""
    result, states = scard.SCardGetStatusChange(context, timeout, [(reader, current)])
    _, event, atr = states[0]
    names = [name for name in STATES if event & getattr(scard, "SCARD_STATE_" + name)]
    return [code(result), event & ~scard.SCARD_STATE_CHANGED, event >> 16, names, bytes(atr).hex()]


def status_change(current=0, timeout=0):
    """The same, made again where pcsc-lite 2.5 says what is not so: scardmanage-pcsclite(7)."""
    scard.SCardListReaders(context, [])  # before the first look, if the service is an older one
    while True:
        found = status_change_once(current, timeout)
        unknown = found[0] == "SCARD_E_UNKNOWN_READER" or "UNKNOWN" in found[3]
        misread = unknown or found[0] in MISREAD
        if not misread or (unknown and reader not in scard.SCardListReaders(context, [])[1]):
            return found


def change(current=0, timeout=0):
    """The same, until there is a change.

    libpcsclite compares event counters only if the one handed in is not 0, and so can sleep through a first removal
    with its insertion: until then, the counter is looked at here."""
    deadline = time.monotonic() + timeout / 1000
    while True:
        left = max(0, int((deadline - time.monotonic()) * 1000))
        wait = left if current >> 16 else min(left, 100)
        found = status_change(current, wait)
        if found[0] == "SCARD_E_TIMEOUT" and found[2] and not current >> 16:
            found[0] = "ok"
        if found[0] != "SCARD_E_TIMEOUT" or wait == left:
            return found


def use(name):
    """Another reader for all that follows."""
    global reader
    reader = name
    return ["ok"]


def readers_change(timeout):
    """Waits until a reader comes or goes."""
    result, states = scard.SCardGetStatusChange(context, timeout, [("\\\\?PnP?\\Notification", 0)])
    return [code(result), bool(states[0][1] & scard.SCARD_STATE_CHANGED)]


def connect(protocols=3, share=scard.SCARD_SHARE_SHARED):
    global handle, protocol
    result, handle, protocol = scard.SCardConnect(context, reader, share, protocols)
    return [code(result), protocol]


def connect_directly():
    """To the reader, whether there is a card or not, and with no protocol."""
    return connect(scard.SCARD_PROTOCOL_RAW, scard.SCARD_SHARE_DIRECT)


def reconnect(step, protocols=3, share=scard.SCARD_SHARE_SHARED):
    global protocol
    result, protocol = scard.SCardReconnect(handle, share, protocols, STEPS[step])
    return [code(result), protocol]


def disconnect(step="leave"):
    return [code(scard.SCardDisconnect(handle, STEPS[step]))]


def transmit(command):
    result, response = scard.SCardTransmit(handle, PCI[protocol], list(bytes.fromhex(command)))
    return [code(result), bytes(response or []).hex()]


def transmit_until_error(command):
    """Returns the error, and how many answers came before it."""
    answers = 0
    while (result := transmit(command)[0]) == "ok":
        answers += 1
    return [result, answers]


def begin():
    return [code(scard.SCardBeginTransaction(handle))]


def end(step="leave"):
    return [code(scard.SCardEndTransaction(handle, STEPS[step]))]


def status():
    result, _, state, active, atr = scard.SCardStatus(handle)
    return [code(result), active, bytes(atr or []).hex()]


def tag(attribute):
    return attribute if isinstance(attribute, int) else getattr(scard, "SCARD_ATTR_" + attribute)


def attribute(name):
    result, value = scard.SCardGetAttrib(handle, tag(name))
    return [code(result), bytes(value or []).hex()]


def control(control_code, data=""):
    result, output = scard.SCardControl(handle, control_code, list(bytes.fromhex(data)))
    return [code(result), bytes(output or []).hex()]


# What pyscard hides: buffers of another size than its own. Its handles are the library's.
library = ctypes.CDLL("libpcsclite.so.1")
AUTOALLOCATE = ctypes.c_ulong(-1).value


class Pci(ctypes.Structure):
    _fields_ = [("protocol", ctypes.c_ulong), ("length", ctypes.c_ulong)]


def raw(function, *arguments):
    return code(function(ctypes.c_long(handle), *arguments))


def attribute_into(name, size):
    """Into a buffer of that size; None: no buffer, for the length alone; "allocate": the library's own."""
    length = ctypes.c_ulong(AUTOALLOCATE if size == "allocate" else size or 0)
    buffer = ctypes.POINTER(ctypes.c_ubyte)() if size == "allocate" else ctypes.create_string_buffer(size) if size else None
    result = raw(library.SCardGetAttrib, ctypes.c_ulong(tag(name)),
                 ctypes.byref(buffer) if size == "allocate" else buffer, ctypes.byref(length))
    value = bytes(buffer[:length.value]) if result == "ok" and buffer else b""
    if size == "allocate" and buffer:
        library.SCardFreeMemory(ctypes.c_long(context), buffer)
    return [result, length.value, value.hex()]


def control_into(control_code, size):
    buffer, length = ctypes.create_string_buffer(size or 1), ctypes.c_ulong(0)
    result = raw(library.SCardControl, ctypes.c_ulong(control_code), None, ctypes.c_ulong(0), buffer, ctypes.c_ulong(size),
                 ctypes.byref(length))
    return [result, length.value]


def transmit_into(command, size):
    """Into a buffer of that size. Returns the length that is said, too."""
    sent, buffer, length = bytes.fromhex(command), ctypes.create_string_buffer(size or 1), ctypes.c_ulong(size)
    pci = Pci(protocol, ctypes.sizeof(Pci))
    result = raw(library.SCardTransmit, ctypes.byref(pci), sent, ctypes.c_ulong(len(sent)), None, buffer,
                 ctypes.byref(length))
    return [result, length.value, buffer.raw[:length.value].hex() if result == "ok" else ""]


def hammer(command, stop):
    """Sends the command again and again, on a new handle whenever there is an error, until a file of the name stop is
    there. Returns how many answers came, and how many came on a handle that had got another answer before."""
    answers = others = 0
    while not os.path.exists(stop):
        if connect()[0] != "ok":
            continue
        first = None
        while True:
            result, answer = transmit(command)
            if result != "ok":
                break
            answers += 1
            others += first not in (None, answer)
            first = answer
        disconnect()
    return [answers, others]


for line in sys.stdin:
    name, *arguments = json.loads(line)
    print(json.dumps(globals()[name](*arguments)), flush=True)
