# SPDX-License-Identifier: BSD-3-Clause
"""The tables of documents, which are tests."""

import re

from programs import SOURCE


def rows(path, first):
    """The rows of the table in a document whose first column has that heading."""
    found = []
    for table in re.findall(r"((?:^\|.*\n)+)", (SOURCE / path).read_text(), re.MULTILINE):
        lines = [[cell.strip() for cell in line.strip("|\n").split("|")] for line in table.splitlines()]
        if lines[0][0] == first:
            found += lines[2:]
    assert found
    return found


def prefixed(code):
    return code if code.startswith("ok") else "SCARD_" + code
