# SPDX-License-Identifier: BSD-3-Clause
"""The files of the tree, for the checks beside this file."""

import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PRODUCT = ("lib", "driver", "simulator")
FOLDERS = (*PRODUCT, "cmake", "docs", "fixtures", "tests", ".ci")


def files(folders=FOLDERS, endings=("",)):
    """Those with such a name, relative to the root; not what ran tests leave, nor the inputs of fuzz targets."""
    found = [path for path in os.listdir(ROOT) if (ROOT / path).is_file()] if folders is FOLDERS else []
    for folder in folders:
        for where, below, names in os.walk(ROOT / folder):
            below[:] = [name for name in below if name not in ("__pycache__", ".pytest_cache", "corpus")]
            found += [os.path.relpath(os.path.join(where, name), ROOT) for name in names]
    return sorted(path for path in found if path.endswith(endings))


def read(path):
    return (ROOT / path).read_text(encoding="utf-8")


def finish(what, wrong):
    """Ends the check: wrong are lines that say what is wrong."""
    for line in wrong:
        print(line, file=sys.stderr)
    if wrong:
        sys.exit(1)
    print(f"lint: {what}")
