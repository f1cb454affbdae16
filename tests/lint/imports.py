# SPDX-License-Identifier: BSD-3-Clause
"""Which file includes which: each folder only what lies below it, and no circles of files.

A file here is a module: NAME.c and NAME.h, or one of them.
"""

import os
import re

import tree

# Each folder, and those from which it may include files beside its own.
LAYERS = {
    "lib/base": (),
    "lib/iso7816": (),
    "lib/link": ("lib/base",),
    "lib/scardmanage": ("lib/scardmanage/include",),
    "lib/scardmanage/include": (),
    "lib/scardmanage/examples": ("lib/scardmanage/include",),
    "driver": ("lib/link", "lib/base"),
    "simulator/icc": ("simulator/icc/crypto", "lib/iso7816", "lib/link", "lib/base"),
    "simulator/icc/crypto": ("simulator/icc", "lib/base"),  # the sandbox; a part of the folder above
    "simulator/ifd": ("simulator/icc", "lib/iso7816", "lib/base"),
    "simulator/rig": ("simulator/ifd", "simulator/icc", "lib/iso7816", "lib/link", "lib/base"),
    "simulator/pcscd": ("lib/base",),
    "simulator/cli": ("simulator/rig", "simulator/pcscd", "simulator/icc", "lib/iso7816", "lib/link", "lib/base"),
}
SEARCHED = ("lib", "simulator", "driver", "lib/scardmanage/include")

sources = set(tree.files(tree.PRODUCT, (".c", ".h")))
wrong = []


def included(path):
    for name in re.findall(r'^#\s*include "([^"]+)"', tree.read(path), re.M):
        for folder in (os.path.dirname(path), *SEARCHED):
            found = os.path.normpath(os.path.join(folder, name))
            if found in sources:
                yield found
                break
        else:
            wrong.append(f'{path}: "{name}" is not a file of the tree')


def module(path):
    return os.path.splitext(path)[0]


needs = {module(path): set() for path in sources}
for path in sorted(sources):
    folder = os.path.dirname(path)
    if folder not in LAYERS:
        wrong.append(f"{path}: the folder is not in LAYERS of tests/lint/imports.py")
    for other in included(path):
        below = os.path.dirname(other)
        if below != folder and below not in LAYERS.get(folder, ()):
            wrong.append(f"{path}: includes {other}, but {folder}/ may not include from {below}/")
        if other == path:
            wrong.append(f"{path}: includes itself")
        if module(other) != module(path):
            needs[module(path)].add(module(other))

# What includes nothing that is left is taken away again and again. Each file that remains includes one that remains,
# and going from one to the next leads to a circle.
while leaves := {name for name, others in needs.items() if not others}:
    needs = {name: others - leaves for name, others in needs.items() if name not in leaves}
if needs:
    way = [min(needs)]
    while way[-1] not in way[:-1]:
        way.append(min(needs[way[-1]]))
    wrong.append("a circle of includes: " + " -> ".join(way[way.index(way[-1]):]))

tree.finish(f"no circle and no wrong direction among the includes of {len(sources)} files", wrong)
