"""storm.py [--seconds N] [--seed N]: pcscd, the simulator and the cards are killed, stopped and started again, under clients.

Each part is a process of its own here: the simulator is 'cardrig serve', pcscd belongs to pcscd_alone, the clients are those
of storm_clients.c, and some cards are vpcd's, in processes that can be killed, too. What must hold: no call hangs, every answer
is right, what is up again works again, neither pcscd nor the simulator dies by itself, and nothing leaks or is left behind.

There are three parts: in the first all of this happens to everybody; in the second pcscd is not restarted, in the third the
simulator is not, so that there is something to be compared: memory and descriptors while no client is there.
"""

import argparse
import json
import os
import pathlib
import random
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

SOAK = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(os.environ.get("CARDRIG_BUILD", SOAK.parents[1] / "build"))
CARDRIG = os.environ.get("CARDRIG_SERVE", str(BUILD / "bin" / "cardrig"))
OWN, VPCD, CLIENTS = 6, 4, 12
WAIT = 60  # seconds for anything that has to happen
GROWTH_KIB = 1024
SANITIZED = b"__asan_init" in (BUILD / "bin" / "cardrig").read_bytes()  # the sanitizer keeps what was freed


class Failed(Exception):
    pass


def until(what, condition, seconds=WAIT):
    """Waits for something, and returns it."""
    end = time.monotonic() + seconds
    while not (result := condition()):
        if time.monotonic() > end:
            raise Failed(f"{what}: not within {seconds} s")
        time.sleep(0.01)
    return result


def children(pid, name):
    """The children of a process that have that name."""
    try:
        found = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [int(child) for child in found if pathlib.Path(f"/proc/{child}/comm").read_text().strip() == name]
    except OSError:
        return []


def memory(pid):
    return int(re.search(r"RssAnon:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1])


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def free_ports(count):
    """The first of as many ports in a row."""
    while True:
        first = random.randrange(20000, 32000)
        try:
            for port in range(first, first + count):
                socket.create_server(("127.0.0.1", port)).close()
            return first
        except OSError:
            pass


class Simulator:
    """cardrig serve, with a control connection."""

    def __init__(self, folder, ports):
        self.folder = folder
        self.options = []
        for number in range(OWN):
            self.options += ["--reader", f"own{number}", "--card", f"{number}={SOAK / 'identity.lua'}"]
        for number in range(VPCD):
            self.options += ["--reader", f"vpcd{number},vpcd={ports + number},timeout=5000"]
        self.options += ["--directory", str(folder)]
        self.process = self.connection = None

    def config(self):
        """Names and DEVICENAMEs, as pcscd is to be told."""
        text = subprocess.run([CARDRIG, "serve", "--config", *self.options], check=True, capture_output=True, text=True).stdout
        return re.findall(r'FRIENDLYNAME "(.*)"\nDEVICENAME +(\S+)\n', text)

    def start(self):
        self.log = open(self.folder.with_suffix(".log"), "a+b")
        self.process = subprocess.Popen([CARDRIG, "serve", *self.options], stderr=self.log)
        until("the simulator's control socket", self.connect)

    def connect(self):
        if self.process.poll() is not None:
            raise Failed(f"the simulator cannot start: {self.folder.with_suffix('.log').read_text()[-500:]}")
        try:
            self.connection = socket.socket(socket.AF_UNIX)
            self.connection.settimeout(WAIT)
            self.connection.connect(str(self.folder / "control"))
            self.lines = self.connection.makefile("rw")
            return True
        except OSError:
            self.connection.close()
            return False

    def ask(self, **request):
        self.lines.write(json.dumps(request) + "\n")
        self.lines.flush()
        return json.loads(self.lines.readline())

    def end(self, number):
        self.lines.close()
        self.connection.close()
        self.process.send_signal(number)
        status = self.process.wait(WAIT)
        self.log.close()
        if status not in (0, -number):
            raise Failed(f"the simulator, told to end by signal {number}, ended with {status}")


class Storm:
    def __init__(self, arguments):
        self.random = random.Random(arguments.seed)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="storm", dir="/tmp"))
        self.pcscd_folder = self.folder / "pcscd"
        self.pcscd_folder.mkdir(0o700)
        self.ports = free_ports(VPCD)
        self.cards = [None] * VPCD
        self.counts = {}
        (self.folder / "rig").mkdir(0o700)
        self.simulator = Simulator(self.folder / "rig", self.ports)
        readers = self.simulator.config()
        if len(readers) != OWN + VPCD:
            raise Failed(f"serve --config has {len(readers)} readers")
        self.simulator.start()
        environment = {**os.environ, "DRIVER": str(BUILD / "lib" / "libifdcardrig.so"),
                       "REDIRECT": str(BUILD / "lib" / "libcardrig-redirect.so")}
        self.alone = subprocess.Popen(
            [BUILD / "bin" / "pcscd_alone", self.pcscd_folder, *(f"{name}={device}" for name, device in readers), "--",
             BUILD / "bin" / "soak_storm_clients", str(CLIENTS), str(arguments.seed)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        self.pcscd = until("pcscd", lambda: children(self.alone.pid, "pcscd"))[0]
        for number in range(VPCD):
            self.start_card(number)

    # Orders to the clients

    def tell(self, word):
        try:
            self.alone.stdin.write(word + "\n")
            self.alone.stdin.flush()
        except BrokenPipeError:
            raise Failed("the clients have failed") from None

    def hear(self, word):
        ready, _, _ = select.select([self.alone.stdout], [], [], 2 * WAIT)
        line = self.alone.stdout.readline().strip() if ready else "nothing"
        if line != word:
            raise Failed(f"the clients should have said '{word}', not '{line}'")

    # What happens to the parts

    def restart_pcscd(self):
        self.alone.send_signal(self.random.choice((signal.SIGUSR1, signal.SIGUSR2)))
        self.pcscd = until("a new pcscd", lambda: [pid for pid in children(self.alone.pid, "pcscd") if pid != self.pcscd])[0]

    def stop_pcscd(self):
        self.tell("stopped")
        os.kill(self.pcscd, signal.SIGSTOP)
        time.sleep(self.random.uniform(0.01, 1.5))
        os.kill(self.pcscd, signal.SIGCONT)
        self.tell("continued")

    def restart_simulator(self):
        self.simulator.end(self.random.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM)))
        time.sleep(self.random.choice((0, self.random.uniform(0, 1))))
        self.simulator.start()

    def stop_simulator(self):
        self.simulator.process.send_signal(signal.SIGSTOP)
        time.sleep(self.random.uniform(0.01, 1.5))
        self.simulator.process.send_signal(signal.SIGCONT)

    def move_card(self):
        slot = str(self.random.randrange(OWN))
        for command in self.random.choice((("remove", "insert"), ("remove",), ("insert",), ("remove", "insert") * 3)):
            self.simulator.ask(command=command, slot=slot)  # refused when the card is out, or in, already

    def garble_card(self):
        self.simulator.ask(command="fault", slot=str(self.random.randrange(OWN)),
                           faults=[self.random.choice(("mute", "wrong-edc*2", "lost-block", "power-loss", "removal"))])

    def start_card(self, number, half=0):
        command = [sys.executable, str(SOAK / "storm_card.py"), str(self.ports + number)]
        self.cards[number] = subprocess.Popen(command + [str(half)] * (half > 0))

    def end_card(self, number):
        self.cards[number].kill()
        self.cards[number].wait()

    def kill_vpcd_card(self):
        number = self.random.randrange(VPCD)
        self.end_card(number)
        time.sleep(self.random.choice((0, self.random.uniform(0, 0.5))))
        self.start_card(number, self.random.choice((0, 0, self.random.randrange(1, 50))))

    def kill_client(self):
        self.tell("kill")

    EVENTS = {restart_pcscd: 1, stop_pcscd: 1, restart_simulator: 2, stop_simulator: 1, move_card: 8, garble_card: 1,
              kill_vpcd_card: 6, kill_client: 2}

    def happen(self, seconds, without=()):
        """Lets things happen for some time."""
        events = {event: weight for event, weight in self.EVENTS.items() if event.__name__ not in without}
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            event, = self.random.choices(list(events), list(events.values()))
            event(self)
            self.counts[event.__name__] = self.counts.get(event.__name__, 0) + 1
            self.look_after()
            time.sleep(min(left, self.random.choice((0, 0.05, self.random.uniform(0, 0.6)))))

    def look_after(self):
        """Nobody may have died by itself."""
        if self.simulator.process.poll() is not None:
            raise Failed(f"the simulator has died with {self.simulator.process.returncode}")
        if self.pcscd not in children(self.alone.pid, "pcscd"):
            raise Failed(f"pcscd has died; the end of its log:\n{(self.pcscd_folder / 'pcscd.log').read_text()[-2000:]}")
        if self.alone.poll() is not None:
            raise Failed(f"the clients have failed, exit status {self.alone.returncode}")
        show = f"{time.monotonic() - self.begun:4.0f} s: " + ", ".join(f"{name} {self.counts[name]}" for name in sorted(self.counts))
        if sys.stderr.isatty():
            print(f"\rsoak: {show}", end="  ", file=sys.stderr, flush=True)
        elif time.monotonic() - self.shown > 10:
            self.shown = time.monotonic()
            print(f"soak: {show}", file=sys.stderr, flush=True)

    # What must be so when it is over

    def calm(self):
        """Brings everything up, and sees that it works. All clients are there."""
        for number in range(OWN):
            self.simulator.ask(command="insert", slot=str(number))
        for number in range(VPCD):
            self.end_card(number)
            self.start_card(number)
        self.tell(f"check {OWN + VPCD}")
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
            held = [os.readlink(entry) for entry in pathlib.Path(f"/proc/{pid}/fd").iterdir()]
            raise Failed(f"{name} has {after[1]} descriptors, and had {before[1]}: {sorted(held)}")
        if after[0] - before[0] > GROWTH_KIB and not SANITIZED:
            raise Failed(f"{name} has {after[0]} KiB, and had {before[0]}")

    def survive(self, name, seconds, without, process):
        """A part of the storm that a process lives through, and must not grow in."""
        self.happen(seconds / 3, without)  # it has used what it needs by then
        self.calm()
        before = self.measure(process())
        self.happen(seconds * 2 / 3, without)
        self.calm()
        self.compare(name, process(), before)

    def run(self, seconds):
        self.begun = self.shown = time.monotonic()
        self.calm()
        self.happen(seconds / 3)
        self.calm()
        self.survive("pcscd", seconds / 3, ["restart_pcscd"], lambda: self.pcscd)
        self.survive("simulator", seconds / 3, ["restart_simulator"], lambda: self.simulator.process.pid)
        print("  " + ", ".join(f"{name.replace('_', ' ')}: {count}" for name, count in sorted(self.counts.items())))

    def end(self):
        """Ends all, and sees that nothing is left."""
        self.tell("end")
        output, _ = self.alone.communicate(timeout=2 * WAIT)
        print("  " + output.strip())
        if self.alone.returncode != 0:
            raise Failed(f"pcscd_alone ended with {self.alone.returncode}")
        self.simulator.end(signal.SIGTERM)
        if left := os.listdir(self.folder / "rig"):
            raise Failed(f"the simulator has left {left} behind")
        for number in range(VPCD):
            self.end_card(number)
        mark = str(self.folder).encode()
        left = [entry.name for entry in pathlib.Path("/proc").iterdir() if entry.name.isdigit() and mark in command_line(entry)]
        if left:
            raise Failed(f"processes are left: {left}")
        shutil.rmtree(self.folder)

    def clear_away(self):
        """After a failure; the logs stay."""
        for process in [self.alone, self.simulator.process, *self.cards]:
            if process and process.poll() is None:
                process.kill()
                process.wait()


def command_line(entry):
    try:
        return (entry / "cmdline").read_bytes()
    except OSError:
        return b""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    arguments = parser.parse_args()
    print(f"soak: storm of {arguments.seconds} s, seed {arguments.seed}", flush=True)
    storm = Storm(arguments)
    try:
        storm.run(arguments.seconds)
        storm.end()
    except (Failed, OSError, subprocess.TimeoutExpired) as reason:
        print(f"\nsoak: FAILED: {reason}\nsoak: --seed {arguments.seed} lets the same things happen; logs are in {storm.folder}",
              file=sys.stderr)
        storm.clear_away()
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
