# SPDX-License-Identifier: BSD-3-Clause
"""storm.py [--seconds N] [--seed N]: all that a PC/SC client depends on is killed, stopped, pulled and started again, under clients.

Two rigs, one after the other. In the first one each part is a process of its own: the simulator is 'cardrig serve', pcscd
belongs to pcscd_alone, the clients are those of storm_clients.c, and some cards are vpcd's, in processes that can be killed,
too. It has three parts: in the first everything happens to everybody; in the second pcscd is not restarted, in the third the
simulator is not, so that there is something to be compared: memory and descriptors while no client is there. The second rig
is one of 'cardrig run', whose readers on USB come and go.

What must hold: no call hangs, every answer is right, what is up again works again, neither pcscd nor the simulator dies by
itself, and nothing leaks or is left behind.
"""

import argparse
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

SOAK = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(SOAK.parent / "support"))
from ports import free_ports  # noqa: E402
from processes import child, descriptors, lead_a_group  # noqa: E402
from waiting import Lines, wait_for  # noqa: E402

BUILD = pathlib.Path(os.environ.get("CARDRIG_BUILD", SOAK.parents[1] / "build"))
CARDRIG = str(BUILD / "bin" / "cardrig")
CLIENTS = 12
WAIT = 60  # seconds for anything that has to happen
GROWTH_KIB = 2048  # a simulator that has just begun has 1.2 MiB in use, and comes to rest at 2.3 only after some minutes
SANITIZED = b"__asan_init" in (BUILD / "bin" / "cardrig").read_bytes()  # the sanitizer keeps what was freed


class Failed(Exception):
    pass


def command_line(entry):
    try:
        return (entry / "cmdline").read_bytes()
    except OSError:
        return b""


def memory(pid):
    """KiB of heap and stacks."""
    return int(re.search(r"RssAnon:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1])


class Control:
    """A connection to a rig's control socket."""

    def __init__(self, path):
        self.connection = socket.socket(socket.AF_UNIX)
        self.connection.settimeout(WAIT)
        try:
            self.connection.connect(str(path))
        except OSError:
            self.connection.close()
            raise
        self.lines = self.connection.makefile("rw")

    def ask(self, **request):
        self.lines.write(json.dumps(request) + "\n")
        self.lines.flush()
        return json.loads(self.lines.readline())

    def close(self):
        self.lines.close()
        self.connection.close()


class Storm:
    """What both have: clients, events that hit all they need, and what must hold."""

    EVENTS = {}  # the names of methods, with weights

    def __init__(self, arguments):
        self.random = random.Random(arguments.seed)
        self.client_command = [str(BUILD / "bin" / "soak_storm_clients"), str(CLIENTS), str(arguments.seed)]
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="storm", dir="/tmp"))
        self.clients = None  # the process that they belong to
        self.counts = {}
        self.begun = self.shown = time.monotonic()

    def tell(self, word):
        """Orders to the clients: see storm_clients.c."""
        try:
            self.clients.stdin.write(word + "\n")
            self.clients.stdin.flush()
        except BrokenPipeError:
            raise Failed("the clients have failed") from None

    def hear(self, word):
        line = self.lines.next(2 * WAIT) if self.lines.ready(2 * WAIT) else "nothing"
        if line != word:
            raise Failed(f"the clients should have said '{word}', not '{line}'")

    def kill_client(self):
        self.tell("kill")

    def happen(self, seconds, without=()):
        """Lets events happen for some time."""
        events = {name: weight for name, weight in self.EVENTS.items() if name not in without}
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            name, = self.random.choices(list(events), list(events.values()))
            getattr(self, name)()
            self.counts[name] = self.counts.get(name, 0) + 1
            self.look_after()
            time.sleep(max(0, min(left, self.random.choice((0, 0.05, self.random.uniform(0, 0.6))))))

    def look_after(self):
        """Nobody may have died by itself."""
        if self.clients.poll() is not None:
            raise Failed(f"the clients or pcscd have failed, exit status {self.clients.returncode}")
        line = f"soak: {time.monotonic() - self.begun:4.0f} s: {self.summary()}"
        if sys.stderr.isatty():
            print(f"\r{line}", end="  ", file=sys.stderr, flush=True)
        elif time.monotonic() - self.shown > 10:
            self.shown = time.monotonic()
            print(line, file=sys.stderr, flush=True)

    def summary(self):
        return ", ".join(f"{name.replace('_', ' ')} {self.counts[name]}" for name in sorted(self.counts))

    def check(self, readers):
        """Each reader works. All clients are there."""
        self.tell(f"check {readers}")
        self.hear("checked")
        self.look_after()

    def measure(self, pid):
        """Memory and descriptors, without any client."""
        self.tell("pause")
        self.hear("paused")
        time.sleep(0.5)  # pcscd's threads have yet to notice
        result = memory(pid), descriptors(pid)
        self.tell("resume")
        return result

    def compare(self, name, pid, before):
        after = self.measure(pid)
        print(f"  {name}: {after[1]} descriptors; {after[0]} KiB, {before[0]} before", flush=True)
        if after[1] != before[1]:
            held = subprocess.run(["ls", "-l", f"/proc/{pid}/fd"], capture_output=True, text=True).stdout.splitlines()
            raise Failed(f"{name} has {after[1]} descriptors, and had {before[1]}: {sorted(held)}")
        if after[0] - before[0] > GROWTH_KIB and not SANITIZED:
            raise Failed(f"{name} has {after[0]} KiB, and had {before[0]}")

    def survive(self, seconds, without, processes):
        """A part of the storm that some processes live through, and must not grow in."""
        self.happen(seconds / 3, without)  # they have used what they need by then
        self.calm()
        before = {name: self.measure(pid()) for name, pid in processes.items()}
        self.happen(seconds * 2 / 3, without)
        self.calm()
        for name, pid in processes.items():
            self.compare(name, pid(), before[name])

    def end_clients(self):
        self.tell("end")
        output, _ = self.clients.communicate(timeout=2 * WAIT)
        print(f"  {self.summary()}\n  {output.strip()}", flush=True)
        if self.clients.returncode != 0:
            raise Failed(f"the clients or pcscd ended with {self.clients.returncode}")

    def leave_nothing(self):
        mark = str(self.folder).encode()
        left = [entry.name for entry in pathlib.Path("/proc").iterdir() if entry.name.isdigit() and mark in command_line(entry)]
        if left:
            raise Failed(f"processes are left: {left}")
        shutil.rmtree(self.folder)


class Apart(Storm):
    """A simulator, a pcscd, cards: each a process that can be killed."""

    OWN, VPCD = 6, 4  # readers for own cards and for vpcd's
    EVENTS = {"restart_pcscd": 1, "stop_pcscd": 1, "restart_simulator": 2, "stop_simulator": 1, "move_card": 8,
              "garble_card": 1, "kill_vpcd_card": 6, "kill_client": 2}

    def __init__(self, arguments):
        super().__init__(arguments)
        self.cards = [None] * self.VPCD
        self.simulator = self.control = None
        self.ports = free_ports(self.VPCD)
        self.rig = self.folder / "rig"
        self.rig.mkdir(0o700)
        self.options = ["--directory", str(self.rig)]
        for number in range(self.OWN):
            self.options += ["--reader", f"own{number}", "--card", f"{number}={SOAK / 'identity.lua'}"]
        for number in range(self.VPCD):
            self.options += ["--reader", f"vpcd{number},vpcd={self.ports + number},timeout=5000"]

    def start(self):
        self.start_simulator()
        config = subprocess.run([CARDRIG, "serve", "--config", *self.options], check=True, capture_output=True, text=True)
        readers = re.findall(r'FRIENDLYNAME "(.*)"\nDEVICENAME +(\S+)\n', config.stdout)
        place = self.folder / "pcscd"
        place.mkdir(0o700)
        self.clients = subprocess.Popen(
            [BUILD / "bin" / "pcscd_alone", place, *(f"{name}={device}" for name, device in readers), "--", *self.client_command],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "DRIVER": str(BUILD / "lib" / "libifdcardrig.so"),
                 "REDIRECT": str(BUILD / "lib" / "libcardrig-redirect.so")})
        self.lines = Lines(self.clients.stdout)
        self.pcscd = wait_for("pcscd", lambda: child(self.clients.pid, "pcscd"))
        for number in range(self.VPCD):
            self.start_card(number)

    def start_simulator(self):
        with open(self.folder / "simulator.log", "ab") as log:
            self.simulator = subprocess.Popen([CARDRIG, "serve", *self.options], stderr=log)
        self.control = wait_for("the simulator", self.connect)

    def connect(self):
        if self.simulator.poll() is not None:
            raise Failed(f"the simulator cannot start: {(self.folder / 'simulator.log').read_text()[-500:]}")
        try:
            return Control(self.rig / "control")
        except OSError:
            return None

    def end_simulator(self, number):
        self.control.close()
        self.simulator.send_signal(number)
        status = self.simulator.wait(WAIT)
        if status not in (0, -number):
            raise Failed(f"the simulator, asked to end by signal {number}, ended with {status}")

    def restart_simulator(self):
        self.end_simulator(self.random.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM)))
        time.sleep(self.random.choice((0, self.random.uniform(0, 1))))
        self.start_simulator()

    def stop_simulator(self):
        self.simulator.send_signal(signal.SIGSTOP)
        # now and then for longer than the driver waits for an answer, which is 10 s
        time.sleep(12 if self.random.random() < 0.04 else self.random.uniform(0.01, 1.5))
        self.simulator.send_signal(signal.SIGCONT)

    def restart_pcscd(self):
        self.clients.send_signal(self.random.choice((signal.SIGUSR1, signal.SIGUSR2)))
        self.pcscd = wait_for("a new pcscd", lambda: (pid := child(self.clients.pid, "pcscd")) != self.pcscd and pid)

    def stop_pcscd(self):
        self.tell("stopped")
        os.kill(self.pcscd, signal.SIGSTOP)
        time.sleep(self.random.uniform(0.01, 1.5))
        os.kill(self.pcscd, signal.SIGCONT)
        self.tell("continued")

    def move_card(self):
        slot = str(self.random.randrange(self.OWN))
        for command in self.random.choice((("remove", "insert"), ("remove",), ("insert",), ("remove", "insert") * 3)):
            self.control.ask(command=command, slot=slot)  # refused when the card is out, or in, already

    def garble_card(self):
        fault = self.random.choice(("mute", "wrong-edc*2", "lost-block", "power-loss", "removal"))
        self.control.ask(command="fault", slot=str(self.random.randrange(self.OWN)), faults=[fault])

    def start_card(self, number, half=0):
        self.cards[number] = subprocess.Popen(
            [sys.executable, str(SOAK / "storm_card.py"), str(self.ports + number), str(half)])

    def end_card(self, number):
        self.cards[number].kill()
        self.cards[number].wait()

    def kill_vpcd_card(self):
        number = self.random.randrange(self.VPCD)
        self.end_card(number)
        time.sleep(self.random.choice((0, self.random.uniform(0, 0.5))))
        self.start_card(number, self.random.choice((0, 0, self.random.randrange(1, 50))))

    def look_after(self):
        if self.simulator.poll() is not None:
            raise Failed(f"the simulator has died with {self.simulator.returncode}")
        if child(self.clients.pid, "pcscd") != self.pcscd:
            raise Failed(f"pcscd has died; the end of its log:\n{(self.folder / 'pcscd' / 'pcscd.log').read_text()[-2000:]}")
        super().look_after()

    def calm(self):
        """Brings everything up."""
        for number in range(self.OWN):
            for command in ("remove", "insert"): # a fault that a card still has in store goes with it
                self.control.ask(command=command, slot=str(number))
        for number in range(self.VPCD):
            self.end_card(number)
            self.start_card(number)
        self.check(self.OWN + self.VPCD)

    def run(self, seconds):
        self.calm()
        self.happen(seconds / 3)
        self.calm()
        self.survive(seconds / 3, ["restart_pcscd"], {"pcscd": lambda: self.pcscd})
        self.survive(seconds / 3, ["restart_simulator"], {"simulator": lambda: self.simulator.pid})

    def end(self):
        self.end_clients()
        self.end_simulator(signal.SIGTERM)
        if left := os.listdir(self.rig):
            raise Failed(f"the simulator has left {left} behind")
        for number in range(self.VPCD):
            self.end_card(number)
        self.leave_nothing()

    def clear_away(self):
        for process in (self.clients, self.simulator, *self.cards):
            if process and process.poll() is None:
                process.kill()
                process.wait()


class Usb(Storm):
    """A rig whose readers come and go."""

    READERS = 4
    EVENTS = {"move_reader": 2, "move_card": 1}

    def start(self):
        options = []
        for number in range(self.READERS):
            options += ["--reader", f"usb{number},usb", "--card", f"{number}={SOAK / 'identity.lua'}"]
        self.clients = subprocess.Popen(
            [CARDRIG, "run", *options, "--reader", "serial", "--card", f"serial={SOAK / 'identity.lua'}", "--",
             "sh", "-c", 'echo "$CARDRIG_SOCKET"; exec "$0" "$@"', *self.client_command],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(self.folder)})
        self.lines = Lines(self.clients.stdout)
        self.control = Control(self.lines.next())
        self.plugged = [True] * self.READERS

    def move_reader(self):
        number = self.random.randrange(self.READERS)
        if not self.plugged[number]:
            # pcscd takes one event at a time, and the next one is refused meanwhile
            self.plugged[number] = self.control.ask(command="plug", slot=f"usb{number}")["ok"]
            return
        # pcscd 1.9.9 dies when a handle is looked up while a reader goes: RFReaderInfoById (readerfactory.c:856-862) walks
        # the list of handles that removeReader destroys, with its mutex (683-699). So nobody calls while it does that, but
        # those who wait for changes; their handles and contexts stay.
        self.tell("hold")
        self.hear("held")
        if self.control.ask(command="unplug", slot=f"usb{number}")["ok"]:
            self.plugged[number] = False
            wait_for("pcscd lets go of a reader", lambda: not self.slot(number)["driver_connected"])
            time.sleep(0.05)
        self.tell("go")

    def slot(self, number):
        return self.control.ask(command="status")["result"]["slots"][number]

    def move_card(self):
        slot = str(self.random.randrange(self.READERS + 1))
        for command in ("remove", "insert"):
            self.control.ask(command=command, slot=slot)

    def calm(self):
        for number in range(self.READERS):
            while not self.plugged[number]:
                answer = self.control.ask(command="plug", slot=f"usb{number}")
                self.plugged[number] = answer["ok"]
                time.sleep(0.01)
        self.check(self.READERS + 1)

    def run(self, seconds):
        supervisor = child(self.clients.pid, "cardrig")
        parts = {"simulator": lambda: child(supervisor, "cardrig"), "pcscd": lambda: child(supervisor, "pcscd")}
        self.calm()
        self.survive(seconds, [], parts)

    def end(self):
        self.end_clients()
        if left := os.listdir(self.folder):
            raise Failed(f"the rig has left {left} behind")
        self.leave_nothing()

    def clear_away(self):
        if self.clients and self.clients.poll() is None:
            self.clients.kill()
            self.clients.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--only", choices=("apart", "usb"))
    arguments = parser.parse_args()
    lead_a_group()
    print(f"soak: storm of {arguments.seconds} s, seed {arguments.seed}", flush=True)
    kinds = {"apart": (Apart, 3 / 4), "usb": (Usb, 1 / 4)}
    for name in [arguments.only] if arguments.only else kinds:
        kind, share = kinds[name]
        storm = kind(arguments)
        try:
            storm.start()
            storm.run(arguments.seconds * (1 if arguments.only else share))
            storm.end()
        except (Failed, AssertionError, OSError, subprocess.SubprocessError) as reason:
            print(f"\nsoak: FAILED: {reason}\nsoak: --seed {arguments.seed} lets the same events happen; logs are in {storm.folder}",
                  file=sys.stderr)
            storm.clear_away()
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
