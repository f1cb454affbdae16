# SPDX-License-Identifier: BSD-3-Clause
"""versus.py [--faults N] [--seed N] [--only TEXT]: one program over PC/SC itself and over libscardmanage, through the same faults.

The program is client.c. It has two ways to the card: bare.c, whose recovery is twenty lines of SCardReconnect, SCardConnect
and SCardEstablishContext, and managed.c. Each of the two has rigs of its own. The faults, their order, and all that is
random about them come from the seed and are the same for both.

A fault (faults.py) begins while the program is between two purchases, or in the middle of one, with the card locked; it has the
program run into it, and ends. A program survives if then all of this holds (stage.py):

- back: within BACK seconds it has made two whole purchases with the right card, and goes on;
- no wrong card: it has sent nothing to a card with another ATR, and no balance was another card's. (After the right card was
  put in again, it must have noticed that: the card is not prepared, and has another balance.);
- no try lost: no other card with the same ATR has got its PIN;
- prepared: no command met a card that had lost what SELECT and VERIFY had done;
- one session: no unit, that is, no purchase, was begun in one session and went on in another; it would have been signed by
  the key that the card takes when none is chosen;
- locked: while it takes the card for its own, another client is kept out;
- not leaked: while it does not, another client gets the card within LEAKED seconds;
- bounded: none of its calls took longer than LIMIT seconds, which is thrice as long as the program says that it can wait.

One that does not survive is killed, and started again with everything in order, as its user would. The exit status is 1 if
libscardmanage's has not survived a fault, or if one of the two does not work without faults.
"""

import argparse
import concurrent.futures
import pathlib
import random
import sys
import tempfile
import time

from faults import FAULTS
from stage import CRASHED, Stage, UsbRig

PROGRAMS = {"bare": "bare loop", "managed": "libscardmanage"}


def draw_faults(count, seed, only=""):
    """Each kind as often as its weight says; at least once, if there is room."""
    rounds = range(max(fault.weight for fault in FAULTS))
    wheel = [fault for number in rounds for fault in FAULTS if fault.weight > number and only in fault.text]
    faults = [wheel[number % len(wheel)] for number in range(count)]
    random.Random(seed).shuffle(faults)
    return sorted(faults, key=lambda fault: fault.rig is UsbRig)


def run(name, faults, seed):
    """Returns for each why the program has not survived it, or None, and how often pcscd died by itself."""
    reasons, crashes, stage = [], 0, None
    with tempfile.TemporaryDirectory(prefix="versus", dir="/tmp") as folder:
        try:
            for number, fault in enumerate(faults):
                if not stage or stage.rig_class is not fault.rig:
                    if stage:
                        stage.finish()
                    stage = Stage(name, fault.rig, pathlib.Path(folder) / fault.rig.__name__)
                begun = time.monotonic()
                while (reason := stage.undergo(fault, random.Random(f"{seed} {number}"))) is CRASHED:
                    crashes += 1
                reasons.append(reason)
                print(f"{name:8} {number + 1:3} {fault.text}: {reason or 'survived'} ({time.monotonic() - begun:.1f} s)",
                      file=sys.stderr, flush=True)
            stage.finish()
        finally:
            stage.end()
    return reasons, crashes


def table(faults, results):
    print(f"{'':40}" + "".join(f"{text:>15}" for text in PROGRAMS.values()))
    for kind in FAULTS:
        if kind not in faults:
            continue
        line, why = f"{kind.text:40}", []
        for name in PROGRAMS:
            mine = [reason for fault, reason in zip(faults, results[name][0]) if fault is kind]
            line += f"{f'{mine.count(None)} of {len(mine)}':>15}"
            why += [reason for reason in mine if reason]
        print(f"{line}  {', '.join(sorted(set(why)))}".rstrip())
    total = "".join(f"{f'{results[name][0].count(None)} of {len(faults)}':>15}" for name in PROGRAMS)
    print(f"{'survived':40}{total}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", metavar="TEXT", default="", help="the kinds of fault with that in their name")
    arguments = parser.parse_args()
    faults = draw_faults(arguments.faults, arguments.seed, arguments.only)
    with concurrent.futures.ProcessPoolExecutor(len(PROGRAMS)) as pool:
        running = {name: pool.submit(run, name, faults, arguments.seed) for name in PROGRAMS}
        results = {name: future.result() for name, future in running.items()}
    table(faults, results)
    for name, (_, crashes) in results.items():
        if crashes:
            print(f"pcscd died by itself {crashes} times under the {PROGRAMS[name]}; these faults were repeated")
    print(f"seed {arguments.seed}")
    return any(results["managed"][0])


if __name__ == "__main__":
    sys.exit(main())
