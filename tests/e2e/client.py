"""A PC/SC client that is told on its standard input, a JSON line each, what to call, and prints what it got.

Results are lists, with the PC/SC code first, in words.
"""

import json
import os
import sys

from smartcard import scard

CODES = {getattr(scard, name) & 0xFFFFFFFF: name for name in dir(scard) if name.startswith(("SCARD_E_", "SCARD_W_"))}
CODES[0] = "ok"
STATES = ("PRESENT", "EMPTY", "MUTE", "UNAVAILABLE", "INUSE", "EXCLUSIVE")
STEPS = {"leave": scard.SCARD_LEAVE_CARD, "warm": scard.SCARD_RESET_CARD, "cold": scard.SCARD_UNPOWER_CARD}
PCI = {scard.SCARD_PROTOCOL_T0: scard.SCARD_PCI_T0, scard.SCARD_PROTOCOL_T1: scard.SCARD_PCI_T1,
       scard.SCARD_PROTOCOL_RAW: scard.SCARD_PCI_RAW}

reader = os.environ["CARDRIG_READER"]
context = handle = protocol = None


def code(value):
    return CODES.get(value & 0xFFFFFFFF, hex(value & 0xFFFFFFFF))


def establish():
    global context
    result, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
    return [code(result)]


def readers():
    result, names = scard.SCardListReaders(context, [])
    return [code(result), names]


def change(current=0, timeout=0):
    """The state after current, with the event counter in it, and the ATR."""
    result, states = scard.SCardGetStatusChange(context, timeout, [(reader, current)])
    _, event, atr = states[0]
    names = [name for name in STATES if event & getattr(scard, "SCARD_STATE_" + name)]
    return [code(result), event & ~scard.SCARD_STATE_CHANGED, event >> 16, names, bytes(atr).hex()]


def connect(protocols=3, share=scard.SCARD_SHARE_SHARED):
    global handle, protocol
    result, handle, protocol = scard.SCardConnect(context, reader, share, protocols)
    return [code(result), protocol]


def connect_directly():
    """To the reader, whether there is a card or not, and with no protocol."""
    return connect(scard.SCARD_PROTOCOL_RAW, scard.SCARD_SHARE_DIRECT)


def reconnect(step, protocols=3):
    global protocol
    result, protocol = scard.SCardReconnect(handle, scard.SCARD_SHARE_SHARED, protocols, STEPS[step])
    return [code(result), protocol]


def disconnect(step="leave"):
    return [code(scard.SCardDisconnect(handle, STEPS[step]))]


def transmit(command):
    result, response = scard.SCardTransmit(handle, PCI[protocol], list(bytes.fromhex(command)))
    return [code(result), bytes(response or []).hex()]


def status():
    result, _, state, active, atr = scard.SCardStatus(handle)
    return [code(result), active, bytes(atr or []).hex()]


def attribute(name):
    result, value = scard.SCardGetAttrib(handle, getattr(scard, "SCARD_ATTR_" + name))
    return [code(result), bytes(value or []).hex()]


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
