# SPDX-License-Identifier: BSD-3-Clause
"""Rigs for what can happen to a client of libscardmanage: card events, other clients, a service that goes."""

import contextlib
import os
import signal

from manage_client import Manage, count_in, outcome_of
from private_pcscd import Pcscd
from processes import stop
from programs import run
from rig import Rig
from serving import Serve, devices
from waiting import wait_for

WAYS = ("ifd", "handle")
READER = "reader"
# One card and others. Two cards of one ATR, "card" and "twin", differ only in what they answer.
ATRS = {"card": "3B 93 96 80 01 74 77 6F E8", "twin": "3B 93 96 80 01 74 77 6F E8",
        "other": "3B 06 74 30 6F 6E 6C 79", "t1": "3B 80 81 01 00"}
SCRIPT = """local hits, total = 0, 0
return {{
  name = "{name}", atr = "{atr}", on_power = function(how) hits = 0 end,
  commands = {{ {{ "80 10", function()
    hits, total = hits + 1, total + 1
    return string.pack(">I2I2", hits, total) .. "{name}", 0x9000
  end }}, {{ "80 12", function() return "{name}", 0x9000 end }} }},
}}
"""
COUNT = "8010000000"
NAME = "8012000000"


def atr(name):
    return ATRS[name].replace(" ", "").lower()


class ManagedRig:
    """A rig, its reader's card, us, and another client. libpcsclite reports sharing violations to the other one at once."""

    def __init__(self, rig, environment, reader, folder, base):
        self.rig, self.environment, self.reader, self.folder = rig, environment, reader, folder
        self.slot = base
        self.ours = self.client()
        self.other = self.client(PCSCLITE_NO_BLOCKING="1")
        self.clients = [self.ours, self.other]

    def client(self, **more):
        client = Manage(self.environment, self.reader, **more)
        assert client.pcsc_establish() == {"code": "S_OK"}
        return client

    def __enter__(self):
        assert self.ours.create() == {"code": "S_OK"}
        return self

    def __exit__(self, *exception):
        with contextlib.ExitStack() as stack:
            stack.push(self.other.__exit__)
            stack.push(self.ours.__exit__)
            stack.__exit__(*exception)

    def freeze(self):
        """pcscd does not answer any more."""
        stop(self.running())

    def thaw(self):
        if self.running():
            os.kill(self.running(), signal.SIGCONT)

    def card(self, name):
        return make_card(self.folder, name)

    def change_card(self, command, card=None):
        """insert, remove, swap: waits until PC/SC has reported it."""
        before = self.other.pcsc_events()
        assert before["code"] == "S_OK"
        self.rig.do(command, slot=self.slot, **({"file": self.card(card)} if card else {}))
        events = 2 if command == "swap" and before["present"] else 1
        assert self.other.pcsc_events(before=before["counter"], events=events)["code"] == "S_OK"

    def start_over(self):
        """Until PC/SC has reported all that was done to the card; then "card" is in the reader, as at the beginning."""
        for name in ("t1", "card"):
            self.rig.do("swap", slot=self.slot, file=self.card(name))
            wait_for(f"PC/SC sees {name}", lambda: self.other.pcsc_events().get("atr") == atr(name))

    def fault(self, *names):
        self.rig.do("fault", slot=self.slot, faults=list(names))

    def attach(self, way, options=None, share="shared"):
        if options is not None:
            assert self.ours.set_options(options=options) == {"code": "S_OK"}
        if way == "handle":
            assert self.ours.pcsc_connect(share=share)["code"] == "S_OK"
            assert self.ours.attach_by_handle() == {"code": "S_OK"}
        else:
            assert self.ours.attach_by_ifd() == {"code": "S_OK"}

    def reconnect(self, **options):
        return outcome_of(self.ours.reconnect_ex(options=options))

    def count(self):
        """How often the card was asked since its latest reset, and its name; or why it can't be."""
        return count_in(self.ours.transmit(command=COUNT))

    # the other client

    def other_connects(self, **more):
        answer = self.other.pcsc_connect(**more)
        assert answer["code"] == "S_OK"
        return answer["protocol"]

    def other_leaves(self, disposition="leave"):
        assert self.other.pcsc_disconnect(disposition=disposition) == {"code": "S_OK"}

    def other_resets(self, how="reset", **more):
        assert self.other.pcsc_reconnect(initialization=how, **more)["code"] == "S_OK"

    def other_begins(self):
        assert self.other.pcsc_begin() == {"code": "S_OK"}

    def other_ends(self):
        assert self.other.pcsc_end()["code"] == "S_OK"

    def assert_locked_out(self):
        assert self.other.pcsc_reconnect()["code"] == "E_SHARING_VIOLATION"

    def assert_free(self):
        """The other client gets a transaction, so nobody has one: not a single count has leaked."""
        assert self.other.pcsc_reconnect()["code"] == "S_OK"
        self.other_begins()
        self.other_ends()

    def other_starts_over(self):
        """With a context and a handle of its own, after the service or the reader was away."""
        self.other.pcsc_release()
        assert self.other.pcsc_establish() == {"code": "S_OK"}


def make_card(folder, name):
    path = folder / f"{name}.lua"
    path.write_text(SCRIPT.format(name=name, atr=ATRS[name]))
    return str(path)


class RunRig(ManagedRig):
    """In a rig of cardrig run, which ends with its pcscd."""

    def __init__(self, folder, *options, reader=READER):
        self.outer = Rig("--reader", reader, *options, "--card", make_card(folder, "card"))
        super().__init__(self.outer, self.outer.environment(), self.outer.reader, folder, "0")
        if "unplugged" not in reader:
            wait_for("the card", lambda: self.other.pcsc_events().get("present"))

    def __exit__(self, *exception):
        self.thaw()
        super().__exit__(*exception)
        assert self.outer.end() == 0, self.outer.errors

    def running(self):
        """The process number of pcscd."""
        return self.outer.children().get("pcscd")

    def unplug(self, name=READER):
        done = self.outer.cardrig("unplug", name)
        assert done.returncode == 0, done.stderr

    def plug(self, name=READER):
        done = self.outer.cardrig("plug", name)
        assert done.returncode == 0, done.stderr


class ServiceRig(ManagedRig):
    """With a pcscd of its own, which can be stopped and started."""

    def __init__(self, folder):
        self.outer = contextlib.ExitStack()
        place = folder / "place"
        place.mkdir()
        options = ("--reader", READER, "--card", make_card(folder, "card"))
        config = run("serve", "--directory", place / "rig", "--config", *options).stdout
        with contextlib.ExitStack() as stack:
            serve = stack.enter_context(Serve(place / "rig", *options))
            self.pcscd = stack.enter_context(Pcscd(place / "pcscd", devices(config)))
            self.socket = place / "pcscd" / "run" / "pcscd" / "pcscd.comm"
            environment = {**os.environ, "PCSCLITE_CSOCK_NAME": str(self.socket)}
            super().__init__(serve, environment, f"{READER} 00 00", folder, "0")
            self.wait_for_card()
            self.outer = stack.pop_all()

    def __exit__(self, *exception):
        self.thaw()
        super().__exit__(*exception)
        self.outer.__exit__(*exception)

    def running(self):
        """The process number of pcscd, if it is there."""
        return self.pcscd.pid()

    def order(self, number, done):
        """Those of pcscd_alone. They are carried out one after the other."""
        self.pcscd.process.send_signal(number)
        wait_for("pcscd_alone obeys", done)

    def stop(self):
        self.order(signal.SIGRTMIN, lambda: not self.running() and not self.socket.exists())

    def kill(self):
        self.order(signal.SIGRTMIN + 1, lambda: not self.running())

    def stop_until_a_client_comes(self):
        """Stopped; the first client that connects has it started."""
        before = self.socket.stat()
        self.order(signal.SIGRTMIN + 2, lambda: not os.path.samestat(self.socket.stat(), before) or
                   self.socket.stat().st_mtime_ns != before.st_mtime_ns)

    def begin_again(self, number=signal.SIGUSR1):
        before = self.running()
        self.order(number, lambda: self.running() not in (None, before))

    def start(self):
        """After stop() or kill(), and until the other client sees the card."""
        self.begin_again()
        self.wait_for_card()

    def restart(self, number=signal.SIGUSR1):
        self.begin_again(number)
        self.wait_for_card()

    def wait_for_card(self):
        self.other_starts_over()
        wait_for("the card", lambda: self.other.pcsc_events().get("present"))


# what can happen to it

def reinserts(world, card=None):
    world.change_card("remove")
    world.change_card("insert", card)


def nothing(world):
    pass
