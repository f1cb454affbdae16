# SPDX-License-Identifier: BSD-3-Clause
"""Each header compiles by itself, so that the order of includes does not matter."""

import concurrent.futures
import os
import shlex
import subprocess

import tree

PACKAGES = ("libpcsclite", "lua5.4", "lua-5.4", "lua54", "jansson", "libcrypto")  # Lua 5.4 has different names
FOLDERS = ("lib", "simulator", "driver", "lib/scardmanage/include")


def flags(package):
    found = subprocess.run(["pkg-config", "--cflags", package], capture_output=True, text=True)
    return shlex.split(found.stdout)  # empty without a .pc file: then the compiler finds it itself, or says so


def compile_alone(headers):
    return subprocess.run([*compiler, *headers], cwd=tree.ROOT, capture_output=True, text=True)


compiler = [os.environ.get("CC", "gcc"), "-std=gnu11", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE",
            *(f"-I{folder}" for folder in FOLDERS), *(flag for package in PACKAGES for flag in flags(package))]
headers = tree.files(tree.PRODUCT, (".h",))
processors = os.cpu_count() or 1
with concurrent.futures.ThreadPoolExecutor(processors) as pool:
    runs = list(pool.map(compile_alone, [headers[i::processors] for i in range(processors)]))
tree.finish(f"{len(headers)} headers compile alone", [run.stderr.rstrip() for run in runs if run.returncode != 0])
