# SPDX-License-Identifier: BSD-3-Clause
"""What PC/SC says of a reader's card, waited for."""


def insert_and_wait(client, rig, **file):
    """Puts a card into the empty slot, and waits until PC/SC has it, now that the client is there: pcscd switches one off that
    nobody has used for five seconds, and on a busy machine a client takes as long to start."""
    rig.do("insert", **file)
    wait_for_state(client, "PRESENT")


def wait_for_state(client, name, count=None):
    """Waits until the client's reader is in a state of this name; returns state, event counter and ATR.

    pcscd sets the state before it raises the counter. So the counter is sure to be right only where it was asked for."""
    code, state, counter, names, atr = client.change()
    while name not in names or count not in (None, counter):
        code, state, counter, names, atr = client.change(state, 20000)
        assert code == "ok", f"not {name} after {count} events, but {names} after {counter}"
    return state, counter, atr
