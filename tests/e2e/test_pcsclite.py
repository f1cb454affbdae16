# SPDX-License-Identifier: BSD-3-Clause
"""What pcsc-lite does other than it documents: the sequences in scardmanage-pcsclite(7), run as they stand there.

In brackets there is what a pcsc-lite would do that keeps to its documentation. One that does skips the rest of the sequence,
and says so; the versions that the tables of the page and of docs/PCSC-LITE.md name have to be as these say.

CARDRIG_RECORD=1 in the environment writes into pcsclite.json what is seen with the pcscd at hand, and makes the tables from it.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import time

import pytest

from card_state import wait_for_state
from client import Client
from private_pcscd import Pcscd
from programs import CARDRIG, CARDS, SOURCE, run
from rig import Rig
from serving import Serve, devices
from waiting import TIMEOUT, wait_for

PAGE_FILE = SOURCE / "lib/scardmanage/man/scardmanage-pcsclite.7"
PAGE = PAGE_FILE.read_text()
PCSC_LITE = SOURCE / "docs/PCSC-LITE.md"
SEEN_FILE = SOURCE / "tests/e2e/pcsclite.json"
SEEN = json.loads(SEEN_FILE.read_text())  # by version and heading: whether pcsc-lite does what the page says
RECORDS = "CARDRIG_RECORD" in os.environ


def version():
    """Of the pcscd that is run; its library is taken to be of the same."""
    pcscd = os.environ.get("CARDRIG_PCSCD") or shutil.which("pcscd", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    return re.search(r"version ([0-9.]*[0-9])", subprocess.run([pcscd, "--version"], capture_output=True, text=True).stdout)[1]


VERSION = version()
CARD = CARDS / "two-protocols.lua"
CHALLENGE = "0084000008"
SHARES = {"EXCLUSIVE": 1, "SHARED": 2}
PROTOCOLS = {"T=0": 1, "T=1": 2, "RAW": 4}
STEPS = {"LEAVE": "leave", "RESET": "warm", "UNPOWER": "cold"}
WAITING = 1  # a second, in which a call that does not wait returns


def sequences():
    """By heading: who does what, what that gives, and what it would give otherwise."""
    found = {}
    for section in PAGE.split("\n.Ss ")[1:]:
        text = section.partition(".Bd -literal -offset indent\n")[2].partition("\n.Ed")[0]
        steps = [re.fullmatch(r"(A|B|\\-)  (\S.*?)  +(\S.*?)(?:   \(not (.*)\))?", line) for line in text.splitlines()]
        assert steps and all(steps), section
        found[section.partition("\n")[0]] = [step.groups() for step in steps]
    return found


SEQUENCES = sequences()


def record(heading, seen):
    """True if it is as the tables say, or they do not have this version."""
    if RECORDS:
        SEEN.setdefault(VERSION, {})[heading] = seen
    return SEEN.get(VERSION, {}).get(heading, seen) == seen


class Actor(Client):
    """One of the clients. Its calls may not return."""

    state = 0  # of the reader, as PC/SC reported it last

    def begin(self, action):
        """Makes the call that a step names."""
        function, *words = action.split()
        share = next((SHARES[word] for word in words if word in SHARES), SHARES["SHARED"])
        protocols = next((PROTOCOLS[word] for word in words if word in PROTOCOLS), 3)
        step = next((STEPS[word] for word in words if word in STEPS), "leave")
        timeout = 0 if "UNAWARE" in words else 1000 * WAITING
        calls = {
            "SCardConnect": ("connect", protocols, share),
            "SCardReconnect": ("reconnect", step, protocols, share),
            "SCardDisconnect": ("disconnect", step),
            "SCardBeginTransaction": ("begin",),
            "SCardEndTransaction": ("end", step),
            "SCardStatus": ("status",),
            "SCardTransmit": ("transmit", CHALLENGE),
            "SCardGetAttrib": ("attribute", "VENDOR_NAME"),
            "SCardGetStatusChange": ("status_change", 0 if "UNAWARE" in words else self.state, timeout),
            "SCardIsValidContext": ("valid",),
        }
        self.function, self.begun = function, time.monotonic()
        self.start(*calls[function])

    def outcome(self, expected):
        """What the call has returned, in the words of the page."""
        if expected == "waits" and not self.lines.ready(WAITING):
            return "waits"
        answer = self.finish()
        code = {"0x80100013": "F_COMM_ERROR", "0x8010006a": "W_SECURITY_VIOLATION"}.get(
            answer[0], answer[0].removeprefix("SCARD_"))
        if self.function == "SCardGetStatusChange":
            self.state = answer[1]
        if expected == "no service":
            return expected if code in ("E_NO_SERVICE", "F_COMM_ERROR", "W_SECURITY_VIOLATION") else code
        if expected == "ok after 400 ms" and time.monotonic() - self.begun >= 0.4:
            return f"{code} after 400 ms"
        return code

    def kill(self):
        self.process.kill()
        self.process.communicate()


class Stage:
    """The clients, and what happens to card and reader, in a rig of cardrig run."""

    def __init__(self, rig):
        self.rig = rig
        self.environment = rig.environment()
        self.command = None

    def happen(self, action, expected):
        first, *words = action.split()
        if first == "resets":
            return "more than one" if self.rig.card()["resets"]["warm"] > 1 else "one"
        if first == "cardrig":
            self.command = subprocess.Popen([CARDRIG, *words], stdout=subprocess.DEVNULL,
                                            env={**os.environ, "CARDRIG_SOCKET": self.rig.control_socket})
        try:
            status = self.command.wait(WAITING if expected == "waits" else TIMEOUT)
        except subprocess.TimeoutExpired:
            return "waits"
        if words and words[0] in ("insert", "remove"):  # which is done when pcscd has seen it, too
            with Client(self.environment) as watcher:
                watcher.establish()
                wait_for_state(watcher, "PRESENT" if words[0] == "insert" else "EMPTY")
        return "failed" if status else "ok"


class ServiceStage:
    """The same, where pcscd is killed."""

    def __init__(self, pcscd):
        self.pcscd = pcscd
        self.environment = {**os.environ, "PCSCLITE_CSOCK_NAME": f"{pcscd.folder}/run/pcscd/pcscd.comm", "CARDRIG_READER": "cardrig 00 00"}

    def happen(self, action, _):
        assert action == "pcscd is killed, and started again"
        before = self.pcscd.pid()
        self.pcscd.process.send_signal(signal.SIGUSR2)
        wait_for("a new pcscd", lambda: self.pcscd.pid() not in (None, before))
        return "ok"


@contextlib.contextmanager
def stage_for(steps, folder):
    actions = " ".join(action for _, action, _, _ in steps)
    if "pcscd is" in actions:
        with Serve(folder / "rig", "--card", CARD) as rig:
            config = run("serve", "--directory", folder / "rig", "--config").stdout
            with Pcscd(folder / "pcscd", devices(config)) as pcscd:
                yield ServiceStage(pcscd)
    else:
        with Rig("--reader", "key,usb" if "plug" in actions else "plain", "--card", CARD) as rig:
            yield Stage(rig)
        assert rig.process.returncode == 0, rig.errors


@pytest.mark.parametrize("name", SEQUENCES)
def test_sequence(name, temporary):
    with stage_for(SEQUENCES[name], temporary) as stage:
        actors = {who: Actor(stage.environment) for who in "AB"}
        try:
            for actor in actors.values():
                assert actor.establish() == ["ok"]
            for who, action, expected, documented in SEQUENCES[name]:
                if who not in actors:
                    seen = stage.happen(action, expected)
                else:
                    if action != "returns":
                        actors[who].begin(action)
                    seen = actors[who].outcome(expected)
                if seen == documented and record(name, False):
                    pytest.skip(f"pcsc-lite {VERSION} behaves as documented: {who} {action}: {seen}")
                assert seen == expected, f"{who} {action}"
            assert record(name, True)
        finally:
            for actor in actors.values():
                actor.kill()


def test_most_sequences_tell_what_else_one_might_expect():
    assert len(SEQUENCES) > 10
    assert all(any(documented for _, _, _, documented in steps) for steps in SEQUENCES.values())


MISREAD = "AN EVENT IS TAKEN FOR AN ANSWER"
MISREAD_CODES = {"SCARD_E_UNKNOWN_READER", "SCARD_E_UNSUPPORTED_FEATURE", "SCARD_E_INSUFFICIENT_BUFFER"}


def test_an_event_is_taken_for_an_answer():
    """Looks at the reader while its card comes and goes. It is not seen each time where it can be."""
    codes = set()
    with Rig("--reader", "plain", "--card", CARD) as rig, Client(rig.environment()) as client:
        assert client.establish() == ["ok"]
        for moves in range(3000 if RECORDS else 300):
            client.start("status_change_once")
            rig.do("insert" if moves % 2 else "remove", slot="0", **({"file": str(CARD)} if moves % 2 else {}))
            codes.add(client.finish()[0])
            if codes & MISREAD_CODES:
                break
    assert codes <= {"ok"} | MISREAD_CODES
    seen = bool(codes & MISREAD_CODES)
    assert record(MISREAD, seen) or not seen


#
# The tables
#

def versions():
    return sorted(SEEN, key=lambda one: [int(number) for number in one.split(".")])


def word(version, heading):
    return {True: "yes", False: "no", None: ""}[SEEN[version].get(heading)]


def table_of_page():
    """In mdoc: what has a heading there, and the versions."""
    headings = [*SEQUENCES, MISREAD]
    widest = max(headings, key=len).replace("'", "\\(aq")  # which groff 1.23 takes for the end of what it measures
    lines = [f'.Bl -column "{widest}" ' + " ".join(f'"{one}"' for one in versions()),
             ".It Ta " + " Ta ".join(f"Sy {one}" for one in versions())]
    for heading in headings:
        shown = heading.capitalize() if heading.isupper() else heading
        shown = re.sub(r"\b([A-Z][a-z])\b", r"\\&\1", shown)  # not the macro of that name
        lines.append(f".It {shown} Ta " + " Ta ".join(word(one, heading) for one in versions()))
    return "\n".join([*lines, ".El"])


def table_of_markdown():
    """In Markdown: the row that a section of the page has in a comment below its heading, and the versions."""
    lines = [f"| | documented | pcsc-lite | {' | '.join(versions())} |", "| --- " * (3 + len(SEEN)) + "|"]
    for heading, row in re.findall(r'^\.S[sh] (.*)\n\.\\" (\| .* \|)$', PAGE, re.MULTILINE):
        lines.append(f"{row} " + " | ".join(word(one, heading) for one in versions()) + " |")
    return "\n".join(lines)


TABLES = {PAGE_FILE: (r'(?<=\.\\" the table begins\n).*?(?=\.\\" the table ends)', lambda: table_of_page() + "\n"),
          PCSC_LITE: (r"(?<=\n)\| \| documented \| pcsc-lite.*?(?=\n\n)", table_of_markdown)}


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.name)
def test_the_tables_are_what_was_seen(path):
    place, table = TABLES[path]
    if RECORDS:
        path.write_text(re.sub(place, lambda _: table(), path.read_text(), count=1, flags=re.DOTALL))
        SEEN_FILE.write_text(json.dumps(SEEN, indent=1) + "\n")
    assert re.search(place, path.read_text(), re.DOTALL)[0] == table()
