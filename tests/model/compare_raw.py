# SPDX-License-Identifier: BSD-3-Clause
"""Compares PC/SC in memory with the real one: calls and card events from the same seeds give the same results (raw.c)."""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile

SHOWN = 12  # lines before the first one that differs
TIMEOUT = 600  # seconds: longer than all sequences may take
END = "the end"

BIN = pathlib.Path(os.environ["CARDRIG_BUILD"]) / "bin"


def run(*command):
    """Runs the program; returns its lines, by the first line of each sequence, and whether it came to its end."""
    with tempfile.TemporaryFile("w+") as log:
        program = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=log, text=True)
        try:
            lines = program.communicate(timeout=TIMEOUT)[0].splitlines()
        except subprocess.TimeoutExpired:
            program.terminate()
            lines = [*program.communicate()[0].splitlines(), "a call does not return"]
        log.seek(0)
        ok = program.returncode == 0 and END in lines
        if not ok:
            sys.stderr.write(log.read())
    sequences = {}
    for line in lines:
        if line.startswith("sequence "):
            found = sequences[line] = []  # in place of an attempt that was late
        elif line != END and sequences:
            found.append(line)
    return sequences, ok


def show(name, memory, real):
    number = next(i for i, lines in enumerate(zip(memory + [""], real + [""])) if lines[0] != lines[1])
    print(name, *real[max(number - SHOWN, 0):number], sep="\n")
    print("in memory: " + "".join(memory[number:number + 1]), "on pcscd:  " + "".join(real[number:number + 1]), sep="\n")
    print(f"FAILED: --seed {name.split()[1]} repeats it")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of the first sequence")
    parser.add_argument("--count", type=int, default=1, help="of sequences")
    parser.add_argument("--version", default="1.9.9", help="of pcsc-lite, as it is installed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        words = folder, options.seed, options.count, options.version
        memory, memory_ok = run(BIN / "raw_memory", *words)
        real, real_ok = run(BIN / "cardrig", "run", "--pcscd", BIN / "model_pcscd", "--reader", "key,usb", "--empty", "--",
                            BIN / "raw", *words)
    different = [name for name in {**memory, **real} if memory.get(name) != real.get(name)]
    for name in different[:1]:
        show(name, memory.get(name, []), real.get(name, []))
    print(f"{len(memory)} sequences in memory, {len(real)} on pcscd, {len(different)} differ")
    sys.exit(0 if memory_ok and real_ok and not different else 1)


if __name__ == "__main__":
    main()
