# SPDX-License-Identifier: BSD-3-Clause
"""What can happen to a card, its reader and the service: see versus.py. Each fault begins with the program stopped, at its
place; the program runs from when it is released."""

import functools
import os
import signal
import time

from stage import PURSE, SECONDS, ServiceRig, UsbRig
from waiting import wait_for

LONG = 5  # seconds: longer than a call may take
EXCLUSIVE = 1  # SCARD_SHARE_EXCLUSIVE
SOCKET_GOES, SOCKET_STAYS, SOCKET_WAITS = signal.SIGRTMIN, signal.SIGRTMIN + 1, signal.SIGRTMIN + 2  # see pcscd_alone.c


def reset_warm(s):
    s.reset("warm")
    s.disconnect()


def reset_cold(s):
    s.reset("cold")
    s.disconnect()


def resets(s):
    for number in range(6):
        s.connect()
        if number > 2:
            s.release()
        s.rival.reconnect(s.random.choice(("warm", "cold")))
        s.disconnect(s.random.choice(("leave", "warm")))
        s.pause(0, 0.05)


def other_warm_atr(s):
    s.swap(s.warm)
    s.settle()
    reset_warm(s)


def switched_off(s):
    s.connect()
    s.disconnect("cold")


def away(s):
    s.remove()
    s.release()
    s.pause(0.2, 2)
    s.insert()


def put_back(s):
    s.remove()
    s.insert()


def swapped(s):
    """The same card, which is in again at once."""
    s.swap(PURSE)


def pulled_in_command(s):
    s.fail("removal")
    s.release()
    wait_for("the removal", lambda: not s.card())
    s.pause(0, 0.5)
    s.insert()


def grace_period(s):
    s.remove()
    s.insert()
    wait_for("power", lambda: s.card()["powered"])
    wait_for("no power", lambda: not s.card()["powered"])


def other_card(s):
    s.swap(s.stranger)
    s.release()
    s.pause(0.2, 2)
    s.swap(PURSE)


def same_atr(s):
    s.swap(s.twin)
    s.release()
    s.pause(0.2, 2)
    s.swap(PURSE)


def reset_after_swap(s):
    """pcsc-lite tells of the reset only."""
    s.swap(s.twin)
    reset_warm(s)
    s.release()
    s.pause(0.2, 2)
    s.swap(PURSE)


def same_atr_while_down(s):
    s.rig.take_down(SOCKET_GOES)
    s.swap(s.twin)
    s.rig.bring_up()
    s.release()
    s.pause(0.5, 1)
    s.swap(PURSE)


def reset_in_unit(s):
    """PC/SC has it wait if the program holds a transaction."""
    s.connect()
    s.program.hold_at("locked", time.monotonic() + SECONDS)
    s.rival.start("reconnect", s.random.choice(("warm", "cold")))
    s.rival.answers(0.1)
    s.release()
    assert s.rival.answers(LONG), "the program keeps the card locked"
    assert s.rival.finish()[0] == "ok"
    s.disconnect()


def other_application(s):
    s.select("other")


def mute(s):
    s.fail("mute")


def mute_for_long(s):
    s.fail("mute*3")  # to the next resets, too


def power_loss(s):
    s.fail("power-loss")


def other_protocol(s):
    s.reset("warm", 1)
    s.release()
    s.pause(0.1, 0.5)
    s.disconnect()


def first_protocol(s):
    s.rig.restart()
    s.connect(1)
    s.release()
    s.pause(0.5, 1)
    s.disconnect()


def raw_protocol(s):
    s.connect(4)
    s.release()
    s.pause(0.1, 0.5)
    s.disconnect()


def exclusive(s):
    s.rig.restart()
    s.connect(3, EXCLUSIVE)
    s.release()
    s.pause(0.2, 2)
    s.disconnect()


def transaction(s, seconds):
    s.connect()
    assert s.rival.begin() == ["ok"]
    s.release()
    s.pause(seconds)
    assert s.rival.end() == ["ok"]
    s.disconnect()


def first_transaction(s):
    """The program has to connect again while the card is another's."""
    s.rig.restart()
    transaction(s, LONG)


def stopped(s, seconds):
    os.kill(s.rig.pid, signal.SIGSTOP)
    s.release()
    s.pause(seconds)
    os.kill(s.rig.pid, signal.SIGCONT)


def stopped_reader(s):
    s.rig.rig.process.send_signal(signal.SIGSTOP)
    s.release()
    s.pause(LONG)
    s.rig.rig.process.send_signal(signal.SIGCONT)


def restarted(s):
    s.release()
    s.pause(0, 0.01)
    s.rig.restart()


def killed(s):
    s.release()
    s.pause(0, 0.01)
    s.rig.restart(kill=True)


def down(s):
    s.rig.take_down(s.random.choice((SOCKET_GOES, SOCKET_STAYS)))
    s.release()
    s.pause(0.2, 2)
    s.rig.bring_up()


def activated(s):
    s.rig.take_down(SOCKET_WAITS)
    s.release()
    s.rig.pid = wait_for("pcscd", s.rig.pcscd.pid)


def several(s):
    """At once, and one while the program recovers from another."""
    s.random.choice((killed_twice, swapped_while_down, stopped_and_pulled, reset_and_locked, pulled_and_killed, storm))(s)


def killed_twice(s):
    s.rig.restart(kill=True)
    s.release()
    s.pause(0, 0.05)
    s.rig.restart(kill=True)
    s.swap(PURSE)


def swapped_while_down(s):
    s.rig.take_down(SOCKET_GOES)
    s.swap(s.stranger)
    s.rig.bring_up()
    s.release()
    s.pause(0.5, 1)
    s.swap(PURSE)


def storm(s):
    s.release()
    for _ in range(5):
        s.random.choice((put_back, swapped, mute, power_loss, killed, functools.partial(stopped, seconds=0.1)))(s)
        s.pause(0, 0.1)


def stopped_and_pulled(s):
    os.kill(s.rig.pid, signal.SIGSTOP)
    s.remove()
    s.insert()
    s.release()
    s.pause(0.2, 0.5)
    os.kill(s.rig.pid, signal.SIGCONT)


def reset_and_locked(s):
    if s.program.place == "locked":
        s.swap(PURSE)  # which ends the transaction
    s.reset("cold")
    assert s.rival.begin() == ["ok"]
    s.release()
    s.pause(0.2, 0.5)
    s.swap(PURSE)
    s.disconnect()


def pulled_and_killed(s):
    s.remove()
    s.rig.restart(kill=True)
    s.release()
    s.pause(0.2, 1)
    s.insert()
    s.fail("mute")


def unplugged(s):
    s.rig.plug("unplug")
    s.release()
    s.pause(0.1, 1.5)
    s.rig.plug("plug")


def other_number(s):
    """A reader that is plugged in meanwhile takes the number."""
    s.rig.plug("unplug")
    s.rig.plug("unplug" if s.rig.do("status")["slots"][1]["usb"]["plugged"] else "plug", "other")
    s.release()
    s.pause(0, 1)
    s.rig.plug("plug")


def other_card_plugged(s):
    s.rig.plug("unplug")
    s.swap(s.stranger)
    s.release()
    s.rig.plug("plug")
    s.pause(0.2, 1)
    s.swap(PURSE)


class Fault:
    def __init__(self, text, happen, rig=ServiceRig, place=None, weight=1):
        self.text, self.happen, self.rig, self.place, self.weight = text, happen, rig, place, weight


FAULTS = [
    Fault("warm reset by another client", reset_warm, place="idle"),
    Fault("cold reset by another client", reset_cold, place="idle"),
    Fault("several resets, some while it recovers", resets, place="idle"),
    Fault("warm reset, and the warm ATR is another", other_warm_atr, place="idle"),
    Fault("switched off by another client", switched_off, place="idle"),
    Fault("reset by another client within a unit", reset_in_unit, place="idle"),
    Fault("card out and in within a unit", put_back, place="locked"),
    Fault("another client selects its application", other_application, place="idle"),
    Fault("card out for a while", away),
    Fault("card out, and in again at once", put_back),
    Fault("card pulled during a command", pulled_in_command),
    Fault("card out and in, and powered down", grace_period),
    Fault("another card for a while", other_card),
    Fault("one with the same ATR for a while", same_atr),
    Fault("the same, and reset by another client", reset_after_swap),
    Fault("the same, put in while pcscd is down", same_atr_while_down),
    Fault("card falls silent", mute),
    Fault("card silent, also to two resets", mute_for_long),
    Fault("card loses its power during a command", power_loss),
    Fault("another client chose T=0", other_protocol, place="idle"),
    Fault("another client chose T=0 in a new pcscd", first_protocol),
    Fault("another client chose the raw protocol", raw_protocol, place="idle"),
    Fault("exclusive use elsewhere for a while", exclusive),
    Fault("another client's transaction, 0.5 s", functools.partial(transaction, seconds=0.5), place="idle"),
    Fault(f"another client's transaction, {LONG} s", functools.partial(transaction, seconds=LONG), place="idle"),
    Fault(f"the same, {LONG} s, in a new pcscd", first_transaction),
    Fault(f"reader does not answer for {LONG} s", stopped_reader),
    Fault("pcscd restarted", restarted),
    Fault("pcscd killed, and started again", killed),
    Fault("pcscd down for a while", down),
    Fault("pcscd ended, and started by who connects", activated),
    Fault("pcscd stopped for 0.5 s", functools.partial(stopped, seconds=0.5)),
    Fault(f"pcscd stopped for {LONG} s", functools.partial(stopped, seconds=LONG)),
    Fault("several of these at once", several, weight=6),
    Fault("reader unplugged, and plugged in again", unplugged, UsbRig),
    Fault("the same, and it gets another number", other_number, UsbRig),
    Fault("the same, with another card for a while", other_card_plugged, UsbRig),
]
