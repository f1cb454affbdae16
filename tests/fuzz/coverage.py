#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Which lines of lib/, driver/ and simulator/ the fuzz targets' corpora reach: a table, and pages in HTML.

Usage: coverage.py FOLDER

FOLDER is a build with CARDRIG_FUZZ and clang's -fprofile-instr-generate -fcoverage-mapping: ./dev fuzz --coverage makes
it. Each target runs once over its corpus, and nothing is fuzzed; so the figures are the same each time.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys

SOURCE = pathlib.Path(__file__).resolve().parents[2]
CORPUS = SOURCE / "tests/fuzz/corpus"
PARTS = ("lib", "driver", "simulator")


def tool(name):
    """That of the compiler's own version: no other can read its profiles."""
    path = subprocess.run(["clang", f"-print-prog-name={name}"], check=True, capture_output=True, text=True).stdout.strip()
    if not shutil.which(path):
        sys.exit(f"{name} of clang's own version is missing: install the package 'llvm'")
    return path


def run_targets(build, profiles):
    profiles.mkdir(exist_ok=True)
    for old in profiles.iterdir():
        old.unlink()
    targets = sorted(build.glob("bin/fuzz_*"))
    for target in targets:
        name = target.name.removeprefix("fuzz_")
        done = subprocess.run([target, "-runs=0", CORPUS / name], capture_output=True, text=True, errors="replace",
                              env={**os.environ, "LLVM_PROFILE_FILE": f"{profiles}/{name}.profraw"})
        if done.returncode != 0:
            sys.exit(f"{target} failed on its corpus:\n{done.stderr}")
    return targets


def merge(profiles, merged):
    subprocess.run([tool("llvm-profdata"), "merge", "-sparse", "-o", merged, *profiles.glob("*.profraw")], check=True)


def part_of(path):
    """The path below the source's own folder, if it is of one of its parts."""
    try:
        relative = pathlib.Path(path).resolve().relative_to(SOURCE)
    except ValueError:
        return None
    return str(relative) if relative.parts[0] in PARTS else None


def measure(objects, merged):
    """Lines and reached lines of each file."""
    done = subprocess.run([tool("llvm-cov"), "export", "-summary-only", f"-instr-profile={merged}", *objects],
                          check=True, capture_output=True, text=True)
    files = {}
    for file in json.loads(done.stdout)["data"][0]["files"]:
        name = part_of(file["filename"])
        lines = file["summary"]["lines"]
        if name and lines["count"] > 0:
            files[name] = (lines["count"], lines["covered"])
    return files


def row(name, count, covered):
    print(f"{name:<44} {count:>7} {covered:>7} {100 * covered / count:>6.1f} %")


def print_table(files):
    print(f"{'file':<44} {'lines':>7} {'reached':>7}")
    for part in PARTS:
        mine = {name: figures for name, figures in files.items() if name.startswith(f"{part}/")}
        print()
        for name, figures in sorted(mine.items()):
            row(name, *figures)
        row(f"{part}/ as a whole", *map(sum, zip(*mine.values())))


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    build = pathlib.Path(sys.argv[1]).resolve()
    merged, html = build / "all.profdata", build / "html"
    targets = run_targets(build, build / "profiles")
    merge(build / "profiles", merged)
    # the programs and libraries, too: what no target has at all is in them
    programs = [*targets, build / "bin/cardrig", *build.glob("lib/*.so")]
    objects = [programs[0], *(f"-object={program}" for program in programs[1:])]
    print_table(measure(objects, merged))
    subprocess.run([tool("llvm-cov"), "show", "-format=html", f"-output-dir={html}", f"-instr-profile={merged}",
                    f"-ignore-filename-regex={build}|{SOURCE}/tests|^/usr/", *objects], check=True)
    print(f"\nLine by line: {html}/index.html")


main()
