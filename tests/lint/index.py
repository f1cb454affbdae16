# SPDX-License-Identifier: BSD-3-Clause
"""tests/README.md names each test file and what tests share, and nothing that is not there; it has at most 120 lines."""

import os
import re

import tree

PAGE = "tests/README.md"
LINES_MAX = 120
TEST = re.compile(r"(?:test|fuzz)_\w+\.(?:c|py)")
SHARED = re.compile(r"(?!(?:test|fuzz)_)\w+\.(?:h|py)")

page = tree.read(PAGE)
there = {name for path in tree.files(("tests/unit", "tests/e2e", "tests/fuzz"))
         if TEST.fullmatch(name := os.path.basename(path))}
there |= {name for path in tree.files(("tests/support",)) if SHARED.fullmatch(name := os.path.basename(path))}
named = {word for word in re.findall(r"`([^`]+)`", page) if TEST.fullmatch(word) or SHARED.fullmatch(word)}
wrong = [f"{PAGE}: {name} is not in it" for name in sorted(there - named)]
wrong += [f"{PAGE}: there is no {name}" for name in sorted(named - there)]
if (lines := page.count("\n")) > LINES_MAX:
    wrong.append(f"{PAGE}: {lines} lines, expected at most {LINES_MAX}")
tree.finish(f"{PAGE} names {len(there)} files", wrong)
