# SPDX-License-Identifier: BSD-3-Clause
"""The files and functions that README.md and docs/ name are in the tree.

What stands in backquotes is checked. `name()` is a function, `struct name` and `enum name` are types. A path that
begins with a folder of the tree, or has a known ending, is a file or a folder; it may be the end of a path
(`rig/slot.c`), and NAME in it stands for any name. In a row of a table that begins with files, the functions are in one
of these. Links lead somewhere.
"""

import os
import re

import tree

ENDINGS = (".c", ".h", ".lua", ".py", ".sh", ".md", ".txt", ".cmake", ".in", ".map")
INSTALLED = ("lib/pcsc/drivers",)  # below a prefix
PAGES = ["README.md", "tests/README.md", *tree.files(("docs", "simulator"), (".md",))]

paths = set(tree.files())
folders = {os.path.dirname(path) for path in paths} | {os.path.dirname(os.path.dirname(path)) for path in paths}
texts = {path: tree.read(path) for path in tree.files((*tree.PRODUCT, "tests"), (".c", ".h", ".py", "CMakeLists.txt"))}
wrong = []


def is_path(name):
    return re.fullmatch(r"[\w.-]+(/[\w.-]+)+/?", name) and name not in INSTALLED and \
        (name.endswith(ENDINGS) or name.split("/")[0] in tree.FOLDERS)


def find(name):
    """The files that name can mean; of a folder, those in it."""
    name = name.rstrip("/")
    if name in folders:
        return [path for path in paths if path.startswith(name + "/")]
    pattern = re.compile(".*/" + re.escape(name).replace("NAME", "[^/]+"))
    return [path for path in paths if pattern.fullmatch("/" + path)]


def defines(path, function):
    """A definition or declaration stands at the left margin, in Python and CMake behind a keyword."""
    return re.search(rf"^(?:\w[^;={{}}\n]*[\s*]|def |function\()?{function}(?:\(| |\))", texts.get(path, ""), re.M)


def check(page, number, line):
    words = re.findall(r"`([^`]+)`", line)
    files = [path for word in words if is_path(word) for path in find(word)] if re.match(r"\| *`", line) else []
    for word in words:
        function = re.fullmatch(r"(\w+)\(\)", word)
        kind = re.fullmatch(r"(?:struct|enum) \w+", word)
        if is_path(word) and not find(word) and not (tree.ROOT / word).exists():
            wrong.append(f"{page}:{number}: there is no {word}")
        elif function and not any(defines(path, function[1]) for path in files or texts):
            wrong.append(f"{page}:{number}: there is no {word}" + (" in these files" if files else ""))
        elif kind and not any(f"{word} {{" in text for text in texts.values()):
            wrong.append(f"{page}:{number}: there is no {word}")
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", line):
        if not (tree.ROOT / os.path.dirname(page) / link).exists():
            wrong.append(f"{page}:{number}: the link {link} leads nowhere")


for page in PAGES:
    for number, line in enumerate(tree.read(page).splitlines(), 1):
        check(page, number, line)
tree.finish(f"the files and functions that {len(PAGES)} pages name are there", wrong)
