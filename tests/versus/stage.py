# SPDX-License-Identifier: BSD-3-Clause
"""A program, a rival, the rig that they are in, and how it is decided whether the program has survived: see versus.py."""

import collections
import os
import pathlib
import select
import signal
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
os.environ.setdefault("CARDRIG_BUILD", str(HERE.parents[1] / "build"))
os.environ.setdefault("CARDRIG_TEST_PYTHON", sys.executable)
sys.path.insert(0, str(HERE.parent / "support"))

from client import Client  # noqa: E402
from pcsc_codes import CODES  # noqa: E402
from private_pcscd import Pcscd  # noqa: E402
from programs import BUILD, run as run_cardrig  # noqa: E402
from rig import Rig  # noqa: E402
from serving import Serve, devices  # noqa: E402
from waiting import wait_for  # noqa: E402

BACK = 10
LEAKED = 5
LIMIT = 3
SECONDS = 60  # for what has nothing to do with the program
PURSE = HERE / "purse.lua"
ATR = "3B 95 96 80 01 70 75 72 73 65 E3"
SERIAL, PIN = '"0001"', '"1234"'
STRANGER_ATR = "3B 95 96 80 01 73 74 72 61 6E F8"
OTHER_WARM_ATR = "3B 95 96 80 01 6F 74 68 65 72 E6"
TRIES = 3  # of a PIN, see purse.lua
CRASHED = object()  # pcscd has died by itself


class Lost(Exception):
    """Why the program has not survived."""


class Program:
    """client.c, watched."""

    def __init__(self, name, reader, environment):
        self.process = subprocess.Popen([BUILD / "bin" / f"versus_{name}", reader], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, env={**os.environ, **environment})
        self.changed = threading.Condition()
        self.free = True  # goes on where it could be stopped
        self.place = self.stopped = self.code = None
        self.calls = []  # what it is in, and since when; the time that it is stopped does not count
        self.longest = (0, None)
        self.wrong = []
        self.last = collections.deque(maxlen=20)
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        for line in self.process.stdout:
            moment, what, text = line.rstrip("\n").split(" ", 2)
            with self.changed:
                self.last.append(line)
                self.note(float(moment), what, text)
                self.changed.notify_all()
        with self.changed:
            self.place = "end"
            self.changed.notify_all()

    def note(self, moment, what, text):
        if self.stopped:
            self.calls = [(name, since + moment - self.stopped) for name, since in self.calls]
            self.stopped = None
        if what == "call":
            self.calls.append((text, moment))
        elif what == "back":
            name, code = text.rsplit(None, 1)
            self.code = CODES.get(int(code, 16), code)
            self.longest = max(self.longest, (moment - self.calls.pop()[1], name))
        elif what == "wrong":
            self.wrong.append(text)
        elif what == "at":
            self.place, self.stopped = text, moment
            if self.free:
                self.go()

    def go(self):
        self.place = None
        try:
            self.process.stdin.write("go\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # which listen() will see, too

    def release(self):
        """Lets it run."""
        with self.changed:
            self.free = True
            if self.place and self.place != "end":
                self.go()

    def hold_at(self, place, deadline):
        """Lets it run until it is there."""
        with self.changed:
            self.free = False
            while self.place != place:
                if self.place == "end":
                    raise Lost(f"ended with status {self.process.wait()}")
                if self.place:
                    self.go()
                if not self.changed.wait(deadline - time.monotonic()) and time.monotonic() > deadline:
                    raise Lost(self.why_not_back())

    def why_not_back(self):
        hangs = [name for name, since in self.calls if time.monotonic() - since > LIMIT]
        return f"hangs in {hangs[-1]}" if hangs else f"does not come back: {self.code}"

    def finish(self):
        """As a program does that has nothing more to do; then it may leave nothing behind."""
        self.process.stdin.close()
        status = self.process.wait(SECONDS)
        assert status == 0, f"ended with status {status}"

    def end(self):
        self.process.kill()
        self.process.wait()


class Rival(Client):
    """Another client of PC/SC, whose calls may hang."""

    def answers(self, seconds):
        return bool(select.select([self.process.stdout], [], [], seconds)[0])

    def finish(self):
        assert self.answers(SECONDS), "the rival hangs"
        return super().finish()

    def kill(self):
        self.process.kill()
        self.process.communicate()


class ServiceRig:
    """A simulator and a pcscd that are processes apart: the service can end."""

    def __init__(self, folder):
        self.rig = Serve(folder / "rig", "--reader", "purse", "--card", f"0={PURSE}")
        try:
            config = run_cardrig("serve", "--config", "--directory", folder / "rig", "--reader", "purse").stdout
            self.pcscd = Pcscd(folder / "pcscd", devices(config))
        except BaseException:
            self.rig.kill()
            raise
        self.environment = {"PCSCLITE_CSOCK_NAME": f"{folder}/pcscd/run/pcscd/pcscd.comm", "CARDRIG_READER": "purse 00 00"}
        self.do = self.rig.do
        self.pid = self.pcscd.pid()

    def tell(self, number, condition):
        self.pcscd.process.send_signal(number)
        self.pid = wait_for("pcscd", condition)

    def restart(self, kill=False):
        self.tell(signal.SIGUSR2 if kill else signal.SIGUSR1, lambda: (pid := self.pcscd.pid()) != self.pid and pid)

    def take_down(self, how):
        """What pcscd_alone has for that: its socket goes, too, or stays, or the first client that connects has it started."""
        self.pcscd.process.send_signal(how)
        wait_for("no pcscd", lambda: not self.pcscd.pid())

    def bring_up(self):
        self.tell(signal.SIGUSR1, self.pcscd.pid)

    def has_crashed(self):
        time.sleep(1)  # /proc may not show a child that is just being started
        return not self.pcscd.pid()

    def end(self):
        self.pcscd.__exit__()
        self.rig.__exit__()


class UsbRig:
    """A reader that comes and goes, and another that takes its number."""

    def __init__(self, folder):
        self.rig = Rig("--reader", "purse,usb", "--card", f"0={PURSE}", "--reader", "other,usb,unplugged")
        self.environment = {"PCSCLITE_CSOCK_NAME": self.rig.pcscd_socket, "CARDRIG_READER": self.rig.reader}
        self.do = self.rig.do

    def plug(self, verb, reader="purse"):
        done = self.rig.cardrig(verb, reader)
        assert done.returncode == 0, done.stderr

    def reader(self):
        return self.do("status")["slots"][0]["pcsc_name"]

    def has_crashed(self):
        time.sleep(1)  # the rig ends with it
        return self.rig.process.poll() is not None

    def end(self):
        self.rig.end()


class Stage:
    """A rig, a program, a rival, and what can be done to them. One of them for each program and kind of rig."""

    def __init__(self, name, rig_class, folder):
        self.name = name
        folder.mkdir()
        self.stranger = folder / "stranger.lua"
        self.stranger.write_text(PURSE.read_text().replace(ATR, STRANGER_ATR))
        self.twin = folder / "twin.lua"
        self.twin.write_text(PURSE.read_text().replace(SERIAL, '"0002"').replace(PIN, '"8765"'))
        self.warm = folder / "warm.lua"
        self.warm.write_text(PURSE.read_text().replace(f'"{ATR}"', f'{{ cold = "{ATR}", warm = "{OTHER_WARM_ATR}" }}'))
        self.folder = folder
        self.rig_class = rig_class
        self.rig = self.program = self.rival = None
        self.number = 0
        self.touched = 0  # commands that a card with another ATR has got
        self.tries = TRIES  # that the PIN of another card with the same ATR has left

    def start(self):
        self.number += 1
        folder = self.folder / str(self.number)
        folder.mkdir()
        self.rig = self.rig_class(folder)
        self.rival = Rival(self.rig.environment)
        self.start_program()

    def start_program(self):
        """With everything in order."""
        if isinstance(self.rig, UsbRig):
            self.rig.environment["CARDRIG_READER"] = self.rig.reader()
        self.connect()
        self.disconnect()
        self.program = Program(self.name, self.rig.environment["CARDRIG_READER"], self.rig.environment)
        self.settle()

    def start_again(self):
        """The program; and the rival, who may hang in a call."""
        self.program.end()
        self.rival.kill()
        self.rival = Rival(self.rig.environment)
        self.swap(PURSE)
        self.start_program()

    def finish(self):
        self.program.finish()
        self.end()

    def end(self):
        if self.program:
            self.program.end()
        if self.rival:
            self.rival.kill()
        if self.rig:
            self.rig.end()
        self.rig = self.program = self.rival = None

    def settle(self):
        """A purchase without a fault: whatever was before is over for the program."""
        for place in ("locked", "idle"):
            self.program.hold_at(place, time.monotonic() + SECONDS)

    # what faults are made of

    def pause(self, shortest, longest=None):
        time.sleep(self.random.uniform(shortest, longest or shortest))

    def release(self):
        self.program.release()

    def card(self):
        return self.rig.do("status")["slots"][0]["card"]

    def look_at_stranger(self):
        """Before it is taken out."""
        card = self.card()
        if card and card["file"] == str(self.stranger):
            self.touched += card["commands"]
        if card and card["file"] == str(self.twin):
            self.connect()
            status = self.rival.transmit("00200001")
            assert status[0] == "ok" and status[1].startswith("63c"), status
            self.tries = min(self.tries, int(status[1][3:], 16))
            self.disconnect()

    def remove(self):
        self.look_at_stranger()
        self.rig.do("remove", slot="0")

    def insert(self):
        self.rig.do("insert", slot="0")

    def swap(self, file):
        self.look_at_stranger()
        self.rig.do("swap", slot="0", file=str(file))

    def select(self, application):
        """By the rival, without a reset."""
        self.connect()
        status = self.rival.transmit("00A4040005" + application.encode().hex())
        assert status == ["ok", "9000"], status
        self.disconnect()

    def fail(self, *faults):
        self.rig.do("fault", slot="0", faults=list(faults))

    def establish(self):
        """The rival; the reader's name may be another one by now, and the service have been away."""
        if isinstance(self.rig, UsbRig):
            self.rival.use(self.rig.reader())
        wait_for("the service", lambda: self.rival.establish() == ["ok"])

    def connect(self, *arguments):
        self.establish()
        wait_for("the rival's card", lambda: self.rival.connect(*arguments)[0] == "ok")

    def reset(self, step, protocols=3):
        """By the rival, who stays connected. A card that was moved before may take its time."""
        self.establish()
        wait_for("the reset", lambda: self.rival.connect()[0] == "ok" and self.rival.reconnect(step, protocols)[0] == "ok")

    def disconnect(self, step="leave"):
        assert self.rival.disconnect(step) == ["ok"]
        self.rival.release()

    # whether it has survived

    def check_survival(self, over):
        """The fault was over at that time."""
        end = over + BACK
        self.program.hold_at("locked", end)
        self.establish()
        self.rival.start("connect")
        if self.rival.answers(0.1):  # pcscd lets it wait
            raise Lost("is back without the lock")
        self.program.hold_at("idle", end)
        if not self.rival.answers(LEAKED):
            raise Lost("keeps the card locked")
        assert self.rival.finish()[0] == "ok"
        assert self.rival.begin() == ["ok"]
        assert self.rival.transmit("0084000008") == ["ok", "6d00"]
        assert self.rival.end() == ["ok"]
        self.rival.release()
        for place in ("locked", "idle"):
            self.program.hold_at(place, end)
        if reason := self.wrong():
            raise Lost(reason)
        if self.program.longest[0] > LIMIT:
            raise Lost(f"{self.program.longest[1]} took {self.program.longest[0]:.0f} s")

    def wrong(self):
        """What it has done wrong with a card, which comes before all else."""
        if self.touched:
            return "works with the other card"
        if self.tries < TRIES:
            return "tries its PIN at another card"
        if self.program.wrong and " 69" in self.program.wrong[0]:
            return "works with a card that is not prepared"
        return self.program.wrong[0] if self.program.wrong else None

    def undergo(self, fault, draw):
        """Has it happen. Returns why the program has not survived; None: it has; CRASHED: it could not be tried."""
        self.random = draw
        self.touched, self.tries = 0, TRIES
        try:
            if not self.rig:
                self.start()
            if self.card()["file"] == str(self.warm):
                self.swap(PURSE)
                self.settle()
            self.program.longest, self.program.wrong = (0, ""), []
            self.program.hold_at(fault.place or draw.choice(("idle", "locked")), time.monotonic() + SECONDS)
            fault.happen(self)
            self.release()
            self.check_survival(time.monotonic())
            return None
        except Exception as error:
            if self.rig and self.rig.has_crashed():
                print(f"pcscd has died: {error!r}", file=sys.stderr)
                self.end()
                return CRASHED
            if not isinstance(error, Lost):
                raise
            if self.name == "managed":
                print("".join(self.program.last), end="", file=sys.stderr)
            reason = self.wrong() or str(error)
            self.start_again()
            return reason
