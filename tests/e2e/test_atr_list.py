# SPDX-License-Identifier: BSD-3-Clause
"""cardrig atr: as a user types it; and against another implementation, ATR_analysis of pcsc-tools, with every ATR of
its list of cards."""

import collections
import json
import os
import pathlib
import re
import subprocess
import tempfile

import pytest

from programs import CARDRIG, run
from waiting import TIMEOUT

LIST = pathlib.Path("/usr/share/pcsc/smartcard_list.txt")
ATR_ANALYSIS = "/usr/bin/ATR_analysis"
BUILTIN = "3B 87 80 01 63 61 72 64 72 69 67 6E"


def batch(atrs):
    """What cardrig atr says about each of them."""
    done = subprocess.run([CARDRIG, "atr", "--json", "-"], input="\n".join(atrs), capture_output=True, text=True,
                          timeout=TIMEOUT)
    assert done.stderr == ""
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["atr"] for answer in answers] == list(atrs)
    assert done.returncode == (0 if all(answer["valid"] for answer in answers) else 1)
    return answers


@pytest.mark.parametrize("arguments", [BUILTIN.split(), [BUILTIN], [BUILTIN.replace(" ", "")],
                                       [BUILTIN.replace(" ", ":").lower()], ["3B87", "80 01", "636172647269676E"]])
def test_ways_to_write_it(arguments):
    done = run("atr", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"ATR {BUILTIN}\n")
    assert json.loads(run("atr", "--json", *arguments).stdout)["protocols"] == [0, 1]


@pytest.mark.parametrize("atr, lines", [
    (BUILTIN, ["TS 3B direct convention", "T0 87 TD1 follows; 7 historical bytes", "TD1 80 T=0; TD2 follows",
               "TD2 01 T=1; no interface bytes follow", '63 61 72 64 72 69 67 "cardrig"', "TCK 6E right",
               "protocols T=0 (default), T=1", "T=0 WI 10", "T=1 IFSC 32, CWI 13, BWI 4, LRC"]),
    ("3F 95 96 40 FF 41 00 7F 5A 20",
     ["TS 3F inverse convention", "TA1 96 Fi 9, Di 6: F 512, D 32, 16 clock cycles per etu, clock up to 5 MHz",
      "TC2 FF T=0: waiting time integer WI 255", '41 00 7F 5A 20 "A..Z "', "TCK -- not needed: only T=0 is offered",
      "speed F 512, D 32: 16 clock cycles per etu after a PPS exchange, 372 without one"]),
    ("3B F0 18 00 FF 91 81 B1 FE 45 1F C7 0D",
     ["TB1 00 deprecated, to be ignored (it was about the programming voltage)",
      "TC1 FF N 255: the shortest guard time, 12 etu for T=0 and 11 for T=1",
      "TA2 81 specific mode with T=1; F and D are those of TA1; a warm reset does not change the mode",
      "TA3 FE T=1: IFSC 254, the longest information field that the card takes", "TB3 45 T=1: CWI 5, BWI 4",
      "TA4 C7 global: the clock may be stopped in either state; class A (5 V), B (3 V), C (1.8 V)",
      "clock up to 5 MHz; may be stopped in either state", "supply class A (5 V), B (3 V), C (1.8 V)",
      "speed F 372, D 12: 31 clock cycles per etu", "T=1 IFSC 254, CWI 5, BWI 4, LRC"]),
    ("3B 80 81 41 01 41", ["TC3 01 T=1: the error detection code is CRC", "T=1 IFSC 32, CWI 13, BWI 4, CRC"])])
def test_for_people(atr, lines):
    done = run("atr", atr)
    said = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert [line for line in lines if line not in said] == [], done.stdout


# 93 microseconds per etu with F 372, D 1 at 4 MHz. ISO/IEC 7816-3:2006, 8.3, 10.2, 11.2, 11.4.3.
@pytest.mark.parametrize("atr, times, lines", [
    (BUILTIN, [{"f": 372, "d": 1, "gt": 12, "t0": {"wwt": 9600},
                "t1": {"cgt": 12, "bgt": 22, "cwt": 8203, "bwt": 15371}}],
     ["times with F 372, D 1, in milliseconds at 4 MHz",
      "GT 12 etu 1.116 ms least between characters to the card, in T=0 and PPS",
      "WWT 9600 etu 892.800 ms T=0: most until the card's next character",
      "BWT 15371 etu 1429.503 ms T=1: most until the card answers a block"]),
    # TA1 96, F 512 and D 32; WI 255, whose time is that of 960 * 255 * 512 clock cycles either way
    ("3F 95 96 40 FF 41 00 7F 5A 20", [{"f": 372, "d": 1, "gt": 12, "t0": {"wwt": 336930}, "t1": None},
                                       {"f": 512, "d": 32, "gt": 12, "t0": {"wwt": 7833600}, "t1": None}],
     ["times with F 512, D 32, in milliseconds at 4 MHz",
      "WWT 336930 etu 31334.490 ms T=0: most until the card's next character",
      "WWT 7833600 etu 31334.400 ms T=0: most until the card's next character",
      "GT 12 etu 0.048 ms least between characters to the card, in T=0 and PPS"]),
    # specific mode with TA1 18, F 372 and D 12; N 255, CWI 5, BWI 4
    ("3B F0 18 00 FF 91 81 B1 FE 45 1F C7 0D",
     [{"f": 372, "d": 12, "gt": 12, "t0": None, "t1": {"cgt": 11, "bgt": 22, "cwt": 43, "bwt": 184331}}],
     ["CGT 11 etu 0.086 ms T=1: least between characters of a block to the card",
      "BGT 22 etu 0.171 ms T=1: least from a block to one in the other direction",
      "CWT 43 etu 0.334 ms T=1: most between characters of a block",
      "BWT 184331 etu 1428.566 ms T=1: most until the card answers a block"]),
    ("3B 90 96 10 10", [], [])])  # specific mode, F and D are implicit
def test_times(atr, times, lines):
    assert json.loads(run("atr", "--json", atr).stdout)["times"] == times
    said = [" ".join(line.split()) for line in run("atr", atr).stdout.splitlines()]
    assert [line for line in lines if line not in said] == [], said
    assert len([line for line in said if line.startswith("times")]) == len(times)


@pytest.mark.parametrize("atr, code, position, clause, decoded", [
    ("", "empty", 0, "8.2.1", False), ("03", "bad_ts", 0, "8.1", False), ("3B", "truncated", 1, "8.2.1", False),
    ("3B 9F", "truncated", 2, "8.2.2", False), ("3B 80 10", "truncated", 3, "8.2.3", False),
    ("3B 02 41", "truncated", 3, "8.2.2", False), ("3B 00" + 32 * " 00", "too_long", 33, "8.2.1", False),
    ("3B 00 01 02", "trailing", 2, "8.2.1", True), ("3B 02 14 50 46", "tck_unexpected", 4, "8.2.5", True),
    ("3B 80 01", "tck_missing", 3, "8.2.5", True), ("3B 80 01 80", "tck_wrong", 3, "8.2.5", True),
    ("3B 80 0F 8F", "t15_first", 2, "8.2.3", True)])
def test_what_the_standard_does_not_allow(atr, code, position, clause, decoded):
    done = run("atr", "--json", atr)
    answer = json.loads(done.stdout)
    error = answer["error"]
    assert (done.returncode, done.stderr, answer["valid"]) == (1, "", False)
    assert (error["code"], error["position"], error["clause"], answer["decoded"]) == (code, position, clause, decoded)
    assert ("protocols" in answer) == decoded
    assert error["text"].startswith(f"byte {position}: ") and f", {clause})" in error["text"]
    done = run("atr", atr)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.endswith(f"  error: {error['text']}\n")
    assert ("protocols" in done.stdout) == decoded


def test_warnings_are_no_errors():
    done = run("atr", "--json", "3B 20 00")
    answer = json.loads(done.stdout)
    assert done.returncode == 0 and answer["valid"] and answer["error"] is None
    assert [(warning["code"], warning["position"]) for warning in answer["warnings"]] == [("tb1_deprecated", 2)]
    done = run("atr", "3B 20 00")
    assert done.returncode == 0
    assert f"  warning: {answer['warnings'][0]['text']}\n" in done.stdout


@pytest.mark.parametrize("arguments", [[], ["--frobnicate", BUILTIN], ["3B 0"], ["3B", "x0"], ["--", "-", "3B"]])
def test_wrong_arguments(arguments):
    done = run("atr", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    hint = arguments[:1] == ["--frobnicate"]  # a second line, which says how to list the options
    assert done.stderr.startswith("cardrig atr: ") and len(done.stderr.splitlines()) == 1 + hint


def test_lines():
    done = run("atr", "-", input=f"{BUILTIN}\n\n3B 00\r\nfoo\n3B")
    assert done.returncode == 2
    assert done.stderr == "cardrig atr: line 4, character 2: not a hexadecimal digit\n"
    assert [line for line in done.stdout.splitlines() if line.startswith("ATR")] == [f"ATR {BUILTIN}", "ATR 3B 00",
                                                                                  "ATR 3B"]
    assert run("atr", "-", input="3B 00\n").returncode == 0
    assert run("atr", "-", input="3B 00\n3B").returncode == 1
    assert run("atr", "--json", "-", input="").stdout == ""


# Runs ATR_analysis, unchanged, for each line of standard input. It is made one function, and that is called in a
# process of its own for each ATR, since the script exits wherever it likes.
DRIVER = r"""
use strict; use warnings; use Chipcard::PCSC::Card; use Getopt::Std; use File::stat;
open my $file, "<", shift @ARGV or die "$!";
my $source = do { local $/; <$file> };
{ no warnings; eval "sub atr_analysis {\n$source\n}\n1" or die $@; }
while (my $line = <STDIN>) {
    chomp $line;
    my $child = fork() // die "fork: $!";
    if ($child == 0) {
        @ARGV = split / /, $line;
        print "\x01\n";
        atr_analysis();
        exit 0;
    }
    waitpid $child, 0;
    die "ATR_analysis failed with $line" if $? != 0;
}
"""


def substitute(entry):
    """The list's entries are patterns: '.' is any digit, '.*' anything, brackets are a choice of digits. Takes 0,
    nothing, and the first."""
    entry = re.sub(r"\[(.)[^]]*\]", r"\1", entry.replace(".*", "")).replace(".", "0")
    return " ".join(entry.upper().split())


@pytest.fixture(scope="module")
def listed():
    entries = [line for line in LIST.read_text().splitlines() if line and line[0] not in "#\t"]
    atrs = list(dict.fromkeys(map(substitute, entries)))
    assert len(atrs) > 3500
    assert all(re.fullmatch(r"[0-9A-F]{2}( [0-9A-F]{2})*", atr) for atr in atrs)
    return atrs


@pytest.fixture(scope="module")
def theirs(listed):
    """What ATR_analysis says, for each ATR."""
    with tempfile.TemporaryDirectory(dir="/tmp") as home:
        # It looks the ATR up in a list, and fetches a newer one when it is not there. Ours has only a pattern for any.
        environment = {**os.environ, "HOME": home, "XDG_CACHE_HOME": home}
        pathlib.Path(home, "smartcard_list.txt").write_text(".*\n\tany\n\n")
        parts = [listed[start::2] for start in range(2)]
        workers = []
        for number, part in enumerate(parts):
            pathlib.Path(home, f"in{number}").write_text("\n".join(part) + "\n")
            with (open(f"{home}/in{number}") as to, open(f"{home}/out{number}", "w") as out,
                  open(f"{home}/err{number}", "w") as err):
                workers.append(subprocess.Popen(["perl", "-e", DRIVER, ATR_ANALYSIS], stdin=to, stdout=out, stderr=err,
                                                env=environment))
        said = {}
        for number, (worker, part) in enumerate(zip(workers, parts)):
            assert worker.wait(300) == 0, pathlib.Path(home, f"err{number}").read_text()
            texts = pathlib.Path(home, f"out{number}").read_text().split("\x01\n")[1:]
            said.update(zip(part, texts, strict=True))
    for atr, text in said.items():
        assert text.startswith(f"ATR: {atr}\n"), text
    return {atr: Theirs(text) for atr, text in said.items()}


class Theirs:
    """ATR_analysis's text as data."""

    def __init__(self, text):
        text = re.sub(r"\033\[\d*m", "", text)
        self.convention = re.search(r"^\+ TS = .. --> (\w+) Convention$", text, re.MULTILINE)[1].lower()
        self.historical_count = int(re.search(r"K: (\d+) ", text)[1])
        found = re.search(r"^\+ Historical bytes: (.*)$", text, re.MULTILINE)
        self.historical = " ".join(found[1].split()[:self.historical_count]) if found else ""
        self.interface = []  # (name, value)
        self.named = []  # T of each TD
        self.meaning = {}  # by "TA1"; from the third group on by "TA of T=1", and the first one counts (8.2.3)
        for kind, group, value, meaning in re.findall(
                r"^  (T[ABCD])\((\d+)\) = ([0-9A-F]{2}) --> (.*(?:\n    .*)?)$", text, re.MULTILINE):
            self.interface.append((kind + group, int(value, 16)))
            if kind == "TD":
                self.named.append(int(re.search(r"Protocol T = (\d+)", meaning)[1]))
            elif int(group) <= 2:
                self.meaning[kind + group] = meaning
            else:
                self.meaning.setdefault(f"{kind} of T={self.named[-1]}", meaning)
        self.protocols = list(dict.fromkeys(T for T in self.named if T != 15)) if self.named else [0]
        self.verdict = next((verdict for verdict, words in [
            ("truncated", "ATR is truncated"), ("too long", "ATR is too long"), ("wrong", "WRONG CHECKSUM"),
            ("right", "correct checksum")] if words in text), "none")
        found = re.search(r"TCK = (..) \(?(?:WRONG CHECKSUM, expected (..))?", text)
        self.tck = found and int(found[1], 16)
        self.tck_expected = found and int(found[2] or found[1], 16)
        self.only_t0 = not any(self.named)

    def find(self, where, pattern):
        """What the groups of the pattern match in the meaning of a byte; None when it is not there."""
        return re.search(pattern, self.meaning[where]).groups() if where in self.meaning else None


def verdict(ours):
    return ours["error"]["code"] if ours["error"] else ours["tck"]["verdict"]


# What is said of TCK and length: ours, theirs, and whom it may be said of. ATR_analysis looks for a TCK only where
# there is one byte more than T0 announces, and does not ask whether there must be one.
AGREEMENTS = [
    ("right", "right", lambda they: not they.only_t0),
    ("not needed", "none", lambda they: they.only_t0),
    ("tck_wrong", "wrong", lambda they: not they.only_t0),
    ("truncated", "truncated", lambda they: True),
    ("trailing", "too long", lambda they: True),
]
# Where we differ, and why the standard (ISO/IEC 7816-3:2006) is on our side.
EXCEPTIONS = {
    ("tck_missing", "none", lambda they: not they.only_t0):
        "8.2.5: TCK shall be there when anything else than T=0 is indicated; they do not look for one",
    ("tck_unexpected", "right", lambda they: they.only_t0):
        "8.2.5: TCK shall be absent when only T=0 is indicated, right or not; they take any byte after the end for it",
    ("trailing", "wrong", lambda they: they.only_t0):
        "8.2.5: the same, for a byte that would not even be right",
    ("truncated", "none", lambda they: they.historical == "" and they.historical_count > 0):
        "8.2.2: T0 announces historical bytes; they stop without a word when not one of them is there",
    ("t15_first", "right", lambda they: they.named[:1] == [15]):
        "8.2.3: T=15 qualifies global interface bytes and is invalid in TD1; they do not look at the order",
}


def test_interface_bytes(listed, theirs):
    differ = {}
    for atr, ours in zip(listed, batch(listed)):
        they = theirs[atr]
        if [(byte["name"], byte["value"]) for byte in ours["bytes"][2:]] != they.interface:
            differ[atr] = "bytes"
        elif ours["bytes"][0]["meaning"] != f"{they.convention} convention":
            differ[atr] = "convention"
        elif ours["decoded"] and (ours["historical"]["hex"] != they.historical):
            differ[atr] = "historical bytes"
        elif ours["decoded"] and ours["protocols"] != they.protocols:
            differ[atr] = "protocols"
    assert differ == {}


def test_tck(listed, theirs):
    needed, differ = set(), {}
    for atr, ours in zip(listed, batch(listed)):
        they = theirs[atr]
        applies = [rule for rule in [*AGREEMENTS, *EXCEPTIONS]
                   if rule[:2] == (verdict(ours), they.verdict) and rule[2](they)]
        needed.update(applies)
        if not applies:
            differ[atr] = (verdict(ours), they.verdict)
        elif they.tck is not None and ours["decoded"] and verdict(ours) != "trailing":
            if (ours["tck"]["value"], ours["tck"]["expected"]) != (they.tck, they.tck_expected):
                differ[atr] = ours["tck"]
    assert differ == {}
    assert [reason for rule, reason in EXCEPTIONS.items() if rule not in needed] == []


def parameters(ours, they):
    """Pairs of what we say and what they say, for all that both speak of."""
    warnings = {warning["code"] for warning in ours["warnings"]}
    speed, specific, t1 = ours["speed"], ours["specific"], ours["t1"]
    fi, di = they.find("TA1", r"Fi=(\w+), Di=(\w+)") or ("372", "1")
    yield "Fi reserved", "fi_reserved" in warnings, fi == "RFU"
    yield "Di reserved", "di_reserved" in warnings, di == "RFU"
    if "RFU" not in (fi, di):
        yield "F and D", (str(speed["f"]), str(speed["d"])), (fi, di)
        cycles, fmax = they.find("TA1", r"([\d.]+) cycles/ETU(?:.|\n)*fMax for Fi = (\d+) MHz") or ("372", "5")
        yield "F/D", format(speed["cycles_per_etu"], "g"), cycles
        yield "fmax", speed["fmax_khz"] // 1000, int(fmax)
    yield "N", (str(ours["extra_guard_time"]),), they.find("TC1", r"guard time: (\d+)") or ("0",)
    mode = they.find("TA2", r"T=(\d+) - (Unable|Capable) to change - (implicitly?|defined)")
    yield "TA2", specific and (str(specific["protocol"]), specific["changeable"], specific["implicit"]), (
        mode and (mode[0], mode[1] == "Capable", mode[2].startswith("implicit")))
    if ours["t0"] and "wi_reserved" not in warnings:
        yield "WI", (str(ours["t0"]["wi"]),), they.find("TC2", r"960 x (\d+) x") or ("10",)
    if t1:
        if "ifsc_reserved" not in warnings:
            yield "IFSC", (str(t1["ifsc"]),), they.find("TA of T=1", r"IFSC: (\d+)") or ("32",)
        bwi, cwi = they.find("TB of T=1", r"Block Waiting Integer: (\d+) - Character Waiting Integer: (\d+)") or (
            "4", "13")
        yield "CWI", str(t1["cwi"]), cwi
        yield "BWI", "bwi_reserved" in warnings or str(t1["bwi"]), int(bwi) > 9 or bwi
        edc = they.find("TC of T=1", r"code: (\w+)") or ("LRC",)
        yield "EDC", "edc_reserved" in warnings or t1["edc"], edc[0] == "RFU" or edc[0]
    stop, classes = they.find("TA of T=15", r"Clock stop: ([\w ]+) - Class accepted by the card: (.*)") or (
        "not supported", "A 5V")
    yield "clock stop", {"none": "not supported", "low": "state L", "high": "state H", "any": "no preference"}[
        ours["electrical"]["clock_stop"]], stop
    if "class_reserved" not in warnings:
        yield "classes", list(ours["electrical"]["classes"]), re.findall(r"\b([A-E]) ", classes)


def test_parameters(listed, theirs):
    differ = {}
    compared = collections.Counter()
    for atr, ours in zip(listed, batch(listed)):
        if ours["decoded"]:
            for what, we, they in parameters(ours, theirs[atr]):
                compared[what] += 1
                if we != they:
                    differ[atr] = (what, we, they)
    assert differ == {}
    assert min(compared.values()) > 1000, compared
