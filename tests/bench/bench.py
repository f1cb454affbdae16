#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""cardrig and other virtual readers, measured side by side.

All systems run at the same time, each with a pcscd of its own, and are measured in turns, so that what the machine does
besides hits all of them alike. What counts is the ratio of their medians to the floor: an IFD handler that answers in
process without any I/O, which is what pcscd itself costs. Never fails on a time, only when something cannot be measured.
"""

import argparse
import contextlib
import glob
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
CARD = HERE / "bench.lua"
sys.path.insert(0, str(HERE.parent / "support"))
from ports import free_ports  # noqa: E402
from processes import busy_loops, children, stat  # noqa: E402
from waiting import Lines  # noqa: E402

VPCD = ["/usr/lib/pcsc/drivers/serial/libifdvpcd.so.*", "/usr/lib*/*/pcsc/drivers/serial/libifdvpcd.so.*"]

TRANSMIT = ["transmit-10", "transmit-256", "transmit-64k", "command-64k"]
RECONNECT = ["leave", "warm", "cold"]
TITLES = {
    "start": "start to first answer",
    "transmit-10": "SCardTransmit, 10 bytes",
    "transmit-256": "  answer of 256 bytes",
    "transmit-64k": "  answer of 64 KiB",
    "command-64k": "  command of 64 KiB",
    "leave": "SCardReconnect, leave",
    "warm": "  warm reset",
    "cold": "  cold reset",
    "remove": "removal noticed",
    "insert": "insertion noticed",
}
# DESIGN, section 9: at most so many times the floor, or so many ms
TARGETS = {"transmit-10": ("x", 2), "warm": ("x", 2.5), "cold": ("x", 2.5), "insert": ("ms", 3), "remove": ("ms", 3),
           "start": ("ms", 150)}


# libscardmanage beside PC/SC itself: what is measured of both, and how often PC/SC's time is the target
MANAGED = {"transmit": ("command, card locked", 1.25), "unit": ("unit of three commands", 1.15)}

WIDTH = 20  # of a column


def in_ms(ns):
    """With three figures, more or less."""
    ms = ns / 1e6
    return f"{ms:.{3 if ms < 1 else 2 if ms < 10 else 1 if ms < 100 else 0}f}"


class Failed(Exception):
    """Something could not be started or measured."""


def descendants(pid):
    """Names and numbers."""
    for name, child in children(pid):
        yield name, child
        yield from descendants(child)


def pss(pid):
    """The memory of a process in KiB; what it shares with others counts in proportion. 0 when it has ended."""
    try:
        text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    found = re.search(r"^Pss: +(\d+)", text, re.MULTILINE)
    return int(found[1]) if found else 0


class Instance:
    """A system that runs, with a client in it that measures."""

    def __init__(self, name, command, environment=None, card=None):
        """card: the command line of a card process, which comes and goes as its standard input says."""
        self.name = name
        self.stack = contextlib.ExitStack()
        self.card = None
        environment = {**os.environ, **(environment or {})}
        self.began = time.monotonic_ns()
        try:
            if card:
                folder = self.stack.enter_context(tempfile.TemporaryDirectory())
                fifo = os.path.join(folder, "mover")
                os.mkfifo(fifo, 0o600)
                reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
                self.stack.callback(os.close, os.open(fifo, os.O_WRONLY))
                os.set_blocking(reader, True)
                self.card = subprocess.Popen(card, stdin=reader)
                os.close(reader)
                self.stack.callback(self.end_card)
                environment["BENCH_MOVER"] = fifo
            self.process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                            stderr=subprocess.PIPE, text=True)
            self.lines = Lines(self.process.stdout)
        except BaseException:
            self.stack.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def end_card(self):
        self.card.kill()
        self.card.wait()

    def close(self):
        try:
            self.process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
        finally:
            self.stack.close()

    def send(self, line):
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # what has happened is said where the answer is missing

    def receive(self):
        try:
            line = self.lines.next()
        except AssertionError as late:
            raise Failed(f"{self.name}: {late}") from None
        if not line:
            status = self.process.wait(20)
            raise Failed(f"{self.name}: ended with status {status}: {self.process.stderr.read().strip()}")
        return json.loads(line)

    def ask(self, line):
        self.send(line)
        return self.receive()

    def wait(self):
        """Waits until all is there; returns how long the first answer took, in ns."""
        return self.receive()["answered"] - self.began

    def memory(self):
        """In KiB: of pcscd, and of what is at the other end of its driver."""
        found = {"pcscd": 0, "peer": 0}
        processes = [(stat(self.process.pid)[0], self.process.pid), *descendants(self.process.pid)]
        if self.card:
            processes.append(("card", self.card.pid))
        for name, pid in processes:
            if name not in ("bench_client", "pcscd_alone"):
                found["pcscd" if name == "pcscd" else "peer"] += pss(pid)
        return found


class System:
    def __init__(self, name, build, readers_max=16):
        self.name = name
        self.build = build
        self.readers_max = readers_max
        self.client = str(build / "bin" / "bench_client")
        self.missing = None  # why there are no figures

    def alone(self, driver, devices, card=None):
        """A pcscd with nothing but a driver."""
        folder = tempfile.mkdtemp(prefix="b", dir="/tmp")  # a driver's path can't be long
        try:
            instance = Instance(
                self.name,
                [self.build / "bin" / "pcscd_alone", folder, *(f"bench{i}={name}" for i, name in enumerate(devices)),
                 "--", self.client, str(self.client_readers)],
                {"DRIVER": str(driver), "REDIRECT": str(self.build / "lib" / "libcardrig-redirect.so")}, card)
        except BaseException:
            shutil.rmtree(folder)
            raise
        instance.stack.callback(shutil.rmtree, folder, ignore_errors=True)
        return instance

    def start(self, readers=1):
        self.client_readers = readers
        return self.run(readers)


class Floor(System):
    moves = False

    def run(self, readers):
        return self.alone(self.build / "lib" / "libifdnull.so", [f"/dev/null:null={i}" for i in range(readers)])


class Cardrig(System):
    moves = True

    def run(self, readers):
        options = []
        for i in range(readers):
            options += ["--reader", f"bench{i}", "--card", CARD]
        return Instance(self.name, [self.build / "bin" / "cardrig", "run", *options, "--", self.client, str(readers)])


class VpcdCards(System):
    """Readers of ours for vpcd cards."""
    moves = True
    options = ()

    def cards(self, port, count):
        return [self.build / "bin" / "vpcd_card", *self.options, "127.0.0.1", str(port), str(count)]

    def run(self, readers):
        port = free_ports(readers)
        options = [word for i in range(readers) for word in ("--reader", f"bench{i},vpcd={port + i}")]
        return Instance(self.name, [self.build / "bin" / "cardrig", "run", *options, "--", self.client, str(readers)],
                        card=self.cards(port, readers))


class StockVpcd(VpcdCards):
    """The driver of vsmartcard. It takes one reader, which has two slots."""

    def __init__(self, name, build, options=()):
        super().__init__(name, build, readers_max=2)
        self.options = options
        found = [path for pattern in VPCD for path in sorted(glob.glob(pattern))]
        self.driver = found[-1] if found else None
        if not found:
            self.missing = "not installed (Debian: vsmartcard-vpcd)"

    def run(self, readers):
        port = free_ports(2)
        return self.alone(self.driver, [f"/dev/null:{port}"], self.cards(port, readers))


class Bench:
    def __init__(self, options):
        build = options.build
        self.quick = options.quick
        self.rounds = 1 if options.quick else options.rounds
        self.systems = [Floor("floor", build), Cardrig("cardrig", build), VpcdCards("cardrig+vpcd", build),
                        StockVpcd("vpcd 3.3", build), StockVpcd("vpcd 3.3, quick ACK", build, ["--quick-ack"])]
        self.results = {system.name: {"samples": {}, "readers": {}, "memory": {}} for system in self.systems}
        self.rigs = {}

    def there(self):
        return [system for system in self.systems if not system.missing]

    def add(self, system, operation, samples):
        self.results[system.name]["samples"].setdefault(operation, []).extend(samples)

    def say(self, text):
        print(text, file=sys.stderr, flush=True)

    def measure_starts(self):
        """Also finds out what is there."""
        for number in range(self.rounds + 1):
            for system in self.there():
                try:
                    with system.start() as instance:
                        ns = instance.wait()
                except Failed as failure:
                    if number > 0 or isinstance(system, (Floor, Cardrig)):
                        raise
                    system.missing = str(failure).splitlines()[0].split(": ", 2)[2]
                    continue
                if number > 0:  # before, files were read for the first time
                    self.add(system, "start", [ns])

    def measure_operations(self):
        count, ms = (2, 1000) if self.quick else (100, 250)
        with contextlib.ExitStack() as stack:
            running = [(system, stack.enter_context(system.start())) for system in self.there()]
            for system, instance in running:
                instance.wait()
                for operation in TRANSMIT + RECONNECT:
                    instance.ask(f"{operation} 1 1000")  # to warm up
            for number in range(self.rounds):
                for operation in TRANSMIT + RECONNECT:
                    for system, instance in running:
                        self.add(system, operation, instance.ask(f"{operation} {count} {ms}")["samples"])
                for system, instance in running[:2]:
                    for operation, samples in instance.ask(f"managed {1 if self.quick else 10} {ms}").items():
                        self.add(system, operation, samples)
                for system, instance in running:
                    if system.moves:
                        answer = instance.ask(f"events {1 if self.quick else 2} {0 if self.quick else 400}")
                        self.add(system, "remove", answer["remove"])
                        self.add(system, "insert", answer["insert"])
            for system, instance in running:
                self.results[system.name]["memory"]["1"] = instance.memory()

    def measure_readers(self):
        counts, ms = ([1, 2], 400) if self.quick else ([1, 2, 4, 8, 16], 300)
        rounds = max(1, self.rounds // 4)
        with contextlib.ExitStack() as stack:
            running = []
            for system in self.there():
                most = min(max(counts), system.readers_max)
                running.append((system, most, stack.enter_context(system.start(most))))
            for system, most, instance in running:
                instance.wait()
                self.results[system.name]["memory"][str(most)] = instance.memory()
            for number in range(rounds):
                for count in counts:
                    for system, most, instance in running:
                        if count > most:
                            continue
                        answer = instance.ask(f"readers {count} {ms}")
                        each = answer["exchanges"]
                        self.results[system.name]["readers"].setdefault(str(count), []).append(
                            {"per_second": sum(each) / answer["ns"] * 1e9, "fairness": min(each) / max(max(each), 1)})

    def measure_rigs(self):
        counts, ms = ([1, 2], 400) if self.quick else ([1, 4, 16, 32], 500)
        for system in self.systems[:2]:
            rows = self.rigs[system.name] = {}
            for count in counts:
                with contextlib.ExitStack() as stack:
                    began = time.monotonic_ns()
                    running = [stack.enter_context(system.start()) for _ in range(count)]
                    answered = [instance.wait() + instance.began for instance in running]
                    memory = sum(sum(instance.memory().values()) for instance in running)
                    for instance in running:
                        instance.send(f"readers 1 {ms}")
                    answers = [instance.receive() for instance in running]
                    rows[str(count)] = {
                        "start_ms": (max(answered) - began) / 1e6,
                        "memory_kib": memory / count,
                        "per_second": sum(answer["exchanges"][0] / answer["ns"] * 1e9 for answer in answers),
                    }

    def run(self):
        steps = [("start", self.measure_starts), ("one reader", self.measure_operations),
                 ("many readers", self.measure_readers), ("many rigs", self.measure_rigs)]
        for title, step in steps:
            began = time.monotonic()
            step()
            self.say(f"{title}: measured in {time.monotonic() - began:.0f} s")

    # what came of it

    def median(self, name, operation):
        samples = self.results[name]["samples"].get(operation)
        return statistics.median(samples) if samples else None

    def summary(self):
        """For each system and operation: median and 95th percentile in ns, and how often the floor's median."""
        rows = {}
        for system in self.there():
            for operation in TITLES:
                median = self.median(system.name, operation)
                if median is None:
                    continue
                samples = sorted(self.results[system.name]["samples"][operation])
                floor = self.median("floor", operation)
                rows.setdefault(operation, {})[system.name] = {
                    "median_ns": median,
                    "p95_ns": samples[min(len(samples) - 1, len(samples) * 95 // 100)],
                    "samples": len(samples),
                    "ratio": median / floor if floor else None,
                }
        return rows

    def verdict(self, operation, row):
        if operation not in TARGETS:
            return ""
        unit, limit = TARGETS[operation]
        value = row["ratio"] if unit == "x" else row["median_ns"] / 1e6
        return f"{limit} {unit}: {'met' if value <= limit else 'MISSED'}"

    def table(self):
        names = [system.name for system in self.there()]
        lines = ["Medians in ms (95th percentile), times the floor; the target is cardrig's", ""]
        lines.append(" " * 24 + "".join(f"{name:>{WIDTH}}" for name in names) + "  target")
        rows = self.summary()
        for operation, title in TITLES.items():
            line = f"{title:24}"
            for name in names:
                row = rows[operation].get(name)
                text = "-"
                if row:
                    ratio = f"{row['ratio']:.{1 if row['ratio'] < 100 else 0}f}x" if row["ratio"] else "-"
                    text = f"{in_ms(row['median_ns'])} ({in_ms(row['p95_ns'])}) {ratio:>5}"
                line += f"{text:>{WIDTH}}"
            lines.append(f"{line}  {self.verdict(operation, rows[operation]['cardrig'])}".rstrip())
        lines += ["", "Readers at once: exchanges of 10 bytes in a second (slowest reader to fastest), times the floor", ""]
        for count in self.results["floor"]["readers"]:
            line = f"{count + (' reader' if count == '1' else ' readers'):24}"
            for name in names:
                text = "-"
                if count in self.results[name]["readers"]:
                    rate, fairness = self.rate(name, count)
                    text = f"{rate:.0f} ({fairness:.2f}) {rate / self.rate('floor', count)[0]:5.2f}x"
                line += f"{text:>{WIDTH}}"
            lines.append(line)
        lines += ["", "libscardmanage: medians in ms (PC/SC itself), times PC/SC itself; the target is cardrig's", ""]
        for operation, (title, limit) in MANAGED.items():
            line = f"{title:24}"
            for name in names[:2]:
                bare, managed = (self.median(name, f"{what} {operation}") for what in ("bare", "managed"))
                line += f"{in_ms(managed)} ({in_ms(bare)}) {managed / bare:.2f}x".rjust(WIDTH)
            lines.append(f"{line}  {limit} x: {'met' if managed / bare <= limit else 'MISSED'}")
        lines += ["", "Memory in KiB (PSS): pcscd + what is behind its driver", ""]
        for index, title in ((0, "1 reader"), (1, "many readers")):
            line = f"{title:24}"
            for name in names:
                readers, memory = list(self.results[name]["memory"].items())[index]
                line += f"{memory['pcscd']} + {memory['peer']} ({readers})".rjust(WIDTH)
            lines.append(line)
        lines += ["", "Rigs at once, each with pcscd, reader and client: until the last has answered, ms; memory of each, KiB;",
                  "exchanges of 10 bytes in a second over all", "",
                  " " * 24 + "".join(name.rjust(WIDTH + 8) for name in self.rigs)]
        for count in self.rigs["floor"]:
            line = f"{count + (' rig' if count == '1' else ' rigs'):24}"
            for name, rows in self.rigs.items():
                row = rows[count]
                line += f"{row['start_ms']:.0f} ms {row['memory_kib']:.0f} KiB {row['per_second']:.0f}/s".rjust(WIDTH + 8)
            lines.append(line)
        for system in self.systems:
            if system.missing:
                lines += ["", f"{system.name}: {system.missing}"]
        return "\n".join(lines)

    def rate(self, name, count):
        rows = self.results[name]["readers"][count]
        return (statistics.median(row["per_second"] for row in rows), statistics.median(row["fairness"] for row in rows))

    def check(self):
        """That nothing is missing."""
        for system in self.there():
            result = self.results[system.name]
            for operation in TITLES:
                expected = system.moves or operation not in ("remove", "insert")
                if expected and not result["samples"].get(operation):
                    raise Failed(f"{system.name}: no figure for {operation}")
            for count, rows in result["readers"].items():
                if any(row["per_second"] == 0 or row["fairness"] == 0 for row in rows):
                    raise Failed(f"{system.name}: a reader of {count} was never served")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", type=lambda path: pathlib.Path(path).resolve(), default=HERE.parents[1] / "build",
                        help="the folder with the built programs")
    parser.add_argument("--quick", action="store_true", help="a few samples of each, only to see that it works")
    parser.add_argument("--load", action="store_true", help="with a busy loop on each processor meanwhile")
    parser.add_argument("--rounds", type=int, default=20, metavar="N", help="how many turns each system gets (20)")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write everything that was measured to FILE")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("--rounds: at least 1")
    bench = Bench(options)
    try:
        with busy_loops(options.load):
            bench.run()
        bench.check()
    except Failed as failure:
        sys.exit(f"bench: {failure}")
    print(bench.table())
    if options.json:
        options.json.write_text(json.dumps({"summary": bench.summary(), "systems": bench.results, "rigs": bench.rigs}))


if __name__ == "__main__":
    main()
